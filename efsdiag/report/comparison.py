"""What changed between two looks: new, ongoing, resolved, and what cannot be compared. Pure functions over documents.

A finding that is gone is resolved only where somebody looked for it again. Where its check was unknown this time, or
one of its workloads was not looked at, nobody knows, and it is incomparable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from efsdiag.model import Ref
from efsdiag.report.fingerprint import fingerprint
from efsdiag.report.refs import ref_in

CAUSE, LATENT, SUPPRESSED = "cause", "latent", "suppressed"
"""The parts that a finding can play in a document."""


@dataclass(frozen=True)
class Finding:
    """One entry of rootCauses, latent or suppressed, with what is needed to look for it again."""

    fingerprint: str
    id: str
    role: str
    check: str
    """The check that failed; "" in what was suppressed."""
    summary: str
    object: Mapping[str, str] | None
    targets: tuple[Ref, ...] = ()
    """The workloads that it was found for, the first ones."""
    target_count: int = 0
    scope: Mapping[str, Any] | None = None
    """The scope of the look that found it; None for that of a single target."""

    @property
    def all_named(self) -> bool:
        """Whether `targets` are all workloads that it was found for."""
        return self.target_count <= len(self.targets)


@dataclass(frozen=True)
class Unseen:
    """Why nobody can say whether a finding is still there."""

    why: str
    asked: bool
    """False where the later look was not to look there: its scope is another one."""


@dataclass(frozen=True)
class Changes:
    """The findings of two looks, by what became of them; causes stand first, sorted by id and fingerprint."""

    new: tuple[Finding, ...]
    ongoing: tuple[Finding, ...]
    resolved: tuple[Finding, ...]
    incomparable: tuple[tuple[Finding, Unseen], ...]


def findings_of(document: Mapping[str, Any]) -> list[Finding]:
    """The findings of a HealthReport or a Diagnosis, each fingerprint once: as a cause before as something latent."""
    found: dict[str, Finding] = {}
    for role, key in ((CAUSE, "rootCauses"), (LATENT, "latent"), (SUPPRESSED, "suppressed")):
        for item in document.get(key, ()):
            finding = _finding(item, role, document)
            found.setdefault(finding.fingerprint, finding)
    return sorted(found.values(), key=_order)


def compared(before: Iterable[Finding], document: Mapping[str, Any]) -> Changes:
    """What became of the findings of `before` in the document, and which of the document's are new.

    A cause that was only latent before, or was suppressed, is new. What is suppressed now is known to be there, and is
    named nowhere.
    """
    earlier = {finding.fingerprint: finding for finding in before}
    present = {finding.fingerprint: finding for finding in findings_of(document)}
    new: list[Finding] = []
    ongoing: list[Finding] = []
    for finding in present.values():
        was = earlier.get(finding.fingerprint)
        if finding.role == SUPPRESSED:
            continue
        worse = was is not None and was.role != finding.role and finding.role == CAUSE
        again = was is not None and was.role == SUPPRESSED
        (new if was is None or worse or again else ongoing).append(finding)
    gone = sorted((f for f in earlier.values() if f.fingerprint not in present and f.role != SUPPRESSED), key=_order)
    seen = [(finding, unseen(finding, document)) for finding in gone]
    return Changes(
        tuple(new),
        tuple(ongoing),
        tuple(finding for finding, why in seen if why is None),
        tuple((finding, why) for finding, why in seen if why is not None),
    )


def changes_document(changes: Changes, since: str | None) -> dict[str, Any]:
    """The part `changes` of a HealthReport. What stands in the report itself is named by its fingerprint alone."""
    return {
        "since": since,
        "new": sorted(finding.fingerprint for finding in changes.new),
        "ongoing": sorted(finding.fingerprint for finding in changes.ongoing),
        "resolved": [told(finding) for finding in changes.resolved],
        "incomparable": [
            {"fingerprint": finding.fingerprint, "id": finding.id, "summary": finding.summary, "why": why.why}
            for finding, why in changes.incomparable
        ],
    }


def told(finding: Finding) -> dict[str, Any]:
    """What is said of a finding that stands nowhere else."""
    return {
        "fingerprint": finding.fingerprint,
        "id": finding.id,
        "summary": finding.summary,
        "object": dict(finding.object) if finding.object else None,
    }


def unseen(finding: Finding, document: Mapping[str, Any]) -> Unseen | None:
    """Why the look that made the document says nothing of the finding; None where it would have seen it."""
    return _out_of_scope(finding, document) or _not_listed(finding, document) or _unknown(finding, document)


def _finding(item: Mapping[str, Any], role: str, document: Mapping[str, Any]) -> Finding:
    targets = item.get("targets")
    if targets is None and "target" in document:  # a Diagnosis is about one
        targets = [document["target"]]
    targets = targets or []
    thing = item.get("object")
    return Finding(
        item.get("fingerprint") or _fingerprint(item["id"], thing),
        item["id"],
        role,
        item.get("check", ""),
        item["summary"],
        thing,
        tuple(ref_in(target) for target in targets),
        item.get("targetCount", len(targets)),
        document.get("scope"),
    )


def _fingerprint(mode: str, thing: Mapping[str, str] | None) -> str:
    return fingerprint(mode, ref_in(thing))


def _order(finding: Finding) -> tuple[bool, str, str]:
    return finding.role != CAUSE, finding.id, finding.fingerprint


def _out_of_scope(finding: Finding, document: Mapping[str, Any]) -> Unseen | None:
    earlier, later = finding.scope or {}, document.get("scope") or {}
    if not later or earlier == later:
        return None
    selector = later.get("selector") or ""
    if selector and selector != (earlier.get("selector") or ""):
        return Unseen(f"only what is labelled {selector} was looked at", False)
    if later.get("allNamespaces"):
        return None
    within = set(later.get("namespaces") or ())
    out = {target.namespace for target in finding.targets} - within
    if out:
        return Unseen(f"namespace {', '.join(sorted(out))} was not looked at", False)
    return None if finding.all_named else Unseen(f"only namespace {', '.join(sorted(within))} was looked at", False)


def _not_listed(finding: Finding, document: Mapping[str, Any]) -> Unseen | None:
    coverage = document.get("coverage") or {}
    missing = (document.get("workloads") or {}).get("notLooked") or 0
    if coverage.get("timedOut"):
        return Unseen("the time was over before everything was looked at", True)
    if missing:
        return Unseen(f"workloads that were not looked at: {missing}", True)
    for list_ in coverage.get("unlisted", ()):
        if not finding.all_named or any(_hides(list_, target) for target in finding.targets):
            return Unseen(f"{list_['operation']} could not be asked: {list_['reason']}", True)
    return None


def _hides(list_: Mapping[str, str], target: Ref) -> bool:
    """Whether the workload can be missing because this list is: that of pods shows all, others their own kind."""
    listed = list_["operation"].rpartition(" ")[2]
    kinds = ("pods", "namespaces", f"{target.kind.lower()}s", f"{target.kind.lower()}es")
    return list_["namespace"] in ("", target.namespace) and listed in kinds


def _unknown(finding: Finding, document: Mapping[str, Any]) -> Unseen | None:
    """Whether the finding's check was unknown for one of its workloads, or for some that nobody names."""
    entries = [*document.get("suspects", ()), *document.get("notChecked", ())]
    about = [entry for entry in entries if entry["check"] == finding.check]
    if not about and finding.check not in (document.get("coverage") or {}).get("unknownChecks", ()):
        return None
    if about and finding.all_named and all(_names_others(e, finding) for e in about):
        return None
    why = next((entry["reason"] for entry in about if entry.get("reason")), "")
    return Unseen(f"{finding.check} could not be looked at{': ' if why else ''}{why}", True)


def _names_others(entry: Mapping[str, Any], finding: Finding) -> bool:
    """Whether the entry says of which workloads it is, all of them, and the finding has none of these."""
    targets = entry.get("targets")
    whole = targets is not None and entry.get("targetCount", 0) <= len(targets)
    return whole and not {ref_in(target) for target in targets or ()} & set(finding.targets)
