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


class Memo:
    """What functions made of the same values, once for all gathers of a run: evidence that no subject has a part in.

    A value is the same for all where it is None, True or False, was given at the start, or was made here. Where a
    function takes any other one, its result is not kept. May be shared by threads.
    """

    def __init__(self, *given: Any) -> None:
        self._same: dict[int, Any] = {id(value): value for value in given}
        self._made: dict[Any, Any] = {}
        self._lock = threading.Lock()

    def key(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """What the result of `name` is kept under; None where it depends on a value that is not the same for all."""
        found: list[Any] = [name]
        for argument, value in arguments.items():
            plain = value is None or isinstance(value, bool | Unread)
            if not plain and id(value) not in self._same:
                return None
            found.append((argument, value if plain else id(value)))
        return tuple(found)

    def get(self, key: Any) -> Any:
        """What is kept; None where nothing is."""
        return self._made.get(key)

    def keep(self, key: Any, made: Any, value: Any) -> Any:
        """Keeps what was made, and the value in it as the same for all. Returns what was kept first."""
        with self._lock:
            first = self._made.setdefault(key, made)
            if first is made:
                self._same[id(value)] = value
            return first


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
        memo: Memo | None = None,
    ) -> None:
        self._functions = functions
        self.memo = memo
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
        found = self.arguments(function, **extra)
        return found if isinstance(found, Missing) else applied(function, found, **extra)

    def arguments(self, function: Callable[..., Any], **extra: Any) -> dict[str, Any] | Missing:
        """The evidence that the function's parameters name, less `extra`; or the `Missing` that it needs most."""
        arguments: dict[str, Any] = {}
        lacking: list[Missing] = []
        for name, default in parameters_of(function):
            if name in extra:
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
        return min(lacking, key=lambda missing: missing.absent) if lacking else arguments

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
        """The evidence, or what keeps it from being there; as another subject has it, where none has a part in it."""
        function, reader = self._functions[name], Reader(self._source, self._workers)
        arguments = self.arguments(function, read=reader)
        if isinstance(arguments, Missing):
            return Missing(name, arguments.why, arguments.absent, arguments.grant)
        key = self.memo.key(name, arguments) if self.memo else None
        kept = self.memo.get(key) if self.memo and key else None
        if kept is None:
            kept = self._made(name, arguments, reader)
            if self.memo and key:
                kept = self.memo.keep(key, kept, kept.value if isinstance(kept, Evidence) else kept)
        found: Evidence | Missing = kept
        return found

    def _made(self, name: str, arguments: Mapping[str, Any], reader: Reader) -> Evidence | Missing:
        try:
            got = applied(self._functions[name], arguments, read=reader)
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


def applied(function: Callable[..., Any], arguments: Mapping[str, Any], **extra: Any) -> Any:
    """The function's result for the arguments, and for those of `extra` that it takes."""
    return function(**arguments, **{name: extra[name] for name, _ in parameters_of(function) if name in extra})
