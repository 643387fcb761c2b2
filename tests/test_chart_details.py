"""What a real helm makes of the values of the settings: one writer on the claim, and no claim that stays pending.

The charts are those of the tests, with the keys of the real ones; like the real one, a StatefulSet of theirs does not
look at existingClaim.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from helmlab import packed, real_helm
from installlab import DRIVER, SAFE, InstallLab, bare, install_lab

from efsdiag.chart_keys import mistakes
from efsdiag.charts import driver_values, prometheus_values
from efsdiag.semantics.scheduling import matches_selector, untolerated_taints
from efsdiag.setting_names import server_name
from efsdiag.settings import Settings
from efsdiag.settings_file import load_settings
from efsdiag.target import subject_of
from efsdiag.world.chart_archive import read_chart
from efsdiag.yaml_files import RuleError

WITH_HELM = pytest.mark.skipif(real_helm() is None, reason="helm is not installed")
ALL = (
    "prometheus.alertmanager=true",
    "prometheus.pushgateway=true",
    "prometheus.sourceRanges=[10.0.0.0/8]",
    "prometheus.serviceType=LoadBalancer",
    "nodes=pool=data",
    "driver.tags={a: b}",
    "driver.region=eu-west-1",
)
STATEFUL = "prometheus.statefulSet=true"
DYNAMIC = "storage.way=access-point-dynamic"


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("charts")
    return {name: packed(name, folder) for name in (DRIVER, "prometheus")}


@pytest.mark.parametrize("way", [(), (STATEFUL,), (DYNAMIC,), (STATEFUL, DYNAMIC), ("nodes=pool=data", "uid=0")])
def test_every_value_that_settings_mean_is_one_of_the_chart(charts: dict[str, Path], way: tuple[str, ...]) -> None:
    settings = load_settings(None, [*ALL, *way])
    assert mistakes(prometheus_values(settings), read_chart(charts["prometheus"]), "") == []
    assert mistakes(driver_values(settings, "arn:aws:iam::1:role/x"), read_chart(charts[DRIVER]), "") == []


# --- what helm makes of them --------------------------------------------------------------------------------------


def rendered(chart: Path, settings: Settings, values: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects of the chart, as helm would make them."""
    command = [str(real_helm()), "template", settings.prometheus.release, str(chart), "--values", "-"]
    command += ["--namespace", settings.namespace]
    done = subprocess.run(command, check=True, input=yaml.safe_dump(values), stdout=subprocess.PIPE, text=True)
    return [thing for thing in yaml.safe_load_all(done.stdout) if thing]


def made(chart: Path, *flags: str) -> tuple[Settings, dict[str, dict[str, Any]]]:
    """The settings, and the objects of Prometheus' release by kind and name."""
    settings = load_settings(None, flags)
    objects = rendered(chart, settings, prometheus_values(settings))
    return settings, {f"{thing['kind']}/{thing['metadata']['name']}": thing for thing in objects}


def claims_of(objects: dict[str, dict[str, Any]]) -> dict[str, str | None]:
    """Claim that the release would make, by itself or by a StatefulSet → its class; None for the default one."""
    found = {t["metadata"]["name"]: t["spec"] for t in objects.values() if t["kind"] == "PersistentVolumeClaim"}
    for thing in objects.values():
        for template in thing.get("spec", {}).get("volumeClaimTemplates", ()):
            found[f"{template['metadata']['name']}-{thing['metadata']['name']}-0"] = template["spec"]
    return {name: spec.get("storageClassName") for name, spec in found.items()}


@WITH_HELM
@pytest.mark.parametrize("flags", [(), ("claim=data",), (DYNAMIC,)])
def test_a_deployment_is_one_writer_on_the_claim_of_the_settings(
    charts: dict[str, Path], flags: tuple[str, ...]
) -> None:
    settings, objects = made(charts["prometheus"], "uid=1000", "gid=2000", *flags)
    spec = objects["Deployment/prometheus-server"]["spec"]
    assert (spec["replicas"], spec["strategy"]["type"]) == (1, "Recreate")
    volumes = {v["name"]: v for v in spec["template"]["spec"]["volumes"]}
    assert volumes["storage-volume"]["persistentVolumeClaim"]["claimName"] == settings.claim
    context = spec["template"]["spec"]["securityContext"]
    assert context.items() >= {"runAsUser": 1000, "runAsGroup": 2000, "fsGroup": 2000, "runAsNonRoot": True}.items()
    assert claims_of(objects) == {}


@WITH_HELM
@pytest.mark.parametrize(
    ("flags", "claim", "class_name"),
    [
        ((), "storage-volume-prometheus-server-0", ""),
        ((DYNAMIC,), "storage-volume-prometheus-server-0", "prometheus-efs"),
        (("claim=data-prometheus-server-0",), "data-prometheus-server-0", ""),
        (("prometheus.release=mine",), "storage-volume-mine-prometheus-server-0", ""),
    ],
)
def test_the_pod_of_a_stateful_set_gets_the_claim_of_the_settings_and_no_other(
    charts: dict[str, Path], flags: tuple[str, ...], claim: str, class_name: str
) -> None:
    settings, objects = made(charts["prometheus"], STATEFUL, *flags)
    assert settings.claim == claim
    # Where the claim were gone, the StatefulSet would make one: not of the default class, and so not on EBS.
    assert claims_of(objects) == {claim: class_name}
    workload = objects[f"StatefulSet/{subject_of(settings).name}"]
    containers = workload["spec"]["template"]["spec"]["containers"]
    (mount,) = (m for c in containers for m in c["volumeMounts"] if m["mountPath"] == "/data")
    assert mount["name"] == workload["spec"]["volumeClaimTemplates"][0]["metadata"]["name"]


