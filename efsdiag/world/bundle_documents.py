"""The parsed files of a bundle: each is opened when it is first asked for, and parsed once."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any

from efsdiag.world.bundle_files import Files


class Malformed(Exception):
    """A file of the bundle that cannot be understood; the text names the file, the line, what was found and wanted."""


class Documents:
    """The files by name; may be shared by threads. What is returned is shared too, and must not be changed."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._names = frozenset(files.names)
        self._folders: dict[str, list[str]] = {}
        for name in sorted(self._names):
            folder, _, base = name.rpartition("/")
            self._folders.setdefault(folder, []).append(base)
        self._lock = threading.RLock()
        self._parsed: dict[str, Any] = {}
        self.files_read = 0

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def within(self, folder: str, suffix: str = ".json") -> list[str]:
        """The names of the files directly in `folder` that end in `suffix`, without the folder, sorted."""
        return [base for base in self._folders.get(folder, []) if base.endswith(suffix)]

    def json(self, name: str) -> Any:
        """The parsed file. Raises Malformed where it is not JSON or cannot be read."""
        with self._lock:
            if name not in self._parsed:
                try:
                    self._parsed[name] = self._parse(name)
                except Malformed as fault:
                    self._parsed[name] = fault
            kept = self._parsed[name]
        if isinstance(kept, Malformed):
            raise Malformed(str(kept))
        return kept

    def mapping(self, name: str) -> Mapping[str, Any]:
        """The parsed file, which has to be a JSON object. Raises Malformed where it is not."""
        found = self.json(name)
        if not isinstance(found, dict):
            raise Malformed(f"{name}:1 is {kind_of(found)}, wanted is a JSON object")
        return found

    def text(self, name: str) -> str:
        """The file as text; bytes that are not UTF-8 are replaced. Raises Malformed where it cannot be read."""
        return self._bytes(name).decode("utf-8", "replace")

    def close(self) -> None:
        self._files.close()

    def _parse(self, name: str) -> Any:
        data = self._bytes(name)
        if not data.strip():
            raise Malformed(f"{name}:1 is empty, wanted is JSON")
        try:
            return json.loads(data)  # finds out UTF-8, UTF-16 and byte order marks, which redirection leaves behind
        except json.JSONDecodeError as fault:
            raise Malformed(f"{name}:{fault.lineno} is not JSON: {fault.msg} (column {fault.colno})") from fault
        except UnicodeDecodeError as fault:
            line = data[: fault.start].count(b"\n") + 1
            raise Malformed(f"{name}:{line} is not JSON: it is not UTF-8 text") from fault
        except RecursionError as fault:
            raise Malformed(f"{name}:1 is nested too deeply to be understood") from fault
        except ValueError as fault:
            raise Malformed(f"{name}:1 is not JSON: {fault}") from fault

    def _bytes(self, name: str) -> bytes:
        with self._lock:
            self.files_read += 1
        try:
            return self._files.read(name)
        except (OSError, ValueError) as fault:
            raise Malformed(f"{name} cannot be read: {getattr(fault, 'strerror', None) or fault}") from fault


def kind_of(value: Any) -> str:
    """What a JSON value is, for a sentence: "a list", "null"."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
