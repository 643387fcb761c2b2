"""A diagnosis of evidence without secrets is the same: over the situations, and over worlds with faults."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import FIXTURES, Situation
from sampling import one_in
from worlds.bundle import encoded, files_of
from worlds.fault import Fault, load
from worlds.ids import NOW
from worlds.look import diagnosis_of

from efsdiag.investigate import investigate
from efsdiag.model import Query, Unreadable
from efsdiag.operations import read_of
from efsdiag.redaction import MARK, is_redacted
from efsdiag.rules import Rulebook
from efsdiag.world.bundle import BundleSource
from efsdiag.world.bundle_files import Memory
from efsdiag.world.redacting import KEPT, Redacting

CANARY = "c4nary-Ab3dEf"


@pytest.mark.parametrize("folder", sorted(FIXTURES.iterdir()), ids=lambda folder: folder.name)
def test_redacting_changes_no_situation(rulebook: Rulebook, folder: Path) -> None:
    situation = Situation(folder)
    with BundleSource(folder) as source:
        now = datetime.fromisoformat(str(source.captured_at))
        found = investigate(rulebook, Redacting(source), situation.target, now, strict=True)
    assert found.diagnosis == situation.investigated(rulebook).diagnosis


@pytest.mark.parametrize("fault", one_in(16, load()), ids=lambda fault: fault.name)
def test_redacting_secrets_everywhere_changes_no_diagnosis_of_a_fault(rulebook: Rulebook, fault: Fault) -> None:
    """The world gets secrets wherever its objects and logs can hold some; they go, and the cause stays."""
    world = fault.world()
    before = diagnosis_of(world)
    sow(world.kube)
    world.logs = {where: f"{text}token={CANARY}\n" for where, text in world.logs.items()}
    source = Redacting(BundleSource.of(Memory(encoded(files_of(world)))))
    seen: list[Any] = []

    def watched(query: Query) -> Any:
        seen.append(source(query))
        return seen[-1]

    after = investigate(rulebook, watched, world.asked, NOW, strict=True).diagnosis
    assert after.status == before.status
    assert [(c.check, c.finding.mode, c.confirmed) for c in after.causes] == [
        (c.check, c.finding.mode, c.confirmed) for c in before.causes
    ]
    assert {name: verdict.state for name, verdict in after.verdicts.items()} == {
        name: verdict.state for name, verdict in before.verdicts.items()
    }
    assert CANARY not in repr(seen)
    assert is_redacted(seen)


def sow(kube: dict[str, list[dict[str, Any]]]) -> None:
    """Secrets in the environment, in annotations, and in what kubectl applied last, of every object."""
    for things in kube.values():
        for thing in things:
            annotations = thing["metadata"].setdefault("annotations", {})
            annotations["example.com/api-token"] = CANARY
            annotations["kubectl.kubernetes.io/last-applied-configuration"] = f'{{"password":"{CANARY}"}}\n'
            for spec in (thing.get("spec") or {}, (thing.get("spec") or {}).get("template", {}).get("spec") or {}):
                for container in spec.get("containers") or []:
                    container.setdefault("env", []).append({"name": "DB_PASSWORD", "value": CANARY})


def test_an_answer_is_redacted_once_and_shared() -> None:
    answers = {"x": {"password": CANARY}}
    source = Redacting(lambda query: answers[query.get("name")])
    query = read_of("kube:get nodes", name="x")
    assert source(query) == {"password": MARK}
    assert source(query) is source(query)
    answers["x"] = {"password": CANARY, "new": "1"}
    assert source(query) == {"password": MARK, "new": "1"}


def test_what_is_kept_is_bounded() -> None:
    source = Redacting(lambda query: {"name": query.get("name")})
    for number in range(2 * KEPT):
        source(read_of("kube:get nodes", name=str(number)))
    assert len(source._kept) == KEPT


def test_a_refusal_has_no_secret_in_it() -> None:
    def refuse(query: Query) -> Any:
        raise Unreadable(query, f"GET https://u:{CANARY}@host: 403", f"use token={CANARY}")

    with pytest.raises(Unreadable) as refusal:
        Redacting(refuse)(read_of("kube:list nodes"))
    assert refusal.value.why == f"GET https://{MARK}@host: 403"
    assert refusal.value.grant == f"use token={MARK}"
    assert refusal.value.__cause__ is None


def test_what_does_not_exist_stays_absent_and_too_deep_an_answer_is_unreadable() -> None:
    assert Redacting(lambda query: None)(read_of("kube:get nodes", name="x")) is None
    deep: Any = {}
    for _ in range(5000):
        deep = {"a": deep}
    with pytest.raises(Unreadable, match="nested too deeply"):
        Redacting(lambda query: deep)(read_of("kube:get nodes", name="x"))
