"""Standard output: one write of everything, quiet where nobody reads any more; and how it should look."""

from __future__ import annotations

import os
import re
import shutil
import sys
import threading
from collections.abc import Sequence

from efsdiag.report.forms import HEALTH_FORMS

FORMATS = ("terminal", "json", "yaml", "markdown")
"""The forms of a Diagnosis; those of a HealthReport are in report/forms.py."""
FOR_PEOPLE = ("terminal", "markdown")
"""Formats in which a run that failed prints nothing on standard output, and says why on standard error."""
DEFAULT_WIDTH = 100
LEAST_WIDTH = 50


class NotWritten(Exception):
    """Standard output takes no more."""


BEGUN = threading.Event()
"""Set once something stands on standard output: no second document may follow."""


def write(text: str) -> None:
    """Writes all of the text. A reader that has gone (`| head`) is no error.

    It is UTF-8 whatever the locale says; where a character cannot be written it stands as an escape.
    Errors: NotWritten, e.g. where the disk is full.
    """
    BEGUN.set()
    try:
        buffer = getattr(sys.stdout, "buffer", None)
        if buffer is None:
            sys.stdout.write(text)
        else:
            sys.stdout.flush()
            buffer.write(text.encode("utf-8", "backslashreplace"))
        sys.stdout.flush()
    except OSError as error:
        # Python flushes standard output once more when it ends, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise NotWritten(f"the report could not be written: {error.strerror or error}") from error


def asked_format(arguments: Sequence[str]) -> str:
    """The output format that the arguments ask for, read without click: errors of click itself depend on it."""
    for at, argument in enumerate(arguments):
        following = arguments[at + 1] if at + 1 < len(arguments) else ""
        for said in _formats_in(argument, following):
            if said in FORMATS or said in HEALTH_FORMS:
                return said
        if argument == "--":
            break
    return "terminal"


def _formats_in(argument: str, following: str) -> list[str]:
    if argument == "--output":
        return [following]
    # -o json, -ojson, -vo json
    attached = re.fullmatch(r"(?:--output=|-v*o=?)(.*)", argument, re.DOTALL)
    return [attached[1] or following] if attached else []


def asked_verbose(arguments: Sequence[str]) -> bool:
    """Whether -v is among the arguments, read without click."""
    return any(argument == "--verbose" or argument.startswith("-v") for argument in arguments)


def colour_wanted(choice: str) -> bool:
    """`--color`; by itself colour only for a terminal that can show it, unless NO_COLOR or FORCE_COLOR decides."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR") or os.environ.get("CLICOLOR_FORCE"):
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def ascii_wanted(choice: bool) -> bool:
    """`--ascii`; by itself where standard output is in an encoding that lacks the report's signs."""
    try:
        "✗…▶".encode(sys.stdout.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return True
    return choice


def width() -> int:
    """Columns: COLUMNS, else the terminal's; 100 where there is neither."""
    said = os.environ.get("COLUMNS", "")
    if said.isascii() and said.isdigit() and int(said):
        return max(int(said), LEAST_WIDTH)
    columns = shutil.get_terminal_size((DEFAULT_WIDTH, 24)).columns if sys.stdout.isatty() else DEFAULT_WIDTH
    return max(columns, LEAST_WIDTH)
