"""The kinds of patch: JSON patch, merge patch and strategic merge patch. Values in, a new value out."""

from __future__ import annotations

import copy
from typing import Any

from .answers import Refusal, refusal

_MERGE_KEYS = {
    "addresses": ("type",),
    "conditions": ("type",),
    "containers": ("name",),
    "env": ("name",),
    "ephemeralContainers": ("name",),
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "ports": ("containerPort", "port"),
    "secrets": ("name",),
    "topologySpreadConstraints": ("topologyKey",),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
"""Lists of objects that a strategic patch merges, with the key of an item; every other list is replaced."""
_MERGED_SETS = frozenset(("finalizers",))


def merge_patch(old: Any, patch: Any) -> Any:
    """RFC 7386: null removes, lists are replaced."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def strategic_merge(old: Any, patch: Any, field: str = "") -> Any:
    """A merge patch in which the lists of `_MERGE_KEYS` are merged item by item.

    Knows $patch: replace and delete, $retainKeys and $deleteFromPrimitiveList; the order that $setElementOrder asks
    for is left as it is.
    """
    if isinstance(patch, list):
        return _merged_list(old if isinstance(old, list) else [], patch, field)
    if not isinstance(patch, dict):
        return patch
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    merged = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            listed = key.partition("/")[2]
            merged[listed] = [item for item in merged.get(listed, ()) if item not in value]
        elif key.startswith("$"):
            continue
        elif value is None:
            merged.pop(key, None)
        else:
            merged[key] = strategic_merge(merged.get(key), value, key)
    if "$retainKeys" in patch:
        merged = {key: value for key, value in merged.items() if key in patch["$retainKeys"]}
    return merged


def json_patch(old: Any, operations: list[dict[str, Any]]) -> Any:
    """RFC 6902. Refuses with 422 what does not apply."""
    document = {"": copy.deepcopy(old)}
    for operation in operations:
        try:
            _apply(document, operation)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise _does_not_apply() from error
    return document[""]


def _merged_list(old: list[Any], patch: list[Any], field: str) -> list[Any]:
    if field in _MERGED_SETS:
        return [*old, *(item for item in patch if item not in old)]
    keys = _MERGE_KEYS.get(field, ())
    if not keys or any(not isinstance(item, dict) for item in patch):
        return patch
    if any(item == {"$patch": "replace"} for item in patch):
        return [item for item in patch if item != {"$patch": "replace"}]
    merged = list(old)
    for item in patch:
        key = next((k for k in keys if k in item), keys[0])
        at = next((i for i, found in enumerate(merged) if found.get(key) == item.get(key)), None)
        if item.get("$patch") == "delete":
            merged = merged if at is None else [*merged[:at], *merged[at + 1 :]]
        elif at is None:
            merged.append(strategic_merge({}, item))
        else:
            merged[at] = strategic_merge(merged[at], item)
    return merged


def _apply(document: dict[str, Any], operation: dict[str, Any]) -> None:
    kind, path = operation["op"], _steps(operation["path"])
    if kind == "test":
        # As github.com/evanphx/json-patch has it, a member that is missing equals null where its holder is there.
        holder = _at(document, path[:-1])
        found = holder.get(path[-1]) if isinstance(holder, dict) else _at(document, path)
        if found != operation["value"]:
            raise ValueError("the value is another")
    elif kind in ("move", "copy"):
        source = _steps(operation["from"])
        value = copy.deepcopy(_at(document, source))
        if kind == "move":
            _remove(document, source)
        _add(document, path, value)
    elif kind == "add":
        _add(document, path, operation["value"])
    elif kind in ("remove", "replace"):
        _at(document, path)
        _remove(document, path)
        if kind == "replace":
            _add(document, path, operation["value"])
    else:
        raise ValueError(f"no operation {kind}")


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")]


def _at(document: Any, path: list[str]) -> Any:
    for step in path:
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document


def _add(document: Any, path: list[str], value: Any) -> None:
    parent, last = _at(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else int(last), value)
    else:
        parent[last] = value


def _remove(document: Any, path: list[str]) -> None:
    parent, last = _at(document, path[:-1]), path[-1]
    del parent[int(last) if isinstance(parent, list) else last]


def _does_not_apply() -> Refusal:
    return refusal(422, "Invalid", "the server rejected our request due to an error in our request", {})
