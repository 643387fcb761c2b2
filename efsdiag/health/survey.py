"""One pass over the lists of a scope: every workload with storage, and what of the scope could not be listed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from efsdiag.health.scope import Lists, Scope, Thing, Unlisted
from efsdiag.health.workloads import (
    REPLACED,
    Workload,
    claims_of,
    has_storage,
    pod_ref,
    template_claims,
    wanted_pods,
    workload_of,
)
from efsdiag.model import Ref, Source, Subject
from efsdiag.semantics.containers import image_name
from efsdiag.semantics.objects import controller_of
from efsdiag.semantics.resources import has_ended
from efsdiag.semantics.selectors import labels_of

MAKERS = ("deployments", "statefulsets", "daemonsets", "replicasets", "jobs", "prometheuses")
"""What makes pods and has a template of them, as far as efsdiag can look at it."""
OPERATOR = "prometheus-operator"
OPERATOR_LABEL = "operator.prometheus.io/name"


@dataclass
class Survey:
    """What is in scope."""

    workloads: dict[Ref, Workload] = field(default_factory=dict)
    """Those with storage, of which something is to be looked at."""
    at_rest: set[Ref] = field(default_factory=set)
    """Those with storage that should have no pod now: scaled to zero, suspended, done."""
    without_storage: int = 0
    """Workloads with pods of which none has storage."""
    unlisted: list[Unlisted] = field(default_factory=list)
    operator_seen: bool = False
    """Whether a prometheus-operator was seen to run, or something that it made."""

    @property
    def incomplete(self) -> bool:
        """Whether what could not be listed may hide a workload that is not well.

        Prometheus resources make no pods but by their operator; where none was seen, their list is named only.
        """
        return any(self.operator_seen or not u.operation.endswith(" prometheuses") for u in self.unlisted)


def survey(source: Source, scope: Scope, fallback: tuple[str, ...] = ()) -> Survey:
    """The workloads with storage in scope. Never raises Unreadable: what is refused stands in `unlisted`.

    Errors: NoSuchNamespace. `fallback` are namespaces that are known without a list of them.
    """
    lists = Lists(source, scope, fallback)
    found = Survey(unlisted=lists.unlisted)
    doubtful = lists.verify()
    used: set[tuple[str, str]] = set()
    owners = _pods(found, lists, used)
    for resource in MAKERS:
        for maker in lists.of(resource):
            with lists.understood(resource, maker):
                _maker(found, maker, used, owners)
    _claims(found, lists, used)
    # Nothing in a namespace that may not exist is not the same as nothing wrong in it.
    lists.unlisted += [missed for name, missed in doubtful.items() if name not in lists.populated]
    found.workloads = dict(sorted(found.workloads.items(), key=lambda item: _order(item[0])))
    return found


def _order(ref: Ref) -> tuple[str, str, str]:
    return ref.namespace, ref.kind, ref.name


def _pods(found: Survey, lists: Lists, used: set[tuple[str, str]]) -> set[Ref]:
    """Adds the workloads of all pods with storage. Returns every workload that has a pod, or is told by one."""
    met = _Met()
    for pod in lists.of("pods"):
        with lists.understood("pods", pod):
            _pod(found, pod, used, met)
    for ref, workload in met.ended.items():
        # Pods that have ended count where their controller has put nothing in their place.
        found.workloads.setdefault(ref, workload)
    found.without_storage = len(met.plain - set(found.workloads))
    return met.owners


@dataclass
class _Met:
    """What was met among the pods so far."""

    owners: set[Ref] = field(default_factory=set)
    plain: set[Ref] = field(default_factory=set)
    """Workloads of pods without storage."""
    seen: set[tuple[str, str]] = field(default_factory=set)
    ended: dict[Ref, Workload] = field(default_factory=dict)


def _pod(found: Survey, pod: Thing, used: set[tuple[str, str]], met: _Met) -> None:
    metadata = pod["metadata"]
    ref = workload_of(pod)
    met.owners.add(ref)
    if not found.operator_seen:
        found.operator_seen = OPERATOR_LABEL in labels_of(pod) or _is_operator(pod)
    if not has_storage(pod["spec"]):
        met.plain.add(ref)
        return
    key = (metadata.get("namespace") or "", metadata["name"])
    if key in met.seen:
        return
    met.seen.add(key)
    if has_ended(pod):
        if ref.kind in REPLACED:
            met.ended.setdefault(ref, Workload(ref)).add(pod_ref(pod))
        return
    slim, claims = pod_ref(pod), {(key[0], claim) for claim in claims_of(pod)}
    used |= claims
    found.workloads.setdefault(ref, Workload(ref)).add(slim)


def _is_operator(pod: Thing) -> bool:
    return any(image_name(c.get("image", "")).endswith(OPERATOR) for c in pod["spec"].get("containers") or [])


def _maker(found: Survey, maker: Thing, used: set[tuple[str, str]], owners: set[Ref]) -> None:
    """Adds a workload that has storage in its template and no pod."""
    stores, claims = template_claims(maker)
    if not stores:
        return
    metadata = maker["metadata"]
    ref = Ref(str(maker.get("kind", "")), metadata["name"], metadata.get("namespace") or "")
    made_by = controller_of(maker)
    if ref in owners or ref in found.workloads or (made_by and ref.kind == "ReplicaSet"):
        return
    if ref.kind == "Prometheus" and any(r.kind == "StatefulSet" and _is_made_by(r, ref) for r in found.workloads):
        return
    if not wanted_pods(maker):
        found.at_rest.add(ref)
        return
    used |= {(ref.namespace, claim) for claim in claims}
    found.workloads[ref] = Workload(ref, subject=Subject(ref.kind.lower(), ref.namespace, ref.name))


def _is_made_by(stateful_set: Ref, prometheus: Ref) -> bool:
    """prometheus-operator names the StatefulSet after the resource, with a shard behind it where there are several."""
    base = f"prometheus-{prometheus.name}"
    return stateful_set.namespace == prometheus.namespace and (
        stateful_set.name == base or stateful_set.name.startswith(f"{base}-shard-")
    )


def _claims(found: Survey, lists: Lists, used: set[tuple[str, str]]) -> None:
    """Adds the claims that no pod uses and that wait for a volume although nobody has to come first."""
    waiting = list(_waiting(lists, used))
    if not waiting:
        return
    late = {
        c["metadata"]["name"]
        for c in lists.cluster("storageclasses")
        if c.get("volumeBindingMode") == "WaitForFirstConsumer"
    }
    for claim in waiting:
        with lists.understood("persistentvolumeclaims", claim):
            metadata = claim["metadata"]
            if claim["spec"].get("storageClassName") in late:
                continue
            ref = Ref("PersistentVolumeClaim", metadata["name"], metadata.get("namespace") or "")
            found.workloads[ref] = Workload(ref, subject=Subject("persistentvolumeclaim", ref.namespace, ref.name))


def _waiting(lists: Lists, used: set[tuple[str, str]]) -> Iterator[Thing]:
    """The claims that no pod uses and that are Pending."""
    for claim in lists.of("persistentvolumeclaims"):
        with lists.understood("persistentvolumeclaims", claim):
            unused = (claim["metadata"].get("namespace") or "", claim["metadata"]["name"]) not in used
            if unused and (claim.get("status") or {}).get("phase") == "Pending":
                yield claim
