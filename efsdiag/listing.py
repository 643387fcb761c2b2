"""A listing of a volume from a machine that has it mounted: owners and modes on the way to a directory, and in it.

The format is that of volumes/<pv>.json in a bundle. Nothing is written and no link is followed.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from efsdiag.semantics.posix import Credentials, components

MOST_ENTRIES = 500
MOST_S = 20.0
_WAY = os.O_DIRECTORY | os.O_NOFOLLOW | getattr(os, "O_PATH", os.O_RDONLY)


@dataclass
class _Seen:
    """What was seen, what was not and why, and when to stop."""

    most: int
    until: float
    entries: list[dict[str, Any]] = field(default_factory=list)
    missed: list[dict[str, str]] = field(default_factory=list)

    def miss(self, path: str, why: str) -> None:
        self.missed.append({"path": path, "why": why})

    def see(self, path: str, parent: int, name: str) -> bool:
        """Keeps the entry `name` of an open directory; whether it is a directory that one can go on in."""
        try:
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except OSError as error:
            self.miss(path, error.strerror or str(error))
            return False
        if stat.S_ISLNK(found.st_mode):
            self.miss(path, "it is a symbolic link, which was not followed")
            return False
        kind = "directory" if stat.S_ISDIR(found.st_mode) else "file"
        mode = f"{stat.S_IMODE(found.st_mode):04o}"
        self.entries.append({"path": path, "type": kind, "uid": found.st_uid, "gid": found.st_gid, "mode": mode})
        return kind == "directory"


def listing_of(
    root: Path, data_path: str, volume: str, most: int = MOST_ENTRIES, most_s: float = MOST_S
) -> dict[str, Any]:
    """The document for the volume whose root is at `root`; `data_path` is a directory on it, absolute from that root.

    What could not be seen stands under notSeen with the reason.
    Errors:  OSError where the root itself cannot be opened; ValueError for a path that is relative or has "..".
    """
    way = components(data_path, "/")
    seen = _Seen(most, time.monotonic() + most_s)
    opened = [os.open(root, _WAY & ~os.O_NOFOLLOW)]
    try:
        space = _space(opened[0])
        arrived = seen.see("/", opened[0], ".")
        for path in way[1:]:
            name = path.rpartition("/")[2]
            arrived = seen.see(path, opened[-1], name) and _entered(seen, path, name, opened)
            if not arrived:
                break
        if arrived:
            _list(seen, way[-1], opened[-1])
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return {
        "persistentVolume": volume,
        "observedFrom": "node",
        "entries": seen.entries,
        "space": space,
        "notSeen": seen.missed,
    }


@contextmanager
def acting_as(who: Credentials | None) -> Iterator[None]:
    """While it lasts, files are looked at as these credentials; None leaves them. Errors: OSError but for root."""
    if who is None:
        yield
        return
    before = os.geteuid(), os.getegid(), os.getgroups()
    try:
        os.setgroups(sorted(who.groups))
        os.setegid(who.gid)
        os.seteuid(who.uid)
        yield
    finally:
        os.seteuid(before[0])
        os.setegid(before[1])
        with suppress(PermissionError):
            os.setgroups(before[2])


def _entered(seen: _Seen, path: str, name: str, opened: list[int]) -> bool:
    """Opens the directory as a step of the way. Between the two looks it may have become something else."""
    try:
        opened.append(os.open(name, _WAY, dir_fd=opened[-1]))
    except OSError as error:
        seen.miss(path, error.strerror or str(error))
        return False
    return True


def _list(seen: _Seen, path: str, way: int) -> None:
    """What lies directly in the directory, in the order of its names."""
    try:
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=way)
    except OSError as error:
        seen.miss(path, f"its entries may not be listed: {error.strerror or error}")
        return
    try:
        for name in _names(seen, path, descriptor):
            below = f"{path.rstrip('/')}/{name}"
            if not name.isprintable():
                seen.miss(path, "a name in it has control characters, or is not UTF-8")
            elif not seen.see(below, descriptor, name) and time.monotonic() > seen.until:
                seen.miss(path, "the time was over before all of it was seen")
                return
    finally:
        os.close(descriptor)


def _names(seen: _Seen, path: str, descriptor: int) -> list[str]:
    """At most so many names as there is room for."""
    room = max(seen.most - len(seen.entries), 0)
    found: list[str] = []
    with os.scandir(descriptor) as entries:
        for entry in entries:
            if len(found) == room or time.monotonic() > seen.until:
                seen.miss(path, f"it has more than the {len(found)} entries that were looked at")
                break
            found.append(entry.name)
    return sorted(found)


def _space(descriptor: int) -> dict[str, int | None] | None:
    try:
        found = os.fstatvfs(descriptor)
    except OSError:
        return None
    return {
        "totalBytes": found.f_blocks * found.f_frsize,
        "freeBytes": found.f_bavail * found.f_frsize,
        "freeInodes": found.f_favail or None,
    }
