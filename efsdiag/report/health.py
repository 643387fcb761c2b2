"""What a health check found, as plain data: the HealthReport document that every format is made from.

Same evidence, same bytes: workloads are added in their order, and every list is sorted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from efsdiag.health.examine import Examined
from efsdiag.health.scope import Scope
from efsdiag.health.survey import Survey
from efsdiag.judge import states_of
from efsdiag.model import Ref, State, Status
from efsdiag.report.data import (
    API_VERSION,
    EXIT_CODES,
    Environment,
    Surroundings,
    Usage,
    environment_of,
    latent_of,
    not_checked,
    object_of,
    root_cause,
    subject_ref,
    suspects_of,
    time_text,
)
from efsdiag.report.fingerprint import base_name, fingerprint
from efsdiag.report.folding import Entry, Fold, Target, of_one_workload

KIND = "HealthReport"
_WORST_FIRST = (Status.DIAGNOSED, Status.INCONCLUSIVE, Status.HEALTHY)


@dataclass
class Health:
    """What was found so far. Workloads are added one by one and not kept."""

    environment: Environment
    statuses: Counter[Status] = field(default_factory=Counter)
    totals: Counter[str] = field(default_factory=Counter)
    unknown: set[str] = field(default_factory=set)
    causes: Fold = field(default_factory=Fold)
    latent: Fold = field(default_factory=Fold)
    suspects: Fold = field(default_factory=Fold)
    unexplained: Fold = field(default_factory=Fold)
    not_checked: Fold = field(default_factory=Fold)

    def add(self, looks: Sequence[Examined]) -> None:
        """One workload, by the pods that stand for it."""
        found = {look.found.diagnosis.status for look in looks}
        self.statuses[next(s for s in _WORST_FIRST if s in found)] += 1
        for look in looks:
            verdicts = look.found.diagnosis.verdicts
            self.totals.update({"checks": len(verdicts), **states_of(verdicts)})
            self.unknown |= {id_ for id_, verdict in verdicts.items() if verdict.state is State.UNKNOWN}
        for fold, entries in (
            (self.causes, _causes),
            (self.latent, _latent),
            (self.suspects, _suspects),
            (self.unexplained, _unexplained),
            (self.not_checked, _not_checked),
        ):
            fold.add(of_one_workload((k, e, _target(own)) for own in looks for k, e in entries(own, self.environment)))

    @property
    def looked(self) -> int:
        return sum(self.statuses.values())


@dataclass(frozen=True)
class Course:
    """How the run went: what it was to look at, what it could not, and what it cost."""

    scope: Scope
    survey: Survey
    now: datetime
    usage: Usage
    refused: Sequence[tuple[str, str]] = ()
    """(operation, grant) of every read that was refused."""
    timed_out: bool = False
    not_looked: int = 0
    """Workloads that the time did not suffice for."""


def health_report(health: Health, course: Course) -> dict[str, Any]:
    """The HealthReport document: dicts, lists, strings, numbers, booleans and None."""
    causes = health.causes.entries()
    status = _status(health, course)
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "status": status.value,
        "exitCode": EXIT_CODES[status],
        "checkedAt": time_text(course.now),
        "scope": {
            "allNamespaces": not course.scope.namespaces,
            "namespaces": sorted(course.scope.namespaces),
            "selector": course.scope.selector,
        },
        "workloads": {
            "looked": health.looked + len(course.survey.at_rest),
            "healthy": health.statuses[Status.HEALTHY] + len(course.survey.at_rest),
            "diagnosed": health.statuses[Status.DIAGNOSED],
            "inconclusive": health.statuses[Status.INCONCLUSIVE],
            "withoutStorage": course.survey.without_storage,
            "notLooked": course.not_looked,
        },
        "rootCauses": causes,
        "latent": health.latent.entries(),
        "suspects": health.suspects.entries(),
        "unexplained": health.unexplained.entries(),
        "notChecked": health.not_checked.entries(),
        "coverage": {
            "refused": [{"operation": name, "grant": grant} for name, grant in sorted(set(course.refused))],
            "unlisted": [
                {"operation": u.operation, "namespace": u.namespace, "reason": u.reason, "grant": u.grant}
                for u in sorted(course.survey.unlisted)
            ],
            "incomplete": course.survey.incomplete,
            "timedOut": course.timed_out,
            "unknownChecks": sorted(health.unknown),
        },
        "totals": {"checks": health.totals["checks"], **{s.value: health.totals[s.value] for s in State}},
        "usage": {"requests": course.usage.requests, "durationMs": course.usage.duration_ms},
        "environment": environment_of(health.environment),
    }


def _status(health: Health, course: Course) -> Status:
    if health.statuses[Status.DIAGNOSED]:
        return Status.DIAGNOSED
    unsure = health.statuses[Status.INCONCLUSIVE] or course.not_looked or course.timed_out
    return Status.INCONCLUSIVE if unsure or course.survey.incomplete else Status.HEALTHY


def _target(look: Examined) -> Target:
    subject = look.found.subject
    ref = look.workload or look.ref
    pod = subject.name if subject.kind == "pod" else ""
    return Target(ref.kind, subject.namespace, ref.name, pod, look.pods)


def _causes(look: Examined, environment: Environment) -> Iterable[tuple[str, Entry]]:
    surroundings = Surroundings(environment, Usage(0, None), look.workload, look.names)
    for cause in look.found.diagnosis.causes:
        entry = root_cause(cause, look.found, surroundings)
        yield entry["fingerprint"], entry


def _latent(look: Examined, _: Environment) -> Iterable[tuple[str, Entry]]:
    for entry in latent_of(look.found.diagnosis.latent, look.found.rulebook.modes):
        named = entry["object"] or object_of(subject_ref(look.found.subject))
        thing = Ref(named["kind"], named["name"], named.get("namespace", ""))
        print_ = fingerprint(entry["id"], thing, look.workload)
        yield print_, {**entry, "object": named, "fingerprint": print_}


def _suspects(look: Examined, _: Environment) -> Iterable[tuple[str, Entry]]:
    for entry in suspects_of(look.found.diagnosis):
        print_ = fingerprint(entry["check"], Ref("Reason", _lasting(entry["reason"], look)))
        yield print_, {**entry, "fingerprint": print_}


def _unexplained(look: Examined, _: Environment) -> Iterable[tuple[str, Entry]]:
    """A subject that is not well and has no cause, by the deepest step that was seen to fail."""
    found = look.found.diagnosis
    if found.status is not Status.INCONCLUSIVE:
        return
    check = found.deepest[0] if found.deepest else found.target
    thing = subject_ref(look.found.subject)
    print_ = fingerprint(check, thing, look.workload)
    entry = {"check": check, "summary": found.verdicts[check].says, "object": object_of(thing), "fingerprint": print_}
    yield print_, entry


def _not_checked(look: Examined, _: Environment) -> Iterable[tuple[tuple[str, str], Entry]]:
    for entry in not_checked(look.found.diagnosis):
        yield (entry["check"], _lasting(entry["reason"], look)), entry


def _lasting(text: str, look: Examined) -> str:
    """The text without the made-up part of the pod's name, so that it is the same for its next pod."""
    name = look.found.subject.name
    return text.replace(name, look.workload.name if look.workload else base_name(name))
