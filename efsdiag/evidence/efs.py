"""File systems, their mount targets, policies and access points."""

from __future__ import annotations

from typing import Any

from efsdiag.semantics.claims import EfsVolume, Provisioning
from efsdiag.semantics.ends import node_end


def file_system_ids(
    efs_volumes: tuple[EfsVolume, ...],
    efs_classes: tuple[Provisioning, ...],
    wanted_file_system: dict[str, Any] | None = None,
) -> tuple[str, ...] | None:
    """The file systems that the pod's volumes, or the classes of its unbound claims, name; else the one that is wanted.

    Absent where there is none of them.
    """
    named = [v.file_system for v in efs_volumes if v.kind == "efs"]
    named += [str((p.storage_class or {}).get("parameters", {}).get("fileSystemId", "")) for p in efs_classes]
    named = named or [str((wanted_file_system or {}).get("FileSystemId", ""))]
    return tuple(dict.fromkeys(n for n in named if n.startswith("fs-"))) or None


def file_systems(read: Any, file_system_ids: tuple[str, ...]) -> dict[str, dict[str, Any] | None]:
    """id → raw file system, or None where this account and region have none of that id.

    Source:  efs:DescribeFileSystems https://docs.aws.amazon.com/efs/latest/ug/API_DescribeFileSystems.html
    """
    answers = read.many(("efs:DescribeFileSystems", {"FileSystemId": i}) for i in file_system_ids)
    return {
        i: next((f for f in (answer or {}).get("FileSystems", []) if f["FileSystemId"] == i), None)
        for i, answer in zip(file_system_ids, answers, strict=True)
    }


def mount_targets(read: Any, file_system_ids: tuple[str, ...]) -> dict[str, list[dict[str, Any]] | None]:
    """File system id → its mount targets, ordered by zone; None where the file system does not exist.

    Source:  efs:DescribeMountTargets https://docs.aws.amazon.com/efs/latest/ug/API_DescribeMountTargets.html
    """
    answers = read.many(("efs:DescribeMountTargets", {"FileSystemId": i}) for i in file_system_ids)
    return {
        i: None
        if answer is None
        else sorted(
            (t for t in answer.get("MountTargets", []) if t["FileSystemId"] == i),
            key=lambda t: (t.get("AvailabilityZoneName", ""), t["MountTargetId"]),
        )
        for i, answer in zip(file_system_ids, answers, strict=True)
    }


def mount_target_groups(read: Any, mount_targets: dict[str, list[dict[str, Any]] | None]) -> dict[str, tuple[str, ...]]:
    """Mount target id → its security groups. Source: efs:DescribeMountTargetSecurityGroups, one read a target."""
    ids = [t["MountTargetId"] for targets in mount_targets.values() for t in targets or []]
    answers = read.many(("efs:DescribeMountTargetSecurityGroups", {"MountTargetId": i}) for i in ids)
    return {i: tuple((answer or {}).get("SecurityGroups", ())) for i, answer in zip(ids, answers, strict=True)}


def file_system_policies(read: Any, file_system_ids: tuple[str, ...]) -> dict[str, str | None]:
    """File system id → its policy document as JSON, or None where it has no policy: then anybody may mount and write.

    Source:  efs:DescribeFileSystemPolicy
    """
    answers = read.many(("efs:DescribeFileSystemPolicy", {"FileSystemId": i}) for i in file_system_ids)
    return {i: (a or {}).get("Policy") for i, a in zip(file_system_ids, answers, strict=True)}


def access_points(read: Any, file_system_ids: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Access point id → raw access point, of all these file systems. Source: efs:DescribeAccessPoints."""
    answers = read.many(("efs:DescribeAccessPoints", {"FileSystemId": i}) for i in file_system_ids)
    return {p["AccessPointId"]: p for answer in answers for p in (answer or {}).get("AccessPoints", [])}


def access_point_arns(
    efs_volumes: tuple[EfsVolume, ...], file_systems: dict[str, dict[str, Any] | None]
) -> dict[str, str]:
    """Access point id → its ARN, of those that the volumes name. It follows from the file system's ARN, so that what a
    policy says of an access point can be told whether that exists or not.
    """
    arns = {i: str((system or {}).get("FileSystemArn", "")) for i, system in file_systems.items()}
    return {
        v.access_point: f"{arns[v.file_system].rpartition(':')[0]}:access-point/{v.access_point}"
        for v in efs_volumes
        if v.access_point and arns.get(v.file_system)
    }


def backup_policies(read: Any, file_system_ids: tuple[str, ...]) -> dict[str, str]:
    """File system id → ENABLED, DISABLED, ENABLING or DISABLING; "" where it has none.

    Source:  efs:DescribeBackupPolicy
    """
    answers = read.many(("efs:DescribeBackupPolicy", {"FileSystemId": i}) for i in file_system_ids)
    return {
        i: str(((a or {}).get("BackupPolicy") or {}).get("Status", ""))
        for i, a in zip(file_system_ids, answers, strict=True)
    }


def nodes_out_of_zone(
    read: Any,
    mount_targets: dict[str, list[dict[str, Any]] | None],
    wanted_instances: dict[str, dict[str, Any]] | None = None,
) -> tuple[str, ...] | None:
    """A node in a zone without a mount target, if there is one; absent where there is no mount target at all.

    One read, whatever the cluster's size: nodes that have a zone label, and not one of these zones. Of the nodes that
    are wanted, the instances tell the zones, and all of those nodes are named.

    Source:  kube:list nodes, label selector, the first page of one
    """
    zones = sorted(
        {str(t.get("AvailabilityZoneName", "")) for targets in mount_targets.values() for t in targets or []} - {""}
    )
    if not zones:
        return None
    if wanted_instances is not None:
        return tuple(name for name, i in sorted(wanted_instances.items()) if node_end(i).zone not in zones)
    label = "topology.kubernetes.io/zone"
    found = read("kube:list nodes", labelSelector=f"{label},{label} notin ({','.join(zones)})", limit="1")
    return tuple(n["metadata"]["name"] for n in found or [])
