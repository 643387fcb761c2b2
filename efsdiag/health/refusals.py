"""A source that keeps account of what was refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from efsdiag.health.scope import Thing, pages_of
from efsdiag.model import Answer, Query, Source, Unreadable


class Refusals:
    """Passes queries on, and remembers the operation and the missing right of each that could not be read."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._refused: set[tuple[str, str]] = set()

    def __call__(self, query: Query) -> Answer:
        try:
            return self._source(query)
        except Unreadable as refusal:
            self._keep(query, refusal)
            raise

    def pages(self, query: Query) -> Iterator[list[Thing]]:
        """The pages of a list. Errors: Unreadable."""
        try:
            yield from pages_of(self._source, query)
        except Unreadable as refusal:
            self._keep(query, refusal)
            raise

    @property
    def refused(self) -> list[tuple[str, str]]:
        """(operation, grant), sorted, each once."""
        return sorted(self._refused)

    def _keep(self, query: Query, refusal: Unreadable) -> None:
        with self._lock:
            self._refused.add((query.operation, refusal.grant))
