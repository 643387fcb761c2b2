"""Reads a tar archive that may be hostile: nothing is extracted, and nothing is used before all of it was judged.

Members are read by their offset, out of the archive itself or, where it is compressed, out of a private temporary file
that has no name. What could fool a reader is refused: names that leave the archive, links, devices, names given twice,
names that are not UTF-8, and archives that unpack to more than `Limits`.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import tempfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from efsdiag.world.errors import Unreachable

_BLOCK = 512
_CHUNK = 2**20


@dataclass(frozen=True)
class Limits:
    """How much a bundle may hold; a larger one is refused. Sizes are what was counted, not what a header claims."""

    members: int = 200_000
    total_bytes: int = 2 * 2**30
    """All members of an archive together, uncompressed."""
    file_bytes: int = 512 * 2**20
    """One file: it is held in memory while it is parsed."""
    ratio: int = 500
    """Uncompressed to compressed. Thousands of pods that are alike come to 100; gzip's most, for zeros, is 1032."""
    ratio_from_bytes: int = 16 * 2**20
    """Below this many uncompressed bytes no ratio does harm, and short files of zeros are common."""
    header_bytes: int = 2**20
    """One read of an archive's headers: an extended header is held in memory while it is parsed."""


LIMITS = Limits()


class Archive:
    """A tar archive, gzipped or not: an index of offsets over one open file."""

    def __init__(self, place: Path, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._file: BinaryIO = place.open("rb")
        try:
            magic = self._file.read(2)
            if not magic:
                raise Unreachable("bundle-empty", f"{place} is an empty file", WANTED)
            if magic == b"\x1f\x8b":
                self._file = _unzipped(self._file, place, limits)
            members, links = _index(self._file, place, limits)
            root = root_of(members, place)
            _refuse_links(links, root, members, place)
            self._members = {name[len(root) :]: at for name, at in members.items() if name.startswith(root)}
        except BaseException:
            self._file.close()
            raise

    @property
    def names(self) -> Collection[str]:
        return self._members.keys()

    def read(self, name: str) -> bytes:
        offset, size = self._members[name]
        if size > self._limits.file_bytes:
            raise OSError(f"{name} has {size} bytes, more than {self._limits.file_bytes}")
        data = os.pread(self._file.fileno(), size, offset)
        if len(data) != size:
            raise OSError(f"{name} ends after {len(data)} of {size} bytes")
        return data

    def close(self) -> None:
        self._file.close()


WANTED = (
    "a bundle is a folder or a .tar.gz with bundle.json, cluster-resources/ or aws/ in it; "
    "efsdiag why --record makes one"
)
MARKS = ("bundle.json", "cluster-resources/", "aws/")
_EVIDENCE = (*MARKS, "reads.json", "volumes/", "cluster-info/")


def root_of(names: Collection[str], place: Path) -> str:
    """Where the bundle begins: the empty string, or "<folder>/" where it is in one top folder. Raises Unreachable."""
    if not names:
        raise Unreachable("bundle-empty", f"{place} holds no files", WANTED)
    if any(name.startswith(MARKS) for name in names):
        return ""
    tops = sorted({n[: n.index("/") + 1] for n in names if "/" in n and n[n.index("/") + 1 :].startswith(MARKS)})
    if len(tops) == 1:
        return tops[0]
    if tops:
        message = f"{place} holds {len(tops)} bundles: {', '.join(map(repr, tops))}; wanted is one"
        raise Unreachable("bundle-not-a-bundle", message, "unpack it and give one of them")
    message = f"{place} is not a bundle: it holds none of bundle.json, cluster-resources/, aws/"
    raise Unreachable("bundle-not-a-bundle", message, WANTED)


def refusal(place: Path, why: str) -> Unreachable:
    """The error of a bundle that is not used because of what it could do."""
    return Unreachable(
        "bundle-refused", f"{place} is refused: {why}", "a bundle that efsdiag why --record wrote has none of this"
    )


def _corrupt(place: Path, why: object) -> Unreachable:
    return Unreachable("bundle-corrupt", f"{place} is damaged or is not a tar archive: {why}", "copy it again")


def checked_name(name: str, place: Path) -> str:
    """The path without "." and empty parts. Raises Unreachable where it leaves the bundle or is not UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError as odd:
        raise refusal(place, f"the name {name!r} is not UTF-8") from odd
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise refusal(place, f"the name {name!r} leaves it")
    return "/".join(part for part in parts if part not in ("", "."))


def _unzipped(packed: BinaryIO, place: Path, limits: Limits) -> BinaryIO:
    """The content in a temporary file that only this process can reach; counted while it is written."""
    packed.seek(0)
    plain: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115  # mode 0600, without a name, and kept open
    written = 0
    try:
        with packed, gzip.GzipFile(fileobj=packed, mode="rb") as stream:
            while chunk := stream.read(_CHUNK):
                written += len(chunk)
                if written > limits.total_bytes:
                    raise refusal(place, f"it unpacks to more than {limits.total_bytes} bytes")
                if written > limits.ratio_from_bytes and written > limits.ratio * packed.tell():
                    raise refusal(place, f"it unpacks to more than {limits.ratio} times its size")
                plain.write(chunk)
        plain.flush()
    except (EOFError, zlib.error, gzip.BadGzipFile) as damage:
        plain.close()
        raise _corrupt(place, damage) from damage
    except BaseException:
        plain.close()
        raise
    return plain


class _Guarded(io.RawIOBase):
    """What tarfile may read: headers of a bounded size, a bounded number of times.

    tarfile believes the size that an extended header claims, and reads all of it into memory at once.
    """

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        self._file = file
        self._most = limits.header_bytes
        self._left = 10 * limits.members + 100

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        self._left -= 1
        if not 0 <= size <= self._most or self._left < 0:
            raise tarfile.ReadError(f"a header claims {size} bytes")
        return self._file.read(size)


def _index(file: BinaryIO, place: Path, limits: Limits) -> tuple[dict[str, tuple[int, int]], dict[str, str]]:
    """The regular members (name → offset and size) and the symbolic links (name → target). Raises Unreachable."""
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    members: dict[str, tuple[int, int]] = {}
    links: dict[str, str] = {}
    total = end = 0
    for count, member in enumerate(_headers(file, place, limits), 1):
        name = checked_name(member.name, place)
        end = member.offset_data + (-(-member.size // _BLOCK) * _BLOCK if member.isreg() else 0)
        total += member.size
        if count > limits.members:
            raise refusal(place, f"it holds more than {limits.members} members")
        if member.size < 0 or end > length:
            raise _corrupt(place, f"{name!r} claims {member.size} bytes, more than there are")
        if total > limits.total_bytes:
            raise refusal(place, f"its members have more than {limits.total_bytes} bytes")
        if member.isdir():
            continue
        if name in members or name in links:
            raise refusal(place, f"it holds {name!r} twice")
        if member.issym():
            links[name] = member.linkname
        elif member.isreg() and not member.issparse():
            members[name] = (member.offset_data, member.size)
        else:
            raise refusal(place, f"{name!r} is {_KINDS.get(member.type, 'not a regular file')}")
    # tarfile takes a damaged header for the end of the archive; only a block of zeros is one.
    file.seek(end)
    if file.read(_BLOCK) != bytes(_BLOCK):
        raise _corrupt(place, f"no end-of-archive mark after {len(members)} files")
    return members, links


_KINDS = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}


def _headers(file: BinaryIO, place: Path, limits: Limits) -> Iterator[tarfile.TarInfo]:
    try:
        with tarfile.open(fileobj=_Guarded(file, limits), mode="r:", encoding="utf-8", errors="strict") as archive:
            while member := archive.next():
                archive.members.clear()  # type: ignore[attr-defined]  # it would keep every header until the end
                yield member
    except UnicodeDecodeError as odd:
        raise refusal(place, f"the name {odd.object!r} is not UTF-8") from odd
    except (tarfile.TarError, ValueError, OverflowError, RecursionError, EOFError) as damage:
        raise _corrupt(place, damage) from damage


def _refuse_links(links: Mapping[str, str], root: str, members: Collection[str], place: Path) -> None:
    """Refuses symbolic links, except those with which Troubleshoot.sh lists a pod's log a second time.

    Its log collectors put `<collector>/<pod>/<container>.log` beside the layout, as a link to a file under
    cluster-resources/pods/logs/. Such a link is never followed: the log is read where it is.
    https://github.com/replicatedhq/troubleshoot/blob/main/pkg/collect/logs.go
    """
    for name, target in links.items():
        inside = os.path.normpath(os.path.join(os.path.dirname(name), target))
        if (
            f"{root}bundle.json" in members
            or name.removeprefix(root).startswith(_EVIDENCE)
            or not inside.startswith(f"{root}cluster-resources/pods/logs/")
        ):
            raise refusal(place, f"{name!r} is a symbolic link to {target!r}")
