"""`--probe`, wired: a look where nobody can look without a write; agreed to, made, read, and always taken away."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from efsdiag.changes import Choices, Consent, Option, Plan, WriteFailed
from efsdiag.cli import output
from efsdiag.cli.applying import account_of, asked_consent
from efsdiag.cli.faults import CONSENT, FAILED, Fault
from efsdiag.cli.job_ends import await_jobs, jobs_of
from efsdiag.cli.journals import in_journals
from efsdiag.cli.planning import look_plan, verify_same_place
from efsdiag.cli.run import Looked, Request, look_of, looked, text_of
from efsdiag.cli.signals import undivided, unwound
from efsdiag.cli.writers import WriteOptions, open_writer
from efsdiag.report.data import EXIT_CODES
from efsdiag.report.layout import Line, line
from efsdiag.report.plan_text import plan_lines
from efsdiag.report.terminal import painted
from efsdiag.report.text import safe
from efsdiag.treat.carry_out import carry_out, rehearse, undo
from efsdiag.treat.journal import Journal, begin
from efsdiag.treat.plan_file import plan_as_json

Agree = Callable[[Plan], Consent]
AGAIN = "make the plan again with efsdiag plan --probe, and read it again"


def run_probed(request: Request, given: Mapping[str, Any]) -> int:
    """Probes, prints the report and returns the exit code. Errors: Fault."""
    with looking(request, given, Choices(probe_image=given["probe_image"])) as (done, _):
        report = done.report
    output.write(text_of(report, request))
    return EXIT_CODES[done.found.diagnosis.status]


@contextmanager
def looking(
    request: Request, given: Mapping[str, Any], choices: Choices
) -> Iterator[tuple[Looked, tuple[Option, ...]]]:
    """What `why` finds, with --probe after the probes have looked, and which looks those were. Errors: Fault."""
    if given["probe"]:
        with probed(request, given, shown_and_asked(request, given["approve"]), choices) as found:
            yield found
    else:
        with looked(request) as done:
            yield done, ()


@contextmanager
def looking_as_planned(
    plan: Plan, consent: Consent, request: Request, given: Mapping[str, Any], *, again: bool
) -> Iterator[Looked]:
    """What `why` finds, after the looks that the plan begins with where it is looked `again`. Errors: Fault."""
    if again and plan.looks:
        with probed(request, given, agreed_with(plan, consent), plan.choices) as (done, _):
            yield done
    else:
        with looked(request) as done:
            yield done


@contextmanager
def probed(
    request: Request, given: Mapping[str, Any], agree: Agree, choices: Choices
) -> Iterator[tuple[Looked, tuple[Option, ...]]]:
    """What `why` finds once the probes have looked, and which looks those were. As long as it lasts, they are there.

    Where there is nothing to probe, it is what `why` finds without. Errors: Fault, also for a consent that is missing.
    """
    with looked(replace(request, record=None)) as first:
        plan = look_plan(first, choices)
        if plan.changes:
            consent = agree(plan)
            verify_same_place(plan, first)
            with unwound():
                journal = _begin(plan)
                try:
                    _make(plan, consent, first, request, given, journal)
                    _await(plan, first, request, given)
                    with looked(request) as done:
                        yield _as_changed(done), plan.chosen
                finally:
                    with undivided():
                        _take_away(plan, consent, first, request, given, journal)
            return
    _tell(request, [line(f"not probed: {safe(f'{name}: {why}')}", "warn") for _, name, why in plan.declined])
    with looked(request) as done:
        yield done, ()


def shown_and_asked(request: Request, approved: str) -> Agree:
    """Shows the plan of the probe, and asks for a yes to it where its digest was not approved."""

    def agree(plan: Plan) -> Consent:
        _tell(request, [*plan_lines(plan_as_json(plan), output.width()), ()])
        if approved and approved != plan.digest:
            raise Fault("consent-missing", f"the digest of this probe's plan is {plan.digest}", "", CONSENT)
        return (
            Consent(approved)
            if approved
            else asked_consent(plan.digest, f"probe by plan {plan.digest[:12]}?", f"agree with --approve {plan.digest}")
        )

    return agree


def agreed_with(agreed: Plan, consent: Consent) -> Agree:
    """A yes to a plan is one to the looks that it begins with, as long as they are the same."""

    def agree(plan: Plan) -> Consent:
        if consent.digest != agreed.digest or plan.digest != agreed.look_plan.digest:
            raise Fault("plan-stale", f"fresh evidence gives another probe, {plan.digest}", AGAIN, CONSENT)
        return Consent(plan.digest)

    return agree


def _begin(plan: Plan) -> Journal:
    return in_journals(lambda folder: begin(folder, plan, datetime.now(UTC)))


def _make(
    plan: Plan, consent: Consent, done: Looked, request: Request, given: Mapping[str, Any], journal: Journal
) -> None:
    try:
        with undivided(), open_writer(plan, consent, request.live, WriteOptions.of(given), done.source) as writer:
            rehearse(plan, consent, writer)
            outcome = carry_out(plan, consent, writer, journal, lambda: datetime.now(UTC))
    except WriteFailed as error:
        raise Fault("probe-refused", f"nothing was made: {error.message}", error.grant, FAILED) from error
    if outcome.error:
        _tell(request, account_of(journal, outcome, "what the probe would have seen stays unknown"))
        raise Fault("probe-refused", outcome.error.message, outcome.error.grant, FAILED)


def _await(plan: Plan, done: Looked, request: Request, given: Mapping[str, Any]) -> None:
    """What a probe that failed says goes to stderr; then what it would have seen stays unknown."""
    most = given.get("probe_timeout") or max(o.settles_s for o in plan.chosen)
    ends = await_jobs(jobs_of(c.write for c in plan.changes), done.opened.again, most)
    _tell(request, [line(f"probe {safe(e.name)} failed: {safe(e.says)}", "bad") for e in ends if not e.well])


def _take_away(
    plan: Plan, consent: Consent, done: Looked, request: Request, given: Mapping[str, Any], journal: Journal
) -> None:
    if not journal.to_undo:
        journal.end("failed", datetime.now(UTC))
        return
    try:
        who = WriteOptions.of(given)
        with open_writer(plan, consent, request.live, who, done.opened.again, undoing=True) as writer:
            outcome = undo(journal, writer, lambda: datetime.now(UTC))
    except (WriteFailed, Fault) as error:
        left = ", ".join(f"{namespace}/{name}" for namespace, name in jobs_of(c.write for c in plan.changes))
        hint = f"efsdiag undo {journal.id} takes it away; the cluster does so itself five minutes after its end"
        _tell(request, [line(f"Job {safe(left)} was left behind: {safe(error.message)}", "bad"), line(f"  {hint}")])
        return
    if outcome.error:
        _tell(request, account_of(journal, outcome, "what the probe would have seen stays unknown"))
        return
    journal.end("probed", datetime.now(UTC))


def _as_changed(done: Looked) -> Looked:
    """The report of a run that made something in the cluster, if only for a while."""
    return replace(done, report={**done.report, "changed": ["a probe was made, and taken away again"]})


def _tell(request: Request, lines: Sequence[Line]) -> None:
    """Talk, on stderr: standard output is for the report."""
    print(painted(list(lines), look_of(request)), end="", file=sys.stderr)
