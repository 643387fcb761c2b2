"""The objects of the server, kept as values and as encoded bytes, in the order of the real server's pages."""

from __future__ import annotations

import bisect
import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .answers import encoded
from .resources import Resource

CREATED = "2026-01-01T00:00:00Z"
"""The creationTimestamp of an object that was given without one."""


class Stored(NamedTuple):
    """An object: its value, and its bytes as an item of a list (without kind and apiVersion unless it is custom)."""

    value: dict[str, Any]
    item: bytes


class Page(NamedTuple):
    """Part of a list: the encoded items, the key of the last one, and how many matching objects follow.

    `remaining` is None where a selector leaves the number unknown; `more` says whether there is a next page.
    """

    items: list[bytes]
    last: str
    more: bool
    remaining: int | None


@dataclass
class _Table:
    """The objects of one resource by key, and the keys in order once somebody asks for them."""

    rows: dict[str, Stored] = field(default_factory=dict)
    keys: list[str] | None = None

    def ordered(self) -> list[str]:
        if self.keys is None:
            self.keys = sorted(self.rows)
        return self.keys

    def put(self, key: str, stored: Stored) -> None:
        if self.keys is not None and key not in self.rows:
            bisect.insort(self.keys, key)
        self.rows[key] = stored

    def drop(self, key: str) -> Stored:
        if self.keys is not None:
            del self.keys[bisect.bisect_left(self.keys, key)]
        return self.rows.pop(key)


class Store:
    """Every object, with one resourceVersion counter for all of them. `lock` is held over a read and its write."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.revision = 1000
        self._tables: dict[Resource, _Table] = {}
        self._namespaces: set[str] = set()

    def put(self, resource: Resource, manifest: Mapping[str, Any], fresh: bool = True) -> Stored:
        """Keeps an object and returns it as kept. A `fresh` one gets a new resourceVersion, another keeps its own."""
        with self.lock:
            given = manifest["metadata"]
            version = None if fresh else given.get("resourceVersion")
            self.revision = max(self.revision + 1, int(version or 0))
            key = key_of(resource, given.get("namespace", ""), given["name"])
            metadata = {
                **given,
                "uid": given.get("uid") or _uid(f"{resource.qualified}/{key}"),
                "resourceVersion": version or str(self.revision),
                "creationTimestamp": given.get("creationTimestamp") or CREATED,
            }
            rest = {k: v for k, v in manifest.items() if k not in ("kind", "apiVersion", "metadata")}
            own = {"metadata": metadata, **rest}
            value = {"kind": resource.kind, "apiVersion": resource.group_version, **own}
            stored = Stored(value, encoded(value if resource.custom else own))
            self._tables.setdefault(resource, _Table()).put(key, stored)
            self._namespaces.add(given["name"] if resource.plural == "namespaces" else given.get("namespace", ""))
            return stored

    def get(self, resource: Resource, namespace: str, name: str) -> Stored | None:
        table = self._tables.get(resource)
        return table.rows.get(key_of(resource, namespace, name)) if table else None

    def drop(self, resource: Resource, namespace: str, name: str) -> Stored:
        """Removes an object and returns what it was. Errors: KeyError where there is none."""
        with self.lock:
            self.revision += 1
            return self._tables[resource].drop(key_of(resource, namespace, name))

    def has_namespace(self, name: str) -> bool:
        """Whether the namespace, or anything in it, was ever put here."""
        return name in self._namespaces

    def page(
        self,
        resource: Resource,
        namespace: str,
        after: str = "",
        limit: int = 0,
        matches: Callable[[Mapping[str, Any]], bool] | None = None,
        name: str = "",
    ) -> Page:
        """The objects in `namespace` (all, where empty) with keys behind `after`, at most `limit` (0: all).

        `name` is the one that the selector asks for by name, if any: looked up instead of searched for.
        """
        with self.lock:
            table = self._tables.get(resource, _Table())
            if name and (namespace or not resource.namespaced):
                key = key_of(resource, namespace, name)
                keys, low, high = [key], 0, int(key in table.rows and key > after)
            else:
                keys = table.ordered()
                low, high = _range(keys, namespace, after)
            if matches is None:
                end = min(low + limit, high) if limit else high
                items = [table.rows[key].item for key in keys[low:end]]
                return Page(items, keys[end - 1] if items else "", end < high, high - end)
            return _matching(table, keys[low:high], limit, matches)


def key_of(resource: Resource, namespace: str, name: str) -> str:
    """The key by which etcd orders objects: "namespace/name", so that a page of all namespaces is in its order."""
    return f"{namespace}/{name}" if resource.namespaced else name


def _uid(text: str) -> str:
    """A uid that is the same in every run."""
    digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:]))


def item_to_object(resource: Resource, item: bytes) -> bytes:
    """A list item as an object of its own: with kind and apiVersion."""
    return item if resource.custom else resource.head + item[1:]


def _range(keys: list[str], namespace: str, after: str) -> tuple[int, int]:
    low, high = 0, len(keys)
    if namespace:
        # "0" is the character behind "/": between the two are exactly the keys of the namespace.
        low, high = bisect.bisect_left(keys, f"{namespace}/"), bisect.bisect_left(keys, f"{namespace}0")
    if after:
        low = max(low, bisect.bisect_right(keys, after))
    return low, max(low, high)


def _matching(table: _Table, keys: list[str], limit: int, matches: Callable[[Mapping[str, Any]], bool]) -> Page:
    items: list[bytes] = []
    last = ""
    for key in keys:
        stored = table.rows[key]
        if not matches(stored.value):
            continue
        if limit and len(items) == limit:
            return Page(items, last, True, None)
        items.append(stored.item)
        last = key
    return Page(items, last, False, None)
