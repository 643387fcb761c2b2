"""The checks of rules/pod.yaml: created, scheduled, mounted, ready, and what each filter of the scheduler says."""

from __future__ import annotations

from typing import Any

import pytest
from values import (
    CLAIM,
    NAME,
    NODE,
    Object,
    attempt,
    container,
    heard,
    modes,
    node,
    not_scheduled,
    pod,
    said,
    subject,
    waits,
)
from values import volume as pv

from efsdiag.checks.pod import (
    node_available,
    node_selected,
    node_tolerated,
    pod_exists,
    pod_kept,
    pod_ready,
    pod_scheduled,
    resources_suffice,
    volume_mounted,
    volume_zone_has_node,
)
from efsdiag.model import State, Unread, Verdict
from efsdiag.semantics.scheduling import Filtering, first_excluding_filter

CONTROL_PLANE = node("master", taints=["node-role.kubernetes.io/control-plane:NoSchedule"])
WAITS: Object = pod(node=None)
BY_FILTER = (node_selected, node_tolerated, node_available, volume_zone_has_node, resources_suffice)


def workload(
    kind: str = "Deployment", *, replicas: int | None = 1, status: Object | None = None, **spec: Any
) -> Object:
    return {
        "kind": kind,
        "metadata": {"name": "prometheus-server", "namespace": "monitoring"},
        "spec": {**({} if replicas is None else {"replicas": replicas}), **spec},
        "status": status or {},
    }


def filtered(
    *nodes: Object, of: Object = WAITS, volumes: tuple[Object, ...] = (), full: bool | None = False
) -> Filtering:
    """What is left of the nodes; `full` True where other pods take all their memory, None where nobody counted."""
    other = {"metadata": {"uid": "other"}, "spec": {"containers": [{"resources": {"requests": {"memory": "4Gi"}}}]}}
    counted = None if full is None else {n["metadata"]["name"]: [other] if full else [] for n in nodes}
    return first_excluding_filter(of, nodes, volumes, counted)


def states(filtering: Filtering | None, of: Object = WAITS) -> list[str]:
    """The states of the checks of all filters, in the order of the filters."""
    return [check(of, filtering).state.value for check in BY_FILTER]


def test_pod_ready_passes_when_the_condition_says_so() -> None:
    assert pod_ready(pod(), attempt(), container()).state is State.PASS


def test_pod_ready_passes_for_a_pod_that_ran_to_its_end() -> None:
    assert pod_ready(pod(), attempt("created", finished=True), container()).state is State.PASS


def test_pod_ready_waits_for_a_pod_that_is_coming_up() -> None:
    verdict = pod_ready(pod(), attempt("running", young=True), container())
    assert verdict.state is State.WAITING
    assert "2026-11-21T06:01:00Z" in verdict.says


def test_pod_ready_fails_with_the_state_that_kubectl_shows() -> None:
    crashed = container(state=waits("CrashLoopBackOff"), last={"exitCode": 2})
    verdict = pod_ready(pod(), attempt("running", ready=False), crashed)
    assert verdict.state is State.FAIL
    assert verdict.says == "the pod is not ready: CrashLoopBackOff, 1 restart, last exit code 2"


def test_pod_exists_passes_for_a_pod() -> None:
    assert pod_exists(subject(), pod()).state is State.PASS


def test_pod_exists_does_not_apply_to_a_claim_without_a_pod() -> None:
    assert pod_exists(subject("persistentvolumeclaim", CLAIM)).state is State.SKIP


def test_pod_exists_waits_where_pod_and_workload_are_gone() -> None:
    assert pod_exists(subject()).state is State.WAITING


@pytest.mark.parametrize(
    "idle",
    [
        workload(replicas=0),
        workload("Job", replicas=None, suspend=True),
        workload("Job", replicas=None, status={"conditions": [{"type": "Complete", "status": "True"}]}),
        workload("DaemonSet", replicas=None, status={"desiredNumberScheduled": 0}),
    ],
    ids=["scaled-to-zero", "suspended-job", "completed-job", "daemon-set-without-nodes"],
)
def test_pod_exists_does_not_apply_where_no_pod_is_wanted(idle: Object) -> None:
    assert pod_exists(subject("deployment"), None, idle, heard()).state is State.SKIP


