"""The file system, its mount targets, and whether it admits the mount."""

from __future__ import annotations

from typing import Any

from efsdiag.evidence.messages import Heard
from efsdiag.model import UNREAD, Ref, Unread, Verdict, failed, passed, skipped, unknown, waiting
from efsdiag.semantics.admission import anonymous_refusal
from efsdiag.semantics.claims import EfsVolume
from efsdiag.semantics.handles import HELPER_ACCESS_POINT, is_address
from efsdiag.semantics.network import NodeEnd, TargetEnd, node_end, target_end, target_for
from efsdiag.settings import Settings


def file_system_exists(
    file_system_ids: tuple[str, ...] | None = None,
    file_systems: dict[str, dict[str, Any] | None] | None = None,
    mount_targets: Any = UNREAD,
    efs_volumes: tuple[EfsVolume, ...] | None = None,
    wanted: Settings | None = None,
    foreign_node: Any = UNREAD,
) -> Verdict:
    if file_system_ids is None or file_systems is None:
        return _not_made(wanted) if wanted else waiting("there is no file system ids")
    missing = [i for i in file_system_ids if file_systems.get(i) is None]
    if not missing:
        return passed(f"{', '.join(file_system_ids)} exist{'s' if len(file_system_ids) == 1 else ''}")
    if isinstance(mount_targets, dict) and mount_targets.get(missing[0]):
        return unknown(f"file system {missing[0]} was not found, but its mount targets were")
    foreign = [v.name for v in efs_volumes or () if v.file_system == missing[0] and v.crosses_accounts]
    if foreign:
        says = f"volume {foreign[0]} may be of another account, and this account does not see {missing[0]}"
        return unknown(says, "look with credentials of the account that owns the file system")
    says = f"there is no file system {missing[0]} in this account and region"
    if foreign_node:
        return unknown(f"{says}, and no instance that is node {foreign_node}", "check --profile and --region")
    answers = isinstance(mount_targets, dict) and mount_targets.get(missing[0]) is not None
    on = Ref("FileSystem", missing[0])
    return failed("efs.file-system-not-found", says, on, "FileSystemNotFound", sure=not answers)


def _not_made(wanted: Settings) -> Verdict:
    named = wanted.storage.file_system
    on = Ref("FileSystem", named or wanted.name)
    says = f"there is no file system {named} in" if named else f"no file system is named {wanted.name} in"
    return failed("efs.file-system-not-found", f"{says} this account and region", on)


def file_system_available(
    file_systems: dict[str, dict[str, Any] | None], efs_volumes: tuple[EfsVolume, ...] | None = None
) -> Verdict:
    states = {i: str(f.get("LifeCycleState", "")) for i, f in file_systems.items() if f is not None}
    made = {v.file_system for v in efs_volumes or ()}
    for i, state in states.items():
        # While its throughput mode is changed it serves mounts, and only makes nothing new.
        if state != "available" and not (state == "updating" and i in made):
            on, proof = Ref("FileSystem", i), f"LifeCycleState: {state}"
            return failed("efs.not-available", f"file system {i} is {state}", on, proof)
    says = ", ".join(f"{i} {state}" for i, state in states.items())
    return passed(says) if states else waiting("there is no file system")


def mount_target_exists(mount_targets: dict[str, list[dict[str, Any]] | None], file_systems: Any = UNREAD) -> Verdict:
    for i, targets in mount_targets.items():
        if targets is None:
            return waiting(f"file system {i} does not exist")
        if not _all_listed(i, targets, file_systems):
            return unknown(f"{len(targets)} mount targets of {i} were found, and it says that it has another number")
        if not targets:
            return failed(
                "network.no-mount-target",
                f"file system {i} has no mount target",
                Ref("FileSystem", i),
                "MountTargets: []",
            )
    count = sum(len(t or []) for t in mount_targets.values())
    return passed(f"{count} mount target{'s' if count > 1 else ''}")


def _all_listed(file_system: str, targets: list[dict[str, Any]], file_systems: Any) -> bool:
    """Whether the list of mount targets has as many as the file system itself counts."""
    known = file_systems.get(file_system) if isinstance(file_systems, dict) else None
    return known is None or known.get("NumberOfMountTargets", len(targets)) == len(targets)


def mount_target_in_vpc(
    vpc_id: str, efs_volumes: tuple[EfsVolume, ...], mount_targets: dict[str, list[dict[str, Any]] | None]
) -> Verdict:
    if not efs_volumes:
        return skipped("the pod mounts no EFS volume")
    for volume in efs_volumes:
        targets = mount_targets.get(volume.file_system) or []
        if not targets:
            return waiting(f"file system {volume.file_system} has no mount target")
        on = Ref("FileSystem", volume.file_system)
        address = volume.asked.get("mounttargetip")
        if address:
            if is_address(address) and all(t.get("IpAddress") != address for t in targets):
                has = ", ".join(str(t.get("IpAddress")) for t in targets)
                says = f"volume {volume.name} names the mount target address {address}; {volume.file_system} has {has}"
                return failed("pv.mounttargetip-stale", says, Ref("PersistentVolume", volume.name))
            continue
        vpcs = sorted({str(t.get("VpcId")) for t in targets})
        if vpc_id not in vpcs:
            says = f"the mount targets of {volume.file_system} are in {', '.join(vpcs)}; the node is in {vpc_id}"
            return failed(
                "network.different-vpc", says, on, *(f"{t['MountTargetId']} VpcId: {t.get('VpcId')}" for t in targets)
            )
    return passed(f"there is a mount target in {vpc_id}")


