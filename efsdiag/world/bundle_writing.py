"""Writes the files of a bundle, as a folder or an archive: beside its place first, and there all at once."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from efsdiag.world.bundle_times import parsed
from efsdiag.world.errors import Unreachable

ARCHIVES = (".tar.gz", ".tgz", ".tar")
TOP = "efsdiag-bundle"
"""The folder inside an archive; fixed, so that the same evidence makes the same bytes under any name."""
BLOCK = 512
"""Bytes: what an archive counts in (ustar)."""


def write_bundle(path: Path, files: Callable[[], Mapping[str, bytes]], captured_at: str) -> Path:
    """Writes the files where they are to go, all of them or nothing; readable by their owner alone.

    Errors: Unreachable where something is there already, or it cannot be written.
    """
    verify_free(path)
    time = parsed(captured_at)
    # gzip has 32 bits for it; a bundle may say that it was captured in another century.
    modified_s = min(max(int(time.timestamp()), 0), 2**32 - 1) if time else 0
    try:
        if path.name.endswith(ARCHIVES):
            _write_archive(path, files(), modified_s)
        else:
            _write_folder(path, files())
    except FileExistsError as fault:
        raise _taken(path) from fault
    except OSError as fault:
        message = f"{path} cannot be written: {fault.strerror or fault}"
        hint = "give a path in a folder that exists and has room"
        raise Unreachable("bundle-not-written", message, hint) from fault
    return path


def verify_free(path: Path) -> None:
    """Nothing is written over. Errors: Unreachable where something is at the path, but for an empty folder."""
    if path.is_symlink() or (path.exists() and not (path.is_dir() and not any(path.iterdir()))):
        raise _taken(path)


def size_of(files: Mapping[str, bytes]) -> int:
    """Bytes of the files in an archive before it is compressed: a head of one block each, and whole blocks."""
    return sum(2 * BLOCK + -(-len(data) // BLOCK) * BLOCK for data in files.values())


def _taken(path: Path) -> Unreachable:
    return Unreachable("bundle-exists", f"{path} exists already", "give another path, or remove it first")


def _write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    made = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))  # mode 0700
    try:
        for name, data in sorted(files.items()):
            for folder in reversed(Path(name).parents):
                (made / folder).mkdir(mode=0o700, exist_ok=True)
            with open(os.open(made / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
        made.rename(path)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _write_archive(path: Path, files: Mapping[str, bytes], modified_s: int) -> None:
    handle, made = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mode 0600
    try:
        with open(handle, "wb") as file:
            if path.name.endswith(".tar"):
                _tar(file, files, modified_s)
            else:
                with gzip.GzipFile("", "wb", 6, file, mtime=modified_s) as packed:
                    _tar(packed, files, modified_s)
        _put(made, path)
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise


def _put(made: str, path: Path) -> None:
    """Gives the file its name, unless another one has it by now. Errors: FileExistsError."""
    try:
        os.link(made, path)  # unlike a rename, it never replaces what is there
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if path.exists():
            raise FileExistsError(path) from None
        os.replace(made, path)
        return
    os.unlink(made)


def _tar(into: Any, files: Mapping[str, bytes], modified_s: int) -> None:
    """The files and their folders in the order of their names, owned by nobody in particular."""
    folders = {f"{TOP}/{folder}".removesuffix("/.") for name in files for folder in Path(name).parents}
    with tarfile.open(fileobj=into, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted({*folders, *(f"{TOP}/{name}" for name in files)}):
            member = tarfile.TarInfo(name)
            member.mtime = modified_s
            data = files.get(name.removeprefix(f"{TOP}/"))
            if data is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o700
                archive.addfile(member)
            else:
                member.size, member.mode = len(data), 0o600
                archive.addfile(member, io.BytesIO(data))
