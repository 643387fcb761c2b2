"""`apply` and `why --fix`, wired: consent, the writer, and a second look."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from efsdiag.changes import Change, Choices, Consent, ConsentError, Option, Plan, Write, WriteFailed
from efsdiag.cli import output
from efsdiag.cli.charts import releases_of
from efsdiag.cli.faults import CONSENT, FAILED, USAGE, Fault
from efsdiag.cli.job_ends import await_jobs, jobs_of
from efsdiag.cli.next_start import Start, next_start_lines, start_of
from efsdiag.cli.planning import make_plan, request_for, say, verify_same_place
from efsdiag.cli.run import Looked, Request, look_of, looked
from efsdiag.cli.signals import undivided
from efsdiag.cli.writers import WriteOptions, open_writer
from efsdiag.model import Diagnosis, Status
from efsdiag.report.data import EXIT_CODES
from efsdiag.report.layout import Line, line
from efsdiag.report.plan_text import plan_lines
from efsdiag.report.terminal import render
from efsdiag.report.text import safe
from efsdiag.treat.carry_out import Outcome, carry_out, rehearse
from efsdiag.treat.journal import Journal, JournalError, Step, alone, begin, home, unfinished_for
from efsdiag.treat.plan_file import PlanError, plan_as_json, read_plan

AGAIN = "make the plan again with efsdiag plan, and read it again"
LOOK_AGAIN_S = 5.0
MOST_ROUNDS = 10
SAID = {
    Step.BEGUN: "writing",
    Step.DONE: "applied",
    Step.THERE: "there already, and not by this plan",
    Step.UNDONE: "taken back",
}
BECAME = {
    Step.LEFT: "not made",
    Step.BEGUN: "sent, and nobody knows whether it was made",
    Step.DONE: "made",
    Step.THERE: "there already",
    Step.FAILED: "failed",
    Step.UNDOING: "not known to be taken back",
    Step.UNDONE: "taken back",
}
NOTHING_TO_DO: Line = line("nothing to do: what the plan was made for is well now", "good")
WITHOUT_TERMINAL = (
    "make a plan with efsdiag plan TARGET -o FILE, and agree to it with efsdiag apply FILE --approve DIGEST"
)
_Found = TypeVar("_Found")


def apply_file(file: str, given: Mapping[str, Any]) -> int:
    """Carries out the plan in the file and returns the exit code. Errors: Fault."""
    try:
        plan = read_plan(Path(file))
    except PlanError as error:
        raise Fault("plan-unreadable", str(error), "make it again with efsdiag plan … -o FILE", USAGE) from error
    consent = Consent(given["approve"])
    if consent.digest != plan.digest:
        what = "the approval is for another plan" if consent.digest else "the plan is not approved"
        hint = f"read it, and agree to it with --approve {plan.digest}"
        raise Fault("consent-missing", f"{what}; the digest of {file} is {plan.digest}", hint, CONSENT)
    from efsdiag.cli.probing import looking_as_planned

    request = request_for(plan, given)
    with no_other_fix():
        resumed = in_journals(lambda folder: unfinished_for(folder, plan.digest))
        if now() > plan.expires_at:
            undo = f"efsdiag undo {resumed.id} takes back what it began; or " if resumed else ""
            message = f"{file} was good until {plan.expires_at.isoformat()}"
            raise Fault("plan-expired", message, f"{undo}{AGAIN}", CONSENT)
        with looking_as_planned(plan, consent, request, given, again=not resumed) as done:
            verify_same_place(plan, done)
            if not resumed and not _fresh(plan, done):
                say([NOTHING_TO_DO], request)
                return 0
            before = start_of(done)
            journal = carry(plan, consent, done, request, given, resumed)
        return FAILED if journal.outcome == "failed" else verify(journal, request, given.get("settle"), before)


def fix(request: Request, given: Mapping[str, Any]) -> int:
    """Diagnoses, proposes, asks, applies and looks again, until nothing is left that a remedy mends. Errors: Fault."""
    from efsdiag.cli.probing import looking, looking_as_planned

    choices = Choices(given["remedies"], given["also"], given["likely"], given["probe_image"])
    changed = False
    for _ in range(MOST_ROUNDS):
        with looking(request, given, choices) as (done, looks):
            output.write(render({**done.report, "changed": changed or bool(looks)}, look_of(request)))
            plan = make_plan(done, choices, looks)
            if done.found.diagnosis.status is Status.HEALTHY or not plan.changes:
                return EXIT_CODES[done.found.diagnosis.status]
        shown = [*plan_lines(plan_as_json(plan), output.width()), *releases_of(plan, request.live)]
        say([(), *shown, ()], request)
        consent = asked_consent(plan.digest, f"carry out plan {plan.digest[:12]}?", WITHOUT_TERMINAL)
        # Nobody knows how long the question stood there: what was agreed to has to be what is wrong now.
        with no_other_fix(), looking_as_planned(plan, consent, request, given, again=True) as done:
            if not _fresh(plan, done):
                say([NOTHING_TO_DO], request)
                continue
            before = start_of(done)
            journal = carry(plan, consent, done, request, given, None)
            changed = True
            if journal.outcome == "failed" or verify(journal, request, given.get("settle"), before, show=False):
                return FAILED
        # A Job that mends lists what it leaves, so no second Job has to look there.
        given = {**given, "probe": given["probe"] and not jobs_of(c.write for c in plan.changes)}
    raise Fault(
        "no-end", f"after {MOST_ROUNDS} plans there is still something to mend", "look with efsdiag why", FAILED
    )


def carry(
    plan: Plan, consent: Consent, done: Looked, request: Request, given: Mapping[str, Any], resumed: Journal | None
) -> Journal:
    """Writes the plan's changes; the journal's outcome is "applied", or "failed" where one was not made.

    Errors: Fault.
    """
    try:
        with open_writer(plan, consent, request.live, WriteOptions.of(given), done.opened.again) as writer:
            if not resumed:
                rehearse(plan, consent, writer)
            journal = resumed or in_journals(lambda folder: begin(folder, plan, now()))
            say([line(f"journal {journal.id}", "dim")], request)
            with told(journal, request):
                outcome = carry_out(plan, consent, writer, journal, now, telling(request), undivided, waiting)
                journal.end("failed" if outcome.error else "applied", now())
    except WriteFailed as error:
        raise Fault("change-refused", f"nothing was changed: {error.message}", error.grant, FAILED) from error
    except ConsentError as error:
        raise Fault("consent-missing", str(error), "", CONSENT) from error
    if outcome.error:
        say(account_of(journal, outcome, "the same efsdiag apply goes on from here"), request)
    elif not jobs_ended([c.write for c in plan.changes], done, request, _most_s(plan.chosen, given.get("settle"))):
        in_journals(lambda _: journal.end("failed", now()))
    return journal


def jobs_ended(writes: Sequence[Write | None], done: Looked, request: Request, most_s: float) -> bool:
    """Waits for the Jobs that the writes made; whether all came to a good end. What failed is told."""
    ends = await_jobs(jobs_of(writes), done.opened.again, most_s)
    say([line(f"  Job {safe(e.name)} failed: {safe(e.says)}", "bad") for e in ends if not e.well], request)
    return all(e.well for e in ends)


def verify(
    journal: Journal, request: Request, settle_s: float | None, before: Start | None = None, *, show: bool = True
) -> int:
    """Looks until what the plan was for is no longer found, or its settling time is over; the exit code. Errors: Fault.

    The journal is told what came of it. `before` is the program's newest start before the change.
    """
    chosen = journal.plan.chosen
    most = _most_s(chosen, settle_s)
    started = time.monotonic()
    while True:
        with looked(request) as done:
            left = [o for o in chosen if not _worked(o, done.found.diagnosis)]
            outstanding = () if left else next_start_lines(done, before)
        waited = time.monotonic() - started
        if not left or waited >= most:
            break
        names = ", ".join(sorted({o.check for o in left}))
        print(f"waiting for {names}, {waited:.0f} of {most:.0f} s", file=sys.stderr)
        time.sleep(min(LOOK_AGAIN_S, max(most - waited, 0.1)))
    lines = [line(f"worked: {o.check} no longer finds {o.mode}", "good") for o in chosen if o not in left]
    lines += [line(f"did not help within {most:.0f} s: {o.check} still finds {o.mode}", "bad") for o in left]
    lines += [line(f"efsdiag undo {journal.id} takes it back", "dim")] if left and journal.to_undo else []
    say([*lines, *outstanding, ()], request)
    if show:
        output.write(render({**done.report, "changed": True}, look_of(request)))
    in_journals(lambda _: journal.end("did not help" if left else "worked", now()))
    return FAILED if left else 0


def asked_consent(digest: str, question: str, otherwise: str) -> Consent:
    """A typed, literal "yes" at a terminal. Errors: Fault for anything else, and, with the hint `otherwise`, where
    nobody sits there.
    """
    if not sys.stdin.isatty():
        raise Fault("consent-missing", "nobody is at a terminal to agree", otherwise, CONSENT)
    print(f"{question} only yes goes on [no]: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != "yes":
        raise Fault("consent-missing", "not agreed to; nothing was changed", "", CONSENT)
    return Consent(digest)


def telling(request: Request) -> Callable[[int, Change, Step], None]:
    """What says each step as it is taken."""

    def tell(_: int, change: Change, step: Step) -> None:
        say([line(f"  {SAID[step]}: {safe(change.words)}")], request)

    return tell


def waiting(error: WriteFailed, pause_s: float) -> None:
    """Lets the time pass after which a call is made again, and says why."""
    print(
        f"waiting {pause_s:.0f} s, since AWS does not know yet what was just made: {safe(error.message)}",
        file=sys.stderr,
    )
    time.sleep(pause_s)


def account_of(journal: Journal, outcome: Outcome, how_to_go_on: str) -> list[Line]:
    """What was done and what was not, after a failure."""
    lines: list[Line] = []
    for i, (change, step) in enumerate(zip(journal.plan.changes, journal.steps, strict=True)):
        here = i == outcome.stopped_at
        lines.append(line(f"  {BECAME[step]}: {safe(change.words)}", "bad" if here else ""))
        if here and outcome.error:
            lines += [line(f"    {safe(text)}") for text in (outcome.error.message, outcome.error.grant) if text]
    undo = f"efsdiag undo {journal.id} takes back what was done" if journal.to_undo else "nothing was changed"
    return [*lines, line(undo, "dim"), line(how_to_go_on, "dim")]


@contextmanager
def told(journal: Journal, request: Request) -> Iterator[None]:
    """While it lasts, a journal that cannot be written ends the run with an account. Errors: Fault."""
    try:
        yield
    except JournalError as error:
        say(account_of(journal, Outcome(), "what was answered since the journal's last line is not in it"), request)
        raise Fault(error.reference, error.message, error.hint, FAILED) from error


@contextmanager
def no_other_fix() -> Iterator[None]:
    """While it lasts, no other process of this user carries anything out. Errors: Fault."""
    try:
        with alone(home(os.environ)):
            yield
    except JournalError as error:
        raise Fault(error.reference, error.message, error.hint, CONSENT) from error


def now() -> datetime:
    """This moment."""
    return datetime.now(UTC)


def in_journals(ask: Callable[[Path], _Found]) -> _Found:
    """What `ask` does in the folder of journals. Errors: Fault."""
    try:
        return ask(home(os.environ))
    except JournalError as error:
        raise Fault(error.reference, error.message, error.hint, USAGE) from error


def _fresh(plan: Plan, done: Looked) -> bool:
    """Whether fresh evidence gives the same plan; False where there is nothing left to mend. Errors: Fault."""
    fresh = make_plan(done, plan.choices, plan.looks)
    if fresh.digest == plan.digest:
        return True
    if not fresh.changes and all(_worked(option, done.found.diagnosis) for option in plan.chosen):
        return False
    raise Fault("plan-stale", f"fresh evidence gives another plan, {fresh.digest}", AGAIN, CONSENT)


def _worked(option: Option, diagnosis: Diagnosis) -> bool:
    """Whether the check that failed was looked at again, and no longer finds it on that object."""
    verdict = diagnosis.verdicts.get(option.check)
    if verdict is None or verdict.state.value == "unknown":
        return False
    return not any(f.mode == option.mode and (option.on is None or f.object == option.on) for f in verdict.findings)


def _most_s(chosen: Sequence[Option], settle_s: float | None) -> float:
    return settle_s if settle_s is not None else max((o.settles_s for o in chosen), default=0.0)
