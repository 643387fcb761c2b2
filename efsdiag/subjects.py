"""From what was typed to what is looked at: kinds, short names, the pod behind a workload or a claim."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from efsdiag.gather import Reader
from efsdiag.model import Source, Subject, Unreadable
from efsdiag.semantics.containers import claim_volume_names
from efsdiag.semantics.objects import controller_of, is_ready, replica_failure, selector_of
from efsdiag.semantics.resources import has_ended

VOLUME = "persistentvolume"
"""The one kind here that is in no namespace."""
KINDS = {
    "pod": ("pods", ("po", "pods")),
    "deployment": ("deployments", ("deploy", "deployments", "deployments.apps", "deployment.apps")),
    "statefulset": ("statefulsets", ("sts", "statefulsets", "statefulsets.apps", "statefulset.apps")),
    "daemonset": ("daemonsets", ("ds", "daemonsets", "daemonsets.apps", "daemonset.apps")),
    "replicaset": ("replicasets", ("rs", "replicasets", "replicasets.apps", "replicaset.apps")),
    "job": ("jobs", ("jobs", "jobs.batch", "job.batch")),
    "prometheus": ("prometheuses", ("prom", "prometheuses", "prometheuses.monitoring.coreos.com")),
    "persistentvolumeclaim": ("persistentvolumeclaims", ("pvc", "persistentvolumeclaims")),
    VOLUME: ("persistentvolumes", ("pv", "persistentvolumes")),
}
"""Kind → its resource, and what else people type for it, as kubectl knows it."""


class SubjectError(Exception):
    """What was asked about cannot be looked at: an unknown kind, no such object, or several that fit."""

    def __init__(self, reference: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.reference = reference
        self.message = message
        self.hint = hint


@dataclass(frozen=True)
class Chosen:
    """What will be looked at, and why it stands for what was asked."""

    subject: Subject
    note: str = ""


def parse_target(words: Sequence[str], namespace: str) -> Subject:
    """ "pod/x", "pod x" or "x" (a pod) as a subject. Errors: SubjectError kind-unknown, target-malformed."""
    parts = [p for word in words for p in word.split("/", 1)]
    if len(parts) == 1:
        parts = ["pod", parts[0]]
    if len(parts) != 2 or not parts[0] or not parts[1] or "/" in parts[1]:
        shown = " ".join(words)
        raise SubjectError("target-malformed", f"{shown!r} is not TYPE/NAME", "for example pod/prometheus-server")
    kind = kind_of(parts[0])
    return Subject(kind, "" if kind == VOLUME else namespace, parts[1])


def kind_of(word: str) -> str:
    """The kind that a word means: "deploy" → "deployment". Errors: SubjectError kind-unknown."""
    low = word.lower()
    for kind, (_, others) in KINDS.items():
        if low == kind or low in others:
            return kind
    known = [k for kind, (_, others) in KINDS.items() for k in (kind, *others)]
    near = difflib.get_close_matches(low, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(KINDS)}"
    raise SubjectError("kind-unknown", f"{word!r} is not a kind that efsdiag can look at", hint)


def choose(source: Source, asked: Subject) -> Chosen:
    """The subject to look at: the pod that stands for what was asked, or the thing itself where it has none.

    Errors:  SubjectError where there is nothing of that name; Unreadable where the source cannot say.
    """
    read = Reader(source, 1)
    if asked.kind == "pod":
        return _pod(read, asked)
    if asked.kind == VOLUME:
        return _volume(source, read, asked)
    resource = KINDS[asked.kind][0]
    try:
        found = read(f"kube:get {resource}", namespace=asked.namespace, name=asked.name)
    except Unreadable:
        # The pods tell whose they are: their operator labels them with the resource's name.
        if asked.kind != "prometheus":
            raise
        found = {"kind": "Prometheus", "metadata": {"namespace": asked.namespace, "name": asked.name}}
    if found is None:
        names = [o["metadata"]["name"] for o in read(f"kube:list {resource}", namespace=asked.namespace) or []]
        raise _not_found(asked, names)
    pods = _users_of(read, asked) if asked.kind == "persistentvolumeclaim" else _pods_of(read, found)
    if not pods:
        return Chosen(asked)
    pod = pick(pods)
    if is_ready(pod) and replica_failure(found):
        # What it has is well; what it lacks was refused, and that is a matter of the workload.
        return Chosen(asked)
    name = pod["metadata"]["name"]
    return Chosen(Subject("pod", asked.namespace, name), f"{asked.kind}/{asked.name} → pod/{name}{_of_how_many(pods)}")


def _pod(read: Reader, asked: Subject) -> Chosen:
    if read("kube:get pods", namespace=asked.namespace, name=asked.name) is not None:
        return Chosen(asked)
    pods: list[dict[str, Any]] = read("kube:list pods", namespace=asked.namespace) or []
    owned = [p for p in pods if _owner_base(p) == asked.name or (controller_of(p) or {}).get("name") == asked.name]
    fitting = owned or [p for p in pods if p["metadata"]["name"].startswith(asked.name)]
    if not fitting:
        raise _not_found(asked, [p["metadata"]["name"] for p in pods] + sorted({_owner_base(p) for p in pods}))
    owners = sorted({_owner_base(p) for p in fitting})
    if len(owners) > 1:
        names = ", ".join(sorted(p["metadata"]["name"] for p in fitting))
        raise SubjectError("target-ambiguous", f"several pods begin with {asked.name!r}: {names}", "name one of them")
    name = pick(fitting)["metadata"]["name"]
    return Chosen(Subject("pod", asked.namespace, name), f"pod/{asked.name} → pod/{name}{_of_how_many(fitting)}")


def _volume(source: Source, read: Reader, asked: Subject) -> Chosen:
    """What stands for the claim that has the volume. Errors: SubjectError where no claim has it."""
    found = read("kube:get persistentvolumes", name=asked.name)
    if found is None:
        raise _not_found(asked, [v["metadata"]["name"] for v in read("kube:list persistentvolumes") or []])
    reference = found["spec"].get("claimRef")
    if not reference:
        message = f"no claim has volume {asked.name}, so that nothing waits for it"
        raise SubjectError("volume-without-claim", message, "ask about the claim that should have it: pvc/NAME")
    claim = Subject("persistentvolumeclaim", reference["namespace"], reference["name"])
    try:
        behind = choose(source, claim)
    except SubjectError as error:
        message = f"volume {asked.name} was of claim {claim.name} in namespace {claim.namespace}, which is gone"
        raise SubjectError(
            "volume-without-claim", message, "efsdiag explain pv.released says what that means"
        ) from error
    note = f"{asked.kind}/{asked.name} → {behind.note or f'{claim.kind}/{claim.name}'}"
    return Chosen(behind.subject, note)


def _owner_base(pod: dict[str, Any]) -> str:
    """The workload's name behind a pod: its ReplicaSet's without the hash, its StatefulSet's, or its own."""
    owner = controller_of(pod)
    if owner is None:
        return str(pod["metadata"]["name"])
    name = str(owner["name"])
    return name.rpartition("-")[0] if owner.get("kind") == "ReplicaSet" and "-" in name else name