def mount_target_in_zone(
    node_instance: dict[str, Any],
    efs_volumes: tuple[EfsVolume, ...],
    mount_targets: dict[str, list[dict[str, Any]] | None],
    subnets: list[dict[str, Any]],
    file_systems: Any = UNREAD,
) -> Verdict:
    named = [v for v in efs_volumes if not v.by_address]
    if not named:
        return skipped("no volume is mounted by the file system's name")
    node = node_end(node_instance, subnets)
    for volume in named:
        raw = mount_targets.get(volume.file_system) or []
        ends = [target_end(t, None) for t in raw if t.get("VpcId") == node.vpc_id]
        if not ends:
            return waiting(f"{volume.file_system} has no mount target in the node's VPC")
        zone = _zone_option(volume)
        if (target_for(node, ends) if not zone else next((t for t in ends if t.zone == zone), None)) is None:
            if not _all_listed(volume.file_system, raw, file_systems):
                return unknown(f"not all mount targets of {volume.file_system} were found")
            zones = ", ".join(sorted({t.zone or t.zone_id for t in ends}))
            wanted = f"volume {volume.name} asks for {zone}" if zone else f"the node is in {node.zone or node.zone_id}"
            says = f"{wanted}; {volume.file_system} has mount targets in {zones} only"
            return failed("network.no-mount-target-in-az", says, Ref("FileSystem", volume.file_system))
    return passed(f"there is a mount target in {_zone_option(named[0]) or node.zone or node.zone_id}")


def _zone_option(volume: EfsVolume) -> str:
    """The zone that the mount option az names, for a One Zone file system that is reached from another zone."""
    return next((o.partition("=")[2] for o in volume.options if o.startswith("az=")), "")


def mount_target_available(
    mount_ends: tuple[tuple[NodeEnd, TargetEnd], ...], mount_targets: dict[str, list[dict[str, Any]] | None]
) -> Verdict:
    states = {
        t["MountTargetId"]: t.get("LifeCycleState", "") for targets in mount_targets.values() for t in targets or []
    }
    for _, target in mount_ends:
        state = states.get(target.mount_target_id, "")
        if state != "available":
            says = f"mount target {target.mount_target_id} in {target.zone} is {state}"
            on = Ref("MountTarget", target.mount_target_id)
            return failed("network.mount-target-not-available", says, on, f"LifeCycleState: {state}")
    return passed(f"{mount_ends[0][1].mount_target_id} is available")


def mount_target_in_every_zone(
    nodes_out_of_zone: tuple[str, ...], mount_targets: dict[str, list[dict[str, Any]] | None]
) -> Verdict:
    if not nodes_out_of_zone:
        return passed("no node stands in a zone without a mount target")
    system, targets = next(iter(mount_targets.items()))
    zones = ", ".join(sorted({str(t.get("AvailabilityZoneName")) for t in targets or []}))
    says = f"{system} has mount targets in {zones}; node {nodes_out_of_zone[0]} is elsewhere"
    return failed("network.single-az-mount-target", says, Ref("FileSystem", system))


def access_point_exists(
    efs_volumes: tuple[EfsVolume, ...],
    access_points: Any = UNREAD,
    file_systems: Any = UNREAD,
    file_system_policies: Any = UNREAD,
    access_point_arns: Any = UNREAD,
    heard: Heard | None = None,
) -> Verdict:
    through = [v for v in efs_volumes if HELPER_ACCESS_POINT.fullmatch(v.access_point) and v.kind == "efs"]
    if not through:
        return skipped("no volume goes through an access point")
    if isinstance(access_points, Unread):
        return unknown(access_points.why, access_points.grant)
    for volume in through:
        point = (access_points or {}).get(volume.access_point)
        on = Ref("AccessPoint", volume.access_point)
        if isinstance(file_systems, dict) and file_systems.get(volume.file_system) is None:
            return waiting(f"file system {volume.file_system} does not exist")
        if point is None or point.get("FileSystemId", volume.file_system) != volume.file_system:
            says = f"volume {volume.name} goes through {volume.access_point}, which {volume.file_system} does not have"
            # EFS answers such a mount with a refusal: where the pod's events tell of something else, or the policy
            # refuses the mount anyway, that is what keeps it from being mounted now.
            speaks = heard is not None and heard.speaks("pod-event")
            explained = _refused_by_policy(volume, file_systems, file_system_policies, access_point_arns)
            sure = not explained and (not speaks or bool(heard and heard.of("mount.access-denied-by-server")))
            return failed("efs.access-point-not-found", says, on, "AccessPointNotFound", sure=sure)
        state = point.get("LifeCycleState", "available")
        if state != "available":
            return failed("efs.access-point-not-found", f"access point {volume.access_point} is {state}", on)
    return passed(f"{through[0].access_point} is available")


