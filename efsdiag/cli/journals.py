"""Journals as commands come to them; and `journal`: the list, and one journal step by step."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from efsdiag.cli import output
from efsdiag.cli.faults import USAGE, Fault
from efsdiag.report.text import safe
from efsdiag.treat.journal import Journal, JournalError, find, home, journals

_Found = TypeVar("_Found")


def print_journals(name: str) -> int:
    """Prints the list, or the journal of that name. Errors: Fault."""
    found = in_journals(lambda folder: [find(folder, name)] if name else journals(folder))
    if not found:
        output.write(f"there is no journal in {home(os.environ)}\n")
    for journal in found:
        output.write(_head(journal) + (_steps(journal) if name else ""))
    return 0


def in_journals(ask: Callable[[Path], _Found]) -> _Found:
    """What `ask` does in the folder of journals. Errors: Fault."""
    try:
        return ask(home(os.environ))
    except JournalError as error:
        raise Fault(error.reference, error.message, error.hint, USAGE) from error


def now() -> datetime:
    """This moment."""
    return datetime.now(UTC)


def _head(journal: Journal) -> str:
    target = journal.plan.target
    ended = journal.outcome or ("unfinished" if journal.unfinished else "open")
    return f"{journal.id}  {ended:<10} {safe(target.kind)} {safe(target.namespace)}/{safe(target.name)}\n"


def _steps(journal: Journal) -> str:
    lines = [f"  digest {journal.plan.digest}"]
    for change, step, note in zip(journal.plan.changes, journal.steps, journal.notes, strict=True):
        lines.append(f"  {step.value:<8} {safe(change.words)}" + (f" ({safe(note)})" if note else ""))
    return "\n".join(lines) + "\n"
