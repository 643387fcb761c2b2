"""What opens a security group for NFS, and the group that an install makes for its mount targets.

NFS between the nodes' own groups and that of the mount target, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from efsdiag.changes import Change, Lookup
from efsdiag.model import Ref
from efsdiag.operations import read_of
from efsdiag.semantics.ends import NodeEnd
from efsdiag.semantics.hops import NFS_PORT
from efsdiag.semantics.security_groups import nfs_rules
from efsdiag.settings import Settings
from efsdiag.writes import tag_list, write_of

RULE_SAYS = "NFS to EFS, by efsdiag"
"""Description of every rule that efsdiag adds to a security group."""


def group_lookup(wanted: Settings, vpc_id: str) -> Lookup:
    """Finds the id of the group, once it is made."""
    query = read_of("ec2:DescribeSecurityGroups", **{"Filter.group-name": wanted.group_name, "Filter.vpc-id": vpc_id})
    return Lookup(query, "SecurityGroups[0].GroupId")


def own_group(
    wanted: Settings, vpc_id: str, nodes: Iterable[NodeEnd], present: Mapping[str, Any] | None
) -> tuple[Change, ...]:
    """The changes that make the group and admit NFS from the first group of each node, less those that are made."""
    sources = sorted({end.security_groups[0] for end in nodes if end.security_groups} - _admitted(present))
    made = () if present is not None else (_creation(wanted, vpc_id),)
    return (*made, *((_admission(wanted, vpc_id, sources),) if sources else ()))


def _admitted(group: Mapping[str, Any] | None) -> set[str]:
    """The groups from which NFS is admitted already."""
    return {rule.other for rule in nfs_rules(group or {}) if rule.kind == "UserIdGroupPairs"}


def _creation(wanted: Settings, vpc_id: str) -> Change:
    name = wanted.group_name
    return Change(
        write_of(
            "ec2:CreateSecurityGroup",
            GroupName=name,
            Description="NFS from the nodes to EFS, by efsdiag",
            VpcId=vpc_id,
            TagSpecifications=[{"ResourceType": "security-group", "Tags": tag_list(wanted.aws_tags)}],
        ),
        f"create the security group {name} in {vpc_id}",
        Ref("SecurityGroup", name),
        undo=write_of("ec2:DeleteSecurityGroup", GroupId=group_lookup(wanted, vpc_id)),
    )


def _admission(wanted: Settings, vpc_id: str, sources: list[str]) -> Change:
    name = wanted.group_name
    words = f"admit TCP {NFS_PORT} from {', '.join(sources)} in security group {name}"
    return opening("Ingress", group_lookup(wanted, vpc_id), sources, words, name)


def opening(direction: str, group: str | Lookup, others: Iterable[str], words: str, name: str) -> Change:
    """The change that opens the group of this name for NFS: `Ingress` from the other groups, or `Egress` to them."""
    pairs = [{"GroupId": other, "Description": RULE_SAYS} for other in others]
    rule = [{"IpProtocol": "tcp", "FromPort": NFS_PORT, "ToPort": NFS_PORT, "UserIdGroupPairs": pairs}]
    return Change(
        write_of(f"ec2:AuthorizeSecurityGroup{direction}", GroupId=group, IpPermissions=rule),
        words,
        Ref("SecurityGroup", name),
        undo=write_of(f"ec2:RevokeSecurityGroup{direction}", GroupId=group, IpPermissions=rule),
    )
