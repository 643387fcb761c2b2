"""The pod, its owners, its containers and what was said about them, out of raw objects."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from values import NAME, NAMESPACE, RUNNING, Object, World, claim, container, pod, subject, waits

from efsdiag.evidence import pod as evidence
from efsdiag.gather import Reader
from efsdiag.model import Unreadable
from efsdiag.semantics.statuses import Container


def reading(*objects: Object, **more: Any) -> Reader:
    return Reader(World(*objects, **more), 1)


def owned(kind: str, name: str, by: tuple[str, str] | None = None, **spec: Any) -> Object:
    references = [{"kind": by[0], "name": by[1], "uid": f"uid-{by[1]}", "controller": True}] if by else []
    metadata = {"name": name, "namespace": NAMESPACE, "uid": f"uid-{name}", "ownerReferences": references}
    return {"kind": kind, "metadata": metadata, "spec": spec, "status": {}}


def event(about: Object, reason: str, at: str, **more: Any) -> Object:
    of = {"kind": about["kind"], "name": about["metadata"]["name"], "uid": about["metadata"]["uid"], **more}
    metadata = {"name": f"{reason}-{at}", "namespace": NAMESPACE}
    return {"kind": "Event", "metadata": metadata, "involvedObject": of, "reason": reason, "lastTimestamp": at}


SELECTOR = {"matchLabels": {"app": "prometheus"}}
DEPLOYMENT = owned("Deployment", "prometheus", selector=SELECTOR, replicas=1, template={"spec": {"containers": []}})


def test_the_pod_is_read_by_its_name_and_of_other_subjects_there_is_none() -> None:
    read = reading(pod())
    assert evidence.pod(read, subject()) == pod()
    assert evidence.pod(read, subject(name="other")) is None
    assert evidence.pod(read, subject("deployment")) is None
    assert [str(q) for q in read.asked] == [f"kube:get pods name={n} namespace={NAMESPACE}" for n in (NAME, "other")]


def test_a_pod_that_may_not_be_read_is_no_missing_pod() -> None:
    with pytest.raises(Unreadable):
        evidence.pod(reading(pod(), refuses=["pods"]), subject())


def test_the_workload_is_the_last_owner_that_is_known() -> None:
    mine = pod()
    mine["metadata"]["ownerReferences"] = owned("Pod", "x", ("ReplicaSet", "prometheus-1"))["metadata"][
        "ownerReferences"
    ]
    replica_set = owned("ReplicaSet", "prometheus-1", ("Deployment", "prometheus"))
    assert evidence.workload(reading(replica_set, DEPLOYMENT), subject(), mine) == DEPLOYMENT
    assert evidence.workload(reading(replica_set), subject(), mine) is None


def test_an_owner_of_another_kind_ends_the_way_up() -> None:
    mine = pod()
    mine["metadata"]["ownerReferences"] = owned("Pod", "x", ("StatefulSet", "prom"))["metadata"]["ownerReferences"]
    stateful = owned("StatefulSet", "prom", ("Prometheus", "k8s"))
    assert evidence.workload(reading(stateful), subject(), mine) == stateful


def test_without_a_pod_the_subject_is_the_workload() -> None:
    assert evidence.workload(reading(DEPLOYMENT), subject("deployment", "prometheus")) == DEPLOYMENT
    assert evidence.workload(reading(DEPLOYMENT), subject("persistentvolumeclaim", "prometheus")) is None


def test_the_spec_is_the_pods_own_or_that_of_the_template() -> None:
    assert evidence.pod_spec(pod(), DEPLOYMENT) == pod()["spec"]
    assert evidence.pod_spec(None, DEPLOYMENT) == {"containers": []}
    assert evidence.pod_spec(None, None) is None


def statuses(*states: tuple[str, bool, Object]) -> Object:
    return {"containerStatuses": [{"name": n, "ready": ready, "state": state} for n, ready, state in states]}


def test_containers_come_with_their_status_the_init_containers_first() -> None:
    status = {
        **statuses(("prometheus", True, RUNNING)),
        "initContainerStatuses": [{"name": "chown", "restartCount": 2}],
    }
    found = evidence.pod_containers(pod(status=status, initContainers=[{"name": "chown"}]))
    assert [(c.name, c.init) for c in found] == [("chown", True), ("prometheus", False)]
    assert found[0].status["restartCount"] == 2
    assert found[1].running


DATA: Object = {"name": "prometheus", "volumeMounts": [{"name": f"data-{claim().name}", "mountPath": "/data"}]}
THREE = pod(containers=[{"name": "proxy"}, DATA, {"name": "reloader"}])


def main(*not_ready: str, init: Container | None = None) -> str:
    made = [
        container(n, waits("CrashLoopBackOff") if n in not_ready else None) for n in ("proxy", "prometheus", "reloader")
    ]
    return evidence.main_container(THREE, (*([init] if init else []), *made)).name


def test_the_main_container_is_the_one_with_the_data_unless_only_others_are_not_ready() -> None:
    assert main() == "prometheus"
    assert main("prometheus", "reloader") == "prometheus"
    assert main("reloader") == "reloader"


def test_an_init_container_that_fails_is_the_main_one_and_one_that_ended_well_is_not() -> None:
    failed = container("chown", waits("CrashLoopBackOff"), {"exitCode": 1}, init=True)
    ended = container("chown", {"terminated": {"exitCode": 0}}, init=True)
    assert main("prometheus", init=failed) == "chown"
    assert main("prometheus", init=ended) == "prometheus"


def test_the_main_container_of_a_pod_without_a_claim_is_the_first_one_that_is_not_ready() -> None:
    plain = pod(claims=(), containers=[{"name": "a"}, {"name": "b"}])
    both = (container("a"), container("b", waits("ContainerCreating")))
    assert evidence.main_container(plain, both).name == "b"
    assert evidence.main_container(plain, (container("a"), container("b"))).name == "a"


def test_events_are_those_of_this_pods_uid_oldest_first() -> None:
    predecessor = pod()
    predecessor["metadata"]["uid"] = "uid-before"
    events = [
        event(pod(), "FailedMount", "2026-11-21T06:09:00Z"),
        event(predecessor, "FailedMount", "2026-11-21T06:01:00Z"),
        event(pod(), "Scheduled", "2026-11-21T06:02:00Z"),
    ]
    assert [e["reason"] for e in evidence.pod_events(reading(*events), pod())] == ["Scheduled", "FailedMount"]


def test_owner_events_are_those_of_the_deployment_and_its_replica_sets_that_want_pods() -> None:
    labels = {"app": "prometheus"}
    new = owned("ReplicaSet", "prometheus-2", ("Deployment", "prometheus"), replicas=1)
    old = owned("ReplicaSet", "prometheus-1", ("Deployment", "prometheus"), replicas=0)
    foreign = owned("ReplicaSet", "other-1", ("Deployment", "other"), replicas=1)
    for replica_set in (new, old, foreign):
        replica_set["metadata"]["labels"] = labels
    events = [
        event(o, "FailedCreate", f"2026-11-21T06:0{i}:00Z") for i, o in enumerate((new, old, foreign, DEPLOYMENT))
    ]
    found = evidence.owner_events(reading(new, old, foreign, *events), subject("deployment"), None, DEPLOYMENT)
    assert [e["involvedObject"]["name"] for e in found or []] == ["prometheus-2", "prometheus"]
    assert evidence.owner_events(reading(*events), subject(), pod(), DEPLOYMENT) is None
    assert evidence.owner_events(reading(*events), subject("deployment"), None, None) is None


NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)


def log(logs: dict[str, str], of: Container) -> str | None:
    return evidence.container_log(reading(logs=logs), pod(), of, NOW)


def test_the_log_is_that_of_the_newest_attempt_that_printed_something() -> None:
    again = container(state=waits("CrashLoopBackOff"), last={"exitCode": 2})
    both = {f"{NAME} prometheus": "now", f"{NAME} prometheus previous": "before"}
    assert log(both, again) == "now"
    assert log({**both, f"{NAME} prometheus": ""}, again) == "before"
    assert log({f"{NAME} prometheus previous": "before"}, container()) is None
    assert log(both, container(state=waits("ContainerCreating"))) is None


@pytest.mark.parametrize(("since", "says"), [("06:59:30", "before"), ("06:58:30", "now")])
def test_the_attempt_before_speaks_until_the_present_one_has_run_as_long(since: str, says: str) -> None:
    failed = {"exitCode": 1, "startedAt": "2026-11-21T06:50:00Z", "finishedAt": "2026-11-21T06:51:00Z"}
    running = {"running": {"startedAt": f"2026-11-21T{since}Z"}}
    both = {f"{NAME} prometheus": "now", f"{NAME} prometheus previous": "before"}
    again = container(state=running, last=failed)
    again.status["ready"] = False
    assert log(both, again) == says
    assert log({f"{NAME} prometheus": "now"}, again) == "now"
    assert log(both, container(state=running, last=failed)) == "now"


CONFIG = [
    {"name": "config", "configMap": {"name": "prometheus"}},
    {"name": "both", "projected": {"sources": [{"configMap": {"name": "rules"}}]}},
    {"name": "may", "configMap": {"name": "extra", "optional": True}},
]


def config_maps(of: Object, *containers: Container, exist: tuple[str, ...] = ()) -> tuple[str, ...] | None:
    made = [{"kind": "ConfigMap", "metadata": {"name": n, "namespace": NAMESPACE}} for n in exist]
    return evidence.missing_config_maps(reading(*made), of, containers)


def test_config_maps_are_missing_that_the_pod_mounts_and_may_not_do_without() -> None:
    assert config_maps(pod(volumes=CONFIG)) == ("prometheus", "rules")
    assert config_maps(pod(volumes=CONFIG), exist=("prometheus",)) == ("rules",)
    assert config_maps(pod(volumes=CONFIG), exist=("prometheus", "rules")) == ()


def test_config_maps_are_not_looked_for_before_there_is_a_node_or_once_a_container_was_made() -> None:
    assert config_maps(pod(node=None, volumes=CONFIG)) is None
    assert config_maps(pod(volumes=CONFIG), container()) is None


def beside(name: str, *claims: str, phase: str = "Running", app: str = "prometheus") -> Object:
    other = pod(claims=claims, status={"phase": phase})
    other["metadata"] |= {"name": name, "uid": f"uid-{name}", "labels": {"app": app}}
    return other


def test_siblings_are_other_running_pods_of_the_workload_with_the_same_claim() -> None:
    mine = claim()
    pods = (
        {**pod(), "metadata": {**pod()["metadata"], "labels": {"app": "prometheus"}}},
        beside("same", mine.name),
        beside("ended", mine.name, phase="Succeeded"),
        beside("elsewhere", "other"),
        beside("stranger", mine.name, app="grafana"),
    )
    found = evidence.sibling_pods(reading(*pods), pod(), (mine,), DEPLOYMENT)
    assert [p["metadata"]["name"] for p in found or []] == ["same"]
    assert evidence.sibling_pods(reading(*pods), pod(), (), DEPLOYMENT) is None
    assert evidence.sibling_pods(reading(*pods), pod(), (mine,), None) is None
