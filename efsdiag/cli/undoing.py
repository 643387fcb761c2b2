"""`undo`, wired: the journal, a yes, the writer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from efsdiag.changes import Consent, Plan, WriteFailed
from efsdiag.cli.applying import account_of, asked_consent, jobs_ended, no_other_fix, telling, told
from efsdiag.cli.faults import CONSENT, FAILED, Fault
from efsdiag.cli.journals import in_journals, now
from efsdiag.cli.planning import place_at, request_for, say, verify_place
from efsdiag.cli.run import Request
from efsdiag.cli.signals import undivided
from efsdiag.cli.sources import open_live
from efsdiag.cli.writers import WriteOptions, open_writer
from efsdiag.report.layout import Line, line
from efsdiag.report.text import safe
from efsdiag.treat.carry_out import undo
from efsdiag.treat.journal import Journal, find
from efsdiag.writes import command_of

JOBS_S = 120.0
"""So long a Job that takes something back may need."""


def undo_journal(name: str, given: Mapping[str, Any]) -> int:
    """Takes back a journal's changes and returns the exit code. Errors: Fault."""
    with no_other_fix():
        journal = in_journals(lambda folder: find(folder, name))
        request = request_for(journal.plan, given)
        if not journal.to_undo:
            say([line(f"nothing of {journal.id} is left to undo")], request)
            return 0
        show_undo(journal, request)
        return take_back(journal, _consent(journal.plan, given["approve"]), request, given)


def take_back(journal: Journal, consent: Consent, request: Request, given: Mapping[str, Any]) -> int:
    """Takes back what a journal has seen done and returns the exit code; its trouble says why it stopped.

    Errors: Fault.
    """
    plan = journal.plan
    wanted = [plan.changes[i].undo for i in journal.to_undo]
    opened = open_live(request.live)
    try:
        with opened.closing:
            verify_place(plan, place_at(opened))
            who, again = WriteOptions.of(given), opened.again
            with (
                open_writer(plan, consent, request.live, who, again, undoing=True) as writer,
                told(journal, request),
            ):
                outcome = undo(journal, writer, now, telling(request), undivided)
                journal.end("undo failed" if outcome.error else "undone", now())
                journal.trouble = outcome.error.trouble if outcome.error else None
    except WriteFailed as error:
        raise Fault("change-refused", f"nothing was taken back: {error.message}", error.grant, FAILED) from error
    if outcome.error:
        say(account_of(journal, outcome, f"efsdiag undo {journal.id} goes on from here"), request)
        return FAILED
    return 0 if jobs_ended(wanted, again, request, JOBS_S) else FAILED


def show_undo(journal: Journal, request: Request) -> None:
    """What would be taken back, in words and as commands."""
    lines: list[Line] = [line(f"TAKE BACK {journal.id}", "title")]
    for change in (journal.plan.changes[i] for i in reversed(journal.made)):
        if change.undo is None:
            lines.append(line(f"  cannot be undone: {safe(change.words)}", "warn"))
            continue
        lines.append(line(f"  take back: {safe(change.words)}"))
        lines.append((("    run  ", "dim"), (safe(command_of(change.undo)), "command")))
        if change.residue:
            lines.append(line(f"    stays: {safe(change.residue)}", "dim"))
    say(lines, request)


def _consent(plan: Plan, approved: str) -> Consent:
    if not approved:
        return asked_consent(plan.digest, "take this back?", f"agree with --approve {plan.digest}")
    if approved != plan.digest:
        raise Fault("consent-missing", f"the digest of this journal's plan is {plan.digest}", "", CONSENT)
    return Consent(approved)
