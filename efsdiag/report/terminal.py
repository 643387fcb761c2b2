"""A report for people at a terminal: the answer first, then why, then everything else, in at most 40 lines.

Made from the plain data of `data.py`. Every text passes through `safe`. rich, which writes the colours, is used here
alone; the lines are the same without them.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from efsdiag.report import sections
from efsdiag.report.layout import Line, fit, joined
from efsdiag.report.text import ascii_of

MOST_LINES = 40

STYLES = {
    "good": "green",
    "bad": "bold red",
    "warn": "yellow",
    "title": "bold",
    "id": "cyan",
    "dim": "dim",
    "command": "bold",
    "": "",
}


@dataclass(frozen=True)
class Look:
    """How a report is shown. `width` is in columns."""

    width: int = 100
    colour: bool = False
    ascii: bool = False
    verbose: bool = False
    cluster: str = ""
    """The cluster's name in metrics; "" for none."""


def render(report: Mapping[str, Any], look: Look) -> str:
    """The report as text that ends in a newline."""
    page = sections.Page(report, look.width, look.verbose, look.ascii)
    made = page.sections()
    if not look.verbose:
        fit(made, page.cuts, MOST_LINES, page.etc)
    return painted(joined(made, page.etc), look)


def with_rendered(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report with its text for people under `rendered`: the same text wherever it is made."""
    return {**report, "rendered": render(report, Look())}


def painted(lines: list[Line], look: Look) -> str:
    """The lines with their styles as escape sequences, or without any."""
    if look.ascii:
        lines = [tuple((ascii_of(text), style) for text, style in own) for own in lines]
    if not look.colour:
        return "".join("".join(text for text, _ in own).rstrip() + "\n" for own in lines)
    from rich.console import Console
    from rich.text import Text

    out = io.StringIO()
    console = Console(
        file=out, force_terminal=True, color_system="standard", no_color=False, highlight=False, legacy_windows=False
    )
    for own in lines:
        text = Text.assemble(*((piece, STYLES[style]) for piece, style in own))
        text.rstrip()
        console.print(text, soft_wrap=True)
    return out.getvalue()
