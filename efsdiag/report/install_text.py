"""How far an install has come, for people: the claims of its target, and what follows after the first plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from efsdiag.adoption import Reused
from efsdiag.changes import Plan
from efsdiag.model import Check, State, Verdict
from efsdiag.remedy_rules import Remedy
from efsdiag.report.layout import Line, line
from efsdiag.report.text import safe
from efsdiag.target import Standing

SIGNS = {
    State.PASS: ("✓", "good"),
    State.SKIP: ("·", "dim"),
    State.FAIL: ("✗", "bad"),
    State.WAITING: ("…", "dim"),
    State.UNKNOWN: ("?", "warn"),
}


def standing_lines(checks: Iterable[str], verdicts: Mapping[str, Verdict], rules: Mapping[str, Check]) -> list[Line]:
    """One line for each check: whether its claim holds, and today's sentence of it."""
    made: list[Line] = []
    for check in checks:
        sign, style = SIGNS[verdicts[check].state]
        made.append(((f"  {sign} ", style), (rules[check].claim, "")))
        made.append(((f"      {check}: {safe(verdicts[check].says)}", "dim"),))
    return made


def reuse_lines(found: Iterable[Reused]) -> list[Line]:
    """One line for each thing that is there and used; none where there is nothing."""
    lines: list[Line] = [
        (("  reuse ", "good"), (safe(thing.what), ""), (f"   found by {safe(thing.by)}", "dim")) for thing in found
    ]
    return [line("REUSED   what is there already", "title"), *lines, ()] if lines else []


def unread_lines(checks: Iterable[str], verdicts: Mapping[str, Verdict]) -> list[Line]:
    """Why checks could not be looked at, each reason once, with what would mend that; none where there is nothing."""
    reasons = dict.fromkeys((verdicts[c].says, verdicts[c].grant) for c in checks)
    made: list[Line] = [(), line("NOT LOOKED AT", "title")] if reasons else []
    for says, grant in reasons:
        made.append(line(f"  ? {safe(says)}", "warn"))
        made += [line(f"      {safe(grant)}")] if grant else []
    return made


def later_lines(
    plan: Plan,
    now: Standing,
    verdicts: Mapping[str, Verdict],
    rules: Mapping[str, Check],
    remedies: Mapping[str, Remedy],
) -> list[Line]:
    """What the plan does not do yet: the claims that can be looked at, or mended, once it is carried out; and what
    could not be looked at, with what would make it readable.
    """
    covered = {option.check for option in plan.chosen}
    unread = [c for c in now.open if verdicts[c].state is State.UNKNOWN]
    left = [c for c in (*now.wrong, *now.open) if c not in covered and c not in unread]
    made = unread_lines(unread, verdicts)
    made += [(), line("THEN, ONCE IT EXISTS" if plan.changes else "OPEN", "title")] if left else []
    for check in left:
        able = [r.id for r in remedies.values() if set(r.mends) & set(rules[check].modes)]
        by = f"   by {' or '.join(able[:2])}" if able else ""
        made.append(((f"  {rules[check].claim}", ""), (by, "id")))
    if "pod-exists" in left:
        made.append(line("  and before that, a Job writes a line through the claim, reads it back and is taken away"))
    return made


def arrival_lines(now: Standing, report: Mapping[str, Any]) -> list[Line]:
    """What the end of an install says."""
    target = report["target"]
    says = {check["id"]: check["says"] for check in report["checks"]}
    name = f"{target['kind']} {target['namespace']}/{target['name']}"
    return [
        line(f"✓ Prometheus runs with its data on EFS: {safe(name)}", "good"),
        line(f"  {safe(says['pod-ready'])}; {safe(says['data-path-on-volume'])}"),
        line(f"  {len(now.holds)} claims of the target hold", "dim"),
    ]
