"""A source whose answers have no secrets in them: all that efsdiag knows of the world goes through it.

So a secret is in no evidence, and from there in no report, plan, journal or bundle.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any

from efsdiag.model import Answer, Query, Source, Unreadable
from efsdiag.redaction import redacted, redacted_text

KEPT = 32
"""How many answers are kept beside what they were made from: most are asked for several times, one after the other."""


class Redacting:
    """Passes each query on to another source, and takes the secrets out of its answer; may be shared by threads."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lock = Lock()
        self._kept: OrderedDict[Query, tuple[Answer, Answer]] = OrderedDict()

    def __call__(self, query: Query) -> Answer:
        """The answer without secrets; the same object each time for the same answer of the source.

        Errors: Unreadable, whose text has no secrets in it either.
        """
        try:
            answer = self._source(query)
        except Unreadable as refusal:
            raise _without_secrets(refusal) from None
        with self._lock:
            raw, made = self._kept.get(query, (None, None))
        if answer is None or raw is answer:
            return made if answer is not None else None
        try:
            made = redacted(answer)
        except RecursionError:
            why = f"the answer to {query.operation} is nested too deeply to be looked through"
            raise Unreadable(query, why) from None
        with self._lock:
            self._kept[query] = (answer, made)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made

    def pages(self, query: Query) -> Iterator[list[dict[str, Any]]]:
        """A list page by page, where the source has it in pages; else all of it at once. Nothing of it is kept.

        Errors: Unreadable, also between two pages.
        """
        pages = getattr(self._source, "pages", None)
        if pages is None:
            yield self(query) or []
            return
        try:
            for page in pages(query):
                yield redacted(page)
        except Unreadable as refusal:
            raise _without_secrets(refusal) from None


class Listing:
    """The same for lists of which names and states alone are kept: objects as they are, refusals without secrets.

    To look through every text of every pod of a cluster would cost more than the list itself.
    """

    def __init__(self, source: Source, pages: Callable[[Query], Iterator[list[dict[str, Any]]]]) -> None:
        self._redacting = Redacting(source)
        self._pages = pages

    def __call__(self, query: Query) -> Answer:
        """The answer without secrets. Errors: Unreadable."""
        return self._redacting(query)

    def pages(self, query: Query) -> Iterator[list[dict[str, Any]]]:
        """A list page by page. Errors: Unreadable, also between two pages."""
        try:
            yield from self._pages(query)
        except Unreadable as refusal:
            raise _without_secrets(refusal) from None


def _without_secrets(refusal: Unreadable) -> Unreadable:
    return Unreadable(refusal.query, redacted_text(refusal.why), redacted_text(refusal.grant))
