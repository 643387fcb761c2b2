"""The subjects of a survey, looked at one after the other over shared evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from efsdiag.gather import Gather
from efsdiag.health.workloads import Workload
from efsdiag.investigate import Investigation, known, look_at
from efsdiag.model import Ref, Source, Subject
from efsdiag.rules import Rulebook
from efsdiag.subjects import Chosen


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
    workers: int = 1
    strict: bool = False

    def examine(self, workload: Workload) -> list[Examined]:
        """What stands for the workload, looked at."""
        return [self._look(workload.ref, subject, pods) for subject, pods in workload.to_look_at()]

    def _look(self, ref: Ref, subject: Subject, pods: int) -> Examined:
        given = {"subject": subject, "now": self.now}
        gather = Gather(self.rulebook.evidence, self.source, given, workers=self.workers, strict=self.strict)
        found = look_at(self.rulebook, gather, subject, Chosen(subject), self.now)
        workload, names = known(gather)
        return Examined(ref, workload, names, pods, found)


def examined(
    examiner: Examiner, workloads: Mapping[Ref, Workload], time_is_over: Callable[[], bool] = lambda: False
) -> Iterator[list[Examined]]:
    """The looks of each workload, in the order of the workloads; ends early where the time is over."""
    for workload in workloads.values():
        if time_is_over():
            return
        yield examiner.examine(workload)
