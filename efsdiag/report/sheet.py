"""A page of so many columns: texts from outside made harmless, and broken into styled lines."""

from __future__ import annotations

from efsdiag.report.layout import Line, line
from efsdiag.report.text import ascii_of, clipped, safe, width_of, wrapped


class Sheet:
    """What every page for a terminal has in common. `width` is in columns."""

    def __init__(self, width: int, verbose: bool, ascii: bool) -> None:
        self.width, self.verbose, self.ascii = width, verbose, ascii
        self.etc = "..." if ascii else "…"

    def _block(self, text: str, style: str = "", indent: int = 2, most: int = 0) -> list[Line]:
        """The text in lines of one indent; at most so many without -v."""
        room = max(self.width - indent, 20)
        made = wrapped(self._text(text), room, 0 if self.verbose else most, self.etc)
        return [line(f"{' ' * indent}{own}", style) for own in made]

    def _hanging(self, text: str, indent: int, most: int = 0) -> list[str]:
        """The text in lines, all but the first indented."""
        made = wrapped(self._text(text), max(self.width - indent, 20), 0 if self.verbose else most, self.etc)
        return [made[0], *(f"{' ' * indent}{own}" for own in made[1:])]

    def _text(self, text: object) -> str:
        """A text that came from outside, as it is shown."""
        made = safe(text)
        return ascii_of(made) if self.ascii else made

    def _clip(self, text: str, width: int) -> str:
        return self._text(text) if self.verbose else clipped(self._text(text), width, self.etc)

    def _wide(self, text: str) -> int:
        return width_of(ascii_of(text) if self.ascii else text)
