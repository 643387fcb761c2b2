"""A plan in a file: what is read is what was written, and whatever else is there is refused in words."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import run_efsdiag
from hypothesis import given
from hypothesis import strategies as st
from plans import Scene, a_change, label, plan_with, scene_in, storage_class

from efsdiag.changes import Change, Choices, Lookup, Option, Place, Plan, Risk
from efsdiag.model import Ref, Subject
from efsdiag.operations import read_of
from efsdiag.treat.plan_file import PlanError, plan_as_json, plan_from_json, read_plan
from efsdiag.writes import WRITES, write_of

TEXT = st.text(max_size=8)
TIMES = st.datetimes(timezones=st.just(UTC))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
LOOKUPS = st.builds(
    lambda system, path: Lookup(read_of("efs:DescribeMountTargets", FileSystemId=system), path),
    TEXT.filter(bool),
    TEXT,
)
AWS = sorted(name for name in WRITES if not name.startswith(("kube:", "helm:")))
PATCHES = st.lists(st.fixed_dictionaries({"op": st.just("add"), "path": TEXT, "value": JSON}), max_size=2)
NAMES = st.sampled_from(["GroupId", "RoleName", "Value", "read"])
PARAMETERS = st.dictionaries(NAMES, JSON | LOOKUPS, max_size=3)
CALLS = st.builds(lambda name, given: write_of(name, **given), st.sampled_from(AWS), PARAMETERS)
PATCHING = st.builds(lambda name, patch: write_of("kube:patch nodes", name=name, patch=patch), TEXT, PATCHES)
REFS = st.builds(Ref, kind=TEXT.filter(bool), name=TEXT.filter(bool))
CHANGES = st.builds(
    Change, CALLS | PATCHING, TEXT, REFS, st.sampled_from(Risk), st.none() | CALLS | PATCHING, residue=TEXT
)
OPTIONS = st.builds(
    Option,
    TEXT,
    TEXT,
    st.none() | REFS,
    TEXT,
    TEXT,
    TEXT,
    st.floats(0, 1000),
    st.lists(CHANGES, min_size=1, max_size=2).map(tuple),
)
PLANS = st.builds(
    Plan,
    st.builds(Subject, TEXT, TEXT, TEXT),
    st.builds(Place, TEXT, TEXT, TEXT, TEXT),
    TIMES,
    TIMES,
    st.lists(OPTIONS, max_size=2).map(tuple),
    st.lists(OPTIONS, max_size=1).map(tuple),
    st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=2).map(tuple),
    st.builds(Choices, st.lists(TEXT).map(tuple), st.lists(TEXT).map(tuple), st.booleans()),
    st.booleans(),
)
PLAN = plan_with(a_change(1), label("pv-1"), storage_class("efs"))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with scene_in(tmp_path_factory.mktemp("scene")) as made:
        yield made


@given(PLANS)
def test_what_is_read_is_what_was_written(plan: Plan) -> None:
    again = plan_from_json(json.loads(json.dumps(plan_as_json(plan))))
    assert again == plan
    assert [c.write.parameters for c in again.changes] == [c.write.parameters for c in plan.changes]
    assert again.digest == plan.digest


def test_every_kind_of_change_survives_the_file(scene: Scene, tmp_path: Path) -> None:
    plan = scene.plan()
    assert read_plan(saved(tmp_path, plan_as_json(plan))) == plan


def saved(folder: Path, document: Any) -> Path:
    file = folder / "plan.json"
    file.write_text(json.dumps(document))
    return file


def refused(file: Path) -> str:
    """What `apply` says of the file; it is asked nothing else."""
    with pytest.raises(PlanError):
        read_plan(file)
    code, out, err = run_efsdiag(["apply", str(file), "--approve", PLAN.digest])
    assert (code, out) == (2, "")
    assert err.startswith("plan-unreadable: ")
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize("key", sorted(plan_as_json(PLAN)))
def test_a_missing_key_is_named_or_the_file_called_no_plan(tmp_path: Path, key: str) -> None:
    document = plan_as_json(PLAN)
    del document[key]
    says = refused(saved(tmp_path, document))
    assert key in says or "changed after it was made" in says


@pytest.mark.parametrize(
    ("way", "value"),
    [
        (("chosen", 0, "changes", 0, "write", "parameters", "FileSystemId"), "fs-9"),
        (("chosen", 0, "changes", 0, "undo", "parameters", "FileSystemId"), "fs-9"),
        (("chosen", 0, "changes", 0, "risk"), "disruptive"),
        (("chosen", 0, "changes", 0, "command"), "true"),
        (("chosen", 0, "changes", 0, "undoCommand"), "true"),
        (("chosen", 0, "mode"), "network.nacl"),
        (("target", "name"), "another"),
        (("place", "cluster"), "another"),
        (("place", "account"), "another"),
        (("digest",), "0" * 64),
        (("apiVersion",), "efsdiag/v9"),
        (("more",), 1),
    ],
)
def test_a_changed_file_is_refused(tmp_path: Path, way: tuple[Any, ...], value: Any) -> None:
    document = json.loads(json.dumps(plan_as_json(PLAN)))
    at = document
    for step in way[:-1]:
        at = at[step]
    at[way[-1]] = value
    assert "changed after it was made" in refused(saved(tmp_path, document))


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "5", "null", '"Plan"', '{"kind": "Diagnosis"}', '{"kind": "Plan"}', "[" * 100_000, "\xff\xfe"],
)
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "plan.json"
    file.write_bytes(text.encode("latin-1"))
    refused(file)


@pytest.mark.parametrize(
    ("way", "value", "says"),
    [
        (("expiresAt",), "2026-11-21T07:00:00", "no time zone"),
        (("expiresAt",), "tomorrow", "tomorrow"),
        (("chosen", 0, "changes", 0, "write", "operation"), "ec2:TerminateInstances", "operation-not-a-write"),
        (("chosen", 0, "changes", 0, "risk"), "none", "none"),
        (("chosen", 0, "changes", 0, "object"), {"kind": "x", "surprise": 1}, "surprise"),
        (("chosen", 0, "changes"), 5, "not iterable"),
        (("chosen",), None, "not iterable"),
    ],
)
def test_a_value_that_cannot_be_is_named(tmp_path: Path, way: tuple[Any, ...], value: Any, says: str) -> None:
    document = json.loads(json.dumps(plan_as_json(PLAN)))
    at = document
    for step in way[:-1]:
        at = at[step]
    at[way[-1]] = value
    assert says in refused(saved(tmp_path, document))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "none.json")


def test_the_time_is_no_part_of_the_digest_and_the_changes_are(tmp_path: Path) -> None:
    later = plan_with(*PLAN.changes, made_at=datetime(2027, 1, 1, tzinfo=UTC))
    assert later.digest == PLAN.digest
    assert plan_with(*PLAN.changes[:2]).digest != PLAN.digest
