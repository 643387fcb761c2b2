"""Findings of many workloads folded: what is the same thing on the same object is one entry, with its targets."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Any

MOST_TARGETS = 20
"""Targets that an entry names; `targetCount` and `podCount` say how many there are."""

Entry = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """A workload that an entry is about: the pod that was looked at, and how many pods are like it."""

    kind: str
    namespace: str
    name: str
    pod: str
    """ "" where it has none."""
    pods: int

    @property
    def key(self) -> tuple[str, str, str]:
        return self.namespace, self.kind, self.name

    def data(self) -> dict[str, Any]:
        """As it stands in a document."""
        return {
            "kind": self.kind,
            "namespace": self.namespace,
            "name": self.name,
            "pod": self.pod or None,
            "pods": self.pods,
        }


@dataclass
class _Group:
    entry: Entry
    targets: list[tuple[tuple[str, str, str], Target]] = field(default_factory=list)
    """The first ones in order; never more than are shown."""
    target_count: int = 0
    pod_count: int = 0

    newest: Target | None = None

    def add(self, target: Target) -> None:
        self.pod_count += target.pods
        if self.newest is not None and self.newest.key == target.key:
            # Another Job of the same CronJob: its runs come one after the other.
            both = replace(self.newest, pods=self.newest.pods + target.pods)
            self.targets = [(key, both if own is self.newest else own) for key, own in self.targets]
            self.newest = both
            return
        self.newest = target
        self.target_count += 1
        self.targets = heapq.nsmallest(MOST_TARGETS, [*self.targets, (target.key, target)], key=itemgetter(0))


class Fold:
    """Entries by key. Workloads are added one after the other; how often one has an entry does not count twice."""

    def __init__(self) -> None:
        self._groups: dict[Any, _Group] = {}

    def add(self, found: Mapping[Any, tuple[Entry, Target]]) -> None:
        """What one workload has: key → entry and target. Of equal entries the confirmed one stays, else the first."""
        for key, (entry, target) in found.items():
            group = self._groups.setdefault(key, _Group(entry))
            if entry.get("confidence") == "confirmed" and group.entry.get("confidence") != "confirmed":
                group.entry = entry
            group.add(target)

    def entries(self) -> list[Entry]:
        """The entries with their targets: what is broken before a mere risk, and those of the most pods first."""
        made = [
            {
                **group.entry,
                "targets": [target.data() for _, target in group.targets],
                "targetCount": group.target_count,
                "podCount": group.pod_count,
            }
            for group in self._groups.values()
        ]
        return sorted(made, key=lambda e: (e.get("kind") == "risk", -e["podCount"], -e["targetCount"], _order(e)))


def _order(entry: Entry) -> tuple[str, ...]:
    return tuple(str(entry.get(key, "")) for key in ("id", "check", "fingerprint", "reason", "summary"))


def of_one_workload(found: Iterable[tuple[Any, Entry, Target]]) -> dict[Any, tuple[Entry, Target]]:
    """Key → entry and target, where several pods stand for one workload: the pods that have the entry together."""
    made: dict[Any, tuple[Entry, Target]] = {}
    for key, entry, target in found:
        if key in made:
            before, other = made[key]
            kept = entry if entry.get("confidence") == "confirmed" else before
            both = Target(other.kind, other.namespace, other.name, other.pod, other.pods + target.pods)
            made[key] = (kept, both)
        else:
            made[key] = (entry, target)
    return made
