"""Whether an object is already as a JSON Patch (RFC 6902) would make it. Only add, replace, remove and test occur."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any

_MISSING = object()
_Operation = Mapping[str, Any]


def holds_already(value: Any, patch: Sequence[_Operation]) -> bool:
    """Whether everything that the patch sets is as it sets it, and everything that it removes is not there.

    A server adds defaults to what it is given, so a mapping may have more than was set. But where the values that the
    patch tests are still there it has not been applied, whatever else looks like it.
    """
    tests = [o for o in patch if o["op"] == "test"]
    wanted = _wanted(patch)
    if all(_is(value, path, new, tests, _same) for path, new in wanted):
        return True
    untouched = bool(tests) and all(_same(_at(value, str(t["path"])), t["value"]) for t in tests)
    return not untouched and all(_is(value, path, new, tests, contains) for path, new in wanted)


def contains(found: Any, wanted: Any) -> bool:
    """Whether `found` is `wanted`, but for keys that its mappings have besides."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return all(key in found and contains(found[key], inner) for key, inner in wanted.items())
    if isinstance(wanted, list) and isinstance(found, list):
        return len(found) == len(wanted) and all(map(contains, found, wanted))
    return _same(found, wanted)


def _wanted(patch: Sequence[_Operation]) -> list[tuple[str, Any]]:
    """(path, value) that the patch leaves behind, `_MISSING` for what it removes: the last word on each path."""
    made: list[tuple[str, Any]] = []
    for operation in patch:
        if operation["op"] == "test":
            continue
        path = str(operation["path"])
        value = _MISSING if operation["op"] == "remove" else operation["value"]
        above = next((i for i, (p, v) in enumerate(made) if path.startswith(f"{p}/") and v is not _MISSING), None)
        if above is not None:
            whole = copy.deepcopy(made[above][1])
            _set(whole, path.removeprefix(made[above][0]), value)
            made[above] = (made[above][0], whole)
            continue
        if not path.endswith("/-"):
            made = [(p, v) for p, v in made if p != path and not p.startswith(f"{path}/")]
        made.append((path, value))
    return made


def _is(value: Any, path: str, wanted: Any, tests: Sequence[_Operation], same: Any) -> bool:
    parent, _, last = path.rpartition("/")
    beside = _at(value, parent)
    if wanted is _MISSING and isinstance(beside, list):
        # Once it is removed, its neighbour stands in its place.
        removed = next((t["value"] for t in tests if t["path"] == path), _MISSING)
        return _at(value, path) is _MISSING if removed is _MISSING else removed not in beside
    if wanted is _MISSING:
        return _at(value, path) is _MISSING
    if last == "-":
        return isinstance(beside, list) and any(same(item, wanted) for item in beside)
    return bool(same(_at(value, path), wanted))


def _same(found: Any, wanted: Any) -> bool:
    """Equal as JSON has it: true is not 1."""
    if found is _MISSING or wanted is _MISSING:
        return found is wanted
    return json.dumps(found, sort_keys=True) == json.dumps(wanted, sort_keys=True)


def _at(value: Any, pointer: str) -> Any:
    for step in _steps(pointer):
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, ValueError, TypeError):
            return _MISSING
    return value


def _set(value: Any, pointer: str, new: Any) -> None:
    *way, last = _steps(pointer)
    for step in way:
        value = value[int(step)] if isinstance(value, list) else value[step]
    if isinstance(value, list):
        at = len(value) if last == "-" else int(last)
        value[at:at] = [] if new is _MISSING else [new]
        if new is _MISSING:
            del value[at]
    elif new is _MISSING:
        value.pop(last, None)
    else:
        value[last] = new


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
