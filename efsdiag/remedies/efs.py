"""What mends the file system's side: mount targets and backups."""

from __future__ import annotations

from typing import Any

from efsdiag.changes import Change, Declined, Lookup, Proposal
from efsdiag.model import UNREAD, Finding, Ref
from efsdiag.operations import read_of
from efsdiag.semantics.claims import EfsVolume
from efsdiag.semantics.ends import node_end
from efsdiag.writes import write_of


def create_mount_target(
    cause: Finding,
    node_instance: dict[str, Any],
    efs_volumes: tuple[EfsVolume, ...],
    mount_targets: dict[str, list[dict[str, Any]] | None],
    file_systems: dict[str, dict[str, Any] | None],
    mount_target_groups: Any = UNREAD,
) -> Proposal:
    node = node_end(node_instance)
    system = cause.object.name if cause.object else ""
    if file_systems.get(system) is None or not node.subnet_id:
        return Declined("the file system or the node's subnet is not known")
    one_zone = (file_systems[system] or {}).get("AvailabilityZoneName")
    if one_zone and one_zone != node.zone:
        return Declined(f"{system} is a One Zone file system in {one_zone}, and has its one mount target there")
    here = [t for t in mount_targets.get(system) or [] if t.get("VpcId") == node.vpc_id]
    elsewhere = [t for t in mount_targets.get(system) or [] if t.get("VpcId") != node.vpc_id]
    if elsewhere:
        return Declined(
            f"the mount targets of {system} are in {elsewhere[0].get('VpcId')}; it can have them in one VPC"
        )
    groups = _groups(here, mount_target_groups)
    if groups is None:
        return Declined("the security groups of the other mount targets could not be read")
    # Without other mount targets the nodes' own groups are the ones that are known to exist in this VPC.
    chosen = groups or list(node.security_groups or ())
    if not chosen:
        return Declined("no security group for the mount target is known")
    query = read_of("efs:DescribeMountTargets", FileSystemId=system)
    found = Lookup(query, f"MountTargets[?SubnetId=='{node.subnet_id}'].MountTargetId | [0]")
    return (
        Change(
            write_of("efs:CreateMountTarget", FileSystemId=system, SubnetId=node.subnet_id, SecurityGroups=chosen),
            f"create a mount target of {system} in {node.subnet_id} ({node.zone}) with {', '.join(chosen)}",
            Ref("FileSystem", system),
            undo=write_of("efs:DeleteMountTarget", MountTargetId=found),
        ),
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
