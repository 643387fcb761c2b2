"""Claims, the volumes behind them, and storage classes."""

from __future__ import annotations

from typing import Any

from efsdiag.model import Subject
from efsdiag.reading import events_about
from efsdiag.semantics.binding import EFS_DRIVER, nearest_volumes
from efsdiag.semantics.claims import DEFAULT_CLASS, EBS_DRIVER, IN_TREE_EBS, Claim, EfsVolume, Provisioning, efs_volume
from efsdiag.semantics.containers import claim_volume_names
from efsdiag.settings import Settings

OLD_DEFAULT_CLASS = "storageclass.beta.kubernetes.io/is-default-class"


def claims(
    read: Any, subject: Subject, pod_spec: dict[str, Any] | None = None, wanted: Settings | None = None
) -> tuple[Claim, ...] | None:
    """The claims that the pod mounts, in the order of its volumes; or the one that was asked about.

    Of a workload without a pod, those that are made for each pod (ephemeral volumes) are left out: they come with it.
    Absent where there is neither a pod nor a template of one, unless a claim is wanted.

    Source:  kube:get persistentvolumeclaims, by name
    """
    if subject.kind == "persistentvolumeclaim":
        named_claims = {"": subject.name}
    elif pod_spec is None and wanted is not None:
        named_claims = {"": wanted.claim}
    elif pod_spec is None:
        return None
    else:
        has_pod = subject.kind == "pod"
        named = claim_volume_names(pod_spec).items()
        named_claims = {v: c or f"{subject.name}-{v}" for v, c in named if c or has_pod}
    found = read.many(
        ("kube:get persistentvolumeclaims", {"namespace": subject.namespace, "name": name})
        for name in named_claims.values()
    )
    return tuple(
        Claim(name, subject.namespace, volume, made)
        for (volume, name), made in zip(named_claims.items(), found, strict=True)
    )


