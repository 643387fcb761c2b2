"""Entries of a report that are told together, because one and the same thing shows or hides them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from efsdiag.report.graph import ids_behind


def ruled_out(report: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """The checks that cannot be the reason, by what shows it; last, under "", those that were seen to hold themselves.

    What tells most comes first: the more checks lie behind one, the further the pod has come that passes it.
    """
    checks = {check["id"]: check for check in report["checks"]}
    groups: dict[str, list[str]] = {}
    for entry in report["ruledOut"]:
        groups.setdefault(_shown_by(entry, checks), []).append(entry["check"])
    own = groups.pop("", [])
    blocks = {id_: check["blocks"] for id_, check in checks.items()}
    order = sorted(groups.items(), key=lambda g: (-len(g[1]), -len(ids_behind(blocks, g[0])), g[0]))
    return [*order, *([("", own)] if own else [])]


def _shown_by(entry: Mapping[str, Any], checks: Mapping[str, Any]) -> str:
    """What clears a check: what was found past it, or the milestone that it blocks and that was reached."""
    others = [by for by in entry["by"] if by != entry["check"]]
    reached = [b for b in checks[entry["check"]]["blocks"] if checks[b]["milestone"] and checks[b]["state"] == "pass"]
    return str((others or reached or [""])[0])


def not_looked_at(report: Mapping[str, Any]) -> list[tuple[str, str, list[str]]]:
    """(reason, grant, checks) of the suspects: what one refusal hides together, and what is behind a cause first."""
    groups: dict[tuple[str, str], list[str]] = {}
    behind = {check for cause in report["rootCauses"] for check in cause["unverified"]}
    for suspect in sorted(report["suspects"], key=lambda s: s["check"] not in behind):
        groups.setdefault((suspect["reason"], suspect["grant"]), []).append(suspect["check"])
    return [(reason, grant, checks) for (reason, grant), checks in groups.items()]
