"""Does TCP 2049 get from a node to a mount target, and back? Computed from what AWS describes, without a probe.

    node = node_end(instance, subnets)
    target = target_for(node, [target_end(raw, groups) for raw, groups in mount_targets])
    hops = path(node, target, security_groups, network_acls, route_tables)
    for hop in blocked(hops): ...

The rules behind the hops are in `security_groups`, `network_acls` and `routes`; the two ends are in `ends`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from efsdiag.semantics.ends import NodeEnd, Raw, TargetEnd, node_end, target_end, target_for
from efsdiag.semantics.hops import Hop, HopState, Step
from efsdiag.semantics.network_acls import acl_hops
from efsdiag.semantics.routes import route_hops
from efsdiag.semantics.security_groups import Direction, Groups, describe_group, node_egress, target_ingress

__all__ = [
    "Direction",
    "Groups",
    "Hop",
    "HopState",
    "NodeEnd",
    "Step",
    "TargetEnd",
    "blocked",
    "describe_group",
    "node_end",
    "path",
    "target_end",
    "target_for",
]


def path(
    node: NodeEnd,
    target: TargetEnd,
    security_groups: Groups | None,
    network_acls: Sequence[Raw] | None,
    route_tables: Sequence[Raw] | None,
) -> tuple[Hop, ...]:
    """Every hop between the node and the mount target, in the order of `Step`; the IPv4 ones before the IPv6 ones.

    Shape:   eight hops for each IP version that both ends have: efs-utils takes the IPv6 address where a name has both
             (unless prefer_ipv4 is set), so each of them matters. Where they share none, eight hops that say so.
    Unknown: an argument, or a group of the mapping, that is None was not read; the hops that need it are UNKNOWN.
    Source:  ec2:DescribeSecurityGroups, ec2:DescribeNetworkAcls, ec2:DescribeRouteTables
    """
    families = [family for family in (4, 6) if node.address(family) and target.address(family)]
    if not families:
        return _no_common_address(node, target)
    hops: list[Hop] = []
    for family in families:
        hops += (
            node_egress(node, target, security_groups, family),
            target_ingress(node, target, security_groups, family),
        )
        hops += acl_hops(node, target, network_acls, family)
        hops += route_hops(node, target, route_tables, family)
    return tuple(hops)


def blocked(hops: Iterable[Hop]) -> tuple[Hop, ...]:
    """The hops that stop the traffic, or stop it for some client ports (`Hop.partial`)."""
    return tuple(hop for hop in hops if hop.state is HopState.BLOCKED)


def _no_common_address(node: NodeEnd, target: TargetEnd) -> tuple[Hop, ...]:
    """The hops where no packet can be addressed: blocked at the first route, or unknown without the addresses."""
    at_node = [a for a in (node.ip, *node.ipv6s) if a]
    at_target = [a for a in (target.ip, target.ipv6) if a]
    name, family = target.mount_target_id, 6 if target.ipv6 else 4
    if not at_node or not at_target:
        says = f"no address of {name if at_node else node.instance_id} is known"
        return tuple(Hop(step, HopState.UNKNOWN, says, family=family) for step in Step)
    says = f"{name} has only {_addresses(at_target)}; {node.instance_id} has only {_addresses(at_node)}"
    return tuple(
        Hop(step, HopState.BLOCKED, says, name, family=family)
        if step is Step.ROUTE_OUT
        else Hop(step, HopState.NOT_APPLICABLE, says, family=family)
        for step in Step
    )


def _addresses(addresses: Sequence[str]) -> str:
    version = "IPv6" if ":" in addresses[0] else "IPv4"
    return f"{version} {', '.join(addresses)}"