@pytest.mark.parametrize("count", ["replicas", "currentNumberScheduled", "active"])
def test_pod_exists_is_unknown_where_the_workload_counts_pods_that_were_not_found(count: str) -> None:
    verdict = pod_exists(subject("deployment"), None, workload(status={count: 1}), heard())
    assert verdict.state is State.UNKNOWN
    assert verdict.grant == "list pods"


def test_pod_exists_fails_with_the_quota_that_refused_the_pod() -> None:
    text = (
        'Error creating: pods "x" is forbidden: exceeded quota: team, requested: memory=1Gi, used: memory=9Gi, '
        "limited: memory=9Gi"
    )
    verdict = pod_exists(subject("deployment"), None, workload(), heard(said("owner-event", "FailedCreate", text)))
    assert modes(verdict) == ["pod.quota-exceeded"]
    assert verdict.findings[0].sure
    assert "exceeded quota: team" in verdict.says


def test_pod_exists_names_the_quota_among_other_refusals() -> None:
    other = said("owner-event", "FailedCreate", 'Error creating: admission webhook "x" denied the request')
    quota = said("owner-event", "FailedCreate", "exceeded quota: team, requested: a=1, used: a=1, limited: a=1")
    assert modes(pod_exists(subject("deployment"), None, workload(), heard(other, quota))) == ["pod.quota-exceeded"]


def test_pod_exists_fails_with_the_refusal_that_the_event_names() -> None:
    text = 'Error creating: pods "x" is forbidden: violates PodSecurity "restricted:latest": seccompProfile'
    verdict = pod_exists(subject("deployment"), None, workload(), heard(said("owner-event", "FailedCreate", text)))
    assert modes(verdict) == ["pod.not-created"]
    assert "violates PodSecurity" in verdict.says


@pytest.mark.parametrize(
    ("ears", "words"),
    [
        (heard(), "no event says why"),
        (heard(unread={"owner-event": Unread("events may not be listed")}), "events may not be listed"),
    ],
)
def test_pod_exists_is_not_sure_of_the_refusal_without_its_event(ears: Any, words: str) -> None:
    verdict = pod_exists(subject("deployment"), None, workload(), ears)
    assert modes(verdict) == ["pod.not-created"]
    assert not verdict.findings[0].sure
    assert words in verdict.says


def test_pod_scheduled_passes_on_a_node() -> None:
    assert pod_scheduled(pod(), attempt("scheduled")).state is State.PASS


def test_pod_scheduled_waits_while_the_scheduler_has_had_little_time() -> None:
    assert pod_scheduled(WAITS, attempt("unscheduled", young=True)).state is State.WAITING


def test_pod_scheduled_fails_with_the_words_of_the_scheduler() -> None:
    verdict = pod_scheduled(pod(node=None, status=not_scheduled("0/1 nodes are available")), attempt("unscheduled"))
    assert verdict.state is State.FAIL
    assert verdict.findings[0].mode == ""
    assert "0/1 nodes are available" in verdict.says


@pytest.mark.parametrize("check", BY_FILTER)
def test_the_filters_pass_for_a_pod_that_has_a_node(check: Any) -> None:
    assert check(pod(), None).state is State.PASS


def test_the_filters_pass_where_a_node_is_left() -> None:
    assert states(filtered(CONTROL_PLANE, node())) == ["pass"] * 5


@pytest.mark.parametrize("filtering", [None, filtered()], ids=["unknown", "no-nodes"])
def test_the_filters_wait_where_there_is_no_node_at_all(filtering: Filtering | None) -> None:
    assert states(filtering) == ["waiting"] * 5


def test_a_filter_that_no_node_comes_to_is_not_passed() -> None:
    choosy = pod(node=None, nodeSelector={"disktype": "ssd"})
    assert states(filtered(node(), of=choosy), choosy) == ["fail", "waiting", "waiting", "waiting", "waiting"]


def test_node_selected_fails_where_no_node_has_the_label() -> None:
    choosy = pod(node=None, nodeSelector={"disktype": "ssd"})
    verdict = node_selected(choosy, filtered(node(), CONTROL_PLANE, of=choosy))
    assert modes(verdict) == ["pod.node-selector-mismatch"]
    assert NODE in verdict.says


def test_node_tolerated_fails_where_every_node_is_dedicated() -> None:
    verdict = node_tolerated(WAITS, filtered(CONTROL_PLANE, node(taints=["dedicated=batch:NoSchedule"])))
    assert modes(verdict) == ["pod.untolerated-taint"]
    assert "dedicated=batch:NoSchedule" in verdict.says


