"""Files that others read while they are written: the whole text or none of it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


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
