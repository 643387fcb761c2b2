"""Evidence by name: lazily, once each, with the queries behind it.

Evidence functions, checks and remedies ask for evidence by parameter name, as pytest's tests ask for fixtures:

    def mount_targets(read, file_system): ...        another evidence, and `read` for queries
    def nfs_port_open(mount_targets, node_ends): ...

A parameter without a default is needed: where it is unreadable or absent, the function is not called. A default of
`None` says "may be absent"; a default of `UNREAD` says "may be unreadable too", and the function then gets an `Unread`.
Where evidence is unreadable and other evidence is absent, unreadable wins: "could not look" is never "is not there".
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import lru_cache
from typing import Any

from efsdiag.model import UNREAD, Answer, Evidence, Missing, Query, Source, Unread, Unreadable
from efsdiag.operations import read_of

MISTAKES = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What a function raises over an object that is not shaped as it expects: a missing field, a date out of range."""


class Reader:
    """`read(operation, **parameters)` for one evidence function: asks the source and keeps the queries."""

    def __init__(self, source: Source, workers: int) -> None:
        self._source = source
        self._workers = workers
        self.asked: list[Query] = []

    def __call__(self, operation: str, **parameters: Any) -> Answer:
        """The source's answer: a value, or None for "does not exist". Raises Unreadable."""
        query = read_of(operation, **parameters)
        self.asked.append(query)
        return self._source(query)

    def many(self, queries: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Answer]:
        """The answers to reads that do not depend on each other; they go out together where the source is remote."""
        made = [read_of(operation, **parameters) for operation, parameters in queries]
        # All of them are behind the evidence, also where one is refused: the same ones, whatever the number of workers.
        self.asked.extend(made)
        if self._workers < 2 or len(made) < 2:
            return [self._source(query) for query in made]
        with ThreadPoolExecutor(min(self._workers, len(made))) as pool:
            asked = [pool.submit(self._source, query) for query in made]
        return [future.result() for future in asked]


class Gather:
    """Makes each evidence once and keeps it, whether it is there, absent or unreadable.

    `given` are values that no query makes: `subject`, `now`. With `strict`, a mistake in a function is raised; without
    it, the evidence counts as unreadable, so that one malformed object cannot take the whole diagnosis down.
    """

    def __init__(
        self,
        functions: Mapping[str, Callable[..., Any]],
        source: Source,
        given: Mapping[str, Any],
        *,
        workers: int = 1,
        strict: bool = False,
    ) -> None:
        self._functions = functions
        self._source = source
        self._workers = workers
        self.strict = strict
        self._lock = threading.Lock()
        self._kept: dict[str, Evidence | Missing] = {n: Evidence(n, v) for n, v in given.items()}

    def __call__(self, name: str) -> Evidence | Missing:
        """The evidence of that name, made now if it was not yet."""
        kept = self._kept.get(name)
        if kept is None:
            made = self._make(name)
            with self._lock:
                kept = self._kept.setdefault(name, made)
        return kept

    def call(self, function: Callable[..., Any], **extra: Any) -> Any:
        """`function` with the evidence that its parameters name, or the `Missing` that kept it from being called."""
        arguments: dict[str, Any] = {}
        lacking: list[Missing] = []
        for name, default in parameters_of(function):
            if name in extra:
                arguments[name] = extra[name]
                continue
            got = self(name)
            if isinstance(got, Evidence):
                arguments[name] = got.value
            elif got.absent and default in (None, UNREAD):
                arguments[name] = None
            elif not got.absent and default is UNREAD:
                arguments[name] = Unread(got.why, got.grant)
            else:
                lacking.append(got)
        if lacking:
            return min(lacking, key=lambda missing: missing.absent)
        return function(**arguments)

    def prefetch(self, functions: Iterable[Callable[..., Any]]) -> None:
        """Make what `functions` will ask for, independent evidence at the same time (for a source with a network)."""
        if self._workers < 2:
            return
        needs = self._needs_of(functions)
        with ThreadPoolExecutor(self._workers) as pool:
            running: dict[Future[Evidence | Missing], str] = {}
            while needs or running:
                ready = [
                    n for n, wanted in needs.items() if not any(w in needs or w in running.values() for w in wanted)
                ]
                for name in ready:
                    del needs[name]
                    running[pool.submit(self, name)] = name
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                    del running[future]

    def queries_of(self, names: Iterable[str]) -> tuple[Query, ...]:
        """The queries behind these evidences and behind all that they were made from, sorted, each once."""
        found: set[Query] = set()
        for name in self._closure(names):
            kept = self._kept.get(name)
            if kept is not None:
                found.update(kept.queries)
        return tuple(sorted(found))

    def _make(self, name: str) -> Evidence | Missing:
        reader = Reader(self._source, self._workers)
        try:
            got = self.call(self._functions[name], read=reader)
        except Unreadable as refusal:
            return Missing(name, refusal.why, False, refusal.grant, tuple(reader.asked))
        except MISTAKES as mistake:
            if self.strict:
                raise
            why = f"{name.replace('_', ' ')} could not be understood: {type(mistake).__name__}: {mistake}"
            return Missing(name, why, False, "report it with the bundle", tuple(reader.asked))
        if isinstance(got, Missing):
            return Missing(name, got.why, got.absent, got.grant, tuple(reader.asked))
        if got is None:
            return Missing(name, f"there is no {name.replace('_', ' ')}", True, "", tuple(reader.asked))
        return Evidence(name, got, tuple(reader.asked))

    def _needs_of(self, functions: Iterable[Callable[..., Any]]) -> dict[str, Sequence[str]]:
        wanted = [n for f in functions for n, _ in parameters_of(f)]
        return {
            n: [p for p, _ in parameters_of(self._functions[n]) if p in self._functions]
            for n in self._closure(wanted)
            if n in self._functions and n not in self._kept
        }

    def _closure(self, names: Iterable[str]) -> list[str]:
        seen: dict[str, None] = {}
        unvisited = list(names)
        while unvisited:
            name = unvisited.pop()
            if name in seen:
                continue
            seen[name] = None
            if name in self._functions:
                unvisited.extend(p for p, _ in parameters_of(self._functions[name]))
        return list(seen)


@lru_cache(maxsize=1024)
def parameters_of(function: Callable[..., Any]) -> tuple[tuple[str, Any], ...]:
    """The (name, default) pairs of a function's parameters; `inspect.Parameter.empty` where there is no default."""
    return tuple((p.name, p.default) for p in inspect.signature(function).parameters.values())
