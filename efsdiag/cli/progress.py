"""One line on stderr that says what is being read, while somebody watches."""

from __future__ import annotations

import os
import sys
import threading

from efsdiag.model import Answer, Query, Source
from efsdiag.report.text import clipped, safe

_ERASE = "\r\x1b[K"


class Progress:
    """A source that passes queries on, and shows the newest one; gone without a trace after `clear`."""

    def __init__(self, source: Source, columns: int) -> None:
        self._source = source
        self._columns = columns
        self._lock = threading.Lock()
        self._asked = 0

    def __call__(self, query: Query) -> Answer:
        with self._lock:
            self._asked += 1
            text = clipped(safe(f"reading {self._asked}: {query.operation}"), self._columns - 1)
            print(_ERASE + text, end="", file=sys.stderr, flush=True)
        return self._source(query)

    def clear(self) -> None:
        """Takes the line away."""
        print(_ERASE, end="", file=sys.stderr, flush=True)


def watched() -> bool:
    """Whether stderr is a terminal that understands being erased."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
