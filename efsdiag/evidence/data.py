"""The data directory: where it is on which volume, who owns the way to it, and as whom the process comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from efsdiag.model import UNREAD, Missing, Unread, Verdict
from efsdiag.semantics.attempt import Attempt
from efsdiag.semantics.claims import Claim, EfsVolume
from efsdiag.semantics.containers import DataPath, credentials, data_path, drops_override
from efsdiag.semantics.driver_rights import client_decisions
from efsdiag.semantics.iam_decisions import Decision
from efsdiag.semantics.posix import Access, Credentials, Entry, access_to, parse_entries, unwritable_files
from efsdiag.semantics.statuses import Container
from efsdiag.semantics.writing import group_will_be_applied


def data_directory(pod: dict[str, Any], main_container: Container) -> DataPath | None:
    """The main container's data directory, from its arguments, its image or its mounts; absent where it has none."""
    return data_path(pod["spec"], main_container.spec, pod["metadata"])


def data_claim(data_directory: DataPath, claims: tuple[Claim, ...]) -> Claim | None:
    """The claim that the data directory lies on; absent where it is on none."""
    return next((c for c in claims if c.pod_volume == data_directory.volume and c.object is not None), None)


def data_volume(data_claim: Claim, volumes: dict[str, dict[str, Any] | None]) -> dict[str, Any] | None:
    """The volume behind the data directory; absent before its claim is bound."""
    return volumes.get(data_claim.spec.get("volumeName", ""))


LOOK = "nobody has looked inside the volume; --probe looks"
ROOT_NEEDS = ("elasticfilesystem:ClientRootAccess", "elasticfilesystem:ClientWrite")


@dataclass(frozen=True)
class DataHome:
    """The data directory with all that it lies on."""

    pod: dict[str, Any]
    container: Container
    directory: DataPath
    claim: Claim
    volume: dict[str, Any]


def data_home(
    pod: dict[str, Any],
    main_container: Container,
    data_directory: DataPath,
    data_claim: Claim,
    data_volume: dict[str, Any],
) -> DataHome:
    """Where a Job finds the data directory; absent before its claim is bound."""
    return DataHome(pod, main_container, data_directory, data_claim, data_volume)


def data_efs_volume(data_claim: Claim, efs_volumes: tuple[EfsVolume, ...]) -> EfsVolume | None:
    """The same as an EFS volume; absent where it is on other storage."""
    return next((v for v in efs_volumes if v.claim.name == data_claim.name), None)


@dataclass(frozen=True)
class Listing:
    """Owners and modes inside a volume, as seen from its root."""

    entries: dict[str, Entry]
    seen_from: str
    total_bytes: int | None
    free_bytes: int | None


def volume_listing(read: Any, data_volume: dict[str, Any]) -> Listing | None:
    """What a probe, or somebody on a node, saw inside the volume of the data directory.

    Source:  volume:entries
    """
    answer = read("volume:entries", persistentVolume=data_volume["metadata"]["name"])
    if answer is None:
        return None
    space = answer.get("space") or {}
    return Listing(
        parse_entries(answer.get("entries") or []),
        str(answer.get("observedFrom", "")),
        space.get("totalBytes"),
        space.get("freeBytes"),
    )


@dataclass(frozen=True)
class Actor:
    """As whom the file system sees the process."""

    credentials: Credentials
    said_by: str
    """What decides it: the securityContext, the image, or the access point."""
    process: Credentials | None
    """As whom the process runs in its container, where an access point makes the file system see somebody else."""
    capable: bool
    """Whether uid 0 still passes over permissions."""


def access_point(
    data_efs_volume: EfsVolume, access_points: dict[str, dict[str, Any]] | None = None
) -> dict[str, Any] | None:
    """The access point through which the data directory is mounted; absent where the handle names none that exists."""
    return (access_points or {}).get(data_efs_volume.access_point)


def through_access_point(data_efs_volume: EfsVolume) -> str | None:
    """The id of the access point that the volume's handle names; absent where it names none."""
    return data_efs_volume.access_point or None


def process_credentials(pod: dict[str, Any], main_container: Container) -> tuple[Credentials | None, str]:
    """As whom the main container's process runs, and what says so; (None, why) where nobody says."""
    return credentials(pod["spec"], main_container.spec)


def actor(
    pod: dict[str, Any],
    main_container: Container,
    process_credentials: tuple[Credentials | None, str],
    through_access_point: str | None = None,
    access_points: Any = UNREAD,
    data_efs_volume: EfsVolume | None = None,
    data_volume: dict[str, Any] | None = None,
) -> Actor | Missing | None:
    """As whom the file system sees the process: an access point with a POSIX user puts that in place of everybody's.

    Unreadable where the volume goes through an access point that could not be read: then nobody knows.
    """
    own, said = process_credentials
    if through_access_point and isinstance(access_points, Unread):
        return Missing("actor", access_points.why, False, access_points.grant)
    point = (access_points or {}).get(through_access_point or "")
    if through_access_point and point is None:
        return Missing("actor", f"access point {through_access_point} was not found", True)
    identity = (point or {}).get("PosixUser")
    if identity:
        groups = frozenset(int(g) for g in identity.get("SecondaryGids") or [])
        seen = Credentials(int(identity["Uid"]), int(identity["Gid"]), groups)
        return Actor(seen, f"access point {through_access_point}", own, capable=True)
    if own is None:
        return None
    # An NFS server sees uid 0, whatever capabilities the container dropped; a local disk asks the container's kernel.
    on_nfs = data_efs_volume is not None or "nfs" in (data_volume or {}).get("spec", {})
    return Actor(own, said, None, capable=on_nfs or not drops_override(main_container.spec))


