"""The sections of a terminal report, from its plain data. Widths are in columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from efsdiag.report.grouped import not_looked_at, ruled_out
from efsdiag.report.layout import Item, Line, Section, line
from efsdiag.report.sheet import Sheet
from efsdiag.report.text import wrapped

_WORDS = {
    "pass": ("✓ pass", "good"),
    "fail": ("✗ fail", "bad"),
    "unknown": ("? unknown", "warn"),
    "waiting": ("… waiting", "dim"),
    "skip": ("– skip", "dim"),
}
_HEADS = {
    "healthy": ("✓ healthy", "good"),
    "diagnosed": ("✗ cause found", "bad"),
    "inconclusive": ("? no cause found in what could be checked", "warn"),
}
_LONGEST_CHAIN = 5


@dataclass
class Page(Sheet):
    """One report, laid out for a width. After `sections`, `cuts` says what to leave out first."""

    report: Mapping[str, Any]
    width: int
    verbose: bool
    ascii: bool
    cuts: list[tuple[Section, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(self.width, self.verbose, self.ascii)
        self.checks = {check["id"]: check for check in self.report["checks"]}

    def sections(self) -> list[Section]:
        """All sections in the order in which they are read; those without items print nothing."""
        head, deepest, end = self._head(), self._deepest(), self._end()
        causes = [self._cause(at, cause) for at, cause in enumerate(self.report["rootCauses"])]
        further = Section((), [item for section in causes[1:] for item in self._short(section)], "more root causes")
        ruled_out, latent, suspects = self._ruled_out(), self._latent(), self._suspects()
        fixes, commands, checks = self._fixes(), self._commands(), self._all_checks()
        rare = ((further, 2), (latent, 3), (suspects, 2), (commands, 2), (fixes, 2), (ruled_out, 1))
        rarer = ((latent, 1), (suspects, 1), (further, 1), (fixes, 1), (commands, 1), (ruled_out, 0))
        rarest = ((latent, 0), (further, 0), (suspects, 0), (deepest, 1))
        self.cuts = [(ruled_out, 2), *rare, *rarer, *rarest]
        shown = causes if self.verbose else [*causes[:1], further]
        between = [*shown, deepest, ruled_out, latent, suspects, fixes, commands, checks]
        if not any(section.items for section in between):
            return [Section((), [*head.items, *end.items])]
        return [head, *between, end]

    def _head(self) -> Section:
        target = self.report["target"]
        word, style = _HEADS[self.report["status"]]
        name = f"{target['kind']} {target['namespace']}/{target['name']}"
        if self.report["status"] == "healthy":
            name = f"{name}: {target['says']}"
        lines: list[Line] = [((word, style), (f"   {self._clip(name, self.width - self._wide(word) - 3)}", "title"))]
        if self.report["status"] != "healthy":
            lines += self._block(target["says"], most=2)
        if self.report["note"]:
            lines += self._block(self.report["note"], style="dim", most=1)
        return Section((), [tuple(lines)])

    def _cause(self, at: int, cause: Mapping[str, Any]) -> Section:
        count = len(self.report["rootCauses"])
        title: Line = (
            (f"ROOT CAUSE {at + 1} of {count}", "title"),
            (f"   {self._text(cause['id'])}", "id"),
            (f"   {cause['confidence']}", "bad" if cause["confidence"] == "confirmed" else "warn"),
        )
        lines = self._block(cause["summary"], most=3)
        lines += self._block(f"on {named(cause['object'])}", most=1)
        if cause["unverified"]:
            lines += self._block(f"likely only: nobody looked at {', '.join(cause['unverified'])}", "warn", most=1)
        return Section(title, [(*lines, *self._chain(cause["chain"])), *self._evidence(cause)])

    def _short(self, section: Section) -> list[Item]:
        """A further cause without its chain: its title and the first lines of its sentence."""
        return [(section.title, *section.items[0][:2])]

    def _chain(self, chain: Sequence[str]) -> list[Line]:
        """The checks from the cause to the target, each as the truth that was expected."""
        steps: list[str | None] = list(chain)
        if len(steps) > _LONGEST_CHAIN and not self.verbose:
            steps = [*steps[:2], None, *steps[-2:]]
        lines: list[Line] = []
        for at, id_ in enumerate(steps):
            arrow = f"  {'   ' * (at - 1)}└▶ " if at else "  "
            if id_ is None:
                lines.append(line(f"{arrow}{self.etc} {len(chain) - 4} more steps (-v)", "dim"))
                continue
            word, style = _WORDS[self.checks[id_]["state"]]
            indent = self._wide(f"{arrow}{word}  ")
            claim = self._hanging(f"{self.checks[id_]['claim']}   {id_}", indent, most=1 if at else 2)
            lines.append(((arrow, "dim"), (word, style), (f"  {claim[0]}", "")))
            lines += [line(own) for own in claim[1:]]
        return lines

    def _evidence(self, cause: Mapping[str, Any]) -> list[Item]:
        if not self.verbose:
            return []
        lines: list[Line] = []
        for seen in cause["evidence"]:
            lines += self._block(f"seen at {seen['check']}: {seen['says']}", "dim")
            lines += [own for text in seen["proof"] for own in self._block(text, indent=4)]
            lines += [own for query in seen["queries"] for own in self._block(_asked(query), "dim", indent=4)]
        return [tuple(lines)]

    def _deepest(self) -> Section:
        """Where no cause can be named: how far the pod came."""
        if self.report["rootCauses"]:
            return Section((), [])
        items = []
        for id_ in self.report["deepest"]:
            check = self.checks[id_]
            word, style = _WORDS[check["state"]]
            claim: Line = (("  ", ""), (word, style), (f"  {self._clip(check['claim'], self.width - 12)}", ""))
            items.append((claim, *self._block(check["says"], indent=4, most=2)))
        return Section(line("THE DEEPEST THING SEEN", "title"), items)

    def _ruled_out(self) -> Section:
        if self.report["status"] == "healthy" and not self.verbose:
            return Section((), [])
        items: list[Item] = []
        for by, checks in ruled_out(self.report):
            items.append(tuple(self._listing(f"{by} holds, so not:" if by else "seen to hold:", checks)))
        return Section(line("RULED OUT", "title"), items)

    def _listing(self, text: str, checks: Sequence[str]) -> list[Line]:
        """A sentence and as many names as fit into two lines (all of them with -v)."""
        start = f"{text} "
        whole = wrapped(self._text(start + ", ".join(checks)), self.width - 2)
        shown = len(checks)
        while not self.verbose and len(whole) > 2 and shown > 1:
            shown -= 1
            names = ", ".join(checks[:shown])
            whole = wrapped(self._text(f"{start}{names}, {self.etc} {len(checks) - shown} more"), self.width - 2)
        return [line(f"  {own}") for own in whole]

    def _latent(self) -> Section:
        items: list[Item] = []
        for item in self.report["latent"]:
            by = f" (cleared by {', '.join(item['clearedBy'])})" if item["clearedBy"] else ""
            mark, style = ("· risk ", "dim") if item["kind"] == "risk" else ("‼ wrong", "warn")
            lines = self._hanging(f"{item['id']}: {item['summary']}{by}", self._wide(mark) + 4, most=2)
            items.append(((("  ", ""), (mark, style), (f"  {lines[0]}", "")), *(line(own) for own in lines[1:])))
        healthy = self.report["status"] == "healthy"
        return Section(line("WRONG, BUT NOT IN THE WAY" if healthy else "WRONG, BUT NOT THE CAUSE", "title"), items)

    def _suspects(self) -> Section:
        """What could not be looked at; what follows from one and the same refusal together, behind a cause first."""
        items: list[Item] = []
        for reason, grant, checks in not_looked_at(self.report):
            several = len(checks) > 1 and not self.verbose
            named = f"{checks[0]} and {len(checks) - 1} more" if several else ", ".join(checks)
            lines = self._hanging(f"{named}: {reason}", 13, most=2)
            item: Item = ((("  ", ""), _WORDS["unknown"], (f"  {lines[0]}", "")), *(line(own) for own in lines[1:]))
            # What to grant stands alone on its line, to be copied.
            items.append((*item, line(f"  {self._text(grant)}", "command")) if grant else item)
        return Section(line("NOT LOOKED AT", "title"), items)

    def _fixes(self) -> Section:
        items: list[Item] = []
        for cause in self.report["rootCauses"][: None if self.verbose else 1]:
            for remedy in cause["remedies"]:
                kept = "" if remedy["reversible"] else ", not reversible"
                items.append(tuple(self._block(f"{remedy['text']} (risk: {remedy['risk']}{kept})", most=2)))
        return Section(line("WHAT MENDS IT", "title"), items)

    def _commands(self) -> Section:
        commands = dict.fromkeys(
            command for cause in self.report["rootCauses"][: None if self.verbose else 1] for command in cause["byHand"]
        )
        items = [(line(f"  {self._text(command)}", "command"),) for command in commands]
        return Section(line("WHAT SHOWS IT BY HAND", "title"), items)

    def _all_checks(self) -> Section:
        if not self.verbose:
            return Section((), [])
        items: list[Item] = []
        for check in self.report["checks"]:
            word, style = _WORDS[check["state"]]
            lines = self._hanging(f"{check['id']}: {check['says']}", 13)
            items.append(((("  ", ""), (f"{word:<11}", style), (lines[0], "")), *(line(own) for own in lines[1:])))
        return Section(line("ALL CHECKS", "title"), items)

    def _end(self) -> Section:
        totals, usage = self.report["totals"], self.report["usage"]
        states = ", ".join(f"{totals[state]} {state}" for state in _WORDS if totals[state])
        took = f" · {usage['durationMs'] / 1000:.1f} s" if usage["durationMs"] is not None else ""
        requests = f"{usage['requests']} request{'' if usage['requests'] == 1 else 's'}"
        lines = [
            *self._block(where(self.report), "dim", indent=0, most=1 if self.report["status"] == "healthy" else 2),
            *self._block(f"{totals['checks']} checks: {states} · {requests}{took}", indent=0, most=1),
            *([] if self.report.get("changed") else [line("Nothing was changed.")]),
        ]
        return Section((), [tuple(lines)])


def named(thing: Mapping[str, str]) -> str:
    """ "Deployment kube-system/efs-csi-controller"."""
    return f"{thing['kind']} {'/'.join(p for p in (thing.get('namespace', ''), thing['name']) if p)}"


def _asked(query: Mapping[str, Any]) -> str:
    given: Iterable[tuple[str, Any]] = query["parameters"].items()
    values = (f"{name}={value if isinstance(value, str) else ','.join(value)}" for name, value in given)
    return f"read {query['operation']} {' '.join(values)}".strip()


def where(report: Mapping[str, Any]) -> str:
    """The line that says what was looked at: context, account, region and who says so, version, source and time."""
    environment = report["environment"]
    region = environment["region"]
    if region and environment["regionFrom"]:
        region = f"{region} (from {environment['regionFrom']})"
    account = f"account {environment['account']}" if environment["account"] else None
    context = f"context {environment['context']}" if environment["context"] else None
    taken = (
        f"{'recorded' if environment['source'] == 'bundle' else 'looked at'} {report.get('now') or report['checkedAt']}"
    )
    return " · ".join(p for p in (context, account, region, environment["kubernetesVersion"], taken) if p)
