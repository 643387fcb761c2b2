"""One line on stderr that says what is being read, while somebody watches."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable

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
        self._show(query)
        return self._source(query)

    def _show(self, query: Query) -> None:
        with self._lock:
            self._asked += 1
            text = clipped(safe(f"reading {self._asked}: {query.operation}"), self._columns - 1)
            print(_ERASE + text, end="", file=sys.stderr, flush=True)

    def pages(self, query: Query) -> Iterable[Answer]:
        """The pages of a list, as the source has them; the line shows the list once."""
        self._show(query)
        pages = getattr(self._source, "pages", None)
        return pages(query) if pages else [self._source(query) or []]

    def clear(self) -> None:
        """Takes the line away."""
        clear()


def clear() -> None:
    """Takes the line of any progress away."""
    print(_ERASE, end="", file=sys.stderr, flush=True)


def watched() -> bool:
    """Whether stderr is a terminal that understands being erased."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
