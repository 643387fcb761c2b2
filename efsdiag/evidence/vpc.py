"""The network between the pod's node and the mount targets."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from efsdiag.model import UNREAD, Unread
from efsdiag.semantics.claims import EfsVolume
from efsdiag.semantics.ends import NodeEnd, TargetEnd, node_end, target_of
from efsdiag.semantics.hops import Hop
from efsdiag.semantics.network import path


def vpc_id(node_instance: dict[str, Any]) -> str | None:
    """The VPC of the pod's node."""
    return node_instance.get("VpcId")


def vpc_dns_support(read: Any, vpc_id: str) -> bool:
    """enableDnsSupport of the node's VPC. Source: ec2:DescribeVpcAttribute."""
    return _attribute(read, vpc_id, "enableDnsSupport", "EnableDnsSupport")


def vpc_dns_hostnames(read: Any, vpc_id: str) -> bool:
    """enableDnsHostnames of the node's VPC. Source: ec2:DescribeVpcAttribute."""
    return _attribute(read, vpc_id, "enableDnsHostnames", "EnableDnsHostnames")


def _attribute(read: Any, vpc_id: str, name: str, field: str) -> bool:
    answer = read("ec2:DescribeVpcAttribute", Attribute=name, VpcId=vpc_id)
    return bool(answer[field]["Value"])


def vpc_name_servers(read: Any, vpc_id: str) -> tuple[str, ...] | None:
    """The name servers that the VPC's DHCP options hand to instances; absent where the options set has none.

    The VPC's own one is called AmazonProvidedDNS, also where the options give its address, the VPC's base plus two.

    Source:  ec2:DescribeVpcs, ec2:DescribeDhcpOptions
             https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html
    """
    answer = read("ec2:DescribeVpcs", VpcIds=(vpc_id,))
    vpc = next((v for v in (answer or {}).get("Vpcs", []) if v["VpcId"] == vpc_id), None)
    if vpc is None or vpc.get("DhcpOptionsId", "default") == "default":
        return None
    answer = read("ec2:DescribeDhcpOptions", DhcpOptionsIds=(vpc["DhcpOptionsId"],))
    for options in (answer or {}).get("DhcpOptions", []):
        for entry in options.get("DhcpConfigurations", []):
            if entry["Key"] == "domain-name-servers":
                own = str(ip_network(vpc["CidrBlock"])[2]) if vpc.get("CidrBlock") else ""
                return tuple("AmazonProvidedDNS" if v["Value"] == own else v["Value"] for v in entry["Values"])
    return None


def subnets(
    read: Any, node_instance: dict[str, Any], mount_targets: dict[str, list[dict[str, Any]] | None]
) -> list[dict[str, Any]]:
    """The subnets of the pod's node and of the mount targets. Source: ec2:DescribeSubnets."""
    ids = {t["SubnetId"] for targets in mount_targets.values() for t in targets or []}
    ids |= {node_end(node_instance).subnet_id} - {""}
    answer = read("ec2:DescribeSubnets", SubnetIds=tuple(sorted(ids)))
    return list((answer or {}).get("Subnets", []))


def security_groups(
    read: Any, node_instance: dict[str, Any], mount_target_groups: Any = UNREAD
) -> dict[str, dict[str, Any]]:
    """Group id → raw group, for the node's groups and, where those were read, the mount targets'.

    Source:  ec2:DescribeSecurityGroups
    """
    ids = {g for groups in (mount_target_groups or {}).values() for g in groups}
    ids |= set(node_end(node_instance).security_groups or ())
    answer = read("ec2:DescribeSecurityGroups", GroupIds=tuple(sorted(ids)))
    return {g["GroupId"]: g for g in (answer or {}).get("SecurityGroups", [])}


def network_acls(read: Any, mount_ends: tuple[tuple[NodeEnd, TargetEnd], ...]) -> list[dict[str, Any]]:
    """The network ACLs of the VPCs of both ends: mostly one VPC. Source: ec2:DescribeNetworkAcls."""
    answer = read("ec2:DescribeNetworkAcls", **{"Filter.vpc-id": _vpcs(mount_ends)})
    return list((answer or {}).get("NetworkAcls", []))


def route_tables(read: Any, mount_ends: tuple[tuple[NodeEnd, TargetEnd], ...]) -> list[dict[str, Any]]:
    """The route tables of the VPCs of both ends. Source: ec2:DescribeRouteTables."""
    answer = read("ec2:DescribeRouteTables", **{"Filter.vpc-id": _vpcs(mount_ends)})
    return list((answer or {}).get("RouteTables", []))


def _vpcs(mount_ends: tuple[tuple[NodeEnd, TargetEnd], ...]) -> str | tuple[str, ...]:
    found = tuple(sorted({end.vpc_id for pair in mount_ends for end in pair} - {""}))
    return found[0] if len(found) == 1 else found


def mount_ends(
    node_instance: dict[str, Any],
    efs_volumes: tuple[EfsVolume, ...],
    mount_targets: dict[str, list[dict[str, Any]] | None],
    subnets: list[dict[str, Any]],
    mount_target_groups: Any = UNREAD,
) -> tuple[tuple[NodeEnd, TargetEnd], ...] | None:
    """For each EFS volume, the node's end and the mount target that it would use; absent where it has none."""
    groups = mount_target_groups if isinstance(mount_target_groups, dict) else {}
    node = node_end(node_instance, subnets)
    used = (target_of(v, node, mount_targets.get(v.file_system) or [], groups) for v in efs_volumes)
    found = [(node, target) for target in used if target is not None]
    return tuple(dict.fromkeys(found)) or None


@dataclass(frozen=True)
class NfsPath:
    """Every hop of NFS between the pod's node and its mount targets."""

    hops: tuple[Hop, ...]
    unread: dict[str, Unread]
    """security groups, network ACLs, route tables → why they could not be read."""


def nfs_path(
    mount_ends: tuple[tuple[NodeEnd, TargetEnd], ...],
    mount_target_groups: Any = UNREAD,
    security_groups: Any = UNREAD,
    network_acls: Any = UNREAD,
    route_tables: Any = UNREAD,
) -> NfsPath:
    """The hops, with what was not read: that makes its hops unknown."""
    inputs = {
        "groups": mount_target_groups,
        "security groups": security_groups,
        "network ACLs": network_acls,
        "route tables": route_tables,
    }
    unread = {name: value for name, value in inputs.items() if isinstance(value, Unread)}
    groups, acls, tables = (
        None if isinstance(value, Unread) else value for value in (security_groups, network_acls, route_tables)
    )
    hops = tuple(hop for node, target in mount_ends for hop in path(node, target, groups, acls, tables))
    return NfsPath(hops, unread)
