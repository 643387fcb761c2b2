"""Writes docs/modes.md, every mode of the failure catalogue with what judges it, and the README's summary of it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from efsdiag.model import Check, Mode
from efsdiag.rules import Rulebook, load_rulebook

ROOT = Path(__file__).parents[1]
FILE, README = ROOT / "docs" / "modes.md", ROOT / "README.md"
BEGIN, END = "<!-- modes: written by scripts/modes_table.py -->", "<!-- end of modes -->"

HEAD = """\
# Failure modes

Written by `scripts/modes_table.py` from `rules/`; a test fails where this page is older than the rules.
`efsdiag explain <id>` shows one mode in full: how to see it by hand, what puts it right, what looks like it.

A *cause* can be blamed. A *symptom* is reported as the deepest thing seen; it is never a confirmed root cause. A *risk*
is worth knowing and stops no pod today. A mode that is "recognised in messages only" shows in events and logs alone,
so where those are gone it cannot be found.
"""


def page(rulebook: Rulebook) -> str:
    """The whole page."""
    judges = _judges(rulebook)
    modes = rulebook.modes.values()
    lines = [HEAD, counted(rulebook)]
    for layer in layers(rulebook):
        lines += ["", f"## {layer}", "", "| id | kind | what it is | judged by |", "|---|---|---|---|"]
        lines += [_row(mode, judges[mode.id]) for mode in modes if _layer(mode) == layer]
    return "\n".join(lines) + "\n"


def summary(rulebook: Rulebook) -> str:
    """The table of the README: how many modes each layer has, and how many of them are judged."""
    judges = _judges(rulebook)
    lines = [counted(rulebook), "", "| layer | modes | judged | only in messages |", "|---|---|---|---|"]
    for layer in layers(rulebook):
        own = [judges[mode.id] for mode in rulebook.modes.values() if _layer(mode) == layer]
        heard = sum(map(_only_heard, own))
        lines.append(f"| [{layer}](docs/modes.md#{layer}) | {len(own)} | {sum(map(bool, own))} | {heard or ''} |")
    return "\n".join(lines) + "\n"


def counted(rulebook: Rulebook) -> str:
    """How many modes and checks there are, in a sentence."""
    unjudged = sum(bool(mode.not_judged) for mode in rulebook.modes.values())
    return f"{len(rulebook.modes)} modes, {len(rulebook.checks)} checks; {unjudged} modes are not judged."


def layers(rulebook: Rulebook) -> list[str]:
    return sorted({_layer(mode) for mode in rulebook.modes.values()})


def with_summary(readme: str, rulebook: Rulebook) -> str:
    """The README with the table anew, between its two marks."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{summary(rulebook)}{END}{after}"


def _layer(mode: Mode) -> str:
    return mode.id.partition(".")[0]


def _judges(rulebook: Rulebook) -> dict[str, list[Check]]:
    judges: dict[str, list[Check]] = defaultdict(list)
    for check in rulebook.checks.values():
        for mode in check.modes:
            judges[mode].append(check)
    return judges


def _row(mode: Mode, checks: list[Check]) -> str:
    return f"| `{mode.id}` | {mode.kind.value} | {_cell(mode.meaning)} | {_judged_by(mode, checks)} |"


def _judged_by(mode: Mode, checks: list[Check]) -> str:
    if not checks:
        return _cell(f"not judged: {mode.not_judged}. What would decide it: {mode.decided_by}")
    names = ", ".join(f"`{check.id}`" for check in checks)
    return f"recognised in messages only ({names})" if _only_heard(checks) else names


def _only_heard(checks: list[Check]) -> bool:
    return bool(checks) and all(check.judge.__module__ == "efsdiag.checks.messages" for check in checks)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    book = load_rulebook()
    FILE.write_text(page(book), encoding="utf-8")
    README.write_text(with_summary(README.read_text(encoding="utf-8"), book), encoding="utf-8")
    print(f"wrote {FILE} and the table in {README}")
