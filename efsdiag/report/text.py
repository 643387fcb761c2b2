"""Text for a terminal: what came from outside made harmless, measured in columns, and broken into lines.

Names, events and log lines of a cluster are written by others. They may hold escape sequences that rewrite the screen,
or marks that turn the direction of reading; `safe` shows those in place of doing them.
"""

from __future__ import annotations

import unicodedata

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories: control, format (bidirectional marks, zero width), surrogate, line and paragraph separators."""

_ASCII = str.maketrans(
    {
        "→": "->",
        "▶": ">",
        "└": "`",
        "├": "|",
        "│": "|",
        "─": "-",
        "…": "...",
        "·": "-",
        "–": "-",
        "✓": "+",
        "✗": "x",
        "‼": "!",
    }
)


def is_invisible(character: str) -> bool:
    """Whether a terminal would act on the character or show nothing for it, or Unicode says that it is none."""
    code = ord(character)
    # YAML and XML refuse the last two of each plane; the other noncharacters are for use inside of programs.
    return unicodedata.category(character) in _INVISIBLE or code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF


def safe(text: object) -> str:
    """The text on one line, with its invisible characters as escapes: "\\x1b", "\\n", "\\u202e"."""
    return "".join(_escaped(c) if is_invisible(c) else c for c in str(text))


def _escaped(character: str) -> str:
    named = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character)
    code = ord(character)
    wide = f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return named or (f"\\x{code:02x}" if code < 0x100 else wide)


def ascii_of(text: str) -> str:
    """The text in ASCII: the report's own signs by a look-alike, other characters as escapes."""
    return text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")


def width_of(text: str) -> int:
    """Columns that the text takes: two for a wide character (Korean, Chinese, Japanese), none for a combining one."""
    return len(text) if text.isascii() else sum(_width(c) for c in text)


def _width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def clipped(text: str, width: int, mark: str = "…") -> str:
    """The text within `width` columns; what is cut off is replaced by `mark`."""
    if width_of(text) <= width:
        return text
    return _head(text, width - width_of(mark)) + mark


def _head(text: str, width: int) -> str:
    """The longest beginning of the text that fits; at least one character."""
    taken = 0
    for at, character in enumerate(text):
        taken += _width(character)
        if taken > width:
            return text[: max(at, 1)]
    return text


def wrapped(text: str, width: int, most: int = 0, mark: str = "…") -> list[str]:
    """The text in lines of `width` columns, broken at spaces, and within a word only where it is longer than a line.

    `most` lines are kept (0: all), the last one then ending in `mark`.
    """
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if width_of(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        while width_of(word) > width:
            head = _head(word, width)
            lines.append(head)
            word = word[len(head) :]
        line = word
    lines.append(line)
    if 0 < most < len(lines):
        return [*lines[: most - 1], clipped(" ".join(lines[most - 1 :]), width, mark)]
    return lines
