"""What makes storage where there is none yet: the file system, and the access point, the volume and the claim on it."""

from __future__ import annotations

from typing import Any

from efsdiag.changes import Change, Declined, Lookup, Proposal
from efsdiag.model import Finding, Ref
from efsdiag.operations import read_of
from efsdiag.semantics.claims import EFS_DRIVER, Claim, off_efs
from efsdiag.settings import ACCESS_POINT_DYNAMIC, DIRECTORY, Settings
from efsdiag.writes import MANAGED, own_uid, tag_list, write_of

Object = dict[str, Any]
MODES = ["ReadWriteMany"]
POD_SECURITY = "pod-security.kubernetes.io/enforce"


def create_file_system(
    cause: Finding,
    wanted: Settings,
    wanted_nodes: list[Object],
    wanted_file_system: Object | None = None,
    claims: tuple[Claim, ...] = (),
    volumes: dict[str, Object | None] | None = None,
) -> Proposal:
    storage = wanted.storage
    if wanted.claim not in [c.name for c in claims]:
        on = ", ".join(c.name for c in claims) or "no claim"
        return Declined(f"Prometheus is there, on {on}; its data does not move by itself to claim {wanted.claim}")
    elsewhere = off_efs(claims, volumes or {})
    if elsewhere:
        return Declined(f"{elsewhere}; its data does not move by itself")
    if storage.file_system or wanted_file_system is not None:
        named = storage.file_system or str((wanted_file_system or {})["FileSystemId"])
        return Declined(f"the settings name {named}; a file system that is made anew has another id")
    parameters: Object = {
        "CreationToken": wanted.name,
        "PerformanceMode": storage.performance_mode,
        "ThroughputMode": storage.throughput_mode,
        "Encrypted": storage.encrypted,
        "Backup": storage.backup,
        "Tags": tag_list(wanted.aws_tags),
    }
    if storage.throughput:
        parameters["ProvisionedThroughputInMibps"] = float(storage.throughput)
    if storage.kms_key:
        parameters["KmsKeyId"] = storage.kms_key
    kept = "encrypted" if storage.encrypted else "not encrypted"
    words = f"create the file system {wanted.name}, {kept}, {'with' if storage.backup else 'without'} daily backups"
    residue = "a file system is never deleted by an undo; efsdiag uninstall --delete-file-system names it and does it"
    return (
        Change(write_of("efs:CreateFileSystem", **parameters), words, Ref("FileSystem", wanted.name), residue=residue),
    )


def create_storage_for_claim(
    cause: Finding,
    wanted: Settings,
    claims: tuple[Claim, ...],
    every_volume: list[Object],
    wanted_file_system: Object,
    wanted_access_point: Object | None = None,
    wanted_namespace: Object | None = None,
) -> Proposal:
    storage, system = wanted.storage, str(wanted_file_system["FileSystemId"])
    missing = [c for c in claims if c.object is None]
    if [c.name for c in missing] != [wanted.claim]:
        return Declined(f"the settings are about claim {wanted.claim}, which is not the one that is missing")
    if wanted_file_system.get("LifeCycleState", "available") != "available":
        return Declined(f"file system {system} is {wanted_file_system['LifeCycleState']}")
    if ((wanted_namespace or {}).get("metadata") or {}).get("deletionTimestamp"):
        return Declined(f"namespace {wanted.namespace} is being deleted, and takes nothing new; go on when it is gone")
    space = () if wanted_namespace is not None else (_namespace(wanted),)
    if storage.way == ACCESS_POINT_DYNAMIC:
        return (*space, _claim(wanted, wanted.storage_class, ""))
    present = next((v for v in every_volume if v["metadata"]["name"] == wanted.volume), None)
    if present is not None:
        reference = present["spec"].get("claimRef") or {}
        if (reference.get("namespace"), reference.get("name")) != (wanted.namespace, wanted.claim):
            return Declined(f"volume {wanted.volume} is there already, and not reserved for claim {wanted.claim}")
        return (*space, _claim(wanted, "", wanted.volume))
    if storage.way == DIRECTORY:
        path = f":{storage.path}" if storage.path != "/" else ""
        return (*space, _volume(wanted, f"{system}{path}"), _claim(wanted, "", wanted.volume))
    if storage.access_point and wanted_access_point is None:
        return Declined(f"file system {system} has no access point {storage.access_point}, which the settings name")
    if wanted_access_point is not None:
        unfit = _unfit(wanted, wanted_access_point)
        if unfit:
            return Declined(unfit)
        handle: Any = f"{system}::{wanted_access_point['AccessPointId']}"
        return (*space, _volume(wanted, handle), _claim(wanted, "", wanted.volume))
    points = read_of("efs:DescribeAccessPoints", FileSystemId=system)
    path = f"AccessPoints[?ClientToken=='{wanted.name}'].join('::', [FileSystemId, AccessPointId]) | [0]"
    made = _access_point(wanted, system)
    return (*space, made, _volume(wanted, Lookup(points, path)), _claim(wanted, "", wanted.volume))