@WITH_HELM
@pytest.mark.parametrize(
    ("flags", "classes"),
    [
        (("prometheus.alertmanager=true", "prometheus.pushgateway=true"), {}),
        (("prometheus.alertmanager=true", DYNAMIC), {"storage-prometheus-alertmanager-0": "prometheus-efs"}),
        (("prometheus.values={alertmanager: {enabled: true}}",), {}),
        (
            ("prometheus.values={alertmanager: {enabled: true}}", DYNAMIC),
            {"storage-prometheus-alertmanager-0": "prometheus-efs"},
        ),
    ],
)
def test_no_other_program_asks_for_a_class_that_is_not_there(
    charts: dict[str, Path], flags: tuple[str, ...], classes: dict[str, str]
) -> None:
    _, objects = made(charts["prometheus"], *flags)
    assert "StatefulSet/prometheus-alertmanager" in objects
    assert ("Deployment/prometheus-prometheus-pushgateway" in objects) is ("prometheus.pushgateway=true" in flags)
    assert claims_of(objects) == classes


TAINTED = {
    "spec": {
        "taints": [
            {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"},
            {"key": "dedicated", "value": "gpu", "effect": "NoExecute"},
        ]
    }
}


@WITH_HELM
def test_node_exporter_lands_on_tainted_nodes_and_the_setting_says_which(charts: dict[str, Path]) -> None:
    flag = "prometheus.nodeExporterTolerations=[{key: dedicated, operator: Exists}]"
    left = []
    for flags in ((), (flag,)):
        _, objects = made(charts["prometheus"], *flags)
        (daemons,) = (t for t in objects.values() if t["kind"] == "DaemonSet")
        left.append([t["key"] for t in untolerated_taints(daemons["spec"]["template"], TAINTED)])
    assert left == [[], ["node-role.kubernetes.io/control-plane"]]


@WITH_HELM
def test_the_nodes_of_the_settings_are_in_the_pods(charts: dict[str, Path]) -> None:
    settings, objects = made(charts["prometheus"], "nodes=pool=data", "prometheus.alertmanager=true", DYNAMIC)
    driver = rendered(charts[DRIVER], settings, driver_values(settings))
    pods = [
        objects[n]["spec"]["template"] for n in ("Deployment/prometheus-server", "StatefulSet/prometheus-alertmanager")
    ]
    pods += [t["spec"]["template"] for t in driver if t["kind"] == "Deployment"]
    data, web = (
        {"metadata": {"name": "n", "labels": {"kubernetes.io/os": "linux", "pool": pool}}} for pool in ("data", "web")
    )
    assert [(matches_selector(pod, data), matches_selector(pod, web)) for pod in pods] == [(True, False)] * 3


@WITH_HELM
@pytest.mark.parametrize(
    "flags",
    [
        (),
        ("prometheus.release=mine",),
        (f"prometheus.release={'p' * 53}",),
        ("prometheus.values={nameOverride: prom}",),
        ("prometheus.values={server: {name: main}}",),
        ("prometheus.values={server: {fullnameOverride: metrics}}",),
        (f"prometheus.values={{server: {{fullnameOverride: {'m' * 62}-x}}}}",),
    ],
)
def test_the_workload_that_is_looked_for_is_the_one_that_the_chart_makes(
    charts: dict[str, Path], flags: tuple[str, ...]
) -> None:
    settings, objects = made(charts["prometheus"], *flags)
    assert f"Deployment/{server_name(settings.prometheus)}" in objects
    assert len(server_name(settings.prometheus)) <= 63


def test_a_claim_that_no_pod_of_a_stateful_set_would_get_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "efsdiag.yaml"
    file.write_text("name: x\nclaim: data\nprometheus: {statefulSet: true}\n")
    with pytest.raises(RuleError) as caught:
        load_settings(file)
    assert caught.value.where == f"{file}:2"
    assert (
        caught.value.message == "claim is 'data'; the pod of a StatefulSet gets one that ends in -prometheus-server-0"
    )


def test_a_release_of_whose_name_no_claim_can_be_made_is_told() -> None:
    with pytest.raises(RuleError, match=r"prometheus.release makes claim, which is 'storage-volume-ppp.*at most 63"):
        load_settings(None, [STATEFUL, f"prometheus.release={'p' * 53}"])


# --- a StatefulSet from nothing -----------------------------------------------------------------------------------


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[InstallLab]:
    with install_lab(bare(), tmp_path) as installing:
        yield installing


@WITH_HELM
@pytest.mark.helm
def test_a_stateful_set_is_installed_on_the_claim_that_was_made_for_it(
    lab: InstallLab, monkeypatch: pytest.MonkeyPatch, charts: dict[str, Path]
) -> None:
    monkeypatch.setenv("PATH", str(Path(str(real_helm())).parent), prepend=":")
    lab.stands_in = False
    files = [("--set", f"{part}.archive={charts[name]}") for part, name in (("driver", DRIVER), ("prometheus",) * 2)]
    assert lab.run(*SAFE, "--set", STATEFUL, *files[0], *files[1]) == 0, lab.printed
    assert "Prometheus runs with its data on EFS" in lab.printed
    (claim,) = lab.all("persistentvolumeclaims")
    assert claim["metadata"]["name"] == "storage-volume-prometheus-server-0"
    (pod,) = lab.all("pods", "monitoring")
    assert {"claimName": claim["metadata"]["name"]} in [v.get("persistentVolumeClaim") for v in pod["spec"]["volumes"]]
