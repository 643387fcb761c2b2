"""Every check, judged once. The engine decides `unknown` and `waiting` before a check's function is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from efsdiag.checks.messages import finding_of
from efsdiag.gather import MISTAKES, Gather, applied
from efsdiag.model import Check, Evidence, Missing, State, Unread, Verdict, failed_all, passed, unknown, waiting
from efsdiag.rules import Rulebook


def judge_all(rulebook: Rulebook, gather: Gather) -> dict[str, Verdict]:
    """The verdict of each check, by its id.

    A check that nobody could look at fails, likely, where a message of the present attempt belongs to one of its modes
    alone: what was said then stands in for what could not be seen. It passes where its rule names evidence that shows
    that it is in nobody's way (`shown_by`), and there is such evidence.
    """
    gather.prefetch(check.judge for check in rulebook.checks.values())
    verdicts = {id_: judge(check, gather) for id_, check in sorted(rulebook.checks.items())}
    heard = gather("heard")
    if isinstance(heard, Evidence):
        for id_, verdict in verdicts.items():
            if verdict.state is State.UNKNOWN:
                verdicts[id_] = _by_messages(rulebook.checks[id_], verdict, heard.value)
    for id_, verdict in verdicts.items():
        if verdict.state is State.UNKNOWN:
            verdicts[id_] = _by_neighbours(rulebook.checks[id_], verdict, gather)
    return verdicts


def judge(check: Check, gather: Gather) -> Verdict:
    """The check's function with the evidence that it asks for; unreadable evidence makes it unknown, absent waiting."""
    arguments = gather.arguments(check.judge, settings=check.settings)
    if isinstance(arguments, Missing):
        return waiting(arguments.why) if arguments.absent else unknown(arguments.why, arguments.grant)
    memo = gather.memo
    key = memo.key(check.id, arguments) if memo else None
    kept: Verdict | None = memo.get(key) if memo and key else None
    if kept is None:
        kept = _judged(check, gather, arguments)
        if memo and key:
            memo.keep(key, kept, kept)
    return kept


def _judged(check: Check, gather: Gather, arguments: Mapping[str, Any]) -> Verdict:
    try:
        got = applied(check.judge, arguments, settings=check.settings)
    except MISTAKES as mistake:
        if gather.strict:
            raise
        return unknown(
            f"{check.id} could not be judged: {type(mistake).__name__}: {mistake}", "report it with the bundle"
        )
    if not isinstance(got, Verdict):
        raise TypeError(f"{check.id} returned {got!r}, not a verdict")
    return _with_unread(got, arguments)


def _with_unread(verdict: Verdict, arguments: Mapping[str, Any]) -> Verdict:
    """The verdict; where it fails without certainty, with what could not be read and might have made it certain."""
    if verdict.state is not State.FAIL or verdict.unread or all(f.sure for f in verdict.findings):
        return verdict
    gap = next((value for value in arguments.values() if isinstance(value, Unread)), None)
    return replace(verdict, unread=gap.why, grant=gap.grant) if gap is not None else verdict


def _by_messages(check: Check, verdict: Verdict, heard: Any) -> Verdict:
    said = {s.mode: s for s in heard.of(*check.modes) if s.specific}
    if not said:
        return verdict
    found = failed_all([finding_of(s, sure=False) for s in said.values()])
    return replace(found, unread=verdict.says, grant=verdict.grant)


def _by_neighbours(check: Check, verdict: Verdict, gather: Gather) -> Verdict:
    shown = gather(check.shown_by) if check.shown_by else None
    return passed(f"nobody could look, but {shown.value}") if isinstance(shown, Evidence) else verdict


def states_of(verdicts: Mapping[str, Verdict]) -> dict[str, int]:
    """How many checks are in each state."""
    counts = {state.value: 0 for state in State}
    for verdict in verdicts.values():
        counts[verdict.state.value] += 1
    return counts
