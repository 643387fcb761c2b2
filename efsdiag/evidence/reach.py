"""Which of the cluster's other nodes reach the mount targets of the pod's volumes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from efsdiag.model import UNREAD, Unread
from efsdiag.semantics.attempt import Attempt
from efsdiag.semantics.claims import EfsVolume
from efsdiag.semantics.ends import NodeEnd, TargetEnd, node_end, target_of
from efsdiag.semantics.hops import Hop
from efsdiag.semantics.instances import identities_of, live_instances
from efsdiag.semantics.network import path

MOST_NODES = 100
"""So many nodes are looked at, so that a question costs the same in a large cluster."""
FIELDS = {
    "InstanceIds": "InstanceId",
    "Filter.private-ip-address": "PrivateIpAddress",
    "Filter.private-dns-name": "PrivateDnsName",
}
"""What a parameter of ec2:DescribeInstances compares."""


@dataclass(frozen=True)
class Reach:
    """One node, the mount target that it would use, and every hop between the two."""

    node: str
    instance_id: str
    target: str
    hops: tuple[Hop, ...]


def other_instances(
    read: Any,
    pod: dict[str, Any],
    mount_ends: tuple[tuple[NodeEnd, TargetEnd], ...],
    wanted_instances: dict[str, dict[str, Any]] | None = None,
) -> dict[str, dict[str, Any] | None]:
    """Node name → its instance, for the first nodes of the cluster that are not the pod's; None where it is not found.

    Where nodes are wanted, those are the ones that have to reach EFS, and the others need not be instances at all.

    Source:  kube:list nodes, the first page; ec2:DescribeInstances, by ids, by private addresses
    """
    if wanted_instances is not None:
        return {name: i for name, i in sorted(wanted_instances.items()) if name != pod["spec"].get("nodeName")}
    found = read("kube:list nodes", limit=str(MOST_NODES)) or []
    others = [n for n in found if n["metadata"]["name"] != pod["spec"].get("nodeName")]
    ways = {n["metadata"]["name"]: _way(n) for n in others}
    wanted: dict[str, set[str]] = {}
    for parameter, value in filter(None, ways.values()):
        wanted.setdefault(parameter, set()).add(value)
    answers = read.many(("ec2:DescribeInstances", {p: tuple(sorted(v))}) for p, v in sorted(wanted.items()))
    instances = list({i["InstanceId"]: i for answer in answers for i in live_instances(answer)}.values())
    return {name: _only(instances, way) for name, way in sorted(ways.items())}


def node_reach(
    read: Any, pod: dict[str, Any], attempt: Attempt, efs_volumes: tuple[EfsVolume, ...]
) -> dict[str, dict[str, Any]] | None:
    """Volume → what a probe from the network of the pod's node got from its file system.

    Absent where the pod is on no node, or its volumes are mounted: then the mount itself has shown it.

    Source:  volume:reach
    """
    node = pod["spec"].get("nodeName")
    if not node or attempt.mounted or not efs_volumes:
        return None
    asked = [("volume:reach", {"node": node, "persistentVolume": v.name}) for v in efs_volumes]
    return {v.name: answer for v, answer in zip(efs_volumes, read.many(asked), strict=True)}


def other_groups(
    read: Any, other_instances: dict[str, dict[str, Any] | None], security_groups: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Group id → raw group: those of the other nodes, and those that are known already.

    Source:  ec2:DescribeSecurityGroups
    """
    ends = [node_end(i) for i in other_instances.values() if i is not None]
    missing = {g for end in ends for g in end.security_groups or ()} - set(security_groups)
    if not missing:
        return security_groups
    answer = read("ec2:DescribeSecurityGroups", GroupIds=tuple(sorted(missing)))
    return {**security_groups, **{g["GroupId"]: g for g in (answer or {}).get("SecurityGroups", [])}}


def reaches(
    other_instances: dict[str, dict[str, Any] | None],
    efs_volumes: tuple[EfsVolume, ...],
    mount_targets: dict[str, list[dict[str, Any]] | None],
    mount_target_groups: Any = UNREAD,
    other_groups: Any = UNREAD,
    network_acls: Any = UNREAD,
    route_tables: Any = UNREAD,
) -> tuple[Reach, ...]:
    """The matrix of the other nodes and the mount targets that they would use, ordered by node.

    A node without a mount target in its zone is left out: `mount-target-in-every-zone` judges that.
    """
    groups = mount_target_groups if isinstance(mount_target_groups, dict) else {}
    known, acls, tables = (None if isinstance(v, Unread) else v for v in (other_groups, network_acls, route_tables))
    found: dict[tuple[str, str], Reach] = {}
    for name, instance in other_instances.items():
        if instance is None:
            continue
        node = node_end(instance)
        for volume in efs_volumes:
            target = target_of(volume, node, mount_targets.get(volume.file_system) or [], groups)
            if target is not None:
                hops = path(node, target, known, acls, tables)
                found[name, target.mount_target_id] = Reach(name, node.instance_id, target.mount_target_id, hops)
    return tuple(found[key] for key in sorted(found))


def _way(node: dict[str, Any]) -> tuple[str, str] | None:
    """The parameter that finds the node's instance, and its one value; None where nothing tells them apart."""
    for identity in identities_of(node)[:1]:
        for parameter, value in identity.parameters.items():
            return parameter, value if isinstance(value, str) else value[0]
    return None


def _only(instances: list[dict[str, Any]], way: tuple[str, str] | None) -> dict[str, Any] | None:
    """The one instance that fits; None where none or several do."""
    if way is None:
        return None
    parameter, value = way
    fitting = [i for i in instances if i.get(FIELDS[parameter]) == value]
    return fitting[0] if len(fitting) == 1 else None
