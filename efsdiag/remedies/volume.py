"""What mends a volume made by hand so that its claim binds, and what keeps its data.

Only volumes of EFS are touched: of other storage the capacity is a size, and an access mode is a promise.
"""

from __future__ import annotations

from typing import Any

from efsdiag.changes import Change, Declined, Proposal
from efsdiag.model import Finding
from efsdiag.patches import REMOVE, change_of, pointer
from efsdiag.semantics.binding import EFS_DRIVER, nearest_volumes, storage_class_of
from efsdiag.semantics.claims import OLD_CLASS, Claim, EfsVolume, efs_volume
from efsdiag.semantics.selectors import label_selector_matches, labels_of

Volume = dict[str, Any]
CAPACITY = "/spec/capacity/storage"


def raise_volume_capacity(
    cause: Finding, unbound_claims: tuple[Claim, ...], candidate_volumes: list[Volume]
) -> Proposal:
    claim, volume = _pair(cause, unbound_claims, candidate_volumes)
    if claim is None or volume is None:
        return _no_pair(volume)
    size = str(claim.spec["resources"]["requests"]["storage"])
    words = f"let volume {_name(volume)} declare {size}, as claim {claim.name} requests"
    return _one(change_of(volume, {CAPACITY: size}, words))


def add_access_modes(cause: Finding, unbound_claims: tuple[Claim, ...], candidate_volumes: list[Volume]) -> Proposal:
    claim, volume = _pair(cause, unbound_claims, candidate_volumes)
    if claim is None or volume is None:
        return _no_pair(volume)
    offered, wanted = list(volume["spec"].get("accessModes") or []), list(claim.spec.get("accessModes") or [])
    if {"ReadWriteOncePod", "ReadOnlyMany"} & {*offered, *wanted}:
        return Declined("ReadWriteOncePod stands with no other mode, and the EFS driver refuses ReadOnlyMany")
    modes = [*offered, *(m for m in wanted if m not in offered)]
    words = f"let volume {_name(volume)} offer {', '.join(modes)}, as claim {claim.name} asks"
    return _one(change_of(volume, {"/spec/accessModes": modes}, words))


def set_volume_class(cause: Finding, unbound_claims: tuple[Claim, ...], candidate_volumes: list[Volume]) -> Proposal:
    claim, volume = _pair(cause, unbound_claims, candidate_volumes)
    if claim is None or volume is None:
        return _no_pair(volume)
    if OLD_CLASS in (volume["metadata"].get("annotations") or {}):
        return Declined(f"volume {_name(volume)} has its class in the annotation {OLD_CLASS}; take that away first")
    wanted = storage_class_of(claim.object or {})
    words = f'give volume {_name(volume)} the storage class "{wanted}", as claim {claim.name} has it'
    return _one(change_of(volume, {"/spec/storageClassName": wanted or REMOVE}, words))


def label_volume(cause: Finding, unbound_claims: tuple[Claim, ...], candidate_volumes: list[Volume]) -> Proposal:
    claim, volume = _pair(cause, unbound_claims, candidate_volumes)
    if claim is None or volume is None:
        return _no_pair(volume)
    selector = claim.spec.get("selector") or {}
    labels = dict(selector.get("matchLabels") or {})
    if not label_selector_matches(selector, {**labels_of(volume), **labels}):
        return Declined(f"the expressions of claim {claim.name}'s selector do not say which labels it wants")
    shown = ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))
    words = f"label volume {_name(volume)} with {shown}, as claim {claim.name} selects"
    return _one(change_of(volume, {pointer("metadata", "labels", k): v for k, v in labels.items()}, words))


def free_released_volume(
    cause: Finding,
    unbound_claims: tuple[Claim, ...],
    candidate_volumes: list[Volume],
) -> Proposal:
    claim, volume = _pair(cause, unbound_claims, candidate_volumes)
    if claim is None or volume is None:
        return _no_pair(volume)
    others = [v for v in candidate_volumes if v is not volume and _place(v) == _place(volume) and _is_held(v)]
    if others:
        return Declined(f"volume {_name(others[0])} holds the same directory for {_holder(others[0])}")
    old = volume["spec"].get("claimRef") or {}
    same = (old.get("namespace"), old.get("name")) == (claim.namespace, claim.name)
    if not same:
        return Declined(f"volume {_name(volume)} was of claim {_holder(volume)}; whose data that are is for you to say")
    metadata = (claim.object or {})["metadata"]
    new = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "uid": metadata["uid"]}
    new |= {"namespace": claim.namespace, "name": claim.name}
    words = f"reserve volume {_name(volume)} with its data for claim {claim.name} of today, in place of the one deleted"
    residue = "the volume stays with the claim: a bound claim is never taken from its volume"
    relies_on = ["/spec/persistentVolumeReclaimPolicy", "/status/phase"]
    return _one(change_of(volume, {"/spec/claimRef": new}, words, relies_on=relies_on, residue=residue, undoable=False))


def retain_volume(cause: Finding, efs_volumes: tuple[EfsVolume, ...]) -> Proposal:
    name = cause.object.name if cause.object else ""
    volume = next((v.object for v in efs_volumes if v.name == name), None)
    if volume is None:
        return Declined(f"volume {name} is none of the pod's EFS volumes")
    words = f"keep volume {name} and its access point when its claim is deleted"
    return _one(change_of(volume, {"/spec/persistentVolumeReclaimPolicy": "Retain"}, words))


def _pair(cause: Finding, claims: tuple[Claim, ...], volumes: list[Volume]) -> tuple[Claim | None, Volume | None]:
    """The claim and the volume that was meant for it; no claim where the volume may not be touched."""
    name = cause.object.name if cause.object else ""
    claim = next((c for c in claims if c.name == name), None)
    nearest = nearest_volumes((claim.object if claim else None) or {}, volumes) if claim else []
    if not nearest or cause.mode not in [m.mode for m in nearest[0].mismatches]:
        return None, None
    volume = dict(nearest[0].volume)
    return (claim if _touchable(volume) else None), volume


def _touchable(volume: Volume) -> bool:
    retained = volume["spec"].get("persistentVolumeReclaimPolicy", "Retain") == "Retain"
    return retained and (volume["spec"].get("csi") or {}).get("driver") == EFS_DRIVER


def _no_pair(volume: Volume | None) -> Declined:
    if volume is None:
        return Declined(
            "no volume made by hand was meant for the claim; the claim has to be made again as it should be"
        )
    policy = volume["spec"].get("persistentVolumeReclaimPolicy", "Retain")
    if policy != "Retain":
        return Declined(f"volume {_name(volume)} has the reclaim policy {policy}, which would lose its data")
    return Declined(f"volume {_name(volume)} is not of EFS; what it declares is what its storage has")


def _one(change: Change | Declined) -> Proposal:
    return change if isinstance(change, Declined) else (change,)


def _place(volume: Volume) -> tuple[str, ...]:
    """What directory of what file system the volume is."""
    csi = volume["spec"].get("csi") or {}
    if csi.get("driver") != EFS_DRIVER:
        return (_name(volume),)
    seen = efs_volume(volume, Claim("", "", "", None))
    return seen.file_system, seen.path, seen.access_point


def _is_held(volume: Volume) -> bool:
    return bool(volume["spec"].get("claimRef")) and (volume.get("status") or {}).get("phase") == "Bound"


def _holder(volume: Volume) -> str:
    reference = volume["spec"].get("claimRef") or {}
    return f"{reference.get('namespace', '')}/{reference.get('name', '')}"


def _name(volume: Volume) -> str:
    return str(volume["metadata"]["name"])
