"""The journal on the disk: what a crash leaves of it, and what is read from it."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
from datetime import timedelta
from pathlib import Path

import pytest
from plans import NOW, a_change, plan_with

from efsdiag.changes import Change
from efsdiag.treat import journal as module
from efsdiag.treat.journal import (
    Journal,
    JournalError,
    Step,
    alone,
    begin,
    find,
    home,
    journals,
    unfinished_for,
)

PLAN = plan_with(a_change(1), a_change(2), a_change(3))
STEPS = [(0, Step.BEGUN), (0, Step.DONE), (1, Step.BEGUN), (1, Step.DONE), (2, Step.BEGUN), (2, Step.FAILED)]


def told(folder: Path, *steps: tuple[int, Step]) -> Journal:
    journal = begin(folder, PLAN, NOW)
    for change, step in steps:
        journal.tell(change, step, NOW, "a note")
    return journal


def test_what_was_told_is_read_again(tmp_path: Path) -> None:
    journal = told(tmp_path, *STEPS)
    journal.end("failed", NOW)
    assert journals(tmp_path) == [journal]
    assert journal.steps == [Step.DONE, Step.DONE, Step.FAILED]
    assert journal.to_undo == [1, 0]


@pytest.mark.parametrize("count", range(len(STEPS) + 1))
def test_a_file_that_was_cut_off_anywhere_says_what_was_on_the_disk(tmp_path: Path, count: int) -> None:
    """Cut off at every eighth byte, and at the end, of the line after `count` steps."""
    path = told(tmp_path, *STEPS[:count]).path
    whole = path.read_bytes()
    wanted = journals(tmp_path)[0].steps
    more = (json.dumps({"change": 2, "step": "done", "at": "", "note": "é"}) + "\n").encode()
    for cut in range(0, len(more) - 1, 8):
        path.write_bytes(whole + more[:cut])
        (journal,) = journals(tmp_path)
        assert journal.steps == wanted
        journal.tell(0, Step.DONE, NOW)
        (again,) = journals(tmp_path)
        assert again.steps == [Step.DONE, *wanted[1:]]


def test_a_first_line_that_was_cut_off_is_no_journal_yet(tmp_path: Path) -> None:
    path = begin(tmp_path, PLAN, NOW).path
    path.write_bytes(path.read_bytes()[:100])
    assert journals(tmp_path) == []
    path.write_bytes(b"")
    assert journals(tmp_path) == []


@pytest.mark.parametrize(
    "text", ["{}\n", "nonsense\n", "[]\n", '{"plan": {}, "at": ""}\n', "\n", '{"plan": null}\n', "\xff\n"]
)
def test_what_is_no_journal_is_told_and_not_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.jsonl").write_bytes(text.encode("latin-1"))
    with pytest.raises(JournalError, match="journal-unreadable"):
        journals(tmp_path)


@pytest.mark.parametrize("line", [{"change": 9, "step": "done"}, {"change": 0, "step": "flown"}, {"step": "done"}, 5])
def test_a_line_that_makes_no_sense_is_told(tmp_path: Path, line: object) -> None:
    path = begin(tmp_path, PLAN, NOW).path
    path.write_text(path.read_text() + json.dumps(line) + "\n")
    with pytest.raises(JournalError, match="journal-unreadable"):
        journals(tmp_path)


def test_a_line_is_on_the_disk_before_anything_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda opened: synced.append(os.fstat(opened).st_size))
    journal = begin(tmp_path, PLAN, NOW)
    journal.tell(0, Step.BEGUN, NOW)
    assert synced[-1] == journal.path.stat().st_size


@pytest.mark.parametrize("short", [False, True], ids=["an error", "half a line"])
def test_a_full_disk_is_told_and_the_step_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short: bool
) -> None:
    journal, write = begin(tmp_path, PLAN, NOW), os.pwrite

    def full(opened: int, text: bytes, at: int) -> int:
        if short:
            return write(opened, text[:5], at)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(JournalError, match="No space left"):
        journal.tell(0, Step.BEGUN, NOW)
    monkeypatch.undo()
    assert journal.steps[0] is Step.LEFT
    assert journals(tmp_path)[0].steps[0] is Step.LEFT


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for ask in (lambda folder: begin(folder, PLAN, NOW), lambda folder: alone(folder).__enter__()):
        with pytest.raises(JournalError, match="journal-not-written"):
            ask(tmp_path / "file" / "journal")


def test_journals_of_one_second_are_several_files_in_their_order(tmp_path: Path) -> None:
    made = [begin(tmp_path, PLAN, NOW + timedelta(microseconds=n)) for n in range(12)]
    assert len({journal.path for journal in made}) == 12
    assert [journal.id for journal in journals(tmp_path)] == [journal.id for journal in made]


def test_only_its_user_may_read_it(tmp_path: Path) -> None:
    path = begin(tmp_path / "deep" / "journal", PLAN, NOW).path
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("steps", "unfinished"),
    [
        ([], True),
        ([(0, Step.DONE)], True),
        ([(0, Step.DONE), (1, Step.FAILED)], True),
        (STEPS, True),
        ([(0, Step.BEGUN), (1, Step.DONE), (2, Step.DONE)], True),
        ([(0, Step.DONE), (1, Step.THERE), (2, Step.DONE)], False),
        ([(0, Step.UNDONE)], False),
        ([(0, Step.DONE), (1, Step.UNDOING)], False),
    ],
)
def test_a_plan_is_gone_on_with_where_something_is_left_and_nothing_taken_back(
    tmp_path: Path, steps: list[tuple[int, Step]], unfinished: bool
) -> None:
    journal = told(tmp_path, *steps)
    assert journal.unfinished is unfinished
    assert unfinished_for(tmp_path, PLAN.digest) == (journal if unfinished else None)
    assert unfinished_for(tmp_path, "0" * 64) is None


def test_what_was_there_already_is_not_taken_back(tmp_path: Path) -> None:
    journal = told(tmp_path, (0, Step.THERE), (1, Step.DONE), (2, Step.BEGUN))
    assert journal.to_undo == [2, 1]


def test_a_change_without_undo_is_made_but_not_to_be_taken_back(tmp_path: Path) -> None:
    whole = a_change()
    journal = begin(tmp_path, plan_with(Change(whole.write, whole.words, whole.on)), NOW)
    journal.tell(0, Step.DONE, NOW)
    assert (journal.made, journal.to_undo) == ([0], [])
    with pytest.raises(JournalError, match="nothing-to-undo"):
        find(tmp_path)


def test_a_journal_is_found_by_its_id_its_beginning_and_its_digest(tmp_path: Path) -> None:
    first, second = told(tmp_path, *STEPS), told(tmp_path, *STEPS)
    assert second.id.startswith(first.id)
    assert find(tmp_path, first.id) == first
    assert find(tmp_path, second.id) == second
    assert find(tmp_path).id == second.id
    with pytest.raises(JournalError, match="several journals fit"):
        find(tmp_path, PLAN.digest)
    with pytest.raises(JournalError, match="there is no journal"):
        find(tmp_path, "2031")
    second.path.unlink()
    assert find(tmp_path, PLAN.digest[:10]) == first


def test_it_is_kept_where_the_user_says() -> None:
    assert home({"EFSDIAG_JOURNAL": "/a"}) == Path("/a")
    assert home({"XDG_STATE_HOME": "/s"}) == Path("/s/efsdiag/journal")
    assert home({}).parts[-4:] == (".local", "state", "efsdiag", "journal")


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    with pytest.raises(JournalError, match="has no home") as raised:
        home({})
    assert "EFSDIAG_JOURNAL" in raised.value.hint


def _held(folder: Path, ready: multiprocessing.synchronize.Event) -> None:
    with alone(folder):
        ready.set()
        multiprocessing.Event().wait(30)


def test_two_processes_do_not_write_at_once_and_one_that_was_killed_keeps_nobody_out(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_held, args=(tmp_path, ready))
    process.start()
    try:
        assert ready.wait(30)
        with pytest.raises(JournalError, match="another-fix-runs"), alone(tmp_path):
            pass
    finally:
        process.kill()
        process.join()
    with alone(tmp_path):
        assert module.journals(tmp_path) == []
