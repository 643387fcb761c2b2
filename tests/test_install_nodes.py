"""The setting `nodes`: whatever needs EFS, or a role to ask AWS, stands on the nodes that get it, and on no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import consents
import pytest
from installlab import DRIVER, SAFE, InstallLab, bare, install_lab

from efsdiag.chart_conflicts import conflicts
from efsdiag.charts import driver_values, placement, prometheus_values
from efsdiag.semantics.selectors import node_selector_matches
from efsdiag.settings_file import load_settings

SELECTOR = "workload=monitoring"
OURS = {
    "data": {"pool": "data"},
    "web": {"pool": "web", "gpu": ""},
    "plain": {},
}


def selected(affinity: dict[str, Any]) -> list[str]:
    """The nodes of OURS that the scheduler leaves to a pod with this affinity."""
    required = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    return [name for name, labels in OURS.items() if node_selector_matches(required, labels, name)]


@pytest.mark.parametrize(
    ("selector", "nodes"),
    [
        ("pool=data", ["data"]),
        ("pool == data", ["data"]),
        ("pool!=data", ["web", "plain"]),
        ("pool in (data, web)", ["data", "web"]),
        ("pool notin (data)", ["web", "plain"]),
        ("pool", ["data", "web"]),
        ("!pool", ["plain"]),
        ("pool,!gpu", ["data"]),
        ("gpu=", ["web"]),
        ("kubernetes.io/os=linux", []),
    ],
)
def test_the_pod_the_trial_and_the_controller_stand_where_the_selector_says(selector: str, nodes: list[str]) -> None:
    settings = load_settings(None, [f"nodes={selector}"])
    assert selected(prometheus_values(settings)["server"]["affinity"]) == nodes
    assert selected(placement(settings)["affinity"]) == nodes
    assert selected(driver_values(settings)["controller"]["affinity"]) == nodes


def test_without_a_selector_no_affinity_is_set() -> None:
    settings = load_settings(None, [])
    assert "affinity" not in prometheus_values(settings)["server"]
    assert "affinity" not in driver_values(settings)["controller"]
    assert placement(settings) == {}


@pytest.mark.parametrize("way", ["irsa", "pod-identity"])
def test_a_controller_with_a_role_of_its_own_may_stand_anywhere(way: str) -> None:
    settings = load_settings(None, ["nodes=pool=data", f"iam.way={way}"])
    assert "affinity" not in driver_values(settings)["controller"]
    assert selected(placement(settings)["affinity"]) == ["data"]


def test_alertmanager_stands_there_too_where_its_data_is_on_efs() -> None:
    flags = ["nodes=pool=data", "prometheus.alertmanager=true"]
    static = prometheus_values(load_settings(None, flags))["alertmanager"]
    dynamic = prometheus_values(load_settings(None, [*flags, "storage.way=access-point-dynamic"]))["alertmanager"]
    assert "affinity" not in static
    assert selected(dynamic["affinity"]) == ["data"]


def test_what_the_user_says_beside_it_holds_too_also_for_the_trial() -> None:
    own = (
        "prometheus.values={server: {nodeSelector: {disk: fast}, tolerations: [{operator: Exists}],"
        " affinity: {podAntiAffinity: {x: []}}}}"
    )
    given = placement(load_settings(None, ["nodes=pool=data", own]))
    assert given.keys() == {"affinity", "nodeSelector", "tolerations"}
    assert given["affinity"].keys() == {"nodeAffinity", "podAntiAffinity"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InstallLab]:
    """A lab in which everything was installed for some nodes. Tests only look at it."""
    with install_lab(bare(), tmp_path_factory.mktemp("nodes")) as made:
        consents.forget()
        assert made.run(*SAFE, "--set", f"nodes={SELECTOR}") == 0, made.printed
        yield made


def test_an_install_for_some_nodes_keeps_its_pods_on_them(installed: InstallLab) -> None:
    (job,) = installed.jobs
    controller = installed.releases[DRIVER].parameters["values"]["controller"]
    server = installed.releases["prometheus"].parameters["values"]["server"]
    for affinity in (job["spec"]["template"]["spec"]["affinity"], controller["affinity"], server["affinity"]):
        required = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        taken = [n for n in installed.all("nodes") if node_selector_matches(required, n["metadata"]["labels"])]
        assert len(taken) == 1
        assert taken[0]["metadata"]["labels"]["workload"] == "monitoring"


def test_for_nodes_that_are_not_there_nothing_is_made(tmp_path: Path) -> None:
    with install_lab(bare(), tmp_path) as lab:
        assert lab.run(*SAFE, "--set", "nodes=pool=none") == 3, lab.printed
        assert "no node has the labels pool=none" in lab.printed
        assert lab.writes() == []


# --- values that say otherwise ------------------------------------------------------------------------------------

ELSEWHERE = """\
nodes: pool=data
storage: {way: access-point-dynamic}
prometheus:
  alertmanager: true
  values:
    PART:
      affinity:
        nodeAffinity:
          requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: []}
"""


@pytest.mark.parametrize(
    ("text", "line", "key", "setting"),
    [
        (ELSEWHERE.replace("PART", "server"), 9, "server.affinity.nodeAffinity.required", "nodes"),
        (ELSEWHERE.replace("PART", "alertmanager"), 9, "alertmanager.affinity.nodeAffinity.required", "nodes"),
        ("nodes: a\nprometheus:\n  values:\n    server: {affinity: null}\n", 4, "server.affinity says", "nodes"),
        ("nodes: a\ndriver:\n  values: {controller: {affinity: null}}\n", 3, "controller.affinity says", "nodes"),
        (
            "prometheus:\n  values:\n    server:\n      statefulSet: {enabled: true}\n",
            4,
            "statefulSet.enabled",
            "prometheus.statefulSet",
        ),
        ("prometheus: {values: {server: {persistentVolume: {existingClaim: x}}}}", 1, "existingClaim", "claim"),
        (
            "prometheus: {values: {server: {persistentVolume: {enabled: false}}}}",
            1,
            "persistentVolume.enabled",
            "claim",
        ),
        ("prometheus: {values: {server: null}}", 1, "values.server says", "prometheus.statefulSet"),
    ],
)
def test_a_value_that_says_otherwise_than_a_setting_is_told_with_its_line(
    installed: InstallLab, text: str, line: int, key: str, setting: str
) -> None:
    (installed.folder / "other.yaml").write_text(text)
    assert installed.run("install", "--file", "other.yaml", "--plan") == 2, installed.printed
    said = " ".join(installed.printed.split())
    assert f"settings-disagree: other.yaml:{line} " in said
    assert key in said
    assert f"leave it out, and say it in {setting}" in said


def test_a_value_of_a_flag_that_says_otherwise_is_told(installed: InstallLab) -> None:
    flag = "prometheus.values.server.persistentVolume.existingClaim=x"
    assert installed.run("install", "--plan", "--set", flag) == 2
    assert "settings-disagree: prometheus.values.server.persistentVolume.existingClaim says" in installed.printed


def test_a_value_that_says_the_same_is_taken() -> None:
    same = "prometheus.values={server: {persistentVolume: {enabled: true, existingClaim: data}, nodeSelector: {a: b}}}"
    assert list(conflicts(load_settings(None, ["nodes=pool=data", "claim=data", same]))) == []
