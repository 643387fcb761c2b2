"""What mends the file system's side: mount targets and backups."""

from __future__ import annotations

from typing import Any

from efsdiag.changes import Change, Declined, Lookup, Proposal
from efsdiag.model import UNREAD, Finding, Ref
from efsdiag.nfs_group import group_lookup, own_group
from efsdiag.operations import read_of
from efsdiag.semantics.claims import EfsVolume
from efsdiag.semantics.ends import NodeEnd, node_end
from efsdiag.settings import Settings
from efsdiag.writes import write_of

Object = dict[str, Any]


def create_mount_target(
    cause: Finding,
    node_instance: Object,
    efs_volumes: tuple[EfsVolume, ...],
    mount_targets: dict[str, list[Object] | None],
    file_systems: dict[str, Object | None],
    mount_target_groups: Any = UNREAD,
    stranded_instances: Any = UNREAD,
    wanted_instances: dict[str, Object] | None = None,
    wanted_group: Object | None = None,
    wanted: Settings | None = None,
) -> Proposal:
    node = node_end(node_instance)
    system = cause.object.name if cause.object else ""
    if file_systems.get(system) is None or not node.subnet_id:
        return Declined("the file system or the node's subnet is not known")
    raw = file_systems[system] or {}
    if raw.get("LifeCycleState", "available") != "available":
        return Declined(f"file system {system} is {raw['LifeCycleState']}")
    here = [t for t in mount_targets.get(system) or [] if t.get("VpcId") == node.vpc_id]
    elsewhere = [t for t in mount_targets.get(system) or [] if t.get("VpcId") != node.vpc_id]
    if elsewhere:
        return Declined(
            f"the mount targets of {system} are in {elsewhere[0].get('VpcId')}; it can have them in one VPC"
        )
    ends = _places(cause, node, stranded_instances, wanted_instances)
    zone = raw.get("AvailabilityZoneName")
    ends = {z: end for z, end in ends.items() if not zone or z == zone}
    if zone and not ends:
        return Declined(f"{system} is a One Zone file system in {zone}, and has its one mount target there")
    if not ends:
        return Declined("the instances of the nodes without a mount target are not known")
    groups = _groups(here, mount_target_groups)
    if groups is None:
        return Declined("the security groups of the other mount targets could not be read")
    if not groups and wanted is not None and wanted_instances is not None:
        made = own_group(wanted, node.vpc_id, [node_end(i) for i in wanted_instances.values()], wanted_group)
        found: list[Any] = [group_lookup(wanted, node.vpc_id)]
        return (*made, *(_mount_target(system, end, found, wanted.group_name) for end in ends.values()))
    # Without other mount targets the nodes' own groups are the ones that are known to exist in this VPC.
    chosen = groups or list(node.security_groups or ())
    if not chosen:
        return Declined("no security group for the mount target is known")
    return tuple(_mount_target(system, end, chosen, ", ".join(chosen)) for end in ends.values())


def _places(cause: Finding, node: NodeEnd, stranded: Any, wanted: dict[str, Object] | None) -> dict[str, NodeEnd]:
    """Zone → a node there, for the zones that are to get a mount target, sorted."""
    raw = stranded if isinstance(stranded, list) else []
    others = [node_end(i) for i in raw or (wanted or {}).values()]
    of_others = cause.mode == "network.single-az-mount-target"
    ends = others if of_others else [node, *(others if wanted else [])]
    by_zone = {end.zone: end for end in reversed(ends) if end.subnet_id}
    return dict(sorted(by_zone.items()))


def _mount_target(system: str, end: NodeEnd, groups: list[Any], shown: str) -> Change:
    query = read_of("efs:DescribeMountTargets", FileSystemId=system)
    found = Lookup(query, f"MountTargets[?SubnetId=='{end.subnet_id}'].MountTargetId | [0]")
    return Change(
        write_of("efs:CreateMountTarget", FileSystemId=system, SubnetId=end.subnet_id, SecurityGroups=groups),
        f"create a mount target of {system} in {end.subnet_id} ({end.zone}) with {shown}",
        Ref("FileSystem", system),
        undo=write_of("efs:DeleteMountTarget", MountTargetId=found),
    )


def switch_on_backups(cause: Finding) -> Proposal:
    if cause.object is None:
        return Declined("the file system is not known")
    system = cause.object.name

    def backup(status: str) -> Any:
        return write_of("efs:PutBackupPolicy", FileSystemId=system, BackupPolicy={"Status": status})

    words = f"switch on automatic backups of {system}"
    residue = "backups that were made meanwhile stay in AWS Backup"
    return (Change(backup("ENABLED"), words, cause.object, undo=backup("DISABLED"), residue=residue),)


def _groups(targets: list[dict[str, Any]], known: Any) -> list[str] | None:
    """The groups of the other mount targets of the VPC; empty without others, None where they were not read."""
    if not targets:
        return []
    if not isinstance(known, dict):
        return None
    return sorted({g for t in targets for g in known.get(t["MountTargetId"], ())})
