"""Whole lists of a namespace, kept while its workloads are looked at: what they ask one by one is answered from here.

An object is kept as compressed JSON and unpacked when it is asked for, so that a list of thousands takes little room.
"""

from __future__ import annotations

import json
import re
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

from efsdiag.model import Answer, Query, Source, Unreadable
from efsdiag.operations import read_of, resource_of
from efsdiag.world.selectors import label_selector

Pages = Callable[[Query], Iterator[list[dict[str, Any]]]]

SHARED = frozenset(
    ("pods", "persistentvolumeclaims", "events", "deployments", "replicasets", "statefulsets", "daemonsets", "jobs")
)
"""Resources of a namespace of which each workload asks for its own objects."""
OF_CLUSTER = frozenset(("persistentvolumes", "nodes", "csinodes"))
"""Resources of no namespace, of which each workload asks for its own by name."""
_BY_UID = "involvedObject.uid="
_EXACT = re.compile(r"[\w./-]+=[\w.-]*", re.ASCII)
_NO_SHELF = object()


class Shelf:
    """The objects of one whole list."""

    def __init__(self, pages: Iterator[list[dict[str, Any]]], most_pages: int) -> None:
        """Reads the list. Errors: Unreadable; OverflowError where it has more pages than are worth it."""
        self._packed: dict[str, bytes] = {}
        self._labels: dict[str, dict[str, str]] = {}
        self._labelled: dict[str, list[str]] = {}
        """ "app=web" → the names of what has that label."""
        self._about: dict[str, list[str]] = {}
        """uid → the names of the events about it."""
        for number, page in enumerate(pages):
            if number == most_pages:
                raise OverflowError(f"the list has more than {most_pages} pages")
            for item in page:
                if item["metadata"]["name"] not in self._packed:
                    self._add(item)

    def _add(self, item: dict[str, Any]) -> None:
        metadata = item["metadata"]
        name = metadata["name"]
        self._packed[name] = zlib.compress(json.dumps(item, separators=(",", ":")).encode(), 1)
        self._labels[name] = metadata.get("labels") or {}
        for label in self._labels[name].items():
            self._labelled.setdefault("=".join(label), []).append(name)
        uid = (item.get("involvedObject") or {}).get("uid")
        if uid:
            self._about.setdefault(uid, []).append(name)

    def answer(self, query: Query) -> Answer:
        """What the server would have answered; `_NO_SHELF` where the query asks in a way that is not known here."""
        if query.operation.startswith("kube:get "):
            return self._object(query.get("name"))
        fields, labels = query.get("fieldSelector"), query.get("labelSelector")
        if query.get("limit") or (fields and not fields.startswith(_BY_UID)) or "," in fields:
            return _NO_SHELF
        if not fields and not labels:
            return self._all
        names: Iterable[str] = self._about.get(fields.removeprefix(_BY_UID), []) if fields else self._packed
        exact = [term for term in labels.split(",") if _EXACT.fullmatch(term)]
        if exact and not fields:
            # Any term that names a value will do to begin with: all of them have to hold.
            fewest: list[str] = min((self._labelled.get(term, []) for term in exact), key=len)
            names = fewest
        try:
            selects = label_selector(labels)
        except ValueError:
            return _NO_SHELF
        return [self._object(n) for n in names if selects({"metadata": {"labels": self._labels[n]}})]

    @cached_property
    def _all(self) -> list[Answer]:
        """Every object, unpacked once: whoever asks for all of them gets the same."""
        return [self._object(name) for name in self._packed]

    def _object(self, name: str) -> Answer:
        packed = self._packed.get(name)
        return json.loads(zlib.decompress(packed)) if packed is not None else None


class Shelves:
    """The shelves of the namespaces that are looked at now, and those of the cluster; may be shared by threads."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._lock = threading.Lock()
        self._subjects: dict[str, int] = {}
        """Namespace → how many subjects it has; "" for all together."""
        self._kept: dict[tuple[str, str], Shelf | None] = {}
        self._locks: dict[tuple[str, str], threading.Lock] = {}

    def begin(self, namespace: str, subjects: int) -> None:
        """From now on so many subjects of the namespace are asked about. "" is the cluster."""
        with self._lock:
            self._subjects[namespace] = subjects

    def end(self, namespace: str) -> None:
        """Nobody asks about the namespace any more."""
        with self._lock:
            self._subjects.pop(namespace, None)
            for key in [key for key in self._kept if key[0] == namespace]:
                del self._kept[key]
                self._locks.pop(key, None)

    def expects(self, namespace: str) -> bool:
        """Whether several subjects of the namespace are asked about now."""
        return self._subjects.get(namespace, 0) > 1

    def answer(self, query: Query) -> tuple[bool, Answer]:
        """(True, the answer) where a shelf has it, else (False, None)."""
        resource, namespace = resource_of(query), query.get("namespace")
        verb = query.operation.partition(" ")[0]
        known = (resource in SHARED and namespace) or (resource in OF_CLUSTER and verb == "kube:get")
        if verb not in ("kube:get", "kube:list") or not known or not self.expects(namespace):
            return False, None
        shelf = self._shelf(namespace, resource)
        found = shelf.answer(query) if shelf else _NO_SHELF
        return (False, None) if found is _NO_SHELF else (True, found)

    def _shelf(self, namespace: str, resource: str) -> Shelf | None:
        """The list, read at the first question; None where it may not be read, or is too long for what is asked."""
        key = (namespace, resource)
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._kept:
                made = self._read(namespace, resource)
                with self._lock:
                    self._kept[key] = made
            return self._kept.get(key)

    def _read(self, namespace: str, resource: str) -> Shelf | None:
        """A page for each subject at most: a list of more would cost more requests than it saves."""
        query = read_of(f"kube:list {resource}", **({"namespace": namespace} if namespace else {}))
        try:
            return Shelf(self._pages(query), self._subjects.get(namespace, 0))
        except (Unreadable, OverflowError):
            return None


class Shelved:
    """A source with shelves before it, for a bundle: of a long list, one object is found without a walk through all."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._shelves = Shelves(self._pages)

    def __call__(self, query: Query) -> Answer:
        shelved, found = self._shelves.answer(query)
        return found if shelved else self._source(query)

    def begin(self, namespace: str, subjects: int) -> None:
        """So many subjects of the namespace are about to be looked at ("": of the whole cluster)."""
        self._shelves.begin(namespace, subjects)

    def end(self, namespace: str) -> None:
        """Nobody asks about the namespace any more."""
        self._shelves.end(namespace)

    def _pages(self, query: Query) -> Iterator[list[dict[str, Any]]]:
        yield self._source(query) or []