def test_node_tolerated_names_the_taint_of_the_efs_agent_although_a_control_plane_has_another_one() -> None:
    verdict = node_tolerated(WAITS, filtered(CONTROL_PLANE, node(taints=["efs.csi.aws.com/agent-not-ready:NoExecute"])))
    assert modes(verdict) == ["pod.efs-agent-not-ready-taint"]
    assert NODE in verdict.says
    assert "master" not in verdict.says


def test_node_tolerated_does_not_take_a_dedicated_node_with_the_agents_taint_for_one_that_waits_for_the_agent() -> None:
    both = node(taints=["efs.csi.aws.com/agent-not-ready:NoExecute", "dedicated=batch:NoSchedule"])
    assert modes(node_tolerated(WAITS, filtered(CONTROL_PLANE, both))) == ["pod.untolerated-taint"]


def test_a_full_disk_is_not_a_taint_that_the_pod_should_tolerate() -> None:
    full = node(taints=["node.kubernetes.io/disk-pressure:NoSchedule"])
    filtering = filtered(CONTROL_PLANE, full)
    assert node_tolerated(WAITS, filtering).state is State.PASS
    verdict = node_available(WAITS, filtering, (NODE,))
    assert modes(verdict) == ["pod.node-disk-pressure"]
    assert verdict.says == f"the disks of {NODE} are nearly full"
    assert f"node {NODE} condition DiskPressure: True" in verdict.findings[0].proof


def test_the_full_disk_of_a_node_that_is_dedicated_to_others_is_not_blamed() -> None:
    full = node(taints=["node.kubernetes.io/disk-pressure:NoSchedule", "dedicated=batch:NoSchedule"])
    filtering = filtered(CONTROL_PLANE, full)
    assert modes(node_tolerated(WAITS, filtering)) == ["pod.untolerated-taint"]
    assert node_available(WAITS, filtering, (NODE,)).state is State.WAITING


def test_the_full_disk_of_one_node_is_no_matter_where_another_one_is_left() -> None:
    full = node("worker2", taints=["node.kubernetes.io/disk-pressure:NoSchedule"])
    assert states(filtered(full, node())) == ["pass"] * 5


def test_node_available_fails_where_the_workers_are_cordoned_and_the_control_plane_is_tainted() -> None:
    filtering = filtered(CONTROL_PLANE, node(unschedulable=True))
    assert states(filtering) == ["pass", "pass", "fail", "waiting", "waiting"]
    verdict = node_available(WAITS, filtering)
    assert modes(verdict) == ["pod.node-unschedulable"]
    assert "master" not in verdict.says


def test_node_available_fails_where_the_worker_is_not_ready() -> None:
    gone = node()
    gone["status"]["conditions"] = [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}]
    verdict = node_available(WAITS, filtered(gone))
    assert modes(verdict) == ["pod.node-unschedulable"]
    assert "NodeStatusUnknown" in verdict.says


def test_volume_zone_has_node_fails_where_the_volume_is_bound_to_another_zone() -> None:
    zone = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["eu-west-1b"]}
    elsewhere = pv(nodeAffinity={"required": {"nodeSelectorTerms": [{"matchExpressions": [zone]}]}})
    filtering = filtered(node(labels={"topology.kubernetes.io/zone": "eu-west-1a"}), volumes=(elsewhere,))
    verdict = volume_zone_has_node(WAITS, filtering)
    assert modes(verdict) == ["pod.volume-node-affinity-conflict"]
    assert CLAIM in verdict.says


def test_volume_zone_has_node_passes_for_a_volume_of_the_whole_region() -> None:
    filtering = filtered(node(labels={"topology.kubernetes.io/zone": "eu-west-1a"}), volumes=(pv(),))
    assert volume_zone_has_node(WAITS, filtering).state is State.PASS


def big(memory: str) -> Object:
    return pod(node=None, containers=[{"name": "prometheus", "resources": {"requests": {"memory": memory}}}])