def _unfit(wanted: Settings, point: Object) -> str:
    """Why the access point that is there cannot serve the settings; "" where it can."""
    user, name = point.get("PosixUser") or {}, point["AccessPointId"]
    if (user.get("Uid"), user.get("Gid")) != (wanted.uid, wanted.gid):
        acts = f"acts as {user['Uid']}:{user['Gid']}" if user else "acts as nobody in particular"
        return f"access point {name} {acts}; Prometheus is to run as {wanted.uid}:{wanted.gid}"
    root = (point.get("RootDirectory") or {}).get("Path") or "/"
    if root != wanted.storage.path and not wanted.storage.access_point:
        says = (
            f"access point {name}, which has the install's name, leads to {root}; storage.path is {wanted.storage.path}"
        )
        return f"{says} (storage.accessPoint takes it all the same)"
    return ""


def _namespace(wanted: Settings) -> Change:
    name, level = wanted.namespace, wanted.pod_security
    labels = {**MANAGED, **({POD_SECURITY: level} if level else {})}
    thing = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    # To delete a namespace is to delete whatever others put there meanwhile.
    residue = "the namespace stays; efsdiag uninstall deletes it where nothing is left in it"
    return Change(
        write_of("kube:create namespaces", object=thing),
        f"create the namespace {name}" + (f", with Pod Security level {level}" if level else ""),
        Ref("Namespace", name),
        residue=residue,
    )


def _access_point(wanted: Settings, system: str) -> Change:
    points = read_of("efs:DescribeAccessPoints", FileSystemId=system)
    found = Lookup(points, f"AccessPoints[?ClientToken=='{wanted.name}'].AccessPointId | [0]")
    owner = {"Uid": wanted.uid, "Gid": wanted.gid}
    root: Object = {"Path": wanted.storage.path}
    if wanted.storage.path != "/":
        root["CreationInfo"] = {"OwnerUid": wanted.uid, "OwnerGid": wanted.gid, "Permissions": "0755"}
    return Change(
        write_of(
            "efs:CreateAccessPoint",
            ClientToken=wanted.name,
            FileSystemId=system,
            PosixUser=owner,
            RootDirectory=root,
            Tags=tag_list(wanted.aws_tags),
        ),
        f"create an access point of {system} at {wanted.storage.path}, as uid {wanted.uid}, gid {wanted.gid}",
        Ref("FileSystem", system),
        undo=write_of("efs:DeleteAccessPoint", AccessPointId=found),
        residue="what was written through it stays on the file system",
    )


def _volume(wanted: Settings, handle: Any) -> Change:
    name = wanted.volume
    reference = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": wanted.namespace,
        "name": wanted.claim,
    }
    thing = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "labels": dict(MANAGED)},
        "spec": {
            "accessModes": MODES,
            "capacity": {"storage": wanted.storage.capacity},
            "claimRef": reference,
            "csi": {"driver": EFS_DRIVER, "volumeHandle": handle},
            "persistentVolumeReclaimPolicy": "Retain",
            "volumeMode": "Filesystem",
        },
    }
    query = read_of("kube:get persistentvolumes", name=name)
    return Change(
        write_of("kube:create persistentvolumes", object=thing),
        f"create volume {name}, reserved for claim {wanted.claim}",
        Ref("PersistentVolume", name),
        undo=write_of("kube:delete persistentvolumes", name=name, uid=own_uid(query)),
    )


def _claim(wanted: Settings, class_name: str, volume: str) -> Change:
    name, namespace = wanted.claim, wanted.namespace
    thing = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(MANAGED)},
        "spec": {
            "accessModes": MODES,
            "resources": {"requests": {"storage": wanted.storage.capacity}},
            "storageClassName": class_name,
            **({"volumeName": volume} if volume else {}),
        },
    }
    query = read_of("kube:get persistentvolumeclaims", namespace=namespace, name=name)
    return Change(
        write_of("kube:create persistentvolumeclaims", namespace=namespace, object=thing),
        f"create claim {name} in {namespace}" + (f" for volume {volume}" if volume else f", of class {class_name}"),
        Ref("PersistentVolumeClaim", name, namespace),
        undo=write_of("kube:delete persistentvolumeclaims", namespace=namespace, name=name, uid=own_uid(query)),
    )
