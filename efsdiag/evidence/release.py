"""What stands beside the pod: storage of other kinds, Services and Ingresses, and the rest of its Helm release."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from efsdiag.model import Subject
from efsdiag.reading import events_about
from efsdiag.semantics.claims import LONGHORN_DRIVER, Claim, Provisioning
from efsdiag.semantics.containers import image_name
from efsdiag.semantics.objects import backends_of

CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
LONGHORN_NAMESPACE = "longhorn-system"
OPERATOR_IMAGE = "prometheus-operator/prometheus-operator"
INSTANCE = "app.kubernetes.io/instance"


def nfs_volumes(volumes: dict[str, dict[str, Any] | None]) -> tuple[dict[str, Any], ...]:
    """The pod's volumes that an NFS server of one's own serves."""
    return tuple(v for v in volumes.values() if v is not None and "nfs" in v["spec"])


def control_plane_addresses(read: Any, nfs_volumes: tuple[dict[str, Any], ...]) -> dict[str, str] | None:
    """Address → control-plane node; absent where no NFS server is in question.

    Source:  kube:list nodes, label selector
    """
    if not nfs_volumes:
        return None
    found = read("kube:list nodes", labelSelector=CONTROL_PLANE) or []
    return {a["address"]: n["metadata"]["name"] for n in found for a in n.get("status", {}).get("addresses") or []}


def longhorn_managers(
    read: Any,
    provisionings: tuple[Provisioning, ...],
    volumes: dict[str, dict[str, Any] | None],
    pod: dict[str, Any] | None = None,
) -> list[dict[str, Any]] | None:
    """The pods of longhorn-manager (on the pod's node, where it has one); absent where Longhorn is not used.

    Source:  kube:list pods in longhorn-system
    """
    drivers = {p.provisioner for p in provisionings}
    drivers |= {(v["spec"].get("csi") or {}).get("driver", "") for v in volumes.values() if v is not None}
    if LONGHORN_DRIVER not in drivers:
        return None
    node = (pod or {}).get("spec", {}).get("nodeName")
    field = f"spec.nodeName={node}" if node else ""
    found = read(
        "kube:list pods", namespace=LONGHORN_NAMESPACE, labelSelector="app=longhorn-manager", fieldSelector=field
    )
    return sorted(found or [], key=lambda p: p["metadata"]["name"])


def longhorn_log(read: Any, longhorn_managers: list[dict[str, Any]]) -> str | None:
    """What a longhorn-manager that is not ready printed before it ended."""
    for pod in longhorn_managers:
        for status in pod.get("status", {}).get("containerStatuses") or []:
            if not status.get("ready"):
                where = {"namespace": LONGHORN_NAMESPACE, "name": pod["metadata"]["name"], "container": status["name"]}
                text: str | None = read("kube:log pods", **where, tailLines="100")
                return text or read("kube:log pods", **where, tailLines="100", previous="true")
    return None


def storage_class_names(read: Any, subject: Subject) -> tuple[str, ...] | None:
    """The names of all storage classes, where a Prometheus resource was asked about.

    Source:  kube:list storageclasses
    """
    if subject.kind != "prometheus":
        return None
    return tuple(sorted(c["metadata"]["name"] for c in read("kube:list storageclasses") or []))


def operator_log(read: Any, subject: Subject) -> str | None:
    """What prometheus-operator printed, where a Prometheus resource was asked about and it runs in that namespace.

    Source:  kube:list pods of the namespace, kube:log pods
    """
    if subject.kind != "prometheus":
        return None
    for pod in read("kube:list pods", namespace=subject.namespace) or []:
        for container in pod["spec"].get("containers") or []:
            if image_name(container.get("image", "")) == OPERATOR_IMAGE:
                where = {
                    "namespace": subject.namespace,
                    "name": pod["metadata"]["name"],
                    "container": container["name"],
                }
                text: str | None = read("kube:log pods", **where, tailLines="400")
                return text
    return None


def pending_release_claims(read: Any, pod: dict[str, Any], claims: tuple[Claim, ...]) -> tuple[str, ...] | None:
    """Claims of the same release's Alertmanager that are Pending; absent where the pod is of no release.

    Source:  kube:list persistentvolumeclaims of the namespace
    """
    release = (pod["metadata"].get("labels") or {}).get(INSTANCE)
    if not release:
        return None
    own = {c.name for c in claims}
    found = read("kube:list persistentvolumeclaims", namespace=pod["metadata"]["namespace"]) or []
    return tuple(
        sorted(
            c["metadata"]["name"]
            for c in found
            if c.get("status", {}).get("phase") == "Pending"
            and c["metadata"]["name"] not in own
            and f"{release}-alertmanager" in c["metadata"]["name"]
        )
    )


@dataclass(frozen=True)
class PendingFront:
    """A Service of type LoadBalancer or an Ingress without an address, with what was said about it."""

    kind: str
    name: str
    namespace: str
    messages: tuple[str, ...]
    made: str
    """When it was made, RFC 3339."""


def front_services(read: Any, pod: dict[str, Any]) -> list[dict[str, Any]]:
    """The Services that lead to the pod. Source: kube:list services of the namespace."""
    labels = pod["metadata"].get("labels") or {}
    found = read("kube:list services", namespace=pod["metadata"]["namespace"]) or []
    selectors = [(s["spec"].get("selector") or {}, s) for s in found]
    return [s for selector, s in selectors if selector and all(labels.get(k) == v for k, v in selector.items())]


def pending_services(read: Any, front_services: list[dict[str, Any]]) -> tuple[PendingFront, ...]:
    """The Services in front of the pod that wait for a load balancer. Source: events about those that wait."""
    return _pending(read, "Service", [s for s in front_services if s["spec"].get("type") == "LoadBalancer"])


def pending_ingresses(read: Any, front_services: list[dict[str, Any]]) -> tuple[PendingFront, ...]:
    """The Ingresses in front of the pod that wait for a load balancer.

    Source:  kube:list ingresses of the namespace, where a Service leads to the pod; events about those that wait
    """
    if not front_services:
        return ()
    namespace, names = front_services[0]["metadata"]["namespace"], {s["metadata"]["name"] for s in front_services}
    found = read("kube:list ingresses", namespace=namespace) or []
    return _pending(read, "Ingress", [i for i in found if names & backends_of(i)])


def _pending(read: Any, kind: str, things: list[dict[str, Any]]) -> tuple[PendingFront, ...]:
    waiting = [t for t in things if not (t.get("status", {}).get("loadBalancer") or {}).get("ingress")]
    return tuple(sorted((_front(read, kind, t["metadata"], t) for t in waiting), key=lambda f: f.name))


def _front(read: Any, kind: str, metadata: dict[str, Any], thing: dict[str, Any]) -> PendingFront:
    said = _messages_about(read, thing)
    return PendingFront(kind, metadata["name"], metadata["namespace"], said, metadata.get("creationTimestamp") or "")


def _messages_about(read: Any, thing: dict[str, Any]) -> tuple[str, ...]:
    """The texts of the events about an object, oldest first."""
    return tuple(str(e.get("message", "")) for e in events_about(read, thing))
