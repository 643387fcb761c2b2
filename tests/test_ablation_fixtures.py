"""Every file of every fixture, and every object of every list in it, taken away in turn: no other cause is certain."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from worlds.ablation import removals_of
from worlds.look import Traced, causes_of, rulebook

from efsdiag.investigate import investigate
from efsdiag.model import Diagnosis, Status
from efsdiag.subjects import SubjectError, parse_target
from efsdiag.world.bundle import BundleSource
from efsdiag.world.bundle_files import Memory
from efsdiag.world.bundle_times import parsed

FIXTURES = sorted(file.parent for file in (Path(__file__).parent.parent / "fixtures").glob("*/expect.json"))


def diagnosis_of(files: Memory, target: str) -> Diagnosis:
    namespace, kind, name = target.split("/")
    source = BundleSource.of(files)
    now = parsed(source.captured_at)
    assert now is not None
    return investigate(rulebook(), source, parse_target((f"{kind}/{name}",), namespace), now, strict=True).diagnosis


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda folder: folder.name)
def test_nothing_that_is_taken_away_makes_another_cause_certain_or_the_pod_healthy(fixture: Path) -> None:
    target = json.loads((fixture / "expect.json").read_text())["target"]
    raw = {str(f.relative_to(fixture)): f.read_bytes() for f in fixture.rglob("*") if f.is_file()}
    del raw["expect.json"]
    traced = Traced(raw)
    whole = diagnosis_of(traced, target)
    parsed_files = {name: json.loads(raw[name]) if name.endswith(".json") else raw[name].decode() for name in raw}
    tried, mistakes = 0, []
    for removal, left in removals_of(parsed_files, traced.opened):
        try:
            without = diagnosis_of(Memory(left), target)
        except SubjectError:
            continue  # what was asked about is what was taken away
        tried += 1
        new = causes_of(without, confirmed=True) - causes_of(whole)
        turned = without.status is Status.HEALTHY and whole.status is not Status.HEALTHY
        mistakes += [f"{removal}: {name}" for name in (*sorted(new), *(["healthy"] if turned else []))]
    print(f"{fixture.name}: {tried} removals, {len(mistakes)} mistakes")
    assert tried > 30
    assert mistakes == []
