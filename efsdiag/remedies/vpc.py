"""What mends the network. A security group is only ever opened for the nodes' own groups, and for TCP 2049."""

from __future__ import annotations

from typing import Any

from efsdiag.changes import Change, Declined, Proposal, Write
from efsdiag.evidence.vpc import NfsPath
from efsdiag.model import Finding, Ref
from efsdiag.semantics.ends import NodeEnd, TargetEnd
from efsdiag.semantics.hops import NFS_PORT, HopState, Step
from efsdiag.writes import write_of


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
        found.append(_rule("Ingress", group, source, words))
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
        found.append(_rule("Egress", group, to, words))
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


def _attribute(vpc_id: str, name: str, words: str) -> Change:
    def setting(on: bool) -> Write:
        return write_of("ec2:ModifyVpcAttribute", VpcId=vpc_id, **{name: {"Value": on}})

    return Change(setting(True), words, Ref("Vpc", vpc_id), undo=setting(False))


def _rule(direction: str, group: str, other: str, words: str) -> Change:
    rule: list[dict[str, Any]] = [
        {
            "IpProtocol": "tcp",
            "FromPort": NFS_PORT,
            "ToPort": NFS_PORT,
            "UserIdGroupPairs": [{"GroupId": other, "Description": "NFS to EFS, by efsdiag"}],
        }
    ]
    return Change(
        write_of(f"ec2:AuthorizeSecurityGroup{direction}", GroupId=group, IpPermissions=rule),
        words,
        Ref("SecurityGroup", group),
        undo=write_of(f"ec2:RevokeSecurityGroup{direction}", GroupId=group, IpPermissions=rule),
    )


def _blocked(nfs_path: NfsPath, step: Step, groups: tuple[str, ...] | None) -> bool:
    blocked = [h for h in nfs_path.hops if h.step is step and h.state is HopState.BLOCKED]
    return any(h.object_id in (groups or ()) for h in blocked)
