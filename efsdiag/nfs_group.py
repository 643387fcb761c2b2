"""The security group that an install makes for its mount targets: NFS from the nodes' own groups, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from efsdiag.changes import Change, Lookup
from efsdiag.model import Ref
from efsdiag.operations import read_of
from efsdiag.semantics.ends import NodeEnd
from efsdiag.semantics.hops import NFS_PORT
from efsdiag.settings import Settings
from efsdiag.writes import tag_list, write_of


def group_name(wanted: Settings) -> str:
    """The name of the group."""
    return f"{wanted.name}-efs"


def group_lookup(wanted: Settings, vpc_id: str) -> Lookup:
    """Finds the id of the group, once it is made."""
    query = read_of("ec2:DescribeSecurityGroups", **{"Filter.group-name": group_name(wanted), "Filter.vpc-id": vpc_id})
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
    rules = [r for r in (group or {}).get("IpPermissions") or [] if r["IpProtocol"] in ("tcp", "6", "-1")]
    fitting = [r for r in rules if r.get("FromPort", NFS_PORT) <= NFS_PORT <= r.get("ToPort", NFS_PORT)]
    return {str(pair["GroupId"]) for rule in fitting for pair in rule.get("UserIdGroupPairs") or []}


def _creation(wanted: Settings, vpc_id: str) -> Change:
    name = group_name(wanted)
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
    name, found = group_name(wanted), group_lookup(wanted, vpc_id)
    pairs = [{"GroupId": source, "Description": "NFS to EFS, by efsdiag"} for source in sources]
    rule = [{"IpProtocol": "tcp", "FromPort": NFS_PORT, "ToPort": NFS_PORT, "UserIdGroupPairs": pairs}]
    return Change(
        write_of("ec2:AuthorizeSecurityGroupIngress", GroupId=found, IpPermissions=rule),
        f"admit TCP {NFS_PORT} from {', '.join(sources)} in security group {name}",
        Ref("SecurityGroup", name),
        undo=write_of("ec2:RevokeSecurityGroupIngress", GroupId=found, IpPermissions=rule),
    )
