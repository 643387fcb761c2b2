"""Whole lists that were read once, and a source that answers from them what is asked about one object or some."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from efsdiag.model import Answer, Query, Source
from efsdiag.operations import read_of, resource_of
from efsdiag.world.bundle_kube import narrowed

Thing = dict[str, Any]


class _Whole:
    """A whole list, by namespace and by name."""

    def __init__(self, query: Query, items: list[Thing]) -> None:
        self.query = query
        self.items = items
        self.by_namespace: defaultdict[str, list[Thing]] = defaultdict(list)
        self.by_name: dict[tuple[str, str], Thing] = {}
        for item in items:
            metadata = item["metadata"]
            namespace = metadata.get("namespace") or ""
            self.by_namespace[namespace].append(item)
            self.by_name[namespace, metadata["name"]] = item


class Widened:
    """Answers a query from a whole list where it was read, and asks the other source else."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._whole: dict[tuple[str, str], _Whole] = {}
        self.used: set[Query] = set()
        """The lists from which anything was answered."""

    def read(self, resource: str, namespace: str = "") -> list[Thing]:
        """The whole list, of one namespace or of all; from now on it answers. Errors: Unreadable."""
        query = read_of(f"kube:list {resource}", **({"namespace": namespace} if namespace else {}))
        items = self._source(query) or []
        self._whole[resource, namespace] = _Whole(query, items)
        return items

    def __call__(self, query: Query) -> Answer:
        verb = query.operation.partition(" ")[0]
        namespace = query.get("namespace")
        whole = None
        if verb in ("kube:get", "kube:list"):
            resource = resource_of(query)
            whole = self._whole.get((resource, namespace)) or self._whole.get((resource, ""))
        if whole is None:
            return self._source(query)
        self.used.add(whole.query)
        if verb == "kube:get":
            return whole.by_name.get((namespace, query.get("name")))
        return narrowed(query, whole.by_namespace[namespace] if namespace else whole.items)
