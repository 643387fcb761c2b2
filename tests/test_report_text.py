"""Text from elsewhere on a terminal: harmless, measured, broken into lines."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from efsdiag.report.text import ascii_of, clipped, safe, width_of, wrapped

KOREAN = "프로메테우스"


@pytest.mark.parametrize(
    ("given_", "shown"),
    [
        ("plain", "plain"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x1b[2J\x07", "\\x1b[2J\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("abc\u202edef", "abc\\u202edef"),
        ("a\u200bb\u2028c", "a\\u200bb\\u2028c"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
        (KOREAN, KOREAN),
    ],
)
def test_what_a_terminal_would_act_on_is_shown_as_an_escape(given_, shown):
    assert safe(given_) == shown


@given(st.text())
def test_nothing_invisible_is_left(text):
    assert not [c for c in safe(text) if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


def test_a_wide_character_takes_two_columns_and_a_combining_one_none():
    assert width_of(KOREAN) == 12
    assert width_of("e\u0301") == 1
    assert width_of("pod ✗") == 5


def test_text_that_fits_is_not_clipped():
    assert clipped("twelve chars", 12) == "twelve chars"


def test_a_clipped_text_ends_in_a_mark_within_the_width():
    assert clipped("thirteen char", 12) == "thirteen ch…"
    assert clipped(KOREAN, 7) == "프로메…"


@given(st.text(st.characters(exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp", "Mn", "Me"))), st.integers(4, 60))
def test_no_line_is_wider_than_asked_and_nothing_is_lost(text, width):
    lines = wrapped(text, width)
    assert all(width_of(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_lines_are_broken_at_spaces():
    assert wrapped("the mount target answers", 11) == ["the mount", "target", "answers"]


def test_only_a_word_that_is_longer_than_a_line_is_broken():
    assert wrapped("see fs-0f3bf5aac58e365bb", 10) == ["see", "fs-0f3bf5a", "ac58e365bb"]


def test_the_last_line_kept_says_that_there_is_more():
    assert wrapped("one two three four five", 9, most=2) == ["one two", "three fo…"]


def test_ascii_has_a_look_alike_for_the_signs_of_the_report_and_escapes_for_the_rest():
    assert ascii_of("✗ a → b … └▶") == "x a -> b ... `>"
    assert ascii_of("한") == "\\ud55c"
