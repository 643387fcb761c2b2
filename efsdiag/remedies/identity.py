"""What lets the program come as somebody who may write its data: as their owner, itself or through an access point.

The data stay as they are. Only who was seen in a listing of the volume to be able to write them all is proposed.
"""

from __future__ import annotations

from typing import Any

from efsdiag.changes import Change, Declined, Lookup, Proposal
from efsdiag.evidence.data import Listing
from efsdiag.model import Finding, Ref
from efsdiag.operations import read_of
from efsdiag.patches import container_path, pointer, template_change, template_fixed, template_spec
from efsdiag.semantics.binding import EFS_DRIVER
from efsdiag.semantics.claims import EfsVolume
from efsdiag.semantics.containers import DataPath
from efsdiag.semantics.posix import Credentials, Entry, access_to, unwritable_files
from efsdiag.semantics.statuses import Container
from efsdiag.writes import MANAGED, own_uid, write_of

DEEPEST = 4
LONGEST_PATH = 100
"""An access point's root has at most so many directories and characters.
https://docs.aws.amazon.com/efs/latest/ug/API_RootDirectory.html"""


def run_as_owner(
    cause: Finding,
    pod: dict[str, Any],
    main_container: Container,
    data_directory: DataPath,
    volume_listing: Listing,
    through_access_point: str | None = None,
    workload: dict[str, Any] | None = None,
) -> Proposal:
    if through_access_point:
        return Declined(f"access point {through_access_point} may put its own user in place of the program's")
    owner = _owner(data_directory, volume_listing, "/" + data_directory.sub_path, _groups(pod))
    at = container_path(template_spec(workload), main_container.name)
    if isinstance(owner, Declined) or at is None:
        return (
            owner if isinstance(owner, Declined) else template_fixed(workload) or Declined("it is not in the template")
        )
    own = main_container.spec.get("securityContext") or {}
    place = f"{at}/securityContext" if {"runAsUser", "runAsGroup"} & own.keys() else "/securityContext"
    words = f"run {main_container.name} as uid {owner.uid}, gid {owner.gid}, the owner of {data_directory.on_volume}"
    change = template_change(workload, {f"{place}/runAsUser": owner.uid, f"{place}/runAsGroup": owner.gid}, words)
    return change if isinstance(change, Declined) else (change,)


def mount_as_owner(
    cause: Finding,
    data_directory: DataPath,
    data_efs_volume: EfsVolume,
    volume_listing: Listing,
    through_access_point: str | None = None,
    workload: dict[str, Any] | None = None,
) -> Proposal:
    volume = data_efs_volume
    if through_access_point or volume.kind != "efs":
        return Declined(f"volume {volume.name} goes through {through_access_point or volume.kind} already")
    if volume.path.count("/") > DEEPEST or len(volume.path) > LONGEST_PATH:
        return Declined(f"{volume.path} is too deep or too long for the root of an access point")
    # Through an access point the kubelet itself comes as its user, so the walk begins at the volume's root.
    owner = _owner(data_directory, volume_listing, "/", frozenset())
    if isinstance(owner, Declined):
        return owner
    volumes = template_spec(workload).get("volumes") or []
    at = next((n for n, v in enumerate(volumes) if v["name"] == data_directory.volume), None)
    if at is None or "persistentVolumeClaim" not in volumes[at]:
        return template_fixed(workload) or Declined("the claim is made for each pod, not named in the template")
    name = f"{volume.claim.name}-as-{owner.uid}"
    moved = template_change(
        workload,
        {pointer("volumes", at, "persistentVolumeClaim", "claimName"): name},
        f"mount claim {name} in the place of {volume.claim.name}",
    )
    if isinstance(moved, Declined):
        return moved
    return _access_point(volume, owner, name), _volume(volume, name), _claim(volume, name), moved


def _owner(listing: DataPath, seen: Listing, root: str, groups: frozenset[int]) -> Credentials | Declined:
    """As whom the data can be written as they are: the directory's owner, or that of a file in it."""
    directory = seen.entries.get(listing.on_volume)
    if directory is None:
        return Declined(f"the owner of {listing.on_volume} was not seen")
    below = listing.on_volume.rstrip("/") + "/"
    inside = [e for path, e in sorted(seen.entries.items()) if path.startswith(below)]
    for entry in (directory, *inside):
        who = Credentials(entry.uid, entry.gid, groups)
        if entry.uid and _may_write_all(who, seen.entries, listing.on_volume, root):
            return who
    if not directory.uid:
        return Declined(f"{directory} belongs to root, as whom no program is to run")
    return Declined(f"nobody who owns something in {listing.on_volume} could write all of it and come that far")


