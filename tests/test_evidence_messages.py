"""What counts as said about the present attempt: about the step where the pod stands, and not what was overcome."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from values import (
    CLAIM,
    NAME,
    NAMESPACE,
    RUNNING,
    Object,
    attempt,
    claim,
    container,
    not_scheduled,
    pod,
    provisioning,
    waits,
)

from efsdiag.evidence.messages import Heard, heard
from efsdiag.evidence.messages import attempt as attempt_at
from efsdiag.model import Unread

CONFIG = 'MountVolume.SetUp failed for volume "config" : configmap "prometheus" not found'
TAINT = "1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }"


def event(
    reason: str, text: str = "", *, at: str = "06:30", kind: str = "Pod", name: str = NAME, path: str = ""
) -> Object:
    about = {"kind": kind, "name": name, "namespace": NAMESPACE, **({"fieldPath": path} if path else {})}
    return {"involvedObject": about, "reason": reason, "message": text, "lastTimestamp": f"2026-11-21T{at}:00Z"}


def listened(reached: str, *events: Object, of: Object | None = None, **more: Any) -> Heard:
    now = more.pop("container", container())
    given = {"container_log": None, "owner_events": None, "claim_events": {}, "claims": (), **more}
    overrides = {k: given.pop(k) for k in ("ready", "mount_overdue") if k in given}
    return heard(attempt(reached, **overrides), of or pod(), now, list(events), **given)


def said(ears: Heard) -> list[tuple[str, str]]:
    return [(m.where, m.text) for m in ears.messages]


def test_the_attempt_is_read_from_the_status_of_the_pod_and_its_main_container() -> None:
    now = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
    made = attempt_at(now, pod(), (container(),), container())
    assert made.scheduled
    assert made.running
    assert not attempt_at(now, pod(node=None), (), container(state=waits("ContainerCreating"))).scheduled


def test_failed_mounts_are_heard_while_the_volumes_are_not_mounted() -> None:
    ears = listened("scheduled", event("FailedMount", CONFIG))
    assert said(ears) == [("pod-event", CONFIG)]
    assert [s.mode for s in ears.sighted if s.specific] == ["container.volume-config-missing"]


@pytest.mark.parametrize("reached", ["mounted", "running", "ready"])
def test_failed_mounts_from_before_a_mount_that_succeeded_are_history(reached: str) -> None:
    assert said(listened(reached, event("FailedMount", CONFIG), event("FailedAttachVolume", "x"))) == []


def test_what_the_scheduler_said_is_history_once_the_pod_has_a_node() -> None:
    assert said(listened("scheduled", event("FailedScheduling", "0/1 nodes are available: 1 Insufficient cpu."))) == []


def test_what_was_said_more_than_a_quarter_of_an_hour_before_the_newest_message_is_history() -> None:
    ears = listened("scheduled", event("FailedMount", "old", at="06:00"), event("FailedMount", "new", at="06:16"))
    assert said(ears) == [("pod-event", "new")]
    ears = listened("scheduled", event("FailedMount", "old", at="06:00"), event("FailedMount", "new", at="06:15"))
    assert len(ears.messages) == 2


@pytest.mark.parametrize("reason", ["Scheduled", "Pulled", "Created", "Started"])
def test_good_news_is_no_message(reason: str) -> None:
    assert said(listened("scheduled", event(reason, "well"))) == []


@pytest.mark.parametrize("reason", ["Unhealthy", "Killing", "Evicted"])
def test_probes_and_evictions_count_until_the_pod_is_ready(reason: str) -> None:
    assert len(said(listened("running", event(reason, "x"), ready=False))) == 1
    assert said(listened("ready", event(reason, "x"))) == []


def with_statuses(**states: Object) -> Object:
    made = [{"name": name, "state": state} for name, state in states.items()]
    return pod(status={"containerStatuses": made})


FAILED = event("Failed", 'Error: secret "remote-write" not found', path="spec.containers{prometheus}")


@pytest.mark.parametrize(
    ("state", "heard_of"),
    [
        (waits("CreateContainerConfigError", "x"), True),
        (waits("ContainerCreating"), True),
        (waits("ImagePullBackOff", "x"), True),
        (RUNNING, False),
        ({"terminated": {"exitCode": 2}}, False),
    ],
    ids=["refused", "creating", "pulling", "running", "ended"],
)
def test_that_a_container_could_not_be_made_is_history_once_it_was_made(state: Object, heard_of: bool) -> None:
    ears = listened("pulled", FAILED, of=with_statuses(prometheus=state))
    assert bool(said(ears)) is heard_of


def test_that_a_container_could_not_be_made_is_present_again_where_it_waits_for_that_again() -> None:
    again = with_statuses(prometheus=waits("CreateContainerConfigError", "x"))
    again["status"]["containerStatuses"][0]["lastState"] = {"terminated": {"exitCode": 1}}
    assert said(listened("pulled", FAILED, of=again))


def test_a_sidecar_that_cannot_be_made_is_heard_beside_a_program_that_runs() -> None:
    path = "spec.containers{reloader}"
    both = with_statuses(prometheus=RUNNING, reloader=waits("CreateContainerConfigError", "x"))
    assert said(listened("running", event("Failed", "of the sidecar", path=path), FAILED, of=both, ready=False)) == [
        ("pod-event", "of the sidecar")
    ]


def test_a_crash_loop_is_not_taken_for_a_pull_that_backs_off() -> None:
    assert said(listened("running", event("BackOff", "Back-off restarting failed container"), ready=False)) == []


def scheduler(message: str, **more: Any) -> Heard:
    return listened("unscheduled", of=pod(node=None, status=not_scheduled(message)), **more)


def test_the_schedulers_words_on_the_pod_are_heard_without_any_event() -> None:
    ears = scheduler('0/3 nodes are available: persistentvolumeclaim "typo" not found. not found')
    assert said(ears) == [("pod-event", '0/3 nodes are available: persistentvolumeclaim "typo" not found. not found')]
    assert {s.mode for s in ears.sighted} == {"pod.pvc-not-found", "helm.existing-claim-in-other-namespace"}


@pytest.mark.parametrize(
    ("reasons", "kept"),
    [
        (f"{TAINT}, 2 node(s) exceed max volume count", ["2 node(s) exceed max volume count"]),
        ("1 node(s) had untolerated taint(s), 2 Insufficient cpu", ["2 Insufficient cpu"]),
        ("1 Insufficient cpu, 2 Insufficient memory", ["1 Insufficient cpu", "2 Insufficient memory"]),
        (f"{TAINT}, 2 node(s) were unschedulable", ["2 node(s) were unschedulable"]),
        (
            f"{TAINT}, 2 node(s) had untolerated taint {{efs.csi.aws.com/agent-not-ready: }}",
            ["2 node(s) had untolerated taint {efs.csi.aws.com/agent-not-ready: }"],
        ),
        (
            f"{TAINT}, 2 node(s) had untolerated taint {{node.kubernetes.io/disk-pressure: }}",
            ["2 node(s) had untolerated taint {node.kubernetes.io/disk-pressure: }"],
        ),
        (
            f"{TAINT}, 2 node(s) had untolerated taint {{node.kubernetes.io/unreachable: }}",
            ["2 node(s) had untolerated taint {node.kubernetes.io/unreachable: }"],
        ),
        (f"{TAINT}, 2 node(s) didn't match Pod's node affinity/selector", [TAINT]),
        ("3 node(s) had untolerated taint(s)", ["3 node(s) had untolerated taint(s)"]),
    ],
)
def test_of_the_schedulers_reasons_those_of_the_nearest_nodes_count(reasons: str, kept: list[str]) -> None:
    tail = "preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling"
    for sentence in (f"0/3 nodes are available: {reasons}. {tail}.", f"0/3 nodes are available: {reasons}."):
        assert [m.text for m in scheduler(sentence).messages] == kept


def test_a_reason_of_the_nearest_nodes_is_specific_beside_the_taint_of_a_control_plane() -> None:
    ears = scheduler(f"0/3 nodes are available: {TAINT}, 2 node(s) exceed max volume count.")
    assert [(s.mode, s.specific) for s in ears.sighted] == [("pod.max-volume-count", True)]


def test_what_a_container_waits_for_is_heard_but_not_that_it_crashes() -> None:
    stuck = container(state=waits("CreateContainerConfigError", 'secret "x" not found'))
    assert said(listened("pulled", container=stuck)) == [("container-status", 'secret "x" not found')]
    crashed = container(state=waits("CrashLoopBackOff", "back-off 5m0s"))
    assert said(listened("created", container=crashed)) == []
    assert said(listened("ready", container=stuck)) == []


def test_the_log_is_heard_of_a_process_that_ran_and_is_not_ready() -> None:
    assert said(listened("running", ready=False, container_log="it says")) == [("log", "it says")]
    assert said(listened("ready", container_log="it says")) == []
    assert said(listened("created", container_log="it says")) == []


def test_a_log_that_may_not_be_read_is_known_as_such() -> None:
    assert (
        listened("running", ready=False, container_log=Unread("no", "get pods/log")).unread["log"].grant
        == "get pods/log"
    )
    assert "log" not in listened("ready", container_log=Unread("no")).unread


def test_where_a_mount_is_overdue_and_no_event_is_kept_nobody_could_listen() -> None:
    assert "pod-event" in listened("scheduled", mount_overdue=True).unread
    assert "pod-event" not in listened("scheduled", event("FailedMount", "x"), mount_overdue=True).unread
    assert "pod-event" not in listened("scheduled").unread


CONTROLLER: Object = {"metadata": {"name": "efs-csi-controller-a", "namespace": "kube-system"}}


def of_claims(*claims: Any, **more: Any) -> Heard:
    events = {
        c.name: [event("ProvisioningFailed", f"of {c.name}", kind="PersistentVolumeClaim", name=c.name)] for c in claims
    }
    given = {
        "claim_events": events,
        "controller_log": "a log",
        "provisioner_log": None,
        "controller_leader": CONTROLLER,
    }
    return listened("unscheduled", claims=claims, **{**given, **more})


def test_events_of_claims_count_while_they_are_not_bound() -> None:
    ears = of_claims(claim("open"), claim("fine", bound_to="pv"))
    assert said(ears) == [("claim-event", "of open")]
    assert str(ears.messages[0].about) == "PersistentVolumeClaim/monitoring/open"
    assert said(of_claims(claim("fine", bound_to="pv"))) == []


def test_the_efs_controller_is_heard_only_where_a_claim_waits_for_it() -> None:
    waiting = provisioning(claim())
    ears = of_claims(claim(), efs_classes=(waiting,))
    assert said(ears) == [("claim-event", f"of {CLAIM}"), ("plugin-log", "a log")]
    assert str(ears.messages[1].about) == "Pod/kube-system/efs-csi-controller-a"
    assert said(of_claims(claim(), efs_classes=())) == [("claim-event", f"of {CLAIM}")]
    assert "plugin-log" in of_claims(claim(), efs_classes=(waiting,), controller_log=Unread("no")).unread


PLUGIN: Object = {"metadata": {"name": "efs-csi-node-a", "namespace": "kube-system"}}
OF_PLUGIN = [event("Failed", "read-only", name="efs-csi-node-a")]


def test_the_node_plugin_is_heard_until_the_volumes_are_mounted() -> None:
    given = {
        "node_plugin_log": "refused",
        "registrar_log": "collision",
        "node_plugin_events": OF_PLUGIN,
        "node_plugin_pods": [PLUGIN],
    }
    ears = listened("scheduled", **given)
    places = [("plugin-event", "read-only"), ("plugin-log", "refused"), ("registrar-log", "collision")]
    assert said(ears) == places
    assert {m.about.name for m in ears.messages} == {"efs-csi-node-a"}
    assert said(listened("mounted", **given)) == []


def test_owners_are_heard_only_where_there_is_no_pod() -> None:
    workload = {"kind": "Deployment", "metadata": {"name": "prometheus"}}
    events = [event("FailedCreate", "exceeded quota", kind="ReplicaSet", name="prometheus-1")]
    ears = heard(None, None, None, None, (), {}, events, workload)
    assert said(ears) == [("owner-event", "exceeded quota")]
    assert said(listened("scheduled", owner_events=events, workload=workload)) == []


def test_a_source_is_named_for_a_reader_who_wants_to_look_it_up() -> None:
    ears = listened("running", event("Killing", "x"), ready=False, container_log="y")
    assert [m.source for m in ears.messages] == [
        f"event Killing on Pod/{NAMESPACE}/{NAME}",
        f"log of Pod/{NAMESPACE}/{NAME}",
    ]
