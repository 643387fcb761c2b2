"""A HealthReport for people at a terminal: the answer first, one block for each cause, at most 40 lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from efsdiag.report.by_hand import filled
from efsdiag.report.layout import Item, Line, Section, fit, joined, line
from efsdiag.report.refs import how_many
from efsdiag.report.sections import named, where
from efsdiag.report.since import Since
from efsdiag.report.terminal import MOST_LINES, Look, painted

_HEADS = {
    "healthy": ("✓ healthy", "good"),
    "diagnosed": ("✗ cause found", "bad"),
    "inconclusive": ("? no cause found in what could be checked", "warn"),
}
ONLY_SUPPRESSED = "nothing but what is suppressed"
_STATES = ("pass", "fail", "unknown", "waiting", "skip")


def health_page(report: Mapping[str, Any], look: Look) -> str:
    """The report as text that ends in a newline."""
    page = HealthPage(report, look.width, look.verbose, look.ascii)
    made = page.sections()
    if not look.verbose:
        fit(made, page.cuts, MOST_LINES, page.etc)
    return painted(joined(made, page.etc), look)


class HealthPage(Since):
    """The sections of one HealthReport. After `sections`, `cuts` says what to leave out first."""

    def __init__(self, report: Mapping[str, Any], width: int, verbose: bool, ascii: bool) -> None:
        super().__init__(width, verbose, ascii)
        self.report = report
        self.cuts: list[tuple[Section, int]] = []

    def sections(self) -> list[Section]:
        """All sections in the order in which they are read; those without items print nothing."""
        causes, unexplained = self._causes(), self._unexplained()
        latent, missing = self._latent(), self._missing()
        changes, held = self._changes(self.report), self._suppressed(self.report)
        self.cuts = [(latent, 3), (missing, 4), (held, 3), (changes, 3), (causes, 4), (unexplained, 3)]
        self.cuts += [(latent, 1), (missing, 2), (causes, 2), (unexplained, 1), (latent, 0), (causes, 1), (missing, 1)]
        self.cuts += [(held, 1), (changes, 1)]
        return [self._head(), causes, unexplained, changes, missing, latent, held, self._further(), self._end()]

    def _head(self) -> Section:
        word, style = _HEADS[self.report["status"]]
        if only_suppressed(self.report):
            word = f"✓ {ONLY_SUPPRESSED}"
        found = len(self.report["rootCauses"])
        if found > 1:
            word = f"✗ {found} causes found"
        text = self._clip(counted(self.report), self.width - self._wide(word) - 3)
        return Section((), [(((word, style), (f"   {text}", "title")), *self._block(self._scope(), "dim", most=1))])

    def _scope(self) -> str:
        scope = self.report["scope"]
        names = ", ".join(scope["namespaces"])
        spaces = (
            "all namespaces" if scope["allNamespaces"] else f"namespace{'s' * (len(scope['namespaces']) > 1)} {names}"
        )
        return f"{spaces}, pods with {scope['selector']}" if scope["selector"] else spaces

    def _causes(self) -> Section:
        causes = self.report["rootCauses"]
        new = (self.report.get("changes") or {"new": ()})["new"]
        items: list[Item] = []
        for at, cause in enumerate(causes):
            title: Line = (
                (f"ROOT CAUSE {at + 1} of {len(causes)}", "title"),
                (f"   {self._text(cause['id'])}", "id"),
                (f"   {cause['confidence']}", "bad" if cause["confidence"] == "confirmed" else "warn"),
                (f"   {cause['fingerprint']}", "dim"),
                ("   new" if cause["fingerprint"] in new else "", "bad"),
            )
            lines = [title, *self._block(cause["summary"], most=2)]
            lines += self._block(f"on {named(cause['object'])}", most=1)
            lines += self._block(self._stopped(cause), most=2)
            for remedy in cause["remedies"][: None if self.verbose else 1]:
                lines += self._block(f"mend: {remedy['text']} (risk: {remedy['risk']})", most=2)
            if self.verbose:
                lines += self._proof(cause)
            items.append((*(((),) if items else ()), *lines))
        return Section((), items, "more root causes")

    def _proof(self, cause: Mapping[str, Any]) -> list[Line]:
        seen = [text for step in cause["evidence"] for text in (step["says"], *step["proof"])]
        lines = [own for text in dict.fromkeys(seen) for own in self._block(text, "dim", indent=4)]
        return lines + [line(f"  {self._text(command)}", "command") for command in cause["byHand"]]

    def _stopped(self, entry: Mapping[str, Any]) -> str:
        """ "60 pods of 12 workloads: Deployment monitoring/prometheus-server, …"."""
        return f"{how_many(entry)}: {self._named(entry['targets'], entry['targetCount'])}"

    def _named(self, targets: Sequence[Mapping[str, Any]], count: int) -> str:
        shown = targets if self.verbose else targets[:3]
        more = f", {self.etc} {count - len(shown)} more" if count > len(shown) else ""
        return ", ".join(named(target) for target in shown) + more

    def _unexplained(self) -> Section:
        items = [
            self._entry("? unknown", f"{self._stopped(entry)}: {entry['summary']}")
            for entry in self.report["unexplained"]
        ]
        return Section(line("NOT WELL, WITHOUT A CAUSE THAT COULD BE SEEN", "title"), items)

    def _missing(self) -> Section:
        """What could not be looked at, what is behind a workload that is not well first; what to grant on a line."""
        items: list[Item] = []
        if left := self.report["workloads"]["notLooked"]:
            items.append(self._entry("? unknown", f"{left} workload{'s' * (left != 1)}: the time was over"))
        items += [self._unlooked(entry) for entry in self.report["suspects"]]
        groups: dict[str, list[Mapping[str, str]]] = {}
        for missed in self.report["coverage"]["unlisted"]:
            groups.setdefault(missed["operation"], []).append(missed)
        for operation, group in groups.items():
            names = ", ".join(m["namespace"] for m in group if m["namespace"])
            text = f"{operation.removeprefix('kube:')}{f' in {names}' if names else ''}: {group[0]['reason']}"
            grants = list(dict.fromkeys(m["grant"] for m in group if m["grant"]))
            shown = grants if self.verbose else grants[:1]
            left = f" (and {len(grants) - len(shown)} more: -v)" if len(shown) < len(grants) else ""
            items.append(self._with_grants(text, [f"{grant}{left}" for grant in shown]))
        if self.verbose:
            items += [self._unlooked(entry) for entry in self.report["notChecked"]]
        return Section(line("NOT LOOKED AT", "title"), items)

    def _unlooked(self, entry: Mapping[str, Any]) -> Item:
        return self._with_grant(f"{entry['check']} ({how_many(entry)}): {entry['reason']}", entry["grant"])

    def _with_grant(self, text: str, grant: str) -> Item:
        return self._with_grants(text, [grant] if grant else [])

    def _with_grants(self, text: str, grants: Sequence[str]) -> Item:
        return (*self._entry("? unknown", text), *(line(f"  {self._text(grant)}", "command") for grant in grants))

    def _latent(self) -> Section:
        """What is wrong and in nobody's way, each mode once unless all is asked for."""
        groups: dict[Any, list[Mapping[str, Any]]] = {}
        for at, entry in enumerate(self.report["latent"]):
            groups.setdefault(at if self.verbose else entry["id"], []).append(entry)
        items = []
        for first, *others in groups.values():
            mark = "· risk " if first["kind"] == "risk" else "‼ wrong"
            more = f", and on {len(others)} more objects" if len(others) > 1 else ", and on another object"
            of = f"{how_many(first)}{more if others else ''}"
            items.append(self._entry(mark, f"{first['id']} ({of}): {first['summary']}"))
        healthy = self.report["status"] == "healthy"
        return Section(line("WRONG, BUT NOT IN THE WAY" if healthy else "WRONG, BUT NOT THE CAUSE", "title"), items)

    def _entry(self, mark: str, text: str) -> Item:
        style = {"‼ wrong": "warn", "? unknown": "warn"}.get(mark, "dim")
        lines = self._hanging(text, self._wide(mark) + 4, most=2)
        return ((("  ", ""), (mark, style), (f"  {lines[0]}", "")), *(line(own) for own in lines[1:]))

    def _end(self) -> Section:
        totals, usage = self.report["totals"], self.report["usage"]
        states = ", ".join(f"{totals[state]} {state}" for state in _STATES if totals[state])
        took = f" · {usage['durationMs'] / 1000:.1f} s" if usage["durationMs"] is not None else ""
        checks = f"{totals['checks']} checks: {states}" if totals["checks"] else "no check was made"
        lines = [
            *self._block(where(self.report), "dim", indent=0, most=2),
            *self._block(f"{checks} · {usage['requests']} requests{took}", indent=0, most=1),
        ]
        return Section((), [tuple(lines)])

    def _further(self) -> Section:
        """The command that shows the chain and the proof of the first thing that is wrong."""
        found = [*self.report["rootCauses"], *self.report["unexplained"]]
        target = found[0]["targets"][0] if found else {}
        if not target.get("pod"):
            return Section((), [])
        recorded = " --bundle <bundle>" if self.report["environment"]["source"] == "bundle" else ""
        command = filled(f"efsdiag why pod/<pod> -n <namespace>{recorded}", target)
        return Section(line("WHAT SHOWS THE PROOF", "title"), [(line(f"  {self._text(command)}", "command"),)])


def only_suppressed(report: Mapping[str, Any]) -> bool:
    """Whether workloads are not well, and all that is in their way is suppressed."""
    return report["status"] == "healthy" and bool(report["workloads"]["diagnosed"])


def counted(report: Mapping[str, Any]) -> str:
    """How many workloads with storage there are, and how they are."""
    counts, incomplete = report["workloads"], report["coverage"]["incomplete"]
    total = counts["looked"] + counts["notLooked"]
    ill = counts["diagnosed"] + counts["inconclusive"]
    if not total:
        return "no workload with storage could be seen" if incomplete else "there is no workload with storage"
    if ill:
        return f"{ill} of {total} workloads with storage {'is' if ill == 1 else 'are'} not well"
    return f"{counts['healthy']} of {total} workloads with storage {'is' if total == 1 else 'are'} well"
