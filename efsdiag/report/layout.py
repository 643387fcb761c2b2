"""Lines in sections, and which of them are shown where not all fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

Line = tuple[tuple[str, str], ...]
"""Pieces of text, each with its style: "" or a name of `terminal.STYLES`."""

Item = tuple[Line, ...]
"""Lines that are shown together or not at all."""


def line(text: str, style: str = "") -> Line:
    """A line of one piece."""
    return ((text, style),)


@dataclass
class Section:
    """A title with items. `title` may be empty; `shown` items are printed, the others counted."""

    title: Line
    items: Sequence[Item]
    more: str = "more"
    """What is left out: "… and 7 more (-v)"."""
    shown: int = field(init=False)

    def __post_init__(self) -> None:
        self.shown = len(self.items)

    def lines(self, etc: str) -> list[Line]:
        """The lines as they are printed; none where there are no items."""
        if not self.items:
            return []
        left = len(self.items) - self.shown
        head = [self.title] if self.title else []
        if not self.shown:
            return [(*self.title, (f"   {etc} {left} {self.more} (-v)", "dim"))]
        body = [own for item in self.items[: self.shown] for own in item]
        return [*head, *body, *([line(f"  {etc} and {left} {self.more} (-v)", "dim")] if left else [])]


def joined(sections: Sequence[Section], etc: str) -> list[Line]:
    """All sections, with an empty line between two that print anything."""
    out: list[Line] = []
    for section in sections:
        made = section.lines(etc)
        if made and out:
            out.append(())
        out += made
    return out


def fit(sections: Sequence[Section], cuts: Sequence[tuple[Section, int]], most: int, etc: str) -> None:
    """Shows fewer items until `most` lines suffice: each cut in turn takes a section down to so many items."""
    for section, least in cuts:
        while section.shown > least and len(joined(sections, etc)) > most:
            section.shown -= 1
