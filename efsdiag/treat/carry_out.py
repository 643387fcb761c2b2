"""Carrying out a plan that was agreed to, going on with one that stopped, and taking one back.

The journal has a line before each call. Nothing is repeated blindly: a call that failed ends the run, and a call whose
answer was lost is only made again where it cannot do more than the first one did.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from efsdiag.changes import Change, Consent, Plan, Trouble, Write, WriteFailed, verify_consent
from efsdiag.treat.journal import Journal, Step


class Writes(Protocol):
    """What carries out writes; `world.writer.Writer` is the one that there is."""

    def rehearse(self, write: Write) -> None:
        """Asks the server whether it would accept it, where it can be asked. Errors: WriteFailed."""

    def write(self, write: Write) -> Any:
        """Carries it out and returns the answer. Errors: WriteFailed."""

    def holds(self, change: Change) -> bool | None:
        """Whether the world is as the change would make it; None where that cannot be told. Errors: WriteFailed."""


@dataclass(frozen=True)
class Outcome:
    """How far a plan came."""

    stopped_at: int | None = None
    """The change that failed; None where all were made."""
    error: WriteFailed | None = None


PAUSES_S = (2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0)
"""How long it waits for a service that does not know yet what was just made: two minutes in all."""
Wait = Callable[[WriteFailed, float], None]
"""What tells why so many seconds pass, and lets them pass."""
Tell = Callable[[int, Change, Step], None]
Now = Callable[[], datetime]
AtOnce = Callable[[], AbstractContextManager[None]]
"""What keeps signals away while it lasts: around one change, so that a run can be stopped between two."""


def rehearse(plan: Plan, consent: Consent, writer: Writes) -> None:
    """Every change is put to its server as a dry run, where the server has that. Errors: ConsentError, WriteFailed."""
    verify_consent(plan, consent)
    for change in plan.changes:
        writer.rehearse(change.write)


def carry_out(
    plan: Plan,
    consent: Consent,
    writer: Writes,
    journal: Journal,
    now: Now,
    tell: Tell = lambda *_: None,
    at_once: AtOnce = nullcontext,
    wait: Wait = lambda _, pause_s: time.sleep(pause_s),
) -> Outcome:
    """Makes the changes that the journal has not seen done, in their order. Errors: ConsentError, JournalError."""
    verify_consent(plan, consent)
    for i, change in enumerate(plan.changes):
        if journal.steps[i] in (Step.DONE, Step.THERE):
            continue
        tell(i, change, Step.BEGUN)
        for pause_s in (*PAUSES_S, None):
            with at_once():
                error = _made(change, i, writer, journal, now)
            if error is None or pause_s is None or not _is_early(error, journal.steps[:i]):
                break
            wait(error, pause_s)
        if error:
            return Outcome(i, error)
        tell(i, change, journal.steps[i])
    return Outcome()


def _is_early(error: WriteFailed, before: Sequence[Step]) -> bool:
    """Whether it was refused, so that nothing was done, because a change before it is not known everywhere yet."""
    return error.trouble is Trouble.EARLY and Step.DONE in before


def _made(change: Change, i: int, writer: Writes, journal: Journal, now: Now) -> WriteFailed | None:
    """Makes one change; what went wrong, or None. The journal knows it before and after."""
    again = journal.steps[i] is Step.BEGUN
    try:
        if again and writer.holds(change):
            journal.tell(i, Step.DONE, now(), "found done")
            return None
        journal.tell(i, Step.BEGUN, now())
        writer.write(change.write)
    except WriteFailed as error:
        if error.trouble in (Trouble.THERE, Trouble.GONE):
            # The call before it was lost: then it is this plan's own work. Otherwise somebody else was quicker.
            journal.tell(i, Step.DONE if again else Step.THERE, now(), error.message)
            return None
        # While nobody knows what became of a call before this one, a refusal of this one says nothing of that.
        unknown = again or error.trouble is Trouble.LOST
        journal.tell(i, Step.BEGUN if unknown else Step.FAILED, now(), error.message)
        return error
    journal.tell(i, Step.DONE, now())
    return None


def undo(
    journal: Journal, writer: Writes, now: Now, tell: Tell = lambda *_: None, at_once: AtOnce = nullcontext
) -> Outcome:
    """Takes back what the journal has seen done, the last change first. What is gone already counts as taken back.

    Errors: JournalError.
    """
    for i in journal.to_undo:
        change = journal.plan.changes[i]
        if change.undo is None:
            continue
        with at_once():
            error = _taken_back(change, change.undo, i, writer, journal, now)
        if error:
            return Outcome(i, error)
        tell(i, change, Step.UNDONE)
    return Outcome()


def _taken_back(
    change: Change, undoing: Write, i: int, writer: Writes, journal: Journal, now: Now
) -> WriteFailed | None:
    """Takes one change back; what went wrong, or None."""
    sure, note = journal.steps[i] is not Step.BEGUN, ""
    # A change whose outcome nobody knows stays one until this call is answered, also where a crash comes between.
    journal.tell(i, Step.UNDOING if sure else Step.BEGUN, now(), "taking it back")
    try:
        writer.write(undoing)
    except WriteFailed as error:
        if error.trouble is Trouble.CONFLICT and not sure and _is_not_there(writer, change):
            note = "nothing is as the change would have made it"
        elif error.trouble not in (Trouble.GONE, Trouble.THERE):
            journal.tell(i, journal.steps[i], now(), error.message)
            return error
        else:
            note = error.message
    journal.tell(i, Step.UNDONE, now(), note)
    return None


def _is_not_there(writer: Writes, change: Change) -> bool:
    try:
        return writer.holds(change) is False
    except WriteFailed:
        return False
