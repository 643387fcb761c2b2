"""The page of one failure mode, for `efsdiag explain`: plain text, from the catalogue alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from efsdiag.catalogue import PLACES
from efsdiag.model import Mode, ModeKind
from efsdiag.report.text import wrapped

_KIND_SAYS = {
    ModeKind.CAUSE: "a cause: where it is found, it can be what keeps the pod from working",
    ModeKind.SYMPTOM: "a symptom: something else lies behind it",
    ModeKind.RISK: "a risk: nothing fails because of it today",
}
_RISK_SAYS = {
    "safe": "safe",
    "disruptive": "disruptive: something restarts, or is away for a time",
    "irreversible": "irreversible: data may be lost",
}


def page(mode: Mode, modes: Mapping[str, Mode], width: int) -> str:
    """What it is, how to see it by hand, what it is confused with, how to mend it, and where to read on."""
    undone = "it can be undone" if mode.reversible else "it cannot be undone"
    parts = [
        [mode.id, *_block(mode.meaning, width), *_block(f"It is {_KIND_SAYS[mode.kind]}.", width)],
        _commands("HOW TO SEE IT BY HAND", mode.by_hand),
        _part("WHAT GIVES IT AWAY", _signs(mode), width),
        _part("WHAT IT IS CONFUSED WITH", (f"{i}: {modes[i].meaning}" for i in mode.confused_with), width),
        _part("HOW TO MEND IT", mode.fix, width, f"The risk is {_RISK_SAYS[mode.risk]}; {undone}."),
        _part("WHY NO CHECK LOOKS FOR IT", _unjudged(mode), width),
        _commands("REFERENCES", mode.references),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def index(modes: Mapping[str, Mode], width: int) -> str:
    """All modes by id, each with the beginning of its meaning on one line."""
    column = max(map(len, modes))
    lines = []
    for id_, mode in sorted(modes.items()):
        start = f"{id_:<{column}}  {mode.kind.value:<7}  "
        lines.append(start + wrapped(mode.meaning, max(width - len(start), 20), 1)[0])
    return "\n".join(lines) + "\n"


def _signs(mode: Mode) -> Iterable[str]:
    for sign in mode.signs:
        reasons = f" ({', '.join(sign['reasons'])})" if sign["reasons"] else ""
        yield f"in {PLACES[sign['where']]}{reasons}: {sign['text']}"


def _unjudged(mode: Mode) -> Iterable[str]:
    return (mode.not_judged, f"what would decide it: {mode.decided_by}") if mode.not_judged else ()


def _part(title: str, texts: Iterable[str], width: int, last: str = "") -> list[str]:
    lines = [own for text in texts for own in _item(text, width)]
    return [title, *lines, *(_block(last, width) if last else [])] if lines else []


def _item(text: str, width: int) -> list[str]:
    first, *others = wrapped(text, width - 4)
    return [f"  - {first}", *(f"    {own}" for own in others)]


def _commands(title: str, lines: Iterable[str]) -> list[str]:
    """Lines to copy: each alone, and never broken."""
    made = [f"  {own}" for own in lines]
    return [title, *made] if made else []


def _block(text: str, width: int) -> list[str]:
    return [f"  {own}" for own in wrapped(text, width - 2)]
