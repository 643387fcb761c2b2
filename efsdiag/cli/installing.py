"""`install`, wired: the rounds of `why --fix` towards the target of an install, with consent for each plan."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from efsdiag.adoption import Reused, reused
from efsdiag.changes import Choices, Consent, Plan, Risk, Trouble, WriteFailed
from efsdiag.cli import output
from efsdiag.cli.applying import asked_consent, carry, fresh, no_other_fix
from efsdiag.cli.awaiting import LOOK_AGAIN_S, Awaited, made_by_aws
from efsdiag.cli.charts import releases_of, verify_releases, with_charts
from efsdiag.cli.faults import CONSENT, FAILED, USAGE, Fault
from efsdiag.cli.planning import make_plan, say
from efsdiag.cli.run import Looked, Request, look_of, looked
from efsdiag.cli.sources import LiveOptions
from efsdiag.cli.trying import trial_holds, wants_trial
from efsdiag.cli.wishes import settings_of, with_wishes
from efsdiag.model import Missing, State, Status, Verdict
from efsdiag.remedy_rules import load_remedies
from efsdiag.report.data import EXIT_CODES
from efsdiag.report.install_text import arrival_lines, later_lines, reuse_lines, standing_lines, unread_lines
from efsdiag.report.layout import line
from efsdiag.report.plan_text import plan_lines
from efsdiag.report.terminal import render
from efsdiag.report.text import safe
from efsdiag.settings import Settings
from efsdiag.settings_file import FILE, commented_default
from efsdiag.target import TARGET, comes_by_itself, standing, subject_of
from efsdiag.treat.journal import Step
from efsdiag.treat.plan_file import plan_as_json

GOES_ON = "efsdiag install goes on from here, efsdiag uninstall takes back what was made"
MOST_PLANS = 30
MOST_TROUBLES = 5
"""So often in a row a call may be throttled, or come before AWS knows everywhere what it relies on."""
TROUBLE_S = 15.0
COMES_S = 600.0
"""So long what comes by itself may take: a file system, a mount target, a pod."""
PASSING_TROUBLES = frozenset({Trouble.THROTTLED, Trouble.EARLY, Trouble.LOST})


@dataclass
class Rounds:
    """What one run of `install` was asked for, and how it fares."""

    settings: Settings
    request: Request
    given: Mapping[str, Any]
    awaited: Awaited | None = None
    """What the last plan is to bring about, as long as it is waited for."""
    troubles: int = 0
    waited_s: float = 0.0
    tried: bool = False
    """Whether a line was written through the claim and read back."""
    plans: int = 0
    """How many were carried out, or begun."""
    changed: bool = False
    """Whether something was made or changed."""


def run_install(given: Mapping[str, Any]) -> int:
    """Writes the settings, shows the plan, or installs; returns the exit code. Errors: Fault."""
    if given["init"]:
        return _write_settings(Path(given["file"] or FILE))
    settings = with_charts(settings_of(given["file"], given["flags"]), given, Path(given["file"] or FILE))
    rounds = Rounds(settings, request_of(settings, given), given)
    if given["only_plan"] or given["dry_run"]:
        return _show(rounds)
    while rounds.plans < MOST_PLANS:
        try:
            code = _round(rounds)
        except Fault as fault:
            hint = "; ".join(text for text in (fault.hint, GOES_ON) if text)
            raise Fault(
                fault.reference, fault.message, hint if rounds.changed else fault.hint, fault.exit_code
            ) from fault
        if code is not None:
            return code
    says = f"after {MOST_PLANS} plans the target is not reached"
    raise Fault("no-end", says, "look with efsdiag install --dry-run", FAILED)


def request_of(settings: Settings, given: Mapping[str, Any]) -> Request:
    """The request that looks at the workload of the settings."""
    subject = subject_of(settings)
    named = {f.name for f in fields(LiveOptions)} | {"color", "ascii", "verbose"}
    kept = {name: value for name, value in given.items() if name in named}
    kept["region"] = kept.get("region") or settings.region or None
    empty = {"bundle": None, "record": None, "rules": None, "form": "terminal", "namespace": subject.namespace}
    request = Request.of((f"{subject.kind}/{subject.name}",), {**kept, **empty})
    return replace(request, wanted=settings)


def _write_settings(file: Path) -> int:
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(commented_default())
    except OSError as error:
        raise Fault("settings-not-written", f"{file}: {error.strerror}", "name another file", USAGE) from error
    output.write(f"{file} is written: read it, change what is to be different, and run efsdiag install --plan\n")
    return 0


def _show(rounds: Rounds) -> int:
    """The first plan, exactly, and what follows from the graph; nothing is written."""
    request = rounds.request
    with looked(request) as done:
        verdicts, plan = done.found.diagnosis.verdicts, _plan(done, rounds)
        come = standing(verdicts)
        if rounds.given["dry_run"]:
            say([*standing_lines(TARGET, verdicts, done.rulebook.checks), ()], request)
        say(reuse_lines(_reused(done)), request)
        if come.reached:
            say([*arrival_lines(come, done.report), line("nothing to do", "good")], request)
            return 0
        lines = [*plan_lines(plan_as_json(plan), output.width()), *releases_of(plan, request.live)]
        say([*lines, *later_lines(plan, come, verdicts, done.rulebook.checks, load_remedies())], request)
    return 0 if plan.changes else _stuck(verdicts)


def _reused(done: Looked) -> tuple[Reused, ...]:
    """What is there already and used."""
    found = done.gather().call(reused)
    return () if isinstance(found, Missing) else tuple(found)


def _stuck(verdicts: Mapping[str, Verdict]) -> int:
    """The exit code where no remedy is left: inconclusive, as long as something could not be looked at."""
    unread = any(verdicts[check].state is State.UNKNOWN for check in TARGET)
    return EXIT_CODES[Status.INCONCLUSIVE] if unread else FAILED


def _plan(done: Looked, rounds: Rounds) -> Plan:
    return make_plan(done, _choices(done, rounds))


def _choices(done: Looked, rounds: Rounds) -> Choices:
    return with_wishes(Choices(probe_image=rounds.given["probe_image"]), rounds.request, done)


def _round(rounds: Rounds) -> int | None:
    """Looks, and writes one plan or waits; the exit code, or None to go on. Errors: Fault."""
    request = rounds.request
    with no_other_fix(), looked(request) as done:
        if rounds.awaited:
            code = rounds.awaited.judged(done, request)
            if code is None or code:
                return code
            rounds.awaited = None
        come = standing(done.found.diagnosis.verdicts)
        if come.reached:
            say(arrival_lines(come, done.report), request)
            return 0
        plan = _plan(done, rounds)
        # A Job, and a program, that mount what is still being made hang until it is there.
        if not plan.changes or (wants_trial(plan) and made_by_aws(done)):
            return _waited(done, rounds)
        verify_releases(plan, request.live)
        approved = plan.digest in rounds.given["approve"]
        if wants_trial(plan) and not rounds.tried and not approved:
            rounds.tried = True
            agree = partial(_agreed, given=rounds.given)
            return None if trial_holds(done, request, rounds.given, _choices(done, rounds), agree) else FAILED
        shown = [*plan_lines(plan_as_json(plan), output.width()), *releases_of(plan, request.live)]
        say([(), *(() if rounds.plans else reuse_lines(_reused(done))), *shown, ()], request)
        consent, asked = _consent(plan, rounds.given)
        if not asked:
            return _carried(plan, consent, done, rounds)
    # Nobody knows how long the question stood there: what was agreed to has to be what is wrong now.
    with no_other_fix(), looked(request) as done:
        return _carried(plan, consent, done, rounds) if fresh(plan, done) else None


def _carried(plan: Plan, consent: Consent, done: Looked, rounds: Rounds) -> int | None:
    rounds.plans += 1
    try:
        journal = carry(plan, consent, done, rounds.request, rounds.given, None, GOES_ON)
    except Fault as fault:
        trouble = fault.__cause__.trouble if isinstance(fault.__cause__, WriteFailed) else None
        return _after(trouble, rounds, fault)
    rounds.changed = rounds.changed or bool(journal.made)
    if journal.outcome == "failed":
        # Who comes further each time is not kept from it for ever.
        rounds.troubles = 0 if Step.DONE in journal.steps else rounds.troubles
        return _after(journal.trouble, rounds, None)
    rounds.troubles, rounds.waited_s = 0, 0.0
    rounds.awaited = Awaited.of(journal, rounds.given["settle"])
    return None


def _after(trouble: Trouble | None, rounds: Rounds, fault: Fault | None) -> int | None:
    """What to do about a call that failed: to wait and look again where it may pass, else to end. Errors: Fault."""
    rounds.troubles += 1
    if trouble in PASSING_TROUBLES and rounds.troubles <= MOST_TROUBLES:
        print(f"looking again in {TROUBLE_S:.0f} s: the call was {trouble.value}", file=sys.stderr)
        time.sleep(TROUBLE_S)
        return None
    if fault:
        raise fault
    return FAILED


def _consent(plan: Plan, given: Mapping[str, Any]) -> tuple[Consent, bool]:
    """The yes to the plan, and whether somebody was asked for it. Errors: Fault where there is none."""
    if plan.digest in given["approve"]:
        return Consent(plan.digest), False
    if given["approve_risk"]:
        budget = Risk(given["approve_risk"])
        beyond = [c for c in plan.changes if c.risk.rank > budget.rank]
        if not beyond:
            return Consent(plan.digest), False
        named = "; ".join(f"{c.words} ({c.risk.value})" for c in beyond)
        says = f"the plan has what --approve-risk {budget.value} does not cover: {safe(named)}"
        raise Fault("consent-missing", says, f"read it, and agree to it with --approve {plan.digest}", CONSENT)
    hint = f"agree with --approve {plan.digest}, or to all of one risk with --approve-risk safe"
    return asked_consent(plan.digest, f"carry out plan {plan.digest[:12]}?", hint), True


def _agreed(plan: Plan, given: Mapping[str, Any]) -> Consent:
    return _consent(plan, given)[0]


def _waited(done: Looked, rounds: Rounds) -> int | None:
    """Waits where the rest may come by itself; else says what stands in the way. The exit code, or None to go on."""
    found = done.found.diagnosis
    left = standing(found.verdicts)
    throttled = any(found.verdicts[c].state is State.UNKNOWN and "throttled" in found.verdicts[c].says for c in TARGET)
    most = rounds.given["settle"] or COMES_S
    making = made_by_aws(done)
    comes = throttled or bool(making) or comes_by_itself(found, done.rulebook.checks)
    if comes and rounds.waited_s < most:
        names = ", ".join(making or (left.wrong or left.open)[:3])
        print(f"waiting for {names}, {rounds.waited_s:.0f} of {most:.0f} s", file=sys.stderr)
        time.sleep(LOOK_AGAIN_S)
        rounds.waited_s += LOOK_AGAIN_S
        return None
    output.write(render({**done.report, "changed": rounds.plans > 0}, look_of(rounds.request)))
    plan = _plan(done, rounds)
    unread = [check for check in left.open if found.verdicts[check].state is State.UNKNOWN]
    seen = [check for check in (*left.wrong, *left.open) if check not in unread]
    lines = standing_lines(seen, found.verdicts, done.rulebook.checks)
    declined = [line(f"  {safe(': '.join(p for p in one if p))}") for one in plan.declined]
    head = line(f"THE TARGET IS NOT REACHED, AND {'TIME IS UP' if comes else 'NO REMEDY IS LEFT'}", "title")
    late = [line(f"  not there after {rounds.waited_s:.0f} s: {safe(thing)}", "bad") for thing in making]
    say(
        [
            (),
            head,
            *late,
            *lines,
            *declined,
            *unread_lines(unread, found.verdicts),
            *([line(GOES_ON, "dim")] if comes else []),
        ],
        rounds.request,
    )
    return _stuck(found.verdicts)
