"""Claims that wait for a volume made by hand: which volume was meant for them, and what keeps it from them."""

from __future__ import annotations

from typing import Any

from efsdiag.model import Finding
from efsdiag.semantics.binding import Candidate, is_meant, nearest_volumes, storage_class_of
from efsdiag.semantics.claims import Claim, Provisioning, ref_of_claim
from efsdiag.semantics.objects import ref_of

NO_PROVISIONER = "kubernetes.io/no-provisioner"


def what_is_amiss(p: Provisioning, candidates: list[Candidate]) -> list[Finding]:
    """What keeps the nearest volume from the claim; nothing where its class is at fault, or has no object."""
    claim = p.claim
    if (named := claim.spec.get("volumeName")) and not candidates:
        says = f"claim {claim.name} names the volume {named}, which does not exist"
        return [Finding("pvc.no-class-and-no-pv", says, ref_of_claim(claim), proof=(f"spec.volumeName: {named}",))]
    meant = [c for c in candidates if _is_meant(claim, c)] or _only_lead(claim, candidates)
    if meant:
        return [Finding(m.mode, m.says, ref_of_claim(claim), proof=m.proof) for m in meant[0].mismatches]
    if claim.class_name == "":
        says = f"claim {claim.name} wants a volume made by hand, and no volume that is free comes near it"
        return [Finding("pvc.no-class-and-no-pv", says, ref_of_claim(claim), sure=False)]
    if p.provisioner == NO_PROVISIONER:
        says = f"class {claim.class_name} has no provisioner ({NO_PROVISIONER}), and no volume of that class is free"
        return [Finding("storageclass.wrong-provisioner", says, ref_of(p.storage_class or {}), sure=False)]
    return []


def _only_lead(claim: Claim, candidates: list[Candidate]) -> list[Candidate]:
    """The volume that a claim without a class nearly fits, or the only one that it could have meant at all."""
    if claim.class_name != "" or not candidates:
        return []
    if len(candidates[0].mismatches) == 1:
        return candidates[:1]
    like_it = [c for c in candidates if is_meant(claim.object or {}, c)]
    return like_it if len(like_it) == 1 else []


def _is_meant(claim: Claim, candidate: Candidate) -> bool:
    """Whether something points from the claim to this very volume: a name, a claimRef, or a class of its own.

    That a volume is of the EFS driver too, or has no class either, is no such sign; nor is the class of a volume that a
    provisioner made for somebody else. Where the claim names a class, a volume of another class was left by an earlier
    claim of that name, unless the class is all that keeps the two apart.
    """
    volume, reference = candidate.volume, candidate.volume["spec"].get("claimRef") or {}
    if candidate.name == claim.spec.get("volumeName"):
        return True
    modes = {mismatch.mode for mismatch in candidate.mismatches}
    if claim.class_name and "pvc.storageclass-mismatch" in modes and len(modes) > 1:
        return False
    if candidate.name == claim.name:
        return True
    if (reference.get("namespace"), reference.get("name")) == (claim.namespace, claim.name):
        return True
    by_hand = "pv.kubernetes.io/provisioned-by" not in (volume["metadata"].get("annotations") or {})
    return by_hand and bool(claim.class_name) and storage_class_of(volume) == claim.class_name


def is_for_a_volume_by_hand(claim: Claim, volumes: list[dict[str, Any]] | None) -> bool:
    """Whether a volume made by hand fits the claim or was meant for it: then its class needs no object.

    The binder compares strings only: a volume of the same class string will do without any class object.
    """
    candidates = nearest_volumes(claim.object or {}, volumes or [])
    return any(not c.mismatches or _is_meant(claim, c) for c in candidates)
