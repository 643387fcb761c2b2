"""Whether an object is already as a JSON Patch (RFC 6902) would make it. Only add, replace, remove and test occur."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_MISSING = object()


def holds_already(value: Any, patch: Iterable[Mapping[str, Any]]) -> bool:
    """Whether everything that the patch sets is as it sets it, and everything that it removes is not there."""
    for operation in patch:
        if operation["op"] == "test":
            continue
        path = str(operation["path"])
        found = _members(value, path) if path.endswith("/-") else _at(value, path)
        if operation["op"] == "remove":
            if found is not _MISSING:
                return False
        elif path.endswith("/-"):
            if operation["value"] not in found:
                return False
        elif found != operation["value"]:
            return False
    return True


def _members(value: Any, path: str) -> list[Any]:
    found = _at(value, path.removesuffix("/-"))
    return found if isinstance(found, list) else []


def _at(value: Any, pointer: str) -> Any:
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        try:
            value = value[int(key)] if isinstance(value, list) else value[key]
        except (KeyError, IndexError, ValueError, TypeError):
            return _MISSING
    return value
