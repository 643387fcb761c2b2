"""Whether a patch has been applied already, told from the object alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubeapi.patches import json_patch

from efsdiag.world.json_patch import contains, holds_already

VALUES = st.recursive(
    st.booleans() | st.integers(0, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
    max_leaves=4,
)
OBJECTS = st.dictionaries(st.sampled_from(["a", "b", "x/y", "t~"]), VALUES, min_size=1, max_size=3)


def op(kind: str, path: str, *value: Any) -> dict[str, Any]:
    return {"op": kind, "path": path, **({"value": value[0]} if value else {})}


@pytest.mark.parametrize(
    ("found", "patch", "holds"),
    [
        ({"a": 1}, [op("replace", "/a", 1)], True),
        ({"a": 1}, [op("replace", "/a", 2)], False),
        ({"a": True}, [op("replace", "/a", 1)], False),
        ({"a": 1}, [op("remove", "/b")], True),
        ({"a": 1}, [op("remove", "/a")], False),
        ({"a": {"x/y": 1}}, [op("add", "/a/x~1y", 1)], True),
        ({"a~": 1}, [op("add", "/a~0", 1)], True),
        ({"a": [1, 2]}, [op("add", "/a/-", 2)], True),
        ({"a": [1]}, [op("add", "/a/-", 2)], False),
        ({}, [op("add", "/a/-", 2)], False),
        ({"a": [7, 8]}, [op("test", "/a/0", 6), op("remove", "/a/0")], True),
        ({"a": [6, 8]}, [op("test", "/a/0", 6), op("remove", "/a/0")], False),
        ({"a": [8]}, [op("remove", "/a/0")], False),
        ({"a": []}, [op("remove", "/a/0")], True),
        ({"a": {"b": 1}}, [op("add", "/a", {}), op("add", "/a/b", 1)], True),
        ({"a": {}}, [op("add", "/a", {}), op("add", "/a/b", 1)], False),
        ({"a": {"b": 1, "c": 2}}, [op("replace", "/a/b", 9), op("replace", "/a", {"b": 1, "c": 2})], True),
    ],
)
def test_a_patch_is_looked_for_in_the_object(found: Any, patch: list[dict[str, Any]], holds: bool) -> None:
    assert holds_already(found, patch) is holds


def test_defaults_that_the_server_added_do_not_hide_a_patch() -> None:
    patch = [op("test", "/spec", {}), op("add", "/spec/probe", {"path": "/"})]
    assert holds_already({"spec": {"probe": {"path": "/", "period": 10}}}, patch)


def test_a_mapping_that_is_to_lose_a_key_is_not_taken_for_one_with_defaults() -> None:
    patch = [op("test", "/a", {"b": 1, "c": 2}), op("replace", "/a", {"b": 1})]
    assert not holds_already({"a": {"b": 1, "c": 2}}, patch)


@given(found=OBJECTS, value=VALUES, data=st.data())
def test_what_the_server_made_of_a_patch_holds_it(found: dict[str, Any], value: Any, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([*found, "new"]))
    at = "/" + name.replace("~", "~0").replace("/", "~1")
    guard = [op("test", at, found[name])] if name in found else []
    wanted = [op("add", at, value)] if data.draw(st.booleans()) or name not in found else [op("remove", at)]
    patch = [*guard, *wanted]
    made = json_patch(found, patch)
    assert holds_already(made, patch)
    if repr(made) != repr(found):
        assert not holds_already(found, patch)


@given(VALUES)
def test_everything_contains_itself(value: Any) -> None:
    assert contains(value, value)
