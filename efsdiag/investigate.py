"""One `why`: from what was asked to a diagnosis, with everything that a report needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from efsdiag.diagnose import diagnose
from efsdiag.gather import Gather, parameters_of
from efsdiag.judge import judge_all
from efsdiag.model import Diagnosis, Evidence, Query, Ref, Source, Subject, Unreadable, Verdict, unknown
from efsdiag.rules import Rulebook
from efsdiag.semantics.containers import claim_volume_names
from efsdiag.semantics.objects import controller_of, ref_of
from efsdiag.settings import Settings
from efsdiag.subjects import Chosen, SubjectError, choose


@dataclass(frozen=True)
class Investigation:
    """A diagnosis with what was asked, what was looked at, and where each verdict comes from."""

    asked: Subject
    subject: Subject
    note: str
    """How the subject stands for what was asked; "" where they are the same."""
    now: datetime
    diagnosis: Diagnosis
    rulebook: Rulebook
    queries: Mapping[str, tuple[Query, ...]]
    """Check → the queries behind its verdict."""
    wanted: Settings | None = None
    """What is wished for, where a workload was asked about that need not be there yet."""

    @property
    def given(self) -> dict[str, Any]:
        """What evidence is made from beside queries."""
        return _given(self.subject, self.now, self.wanted)


def investigate(
    rulebook: Rulebook,
    source: Source,
    asked: Subject,
    now: datetime,
    *,
    workers: int = 1,
    strict: bool = False,
    wanted: Settings | None = None,
) -> Investigation:
    """Look at the subject and sort what is found; with `wanted`, the subject is wished for and need not be there.

    Errors: SubjectError where nothing of that name exists.
    """
    try:
        chosen = choose(source, asked)
    except Unreadable as refusal:
        verdicts: dict[str, Verdict] = {c: unknown(refusal.why, refusal.grant) for c in rulebook.checks}
        return _sorted(rulebook, asked, Chosen(asked), now, verdicts, {}, wanted)
    except SubjectError:
        if wanted is None:
            raise
        chosen = Chosen(asked, "it is wished for, and not there yet")
    given = _given(chosen.subject, now, wanted)
    gather = Gather(rulebook.evidence, source, given, workers=workers, strict=strict)
    return look_at(rulebook, gather, asked, chosen, now, wanted)


def look_at(
    rulebook: Rulebook, gather: Gather, asked: Subject, chosen: Chosen, now: datetime, wanted: Settings | None = None
) -> Investigation:
    """The investigation of a subject whose evidence is gathered already, or is on the way."""
    return _sorted(rulebook, asked, chosen, now, judge_all(rulebook, gather), _Queries(rulebook, gather), wanted)


def _given(subject: Subject, now: datetime, wanted: Settings | None) -> dict[str, Any]:
    return {"subject": subject, "now": now, **({"wanted": wanted} if wanted else {})}


def known(gather: Gather) -> tuple[Ref | None, dict[str, str]]:
    """The workload behind the pod, and the names for placeholders of commands: container, node, claim.

    A CronJob stands for each of its Jobs, whose names are made up anew.
    """
    workload, pod, container = (gather(name) for name in ("workload", "pod", "main_container"))
    names: dict[str, str] = {}
    if isinstance(container, Evidence):
        names["container"] = container.value.name
    if isinstance(pod, Evidence):
        spec = pod.value.get("spec") or {}
        claims = sorted(set(claim_volume_names(spec).values()))
        names |= {"node": str(spec.get("nodeName") or "")} | ({"claim": claims[0]} if len(claims) == 1 else {})
    return (_lasting(workload.value) if isinstance(workload, Evidence) else None), names


def _lasting(workload: dict[str, Any]) -> Ref:
    owner = controller_of(workload)
    if owner and owner.get("kind") == "CronJob":
        return Ref("CronJob", str(owner["name"]), workload["metadata"].get("namespace") or "")
    return ref_of(workload)


def driver_version(gather: Gather) -> str | None:
    """The version of the EFS CSI driver that serves the pod, as its image is tagged; None where nobody knows."""
    for name in ("node_driver_version", "controller_version"):
        found = gather(name)
        if isinstance(found, Evidence) and found.value.tag:
            return str(found.value.tag)
    return None


class _Queries(Mapping[str, tuple[Query, ...]]):
    """Check → the queries behind its verdict, found when they are asked for: a report shows those of a few checks."""

    def __init__(self, rulebook: Rulebook, gather: Gather) -> None:
        self._checks = rulebook.checks
        self._gather = gather

    def __getitem__(self, id_: str) -> tuple[Query, ...]:
        check = self._checks[id_]
        return self._gather.queries_of([*(name for name, _ in parameters_of(check.judge)), check.shown_by])

    def __iter__(self) -> Iterator[str]:
        return iter(self._checks)

    def __len__(self) -> int:
        return len(self._checks)


def _sorted(
    rulebook: Rulebook,
    asked: Subject,
    chosen: Chosen,
    now: datetime,
    verdicts: dict[str, Verdict],
    queries: Mapping[str, tuple[Query, ...]],
    wanted: Settings | None,
) -> Investigation:
    target = "claim-bound" if chosen.subject.kind == "persistentvolumeclaim" else "pod-ready"
    diagnosis = diagnose(rulebook.checks, rulebook.modes, verdicts, target)
    return Investigation(asked, chosen.subject, chosen.note, now, diagnosis, rulebook, queries, wanted)
