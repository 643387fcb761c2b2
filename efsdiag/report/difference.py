"""Two reports side by side, as the document of kind Diff and as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from efsdiag.report.comparison import CAUSE, Changes, Finding, compared, findings_of, told, unseen
from efsdiag.report.layout import Item, Section, joined, line
from efsdiag.report.refs import ref_in
from efsdiag.report.sheet import Sheet
from efsdiag.report.terminal import Look, painted

KIND = "Diff"
NEW, NOT_COMPARABLE = 1, 3


def difference(before: Mapping[str, Any], after: Mapping[str, Any], fail_on_new: bool) -> dict[str, Any]:
    """The Diff document of two reports of one kind.

    What the later one found is new only where the earlier one looked for it. The exit code is 0, or with `fail_on_new`
    1 where a root cause is new, and 3 where something is not comparable, so that nobody knows.
    """
    changes = compared(findings_of(before), after)
    known = {finding.fingerprint for finding in findings_of(before)}
    hidden = {
        finding.fingerprint: why
        for finding in changes.new
        if finding.fingerprint not in known and (why := unseen(finding, before))
    }
    new = [finding for finding in changes.new if finding.fingerprint not in hidden]
    incomparable = [{**_entry(finding), "why": f"after: {why.why}"} for finding, why in changes.incomparable]
    incomparable += [
        {**_entry(finding), "why": f"before: {hidden[finding.fingerprint].why}"}
        for finding in changes.new
        if finding.fingerprint in hidden
    ]
    code = 0
    if fail_on_new:
        code = NEW if any(f.role == CAUSE for f in new) else NOT_COMPARABLE if incomparable else 0
    return {
        "apiVersion": after["apiVersion"],
        "kind": KIND,
        "exitCode": code,
        "before": _report(before),
        "after": _report(after),
        "changes": _lists(changes, new, incomparable),
    }


def difference_text(document: Mapping[str, Any], look: Look) -> str:
    """The Diff for people at a terminal; what goes on is only counted without -v."""
    return painted(joined(_Page(look).sections(document), "..." if look.ascii else "…"), look)


def _lists(changes: Changes, new: Iterable[Finding], incomparable: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "new": [_entry(finding) for finding in new],
        "ongoing": [_entry(finding) for finding in changes.ongoing],
        "resolved": [_entry(finding) for finding in changes.resolved],
        "incomparable": sorted(incomparable, key=lambda e: (e["role"] != CAUSE, e["id"], e["fingerprint"])),
    }


def _entry(finding: Finding) -> dict[str, Any]:
    return {**told(finding), "role": finding.role}


def _report(document: Mapping[str, Any]) -> dict[str, Any]:
    at = document.get("checkedAt") or document.get("now")
    return {"kind": document["kind"], "status": document["status"], "at": at}


_TITLES = {
    "new": ("NEW", "✗", "bad"),
    "incomparable": ("NOT COMPARABLE", "?", "warn"),
    "resolved": ("RESOLVED", "✓", "good"),
    "ongoing": ("ONGOING", "·", "dim"),
}


class _Page(Sheet):
    def __init__(self, look: Look) -> None:
        super().__init__(look.width, look.verbose, look.ascii)

    def sections(self, document: Mapping[str, Any]) -> list[Section]:
        reports = [document["before"], document["after"]]
        head = " → ".join(f"{self._text(r['status'])} ({self._text(r['at'])})" for r in reports)
        made = [Section((), [(line(head, "title"),)])]
        for key, (title, mark, style) in _TITLES.items():
            entries = document["changes"][key]
            section = Section(line(f"{title} {len(entries)}", "title"), [self._item(e, mark, style) for e in entries])
            if key == "ongoing" and not self.verbose:
                section.shown = 0
            made.append(section)
        if len(made) == 1 + sum(not document["changes"][key] for key in _TITLES):
            made.append(Section((), [(line("neither report has a finding"),)]))
        return made

    def _item(self, entry: Mapping[str, Any], mark: str, style: str) -> Item:
        latent = "" if entry["role"] == CAUSE else f"   {entry['role']}"
        title = ((f"  {mark} ", style), (self._text(entry["id"]), "id"), (f"{latent}   {entry['fingerprint']}", "dim"))
        lines = self._block(entry["summary"], indent=4, most=2)
        if entry["object"]:
            lines += self._block(f"on {ref_in(entry['object'])}", indent=4, most=1)
        if "why" in entry:
            lines += self._block(entry["why"], "dim", indent=4, most=2)
        return (title, *lines)
