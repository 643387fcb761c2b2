"""Worlds with one thing taken away: a file that nobody collected, or an object that a list does not hold."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from efsdiag.model import Status
from efsdiag.subjects import SubjectError
from efsdiag.world.bundle_files import Memory
from worlds.bundle import encoded, files_of
from worlds.fault import Fault
from worlds.look import Traced, causes_of, diagnosis_of
from worlds.world import Thing, World


@dataclass(frozen=True)
class Removal:
    """What is taken away: a whole file, or the object `item` of a list in it."""

    file: str
    item: str = ""

    def __str__(self) -> str:
        return f"{self.file}#{self.item}" if self.item else self.file


@dataclass(frozen=True)
class Mistake:
    """A cause that a removal makes certain and that the whole world does not have, or "healthy"."""

    names: str
    place: str
    """The kind of file, less the ids and names in it; with "#" where an object was taken out of it."""
    removal: Removal


def removals_of(files: Mapping[str, Any], opened: set[str]) -> Iterator[tuple[Removal, dict[str, bytes]]]:
    """Every removal among the files that the diagnosis opens, with the files that are left."""
    kept = encoded(dict(files))
    for file in sorted(opened):
        yield Removal(file), {name: content for name, content in kept.items() if name != file}
        document = files[file]
        for key, items in _lists(document):
            for i, item in enumerate(items):
                left = {**document, key: items[:i] + items[i + 1 :]}
                yield Removal(file, f"{key}/{_name(item, i)}"), {**kept, file: json.dumps(left).encode()}


def _lists(document: Any) -> list[tuple[str, list[Thing]]]:
    if not isinstance(document, dict):
        return []
    found = [(k, v) for k, v in document.items() if isinstance(v, list)]
    return [(k, v) for k, v in found if v and all(isinstance(item, dict) for item in v)]


def _name(item: Thing, at: int) -> str:
    named = (item.get("metadata") or {}).get("name") or item.get("path")
    return str(named or next((item[k] for k in sorted(item) if k.endswith("Id") or k.endswith("Name")), at))


def place_of(removal: Removal) -> str:
    """ "cluster-resources/pods#", "aws/iam/list-attached-role-policies#", "volumes"."""
    parts = removal.file.split("/")
    base = "/".join(parts[:3] if parts[0] == "aws" else parts[:2] if parts[0] == "cluster-resources" else parts[:1])
    if removal.file.endswith(".log"):
        base = "cluster-resources/pods/logs"
    return base.removesuffix(".json") + ("#" if removal.item else "")


def mistakes_of(fault: Fault, every: int, always: frozenset[str] = frozenset()) -> tuple[int, list[Mistake]]:
    """(removals tried, mistakes): the first, one in `every` (always the same ones), and all at the places `always`."""
    world = fault.world()
    files = files_of(world)
    traced = Traced(encoded(files))
    whole = diagnosis_of(world, traced)
    known = causes_of(whole) | fault.wanted | {fault.mode}
    tried, found = 0, []
    own = {f"items/{p['metadata']['name']}" for p in world.all("pods") if p["metadata"]["namespace"] == world.namespace}
    for removal, left in removals_of(files, traced.opened):
        if removal.item in own:
            continue  # what was asked about; without it another question is answered
        place = place_of(removal)
        if tried == 0 or place in always or crc32(f"{fault.name} {removal}".encode()) % every == 0:
            tried += 1
            found += [Mistake(name, place, removal) for name in _new(world, left, known)]
    return tried, found


def _new(world: World, left: dict[str, bytes], known: set[str]) -> list[str]:
    try:
        diagnosis = diagnosis_of(world, Memory(left))
    except SubjectError:
        return []  # what was asked about is what was taken away
    found = sorted(causes_of(diagnosis, confirmed=True) - known)
    return [*found, "healthy"] if diagnosis.status is Status.HEALTHY else found
