"""What of an install is in the cluster: the claim with its volume, the storage class, the Jobs of the trial."""

from __future__ import annotations

from typing import Any

from efsdiag.belongings.own import Belongings, Object, deleted, is_managed, listed
from efsdiag.semantics.claims import EFS_DRIVER
from efsdiag.semantics.containers import claim_volume_names
from efsdiag.settings import Settings
from efsdiag.writes import MANAGED

LABEL = ",".join(f"{key}={value}" for key, value in MANAGED.items())


def mounting_pods(read: Any, settings: Settings) -> list[str]:
    """The names of the pods that mount the claim of the settings. Source: kube:list pods. Errors: Unreadable."""
    pods = read("kube:list pods", namespace=settings.namespace) or []
    return [p["metadata"]["name"] for p in pods if settings.claim in claim_volume_names(p["spec"]).values()]


def find_jobs(read: Any, settings: Settings, found: Belongings) -> None:
    """The Jobs that efsdiag left in the namespace. Source: kube:list jobs, by label. Errors: Unreadable."""
    for job in read("kube:list jobs", namespace=settings.namespace, labelSelector=LABEL) or []:
        if is_managed(job):
            found.own.append(deleted("jobs", job))


def find_claim(read: Any, settings: Settings, found: Belongings) -> None:
    """The claim and the volume that was made for it.

    Source:  kube:get persistentvolumeclaims, kube:get persistentvolumes
    Errors:  Unreadable
    """
    claim = read("kube:get persistentvolumeclaims", namespace=settings.namespace, name=settings.claim)
    volume = read("kube:get persistentvolumes", name=settings.volume)
    _own(claim, "persistentvolumeclaims", f"claim {settings.claim}", found)
    if volume is None:
        return
    reference = volume["spec"].get("claimRef") or {}
    if (reference.get("namespace"), reference.get("name")) != (settings.namespace, settings.claim):
        found.stays.append(f"volume {settings.volume} is not reserved for claim {settings.claim}")
    elif claim is not None and not is_managed(claim):
        found.stays.append(f"volume {settings.volume} serves claim {settings.claim}, which stays")
    else:
        _own(volume, "persistentvolumes", f"volume {settings.volume}", found)


def find_class(read: Any, settings: Settings, found: Belongings) -> None:
    """The storage class of the settings, and the volumes that it made, which stay.

    Source:  kube:get storageclasses, kube:list persistentvolumes. Errors: Unreadable.
    """
    class_ = read("kube:get storageclasses", name=settings.storage_class)
    if class_ is None:
        return
    _own(class_, "storageclasses", f"the storage class {settings.storage_class}", found)
    for volume in read("kube:list persistentvolumes") or []:
        if volume["spec"].get("storageClassName") == settings.storage_class:
            name, keeps = volume["metadata"]["name"], volume["spec"].get("persistentVolumeReclaimPolicy")
            if keeps == "Retain":
                found.stays.append(f"volume {name}, which that class made, is to be kept, and so is its access point")


def find_namespace(read: Any, settings: Settings, found: Belongings) -> None:
    """The namespace, which is deleted only where that is asked for. Source: kube:get namespaces. Errors: Unreadable."""
    namespace = read("kube:get namespaces", name=settings.namespace)
    if namespace is not None and is_managed(namespace):
        says = "efsdiag uninstall --delete-namespace deletes it where nothing is left in it"
        found.stays.append(f"namespace {settings.namespace} stays; {says}")


def driver_users(read: Any, settings: Settings) -> list[str]:
    """The volumes of the driver that are bound to other claims than that of the settings, by name.

    Source:  kube:list persistentvolumes. Errors: Unreadable.
    """
    volumes = read("kube:list persistentvolumes") or []
    driven = [v for v in volumes if (v["spec"].get("csi") or {}).get("driver") == EFS_DRIVER]
    return sorted(str(v["metadata"]["name"]) for v in driven if serves_others(v, settings))


def serves_others(volume: Object, settings: Settings) -> bool:
    """Whether the volume is bound to another claim than that of the settings."""
    reference = volume["spec"].get("claimRef") or {}
    ours = (reference.get("namespace"), reference.get("name")) == (settings.namespace, settings.claim)
    return (volume.get("status") or {}).get("phase") == "Bound" and not ours


def other_claims(pod_spec: Object, settings: Settings) -> list[str]:
    """The claims that such a pod mounts, where that of the settings is not among them."""
    mounted = set(claim_volume_names(pod_spec).values())
    return [] if settings.claim in mounted else sorted(mounted)


def find_driver_object(read: Any, found: Belongings) -> None:
    """The CSIDriver object, where a remedy made it: whether an install asked for that, its label does not say.

    Source:  kube:get csidrivers. Errors: Unreadable.
    """
    thing = read("kube:get csidrivers", name=EFS_DRIVER)
    if thing is not None and is_managed(thing):
        found.stays.append(f"CSIDriver {EFS_DRIVER} was made by efsdiag, and may serve a driver that was there before")


def _own(thing: Object | None, resource: str, what: str, found: Belongings) -> None:
    if thing is None:
        return
    if is_managed(thing):
        found.own.append(deleted(resource, thing, residue="what is on the file system stays"))
    else:
        found.stays.append(f"{what} has not the label {LABEL}; efsdiag did not make it")


def held_by(pods: list[str], settings: Settings) -> str:
    """Why nothing under the claim is taken away."""
    return f"claim {settings.claim} is mounted by {listed(pods)}; the storage is not taken away under it"
