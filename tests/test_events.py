"""Events tell of one object and one attempt: without them objects decide, and those of others do not count."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from efsdiag.investigate import investigate
from efsdiag.model import Diagnosis, Subject
from efsdiag.rules import load_rulebook
from efsdiag.semantics.attempt import parse_time
from efsdiag.world.bundle import BundleSource
from efsdiag.world.bundle_files import Memory

FIXTURES = sorted(p.parent for p in (Path(__file__).parent.parent / "fixtures").glob("*/expect.json"))
RULEBOOK = load_rulebook()
MISLEADING = (
    ("Pod", "FailedMount", 'MountVolume.SetUp failed for volume "x" : configmap "other" not found'),
    ("Pod", "FailedMount", "Output: mount.nfs4: access denied by server while mounting 127.0.0.1:/"),
    ("PersistentVolumeClaim", "ProvisioningFailed", 'storageclass.storage.k8s.io "other" not found'),
)


def files_of(fixture: Path) -> dict[str, bytes]:
    paths = (p for p in fixture.rglob("*") if p.is_file() and p.name != "expect.json")
    return {str(p.relative_to(fixture)): p.read_bytes() for p in paths}


def diagnosis_of(fixture: Path, change: Callable[[str, dict[str, Any]], None]) -> Diagnosis:
    """The diagnosis after `change` was made to each list of events, given its path and its content."""
    files = files_of(fixture)
    for name in [n for n in files if "/events/" in n]:
        document = json.loads(files[name])
        change(name, document)
        files[name] = json.dumps(document).encode()
    namespace, kind, name = json.loads((fixture / "expect.json").read_text())["target"].split("/")
    source = BundleSource.of(Memory(files))
    now = parse_time(source.captured_at or "")
    return investigate(RULEBOOK, source, Subject(kind, namespace, name), now, strict=True).diagnosis


def answer_of(diagnosis: Diagnosis) -> tuple[str, list[tuple[str, bool]]]:
    return diagnosis.status.value, sorted((c.finding.mode, c.confirmed) for c in diagnosis.causes)


def as_it_is(_name: str, _document: dict[str, Any]) -> None: ...


def without_events(_name: str, document: dict[str, Any]) -> None:
    document["items"] = []


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda p: p.name)
def test_removed_events_change_no_answer_that_objects_prove(fixture: Path) -> None:
    assert answer_of(diagnosis_of(fixture, without_events)) == answer_of(diagnosis_of(fixture, as_it_is))


def of_a_namesake(fixture: Path, another_uid: bool) -> Callable[[str, dict[str, Any]], None]:
    """Adds misleading events about objects of the target's names: in another namespace, or with another uid."""
    namespace, _, name = json.loads((fixture / "expect.json").read_text())["target"].split("/")
    pods = json.loads((fixture / f"cluster-resources/pods/{namespace}.json").read_text())["items"]
    claims = json.loads((fixture / f"cluster-resources/pvcs/{namespace}.json").read_text())["items"]
    own = {"Pod": [p["metadata"]["name"] for p in pods if p["metadata"]["name"].startswith(name)]}
    own["PersistentVolumeClaim"] = [c["metadata"]["name"] for c in claims]

    def add(path: str, document: dict[str, Any]) -> None:
        here = Path(path).stem
        if (here == namespace) is not another_uid:
            return
        for number, (kind, reason, message) in enumerate(MISLEADING):
            for thing in own[kind]:
                document["items"].append(
                    {
                        "apiVersion": "v1",
                        "kind": "Event",
                        "metadata": {"name": f"{thing}.{number}", "namespace": here, "uid": f"e-{number}-{thing}"},
                        "involvedObject": {"kind": kind, "name": thing, "namespace": here, "uid": "of-a-namesake"},
                        "type": "Warning",
                        "reason": reason,
                        "message": message,
                        "lastTimestamp": "2026-11-21T00:00:00Z",
                        "count": 99,
                    }
                )

    return add


@pytest.mark.parametrize("another_uid", [False, True], ids=["in-another-namespace", "of-a-predecessor"])
@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda p: p.name)
def test_events_of_a_namesake_are_not_used(fixture: Path, another_uid: bool) -> None:
    changed = diagnosis_of(fixture, of_a_namesake(fixture, another_uid))
    assert changed == diagnosis_of(fixture, as_it_is)
