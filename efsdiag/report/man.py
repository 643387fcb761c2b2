"""Manual pages: a command's help as roff, in the order in which man(7) has its sections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Manual:
    """One command as its manual page tells it."""

    command: str
    """ "efsdiag why"."""
    brief: str
    usage: str
    """Its arguments: "[OPTIONS] TARGET"."""
    description: Sequence[str]
    """Paragraphs."""
    options: Sequence[tuple[str, str]]
    """("-n, --namespace NAME", what it is)."""
    commands: Sequence[tuple[str, str]] = ()
    epilog: str = ""
    see_also: Sequence[str] = ()
    """Names of other pages of section 1."""


def page_name(command: str) -> str:
    """The name of the page: "efsdiag why" → "efsdiag-why"."""
    return command.replace(" ", "-")


def roff(manual: Manual, version: str) -> str:
    """The page. It has no date, so that the same program has the same page.

    Source: https://man7.org/linux/man-pages/man7/man.7.html
    """
    name = page_name(manual.command)
    lines = [
        f'.TH {_word(name.upper())} 1 "" {_word(f"efsdiag {version}")} {_word("User Commands")}',
        # Names are not broken at a hyphen that is not theirs, and not pulled apart.
        ".nh",
        ".ad l",
        *_section("NAME", [f"{name} \\- {_text(manual.brief)}"]),
        *_section("SYNOPSIS", [f".B {_text(manual.command)}", _text(manual.usage)]),
        *_section("DESCRIPTION", _paragraphs(manual.description)),
        *_section("COMMANDS", _tagged(manual.commands)),
        *_section("OPTIONS", _tagged(manual.options)),
        *_section(*_epilog(manual.epilog)),
        *_section("SEE ALSO", [", ".join(f"\\fB{_text(other)}\\fR(1)" for other in manual.see_also)]),
    ]
    return "\n".join(lines) + "\n"


def _epilog(text: str) -> tuple[str, list[str]]:
    """The end of the help under the title that man(7) has for it: examples on a line each, or the exit codes."""
    title, _, rest = text.partition(": ")
    if title in ("Example", "Examples"):
        return "EXAMPLES", _paragraphs(rest.split("; "))
    return ("EXIT STATUS", [_text(rest)]) if title == "Exit codes" else ("NOTES", _paragraphs([text] if text else []))


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [f".SH {title}", *lines] if any(lines) else []


def _paragraphs(texts: Sequence[str]) -> list[str]:
    return [line for text in texts for line in (".PP", _text(text))][1:]


def _tagged(entries: Sequence[tuple[str, str]]) -> list[str]:
    return [line for tag, text in entries for line in (".TP", f"\\fB{_text(tag)}\\fR", _text(text))]


def _text(text: str) -> str:
    """The text as roff shows it: backslashes and hyphens as they are, and no line taken for a request."""
    plain = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-")
    # A long list of choices may be broken after a bar.
    plain = plain.replace("|", "|\\:")
    plain = "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in plain)
    return f"\\&{plain}" if plain.startswith((".", "'")) else plain


def _word(text: str) -> str:
    """One argument of a request."""
    return '"' + _text(text).replace('"', "\\(dq") + '"'
