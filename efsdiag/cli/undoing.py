"""`undo`, wired: the journal, a yes, the writer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from efsdiag.changes import Change, Consent, Plan, WriteFailed
from efsdiag.cli.applying import account_of, asked_consent, in_journals, jobs_ended, telling
from efsdiag.cli.faults import CONSENT, FAILED, Fault
from efsdiag.cli.planning import request_for, say, verify_same_place
from efsdiag.cli.run import Request, looked
from efsdiag.cli.signals import undivided
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
    journal = in_journals(lambda folder: find(folder, name))
    plan = journal.plan
    request = request_for(plan, given)
    wanted = [plan.changes[i] for i in journal.to_undo]
    if not wanted:
        say([line(f"nothing of {journal.id} is left to undo")], request)
        return 0
    _show(journal, wanted, request)
    consent = _consent(plan, given["approve"])
    try:
        with looked(request) as done:
            verify_same_place(plan, done)
            who = WriteOptions.of(given)
            with open_writer(plan, consent, request.live, who, done.source, undoing=True) as writer, undivided():
                outcome = undo(journal, writer, lambda: datetime.now(UTC), telling(request))
    except WriteFailed as error:
        raise Fault("change-refused", f"nothing was taken back: {error.message}", error.grant, FAILED) from error
    if outcome.error:
        say(account_of(journal, outcome), request)
        return FAILED
    journal.end("undone", datetime.now(UTC))
    return jobs_ended([c.undo for c in wanted], done, request, JOBS_S)


def _show(journal: Journal, changes: Sequence[Change], request: Request) -> None:
    lines: list[Line] = [line(f"TAKE BACK {journal.id}", "title")]
    for change in changes:
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
        return asked_consent(plan.digest, "take this back?")
    if approved != plan.digest:
        raise Fault("consent-missing", f"the digest of this journal's plan is {plan.digest}", "", CONSENT)
    return Consent(approved)
