"""What mends storage classes, and claims that are not there. A class or a claim that exists is never made again."""

from __future__ import annotations

import difflib
from typing import Any

from efsdiag.changes import Change, Declined, Proposal
from efsdiag.evidence.volume import OLD_DEFAULT_CLASS
from efsdiag.model import Finding, Ref, Subject
from efsdiag.operations import read_of
from efsdiag.patches import change_of, pointer, template_change, template_spec
from efsdiag.semantics.binding import EFS_DRIVER, storage_class_of
from efsdiag.semantics.claims import DEFAULT_CLASS, Claim, is_of_efs
from efsdiag.settings import Settings
from efsdiag.writes import MANAGED, own_uid, write_of

Object = dict[str, Any]


def create_storage_class(
    cause: Finding,
    unbound_claims: tuple[Claim, ...],
    storage_classes: list[Object],
    own_file_systems: tuple[str, ...],
    efs_provisioner: Object | None = None,
) -> Proposal:
    name = cause.object.name if cause.object else ""
    claims = [c for c in unbound_claims if c.class_name == name]
    if efs_provisioner is None:
        return Declined(f"the EFS driver is not installed, so class {name} would make no volume")
    if not _meant_for_efs(name, claims):
        return Declined(f"nothing says that class {name} is to be on EFS: its name does not, and no claim asks for RWX")
    like = [c for c in storage_classes if c.get("provisioner") == EFS_DRIVER]
    parameters = _parameters(like, own_file_systems)
    if isinstance(parameters, Declined):
        return parameters
    thing = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name, "labels": MANAGED},
        "provisioner": EFS_DRIVER,
        "parameters": parameters,
        "reclaimPolicy": "Retain",
        "volumeBindingMode": "Immediate",
        **({"mountOptions": like[0]["mountOptions"]} if like and like[0].get("mountOptions") else {}),
    }
    system = parameters["fileSystemId"]
    words = f"create the storage class {name}, which makes an access point of {system} for each claim and keeps it"
    query = read_of("kube:get storageclasses", name=name)
    return (
        Change(
            write_of("kube:create storageclasses", object=thing),
            words,
            Ref("StorageClass", name),
            undo=write_of("kube:delete storageclasses", name=name, uid=own_uid(query)),
            residue="volumes that the class made stay, with their access points and data",
        ),
    )


def mark_default_class(cause: Finding, storage_classes: list[Object], unbound_claims: tuple[Claim, ...]) -> Proposal:
    able = [c for c in storage_classes if c.get("provisioner") != "kubernetes.io/no-provisioner"]
    if len(able) != 1:
        names = ", ".join(sorted(c["metadata"]["name"] for c in able)) or "none"
        return Declined(f"which class is to be the default is for you to say; there are: {names}")
    class_ = able[0]
    words = f"mark class {class_['metadata']['name']}, the only one, as default"
    mark = {pointer("metadata", "annotations", DEFAULT_CLASS): "true"}
    change = change_of(class_, mark, words, residue="claims that got the class meanwhile keep it, and their volumes")
    return change if isinstance(change, Declined) else (change,)


def unmark_default_classes(cause: Finding, defaults_of_cluster: list[Object]) -> Proposal:
    kept = [c for c in defaults_of_cluster if c.get("provisioner") == EFS_DRIVER]
    if len(kept) != 1:
        names = ", ".join(c["metadata"]["name"] for c in defaults_of_cluster)
        return Declined(f"which of {names} is to stay the default is for you to say")
    found = []
    for class_ in defaults_of_cluster:
        if class_ is kept[0]:
            continue
        annotations = class_["metadata"].get("annotations") or {}
        marks = [a for a in (DEFAULT_CLASS, OLD_DEFAULT_CLASS) if annotations.get(a) == "true"]
        words = f"class {class_['metadata']['name']} is no longer default; {kept[0]['metadata']['name']} stays it"
        change = change_of(class_, {pointer("metadata", "annotations", mark): "false" for mark in marks}, words)
        if isinstance(change, Change):
            found.append(change)
    return tuple(found)


