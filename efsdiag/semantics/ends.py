"""The two ends of a mount in the VPC: the node's primary network interface and the mount target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from efsdiag.semantics.claims import EfsVolume

Raw = Mapping[str, Any]
"""One object as AWS prints it."""


@dataclass(frozen=True)
class NodeEnd:
    """A node as the VPC sees it. What AWS did not say is "" (or None for the groups)."""

    instance_id: str
    ip: str = ""
    ipv6s: tuple[str, ...] = ()
    subnet_id: str = ""
    vpc_id: str = ""
    zone: str = ""
    zone_id: str = ""
    security_groups: tuple[str, ...] | None = None
    account: str = ""

    def address(self, family: int) -> str:
        """The address from which the node connects in that IP version, or ""."""
        return self.ip if family == 4 else next(iter(self.ipv6s), "")


@dataclass(frozen=True)
class TargetEnd:
    """A mount target as the VPC sees it. `security_groups` is None where they were not read."""

    mount_target_id: str
    ip: str = ""
    ipv6: str = ""
    subnet_id: str = ""
    vpc_id: str = ""
    zone: str = ""
    zone_id: str = ""
    security_groups: tuple[str, ...] | None = None
    account: str = ""

    def address(self, family: int) -> str:
        """The address of the mount target in that IP version, or ""."""
        return self.ip if family == 4 else self.ipv6


def node_end(instance: Raw, subnets: Iterable[Raw] | None = None) -> NodeEnd:
    """The node's end of a mount: its primary network interface, because the CSI node plugin is on the host's network.

    Secondary interfaces, and the security groups for pods that they carry, have no part in a mount.

    Shape:   instance is one of Reservations[].Instances[]; subnets are Subnets[], or None where they were not read.
    Source:  ec2:DescribeInstances; the zone's id from ec2:DescribeSubnets where the instance does not tell it.
    """
    interface = _primary_interface(instance)
    place: Raw = instance.get("Placement") or {}
    subnet_id = interface.get("SubnetId") or instance.get("SubnetId") or ""
    subnet: Raw = next((s for s in subnets or () if s.get("SubnetId") == subnet_id), {}) if subnet_id else {}
    groups = interface.get("Groups", instance.get("SecurityGroups"))
    return NodeEnd(
        instance_id=instance.get("InstanceId") or "",
        ip=interface.get("PrivateIpAddress") or instance.get("PrivateIpAddress") or "",
        ipv6s=tuple(a["Ipv6Address"] for a in interface.get("Ipv6Addresses") or ()),
        subnet_id=subnet_id,
        vpc_id=interface.get("VpcId") or instance.get("VpcId") or subnet.get("VpcId") or "",
        zone=place.get("AvailabilityZone") or subnet.get("AvailabilityZone") or "",
        zone_id=place.get("AvailabilityZoneId") or subnet.get("AvailabilityZoneId") or "",
        security_groups=None if groups is None else tuple(g["GroupId"] for g in groups),
        account=interface.get("OwnerId") or "",
    )


def target_end(mount_target: Raw, groups: Iterable[str] | None) -> TargetEnd:
    """The mount target's end of a mount.

    Shape:   mount_target is one of MountTargets[]; groups are the SecurityGroups[] of its own read, or None.
    Source:  efs:DescribeMountTargets, efs:DescribeMountTargetSecurityGroups
    """
    return TargetEnd(
        mount_target_id=mount_target.get("MountTargetId") or "",
        ip=mount_target.get("IpAddress") or "",
        ipv6=mount_target.get("Ipv6Address") or "",
        subnet_id=mount_target.get("SubnetId") or "",
        vpc_id=mount_target.get("VpcId") or "",
        zone=mount_target.get("AvailabilityZoneName") or "",
        zone_id=mount_target.get("AvailabilityZoneId") or "",
        security_groups=None if groups is None else tuple(groups),
        account=mount_target.get("OwnerId") or "",
    )


def target_for(node: NodeEnd, targets: Sequence[TargetEnd]) -> TargetEnd | None:
    """The mount target in the node's availability zone (one in its VPC comes first), or None.

    The zone's ids are compared. Its names count only within one account, because every account has its own mapping:
    https://docs.aws.amazon.com/ram/latest/userguide/working-with-az-ids.html
    """
    near = [target for target in targets if _same_zone(node, target)]
    return min(near, key=lambda t: (t.vpc_id != node.vpc_id, t.mount_target_id), default=None)


def target_of(
    volume: EfsVolume, node: NodeEnd, mount_targets: Sequence[Raw], groups: Mapping[str, Iterable[str]]
) -> TargetEnd | None:
    """The mount target that a mount of the volume on the node would use; None where there is none.

    A volume with the attribute mounttargetip uses the target of that address, one with the mount option az the target
    in that zone, all others the one in the node's zone.

    Shape:   mount_targets are MountTargets[] of the volume's file system; groups is mount target id → group ids.
    """
    targets = [target_end(t, groups.get(t["MountTargetId"])) for t in mount_targets]
    address = volume.asked.get("mounttargetip")
    zone = next((o.partition("=")[2] for o in volume.options if o.startswith("az=")), "")
    if address or zone:
        return next((t for t in targets if (t.ip == address if address else t.zone == zone)), None)
    # The name of a file system does not resolve to the mount targets of another VPC.
    return target_for(node, [t for t in targets if t.vpc_id == node.vpc_id])


def _same_zone(node: NodeEnd, target: TargetEnd) -> bool:
    if node.zone_id and target.zone_id:
        return node.zone_id == target.zone_id
    # An account that is not told is taken for the same one: both answers come from one set of credentials.
    if node.account and target.account and node.account != target.account:
        return False
    return bool(node.zone) and node.zone == target.zone


def _primary_interface(instance: Raw) -> Raw:
    """The interface with device index 0 on network card 0; empty where the instance does not list its interfaces."""
    for interface in instance.get("NetworkInterfaces") or ():
        attachment = interface.get("Attachment") or {}
        if attachment.get("DeviceIndex") == 0 and not attachment.get("NetworkCardIndex"):
            return dict(interface)
    return {}
