"""A plan for people: what would be written, in words and as the command that does the same, and how it is undone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from efsdiag.report.layout import Line, line
from efsdiag.report.text import safe, wrapped

INDENT = 2


def plan_lines(plan: Mapping[str, Any], width: int) -> list[Line]:
    """The lines of a plan document (kind Plan). Commands are never broken, so that they can be copied."""
    made = [*_head(plan), *_chosen(plan["chosen"], width)]
    made += _others(plan["alternatives"], width)
    made += _declined(plan["declined"], width)
    return made


def change_lines(changes: Sequence[Mapping[str, Any]], width: int) -> list[Line]:
    """The changes alone, numbered, each with its risk, its command and its undo."""
    made: list[Line] = []
    for number, change in enumerate(changes, 1):
        style = "good" if change["risk"] == "safe" else "warn"
        head = wrapped(safe(f"{number}. {change['words']}"), width - 2 * INDENT - 14)
        made.append((("  ", ""), (head[0], ""), (f"   {change['risk']}", style)))
        made += [line(f"     {more}") for more in head[1:]]
        made.append((("     run   ", "dim"), (safe(change["command"]), "command")))
        undo = safe(change["undoCommand"]) if change["undoCommand"] else "cannot be undone"
        made.append((("     undo  ", "dim"), (undo, "command" if change["undoCommand"] else "warn")))
        if change["residue"]:
            made += _field("stays", change["residue"], width, 5)
    return made


def _head(plan: Mapping[str, Any]) -> list[Line]:
    place, target = plan["place"], plan["target"]
    known = [("context", place["context"]), ("account", place["account"]), ("", place["region"])]
    where = " · ".join(f"{name} {value}".strip() for name, value in known if value)
    name = f"{target['kind']} {target['namespace']}/{target['name']}"
    lines: list[Line] = [(("PLAN ", "title"), (plan["digest"][:12], "id"), (f"   for {safe(name)}", ""))]
    if where:
        lines.append(line(f"  {safe(where)}", "dim"))
    lines.append(line(f"  good until {safe(plan['expiresAt'])}", "dim"))
    if not plan["live"]:
        lines.append(line("  from a recording: for review; applying it looks at the live system first", "warn"))
    return lines


def _chosen(options: Sequence[Mapping[str, Any]], width: int) -> list[Line]:
    if not options:
        return [(), line("NOTHING TO CHANGE", "title")]
    made: list[Line] = []
    for at, option in enumerate(options, 1):
        made += [(), ((f"{at} of {len(options)}   ", "title"), (option["remedy"], "id"))]
        made += _field("it", option["does"], width)
        made += _field("for", f"{option['mode']} ({option['check']})" if option["mode"] else option["check"], width)
        made += _field("costs", option["costs"], width)
        made += change_lines(option["changes"], width)
    return made


def _others(options: Sequence[Mapping[str, Any]], width: int) -> list[Line]:
    if not options:
        return []
    made: list[Line] = [(), line("OTHER WAYS   --remedy NAME takes one", "title")]
    for option in options:
        made.append((("  ", ""), (option["remedy"], "id"), (f"   {option['risk']}", "dim")))
        made += _field("it", option["does"], width, 4)
        made += _field("costs", option["costs"], width, 4)
        for change in option["changes"]:
            made.append((("    run   ", "dim"), (safe(change["command"]), "command")))
    return made


def _declined(declined: Sequence[Mapping[str, Any]], width: int) -> list[Line]:
    if not declined:
        return []
    made: list[Line] = [(), line("NOT PROPOSED", "title")]
    for one in declined:
        name = ", ".join(part for part in (one["mode"], one["remedy"]) if part)
        first, *more = wrapped(safe(f"{name}: {one['why']}"), width - INDENT)
        made += [line(f"  {first}"), *(line(f"    {part}") for part in more)]
    return made


def _field(name: str, text: str, width: int, indent: int = INDENT) -> Iterable[Line]:
    first, *more = wrapped(safe(text), width - indent - 7)
    return [
        ((" " * indent + f"{name:<7}", "dim"), (first, "")),
        *(line(" " * (indent + 7) + part) for part in more),
    ]
