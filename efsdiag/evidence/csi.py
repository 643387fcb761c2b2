"""The EFS CSI driver in the cluster: its object, its controller, its node plugin."""

from __future__ import annotations

from typing import Any

from efsdiag.model import UNREAD, Missing, Unread
from efsdiag.reading import events_about, find_driver, plugin_log, pods_of
from efsdiag.semantics.binding import EFS_DRIVER
from efsdiag.semantics.claims import EfsVolume, Provisioning
from efsdiag.semantics.driver import (
    FARGATE_DRIVER,
    DriverVersion,
    driver_version,
    is_fargate,
    plugin_status,
    version_in,
)
from efsdiag.semantics.objects import is_ready, time_of
from efsdiag.semantics.scheduling import Filtering, waiting_for_agent
from efsdiag.settings import Settings

LEASE = "efs-csi-aws-com"


def efs_wanted(
    efs_volumes: tuple[EfsVolume, ...], efs_classes: tuple[Provisioning, ...], wanted: Settings | None = None
) -> bool | None:
    """Whether the subject needs the EFS driver at all; absent where it does not."""
    return True if efs_volumes or efs_classes or wanted else None


def csi_driver(read: Any, efs_wanted: bool) -> dict[str, Any] | None:
    """The CSIDriver object efs.csi.aws.com. Source: kube:get csidrivers."""
    found: dict[str, Any] | None = read("kube:get csidrivers", name=EFS_DRIVER)
    return found


def node_daemonset(read: Any, efs_wanted: bool) -> dict[str, Any] | None:
    """The DaemonSet of the node plugin, wherever it is installed.

    Source:  kube:list daemonsets in kube-system, and only where it is not there in all namespaces
    """
    return find_driver(read, "daemonsets")


def controller_deployment(read: Any, efs_wanted: bool) -> dict[str, Any] | None:
    """The Deployment of the controller. Source: as `node_daemonset`."""
    return find_driver(read, "deployments")


def driver_left_behind(
    read: Any,
    wanted_nodes: list[dict[str, Any]],
    csi_driver: dict[str, Any],
    node_daemonset: dict[str, Any] | None = None,
    controller_deployment: dict[str, Any] | None = None,
) -> bool | None:
    """Whether of a driver that is wished for only its CSIDriver object is there, which its chart keeps when the release
    goes: no workload of it was found, and no node that is to reach EFS has it registered.

    Source:  kube:get csinodes, by the names of the nodes
    """
    if node_daemonset or controller_deployment:
        return None
    found = read.many(("kube:get csinodes", {"name": n["metadata"]["name"]}) for n in wanted_nodes)
    return EFS_DRIVER not in [d["name"] for n in found if n for d in n.get("spec", {}).get("drivers") or []]


def controller_pods(read: Any, controller_deployment: dict[str, Any]) -> list[dict[str, Any]]:
    """The controller's pods, by the Deployment's selector, sorted by name.

    Source:  kube:list pods, label selector
    """
    return pods_of(read, controller_deployment)


def node_plugin_pods(
    read: Any, node_daemonset: dict[str, Any], pod: dict[str, Any] | None = None
) -> list[dict[str, Any]] | None:
    """The node plugin's pods on the pod's node (one, or none); absent where the pod has no node yet.

    Source:  kube:list pods, label selector and spec.nodeName
    """
    name = (pod or {}).get("spec", {}).get("nodeName")
    return pods_of(read, node_daemonset, f"spec.nodeName={name}") if name else None


def starting_plugin_pods(read: Any, filtering: Filtering) -> dict[str, list[dict[str, Any]]] | None:
    """Node name → pods of the node plugin, for the nodes that only wait for it to start; absent where none does.

    The taint alone says that the plugin is meant to be there, whatever the pod's own volumes are.

    Source:  kube:list daemonsets, kube:list pods, label selector
    """
    names = [e.node for e in waiting_for_agent(filtering)]
    daemonset = find_driver(read, "daemonsets") if names else None
    if daemonset is None:
        return None
    pods = pods_of(read, daemonset)
    return {n: [p for p in pods if p["spec"].get("nodeName") == n] for n in names}


def controller_lease(read: Any, controller_deployment: dict[str, Any]) -> dict[str, Any] | None:
    """The Lease that says which controller pod leads. Source: kube:get leases."""
    found: dict[str, Any] | None = read(
        "kube:get leases", namespace=controller_deployment["metadata"]["namespace"], name=LEASE
    )
    return found


