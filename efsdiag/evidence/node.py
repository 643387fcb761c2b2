"""Nodes, and the EC2 instances that they are."""

from __future__ import annotations

from typing import Any

from efsdiag.model import UNREAD, Missing, Unread
from efsdiag.reading import find_instance
from efsdiag.semantics.instances import identities_of
from efsdiag.semantics.scheduling import Filtering, first_excluding_filter


def node(
    read: Any, pod: dict[str, Any] | None = None, wanted_nodes: list[dict[str, Any]] | None = None
) -> dict[str, Any] | None:
    """The pod's node; absent before it was scheduled. Of a wanted workload the first node stands for it until then.

    Source:  kube:get nodes, by name
    """
    name = ((pod or {}).get("spec") or {}).get("nodeName")
    if not name and wanted_nodes:
        return wanted_nodes[0]
    found: dict[str, Any] | None = read("kube:get nodes", name=name) if name else None
    return found


def nodes(read: Any, pod: dict[str, Any]) -> list[dict[str, Any]] | None:
    """All nodes, where the pod has none yet; absent once it is scheduled.

    Source:  kube:list nodes, in pages
    """
    if pod["spec"].get("nodeName"):
        return None
    found: list[dict[str, Any]] | None = read("kube:list nodes")
    return found or []


def node_instance(read: Any, node: dict[str, Any], csi_node: dict[str, Any] | None = None) -> Any:
    """The instance of the pod's node."""
    return find_instance(read, node, csi_node)


def controller_node(
    read: Any, controller_leader: dict[str, Any] | None = None, wanted_nodes: list[dict[str, Any]] | None = None
) -> dict[str, Any] | None:
    """The node of the controller pod that does the provisioning, or the first one on which it may come to stand.

    Source:  kube:get nodes
    """
    name = ((controller_leader or {}).get("spec") or {}).get("nodeName")
    if not name and wanted_nodes:
        return wanted_nodes[0]
    found: dict[str, Any] | None = read("kube:get nodes", name=name) if name else None
    return found


def controller_instance(read: Any, controller_node: dict[str, Any]) -> Any:
    """The instance under the leading controller pod."""
    return find_instance(read, controller_node)


def foreign_node(
    read: Any,
    file_systems: dict[str, dict[str, Any] | None],
    node: dict[str, Any] | None = None,
    controller_node: dict[str, Any] | None = None,
) -> str | None:
    """The pod's node, or else the controller's, whose instance this account and region do not have; absent without one.

    Then another account or region is looked at than the cluster's. Nodes whose instance ids nobody tells say nothing;
    nobody is asked where every file system is found.

    Source:  ec2:DescribeInstances, by id, of terminated ones too; kube:get csinodes
    """
    if all(system is not None for system in file_systems.values()):
        return None
    for known in (n for n in (node, controller_node) if n is not None):
        registered = read("kube:get csinodes", name=known["metadata"]["name"])
        ids = [i.parameters for i in identities_of(known, registered) if "InstanceIds" in i.parameters]
        if ids and not any((read("ec2:DescribeInstances", **i) or {}).get("Reservations") for i in ids):
            return str(known["metadata"]["name"])
        if ids:
            return None
    return None


def controller_peer_instances(
    read: Any,
    controller_pods: list[dict[str, Any]] | None = None,
    controller_leader: dict[str, Any] | None = None,
    wanted_instances: dict[str, dict[str, Any]] | None = None,
) -> list[dict[str, Any]] | None:
    """The instances under the other controller pods, which take over when the leader goes; those that can be told.

    Where nodes are wanted, all of them but the leader's too: the controller may come to stand on any of them.
    """
    wished = wanted_instances or {}
    if not wished and (controller_pods is None or controller_leader is None):
        return None
    leading = ((controller_leader or {}).get("spec") or {}).get("nodeName") or min(wished, default="")
    standing = {str(p["spec"]["nodeName"]) for p in controller_pods or () if p["spec"].get("nodeName")}
    names = sorted(standing - wished.keys() - {leading})
    found = [n for n in read.many(("kube:get nodes", {"name": name}) for name in names) if n is not None]
    others = [i for i in (find_instance(read, n) for n in found) if not isinstance(i, Missing)]
    return [*(i for name, i in sorted(wished.items()) if name != leading), *others]


def pods_on_nodes(
    read: Any, pod: dict[str, Any], nodes: list[dict[str, Any]]
) -> dict[str, list[dict[str, Any]]] | None:
    """The pods of each node, for what they request; absent where the scheduler has not come to asking that.

    In a large cluster that is a read of all its pods, so above 20 nodes the scheduler's own message has to do.

    Source:  kube:list pods, field selector spec.nodeName
    """
    conditions = pod.get("status", {}).get("conditions") or []
    said = next((c.get("message", "") for c in conditions if c["type"] == "PodScheduled"), "")
    if len(nodes) > 20 or "persistentvolumeclaim" in said.lower():
        return None
    names = [n["metadata"]["name"] for n in nodes]
    found = read.many(("kube:list pods", {"fieldSelector": f"spec.nodeName={name}"}) for name in names)
    return {name: pods or [] for name, pods in zip(names, found, strict=True)}


def filtering(
    pod: dict[str, Any],
    nodes: list[dict[str, Any]],
    volumes: dict[str, dict[str, Any] | None],
    pods_on_nodes: Any = UNREAD,
) -> Filtering:
    """Which nodes could take the pod, and which filter takes the others away.

    Where the pods of the nodes could not be read, only the room on the nodes stays unjudged.
    """
    present = None if isinstance(pods_on_nodes, Unread) else pods_on_nodes
    return first_excluding_filter(pod, nodes, [v for v in volumes.values() if v is not None], present)


def pressed_nodes(nodes: list[dict[str, Any]]) -> tuple[str, ...]:
    """The nodes whose disk is nearly full: condition DiskPressure is True."""
    return tuple(
        n["metadata"]["name"]
        for n in nodes
        for c in n.get("status", {}).get("conditions") or []
        if c["type"] == "DiskPressure" and c["status"] == "True"
    )
