"""The pod's own way, from its workload to ready, and what the scheduler asks of nodes."""

from __future__ import annotations

from typing import Any

from efsdiag.evidence.messages import Heard
from efsdiag.model import Finding, Subject, Verdict, failed, passed, skipped, unknown, waiting
from efsdiag.semantics.attempt import Attempt
from efsdiag.semantics.objects import ref_of
from efsdiag.semantics.scheduling import Filter, Filtering
from efsdiag.semantics.statuses import Container, state_of

AGENT_TAINT = "efs.csi.aws.com/agent-not-ready"


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
) -> Verdict:
    if pod is not None:
        return passed(f"pod {pod['metadata']['name']} exists")
    if workload is None:
        return (
            skipped("no workload was asked about") if subject.kind == "persistentvolumeclaim" else waiting("it is gone")
        )
    name = workload["metadata"]["name"]
    if workload["spec"].get("replicas") == 0:
        return skipped(f"{workload['kind']} {name} is scaled to zero")
    if any(workload.get("status", {}).get(k) for k in ("replicas", "currentNumberScheduled", "active")):
        return unknown(f"{workload['kind']} {name} says that it has pods, and none was found", "list pods")
    sighted = heard.of("pod.quota-exceeded", "pod.not-created") if heard else ()
    if sighted:
        first = next((s for s in sighted if s.mode == "pod.quota-exceeded"), sighted[0])
        return failed(first.mode, f"{workload['kind']} {name} has no pod: {first.line}", ref_of(workload), first.line)
    return failed("pod.not-created", f"{workload['kind']} {name} has no pod, and no event says why", ref_of(workload))


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
    mode = "pod.untolerated-taint"
    if filtering and filtering.filter is Filter.TAINTS:
        tainted = filtering.by(Filter.TAINTS)
        if all(any(AGENT_TAINT in t for t in e.taints) for e in tainted):
            mode = "pod.efs-agent-not-ready-taint"
    return _by_filter(pod, filtering, Filter.TAINTS, mode, "the pod tolerates the taints of a node")


def node_available(
    pod: dict[str, Any], filtering: Filtering | None = None, pressed_nodes: tuple[str, ...] | None = None
) -> Verdict:
    if filtering and filtering.filter is Filter.TAINTS and pressed_nodes:
        excluded = {e.node for e in filtering.by(Filter.TAINTS)}
        if excluded == set(pressed_nodes):
            return failed(
                "pod.node-disk-pressure", f"the disks of {', '.join(pressed_nodes)} are nearly full", ref_of(pod)
            )
    return _by_filter(pod, filtering, Filter.NOT_READY, "pod.node-unschedulable", "a fitting node is ready")


def volume_zone_has_node(pod: dict[str, Any], filtering: Filtering | None = None) -> Verdict:
    mode = "pod.volume-node-affinity-conflict"
    return _by_filter(pod, filtering, Filter.VOLUME_AFFINITY, mode, "a fitting node can reach the volumes")


def resources_suffice(pod: dict[str, Any], filtering: Filtering | None = None, heard: Heard | None = None) -> Verdict:
    if filtering is not None and filtering.filter is None and Filter.RESOURCES in filtering.unjudged:
        said = heard.of("pod.insufficient-resources") if heard else ()
        if said:
            return failed(
                "pod.insufficient-resources", f"the scheduler says: {said[0].line}", ref_of(pod), said[0].line
            )
        return waiting("the scheduler has not come to asking for room")
    return _by_filter(pod, filtering, Filter.RESOURCES, "pod.insufficient-resources", "a fitting node has room")


def _by_filter(pod: dict[str, Any], filtering: Filtering | None, which: Filter, mode: str, good: str) -> Verdict:
    """The verdict on one filter: it fails where that filter took the last node away."""
    if pod["spec"].get("nodeName"):
        return passed(f"the pod is on node {pod['spec']['nodeName']}")
    if filtering is None:
        return waiting("there is no node")
    if filtering.filter is not which:
        return passed(good)
    reasons = [e.says for e in filtering.by(which)]
    shown = "; ".join(reasons[:3]) + (f"; and {len(reasons) - 3} more" if len(reasons) > 3 else "")
    return failed(mode, f"no node is left for the pod: {shown}", ref_of(pod), *reasons[:8])


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
    return Verdict(
        failed("", says).state, says, (Finding("mount.timeout" if timed_out else "", says, ref_of(pod), False),)
    )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else line[:197] + "..."