def controller_leader(
    controller_pods: list[dict[str, Any]], controller_lease: Any = UNREAD, claim_events: Any = UNREAD
) -> Any:
    """The controller pod that does the provisioning: the Lease's holder, else the only one, or the first ready one.

    Who may read the cluster may often read no Lease (the role view of Kubernetes has none). The provisioner signs its
    events about claims, so the newest of those tells as well; where nothing does, one of several is not chosen.

    Source:  https://github.com/kubernetes-csi/external-provisioner/blob/master/cmd/csi-provisioner/csi-provisioner.go
             (identity: driver_hostname_uid)
    """
    holder = str((controller_lease or {}).get("spec", {}).get("holderIdentity") or "")
    signed = [(time_of(e), _signer(e)) for of_claim in (claim_events or {}).values() for e in of_claim if _signer(e)]
    said = [holder, *(name for _, name in sorted(signed, reverse=True)[:1])]
    named = next((p for name in said for p in controller_pods if name.partition("_")[0] == _hostname(p)), None)
    if named is None and isinstance(controller_lease, Unread) and len(controller_pods) > 1:
        why = f"which of {len(controller_pods)} controller pods leads is not known: {controller_lease.why}"
        return Missing("controller_leader", why, False, controller_lease.grant)
    ready = [p for p in controller_pods if is_ready(p)]
    return named or next(iter(ready or controller_pods), None)


def _signer(event: dict[str, Any]) -> str:
    """The host of the provisioner that wrote the event; "" where something else did."""
    by = str(event.get("reportingComponent") or (event.get("source") or {}).get("component") or "")
    return by.removeprefix(f"{EFS_DRIVER}_") if by.startswith(f"{EFS_DRIVER}_") else ""


def _hostname(pod: dict[str, Any]) -> str:
    return str(pod["spec"].get("nodeName") if pod["spec"].get("hostNetwork") else pod["metadata"]["name"])


def node_driver_version(
    node_daemonset: dict[str, Any] | None = None, node_plugin_pods: Any = UNREAD, node: Any = UNREAD
) -> DriverVersion | None:
    """The version of the node plugin that serves the pod's node: Fargate's own, that of its pod, else the DaemonSet's.

    The DaemonSet's template may be newer than the pod, while it is rolled out or where it waits for a deletion.
    """
    if node and is_fargate(node):
        return FARGATE_DRIVER
    if node_plugin_pods:
        return version_in(node_plugin_pods[0]["spec"])
    return driver_version(node_daemonset) if node_daemonset else None


def controller_version(controller_deployment: dict[str, Any]) -> DriverVersion:
    """The version of the controller, from its image."""
    return driver_version(controller_deployment)


def csi_node(read: Any, efs_wanted: bool, pod: dict[str, Any]) -> dict[str, Any] | None:
    """What the kubelet of the pod's node has registered. Source: kube:get csinodes, by the node's name."""
    name = pod["spec"].get("nodeName")
    found: dict[str, Any] | None = read("kube:get csinodes", name=name) if name else None
    return found


def controller_log(read: Any, controller_leader: dict[str, Any]) -> str | None:
    """What the driver's container in the leading controller pod printed; of a crash, the attempt that ended."""
    return plugin_log(read, controller_leader, "efs-plugin")


def node_plugin_log(read: Any, node_plugin_pods: list[dict[str, Any]]) -> str | None:
    """What the driver's container on the pod's node printed."""
    return plugin_log(read, node_plugin_pods[0], "efs-plugin") if node_plugin_pods else None


def node_plugin_events(read: Any, node_plugin_pods: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """Events about the node plugin's pod on the pod's node, oldest first; absent where that pod is ready.

    Source:  kube:list events, field selector involvedObject.uid
    """
    if not node_plugin_pods or any(is_ready(p) for p in node_plugin_pods):
        return None
    return sorted((e for p in node_plugin_pods for e in events_about(read, p)), key=time_of)


def registrar_log(read: Any, node_plugin_pods: list[dict[str, Any]]) -> str | None:
    """What the registrar beside the node plugin printed, where it is not healthy."""
    for pod in node_plugin_pods:
        if not plugin_status(pod, "csi-driver-registrar").get("ready", True):
            return plugin_log(read, pod, "csi-driver-registrar")
    return None


def provisioner_log(
    read: Any, controller_leader: dict[str, Any], provisionings: tuple[Provisioning, ...]
) -> str | None:
    """What the provisioner beside the leading controller printed, where a claim waits for a volume."""
    return plugin_log(read, controller_leader, "csi-provisioner") if any(p.dynamic for p in provisionings) else None
