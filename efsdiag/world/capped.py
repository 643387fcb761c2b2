"""A source for a limited time: what is asked for the first time after its end is unreadable, and says so."""

from __future__ import annotations

import threading
import time

from efsdiag.model import Answer, Query, Source, Unreadable


class Capped:
    """Passes queries on until the time is over; may be shared by threads. A query that is under way is waited for."""

    def __init__(self, source: Source, timeout_s: float) -> None:
        self._source = source
        self._timeout_s = timeout_s
        self._until = time.monotonic() + timeout_s
        self._lock = threading.Lock()
        self._asked: set[Query] = set()
        self._over = False

    @property
    def over(self) -> bool:
        """Whether anything was left out because the time was over."""
        return self._over

    def __call__(self, query: Query) -> Answer:
        """The source's answer. Errors: Unreadable, also where the time is over and the query was not asked before."""
        with self._lock:
            late = time.monotonic() >= self._until and query not in self._asked
            self._over |= late
            if not late:
                self._asked.add(query)
        if late:
            why = f"left out: the {self._timeout_s:g} s of the capture were over"
            raise Unreadable(query, why, "a capture with a longer --timeout")
        return self._source(query)
