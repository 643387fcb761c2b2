"""What happens where a read is refused: the answer may weaken, and never changes into another one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from efsdiag.investigate import Investigation, investigate
from efsdiag.model import Answer, Query, State, Subject, Unreadable
from efsdiag.operations import READS
from efsdiag.rules import load_rulebook
from efsdiag.semantics.attempt import parse_time
from efsdiag.world.bundle import BundleSource

FIXTURES = sorted(p.parent for p in (Path(__file__).parent.parent / "fixtures").glob("*/expect.json"))
RULEBOOK = load_rulebook()


class Refusing:
    """A source that passes everything on but one operation."""

    def __init__(self, source: BundleSource, operation: str) -> None:
        self._source = source
        self._operation = operation
        self.asked: set[str] = set()

    def __call__(self, query: Query) -> Answer:
        self.asked.add(query.operation)
        if query.operation == self._operation:
            permission = READS[query.operation].permission
            raise Unreadable(query, f"{query.operation} is refused", f"allow {permission}")
        return self._source(query)


def look(fixture: Path, operation: str) -> tuple[Investigation, set[str]]:
    expect = json.loads((fixture / "expect.json").read_text())
    namespace, kind, name = expect["target"].split("/")
    with BundleSource(fixture) as bundle:
        source = Refusing(bundle, operation)
        now = parse_time(bundle.captured_at or "")
        return investigate(RULEBOOK, source, Subject(kind, namespace, name), now, strict=True), source.asked


def confirmed(investigation: Investigation) -> set[str]:
    return {c.finding.mode for c in investigation.diagnosis.causes if c.confirmed}


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda p: p.name)
def test_no_refused_read_changes_the_cause_or_makes_the_pod_healthy(fixture: Path) -> None:
    whole, asked = look(fixture, "")
    causes = {c.finding.mode for c in whole.diagnosis.causes}
    wrong = []
    for operation in sorted(asked):
        refused, _ = look(fixture, operation)
        others = confirmed(refused) - causes
        if others:
            wrong.append(f"{operation}: confirms {sorted(others)}")
        if refused.diagnosis.status.value == "healthy" != whole.diagnosis.status.value:
            wrong.append(f"{operation}: healthy by ignorance")
    assert wrong == []


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda p: p.name)
def test_a_refused_read_is_named_with_what_to_grant(fixture: Path) -> None:
    whole, asked = look(fixture, "")
    silent = []
    for operation in sorted(asked):
        refused, _ = look(fixture, operation)
        changed = {
            id_
            for id_, verdict in refused.diagnosis.verdicts.items()
            if verdict.state is State.UNKNOWN and whole.diagnosis.verdicts[id_].state is not State.UNKNOWN
        }
        grants = " ".join(refused.diagnosis.verdicts[id_].grant for id_ in changed)
        if changed and READS[operation].permission not in grants:
            silent.append(f"{operation}: {sorted(changed)} became unknown without naming {READS[operation].permission}")
    assert silent == []
