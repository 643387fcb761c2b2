"""The page of a failure mode, offline."""

import pytest

from efsdiag.catalogue import load_modes
from efsdiag.report.page import index, page
from efsdiag.report.text import width_of

MODES = load_modes()


def test_a_page_says_what_it_is_how_to_see_it_what_it_looks_like_and_what_mends_it():
    mode = MODES["permission.parent-not-searchable"]
    text = page(mode, MODES, 100)
    assert text.startswith("permission.parent-not-searchable\n  A directory above")
    titles = [own for own in text.splitlines() if own.isupper()]
    assert titles == [
        "HOW TO SEE IT BY HAND",
        "WHAT GIVES IT AWAY",
        "WHAT IT IS CONFUSED WITH",
        "HOW TO MEND IT",
        "REFERENCES",
    ]
    assert all(f"  - {other}:" in text for other in mode.confused_with)
    assert all(f"\n  {command}\n" in text for command in mode.by_hand)


@pytest.mark.parametrize("id_", sorted(MODES))
def test_every_mode_has_a_page_within_the_width_except_for_what_is_copied(id_):
    mode = MODES[id_]
    copied = {f"  {own}" for own in (*mode.by_hand, *mode.references)}
    text = page(mode, MODES, 60)
    assert [own for own in text.splitlines() if width_of(own) > 60 and own not in copied] == []
    assert "The risk is " in text


def test_a_risk_that_cannot_be_undone_says_so():
    mode = next(m for m in MODES.values() if not m.reversible)
    assert "it cannot be undone." in page(mode, MODES, 200)


def test_the_index_has_each_mode_on_one_line():
    lines = index(MODES, 100).splitlines()
    assert [own.split()[0] for own in lines] == sorted(MODES)
    assert all(width_of(own) <= 100 for own in lines)
