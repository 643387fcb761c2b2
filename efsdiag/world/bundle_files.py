"""The files of a bundle by their path from its root, whether it is a folder, an archive or still in memory."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from efsdiag.world.archive import LIMITS, MARKS, WANTED, Archive, Limits, checked_name, refusal, root_of
from efsdiag.world.errors import Unreachable


class Files(Protocol):
    """The files of a bundle by their path from its root, such as "cluster-resources/nodes.json"."""

    @property
    def names(self) -> Collection[str]: ...

    def read(self, name: str) -> bytes:
        """The bytes of the file. Raises OSError where it cannot be read."""
        ...

    def close(self) -> None: ...


def open_files(path: str | Path, limits: Limits = LIMITS) -> Files:
    """The files of the bundle at `path`: a folder, a .tar, or a gzipped tar, told apart by content.

    Errors: Unreachable where it does not exist, cannot be read, is empty, is no bundle, is corrupt, or is refused.
    """
    place = Path(path)
    try:
        kind = place.stat().st_mode
        if stat.S_ISDIR(kind):
            return Folder(place, limits)
        if stat.S_ISREG(kind):
            return Archive(place, limits)
    except FileNotFoundError as gone:
        hint = "efsdiag why --record writes a bundle"
        raise Unreachable("bundle-not-found", f"{place} does not exist", hint) from gone
    except OSError as denied:
        message = f"{place} cannot be read: {denied.strerror}"
        raise Unreachable("bundle-unreadable", message, "make it readable for this user") from denied
    raise Unreachable("bundle-not-a-bundle", f"{place} is neither a folder nor a file", WANTED)


class Memory:
    """Files that were never on a disk: what the recorder is about to write."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    @property
    def names(self) -> Collection[str]:
        return self._files.keys()

    def read(self, name: str) -> bytes:
        return self._files[name]

    def close(self) -> None:
        """Nothing is held open."""


class Folder:
    """A folder, or the one folder inside it that is a bundle. Links that leave it are refused, as are devices."""

    def __init__(self, place: Path, limits: Limits = LIMITS) -> None:
        self._limits = limits
        top = place.resolve()
        listed = [f"{entry.name}/" if entry.is_dir() else entry.name for entry in os.scandir(top)]
        if not listed:
            raise Unreachable("bundle-empty", f"{place} is an empty folder", WANTED)
        below = [f"{folder}{name}" for folder in listed if folder.endswith("/") for name in _marks_in(top / folder)]
        self._root = (top / root_of(listed + below, place)).resolve()
        self._names = frozenset(_walk(self._root, place, limits))

    @property
    def names(self) -> Collection[str]:
        return self._names

    def read(self, name: str) -> bytes:
        path = os.path.realpath(self._root / name)
        if name not in self._names or not Path(path).is_relative_to(self._root):
            raise OSError(f"{name} is not a file of the bundle")
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            data = file.read(self._limits.file_bytes + 1)
        if len(data) > self._limits.file_bytes:
            raise OSError(f"{name} has more than {self._limits.file_bytes} bytes")
        return data

    def close(self) -> None:
        """Nothing is held open between reads."""


def _marks_in(folder: Path) -> list[str]:
    """The marks of a bundle in a folder; none where it may not be listed."""
    return [mark for mark in MARKS if os.path.exists(folder / mark)]


def _walk(root: Path, place: Path, limits: Limits) -> Iterator[str]:
    """The regular files under `root`, by their path from it."""
    seen = 0
    stack = [root]
    while stack:
        for entry in os.scandir(stack.pop()):
            seen += 1
            name = str(Path(entry.path).relative_to(root))
            checked_name(name, place)
            if seen > limits.members:
                raise refusal(place, f"it holds more than {limits.members} files")
            if entry.is_symlink() and not Path(os.path.realpath(entry.path)).is_relative_to(root):
                raise refusal(place, f"{name!r} is a link that leaves it")
            if entry.is_dir():
                if entry.is_symlink():
                    raise refusal(place, f"{name!r} is a link to a folder")
                stack.append(Path(entry.path))
            elif entry.is_file():
                yield name
            elif not entry.is_symlink():
                raise refusal(place, f"{name!r} is a device, a socket or a pipe")
