"""The sections of a page about other runs and other people: what changed, and what is suppressed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from efsdiag.report.layout import Item, Section, line
from efsdiag.report.refs import ref_in
from efsdiag.report.sheet import Sheet


class Since(Sheet):
    """A sheet that can tell `changes`, `suppressed` and `expiredSuppressions` of a HealthReport."""

    def _changes(self, report: Mapping[str, Any]) -> Section:
        changes = report.get("changes")
        if not changes:
            return Section((), [])
        if not changes["since"]:
            return Section((), [(line("the first run with this state file", "dim"),)])
        names = {"new": "new", "ongoing": "ongoing", "resolved": "resolved", "incomparable": "not comparable"}
        counts = ", ".join(f"{len(changes[key])} {name}" for key, name in names.items())
        items = [self._told("✓ over   ", "good", f"{e['id']}: {e['summary']}") for e in changes["resolved"]]
        items += [self._told("? unknown", "warn", f"{e['id']}: {e['why']}") for e in changes["incomparable"]]
        return Section(line(f"SINCE {self._text(changes['since'])}: {counts}", "title"), items or [()])

    def _suppressed(self, report: Mapping[str, Any]) -> Section:
        items = [
            self._told("‼ expired", "warn", f"{e['id']} on {e['object']}, until {e['expires']}: {e['reason']}")
            for e in report.get("expiredSuppressions", ())
        ]
        for e in report.get("suppressed", ()):
            text = f"{e['id']} on {ref_in(e['object'])}, until {e['expires']}: {e['reason']}"
            items.append(self._told("· held   ", "dim", text))
        return Section(line("SUPPRESSED", "title"), items)

    def _told(self, mark: str, style: str, text: str) -> Item:
        lines = self._hanging(text, self._wide(mark) + 4, most=2)
        return ((("  ", ""), (mark, style), (f"  {lines[0]}", "")), *(line(own) for own in lines[1:]))
