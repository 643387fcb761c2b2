"""What a capture reads, and in which order: the diagnosis with its plan, and the surroundings of both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from efsdiag.changes import Choices
from efsdiag.gather import Gather
from efsdiag.investigate import investigate
from efsdiag.model import Query, Source, Subject, Unreadable
from efsdiag.operations import read_of
from efsdiag.remedy_rules import load_remedies
from efsdiag.rules import Rulebook
from efsdiag.subjects import SubjectError
from efsdiag.surroundings import (
    CLUSTER,
    NAMESPACED,
    aws_around,
    file_systems_of,
    lists_around,
    mount_targets_in,
    network_around,
    subjects_with_storage,
)
from efsdiag.treat.planning import place_of, plan_of
from efsdiag.world.bundle_reads import Recorded
from efsdiag.world.recorder import Recording
from efsdiag.world.widened import Widened

LISTS = ONE_BY_ONE = 0.25
"""Shares of the size of all files that answers may have; as files, with their blanks, they are twice as large."""


@dataclass
class Taking:
    """One capture in the making: everything goes through `recording`, which keeps it."""

    rulebook: Rulebook
    recording: Recording
    now: datetime
    workers: int
    most_bytes: int
    """How large the files may become: of that a half for lists, and a half for what diagnoses read one by one."""
    needed: set[Query] = field(default_factory=set)
    """What a diagnosis asked for; the rest is surroundings."""
    left_out: list[str] = field(default_factory=list)
    asked: list[Subject] = field(default_factory=list)
    """What was looked at: the target, or all that has storage."""

    @property
    def entries(self) -> list[Recorded]:
        """What was read, in the order of the queries."""
        return self.recording.entries

    def around(self, asked: Subject) -> None:
        """The target's diagnosis, and bounded lists around it. Errors: SubjectError where there is no such thing."""
        self._diagnose(self.recording, asked)
        self.asked = [asked]
        self.needed = self._asked()
        self._surround()

    def all_in(self, namespace: str, home: str) -> None:
        """Whole lists of a namespace, or of all of them, and the diagnosis of all that has storage.

        `home` is the namespace to look at where nobody may list the namespaces.
        """
        lists = Widened(self.recording)
        if not namespace:
            for resource in CLUSTER:
                self._list(lists, resource, [""])
        named = [o["metadata"]["name"] for o in self._answer(lists, "kube:list namespaces")] or [home]
        # What pods and claims there are has to be known; all else can be asked one by one.
        things = {r: self._list(lists, r, [namespace], [] if namespace else named) for r in NAMESPACED[:2]}
        first = self._asked()
        for resource in NAMESPACED[2:]:
            self._list(lists, resource, [namespace], [] if namespace else named)
        self.asked = subjects = subjects_with_storage(things["pods"], things["persistentvolumeclaims"])
        listed = self._asked()
        for number, subject in enumerate(subjects):
            if self._is_full(LISTS + ONE_BY_ONE):
                self.left_out.append(f"the diagnosis of {len(subjects) - number} of {len(subjects)} with storage")
                break
            try:
                self._diagnose(lists, subject)
            except SubjectError:
                continue  # it is gone since it was listed
        self.needed = (self._asked() - listed) | lists.used | first
        self._surround()

    def _is_full(self, share: float) -> bool:
        return self.recording.bytes_kept > share * self.most_bytes

    def _asked(self) -> set[Query]:
        return {entry.query for entry in self.recording.entries}

    def _list(self, lists: Widened, resource: str, where: Sequence[str], otherwise: Sequence[str] = ()) -> list[Any]:
        """The whole list, in each namespace by itself where all together are refused; empty where nobody may."""
        if self._is_full(LISTS):
            self.left_out.append(f"the list of {resource}")
            return []
        found: list[Any] = []
        for namespace in where:
            try:
                found += lists.read(resource, namespace)
            except Unreadable:
                found += self._list(lists, resource, otherwise) if otherwise else []
        return found

    def _answer(self, source: Source, operation: str) -> Any:
        found = self._ask(source, [read_of(operation)])
        return (found and found[0]) or []

    def _diagnose(self, source: Source, asked: Subject) -> None:
        """Reads what a diagnosis, and a plan for it, read. Errors: SubjectError."""
        found = investigate(self.rulebook, source, asked, self.now, workers=self.workers)
        given = {"subject": found.subject, "now": found.now}
        gather = Gather(self.rulebook.evidence, source, given, workers=self.workers)
        place = place_of(source, None, None, None)
        plan_of(found.diagnosis, asked, gather, load_remedies(), place, self.now, Choices(), live=False)

    def _surround(self) -> None:
        asked = self._asked()
        whole = {(q.operation, q.get("namespace")) for q in asked if not _narrows(q)}
        around = [q for q in lists_around(asked) if not whole & {(q.operation, q.get("namespace")), (q.operation, "")}]
        self._ask(self.recording, around)
        self._ask(self.recording, aws_around(file_systems_of(asked)))
        told = [(entry.query, entry.answer) for entry in self.recording.entries]
        self._ask(self.recording, network_around(mount_targets_in(told)))

    def _ask(self, source: Source, queries: Iterable[Query]) -> list[Any]:
        """The answers; None where there is none, or it was refused, which the recording knows."""
        answers: list[Any] = []
        for query in queries:
            if self._is_full(LISTS + ONE_BY_ONE):
                self.left_out.append(str(query))
                continue
            try:
                answers.append(source(query))
            except Unreadable:
                answers.append(None)
        return answers


def _narrows(query: Query) -> bool:
    return any(query.get(name) for name in ("fieldSelector", "labelSelector", "limit", "atMost", "name"))
