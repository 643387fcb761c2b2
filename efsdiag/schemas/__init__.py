"""JSON Schemas (2020-12) of every kind of document that efsdiag prints or writes: one file for each kind.

What several kinds have in common stands in shared.json. A schema that is given out holds its part of it, so that it
can be used alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

SHARED = "shared.json"
_IN_SHARED = "#/$defs/"


def kinds() -> list[str]:
    """The kinds that have a schema, sorted."""
    names = (file.name for file in files(__name__).iterdir())
    return sorted(name.removesuffix(".json") for name in names if name.endswith(".json") and name != SHARED)


def schema_of(kind: str) -> dict[str, Any]:
    """The schema of the kind, with all that it refers to. Errors: KeyError for a kind that has none."""
    if kind not in kinds():
        raise KeyError(kind)
    made = _read(f"{kind}.json")
    shared = _read(SHARED)["$defs"]
    needed: list[str] = []
    open_ = list(_references(made))
    while open_:
        name = open_.pop()
        if name not in needed:
            needed.append(name)
            open_ += _references(shared[name])
    return {**made, "$defs": {name: shared[name] for name in sorted(needed)}} if needed else made


def _references(schema: Any) -> Iterator[str]:
    """The names of shared parts that stand in a schema, however deep."""
    if isinstance(schema, list):
        for item in schema:
            yield from _references(item)
    elif isinstance(schema, dict):
        for key, item in schema.items():
            if key == "$ref":
                yield item.removeprefix(_IN_SHARED)
            else:
                yield from _references(item)


@cache
def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((files(__name__) / name).read_text(encoding="utf-8"))
    return found
