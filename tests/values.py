"""Small builders of the plain values that checks and evidence functions take: the raw objects of one healthy world.

The world: pod monitoring/prometheus-server-0 on node worker1 mounts claim prometheus-server, which is bound to the EFS
volume prometheus-server. A test says only in what its world differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from efsdiag.evidence.messages import Heard, Message, Sighted
from efsdiag.messages import recognise
from efsdiag.model import Query, Ref, State, Subject, Unread, Unreadable, Verdict
from efsdiag.operations import resource_of
from efsdiag.semantics.attempt import Attempt
from efsdiag.semantics.claims import EFS_DRIVER, Claim, EfsVolume, Provisioning
from efsdiag.semantics.claims import efs_volume as taken_apart
from efsdiag.semantics.statuses import Container
from efsdiag.world.bundle_kube import narrowed

Object = dict[str, Any]

NAMESPACE = "monitoring"
NAME = "prometheus-server-0"
NODE = "worker1"
CLAIM = "prometheus-server"
FILE_SYSTEM = "fs-0123456789abcdef0"
IMAGE = "quay.io/prometheus/prometheus:v3.5.0"
SINCE = "2026-11-21T06:00:00Z"
POD_REF = Ref("Pod", NAME, NAMESPACE)
CLAIM_REF = Ref("PersistentVolumeClaim", CLAIM, NAMESPACE)

RUNNING: Object = {"running": {"startedAt": SINCE}}
STEPS = ("unscheduled", "scheduled", "mounted", "pulled", "created", "running", "ready")


def pod(
    *, node: str | None = NODE, claims: Iterable[str] = (CLAIM,), status: Object | None = None, **spec: Any
) -> Object:
    """The raw pod; `node=None` for one that is not scheduled, `claims` that it mounts, `spec` for the rest."""
    names = list(claims)
    mounts = [{"name": f"data-{name}", "mountPath": f"/{name}"} for name in names]
    default: Object = {
        "containers": [{"name": "prometheus", "image": IMAGE, "volumeMounts": mounts}],
        "volumes": [{"name": f"data-{name}", "persistentVolumeClaim": {"claimName": name}} for name in names],
    }
    return {
        "kind": "Pod",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "uid": "uid-pod", "creationTimestamp": SINCE},
        "spec": {**default, **({"nodeName": node} if node else {}), **spec},
        "status": {"phase": "Pending", **(status or {})},
    }


def not_scheduled(message: str) -> Object:
    """The status of a pod for which the scheduler found no node, with the scheduler's words."""
    return {
        "conditions": [{"type": "PodScheduled", "status": "False", "message": message, "lastTransitionTime": SINCE}]
    }


def attempt(reached: str = "ready", **overrides: Any) -> Attempt:
    """The attempt of a pod that came as far as `reached`, one of STEPS, long enough ago to be judged for it."""
    steps = {step: STEPS.index(reached) >= i for i, step in enumerate(STEPS)}
    plain = Attempt(
        scheduled=steps["scheduled"],
        mounted=steps["mounted"],
        pulled=steps["pulled"],
        created=steps["created"],
        ran=steps["running"],
        running=steps["running"],
        ready=steps["ready"],
        finished=False,
        young=False,
        mount_overdue=False,
        look_again="2026-11-21T06:01:00Z",
    )
    return replace(plain, **overrides)


def container(
    name: str = "prometheus", state: Object | None = None, last: Object | None = None, init: bool = False, **spec: Any
) -> Container:
    """A container with its status: `state` is the present one (running by default), `last` how the one before ended."""
    now = RUNNING if state is None else state
    status: Object = {"name": name, "state": now, "ready": "running" in now}
    if last:
        status |= {"lastState": {"terminated": last}, "restartCount": 1}
    return Container(name, {"name": name, "image": IMAGE, **spec}, status, init)


def waits(reason: str, message: str = "") -> Object:
    """The state of a container that waits."""
    return {"waiting": {"reason": reason, "message": message}}


def claim(name: str = CLAIM, *, bound_to: str = "", exists: bool = True, phase: str = "", **spec: Any) -> Claim:
    """A claim of class "", Pending; `bound_to` a volume and Bound; or one that does not exist."""
    if not exists:
        return Claim(name, NAMESPACE, f"data-{name}", None)
    default: Object = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "",
        "resources": {"requests": {"storage": "5Gi"}},
        **({"volumeName": bound_to} if bound_to else {}),
    }
    kept = {k: v for k, v in {**default, **spec}.items() if v is not None}
    metadata = {"name": name, "namespace": NAMESPACE, "uid": f"uid-{name}", "creationTimestamp": SINCE}
    status = {"phase": phase or ("Bound" if bound_to else "Pending")}
    thing = {"kind": "PersistentVolumeClaim", "metadata": metadata, "spec": kept, "status": status}
    return Claim(name, NAMESPACE, f"data-{name}", thing)


