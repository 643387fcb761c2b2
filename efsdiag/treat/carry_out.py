"""Carrying out a plan that was agreed to, going on with one that stopped, and taking one back.

The journal has a line before each call. Nothing is repeated blindly: a call that failed ends the run, and a call whose
answer was lost is only made again where it cannot do more than the first one did.
"""

from __future__ import annotations

from collections.abc import Callable
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


Tell = Callable[[int, Change, Step], None]
Now = Callable[[], datetime]


def rehearse(plan: Plan, consent: Consent, writer: Writes) -> None:
    """Every change is put to its server as a dry run, where the server has that. Errors: ConsentError, WriteFailed."""
    verify_consent(plan, consent)
    for change in plan.changes:
        writer.rehearse(change.write)


def carry_out(
    plan: Plan, consent: Consent, writer: Writes, journal: Journal, now: Now, tell: Tell = lambda *_: None
) -> Outcome:
    """Makes the changes that the journal has not seen done, in their order. Errors: ConsentError."""
    verify_consent(plan, consent)
    for i, change in enumerate(plan.changes):
        if journal.steps[i] in (Step.DONE, Step.THERE):
            continue
        again = journal.steps[i] is Step.BEGUN
        tell(i, change, Step.BEGUN)
        try:
            if again and writer.holds(change):
                journal.tell(i, Step.DONE, now(), "found done")
                tell(i, change, Step.DONE)
                continue
            journal.tell(i, Step.BEGUN, now())
            writer.write(change.write)
        except WriteFailed as error:
            if error.trouble is Trouble.THERE:
                # The call before it was lost: then it is this plan's own work. Otherwise somebody else was quicker.
                step = Step.DONE if again else Step.THERE
                journal.tell(i, step, now(), error.message)
                tell(i, change, step)
                continue
            step = Step.BEGUN if error.trouble is Trouble.LOST else Step.FAILED
            journal.tell(i, step, now(), error.message)
            return Outcome(i, error)
        journal.tell(i, Step.DONE, now())
        tell(i, change, Step.DONE)
    return Outcome()


def undo(journal: Journal, writer: Writes, now: Now, tell: Tell = lambda *_: None) -> Outcome:
    """Takes back what the journal has seen done, the last change first. What is gone already counts as taken back."""
    for i in journal.to_undo:
        change = journal.plan.changes[i]
        if change.undo is None:
            continue
        if journal.steps[i] is Step.BEGUN and not _may_have_happened(writer, change):
            journal.tell(i, Step.UNDONE, now(), "it had not happened")
            tell(i, change, Step.UNDONE)
            continue
        journal.tell(i, Step.UNDOING, now())
        note = ""
        try:
            writer.write(change.undo)
        except WriteFailed as error:
            if error.trouble not in (Trouble.GONE, Trouble.THERE):
                return Outcome(i, error)
            note = error.message
        journal.tell(i, Step.UNDONE, now(), note)
        tell(i, change, Step.UNDONE)
    return Outcome()


def _may_have_happened(writer: Writes, change: Change) -> bool:
    try:
        return writer.holds(change) is not False
    except WriteFailed:
        return True
