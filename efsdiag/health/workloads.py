"""The workloads with storage in a scope, as slim references: which pods of each are to be looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from efsdiag.model import Ref, Subject
from efsdiag.semantics.containers import claim_volume_names
from efsdiag.semantics.objects import controller_of, is_ready, scheduler_message
from efsdiag.semantics.resources import has_ended

Thing = dict[str, Any]

HASH = "pod-template-hash"
"""The label by which a Deployment tells its ReplicaSets and their pods apart."""
REPLACED = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet")
"""Kinds whose controller replaces a pod that has ended; a Job's that ended has done its work, or is counted by it."""


@dataclass(frozen=True, order=True)
class PodRef:
    """What is kept of a pod. The order is that of `subjects.pick`: the last one matters most."""

    stays: bool
    lives: bool
    troubled: bool
    """Not ready."""
    created: str
    name: str
    way: tuple[str, ...] = ()
    """Where and how it is not well: its node, what its containers or the scheduler wait for, and its claims."""


@dataclass
class Workload:
    """A workload with storage: how many pods it has, and those that stand for all of them."""

    ref: Ref
    pods: int = 0
    ready: int = 0
    worst: PodRef | None = None
    ways: dict[tuple[str, ...], tuple[PodRef, int]] = field(default_factory=dict)
    """Way of not being well → the pod that stands for it, and how many pods are not well in this way."""
    subject: Subject | None = None
    """Where it has no pod that could be looked at: itself."""

    def add(self, pod: PodRef) -> None:
        """Counts a pod, and keeps it where it matters more than those before it."""
        self.pods += 1
        self.ready += not pod.troubled
        if self.worst is None or pod > self.worst:
            self.worst = pod
        if pod.way and pod.stays:
            best, count = self.ways.get(pod.way, (pod, 0))
            self.ways[pod.way] = (max(best, pod), count + 1)

    def to_look_at(self) -> list[tuple[Subject, int]]:
        """The subjects that stand for the workload, each with the number of pods that are like it."""
        if self.subject is not None:
            return [(self.subject, 0)]
        namespace = self.ref.namespace
        if self.ways:
            chosen = sorted((pod.name, count) for pod, count in self.ways.values())
            return [(Subject("pod", namespace, name), count) for name, count in chosen]
        return [(Subject("pod", namespace, self.worst.name), self.pods)] if self.worst else []


def workload_of(pod: Thing) -> Ref:
    """What makes the pod, told by the pod alone: its Deployment, its StatefulSet, or the pod itself.

    A ReplicaSet is a Deployment's where its name ends in the hash that the Deployment gave the pod.
    """
    metadata = pod["metadata"]
    namespace = metadata.get("namespace") or ""
    owner = controller_of(pod)
    if owner is None or owner.get("kind") == "Node":  # the kubelet's own pods are owned by their node
        return Ref("Pod", metadata["name"], namespace)
    kind, name = str(owner.get("kind", "")), str(owner.get("name", ""))
    made = (metadata.get("labels") or {}).get(HASH)
    if kind == "ReplicaSet" and made and name.endswith(f"-{made}"):
        return Ref("Deployment", name.removesuffix(f"-{made}"), namespace)
    return Ref(kind, name, namespace)


def pod_ref(pod: Thing) -> PodRef:
    """The slim reference of a pod."""
    metadata = pod["metadata"]
    stays, lives, ready = not metadata.get("deletionTimestamp"), not has_ended(pod), is_ready(pod)
    way = _way(pod) if lives and not ready else ()
    return PodRef(stays, lives, not ready, metadata.get("creationTimestamp") or "", metadata["name"], way)


def has_storage(spec: Thing) -> bool:
    """Whether a pod's spec mounts a claim."""
    return bool(claim_volume_names(spec))


def claims_of(pod: Thing) -> set[str]:
    """The names of the claims that the pod mounts, of those that are made for it too."""
    own = pod["metadata"]["name"]
    return {claim or f"{own}-{volume}" for volume, claim in claim_volume_names(pod["spec"]).items()}


def _way(pod: Thing) -> tuple[str, ...]:
    status = pod.get("status") or {}
    going = "going" if pod["metadata"].get("deletionTimestamp") else ""
    node = str((pod.get("spec") or {}).get("nodeName") or "")
    waits = [
        f"{s['name']}:{_state(s)}"
        for key in ("initContainerStatuses", "containerStatuses")
        for s in status.get(key) or []
        if not s.get("ready") and ((s.get("state") or {}).get("terminated") or {}).get("exitCode") != 0
    ]
    return (
        node or scheduler_message(pod),
        going,
        str(status.get("reason") or ""),
        *waits,
        *sorted(claims_of(pod)),
    )


def _state(status: Thing) -> str:
    state = status.get("state") or {}
    for name in ("waiting", "terminated"):
        if name in state:
            return str((state[name] or {}).get("reason") or name)
    return "running"


def wanted_pods(workload: Thing) -> bool:
    """Whether a workload should have a pod now: it is not scaled to zero, suspended, ended, or without a node."""
    spec, status = workload.get("spec") or {}, workload.get("status") or {}
    kind = workload.get("kind")
    if kind == "DaemonSet":
        return status.get("desiredNumberScheduled") != 0
    if kind == "Job":
        ended = {c.get("type") for c in status.get("conditions") or [] if c.get("status") == "True"}
        return not spec.get("suspend") and not ended & {"Complete", "Failed", "SuccessCriteriaMet", "FailureTarget"}
    return spec.get("replicas", 1) != 0 and not spec.get("paused", False)


def template_claims(workload: Thing) -> tuple[bool, set[str]]:
    """Whether the workload's pods would mount a claim, and the claims that its template names."""
    spec = workload.get("spec") or {}
    if workload.get("kind") == "Prometheus":
        storage = spec.get("storage") or {}
        return "volumeClaimTemplate" in storage or has_storage(spec), set(claim_volume_names(spec).values()) - {""}
    template = (spec.get("template") or {}).get("spec") or {}
    named = set(claim_volume_names(template).values()) - {""}
    return bool(spec.get("volumeClaimTemplates")) or has_storage(template), named
