"""One `why`: from what was asked to a diagnosis, with everything that a report needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from efsdiag.diagnose import diagnose
from efsdiag.gather import Gather, parameters_of
from efsdiag.judge import judge_all
from efsdiag.model import Diagnosis, Query, Source, Subject, Unreadable, Verdict, unknown
from efsdiag.rules import Rulebook
from efsdiag.subjects import choose


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


def investigate(
    rulebook: Rulebook, source: Source, asked: Subject, now: datetime, *, workers: int = 1, strict: bool = False
) -> Investigation:
    """Look at the subject and sort what is found. Errors: SubjectError where nothing of that name exists."""
    try:
        chosen = choose(source, asked)
    except Unreadable as refusal:
        verdicts: dict[str, Verdict] = {c: unknown(refusal.why, refusal.grant) for c in rulebook.checks}
        return _sorted(rulebook, asked, asked, "", now, verdicts, {})
    gather = Gather(rulebook.evidence, source, {"subject": chosen.subject, "now": now}, workers=workers, strict=strict)
    verdicts = judge_all(rulebook, gather)
    queries = {
        id_: gather.queries_of([*(name for name, _ in parameters_of(check.judge)), check.shown_by])
        for id_, check in rulebook.checks.items()
    }
    return _sorted(rulebook, asked, chosen.subject, chosen.note, now, verdicts, queries)


def _sorted(
    rulebook: Rulebook,
    asked: Subject,
    subject: Subject,
    note: str,
    now: datetime,
    verdicts: dict[str, Verdict],
    queries: dict[str, tuple[Query, ...]],
) -> Investigation:
    target = "claim-bound" if subject.kind == "persistentvolumeclaim" else "pod-ready"
    diagnosis = diagnose(rulebook.checks, rulebook.modes, verdicts, target)
    return Investigation(asked, subject, note, now, diagnosis, rulebook, queries)
