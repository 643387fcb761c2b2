"""Plain data as JSON and YAML."""

import json
import unicodedata

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from efsdiag.report.machine import as_json, as_yaml

TEXTS = st.text(st.characters(), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)
HOSTILE = "evil\x1b[2J\x00\x9b\u202e\u2028\nname\x7f\ufeff\U000e0041 --- : # 'x' \"y\" {a}"


def invisible(text):
    return [c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


@given(VALUES)
def test_json_gives_back_what_it_was_given_and_shows_nothing_invisible(value):
    text = as_json(value)
    assert json.loads(text) == value
    assert invisible(text) == []


@given(VALUES)
def test_yaml_gives_back_the_same_and_shows_nothing_invisible(value):
    text = as_yaml(value)
    assert yaml.safe_load(text) == value
    assert invisible(text) == []


@pytest.mark.parametrize(("write", "read"), [(as_json, json.loads), (as_yaml, yaml.safe_load)])
def test_a_hostile_name_is_kept_and_inert(write, read):
    text = write({"name": HOSTILE})
    assert read(text) == {"name": HOSTILE}
    assert invisible(text) == []


@pytest.mark.parametrize("write", [as_json, as_yaml])
def test_korean_can_be_read(write):
    assert "프로메테우스" in write({"name": "프로메테우스"})


def test_a_lone_surrogate_out_of_a_bundle_does_not_end_the_run():
    assert json.loads(as_json({"name": "a\ud800"})) == {"name": "a\ud800"}
    assert "\\ud800" in as_yaml({"name": "a\ud800"})


def test_yaml_has_no_aliases_for_what_stands_twice():
    shared = ["kube:get pods"]
    assert "&" not in as_yaml({"a": shared, "b": shared})


def test_a_number_that_json_does_not_know_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        as_json({"durationMs": float("nan")})
