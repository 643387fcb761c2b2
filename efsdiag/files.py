"""Files that people name: read to an end that they have, and written as the whole text or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path


def text_of(path: Path) -> str:
    """The text of the file, or of a pipe: `<(command)` of a shell.

    Errors: OSError, also for a device, which may have no end (/dev/full); ValueError where it is not UTF-8.
    """
    with path.open("rb") as file:
        if stat.S_ISCHR(os.fstat(file.fileno()).st_mode) and not file.isatty():
            raise OSError("it is a device, not a file")
        return file.read().decode("utf-8")


def replace_file(path: Path, text: str, mode: int) -> None:
    """Writes the text beside the file and renames it to the file's name: who reads it finds the old one or the new one.

    A link is followed, so that it stays a link. `mode` holds whatever the umask. Errors: OSError; the old file stays.
    """
    place = Path(os.path.realpath(path))
    # Not the file's own ending: who collects *.prom must not find a half of one.
    opened, beside = tempfile.mkstemp(prefix=f".{place.name}.", suffix=".tmp", dir=place.parent)
    try:
        with os.fdopen(opened, "wb") as file:
            file.write(text.encode("utf-8", "backslashreplace"))
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(beside, place)
    except BaseException:
        os.unlink(beside)
        raise
    _sync(place.parent)


def why_not_writable(path: Path) -> str:
    """Why no file could be put in its place; "" where nothing speaks against it."""
    place = Path(os.path.realpath(path))
    if place.is_dir():
        return f"{path} is a folder"
    if not place.parent.is_dir():
        return f"there is no folder {place.parent}"
    return "" if os.access(place.parent, os.W_OK | os.X_OK) else f"{place.parent} may not be written"


def _sync(folder: Path) -> None:
    """The rename itself is on the disk only when its folder is."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