def _refused_by_policy(volume: EfsVolume, file_systems: Any, policies: Any, arns: Any) -> bool:
    system = file_systems.get(volume.file_system) if isinstance(file_systems, dict) else None
    policy = policies.get(volume.file_system) if isinstance(policies, dict) else None
    if not system or not policy or volume.uses_iam:
        return False
    return anonymous_refusal(volume, policy, system, (arns or {}).get(volume.access_point)) is not None


def access_point_root_exists(
    efs_volumes: tuple[EfsVolume, ...],
    access_points: Any = UNREAD,
    heard: Heard | None = None,
) -> Verdict:
    if not any(v.access_point for v in efs_volumes):
        return skipped("no volume goes through an access point")
    if isinstance(access_points, Unread):
        return unknown(access_points.why, access_points.grant)
    points = [(v, (access_points or {}).get(v.access_point)) for v in efs_volumes if v.access_point]
    bare = [(v, p) for v, p in points if p is not None and _needs_its_root(p)]
    if not bare:
        return skipped("no access point depends on a directory that somebody else made")
    volume, point = bare[0]
    path = point["RootDirectory"]["Path"]
    on = Ref("AccessPoint", volume.access_point)
    says = f"access point {volume.access_point} has the root {path} and no CreationInfo, so EFS does not create it"
    if heard and heard.of("mount.access-denied-by-server"):
        return failed("efs.access-point-root-missing", f"{says}; the server refuses the mount", on, sure=False)
    return unknown(f"{says}; whether it exists was not seen", "a listing of the file system's root")


def _needs_its_root(point: dict[str, Any]) -> bool:
    root = point.get("RootDirectory") or {}
    return root.get("Path", "/") != "/" and not root.get("CreationInfo")


def file_system_policy_admits(
    efs_volumes: tuple[EfsVolume, ...],
    file_systems: dict[str, dict[str, Any] | None] | None = None,
    file_system_policies: dict[str, str | None] | None = None,
    access_point_arns: dict[str, str] | None = None,
) -> Verdict:
    plain = [v for v in efs_volumes if v.kind == "efs"]
    if not plain:
        return skipped("the pod mounts no EFS volume")
    for volume in plain:
        system = (file_systems or {}).get(volume.file_system)
        policy = (file_system_policies or {}).get(volume.file_system)
        if system is None:
            return waiting(f"file system {volume.file_system} does not exist")
        if policy is None or volume.uses_iam:
            continue
        verdict = anonymous_refusal(volume, policy, system, (access_point_arns or {}).get(volume.access_point))
        if verdict is not None:
            return verdict
    names = ", ".join(dict.fromkeys(v.file_system for v in plain))
    if not any((file_system_policies or {}).get(v.file_system) for v in plain):
        return passed(f"{names} has no policy: everybody may mount and write", "PolicyNotFound")
    if all(v.uses_iam for v in plain):
        return skipped("the mount signs in: policy-allows-mount judges it with its role")
    return passed(f"the policy of {names} admits the mount")


def file_system_encrypted(file_systems: dict[str, dict[str, Any] | None]) -> Verdict:
    for i, system in file_systems.items():
        if system is not None and system.get("Encrypted") is False:
            return failed(
                "efs.unencrypted", f"file system {i} is not encrypted", Ref("FileSystem", i), "Encrypted: false"
            )
    return _all_well(file_systems, "encrypted")


def file_system_backed_up(file_systems: dict[str, dict[str, Any] | None], backup_policies: dict[str, str]) -> Verdict:
    for i, status in backup_policies.items():
        if file_systems.get(i) is not None and status not in ("ENABLED", "ENABLING"):
            return failed(
                "efs.no-backup",
                f"backups of file system {i} are {status.lower() or 'not set up'}",
                Ref("FileSystem", i),
            )
    return _all_well(file_systems, "backed up")


def file_system_regional(file_systems: dict[str, dict[str, Any] | None]) -> Verdict:
    for i, system in file_systems.items():
        zone = (system or {}).get("AvailabilityZoneName")
        if zone:
            return failed(
                "efs.one-zone",
                f"file system {i} is kept in {zone} only",
                Ref("FileSystem", i),
                f"AvailabilityZoneName: {zone}",
            )
    return _all_well(file_systems, "kept in several zones")


def _all_well(file_systems: dict[str, dict[str, Any] | None], says: str) -> Verdict:
    known = [i for i, system in file_systems.items() if system is not None]
    return passed(f"{', '.join(known)} {says}") if known else waiting("there is no file system")
