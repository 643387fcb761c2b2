"""`apply` and `why --fix`, wired: consent, the writer, and a second look."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from efsdiag.changes import Change, Choices, Consent, ConsentError, Option, Plan, Write, WriteFailed
from efsdiag.cli import output
from efsdiag.cli.faults import CONSENT, FAILED, USAGE, Fault
from efsdiag.cli.job_ends import await_jobs, jobs_of
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
from efsdiag.treat.journal import Journal, JournalError, Step, begin, home, unfinished_for
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
    resumed = in_journals(lambda folder: unfinished_for(folder, plan.digest))
    if not resumed and datetime.now(UTC) > plan.expires_at:
        raise Fault("plan-expired", f"{file} was good until {plan.expires_at.isoformat()}", AGAIN, CONSENT)
    request = request_for(plan, given)
    from efsdiag.cli.probing import looking_as_planned

    with looking_as_planned(plan, consent, request, given, again=not resumed) as done:
        verify_same_place(plan, done)
        if not resumed and not _fresh(plan, done):
            say([line("nothing to do: what the plan was made for is well now", "good")], request)
            return 0
        code = carry(plan, consent, done, request, given, resumed)
    return code or verify(plan.chosen, request, given.get("settle"))[0]


def fix(request: Request, given: Mapping[str, Any]) -> int:
    """Diagnoses, proposes, asks, applies and looks again, until nothing is left that a remedy mends. Errors: Fault."""
    from efsdiag.cli.probing import looking

    code = 0
    choices = Choices(given["remedies"], given["also"], given["likely"], given["probe_image"])
    for _ in range(MOST_ROUNDS):
        with looking(request, given, choices) as (done, looks):
            output.write(render(done.report, look_of(request)))
            plan = make_plan(done, choices, looks)
            if done.found.diagnosis.status is Status.HEALTHY or not plan.changes:
                return EXIT_CODES[done.found.diagnosis.status]
            say([(), *plan_lines(plan_as_json(plan), output.width()), ()], request)
            consent = asked_consent(plan.digest, f"carry out plan {plan.digest[:12]}?")
            code = carry(plan, consent, done, request, given, None)
        code = code or verify(plan.chosen, request, given.get("settle"), show=False)[0]
        if code:
            return code
    return code


def carry(
    plan: Plan, consent: Consent, done: Looked, request: Request, given: Mapping[str, Any], resumed: Journal | None
) -> int:
    """Writes the plan's changes; 0, or the exit code of what went wrong. Errors: Fault."""
    try:
        with open_writer(plan, consent, request.live, WriteOptions.of(given), done.source) as writer:
            if not resumed:
                rehearse(plan, consent, writer)
            journal = resumed or in_journals(lambda folder: begin(folder, plan, datetime.now(UTC)))
            say([line(f"journal {journal.id}", "dim")], request)
            with undivided():
                outcome = carry_out(plan, consent, writer, journal, lambda: datetime.now(UTC), telling(request))
    except WriteFailed as error:
        raise Fault("change-refused", f"nothing was changed: {error.message}", error.grant, FAILED) from error
    except ConsentError as error:
        raise Fault("consent-missing", str(error), "", CONSENT) from error
    if outcome.error:
        journal.end("failed", datetime.now(UTC))
        say(account_of(journal, outcome), request)
        return FAILED
    journal.end("applied", datetime.now(UTC))
    most = given.get("settle") or max(o.settles_s for o in plan.chosen)
    return jobs_ended([c.write for c in plan.changes], done, request, most)


def jobs_ended(writes: Sequence[Write | None], done: Looked, request: Request, most_s: float) -> int:
    """Waits for the Jobs that the writes made; FAILED where one did not come to a good end, and says why."""
    ends = await_jobs(jobs_of(writes), done.opened.again, most_s)
    say([line(f"  Job {safe(e.name)} failed: {safe(e.says)}", "bad") for e in ends if not e.well], request)
    return 0 if all(e.well for e in ends) else FAILED


def verify(
    chosen: Sequence[Option], request: Request, settle_s: float | None, *, show: bool = True
) -> tuple[int, Looked]:
    """Looks until what the options were for is no longer found, or their settling time is over. Errors: Fault."""
    most = settle_s if settle_s is not None else max((o.settles_s for o in chosen), default=0.0)
    started = time.monotonic()
    while True:
        with looked(request) as done:
            left = [o for o in chosen if not _worked(o, done.found.diagnosis)]
        waited = time.monotonic() - started
        if not left or waited >= most:
            break
        names = ", ".join(sorted({o.check for o in left}))
        print(f"waiting for {names}, {waited:.0f} of {most:.0f} s", file=sys.stderr)
        time.sleep(min(LOOK_AGAIN_S, max(most - waited, 0.1)))
    lines = [line(f"worked: {o.check} no longer finds {o.mode}", "good") for o in chosen if o not in left]
    lines += [line(f"did not help within {most:.0f} s: {o.check} still finds {o.mode}", "bad") for o in left]
    say([*lines, ()], request)
    if show:
        output.write(render({**done.report, "changed": True}, look_of(request)))
    return (FAILED if left else 0), done


def asked_consent(digest: str, question: str) -> Consent:
    """A typed, literal "yes" at a terminal. Errors: Fault for anything else, and where nobody sits there."""
    if not sys.stdin.isatty():
        raise Fault("consent-missing", "nobody is at a terminal to agree", f"agree with --approve {digest}", CONSENT)
    print(f"{question} only yes goes on [no]: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != "yes":
        raise Fault("consent-missing", "not agreed to; nothing was changed", "", CONSENT)
    return Consent(digest)


def telling(request: Request) -> Callable[[int, Change, Step], None]:
    """What says each step as it is taken."""

    def tell(_: int, change: Change, step: Step) -> None:
        say([line(f"  {SAID[step]}: {safe(change.words)}")], request)

    return tell


def account_of(journal: Journal, outcome: Outcome) -> list[Line]:
    """What was done and what was not, after a failure."""
    lines: list[Line] = []
    for i, change in enumerate(journal.plan.changes):
        if i == outcome.stopped_at and outcome.error:
            lines.append(line(f"  failed: {safe(change.words)}", "bad"))
            lines.append(line(f"    {safe(outcome.error.message)}"))
            lines += [line(f"    {safe(outcome.error.grant)}")] if outcome.error.grant else []
        else:
            lines.append(line(f"  {journal.steps[i].value}: {safe(change.words)}"))
    return [*lines, line(f"efsdiag undo {journal.id} takes back what was done", "dim")]


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
