"""What one run leaves to the next."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from healthreports import blind, damages, health, story, suppressed_story, target, timed_out

from efsdiag.report.alerts import alerts
from efsdiag.report.comparison import CAUSE, LATENT
from efsdiag.report.machine import as_json
from efsdiag.state_file import (
    StateError,
    changes_since,
    next_state,
    read_state,
    refuse_other_cluster,
    state_document,
    write_state,
)

LATER = "2026-11-21T07:30:00Z"
EMPTY = {
    "apiVersion": "efsdiag/v1",
    "kind": "HealthState",
    "checkedAt": LATER,
    "context": None,
    "account": None,
    "findings": [],
}


def run(state, document):
    """The changes that a run with the document sees, and the state that it leaves."""
    changes = changes_since(state, document)
    return changes, next_state(state, document, changes)


def cause(state):
    return next(r for r in state.findings if r.finding.role == CAUSE)


def test_a_state_is_read_as_it_was_written(tmp_path):
    file = tmp_path / "state.json"
    _, state = run(None, story())
    write_state(file, state)
    assert read_state(file) == state
    assert json.loads(file.read_text())["kind"] == "HealthState"


def test_there_is_no_state_where_there_is_no_file(tmp_path):
    assert read_state(tmp_path / "none") is None


def test_nobody_else_reads_the_file_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        write_state(tmp_path / "state", run(None, story())[1])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["state"]


def test_a_link_stays_a_link_and_its_file_is_replaced(tmp_path):
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("old")
    link.symlink_to(file)
    _, state = run(None, story())
    write_state(link, state)
    assert link.is_symlink()
    assert read_state(file) == state


def test_a_file_that_cannot_be_replaced_stays_as_it_is(tmp_path, monkeypatch):
    file = tmp_path / "state"
    write_state(file, run(None, health())[1])
    before = file.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_state(file, run(None, story())[1])
    assert (file.read_bytes(), os.listdir(tmp_path)) == (before, ["state"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"x"',
        "[" * 100_000,
        '{"kind": "Diagnosis"}',
        '{"kind": "HealthState"}',
        json.dumps({**EMPTY, "apiVersion": "efsdiag/v2"}),
        json.dumps({**EMPTY, "checkedAt": "yesterday"}),
        json.dumps({**EMPTY, "checkedAt": 7}),
        json.dumps({**EMPTY, "findings": [1]}),
        json.dumps({**EMPTY, "findings": [{}]}),
    ],
)
def test_a_damaged_file_is_an_error_and_stays_as_it_is(tmp_path, text):
    file = tmp_path / "state"
    file.write_text(text)
    with pytest.raises(StateError, match="is not a state file of efsdiag") as error:
        read_state(file)
    assert (error.value.reference, file.read_text()) == ("state-unreadable", text)


def test_half_a_state_is_an_error(tmp_path):
    file = tmp_path / "state"
    write_state(file, run(None, story())[1])
    text = file.read_text()
    file.write_text(text[: len(text) // 2])
    with pytest.raises(StateError):
        read_state(file)


def test_a_finding_that_goes_on_keeps_its_first_time():
    _, first = run(None, story())
    changes, second = run(first, story(checkedAt=LATER))
    assert changes.new == ()
    assert (cause(second).first_seen, cause(second).last_seen) == (cause(first).first_seen, LATER)


def test_what_is_resolved_is_forgotten_and_new_when_it_comes_back():
    _, first = run(None, story())
    changes, second = run(first, health(checkedAt=LATER))
    assert len(changes.resolved) == len(first.findings)
    assert second.findings == ()
    _, third = run(second, story(checkedAt="2026-11-21T08:30:00Z"))
    assert cause(third).first_seen == "2026-11-21T08:30:00Z"


def test_what_could_not_be_looked_for_is_remembered_with_its_times():
    _, first = run(None, story())
    changes, second = run(first, {**timed_out(), "checkedAt": LATER})
    assert changes.resolved == ()
    assert second.findings == first.findings
    assert second.checked_at == LATER
    changes, third = run(second, story(checkedAt="2026-11-21T08:30:00Z"))
    assert changes.new == ()
    assert cause(third).first_seen == cause(first).first_seen


def test_what_nobody_looked_for_in_a_month_is_forgotten():
    _, first = run(None, story())
    _, kept = run(first, {**timed_out(), "checkedAt": "2026-12-21T06:30:00Z"})
    assert kept.findings == first.findings
    _, later = run(kept, {**timed_out(), "checkedAt": "2026-12-22T06:30:00Z"})
    assert later.findings == ()


def test_what_was_suppressed_starts_anew_when_it_is_not_any_more():
    _, first = run(None, story())
    _, held = run(first, {**suppressed_story(), "checkedAt": LATER})
    changes, after = run(held, story(checkedAt="2026-11-21T08:30:00Z"))
    assert cause(after).finding in changes.new
    assert cause(after).first_seen == "2026-11-21T08:30:00Z"


def test_the_place_of_a_finding_is_that_of_when_it_was_first_seen():
    _, first = run(None, story(target("web", "shop")))
    assert (cause(first).namespace, cause(first).workload) == ("shop", "web")
    _, second = run(first, story(target("web", "shop"), target("api", "pay")))
    assert (cause(second).namespace, cause(second).workload) == ("shop", "web")
    _, many = run(None, story(target("web", "shop"), target("api", "shop")))
    assert (cause(many).namespace, cause(many).workload) == ("shop", "")
    _, unnamed = run(None, story(target("web", "shop"), count=30))
    assert (cause(unnamed).namespace, cause(unnamed).workload) == ("", "")


def test_a_state_of_another_cluster_or_account_is_refused():
    _, state = run(None, story())
    refuse_other_cluster(None, story())
    refuse_other_cluster(state, blind())
    for name in ("context", "account"):
        other = health()
        other["environment"] = {**other["environment"], name: "another"}
        with pytest.raises(StateError, match=f"looked at {name} another"):
            refuse_other_cluster(state, other)
        other["environment"][name] = None
        refuse_other_cluster(state, other)


@pytest.mark.parametrize("junk", [None, 7, "x", [7], {"x": 7}], ids=str)
def test_whatever_stands_in_a_file_it_is_used_or_refused_and_nothing_breaks(tmp_path, junk):
    file = tmp_path / "state"
    _, state = run(None, story())
    write_state(file, replace(state, findings=state.findings[:2]))
    whole = json.loads(file.read_text())
    for damaged in damages(whole, junk):
        file.write_text(json.dumps(damaged))
        try:
            read = read_state(file)
        except StateError:
            continue
        for document in (story(checkedAt=LATER), blind(), health(), timed_out()):
            changes, after = run(read, document)
            given = {"roles": (CAUSE, LATENT), "cluster": "lab", "now": datetime.now(UTC), "holds_for": timedelta(1)}
            alerts(document, read, after, changes, **given)
            assert json.loads(as_json(state_document(after)))["kind"] == "HealthState"


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/full", "/dev/null"])
def test_a_device_is_no_state_and_is_not_read_to_an_end_that_it_lacks(device):
    with pytest.raises(StateError, match="it is a device"):
        read_state(Path(device))
