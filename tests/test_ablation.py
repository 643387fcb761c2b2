"""What is not collected can weaken a diagnosis, and never turns it into another one, or into health.

A file that is missing was never read: nothing certain can follow from that. An object that is missing in a list that
was read does not exist, so the world is another one; where the rest of it agrees, the new cause is true (`TRUE_THEN`),
and where something else in it says that the object must be there, nothing may be certain.
"""

from __future__ import annotations

import pytest
from sampling import one_in
from worlds.ablation import mistakes_of
from worlds.fault import Fault, load
from worlds.gaps import ABLATION_GAPS, KNOWN_GAPS, TRUE_THEN

EVERY = 14
"""One removal in so many is tried for each fault."""

FAULTS = load()
WHOLE = [f for f in FAULTS if f.name not in KNOWN_GAPS and f.provable]
BY_NAME = {f.name: f for f in FAULTS}


@pytest.mark.parametrize("fault", one_in(2, WHOLE), ids=[f.name for f in WHOLE])
def test_taking_something_away_makes_no_other_cause_certain(fault: Fault) -> None:
    tried, found = mistakes_of(fault, EVERY)
    excused = {*TRUE_THEN, *ABLATION_GAPS}
    mistakes = [m for m in found if (m.names, m.place) not in excused]
    print(f"{tried} removals, {len(mistakes)} mistakes")
    assert tried > 0
    assert not mistakes


@pytest.mark.parametrize("gap", list(ABLATION_GAPS), ids=lambda g: f"{g[0]}-{g[1]}")
def test_a_known_mistake_is_still_made(gap: tuple[str, str]) -> None:
    witness, _ = ABLATION_GAPS[gap]
    _, found = mistakes_of(BY_NAME[witness], 1_000_000_007, frozenset({gap[1]}))
    assert gap in {(m.names, m.place) for m in found}, f"{gap} is right now; take it out of ABLATION_GAPS"


def test_known_mistakes_and_true_consequences_do_not_overlap() -> None:
    assert not set(ABLATION_GAPS) & set(TRUE_THEN)
    assert all(witness in BY_NAME and len(reason) > 20 for witness, reason in ABLATION_GAPS.values())