def volume(name: str = CLAIM, *, handle: str = FILE_SYSTEM, phase: str = "Available", **spec: Any) -> Object:
    """A raw volume made by hand, of the EFS driver, without a class, free; `spec` replaces or adds fields of its spec.

    `csi` among them is added to the driver's own fields; `csi=None` takes them away.
    """
    other = spec.pop("csi", {})
    csi = {} if other is None else {"csi": {"driver": EFS_DRIVER, "volumeHandle": handle, **other}}
    default: Object = {"capacity": {"storage": "5Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": ""}
    return {
        "kind": "PersistentVolume",
        "metadata": {"name": name, "uid": f"uid-pv-{name}"},
        "spec": {**default, **csi, **spec},
        "status": {"phase": phase},
    }


def efs_volume(handle: str = FILE_SYSTEM, name: str = CLAIM, **spec: Any) -> EfsVolume:
    """A bound EFS volume, its handle taken apart; `spec` as for `volume`: mountOptions, accessModes, csi, …"""
    return taken_apart(volume(name, handle=handle, phase="Bound", **spec), claim(bound_to=name))


def node(name: str = NODE, *, taints: Iterable[str] = (), labels: Object | None = None, **spec: Any) -> Object:
    """A raw node that is ready; `taints` as kubectl writes them: "dedicated=monitoring:NoSchedule"."""
    cut = [(key_value.partition("="), effect) for key_value, _, effect in (t.rpartition(":") for t in taints)]
    found = [{"key": key, "value": value, "effect": effect} for (key, _, value), effect in cut]
    return {
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "spec": {**({"taints": found} if found else {}), **spec},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "allocatable": {"cpu": "2", "memory": "4Gi", "pods": "110"},
        },
    }


def storage_class(
    name: str = "efs-sc", provisioner: str = EFS_DRIVER, *, default: bool = False, **fields: Any
) -> Object:
    """A raw class whose parameters the EFS driver accepts; `fields` beside the metadata: parameters, …"""
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    parameters = {"provisioningMode": "efs-ap", "fileSystemId": FILE_SYSTEM, "directoryPerms": "700"}
    return {
        "kind": "StorageClass",
        "metadata": {"name": name, "annotations": annotations, "creationTimestamp": SINCE},
        "provisioner": provisioner,
        "volumeBindingMode": "Immediate",
        "parameters": parameters,
        **fields,
    }


def provisioning(of: Claim | None = None, by: Object | None = None, dynamic: bool = True) -> Provisioning:
    """How an unbound claim is to get its volume: from a provisioner of class `by`, or (not dynamic) by hand."""
    made_by = storage_class() if by is None and dynamic else by
    return Provisioning(of or claim(storageClassName="efs-sc" if dynamic else ""), made_by, dynamic)


def said(where: str, reason: str, text: str, about: Ref = POD_REF) -> Message:
    """One message of the present attempt: said("pod-event", "FailedMount", "…")."""
    return Message(where, reason, text, about)


def heard(*messages: Message, unread: Mapping[str, Unread] | None = None) -> Heard:
    """Everything that was said, with the modes that efsdiag's own recogniser sees in it."""
    sighted = [Sighted(s.mode, s.specific, s.quote, m) for m in messages for s in recognise(m.text, m.where, m.reason)]
    return Heard(messages, tuple(sighted), dict(unread or {}))


def modes(verdict: Verdict) -> list[str]:
    """The modes of a verdict that fails; an error for one that does not."""
    assert verdict.state is State.FAIL, verdict
    return [f.mode for f in verdict.findings]


def subject(kind: str = "pod", name: str = NAME) -> Subject:
    return Subject(kind, NAMESPACE, name)


class World:
    """A source over raw objects: what it holds exists, all else does not; `refuses` names resources it may not read."""

    PLURALS: Mapping[str, str] = {"StorageClass": "storageclasses"}

    def __init__(self, *objects: Object, logs: Mapping[str, str] | None = None, refuses: Iterable[str] = ()) -> None:
        self.objects = objects
        self.logs = dict(logs or {})
        """ "pod container" → its log; "pod container previous" → that of the attempt before."""
        self.refuses = frozenset(refuses)
        self.asked: list[str] = []

    def __call__(self, query: Query) -> Any:
        self.asked.append(str(query))
        verb, resource = query.operation.partition(" ")[0], resource_of(query)
        if resource in self.refuses or query.operation in self.refuses:
            raise Unreadable(query, f"{resource} may not be read", f"allow {query.operation}")
        if verb == "kube:log":
            words = [query.get("name"), query.get("container"), *(["previous"] if query.get("previous") else [])]
            return self.logs.get(" ".join(words))
        kept = [o for o in self.objects if self.PLURALS.get(o["kind"], o["kind"].lower() + "s") == resource]
        return narrowed(query, kept) if verb in ("kube:get", "kube:list") else None
