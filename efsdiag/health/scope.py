"""What a health check is asked to look at, and how the lists of it are read page by page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from efsdiag.model import Query, Source, Unreadable
from efsdiag.operations import read_of

Thing = dict[str, Any]


@dataclass(frozen=True)
class Scope:
    """All namespaces, or these, and what the label selector selects in them: pods, and what makes pods and has none."""

    namespaces: tuple[str, ...] = ()
    """Empty for all."""
    selector: str = ""
    """ "" for everything."""


@dataclass(frozen=True, order=True)
class Unlisted:
    """A list that could not be read, so that nobody knows what else is in scope."""

    operation: str
    namespace: str
    """ "" where all namespaces were asked for."""
    reason: str
    grant: str


class NoSuchNamespace(Exception):
    """A namespace that was asked for does not exist."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass
class Lists:
    """The lists of a scope. What could not be read is kept in `unlisted`."""

    source: Source
    scope: Scope
    fallback: tuple[str, ...] = ()
    """Namespaces to ask one by one where neither all of them nor their names can be listed."""
    unlisted: list[Unlisted] = field(default_factory=list)
    populated: set[str] = field(default_factory=set)
    """Namespaces in which something was listed."""

    def verify(self) -> dict[str, Unlisted]:
        """The namespaces of which nobody may say whether they exist. Errors: NoSuchNamespace."""
        doubtful = {}
        for namespace in self.scope.namespaces:
            try:
                if self.source(read_of("kube:get namespaces", name=namespace)) is None:
                    raise NoSuchNamespace(namespace)
            except Unreadable as refusal:
                doubtful[namespace] = Unlisted("kube:get namespaces", namespace, refusal.why, refusal.grant)
        return doubtful

    def of(self, resource: str) -> Iterator[Thing]:
        """Every object of the resource in scope, one page in memory at a time.

        Where all namespaces together are refused, each is asked by itself, and those that refuse are named.
        """
        for namespace in self.scope.namespaces:
            yield from self._readable(resource, namespace)
        if self.scope.namespaces:
            return
        try:
            yield from self._pages(self._list_of(resource, ""))
        except Unreadable as refusal:
            yield from self._one_by_one(resource, refusal)

    @contextmanager
    def understood(self, resource: str, thing: Thing) -> Iterator[None]:
        """Where what it encloses trips over an object that is not as Kubernetes has it, that counts as missing."""
        try:
            yield
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            metadata = thing["metadata"]
            why = f"{metadata['name']} in it cannot be understood: {type(error).__name__}: {error}"
            self.unlisted.append(Unlisted(f"kube:list {resource}", str(metadata.get("namespace") or ""), why, ""))

    def _one_by_one(self, resource: str, refusal: Unreadable) -> Iterator[Thing]:
        """Each namespace by itself. Where all of them refuse too, the refusal of the whole says it once."""
        refused: list[Unlisted] = []
        for namespace in self._names:
            try:
                yield from self._pages(self._list_of(resource, namespace))
            except Unreadable as own:
                refused.append(_missed(resource, namespace, own))
        everywhere = len(refused) == len(self._names)
        self.unlisted += [_missed(resource, "", refusal)] if everywhere else refused

    def cluster(self, resource: str) -> list[Thing]:
        """Every object of a resource that is in no namespace; empty where it cannot be listed, which is not named."""
        try:
            return list(self._pages(read_of(f"kube:list {resource}")))
        except Unreadable:
            return []

    def _readable(self, resource: str, namespace: str) -> Iterator[Thing]:
        try:
            yield from self._pages(self._list_of(resource, namespace))
        except Unreadable as refusal:
            self.unlisted.append(_missed(resource, namespace, refusal))

    def _pages(self, query: Query) -> Iterator[Thing]:
        for page in pages_of(self.source, query):
            for thing in page:
                self.populated.add(thing["metadata"].get("namespace") or "")
                yield thing

    @cached_property
    def _names(self) -> tuple[str, ...]:
        """The names of all namespaces, or of those that are known without the list, which is then named as missing."""
        try:
            return tuple(sorted(n["metadata"]["name"] for n in self._pages(read_of("kube:list namespaces"))))
        except Unreadable as refusal:
            self.unlisted.append(_missed("namespaces", "", refusal))
            return self.fallback

    def _list_of(self, resource: str, namespace: str) -> Query:
        return read_of(f"kube:list {resource}", namespace=namespace, labelSelector=self.scope.selector)


def _missed(resource: str, namespace: str, refusal: Unreadable) -> Unlisted:
    return Unlisted(f"kube:list {resource}", namespace, refusal.why, refusal.grant)


def pages_of(source: Source, query: Query) -> Iterable[list[Thing]]:
    """The answer to a list, page by page where the source can; nothing where there is no such kind.

    An object may come twice where the list changes meanwhile. Errors: Unreadable, also between two pages.
    """
    pages = getattr(source, "pages", None)
    if pages is not None:
        found: Iterable[list[Thing]] = pages(query)
        return found
    return [source(query) or []]
