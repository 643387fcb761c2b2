"""What mends the network. A security group is only ever opened for the nodes' own groups, and for TCP 2049."""

from __future__ import annotations

from typing import Any

from efsdiag.changes import Change, Declined, Proposal, Write
from efsdiag.evidence.vpc import NfsPath
from efsdiag.model import Finding, Ref
from efsdiag.nfs_group import opening
from efsdiag.semantics.ends import NodeEnd, TargetEnd
from efsdiag.semantics.hops import EPHEMERAL, NFS_PORT, HopState, Ports, Step
from efsdiag.writes import write_of

LAST_RULE = 32767
"""The number of the rule that AWS shows as *, which denies what no other rule matches."""
ACL_STEPS: dict[Step, tuple[bool, str, Ports]] = {
    Step.NODE_ACL_OUT: (True, "target", (NFS_PORT, NFS_PORT)),
    Step.TARGET_ACL_IN: (False, "node", (NFS_PORT, NFS_PORT)),
    Step.TARGET_ACL_OUT: (True, "node", EPHEMERAL),
    Step.NODE_ACL_IN: (False, "target", EPHEMERAL),
}
"""Step → whether it is egress, whose subnet is at the other end, and the ports."""


def allow_nfs_from_nodes(
    cause: Finding, nfs_path: NfsPath, mount_ends: tuple[tuple[NodeEnd, TargetEnd], ...]
) -> Proposal:
    ends = [(n, t) for n, t in mount_ends if _blocked(nfs_path, Step.TARGET_INGRESS, t.security_groups)]
    if not ends:
        return Declined("no mount target of the pod's node refuses it")
    found = []
    for node, target in ends:
        if not node.security_groups or not target.security_groups:
            return Declined("the security groups of the node or of the mount target are not known")
        if node.vpc_id != target.vpc_id:
            return Declined("node and mount target are in different VPCs, where a group may not be named")
        group, source = target.security_groups[0], node.security_groups[0]
        words = f"admit TCP {NFS_PORT} from {source} in security group {group} of mount target {target.mount_target_id}"
        found.append(opening("Ingress", group, [source], words, group))
    return tuple(dict.fromkeys(found))


def let_nfs_out_of_nodes(
    cause: Finding, nfs_path: NfsPath, mount_ends: tuple[tuple[NodeEnd, TargetEnd], ...]
) -> Proposal:
    ends = [(n, t) for n, t in mount_ends if _blocked(nfs_path, Step.NODE_EGRESS, n.security_groups)]
    if not ends:
        return Declined("no security group of the pod's node keeps NFS in")
    found = []
    for node, target in ends:
        if not node.security_groups or not target.security_groups:
            return Declined("the security groups of the node or of the mount target are not known")
        group, to = node.security_groups[0], target.security_groups[0]
        words = f"let TCP {NFS_PORT} out of security group {group} of node {node.instance_id}, to {to}"
        found.append(opening("Egress", group, [to], words, group))
    return tuple(dict.fromkeys(found))


def switch_on_vpc_dns_support(cause: Finding, vpc_id: str, vpc_dns_support: bool) -> Proposal:
    if vpc_dns_support:
        return Declined(f"DNS support of {vpc_id} is on")
    return (_attribute(vpc_id, "EnableDnsSupport", f"switch on DNS support of {vpc_id}"),)


def switch_on_vpc_dns_hostnames(
    cause: Finding, vpc_id: str, vpc_dns_hostnames: bool, vpc_dns_support: bool
) -> Proposal:
    if vpc_dns_hostnames:
        return Declined(f"DNS host names of {vpc_id} are on")
    if not vpc_dns_support:
        return Declined(f"DNS host names need DNS support, which is off in {vpc_id}")
    return (_attribute(vpc_id, "EnableDnsHostnames", f"switch on DNS host names of {vpc_id}"),)