def mount_existing_claim(
    cause: Finding,
    claims: tuple[Claim, ...],
    neighbour_claims: list[str],
    mounted_claims: dict[str, str],
    workload: Object | None = None,
) -> Proposal:
    missing = [c for c in claims if c.object is None]
    if len(missing) != 1:
        return Declined("several claims are missing, and which one is meant by which is for you to say")
    name = missing[0].name
    near = difflib.get_close_matches(name, neighbour_claims, 3, 0.5)
    if len(near) != 1:
        return Declined(f"{len(near)} claims of the namespace have a name like {name}; which one is meant is not known")
    if near[0] in mounted_claims:
        return Declined(f"claim {near[0]}, whose name is like it, is mounted by pod {mounted_claims[near[0]]}")
    volumes = template_spec(workload).get("volumes") or []
    at = [n for n, v in enumerate(volumes) if (v.get("persistentVolumeClaim") or {}).get("claimName") == name]
    if workload is not None and not at:
        return Declined(f"the template of {workload['metadata']['name']} does not name claim {name}")
    values = {pointer("volumes", n, "persistentVolumeClaim", "claimName"): near[0] for n in at}
    change = template_change(workload, values, f"mount claim {near[0]} in the place of {name}, which does not exist")
    return change if isinstance(change, Declined) else (change,)


def create_claim(
    cause: Finding,
    subject: Subject,
    claims: tuple[Claim, ...],
    every_volume: list[Object],
    wanted: Settings | None = None,
) -> Proposal:
    found: list[Change] = []
    for claim in [c for c in claims if c.object is None]:
        waiting = [v for v in every_volume if _waits_for(v, claim)]
        if len(waiting) != 1:
            return Declined(f"{len(waiting) or 'no'} volumes wait for a claim {claim.name} of {claim.namespace}")
        if wanted is not None and not is_of_efs(waiting[0]):
            return Declined(f"volume {waiting[0]['metadata']['name']}, which waits for that claim, is not on EFS")
        found.append(_claim_for(claim, waiting[0]))
    return tuple(found)


def _claim_for(claim: Claim, volume: Object) -> Change:
    name, namespace, spec = claim.name, claim.namespace, volume["spec"]
    thing = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace, "labels": MANAGED},
        "spec": {
            "accessModes": spec["accessModes"],
            "resources": {"requests": {"storage": spec["capacity"]["storage"]}},
            "storageClassName": storage_class_of(volume),
            "volumeName": volume["metadata"]["name"],
        },
    }
    query = read_of("kube:get persistentvolumeclaims", namespace=namespace, name=name)
    return Change(
        write_of("kube:create persistentvolumeclaims", namespace=namespace, object=thing),
        f"create claim {name} for volume {volume['metadata']['name']}, which waits for it",
        Ref("PersistentVolumeClaim", name, namespace),
        undo=write_of("kube:delete persistentvolumeclaims", namespace=namespace, name=name, uid=own_uid(query)),
        residue="the volume is Released after that, and keeps its data",
    )


def _waits_for(volume: Object, claim: Claim) -> bool:
    """Whether the volume is free, keeps its data, and is reserved for the claim or has its name."""
    spec = volume["spec"]
    if (
        spec.get("persistentVolumeReclaimPolicy") != "Retain"
        or (volume.get("status") or {}).get("phase") != "Available"
    ):
        return False
    reference = spec.get("claimRef") or {}
    if reference:
        return (reference.get("namespace"), reference.get("name")) == (claim.namespace, claim.name)
    return bool(volume["metadata"]["name"] == claim.name)


def _meant_for_efs(name: str, claims: list[Claim]) -> bool:
    return "efs" in name.lower() or any("ReadWriteMany" in (c.spec.get("accessModes") or []) for c in claims)


def _parameters(like: list[Object], file_systems: tuple[str, ...]) -> dict[str, str] | Declined:
    """The parameters that all classes of the driver have, or those of the account's one file system."""
    known = [dict(c.get("parameters") or {}) for c in like]
    if len(known) == 1 and "fileSystemId" in known[0]:
        return known[0]
    if known:
        return Declined("the driver's other classes do not agree on one file system; which one is meant is not known")
    if len(file_systems) != 1:
        return Declined(f"the account has {len(file_systems)} file systems here; which one is meant is not known")
    return {"provisioningMode": "efs-ap", "fileSystemId": file_systems[0], "directoryPerms": "700"}
