"""The pod's own way, from its workload to ready, and what the scheduler asks of nodes."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from efsdiag.evidence.messages import Heard
from efsdiag.model import UNREAD, Ref, Subject, Unread, Verdict, failed, passed, skipped, unknown, waiting
from efsdiag.semantics.attempt import Attempt
from efsdiag.semantics.objects import ref_of, replica_failure
from efsdiag.semantics.scheduling import Exclusion, Filter, Filtering, waiting_for_agent
from efsdiag.semantics.statuses import Container, state_of
from efsdiag.settings import Settings

FULL_DISK = re.compile("node was low on resource: (ephemeral-storage|inodes|nodefs|imagefs)")
PRESSURE_TAINT = "node.kubernetes.io/disk-pressure"


def pod_ready(pod: dict[str, Any], attempt: Attempt, main_container: Container) -> Verdict:
    if attempt.ready:
        return passed("the pod is ready", "condition Ready is True")
    if attempt.finished:
        return passed("the pod has run to its end", "phase Succeeded")
    if attempt.young:
        return waiting(f"the pod is still coming up; look again after {attempt.look_again}")
    return failed("", f"the pod is not ready: {state_of(pod, main_container)}", ref_of(pod))


def pod_exists(
    subject: Subject,
    pod: dict[str, Any] | None = None,
    workload: dict[str, Any] | None = None,
    heard: Heard | None = None,
    wanted: Settings | None = None,
) -> Verdict:
    if pod is not None:
        return passed(f"pod {pod['metadata']['name']} exists")
    if workload is None and wanted is not None:
        on = Ref(subject.kind.capitalize(), subject.name, subject.namespace)
        return failed("pod.not-created", f"there is no {subject.kind} {subject.name} in {subject.namespace}", on)
    if workload is None:
        return (
            skipped("no workload was asked about") if subject.kind == "persistentvolumeclaim" else waiting("it is gone")
        )
    name = f"{workload['kind']} {workload['metadata']['name']}"
    idle = _wants_no_pod(workload)
    if idle:
        return skipped(f"{name} {idle}")
    refusal = replica_failure(workload)
    has_pods = any(workload.get("status", {}).get(k) for k in ("replicas", "currentNumberScheduled", "active"))
    if has_pods and not refusal:
        return unknown(f"{name} says that it has pods, and none was found", "list pods")
    lacks = "makes no new pod" if has_pods else "has no pod"
    sighted = heard.of("pod.quota-exceeded", "pod.not-created") if heard else ()
    if sighted:
        first = next((s for s in sighted if s.mode == "pod.quota-exceeded"), sighted[0])
        return failed(first.mode, f"{name} {lacks}: {first.line}", ref_of(workload), first.line)
    if refusal:
        mode = "pod.quota-exceeded" if "exceeded quota" in refusal else "pod.not-created"
        return failed(mode, f"{name} {lacks}: {_short(refusal)}", ref_of(workload), "condition ReplicaFailure is True")
    deaf = heard.unread.get("owner-event") if heard else None
    why = f"its events could not be read: {deaf.why}" if deaf is not None else "no event says why"
    # Without the event that names the refusal, it may as well be a workload that was made a moment ago.
    found = failed("pod.not-created", f"{name} has no pod, and {why}", ref_of(workload), sure=False)
    return replace(found, unread=deaf.why, grant=deaf.grant) if deaf is not None else found


def _wants_no_pod(workload: dict[str, Any]) -> str:
    """Why the workload has no pod when all is well; "" where it should have one."""
    spec, status = workload["spec"], workload.get("status", {})
    if spec.get("replicas") == 0:
        return "is scaled to zero"
    if spec.get("suspend"):
        return "is suspended"
    if any(c["type"] == "Complete" and c["status"] == "True" for c in status.get("conditions") or []):
        return "has run to its end"
    if workload["kind"] == "DaemonSet" and status.get("desiredNumberScheduled") == 0:
        return "wants a pod on no node"
    return ""


def pod_scheduled(pod: dict[str, Any], attempt: Attempt) -> Verdict:
    if attempt.scheduled:
        return passed(f"the pod is on node {pod['spec']['nodeName']}", "condition PodScheduled is True")
    if attempt.young:
        return waiting(f"the scheduler has had little time; look again after {attempt.look_again}")
    conditions = pod.get("status", {}).get("conditions") or []
    said = next((c.get("message", "") for c in conditions if c["type"] == "PodScheduled"), "")
    return failed("", f"the pod has no node: {said or 'the scheduler says nothing'}", ref_of(pod), said)


def node_selected(pod: dict[str, Any], filtering: Filtering | None = None) -> Verdict:
    return _by_filter(pod, filtering, Filter.SELECTOR, "pod.node-selector-mismatch", "the pod's node selector fits")


def node_tolerated(pod: dict[str, Any], filtering: Filtering | None = None) -> Verdict:
    if _under_pressure(filtering):
        return passed("without the pressure on its disk, the pod tolerates the taints of a node")
    if held_back := waiting_for_agent(filtering):
        mode = "pod.efs-agent-not-ready-taint"
        return _by_filter(pod, filtering, Filter.TAINTS, mode, "", [e.says for e in held_back])
    mode = "pod.untolerated-taint"
    return _by_filter(pod, filtering, Filter.TAINTS, mode, "the pod tolerates the taints of a node")


def node_available(
    pod: dict[str, Any], filtering: Filtering | None = None, pressed_nodes: tuple[str, ...] | None = None
) -> Verdict:
    if not pod["spec"].get("nodeName") and (pressed := _under_pressure(filtering)):
        says = f"the disks of {', '.join(e.node for e in pressed)} are nearly full"
        conditions = [f"node {name} condition DiskPressure: True" for name in pressed_nodes or ()]
        return failed("pod.node-disk-pressure", says, ref_of(pod), *[e.says for e in pressed][:8], *conditions[:8])
    return _by_filter(pod, filtering, Filter.NOT_READY, "pod.node-unschedulable", "a fitting node is ready")


def _under_pressure(filtering: Filtering | None) -> list[Exclusion]:
    """The nodes that would take the pod but for the taint of a full disk, where the taints leave it no node.

    A node with a taint of its own, such as the control plane's, was never meant for the pod.
    """
    if filtering is None or filtering.filter is not Filter.TAINTS:
        return []
    return [e for e in filtering.by(Filter.TAINTS) if all(t.startswith(PRESSURE_TAINT) for t in e.taints)]


def volume_zone_has_node(pod: dict[str, Any], filtering: Filtering | None = None) -> Verdict:
    mode = "pod.volume-node-affinity-conflict"
    return _by_filter(pod, filtering, Filter.VOLUME_AFFINITY, mode, "a fitting node can reach the volumes")


def resources_suffice(
    pod: dict[str, Any],
    filtering: Filtering | None = None,
    heard: Heard | None = None,
    pods_on_nodes: Any = UNREAD,
) -> Verdict:
    if filtering is not None and filtering.filter is None and Filter.RESOURCES in filtering.unjudged:
        said = heard.of("pod.insufficient-resources") if heard else ()
        if said:
            return failed(
                "pod.insufficient-resources", f"the scheduler says: {said[0].line}", ref_of(pod), said[0].line
            )
        if isinstance(pods_on_nodes, Unread):
            return unknown(pods_on_nodes.why, pods_on_nodes.grant)
        return waiting("the scheduler has not come to asking for room")
    return _by_filter(pod, filtering, Filter.RESOURCES, "pod.insufficient-resources", "a fitting node has room")


def _by_filter(
    pod: dict[str, Any],
    filtering: Filtering | None,
    which: Filter,
    mode: str,
    good: str,
    reasons: list[str] | None = None,
) -> Verdict:
    """The verdict on one filter: it fails where that filter took the last node away; `reasons` are those to show."""
    if pod["spec"].get("nodeName"):
        return passed(f"the pod is on node {pod['spec']['nodeName']}")
    if filtering is None or not (filtering.left or filtering.exclusions):
        return waiting("there is no node")
    if filtering.filter is not which:
        order = list(Filter)
        if filtering.filter is not None and order.index(which) > order.index(filtering.filter):
            return waiting(f"no node comes that far: each is refused for its {filtering.filter.value} or before")
        return passed(good)
    reasons = reasons or [e.says for e in filtering.by(which)]
    shown = "; ".join(reasons[:3]) + (f"; and {len(reasons) - 3} more" if len(reasons) > 3 else "")
    return failed(mode, f"no node is left for the pod: {shown}", ref_of(pod), *reasons[:8])


def pod_kept(pod: dict[str, Any]) -> Verdict:
    status = pod.get("status", {})
    if status.get("reason") != "Evicted":
        return passed("the pod was not evicted")
    said = _short(status.get("message", ""))
    says = f"the kubelet evicted the pod: {said}"
    if FULL_DISK.search(said):
        return failed("pod.node-disk-pressure", says, ref_of(pod), "status.reason: Evicted", f"status.message: {said}")
    return unknown(says)


def volume_mounted(
    pod: dict[str, Any], attempt: Attempt, pod_spec: dict[str, Any], heard: Heard | None = None
) -> Verdict:
    if not attempt.scheduled:
        return waiting("the pod has no node yet")
    if attempt.mounted:
        return passed("the kubelet mounted every volume of this pod", "a sandbox or container of this pod exists")
    if attempt.young:
        return waiting(f"the kubelet is still mounting; look again after {attempt.look_again}")
    said = [m.text for m in heard.messages if m.where == "pod-event"] if heard else []
    timed_out = heard.of("mount.timeout") if heard else ()
    says = f"volumes of the pod are not mounted: {_short(said[-1]) if said else 'the kubelet says nothing'}"
    return failed("mount.timeout" if timed_out else "", says, ref_of(pod), sure=False)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else line[:197] + "..."