def allow_nfs_over_ipv6(
    cause: Finding, nfs_path: NfsPath, mount_ends: tuple[tuple[NodeEnd, TargetEnd], ...]
) -> Proposal:
    # A rule that names a group holds for both IP versions.
    found: list[Change] = []
    blocked = {(h.step, h.object_id) for h in nfs_path.hops if h.family == 6 and h.state is HopState.BLOCKED}
    for node, target in mount_ends:
        if not node.security_groups or not target.security_groups or node.vpc_id != target.vpc_id:
            continue
        source, group = node.security_groups[0], target.security_groups[0]
        if any((Step.TARGET_INGRESS, g) in blocked for g in target.security_groups):
            words = f"admit TCP {NFS_PORT} from {source} in security group {group}, over IPv6 as over IPv4"
            found.append(opening("Ingress", group, [source], words, group))
        if any((Step.NODE_EGRESS, g) in blocked for g in node.security_groups):
            words = f"let TCP {NFS_PORT} out of security group {source} to {group}, over IPv6 as over IPv4"
            found.append(opening("Egress", source, [group], words, source))
    if not found or any(step not in (Step.TARGET_INGRESS, Step.NODE_EGRESS) for step, _ in blocked):
        return Declined("something else than a security group stops IPv6: a network ACL, or a route")
    return tuple(dict.fromkeys(found))


def allow_nfs_in_network_acls(
    cause: Finding,
    nfs_path: NfsPath,
    mount_ends: tuple[tuple[NodeEnd, TargetEnd], ...],
    network_acls: list[dict[str, Any]],
    subnets: list[dict[str, Any]],
) -> Proposal:
    blocked = [h for h in nfs_path.hops if h.family == 4 and h.step in ACL_STEPS and h.state is HopState.BLOCKED]
    cidrs = {s["SubnetId"]: str(s["CidrBlock"]) for s in subnets}
    taken: set[tuple[str, bool, int]] = {
        (a["NetworkAclId"], bool(e["Egress"]), int(e["RuleNumber"])) for a in network_acls for e in a["Entries"]
    }
    found: list[Change] = []
    for hop in blocked:
        egress, other, ports = ACL_STEPS[hop.step]
        peers = {(node if other == "node" else target).subnet_id for node, target in mount_ends}
        below = min(int(hop.rule or LAST_RULE), LAST_RULE)
        number = next((n for n in range(below - 1, 0, -1) if (hop.object_id, egress, n) not in taken), 0)
        if not number or len(peers) != 1 or not peers <= cidrs.keys():
            return Declined(f"no rule of {hop.object_id} can be set before the one that denies, for one subnet")
        taken.add((hop.object_id, egress, number))
        found.append(_acl_entry(hop.object_id, number, egress, cidrs[peers.pop()], ports))
    return tuple(found) or Declined("no network ACL on the way denies NFS")


def _acl_entry(acl: str, number: int, egress: bool, cidr: str, ports: Ports) -> Change:
    where = {"NetworkAclId": acl, "RuleNumber": number, "Egress": egress}
    shown = f"TCP {ports[0]}" if ports[0] == ports[1] else f"TCP {ports[0]}-{ports[1]}"
    way = f"out of its subnets to {cidr}" if egress else f"into its subnets from {cidr}"
    return Change(
        write_of(
            "ec2:CreateNetworkAclEntry",
            **where,
            Protocol="6",
            RuleAction="allow",
            CidrBlock=cidr,
            PortRange={"From": ports[0], "To": ports[1]},
        ),
        f"allow {shown} {way} in network ACL {acl}, as rule {number}",
        Ref("NetworkAcl", acl),
        undo=write_of("ec2:DeleteNetworkAclEntry", **where),
    )


def _attribute(vpc_id: str, name: str, words: str) -> Change:
    def setting(on: bool) -> Write:
        return write_of("ec2:ModifyVpcAttribute", VpcId=vpc_id, **{name: {"Value": on}})

    return Change(setting(True), words, Ref("Vpc", vpc_id), undo=setting(False))


def _blocked(nfs_path: NfsPath, step: Step, groups: tuple[str, ...] | None) -> bool:
    blocked = [h for h in nfs_path.hops if h.step is step and h.state is HopState.BLOCKED]
    return any(h.object_id in (groups or ()) for h in blocked)
