"""The pod, who owns it, what it mounts, and what was said about it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from efsdiag.model import Subject
from efsdiag.reading import events_about
from efsdiag.semantics.containers import claim_volume_names, data_container, mounted_config_maps
from efsdiag.semantics.objects import controller_of, selector_of, time_of
from efsdiag.semantics.statuses import Container, is_stuck

OWNER_RESOURCES = {
    "ReplicaSet": "replicasets",
    "Deployment": "deployments",
    "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets",
    "Job": "jobs",
}
WORKLOAD_RESOURCES = {
    **{kind.lower(): resource for kind, resource in OWNER_RESOURCES.items()},
    "prometheus": "prometheuses",
}


def pod(read: Any, subject: Subject) -> dict[str, Any] | None:
    """The pod as the API has it.

    Errors:  Unreadable where the API refuses; absent where the subject is no pod or has none.
    Source:  kube:get pods
    """
    if subject.kind != "pod":
        return None
    found: dict[str, Any] | None = read("kube:get pods", namespace=subject.namespace, name=subject.name)
    return found


def workload(read: Any, subject: Subject, pod: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """The object that makes the pod: the Deployment behind its ReplicaSet, its StatefulSet, or the subject itself.

    Source:  kube:get replicasets|deployments|statefulsets|daemonsets|jobs, by name along ownerReferences
    """
    if pod is None:
        resource = WORKLOAD_RESOURCES.get(subject.kind)
        own: dict[str, Any] | None = (
            read(f"kube:get {resource}", namespace=subject.namespace, name=subject.name) if resource else None
        )
        return own
    owner = controller_of(pod)
    found: dict[str, Any] | None = None
    while owner and owner.get("kind") in OWNER_RESOURCES:
        resource = OWNER_RESOURCES[owner["kind"]]
        found = read(f"kube:get {resource}", namespace=subject.namespace, name=owner["name"])
        owner = controller_of(found) if found else None
    return found


def pod_spec(pod: dict[str, Any] | None = None, workload: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """The pod's spec, or its template's where no pod was made."""
    if pod is not None:
        spec: dict[str, Any] = pod["spec"]
        return spec
    template = (workload or {}).get("spec", {}).get("template")
    return template["spec"] if template else None


def pod_containers(pod: dict[str, Any]) -> tuple[Container, ...]:
    """All containers, the init containers first, each with its status."""
    status = pod.get("status", {})
    states = {s["name"]: s for key in ("initContainerStatuses", "containerStatuses") for s in status.get(key) or []}
    spec = pod["spec"]
    return tuple(
        Container(c["name"], c, states.get(c["name"], {}), init)
        for init, key in ((True, "initContainers"), (False, "containers"))
        for c in spec.get(key) or []
    )


def main_container(pod: dict[str, Any], pod_containers: tuple[Container, ...]) -> Container:
    """The container whose failure is asked about: the one with the data, else one that is not ready, else the first."""
    chosen = data_container(pod["spec"])
    own = [c for c in pod_containers if not c.init]
    broken_init = next((c for c in pod_containers if c.init and is_stuck(c)), None)
    if broken_init is not None:
        return broken_init
    not_ready = [c for c in own if not c.status.get("ready")]
    if chosen and (not not_ready or any(c.name == chosen for c in not_ready)):
        return next(c for c in own if c.name == chosen)
    return (not_ready or own)[0]


def pod_events(read: Any, pod: dict[str, Any]) -> list[dict[str, Any]]:
    """Events about this pod (its uid, not its name), oldest first.

    Source:  kube:list events, field selector involvedObject.uid
    """
    return events_about(read, pod)


def owner_events(
    read: Any, subject: Subject, pod: dict[str, Any] | None = None, workload: dict[str, Any] | None = None
) -> list[dict[str, Any]] | None:
    """Events about the workload and, for a Deployment, about its newest ReplicaSet; only where it made no pod."""
    if pod is not None or workload is None:
        return None
    found = events_about(read, workload)
    if workload.get("kind") == "Deployment":
        owned = [
            r
            for r in read("kube:list replicasets", namespace=subject.namespace, labelSelector=selector_of(workload))
            or []
            if (controller_of(r) or {}).get("uid") == workload["metadata"]["uid"] and r["spec"].get("replicas")
        ]
        for replica_set in owned:
            found += events_about(read, replica_set)
    return sorted(found, key=time_of)


def container_log(read: Any, pod: dict[str, Any], main_container: Container, now: datetime) -> str | None:
    """What the newest attempt of the main container printed (last 400 lines); absent where it never ran.

    A container that waits for its restart has the log of the attempt that ended; where that is empty or was not kept,
    the attempt before it speaks. So it does while the present one has not run for as long as it did.

    Source:  kube:log pods
    """
    if not main_container.was_created:
        return None
    where = {
        "namespace": pod["metadata"]["namespace"],
        "name": pod["metadata"]["name"],
        "container": main_container.name,
        "tailLines": "400",
    }
    if main_container.is_early(now):
        before = read("kube:log pods", **where, previous="true")
        if before:
            return str(before)
    text: str | None = read("kube:log pods", **where)
    if not text and main_container.status.get("restartCount"):
        text = read("kube:log pods", **where, previous="true")
    return text or None


def missing_config_maps(
    read: Any, pod: dict[str, Any], pod_containers: tuple[Container, ...]
) -> tuple[str, ...] | None:
    """ConfigMaps that the pod mounts, may not do without, and that do not exist; only while nothing is mounted.

    Source:  kube:get configmaps, by name
    """
    if not pod["spec"].get("nodeName") or any(c.was_created for c in pod_containers):
        return None
    names = sorted(set(mounted_config_maps(pod["spec"])))
    namespace = pod["metadata"]["namespace"]
    found = read.many(("kube:get configmaps", {"namespace": namespace, "name": name}) for name in names)
    return tuple(name for name, made in zip(names, found, strict=True) if made is None)


def sibling_pods(
    read: Any, pod: dict[str, Any], claims: Any, workload: dict[str, Any] | None = None
) -> list[dict[str, Any]] | None:
    """Other running pods of the same workload that mount one of the same claims.

    Source:  kube:list pods, by the workload's selector
    """
    if workload is None or not selector_of(workload) or not claims:
        return None
    mine = {c.name for c in claims}
    found = read("kube:list pods", namespace=pod["metadata"]["namespace"], labelSelector=selector_of(workload))
    return [
        p
        for p in found or []
        if p["metadata"]["uid"] != pod["metadata"]["uid"]
        and p.get("status", {}).get("phase") == "Running"
        and mine & set(claim_volume_names(p["spec"]).values())
    ]
