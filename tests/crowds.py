"""Small clusters as values: a few Kubernetes objects, and a source that answers out of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from worlds.bundle import CLUSTER_SCOPED, NAMESPACED, encoded

from efsdiag.world.bundle import BundleSource
from efsdiag.world.bundle_files import Memory

Thing = dict[str, Any]
NEW = "2026-11-21T06:00:00Z"


def _thing(kind: str, version: str, name: str, namespace: str, owner: tuple[str, str] | None, **more: Any) -> Thing:
    metadata: Thing = {"name": name, "namespace": namespace, "uid": f"uid-{kind}-{name}", "creationTimestamp": NEW}
    if owner:
        metadata["ownerReferences"] = [{"kind": owner[0], "name": owner[1], "uid": "owner", "controller": True}]
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}


def pod(
    name: str,
    namespace: str = "shop",
    *,
    claims: Iterable[str] = ("data",),
    owner: tuple[str, str] | None = None,
    ready: bool = True,
    phase: str = "Running",
    node: str = "node1",
    waits: str = "",
    labels: dict[str, str] | None = None,
    created: str = NEW,
) -> Thing:
    """A pod; `waits` is the reason for which its container waits."""
    volumes = [{"name": c, "persistentVolumeClaim": {"claimName": c}} for c in claims]
    mounts = [{"name": c, "mountPath": f"/{c}"} for c in claims]
    spec: Thing = {"containers": [{"name": "main", "image": "shop/main:1", "volumeMounts": mounts}], "volumes": volumes}
    if node:
        spec["nodeName"] = node
    state: Thing = {"waiting": {"reason": waits}} if waits else {"running": {}}
    status = {
        "phase": phase,
        "conditions": [{"type": "Ready", "status": str(ready)}],
        "containerStatuses": [{"name": "main", "ready": ready, "state": state}],
    }
    made = _thing("Pod", "v1", name, namespace, owner, spec=spec, status=status)
    made["metadata"] |= {"labels": labels or {}, "creationTimestamp": created}
    return made


def maker(
    kind: str, name: str, namespace: str = "shop", *, claims: Iterable[str] = ("data",), status: Any = None, **spec: Any
) -> Thing:
    """A workload with a template; `spec` are further fields of its spec."""
    template = {"spec": pod("x", claims=claims)["spec"]}
    version = "batch/v1" if kind == "Job" else "apps/v1"
    return _thing(kind, version, name, namespace, None, spec={"template": template, **spec}, status=status or {})


def claim(name: str, namespace: str = "shop", *, phase: str = "Bound", storage_class: str = "efs") -> Thing:
    spec = {"storageClassName": storage_class, "accessModes": ["ReadWriteMany"]}
    return _thing("PersistentVolumeClaim", "v1", name, namespace, None, spec=spec, status={"phase": phase})


def storage_class(name: str, mode: str = "Immediate") -> Thing:
    made = _thing("StorageClass", "storage.k8s.io/v1", name, "", None, provisioner="efs.csi.aws.com")
    return {**made, "volumeBindingMode": mode}


def prometheus(name: str, namespace: str = "shop") -> Thing:
    spec = {"storage": {"volumeClaimTemplate": {"spec": {}}}}
    return _thing("Prometheus", "monitoring.coreos.com/v1", name, namespace, None, spec=spec, status={})


RESOURCES = {
    "Pod": "pods",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "Deployment": "deployments",
    "ReplicaSet": "replicasets",
    "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets",
    "Job": "jobs",
    "Prometheus": "prometheuses",
    "StorageClass": "storageclasses",
}


def source_of(*things: Thing, namespaces: Iterable[str] = ("shop",), unread: Iterable[str] = ()) -> BundleSource:
    """The things in a bundle in memory. `unread` are lists that nobody collected: "pods", "pods/shop"."""
    names = sorted({*namespaces, *(t["metadata"]["namespace"] for t in things if t["metadata"]["namespace"])})
    files: dict[str, Any] = {
        f"cluster-resources/{folder}.json": {"items": [t for t in things if RESOURCES[t["kind"]] == resource]}
        for resource, folder in CLUSTER_SCOPED.items()
        if resource not in unread
    }
    if "namespaces" not in unread:
        files["cluster-resources/namespaces.json"] = {"items": [{"metadata": {"name": n}} for n in names]}
    for resource, folder in NAMESPACED.items():
        for name in names:
            if {resource, f"{resource}/{name}"}.isdisjoint(unread):
                own = [t for t in things if RESOURCES[t["kind"]] == resource and t["metadata"]["namespace"] == name]
                files[f"cluster-resources/{folder}/{name}.json"] = {"items": own}
    return BundleSource.of(Memory(encoded(files)))
