"""Judging a world: its bundle in memory, and what efsdiag says of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from efsdiag.cli import permitting
from efsdiag.investigate import investigate
from efsdiag.model import Answer, Diagnosis, Query
from efsdiag.rules import Rulebook, load_rulebook
from efsdiag.world.bundle import BundleSource
from efsdiag.world.bundle_files import Memory
from worlds.bundle import encoded, files_of
from worlds.ids import NOW
from worlds.world import World


class Traced(Memory):
    """Files of a bundle that remember which of them were opened."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__(files)
        self.opened: set[str] = set()

    def read(self, name: str) -> bytes:
        self.opened.add(name)
        return super().read(name)


@cache
def rulebook() -> Rulebook:
    return load_rulebook()


@cache
def rights() -> frozenset[str]:
    """The operations for which `efsdiag permissions --for why` prints a right."""
    return frozenset(permitting.NEEDED["why"][1](rulebook()))


def diagnosis_of(world: World, files: Memory | None = None) -> Diagnosis:
    """The diagnosis of what the world was asked about, out of `files`, or out of all that the world writes."""
    source = BundleSource.of(files or Memory(encoded(files_of(world))))

    def within_rights(query: Query) -> Answer:
        assert query.operation in rights(), f"efsdiag permissions --for why knows nothing of {query.operation}"
        return source(query)

    return investigate(rulebook(), within_rights, world.asked, NOW, strict=True).diagnosis


def causes_of(diagnosis: Diagnosis, *, confirmed: bool = False) -> set[str]:
    """The modes that are blamed; only those without a doubt, where `confirmed`."""
    return {c.finding.mode for c in diagnosis.causes if c.confirmed or not confirmed}
