"""How the volume binder of Kubernetes v1.36 treats one persistent volume for one claim.

The binder has two ways. A claim that names its volume (spec.volumeName) is held against that volume alone
(checkVolumeSatisfyClaim); a claim that names none is held against every volume (FindMatchingVolume), and there a volume
whose claimRef points at the claim needs neither its selector nor its class to match.

Source: Kubernetes v1.36 pkg/controller/volume/persistentvolume/pv_controller.go (syncUnboundClaim), index.go
        k8s.io/component-helpers v0.36.2 storage/volume/pv_helpers.go
        https://kubernetes.io/docs/concepts/storage/persistent-volumes/#binding
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from efsdiag.semantics.quantity import bytes_of, parse_quantity
from efsdiag.semantics.selectors import label_selector_matches, labels_of

Object = Mapping[str, Any]

EFS_DRIVER = "efs.csi.aws.com"
_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"


@dataclass(frozen=True)
class Mismatch:
    """One reason why the binder does not bind the pair."""

    mode: str
    """An id of the failure catalogue."""
    says: str
    proof: tuple[str, ...] = ()
    """The fields that disagree, with their values."""


@dataclass(frozen=True)
class Candidate:
    """A volume that could have been meant for a claim."""

    volume: Object
    mismatches: tuple[Mismatch, ...]
    because: tuple[str, ...]
    """What points from the claim to this volume, strongest first; empty where only its properties fit."""

    @property
    def name(self) -> str:
        return _name(self.volume)


def mismatches(claim: Object, volume: Object) -> list[Mismatch]:
    """Why the binder does not bind this claim to this volume, in the order in which it looks; empty where it would.

    A volume that someone else holds is judged to the end, so that what else is in the way is known beforehand. A claim
    that names another volume is judged as if it named none. volumeAttributesClassName is not looked at: the EFS driver
    has no such classes.

    Errors:  ValueError where a size is not a quantity.
    """
    named = _names(claim, volume)
    if points_at(volume, claim):
        # Named by the claim and pre-bound by the volume: the binder completes the binding without a further look.
        judges = [] if named else [_access_modes, _capacity, _volume_mode, _terminating]
    elif named:
        judges = [_holder, _terminating, _capacity, _storage_class, _volume_mode, _access_modes]
    else:
        judges = [_access_modes, _holder, _capacity, _volume_mode, _terminating, _selector, _storage_class]
    found = (judge(claim, volume) for judge in judges)
    return [mismatch for mismatch in found if mismatch is not None]


def nearest_volumes(claim: Object, volumes: Iterable[Object]) -> list[Candidate]:
    """The volumes that could have been meant for the claim, the nearest first.

    Order:   the volume that the claim names; volumes that match in everything; then those meant for it (claimRef, then
             the claim's own name), those with the fewest mismatches, those of its class and of the EFS driver; the
             smaller volume, then the name.
    Left out: volumes that are held by or reserved for another claim; volumes released by another claim, unless that is
             their only mismatch; and, where the claim names a volume, all others, since the binder looks at none.
    Errors:  ValueError where a size is not a quantity.
    """
    wanted = _spec(claim).get("volumeName")
    considered = [v for v in volumes if not wanted or _name(v) == wanted]
    candidates = [Candidate(v, tuple(mismatches(claim, v)), _because(claim, v)) for v in considered]
    return sorted((c for c in candidates if _is_candidate(claim, c)), key=lambda c: _rank(claim, c))


def points_at(volume: Object, claim: Object) -> bool:
    """Whether the volume's claimRef is this claim: same namespace and name, and the same uid or none (pre-bound)."""
    reference = _reference(volume)
    uid, mine = reference.get("uid"), _metadata(claim).get("uid")
    return _is_namesake(volume, claim) and (not uid or not mine or uid == mine)


def storage_class_of(claim_or_volume: Object) -> str:
    """The class that the binder compares: the annotation of old, else spec.storageClassName; "" for none."""
    annotations = _metadata(claim_or_volume).get("annotations") or {}
    return str(annotations.get(_CLASS_ANNOTATION, _spec(claim_or_volume).get("storageClassName") or ""))


def _terminating(_claim: Object, volume: Object) -> Mismatch | None:
    since = _metadata(volume).get("deletionTimestamp")
    if not since:
        return None
    says = f"volume {_name(volume)} is being deleted since {since}; the binder takes only volumes that stay"
    return Mismatch("pv.terminating", says, (f"{_pv(volume)} metadata.deletionTimestamp: {since}",))


def _capacity(claim: Object, volume: Object) -> Mismatch | None:
    offered = (_spec(volume).get("capacity") or {}).get("storage", "0")
    requested = ((_spec(claim).get("resources") or {}).get("requests") or {}).get("storage", "0")
    if bytes_of(offered) >= bytes_of(requested):
        return None
    says = f"volume {_name(volume)} declares {offered}; claim {_key(claim)} requests {requested}"
    proof = (
        f"{_pv(volume)} spec.capacity.storage: {offered}",
        f"{_pvc(claim)} spec.resources.requests.storage: {requested}",
    )
    return Mismatch("pvc.capacity-exceeds-pv", says, proof)


def _storage_class(claim: Object, volume: Object) -> Mismatch | None:
    offered, requested = storage_class_of(volume), storage_class_of(claim)
    if offered == requested:
        return None
    says = f'volume {_name(volume)} has the storage class "{offered}"; claim {_key(claim)} asks for "{requested}"'
    return Mismatch(
        "pvc.storageclass-mismatch", says, _both(claim, volume, "spec.storageClassName", requested, offered)
    )


def _volume_mode(claim: Object, volume: Object) -> Mismatch | None:
    offered, requested = (_spec(x).get("volumeMode") or "Filesystem" for x in (volume, claim))
    if offered == requested:
        return None
    says = f"volume {_name(volume)} has the volume mode {offered}; claim {_key(claim)} asks for {requested}"
    return Mismatch("pvc.volume-mode-mismatch", says, _both(claim, volume, "spec.volumeMode", requested, offered))


def _access_modes(claim: Object, volume: Object) -> Mismatch | None:
    offered, requested = (list(_spec(x).get("accessModes") or []) for x in (volume, claim))
    if set(requested) <= set(offered):
        return None
    has, wants = ", ".join(offered) or "none", ", ".join(requested)
    says = f"volume {_name(volume)} offers the access modes {has}; claim {_key(claim)} asks for {wants}"
    return Mismatch("pvc.access-mode-mismatch", says, _both(claim, volume, "spec.accessModes", wants, has))


def _selector(claim: Object, volume: Object) -> Mismatch | None:
    selector, labels = _spec(claim).get("selector"), labels_of(volume)
    if selector is None or label_selector_matches(selector, labels):
        return None
    has = ", ".join(f"{key}={value}" for key, value in sorted(labels.items())) or "none"
    wants = _selector_text(selector)
    says = f"volume {_name(volume)} has the labels {has}; the selector of claim {_key(claim)} wants {wants}"
    proof = (f"{_pv(volume)} metadata.labels: {has}", f"{_pvc(claim)} spec.selector: {wants}")
    return Mismatch("pvc.selector-mismatch", says, proof)


def _holder(claim: Object, volume: Object) -> Mismatch | None:
    """Who else holds the volume: a claim that is gone (released), or another claim."""
    reference, phase = _reference(volume), (volume.get("status") or {}).get("phase", "")
    gone = phase in ("Released", "Failed")
    if not reference:
        # The binder's search skips a phase other than Available; with its name it takes the volume all the same.
        return _released(volume, phase, "an earlier claim") if gone and not _names(claim, volume) else None
    holder = f"{reference.get('namespace', '')}/{reference.get('name', '')}"
    if gone or _is_namesake(volume, claim):
        earlier = f"an earlier claim {holder}" if _is_namesake(volume, claim) else f"claim {holder}"
        return _released(volume, phase, f"{earlier} (uid {reference.get('uid', '')})")
    relation = "bound to" if reference.get("uid") else "reserved for"
    says = f"volume {_name(volume)} is {relation} claim {holder}; claim {_key(claim)} needs one that is free"
    return Mismatch("pvc.bound-to-other-claim", says, (f"{_pv(volume)} spec.claimRef: {holder}",))


def _released(volume: Object, phase: str, earlier: str) -> Mismatch:
    says = (
        f"volume {_name(volume)} is {phase or 'held'} and still refers to {earlier}; the binder takes only free volumes"
    )
    reference = _reference(volume)
    proof = [f"{_pv(volume)} status.phase: {phase}"] if phase else []
    if reference:
        named = f"{reference.get('namespace', '')}/{reference.get('name', '')}"
        proof.append(f"{_pv(volume)} spec.claimRef: {named} (uid {reference.get('uid', '')})")
    return Mismatch("pv.released", says, tuple(proof))


def _because(claim: Object, volume: Object) -> tuple[str, ...]:
    """What points from the claim to the volume, in words, strongest first."""
    signs: list[tuple[bool, str]] = [
        (_names(claim, volume), "the claim names it in spec.volumeName"),
        (_is_namesake(volume, claim), "its spec.claimRef names the claim"),
        (_name(volume) == _name(claim), "it has the claim's name"),
        (storage_class_of(volume) == storage_class_of(claim), "it has the claim's storage class"),
        (_is_efs(volume), f"its driver is {EFS_DRIVER}"),
    ]
    return tuple(words for holds, words in signs if holds)


def _is_candidate(claim: Object, candidate: Candidate) -> bool:
    modes = [mismatch.mode for mismatch in candidate.mismatches]
    if _names(claim, candidate.volume) or _is_namesake(candidate.volume, claim):
        return True
    return "pvc.bound-to-other-claim" not in modes and ("pv.released" not in modes or len(modes) == 1)


def _rank(claim: Object, candidate: Candidate) -> tuple[Any, ...]:
    volume, count = candidate.volume, len(candidate.mismatches)
    properties = (storage_class_of(volume) == storage_class_of(claim)) + _is_efs(volume)
    return (
        count > 0,
        not _is_namesake(volume, claim),
        _name(volume) != _name(claim),
        count,
        -properties,
        parse_quantity((_spec(volume).get("capacity") or {}).get("storage", "0")),
        _name(volume),
    )


def _selector_text(selector: Object) -> str:
    labels = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    expressions = (
        f"{e.get('key')} {e.get('operator')} {', '.join(e.get('values') or [])}".strip()
        for e in selector.get("matchExpressions") or []
    )
    return "; ".join((*labels, *expressions))


def _both(claim: Object, volume: Object, field: str, requested: str, offered: str) -> tuple[str, ...]:
    return (f"{_pv(volume)} {field}: {offered}", f"{_pvc(claim)} {field}: {requested}")


def _names(claim: Object, volume: Object) -> bool:
    return bool(_name(volume)) and _spec(claim).get("volumeName") == _name(volume)


def _is_namesake(volume: Object, claim: Object) -> bool:
    """Whether the claimRef has the claim's namespace and name, whatever its uid."""
    reference, metadata = _reference(volume), _metadata(claim)
    return bool(reference) and all(reference.get(k) == metadata.get(k) for k in ("namespace", "name"))


def _is_efs(volume: Object) -> bool:
    return bool((_spec(volume).get("csi") or {}).get("driver") == EFS_DRIVER)


def _reference(volume: Object) -> Object:
    return _spec(volume).get("claimRef") or {}


def _spec(thing: Object) -> Object:
    return thing.get("spec") or {}


def _metadata(thing: Object) -> Object:
    return thing.get("metadata") or {}


def _name(thing: Object) -> str:
    return str(_metadata(thing).get("name", ""))


def _key(claim: Object) -> str:
    return f"{_metadata(claim).get('namespace', '')}/{_name(claim)}"


def _pv(volume: Object) -> str:
    return f"PersistentVolume/{_name(volume)}"


def _pvc(claim: Object) -> str:
    return f"PersistentVolumeClaim/{_key(claim)}"


def is_meant(claim: Object, candidate: Candidate) -> bool:
    """Whether something points from the claim to the volume, or both name the same class."""
    return bool(candidate.because) or storage_class_of(claim) == storage_class_of(candidate.volume)