def _pods_of(read: Reader, workload: dict[str, Any]) -> list[dict[str, Any]]:
    """The workload's own pods, by its selector and their owners."""
    # A Prometheus resource has no selector of its own: its operator labels the pods with its name.
    of_operator = workload.get("kind") == "Prometheus"
    own = f"operator.prometheus.io/name={workload['metadata']['name']}"
    selector = own if of_operator else selector_of(workload)
    if not selector:
        return []
    found = read("kube:list pods", namespace=workload["metadata"]["namespace"], labelSelector=selector) or []
    name, kind = workload["metadata"]["name"], workload.get("kind")
    if kind == "Deployment":
        return [p for p in found if _owner_base(p) == name]
    if of_operator:
        return list(found)
    return [p for p in found if (controller_of(p) or {}).get("uid") == workload["metadata"].get("uid")]


def _users_of(read: Reader, claim: Subject) -> list[dict[str, Any]]:
    """The pods of the namespace that mount the claim and have not ended."""
    found = read("kube:list pods", namespace=claim.namespace) or []
    using = [p for p in found if claim.name in claim_volume_names(p["spec"]).values()]
    return [p for p in using if not has_ended(p)]


def pick(pods: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The pod whose state matters most: one that stays, has not ended (evicted), is not ready, and is the newest."""

    def rank(pod: dict[str, Any]) -> tuple[bool, bool, bool, str, str]:
        metadata = pod["metadata"]
        going, ended = bool(metadata.get("deletionTimestamp")), has_ended(pod)
        return not going, not ended, not is_ready(pod), metadata.get("creationTimestamp") or "", metadata["name"]

    return max(pods, key=rank)


def _of_how_many(pods: Sequence[dict[str, Any]]) -> str:
    if len(pods) == 1:
        return ""
    ready = sum(is_ready(p) for p in pods)
    return f", one of {len(pods)} ({ready} ready)"


def _not_found(asked: Subject, names: Sequence[str]) -> SubjectError:
    near = difflib.get_close_matches(asked.name, names, 3, 0.4)
    where = f" in namespace {asked.namespace}" if asked.namespace else ""
    hint = f"did you mean {', '.join(near)}?" if near else f"there is none{where} that is like it"
    return SubjectError("target-not-found", f"there is no {asked.kind} {asked.name}{where}", hint)
