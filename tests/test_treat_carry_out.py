"""How far a plan comes when something goes wrong, and what is never done twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from plans import NOW, a_change, plan_with

from efsdiag.changes import Change, Consent, ConsentError, Plan, Trouble, Write, WriteFailed
from efsdiag.treat.carry_out import PAUSES_S, carry_out, rehearse, undo
from efsdiag.treat.journal import Journal, Step, begin, journals

PLAN = plan_with(a_change(1), a_change(2), a_change(3))
YES = Consent(PLAN.digest)


class Edge:
    """A writer at the edge: what each call comes to is given, and every call is kept."""

    def __init__(self, *troubles: Trouble | None, holds: bool | None = None) -> None:
        self.troubles = list(troubles)
        self.calls: list[Write] = []
        self.asked: list[Change] = []
        self._holds = holds

    def rehearse(self, write: Write) -> None:
        self.write(write)

    def write(self, write: Write) -> Any:
        self.calls.append(write)
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble:
            raise WriteFailed(trouble, f"it was {trouble.value}", "allow it")

    def holds(self, change: Change) -> bool | None:
        self.asked.append(change)
        return self._holds


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return begin(tmp_path, PLAN, NOW)


def carried(journal: Journal, edge: Edge) -> WriteFailed | None:
    return carry_out(PLAN, YES, edge, journal, lambda: NOW).error


def test_changes_are_made_once_each_in_their_order(journal: Journal) -> None:
    edge = Edge()
    assert carried(journal, edge) is None
    assert edge.calls == [change.write for change in PLAN.changes]
    assert journal.steps == [Step.DONE] * 3
    assert carried(journal, edge) is None
    assert len(edge.calls) == 3


@pytest.mark.parametrize("refused", [1, 3, len(PAUSES_S)])
def test_what_was_just_made_and_is_not_known_yet_is_waited_for(journal: Journal, refused: int) -> None:
    edge, waited = Edge(None, *[Trouble.EARLY] * refused), list[float]()
    outcome = carry_out(PLAN, YES, edge, journal, lambda: NOW, wait=lambda _, pause_s: waited.append(pause_s))
    assert outcome.error is None
    assert waited == list(PAUSES_S[:refused])
    assert [w.parameters["FileSystemId"] for w in edge.calls] == ["fs-1", *["fs-2"] * (refused + 1), "fs-3"]
    assert journal.steps == [Step.DONE] * 3


def test_the_waiting_has_an_end_and_the_refusal_is_told(journal: Journal) -> None:
    edge, waited = Edge(None, *[Trouble.EARLY] * 100), list[float]()
    outcome = carry_out(PLAN, YES, edge, journal, lambda: NOW, wait=lambda _, pause_s: waited.append(pause_s))
    assert outcome.error
    assert (outcome.stopped_at, sum(waited)) == (1, 120)
    assert journal.steps == [Step.DONE, Step.FAILED, Step.LEFT]


def test_what_this_plan_has_not_made_is_not_waited_for(journal: Journal) -> None:
    edge, waited = Edge(Trouble.EARLY), list[float]()
    outcome = carry_out(PLAN, YES, edge, journal, lambda: NOW, wait=lambda _, pause_s: waited.append(pause_s))
    assert (outcome.stopped_at, waited) == (0, [])


def test_nothing_is_done_without_the_consent_to_this_plan(journal: Journal) -> None:
    edge = Edge()
    for consent in (Consent(""), Consent(plan_with(a_change(1)).digest)):
        with pytest.raises(ConsentError):
            carry_out(PLAN, consent, edge, journal, lambda: NOW)
        with pytest.raises(ConsentError):
            rehearse(PLAN, consent, edge)
    assert edge.calls == []


@pytest.mark.parametrize(
    ("trouble", "step"),
    [
        (Trouble.REFUSED, Step.FAILED),
        (Trouble.CONFLICT, Step.FAILED),
        (Trouble.THROTTLED, Step.FAILED),
        (Trouble.INVALID, Step.FAILED),
        (Trouble.LOST, Step.BEGUN),
    ],
)
def test_a_failure_ends_the_run_and_the_journal_says_why(journal: Journal, trouble: Trouble, step: Step) -> None:
    edge = Edge(None, trouble)
    error = carried(journal, edge)
    assert error
    assert error.trouble is trouble
    assert len(edge.calls) == 2
    (again,) = journals(journal.path.parent)
    assert again.steps == [Step.DONE, step, Step.LEFT]
    assert again.notes[1] == f"it was {trouble.value}"
    assert again.unfinished


@pytest.mark.parametrize("trouble", [Trouble.THERE, Trouble.GONE])
def test_what_somebody_else_did_is_no_work_of_this_plan(journal: Journal, trouble: Trouble) -> None:
    assert carried(journal, Edge(None, trouble)) is None
    assert journal.steps == [Step.DONE, Step.THERE, Step.DONE]
    assert journal.to_undo == [2, 0]


@pytest.mark.parametrize("holds", [True, False, None])
def test_a_lost_answer_is_looked_for_before_anything_is_sent_again(journal: Journal, holds: bool | None) -> None:
    carried(journal, Edge(None, Trouble.LOST))
    edge = Edge(holds=holds)
    assert carried(journal, edge) is None
    assert edge.asked == [PLAN.changes[1]]
    assert [w.parameters["FileSystemId"] for w in edge.calls] == (["fs-3"] if holds else ["fs-2", "fs-3"])
    assert journal.steps == [Step.DONE] * 3


@pytest.mark.parametrize("trouble", [Trouble.THERE, Trouble.GONE])
def test_what_a_lost_call_did_is_this_plans_work(journal: Journal, trouble: Trouble) -> None:
    carried(journal, Edge(None, Trouble.LOST))
    assert carried(journal, Edge(trouble)) is None
    assert journal.to_undo == [2, 1, 0]


def test_a_second_call_that_is_refused_leaves_the_first_one_unknown(journal: Journal) -> None:
    carried(journal, Edge(None, Trouble.LOST))
    assert carried(journal, Edge(Trouble.REFUSED))
    assert journal.steps[1] is Step.BEGUN


def test_the_last_change_is_taken_back_first(journal: Journal) -> None:
    carried(journal, Edge())
    edge = Edge()
    assert undo(journal, edge, lambda: NOW).error is None
    assert edge.calls == [change.undo for change in reversed(PLAN.changes)]
    assert journal.steps == [Step.UNDONE] * 3


@pytest.mark.parametrize("trouble", [Trouble.THERE, Trouble.GONE])
def test_what_is_gone_already_counts_as_taken_back(journal: Journal, trouble: Trouble) -> None:
    carried(journal, Edge())
    assert undo(journal, Edge(trouble), lambda: NOW).error is None
    assert journal.steps == [Step.UNDONE] * 3


@pytest.mark.parametrize("trouble", [Trouble.REFUSED, Trouble.CONFLICT, Trouble.THROTTLED, Trouble.LOST])
def test_an_undo_that_fails_stops_there_and_goes_on_the_next_time(journal: Journal, trouble: Trouble) -> None:
    carried(journal, Edge())
    outcome = undo(journal, Edge(None, trouble), lambda: NOW)
    assert outcome.stopped_at == 1
    (again,) = journals(journal.path.parent)
    assert again.steps == [Step.DONE, Step.UNDOING, Step.UNDONE]
    assert again.notes[1] == f"it was {trouble.value}"
    edge = Edge()
    assert undo(again, edge, lambda: NOW).error is None
    assert [w.parameters["FileSystemId"] for w in edge.calls] == ["fs-2", "fs-1"]


def test_an_undo_of_what_may_not_have_happened_is_tried_and_may_find_nothing(journal: Journal) -> None:
    carried(journal, Edge(None, Trouble.LOST))
    assert undo(journal, Edge(Trouble.CONFLICT, holds=False), lambda: NOW).error is None
    assert journal.steps == [Step.UNDONE, Step.UNDONE, Step.LEFT]


@pytest.mark.parametrize("holds", [True, None])
def test_an_undo_that_conflicts_with_what_is_there_is_a_failure(journal: Journal, holds: bool | None) -> None:
    carried(journal, Edge(None, Trouble.LOST))
    error = undo(journal, Edge(Trouble.CONFLICT, holds=holds), lambda: NOW).error
    assert error
    assert error.trouble is Trouble.CONFLICT
    assert journal.steps[1] is Step.BEGUN


def test_the_journal_has_a_line_before_each_call(journal: Journal) -> None:
    class Reading(Edge):
        def write(self, write: Write) -> Any:
            (seen,) = journals(journal.path.parent)
            at = [c.write if c.write == write else c.undo for c in PLAN.changes].index(write)
            lines.append(seen.steps[at])

    lines: list[Step] = []
    carried(journal, Reading())
    undo(journal, Reading(), lambda: NOW)
    assert lines == [Step.BEGUN] * 3 + [Step.UNDOING] * 3


def test_a_change_without_undo_is_passed_over(tmp_path: Path) -> None:
    whole = a_change(1)
    plan: Plan = plan_with(Change(whole.write, whole.words, whole.on), a_change(2))
    journal, edge = begin(tmp_path, plan, NOW), Edge()
    carry_out(plan, Consent(plan.digest), edge, journal, lambda: NOW)
    assert undo(journal, edge, lambda: NOW).error is None
    assert journal.steps == [Step.DONE, Step.UNDONE]
