"""The subjects of a survey, looked at side by side over shared evidence."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Protocol

from efsdiag.gather import Gather, Memo
from efsdiag.health.hands import Hands
from efsdiag.health.workloads import Workload
from efsdiag.investigate import Investigation, investigate, known, look_at
from efsdiag.model import Evidence, Ref, Source, Subject
from efsdiag.rules import Rulebook
from efsdiag.subjects import KINDS, Chosen, SubjectError


class Keeper(Protocol):
    """What keeps answers, and is told what will be asked about so that it can keep the right ones."""

    def begin(self, namespace: str, subjects: int) -> None: ...

    def end(self, namespace: str) -> None: ...


@dataclass(frozen=True)
class Examined:
    """One subject that stands for a workload, and what was found."""

    ref: Ref
    """The workload, as its pods tell it."""
    workload: Ref | None
    """The workload as it was read; None where it could not be, or there is none."""
    names: Mapping[str, str]
    """Names for the placeholders of commands."""
    pods: int
    """How many pods are like the one that was looked at."""
    found: Investigation


@dataclass(frozen=True)
class Examiner:
    """What every look of a run shares."""

    rulebook: Rulebook
    source: Source
    now: datetime
    strict: bool = False

    @cached_property
    def _memo(self) -> Memo:
        return Memo(self.now)

    def examine(self, workload: Workload) -> list[Examined]:
        """What stands for the workload, looked at; empty where it is gone meanwhile."""
        found = [self._look(workload.ref, subject, pods) for subject, pods in workload.to_look_at()]
        return [look for look in found if look is not None]

    def _look(self, ref: Ref, subject: Subject, pods: int) -> Examined | None:
        gather = self._gather(subject)
        if subject.kind == "pod" and _is_gone(gather):
            return self._successor(ref, pods)
        found = look_at(self.rulebook, gather, subject, Chosen(subject), self.now)
        return Examined(ref, *known(gather), pods, found)

    def _successor(self, ref: Ref, pods: int) -> Examined | None:
        """The workload by another pod, where the one that stood for it is gone since it was listed."""
        kind = ref.kind.lower()
        if kind not in KINDS or kind == "pod":
            return None
        try:
            asked = Subject(kind, ref.namespace, ref.name)
            found = investigate(self.rulebook, self.source, asked, self.now, strict=self.strict)
        except SubjectError:
            return None
        return Examined(ref, *known(self._gather(found.subject)), pods, found)

    def _gather(self, subject: Subject) -> Gather:
        given = {"subject": subject, "now": self.now}
        return Gather(self.rulebook.evidence, self.source, given, strict=self.strict, memo=self._memo)


def _is_gone(gather: Gather) -> bool:
    pod = gather("pod")
    return not isinstance(pod, Evidence) and pod.absent


def examined(
    examiner: Examiner, workloads: Mapping[Ref, Workload], hands: Hands, keeper: Keeper | None = None
) -> Iterator[tuple[Ref, list[Examined]]]:
    """Each workload with its looks, in the order of the workloads, which is that of their namespaces.

    No more are under way than there are hands for, so that memory does not grow with the cluster. Errors: TimeIsOver.
    """
    left = Counter(ref.namespace for ref in workloads)
    begun: set[str] = set()
    under_way: deque[tuple[Ref, Future[list[Examined]]]] = deque()
    if keeper:
        keeper.begin("", len(workloads))

    def finished() -> tuple[Ref, list[Examined]]:
        ref, future = under_way.popleft()
        looks = hands.wait(future)
        left[ref.namespace] -= 1
        if keeper and not left[ref.namespace]:
            keeper.end(ref.namespace)
        return ref, looks

    for ref, workload in workloads.items():
        if keeper and ref.namespace not in begun:
            begun.add(ref.namespace)
            keeper.begin(ref.namespace, left[ref.namespace])
        under_way.append((ref, hands.give(lambda own=workload: examiner.examine(own))))  # type: ignore[misc]
        if len(under_way) > 2 * hands.number:
            yield finished()
    while under_way:
        yield finished()