def test_resources_suffice_fails_where_the_untainted_node_is_full_and_says_nothing_of_the_control_plane() -> None:
    filtering = filtered(CONTROL_PLANE, node(), of=big("1Gi"), full=True)
    verdict = resources_suffice(big("1Gi"), filtering)
    assert modes(verdict) == ["pod.insufficient-resources"]
    assert verdict.says == "no node is left for the pod: node worker1 has 0 of memory free, the pod wants 1Gi"
    assert node_tolerated(big("1Gi"), filtering).state is State.PASS


def test_resources_suffice_believes_the_scheduler_where_nobody_counted() -> None:
    ears = heard(said("pod-event", "FailedScheduling", "0/40 nodes are available: 40 Insufficient cpu."))
    verdict = resources_suffice(WAITS, filtered(node(), full=None), ears)
    assert modes(verdict) == ["pod.insufficient-resources"]
    assert "Insufficient cpu" in verdict.says


def test_resources_suffice_waits_where_the_scheduler_has_not_come_to_it() -> None:
    assert resources_suffice(WAITS, filtered(node(), full=None), heard(), None).state is State.WAITING


def test_only_the_first_three_nodes_are_named() -> None:
    verdict = node_available(WAITS, filtered(*(node(f"worker{i}", unschedulable=True) for i in range(5))))
    assert verdict.says.endswith("; and 2 more")
    assert "worker3" not in verdict.says
    assert len(verdict.findings[0].proof) == 5


def test_volume_mounted_passes_where_a_container_of_this_pod_was_made() -> None:
    assert volume_mounted(pod(), attempt("mounted"), {}, heard()).state is State.PASS


def test_volume_mounted_waits_for_a_node() -> None:
    assert volume_mounted(WAITS, attempt("unscheduled"), {}, heard()).state is State.WAITING


def test_volume_mounted_waits_while_the_kubelet_has_had_little_time() -> None:
    assert volume_mounted(pod(), attempt("scheduled", young=True), {}, heard()).state is State.WAITING


def mount_failed(text: str = "") -> Verdict:
    ears = heard(said("pod-event", "FailedMount", text)) if text else heard()
    return volume_mounted(pod(), attempt("scheduled"), {}, ears)


def test_volume_mounted_fails_with_the_newest_words_of_the_kubelet() -> None:
    verdict = mount_failed('MountVolume.SetUp failed for volume "x" : no such thing')
    assert verdict.state is State.FAIL
    assert verdict.findings[0].mode == ""
    assert verdict.says.endswith('MountVolume.SetUp failed for volume "x" : no such thing')


def test_volume_mounted_is_never_sure_of_a_timeout_which_has_many_causes() -> None:
    text = (
        'MountVolume.SetUp failed for volume "x" : rpc error: code = DeadlineExceeded desc = context deadline exceeded'
    )
    verdict = mount_failed(text)
    assert modes(verdict) == ["mount.timeout"]
    assert not verdict.findings[0].sure


def test_volume_mounted_says_so_where_the_kubelet_says_nothing() -> None:
    assert mount_failed().says.endswith("the kubelet says nothing")


def test_a_long_message_is_shown_on_one_line_of_at_most_200_characters() -> None:
    says = mount_failed("failed\n" + "very " * 100).says.removeprefix("volumes of the pod are not mounted: ")
    assert len(says) == 200
    assert "\n" not in says


def test_the_objects_are_named() -> None:
    verdict = pod_scheduled(WAITS, attempt("unscheduled"))
    assert str(verdict.findings[0].object) == f"Pod/monitoring/{NAME}"


def test_resources_suffice_is_unknown_where_nobody_could_count_what_runs_on_the_nodes() -> None:
    filtering = first_excluding_filter(WAITS, [node()])
    refused = Unread("pods may not be listed", "list pods")
    assert resources_suffice(WAITS, filtering, None, refused).state is State.UNKNOWN
    assert resources_suffice(WAITS, filtering, None, None).state is State.WAITING


@pytest.mark.parametrize(
    ("resource", "state"),
    [("ephemeral-storage", State.FAIL), ("inodes", State.FAIL), ("memory", State.UNKNOWN)],
)
def test_pod_kept_fails_where_the_kubelet_evicted_the_pod_for_a_full_disk(resource: str, state: State) -> None:
    status = {"phase": "Failed", "reason": "Evicted", "message": f"The node was low on resource: {resource}. "}
    verdict = pod_kept(pod(status=status))
    assert verdict.state is state
    assert resource in verdict.says
    assert pod_kept(pod()).state is State.PASS