def _may_write_all(who: Credentials, entries: dict[str, Entry], directory: str, root: str) -> bool:
    reaches = access_to(who, entries, directory, root=root).allowed is True
    return reaches and not unwritable_files(who, entries, directory)


def _groups(pod: dict[str, Any]) -> frozenset[int]:
    context = pod["spec"].get("securityContext") or {}
    named = [*(context.get("supplementalGroups") or []), context.get("fsGroup")]
    return frozenset(int(g) for g in named if g is not None)


def _access_point(volume: EfsVolume, owner: Credentials, name: str) -> Change:
    token = _token(volume, name)
    found = Lookup(_points(volume), f"AccessPoints[?ClientToken=='{token}'].AccessPointId | [0]")
    return Change(
        write_of(
            "efs:CreateAccessPoint",
            ClientToken=token,
            FileSystemId=volume.file_system,
            PosixUser={"Uid": owner.uid, "Gid": owner.gid},
            RootDirectory={"Path": volume.path},
            Tags=[{"Key": key, "Value": value} for key, value in MANAGED.items()],
        ),
        f"create an access point of {volume.file_system} at {volume.path}, as uid {owner.uid}, gid {owner.gid}",
        Ref("FileSystem", volume.file_system),
        undo=write_of("efs:DeleteAccessPoint", AccessPointId=found),
        residue="what was written through it stays, and belongs to that user",
    )


def _volume(volume: EfsVolume, name: str) -> Change:
    claim, spec = volume.claim, volume.object["spec"]
    path = f"AccessPoints[?ClientToken=='{_token(volume, name)}'].join('::', [FileSystemId, AccessPointId]) | [0]"
    thing = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": _volume_name(volume, name), "labels": MANAGED},
        "spec": {
            "accessModes": spec["accessModes"],
            "capacity": spec["capacity"],
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": claim.namespace,
                "name": name,
            },
            "csi": {"driver": EFS_DRIVER, "volumeHandle": Lookup(_points(volume), path)},
            "persistentVolumeReclaimPolicy": "Retain",
            "volumeMode": "Filesystem",
            **({"mountOptions": list(volume.options)} if volume.options else {}),
        },
    }
    query = read_of("kube:get persistentvolumes", name=_volume_name(volume, name))
    return Change(
        write_of("kube:create persistentvolumes", object=thing),
        f"create volume {_volume_name(volume, name)}, which goes through that access point",
        Ref("PersistentVolume", _volume_name(volume, name)),
        undo=write_of("kube:delete persistentvolumes", name=_volume_name(volume, name), uid=own_uid(query)),
    )


def _claim(volume: EfsVolume, name: str) -> Change:
    claim, spec = volume.claim, volume.object["spec"]
    thing = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": claim.namespace, "labels": MANAGED},
        "spec": {
            "accessModes": spec["accessModes"],
            "resources": {"requests": {"storage": spec["capacity"]["storage"]}},
            "storageClassName": "",
            "volumeName": _volume_name(volume, name),
        },
    }
    query = read_of("kube:get persistentvolumeclaims", namespace=claim.namespace, name=name)
    return Change(
        write_of("kube:create persistentvolumeclaims", namespace=claim.namespace, object=thing),
        f"create claim {name} for it; claim {claim.name} stays with its volume",
        Ref("PersistentVolumeClaim", name, claim.namespace),
        undo=write_of("kube:delete persistentvolumeclaims", namespace=claim.namespace, name=name, uid=own_uid(query)),
    )


def _points(volume: EfsVolume) -> Any:
    return read_of("efs:DescribeAccessPoints", FileSystemId=volume.file_system)


def _volume_name(volume: EfsVolume, name: str) -> str:
    return f"{volume.claim.namespace}-{name}"


def _token(volume: EfsVolume, name: str) -> str:
    """What makes the access point the same one when it is asked for twice; at most 64 characters."""
    return f"efsdiag-{_volume_name(volume, name)}"[:64]
