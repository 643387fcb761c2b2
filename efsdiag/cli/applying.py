"""`apply` and `why --fix`, wired: consent, the writer, and a second look."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from efsdiag.changes import Change, Choices, Consent, ConsentError, Plan, Write, WriteFailed
from efsdiag.cli import output
from efsdiag.cli.awaiting import most_s, verify, worked
from efsdiag.cli.charts import releases_of
from efsdiag.cli.faults import CONSENT, FAILED, USAGE, Fault
from efsdiag.cli.job_ends import await_jobs, jobs_of
from efsdiag.cli.journals import in_journals, now
from efsdiag.cli.next_start import start_of
from efsdiag.cli.planning import make_plan, request_for, say, verify_same_place
from efsdiag.cli.run import Looked, Request, look_of, looked
from efsdiag.cli.signals import undivided
from efsdiag.cli.wishes import with_wishes
from efsdiag.cli.writers import WriteOptions, open_writer
from efsdiag.model import Source, Status
from efsdiag.report.data import EXIT_CODES
from efsdiag.report.layout import Line, line
from efsdiag.report.plan_text import plan_lines
from efsdiag.report.terminal import render
from efsdiag.report.text import safe
from efsdiag.treat.carry_out import Outcome, carry_out, rehearse
from efsdiag.treat.journal import Journal, JournalError, Step, alone, begin, home, unfinished_for
from efsdiag.treat.plan_file import PlanError, plan_as_json, read_plan

AGAIN = "make the plan again with efsdiag plan, and read it again"
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
            if not resumed and not fresh(plan, done):
                say([NOTHING_TO_DO], request)
                return 0
            before = start_of(done)
            journal = carry(plan, consent, done, request, given, resumed)
        return FAILED if journal.outcome == "failed" else verify(journal, request, given.get("settle"), before)


def fix(request: Request, given: Mapping[str, Any]) -> int:
    """Diagnoses, proposes, asks, applies and looks again, until nothing is left that a remedy mends. Errors: Fault."""
    from efsdiag.cli.probing import looking, looking_as_planned
    from efsdiag.cli.trying import trial_holds, wants_trial

    choices = Choices(given["remedies"], given["also"], given["likely"], given["probe_image"])
    changed = tried = False
    for _ in range(MOST_ROUNDS):
        with looking(request, given, choices) as (done, looks):
            output.write(render({**done.report, "changed": changed or bool(looks)}, look_of(request)))
            plan = make_plan(done, with_wishes(choices, request, done), looks)
            if done.found.diagnosis.status is Status.HEALTHY or not plan.changes:
                return EXIT_CODES[done.found.diagnosis.status]
        if wants_trial(plan) and not tried:
            tried = True
            with no_other_fix(), looked(request) as done:
                if not trial_holds(done, request, given, with_wishes(choices, request, done), _agreed):
                    return FAILED
            continue
        shown = [*plan_lines(plan_as_json(plan), output.width()), *releases_of(plan, request.live)]
        say([(), *shown, ()], request)
        consent = _agreed(plan)
        # Nobody knows how long the question stood there: what was agreed to has to be what is wrong now.
        with no_other_fix(), looking_as_planned(plan, consent, request, given, again=True) as done:
            if not fresh(plan, done):
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


def _agreed(plan: Plan) -> Consent:
    return asked_consent(plan.digest, f"carry out plan {plan.digest[:12]}?", WITHOUT_TERMINAL)


def carry(
    plan: Plan,
    consent: Consent,
    done: Looked,
    request: Request,
    given: Mapping[str, Any],
    resumed: Journal | None,
    goes_on: str = "the same efsdiag apply goes on from here",
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
                journal.trouble = outcome.error.trouble if outcome.error else None
    except WriteFailed as error:
        raise Fault(
            "change-refused", f"nothing of this plan was changed: {error.message}", error.grant, FAILED
        ) from error
    except ConsentError as error:
        raise Fault("consent-missing", str(error), "", CONSENT) from error
    if outcome.error:
        say(account_of(journal, outcome, goes_on), request)
    elif not jobs_ended(
        [c.write for c in plan.changes], done.opened.again, request, most_s(plan.chosen, given.get("settle"))
    ):
        in_journals(lambda _: journal.end("failed", now()))
    return journal


def jobs_ended(writes: Sequence[Write | None], again: Source, request: Request, limit_s: float) -> bool:
    """Waits for the Jobs that the writes made; whether all came to a good end. What failed is told."""
    ends = await_jobs(jobs_of(writes), again, limit_s)
    say([line(f"  Job {safe(e.name)} failed: {safe(e.says)}", "bad") for e in ends if not e.well], request)
    return all(e.well for e in ends)


def asked_consent(digest: str, question: str, otherwise: str, answer: str = "yes") -> Consent:
    """A typed, literal `answer` at a terminal. Errors: Fault for anything else, and, with the hint `otherwise`, where
    nobody sits there.
    """
    if not sys.stdin.isatty():
        raise Fault("consent-missing", "nobody is at a terminal to agree", otherwise, CONSENT)
    print(f"{question} only {answer} goes on [no]: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != answer:
        raise Fault("consent-missing", "not agreed to; nothing of it was changed", "", CONSENT)
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
    undo = "what was done cannot be undone" if journal.made else "nothing of this plan was changed"
    undo = f"efsdiag undo {journal.id} takes back what was done" if journal.to_undo else undo
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


def fresh(plan: Plan, done: Looked) -> bool:
    """Whether fresh evidence gives the same plan; False where there is nothing left to mend. Errors: Fault."""
    again = make_plan(done, plan.choices, plan.looks)
    if again.digest == plan.digest:
        return True
    if not again.changes and all(worked(option, done.found.diagnosis) for option in plan.chosen):
        return False
    raise Fault("plan-stale", f"fresh evidence gives another plan, {again.digest}", AGAIN, CONSENT)