def unbound_claims(claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
    """Those that exist and are not bound."""
    return tuple(c for c in claims if c.object is not None and not c.bound)


def same_named_claims(read: Any, claims: tuple[Claim, ...]) -> list[dict[str, Any]] | None:
    """Claims of other namespaces that are called like one that is missing; absent where none is missing.

    Source:  kube:list persistentvolumeclaims, field selector metadata.name, all namespaces
    """
    missing = sorted({c.name for c in claims if c.object is None})
    if not missing:
        return None
    answers = read.many(
        ("kube:list persistentvolumeclaims", {"fieldSelector": f"metadata.name={name}"}) for name in missing
    )
    return [claim for answer in answers for claim in answer or []]


def neighbour_claims(read: Any, subject: Subject, claims: tuple[Claim, ...]) -> list[str] | None:
    """Names of the namespace's claims, for "did you mean"; absent where no claim is missing."""
    if all(c.object is not None for c in claims):
        return None
    found = read("kube:list persistentvolumeclaims", namespace=subject.namespace)
    return sorted(c["metadata"]["name"] for c in found or [])


def claim_events(read: Any, claims: tuple[Claim, ...]) -> dict[str, list[dict[str, Any]]]:
    """Events about each claim (its uid), by claim name, oldest first."""
    return {c.name: events_about(read, c.object) for c in claims if c.object is not None}


def volumes(read: Any, claims: tuple[Claim, ...]) -> dict[str, dict[str, Any] | None]:
    """The volumes that the claims name: name → volume, or None where the claim names one that does not exist.

    Source:  kube:get persistentvolumes, by name
    """
    names = sorted({c.spec["volumeName"] for c in claims if c.spec.get("volumeName")})
    found = read.many(("kube:get persistentvolumes", {"name": name}) for name in names)
    return dict(zip(names, found, strict=True))


def candidate_volumes(read: Any, unbound_claims: tuple[Claim, ...]) -> list[dict[str, Any]] | None:
    """Every volume of the cluster, where a claim still looks for one; absent where none does.

    Source:  kube:list persistentvolumes (the API offers no selector for what a claim could bind to)
    """
    if not unbound_claims:
        return None
    found: list[dict[str, Any]] | None = read("kube:list persistentvolumes")
    return found or []


def dying_volume_events(
    read: Any, provisionings: tuple[Provisioning, ...], candidate_volumes: list[dict[str, Any]] | None = None
) -> dict[str, list[dict[str, Any]]]:
    """Volume → events about it, oldest first, for volumes that a claim would get if they were not being deleted."""
    waiting = [p.claim.object for p in provisionings if not p.dynamic and p.claim.object is not None]
    nearest = [c for claim in waiting for c in nearest_volumes(claim, candidate_volumes or [])[:1]]
    dying = [c.volume for c in nearest if {m.mode for m in c.mismatches} & {"pv.terminating", "pv.released"}]
    doomed = [dict(v) for v in dying if v["spec"].get("persistentVolumeReclaimPolicy") == "Delete"]
    return {v["metadata"]["name"]: events_about(read, v) for v in doomed}


def storage_classes(read: Any, unbound_claims: tuple[Claim, ...]) -> list[dict[str, Any]] | None:
    """The storage classes, where a claim is not bound; absent where every claim is.

    Source:  kube:list storageclasses
    """
    if not unbound_claims:
        return None
    found: list[dict[str, Any]] | None = read("kube:list storageclasses")
    return found or []


def defaults_of_cluster(read: Any, claims: tuple[Claim, ...]) -> list[dict[str, Any]] | None:
    """The classes marked as default, as `default_classes`, also where every claim is bound; absent where none exists.

    Source:  kube:list storageclasses
    """
    exist = any(c.object is not None for c in claims)
    return default_classes(read("kube:list storageclasses") or []) if exist else None


def default_classes(storage_classes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The classes marked as default, also with the annotation of old, newest first: the newest one wins.

    Source:  Kubernetes v1.36 pkg/volume/util/storageclass.go (GetDefaultClass): of the same age, the first by name
    """
    marked = [
        c
        for c in storage_classes
        if "true" in [(c["metadata"].get("annotations") or {}).get(a) for a in (DEFAULT_CLASS, OLD_DEFAULT_CLASS)]
    ]
    by_name = sorted(marked, key=lambda c: c["metadata"]["name"])
    return sorted(by_name, key=lambda c: c["metadata"].get("creationTimestamp", ""), reverse=True)


def provisionings(
    unbound_claims: tuple[Claim, ...],
    storage_classes: list[dict[str, Any]] | None = None,
    default_classes: list[dict[str, Any]] | None = None,
) -> tuple[Provisioning, ...]:
    """For each unbound claim, the class that applies to it and whether a provisioner is to make its volume.

    A claim that names a volume, or wants no class, waits for a volume made by hand. A claim without any class gets the
    default one, where there is one.
    """
    by_name = {c["metadata"]["name"]: c for c in storage_classes or []}
    found = []
    for claim in unbound_claims:
        name = claim.class_name
        default = default_classes[0] if default_classes else None
        used = default if name is None else by_name.get(name)
        by_hand = name == "" or bool(claim.spec.get("volumeName"))
        provisioner = (used or {}).get("provisioner", "")
        dynamic = used is not None and not by_hand and provisioner != "kubernetes.io/no-provisioner"
        found.append(Provisioning(claim, used, dynamic))
    return tuple(found)


def efs_volumes(
    claims: tuple[Claim, ...], volumes: dict[str, dict[str, Any] | None], wished_volume: EfsVolume | None = None
) -> tuple[EfsVolume, ...]:
    """The EFS volumes behind the claims, or the one that is to be made; empty where the claims are on other storage."""
    found = []
    for claim in claims:
        volume = volumes.get(claim.spec.get("volumeName", ""))
        csi = (volume or {}).get("spec", {}).get("csi") or {}
        if volume is not None and csi.get("driver") == EFS_DRIVER:
            found.append(efs_volume(volume, claim))
    return tuple(found or ([wished_volume] if wished_volume and not any(volumes.values()) else []))


def ebs_volumes(volumes: dict[str, dict[str, Any] | None]) -> tuple[dict[str, Any], ...]:
    """The volumes behind the claims that one node at a time may hold: of EBS, and for one writer."""
    found = [v for v in volumes.values() if v is not None]
    single = [v for v in found if not {"ReadWriteMany", "ReadOnlyMany"} & set(v["spec"].get("accessModes") or ())]
    return tuple(v for v in single if (v["spec"].get("csi") or {}).get("driver") == EBS_DRIVER)


def volume_attachments(read: Any, ebs_volumes: tuple[dict[str, Any], ...]) -> list[dict[str, Any]] | None:
    """Which node holds which volume; absent where the pod mounts no EBS volume.

    Source:  kube:list volumeattachments (the API offers no selector for the volume)
    """
    if not ebs_volumes:
        return None
    found: list[dict[str, Any]] | None = read("kube:list volumeattachments")
    return found or []


def efs_classes(provisionings: tuple[Provisioning, ...]) -> tuple[Provisioning, ...]:
    """The unbound claims that the EFS driver is to serve."""
    return tuple(p for p in provisionings if p.dynamic and p.provisioner == EFS_DRIVER)


def provisioner_drivers(read: Any, provisionings: tuple[Provisioning, ...]) -> dict[str, bool] | None:
    """Provisioner → whether a CSIDriver object stands for it, with all installed drivers; absent where none is needed.

    The in-tree EBS provisioner is served by the EBS CSI driver since Kubernetes 1.27.

    Source:  kube:list csidrivers
    """
    wanted = {p.provisioner for p in provisionings if p.dynamic}
    if not wanted:
        return None
    installed = {d["metadata"]["name"] for d in read("kube:list csidrivers") or []}
    served = {p: (EBS_DRIVER if p == IN_TREE_EBS else p) in installed for p in wanted}
    return {**dict.fromkeys(sorted(installed), True), **served}
