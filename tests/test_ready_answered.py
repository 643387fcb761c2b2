"""/-/ready: proven by the kubelet's own question, failed by it, or not known, and never taken for answered unasked."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from installlab import SAFE, Cluster, InstallLab, bare, install_lab
from values import attempt, container, pod, waits
from worlds.base import healthy
from worlds.look import diagnosis_of
from worlds.world import World

from efsdiag.checks.data import data_path_on_volume
from efsdiag.checks.prometheus import ready_answered
from efsdiag.model import State, Status, Verdict
from efsdiag.semantics.claims import Claim
from efsdiag.semantics.containers import DataPath
from efsdiag.semantics.readiness import readiness_asked
from efsdiag.settings_file import load_settings

ASKS = {"httpGet": {"path": "/-/ready", "port": 9090}, "periodSeconds": 5}


def get(path: str, port: Any = 9090, **more: Any) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": port, **more}}


@pytest.mark.parametrize(
    ("args", "probe", "ready"),
    [
        ([], get("/-/ready"), True),
        ([], get("/-/ready?verbose=1"), True),
        ([], get("/-/healthy"), False),
        ([], get("/"), False),
        ([], get("/prom/-/ready"), False),
        (["--web.route-prefix=/prom"], get("/prom/-/ready"), True),
        (["--web.route-prefix=prom/"], get("/prom/-/ready"), True),
        (["--web.route-prefix=/prom"], get("/-/ready"), False),
        (["--web.external-url=https://x.example/prom/"], get("/prom/-/ready"), True),
        (["--web.external-url=https://x.example/prom"], get("/-/ready"), False),
        (["--web.external-url=https://x.example/prom", "--web.route-prefix=/"], get("/-/ready"), True),
        (["--web.listen-address=0.0.0.0:8080"], get("/-/ready"), False),
        (["--web.listen-address=:8080"], get("/-/ready", "8080"), True),
        ([], get("/-/ready", "web"), True),
        ([], get("/-/ready", "other"), False),
        ([], get("/-/ready", host="10.0.0.1"), False),
        ([], {"tcpSocket": {"port": 9090}}, False),
        ([], {"exec": {"command": ["wget", "-O-", "http://localhost:9090/-/ready"]}}, False),
        ([], None, False),
    ],
)
def test_a_probe_asks_the_program_where_it_answers_or_something_else(args: list[str], probe: Any, ready: bool) -> None:
    ports = [{"name": "web", "containerPort": 9090}]
    assert readiness_asked({"args": args, "readinessProbe": probe, "ports": ports}).ready is ready


def verdict(probe: Any, *, ready: bool, reached: str = "running", **given: Any) -> Verdict:
    one = container(readinessProbe=probe, **given)
    one.status["ready"] = ready
    return ready_answered(pod(), attempt(reached), (container("reloader", image="x/reloader:1"), one))


def test_a_ready_container_that_is_asked_at_it_answers() -> None:
    found = verdict(ASKS, ready=True)
    assert (found.state, found.proof) == (State.PASS, ("GET /-/ready on port 9090 every 5 s",))


def test_it_answers_also_where_another_container_keeps_the_pod_from_being_ready() -> None:
    assert verdict(ASKS, ready=True, reached="running").state is State.PASS


@pytest.mark.parametrize("probe", [{"tcpSocket": {"port": 9090}}, get("/-/healthy"), None])
def test_a_ready_container_that_is_asked_something_else_says_nothing(probe: Any) -> None:
    found = verdict(probe, ready=True)
    assert found.state is State.UNKNOWN
    assert found.grant == "a readiness probe of GET /-/ready on the port of prometheus"


def test_a_program_that_runs_and_does_not_answer_fails() -> None:
    found = verdict(ASKS, ready=False)
    assert found.state is State.FAIL
    assert found.says == "prometheus runs, and does not answer /-/ready with success"


def test_what_says_nothing_yet_is_waited_for() -> None:
    assert verdict(ASKS, ready=False, state=waits("CrashLoopBackOff")).state is State.WAITING
    assert verdict({"tcpSocket": {"port": 9090}}, ready=False).state is State.WAITING
    young = container(readinessProbe=ASKS)
    young.status["ready"] = False
    assert ready_answered(pod(), attempt("running", young=True), (young,)).state is State.WAITING


def test_another_program_has_no_such_place() -> None:
    assert ready_answered(pod(), attempt(), (container(image="grafana/grafana:12"),)).state is State.SKIP
    mirrored = container(image="registry.example/mirror:1", args=["--storage.tsdb.path=/data"], readinessProbe=ASKS)
    assert ready_answered(pod(), attempt(), (mirrored,)).state is State.PASS


# --- in a whole world ---------------------------------------------------------------------------------------------


def probed(probe: Any) -> World:
    """A healthy world in which the kubelet asks something else."""
    world = healthy()
    world.pod["spec"]["containers"][0]["readinessProbe"] = probe
    return world


def test_a_healthy_pod_answers_and_one_that_nobody_asks_stays_healthy_and_unknown() -> None:
    asked, unasked = diagnosis_of(healthy()), diagnosis_of(probed({"tcpSocket": {"port": 9090}}))
    assert [d.verdicts["ready-answered"].state for d in (asked, unasked)] == [State.PASS, State.UNKNOWN]
    assert [d.status for d in (asked, unasked)] == [Status.HEALTHY] * 2
    assert unasked.suspects == ()


def test_a_program_that_hangs_at_its_start_is_the_deepest_thing_seen() -> None:
    world = probed(ASKS)
    status = world.pod["status"]
    status["containerStatuses"][0]["ready"] = False
    for condition in status["conditions"]:
        condition["status"] = "False" if condition["type"] in ("Ready", "ContainersReady") else condition["status"]
    found = diagnosis_of(world)
    assert found.verdicts["ready-answered"].state is State.FAIL
    assert found.status is Status.INCONCLUSIVE
    assert found.deepest == ("ready-answered",)


# --- in an install ------------------------------------------------------------------------------------------------


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[InstallLab]:
    with install_lab(bare(), tmp_path) as made:
        yield made


def test_an_install_whose_probe_asks_something_else_is_not_called_ready(lab: InstallLab) -> None:
    lab.example.deployment["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] = {"tcpSocket": {"port": 1}}
    assert lab.run(*SAFE) == 3, lab.printed
    assert "Prometheus runs with its data on EFS" not in lab.printed
    said = " ".join(lab.printed.split())
    assert "is ready without being asked at /-/ready: its readiness probe is of kind tcpSocket" in said


def test_for_a_prometheus_that_keeps_its_data_elsewhere_no_file_system_is_made(lab: InstallLab) -> None:
    theirs = copy.deepcopy(lab.example.deployment)
    for volume in theirs["spec"]["template"]["spec"]["volumes"]:
        if volume.pop("persistentVolumeClaim", None):
            volume["emptyDir"] = {}
    lab.kube.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "monitoring"}})
    lab.kube.add(theirs)
    Cluster(lab).work()
    assert lab.run(*SAFE, "--settle", "10s") == 5, lab.printed
    assert "CreateFileSystem" not in lab.writes()
    said = " ".join(lab.printed.split())
    assert "is on no claim of the pod; the settings wish for claim prometheus-efs" in said
    assert "Prometheus is there, on no claim; its data does not move by itself to claim prometheus-efs" in said


# --- the data is on the claim of the settings ---------------------------------------------------------------------

CLAIMS = (Claim("mine", "monitoring", "a", {}), Claim("other", "monitoring", "b", {}))


@pytest.mark.parametrize(
    ("volume", "state", "says"),
    [
        ("a", State.PASS, "/data in the container is /x on the volume"),
        ("b", State.FAIL, "/data, the data directory of p, is on claim other; the settings wish for claim mine"),
        ("", State.FAIL, "/data, the data directory of p, is on no claim of the pod; the settings wish for claim mine"),
    ],
)
def test_data_on_another_claim_than_the_wished_one_is_not_where_it_should_be(
    volume: str, state: State, says: str
) -> None:
    directory = DataPath("p", "/data", "--storage.tsdb.path", volume, "/data", "", "/x", False)
    found = data_path_on_volume(directory, pod(), CLAIMS, load_settings(None, ["claim=mine"]))
    assert (found.state, found.says) == (state, says)
    if volume:
        assert data_path_on_volume(directory, pod(), CLAIMS).state is State.PASS


def test_a_pod_without_any_claim_is_not_on_the_wished_one() -> None:
    directory = DataPath("p", "/data", "", "", "", "", "", False)
    assert data_path_on_volume(directory, pod(), (), load_settings(None, [])).state is State.FAIL
    assert data_path_on_volume(directory, pod(), ()).state is State.SKIP