def client_rights(
    data_efs_volume: EfsVolume,
    file_systems: dict[str, dict[str, Any] | None],
    file_system_policies: dict[str, str | None],
    access_point_arns: dict[str, str],
    node_role: Any = UNREAD,
) -> dict[str, Decision] | Missing | None:
    """What EFS allows the mounted client, by action: ClientMount, ClientWrite, ClientRootAccess.

    Absent where the file system is not in this account.
    """
    volume = data_efs_volume
    system = file_systems.get(volume.file_system)
    if system is None:
        return None
    if volume.uses_iam and isinstance(node_role, Unread):
        return Missing("client_rights", node_role.why, False, node_role.grant)
    role = node_role if volume.uses_iam else None
    policy = file_system_policies.get(volume.file_system)
    arn = access_point_arns.get(volume.access_point)
    decisions = client_decisions(role, policy, system, {"AccessPointArn": arn} if arn else None, volume)
    return Missing("client_rights", decisions.says, False) if isinstance(decisions, Verdict) else decisions


@dataclass(frozen=True)
class DataAccess:
    """Whether the file system lets the process write its data directory, as far as the listing tells."""

    access: Access | None
    """None where nobody knows; then `why` says why."""
    files: tuple[Entry, ...]
    """Files and directories inside that the process may not use."""
    squashed: bool
    """uid 0 is nobody to this file system."""
    gap: bool = False
    """The listing has a hole on the way: it lacks a directory, and has something below it."""
    why: str = ""
    grant: str = ""


def data_access(
    data_directory: DataPath,
    data_volume: dict[str, Any],
    actor: Any = UNREAD,
    process_credentials: Any = UNREAD,
    volume_listing: Any = UNREAD,
    client_rights: Any = UNREAD,
    attempt: Attempt | None = None,
    pod: dict[str, Any] | None = None,
    csi_driver: Any = UNREAD,
) -> DataAccess:
    """The walk from the mount root to the data directory, as whom the file system sees the process.

    With a subPath the kubelet itself goes to that directory, so the process never passes what lies above it. Where the
    kubelet still has to give everything to the pod's group, the listing shows what will not stay.
    """
    if attempt is not None and not attempt.mounted and group_will_be_applied(pod, data_volume, csi_driver):
        return DataAccess(None, (), False, False, "the kubelet gives the files to the pod's fsGroup when it mounts")
    if isinstance(actor, Unread) or actor is None:
        why = actor.why if isinstance(actor, Unread) else str(process_credentials[1])
        return DataAccess(None, (), False, False, why, getattr(actor, "grant", "") or "state runAsUser in the pod")
    if isinstance(volume_listing, Unread) or volume_listing is None:
        why = getattr(volume_listing, "why", "") or "nobody has looked inside the volume"
        return DataAccess(None, (), False, False, why, getattr(volume_listing, "grant", ""))
    rights = client_rights if isinstance(client_rights, dict) else {}
    root_right = rights.get("elasticfilesystem:ClientRootAccess")
    squashed = actor.credentials.uid == 0 and root_right is not None and root_right.denied
    who: dict[str, Any] = {"root_squash": squashed, "capable": actor.capable}
    root = "/" + data_directory.sub_path
    access = access_to(actor.credentials, volume_listing.entries, data_directory.on_volume, root=root, **who)
    files = unwritable_files(actor.credentials, volume_listing.entries, data_directory.on_volume, **who)
    beyond = f"{access.stops_at.rstrip('/')}/"
    gap = access.why == "not-listed" and any(path.startswith(beyond) for path in volume_listing.entries)
    return DataAccess(access, tuple(files), squashed, gap)


def owner_obstacle(
    data_volume: dict[str, Any],
    data_access: DataAccess,
    through_access_point: str | None = None,
    client_rights: Any = UNREAD,
) -> str:
    """What keeps a Job that runs as root from changing owners there, or leaves open whether it can; "" where it can."""
    name, spec = data_volume["metadata"]["name"], data_volume["spec"]
    if data_access.access is None:
        return LOOK
    if through_access_point:
        return (
            f"volume {name} goes through access point {through_access_point}, which makes every request as its own "
            "user and below its own directory; owners are changed from a mount without it"
        )
    if "ro" in (spec.get("mountOptions") or []) or (spec.get("csi") or {}).get("readOnly"):
        return f"volume {name} is mounted read-only"
    if "nfs" in spec:
        return f"whether the server of volume {name} lets root change owners is not known"
    if isinstance(client_rights, Unread):
        return f"whether the file system lets root in is not known: {client_rights.why}"
    decisions: dict[str, Decision] = client_rights or {}
    for action in ROOT_NEEDS:
        if action in decisions and not decisions[action].allowed:
            return f"the file system's policy withholds {action}: to it, root is nobody who may change owners"
    return ""
