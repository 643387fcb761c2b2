"""A lock against runs that overlap: a file that the process holds with flock, which ends with the process."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from efsdiag.cli.faults import BUSY, USAGE, Fault


@contextmanager
def only_one(given: str | None, question: str) -> Iterator[None]:
    """While it lasts, no other run holds the same lock: the file that was given, or that of the question.

    Without a file and a question nothing is locked. Errors: Fault check-under-way with exit code BUSY; lock-not-made.
    """
    if not given and not question:
        yield
        return
    place = Path(given) if given else lock_folder() / f"check-{hashlib.sha256(question.encode()).hexdigest()[:12]}.lock"
    descriptor = _opened(place)
    try:
        _hold(descriptor, place)
        yield
    finally:
        # The file stays: whoever deleted it could leave two runs with a lock each, on two files of one name.
        os.close(descriptor)


def lock_folder() -> Path:
    """XDG_RUNTIME_DIR/efsdiag, else XDG_STATE_HOME/efsdiag, else ~/.local/state/efsdiag. Errors: Fault."""
    told = os.environ.get("XDG_RUNTIME_DIR") or os.environ.get("XDG_STATE_HOME")
    try:
        return (Path(told) if told else Path.home() / ".local" / "state") / "efsdiag"
    except RuntimeError as error:  # a container's user has no entry in /etc/passwd
        text = "there is no folder for the lock: this user has no home"
        raise Fault("lock-not-made", text, "give a file with --lock, or set XDG_STATE_HOME or HOME", USAGE) from error


def _opened(place: Path) -> int:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        return os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        text = f"the lock {place} cannot be opened: {error.strerror or error}"
        raise Fault("lock-not-made", text, "give a file that can be written with --lock", USAGE) from error


def _hold(descriptor: int, place: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        who = f"process {holder}" if holder.isdecimal() else "another process"
        hint = f"wait for it, or give another lock than {place}"
        raise Fault("check-under-way", f"{who} is checking the same already", hint, BUSY) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
