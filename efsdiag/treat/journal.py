"""The journal of what was written: one file for each plan that was carried out, one JSON line for each step.

A line is on the disk before the call that it announces goes out, so a crash leaves a journal from which the plan can
be gone on with, or taken back.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from efsdiag.changes import Plan, Trouble
from efsdiag.treat.plan_file import plan_as_json, plan_from_json


class Step(Enum):
    """What became of one change."""

    LEFT = "left"
    BEGUN = "begun"
    """The call went out; nobody knows what became of it."""
    DONE = "done"
    THERE = "there"
    """It was there already, and not by this plan: it is not undone either."""
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"


class JournalError(Exception):
    """A journal that cannot be written or read: reference, message, hint."""

    def __init__(self, reference: str, message: str, hint: str = "") -> None:
        self.reference = reference
        self.message = message
        self.hint = hint
        super().__init__(f"{reference}: {message}")


def home(environment: Mapping[str, str]) -> Path:
    """Where journals are kept: EFSDIAG_JOURNAL, or efsdiag/journal in the state directory. Errors: JournalError."""
    if environment.get("EFSDIAG_JOURNAL"):
        return Path(environment["EFSDIAG_JOURNAL"])
    try:
        state = environment.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    except RuntimeError as error:  # a container's user has no entry in /etc/passwd
        message = "there is no folder for the journal: this user has no home"
        raise JournalError("journal-not-written", message, "set EFSDIAG_JOURNAL, XDG_STATE_HOME or HOME") from error
    return Path(state) / "efsdiag" / "journal"


@dataclass
class Journal:
    """One plan's journal. Every method that tells something is on the disk when it returns."""

    path: Path
    plan: Plan
    began_at: str
    steps: list[Step]
    notes: list[str]
    outcome: str = ""
    trouble: Trouble | None = None
    """Why this run of it stopped; None where it did not, and for one that was read."""

    @property
    def id(self) -> str:
        return self.path.stem

    @property
    def unfinished(self) -> bool:
        """Whether changes of the plan are left to be made, and none was taken back."""
        return any(s in (Step.LEFT, Step.BEGUN, Step.FAILED) for s in self.steps) and not self.undone

    @property
    def undone(self) -> bool:
        return any(s in (Step.UNDOING, Step.UNDONE) for s in self.steps)

    @property
    def to_undo(self) -> list[int]:
        """The changes to take back, the last one first. One whose outcome nobody knows is among them."""
        return [i for i in reversed(self.made) if self.plan.changes[i].undo]

    @property
    def made(self) -> list[int]:
        """The changes that this plan made or may have made, and that were not taken back."""
        return [i for i, step in enumerate(self.steps) if step in (Step.DONE, Step.BEGUN, Step.UNDOING)]

    def tell(self, change: int, step: Step, now: datetime, note: str = "") -> None:
        """What became of a change. Errors: JournalError."""
        _append(self.path, {"change": change, "step": step.value, "at": now.isoformat(), "note": note})
        self.steps[change] = step
        self.notes[change] = note

    def end(self, outcome: str, now: datetime) -> None:
        """How it ended: worked, did not help, failed, undone. Errors: JournalError."""
        _append(self.path, {"outcome": outcome, "at": now.isoformat()})
        self.outcome = outcome


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """While it lasts, no other process writes in this folder of journals; it ends with the process, however that ends.

    The lock in the cluster lets a second run of the same plan in, so that one that was killed can be gone on with.
    Errors: JournalError.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        opened = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise _not_written(folder, error) from error
    try:
        _lock(opened, folder)
        yield
    finally:
        os.close(opened)


def begin(folder: Path, plan: Plan, now: datetime) -> Journal:
    """A new journal with the whole plan in it. Errors: JournalError."""
    name = f"{now.strftime('%Y%m%dT%H%M%SZ')}-{plan.digest[:8]}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = next(p for n in range(1000) if not (p := folder / f"{name}{f'-{n}' if n else ''}.jsonl").exists())
        _append(path, {"plan": plan_as_json(plan), "at": now.isoformat()})
    except OSError as error:
        raise _not_written(folder, error) from error
    count = len(plan.changes)
    return Journal(path, plan, now.isoformat(), [Step.LEFT] * count, [""] * count)


def journals(folder: Path) -> list[Journal]:
    """All journals of the folder, the oldest first. Errors: JournalError for one that cannot be read."""
    if not folder.is_dir():
        return []
    found = [journal for path in folder.glob("*.jsonl") if (journal := _read(path))]
    return sorted(found, key=lambda journal: (journal.began_at, journal.id))


def find(folder: Path, name: str = "") -> Journal:
    """The journal of that id or a unique beginning of it; without a name, the newest with something to undo.

    Errors: JournalError.
    """
    known = journals(folder)
    fitting = [j for j in known if j.id == name]
    fitting = fitting or [j for j in known if name and name in (j.id[: len(name)], j.plan.digest[: len(name)])]
    if name and len(fitting) == 1:
        return fitting[0]
    if name:
        what = "several journals fit" if fitting else "there is no journal"
        raise JournalError("journal-not-found", f"{what} {name} in {folder}", "efsdiag journal lists them")
    able = [j for j in known if j.to_undo]
    if not able:
        raise JournalError("nothing-to-undo", f"no journal in {folder} has a change that could be undone")
    return able[-1]


def unfinished_for(folder: Path, digest: str) -> Journal | None:
    """The newest journal of that plan which stopped between two calls; None where there is none."""
    return next((j for j in reversed(journals(folder)) if j.plan.digest == digest and j.unfinished), None)


def _read(path: Path) -> Journal | None:
    """The journal in the file; None for that of a run that was stopped before it wrote anything anywhere."""
    try:
        lines = list(_lines(path))
        if not lines:
            return None
        plan = plan_from_json(lines[0]["plan"])
        journal = Journal(path, plan, lines[0]["at"], [Step.LEFT] * len(plan.changes), [""] * len(plan.changes))
        for line in lines[1:]:
            if "outcome" in line:
                journal.outcome = line["outcome"]
            else:
                journal.steps[line["change"]] = Step(line["step"])
                journal.notes[line["change"]] = line.get("note", "")
    except (OSError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise JournalError("journal-unreadable", f"{path} is not a journal of efsdiag: {error}") from error
    return journal


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines; a last one that was cut off by a crash says nothing that was relied on."""
    whole, end, _ = path.read_bytes().rpartition(b"\n")
    for line in whole.split(b"\n") if end else ():
        yield json.loads(line)


def _lock(opened: int, folder: Path) -> None:
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        message = f"another efsdiag writes in {folder}"
        raise JournalError("another-fix-runs", message, "wait until it has ended") from error
    except OSError as error:
        raise _not_written(folder, error) from error


def _append(path: Path, line: Mapping[str, Any]) -> None:
    try:
        opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _write(opened, (json.dumps(line, sort_keys=True) + "\n").encode())
        finally:
            os.close(opened)
    except OSError as error:
        raise _not_written(path.parent, error) from error


def _write(opened: int, line: bytes) -> None:
    # What a crash cut off in the middle of a line was never relied on.
    whole = os.pread(opened, os.fstat(opened).st_size, 0).rfind(b"\n") + 1
    os.ftruncate(opened, whole)
    if os.pwrite(opened, line, whole) != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(opened)


def _not_written(folder: Path, error: OSError) -> JournalError:
    why = f"the journal in {folder} cannot be written: {error.strerror or error}"
    return JournalError("journal-not-written", why, "name another folder in EFSDIAG_JOURNAL")
