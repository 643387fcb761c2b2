"""The schemas: one for every kind, strict, and given out whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import documents
import jsonschema_rs
import pytest
from conftest import FIXTURES, GOLDEN, ROOT, Situation, run_efsdiag
from plans import PLACE, a_change, plan_with
from reports import SICK, health, report

import efsdiag
from efsdiag.report.forms import health_text
from efsdiag.report.machine import as_json
from efsdiag.report.terminal import Look, with_rendered
from efsdiag.schemas import kinds, schema_of
from efsdiag.treat.journal import begin
from efsdiag.treat.plan_file import plan_as_json

every_kind = pytest.mark.parametrize("kind", kinds())
NAMES = sorted(file.parent.name for file in FIXTURES.glob("*/expect.json"))


def parts(schema: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema inside of a schema, with its place."""
    if isinstance(schema, dict):
        yield where, schema
        for key in ("properties", "$defs"):
            for name, inner in schema.get(key, {}).items():
                yield from parts(inner, f"{where}/{name}")
        for key in ("items", "additionalProperties"):
            yield from parts(schema.get(key), f"{where}/{key}")
        for inner in schema.get("anyOf", ()):
            yield from parts(inner, f"{where}/anyOf")


@every_kind
def test_a_schema_is_a_schema_of_the_draft_that_it_names(kind):
    schema = schema_of(kind)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:efsdiag:v1:{kind}"
    assert schema["title"] == kind
    jsonschema_rs.meta.validate(schema)


@every_kind
def test_a_schema_holds_all_that_it_refers_to_and_nothing_else(kind):
    schema = schema_of(kind)
    text = json.dumps(schema)
    named = set(re.findall(r'"\$ref": "#/\$defs/(\w+)"', text))
    assert named == set(schema.get("$defs", {}))
    assert text.count('"$ref"') == len(re.findall(r'"\$ref": "#/\$defs/', text))


def test_every_shared_part_is_used():
    shared = json.loads((Path(efsdiag.__file__).parent / "schemas" / "shared.json").read_text(encoding="utf-8"))[
        "$defs"
    ]
    assert set(shared) == {name for kind in kinds() for name in schema_of(kind).get("$defs", {})}


PLAIN = ({"type": "null"}, {"type": "string"}, {"type": "array", "items": {"type": "string"}})
"""Parts of a description's owner that need none of their own."""


@every_kind
def test_every_description_is_a_sentence_and_nothing_is_without_one(kind):
    for where, part in parts(schema_of(kind), kind):
        if part not in PLAIN and not part.keys() & {"$ref", "const", "anyOf"}:
            assert re.fullmatch(r"[A-Z].* .*\.", part.get("description", "")), where


VENDORS = re.compile(r"/parameters$|^Version/packages$|^Permissions/(aws|kubernetes/items)$")
"""Objects whose keys are those of Kubernetes, of AWS or of a list of packages."""


@every_kind
def test_an_object_of_ours_has_no_other_keys_than_those_that_are_named(kind):
    for where, part in parts(schema_of(kind), kind):
        if part.get("type") in ("object", ["object", "null"]) and not VENDORS.search(where):
            assert part.get("additionalProperties") is False, where


def test_a_document_with_a_key_more_or_less_is_refused():
    whole = with_rendered(report(SICK))
    assert documents.faults_of(whole, "Diagnosis") == []
    assert documents.faults_of({**whole, "more": 1}, "Diagnosis") != []
    for key in whole:
        assert documents.faults_of({k: v for k, v in whole.items() if k != key}, "Diagnosis") != [], key
    cause = whole["rootCauses"][0]
    for key in cause:
        less = {k: v for k, v in cause.items() if k != key}
        assert documents.faults_of({**whole, "rootCauses": [less]}, "Diagnosis") != [], key


def test_a_health_report_with_a_key_more_or_less_is_refused():
    whole = {**health(), "rendered": "text"}
    optional = {"suppressed", "expiredSuppressions", "changes"}
    assert documents.faults_of(whole, "HealthReport") == []
    assert documents.faults_of({**whole, "more": 1}, "HealthReport") != []
    for key in whole:
        less = documents.faults_of({k: v for k, v in whole.items() if k != key}, "HealthReport")
        assert (less == []) is (key in optional), key
    for part in ("rootCauses", "latent", "suspects", "unexplained", "notChecked", "suppressed", "expiredSuppressions"):
        for key in whole[part][0]:
            less = [{k: v for k, v in whole[part][0].items() if k != key}]
            assert documents.faults_of({**whole, part: less}, "HealthReport") != [], (part, key)


def test_the_text_for_people_is_the_same_for_every_terminal(monkeypatch):
    case = Situation(FIXTURES / "story-parent-dir")
    shown = run_efsdiag(["check", "--bundle", str(case.path)])[1]
    told = run_efsdiag(case.asked())[1]
    for columns, colour in (("60", "always"), ("200", "never")):
        monkeypatch.setenv("COLUMNS", columns)
        _, checked, _ = run_efsdiag(["check", "--bundle", str(case.path), "-o", "json", "--color", colour])
        _, out, _ = run_efsdiag(case.asked("-o", "json", "-v", "--ascii", "--color", colour))
        assert json.loads(checked)["rendered"] == shown
        assert json.loads(out)["rendered"] == told


@pytest.mark.parametrize("name", NAMES)
def test_every_golden_report_is_as_its_schema_says(name):
    golden = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    assert documents.faults_of({**golden, "rendered": "text"}, "Diagnosis") == []


@pytest.mark.parametrize("name", NAMES)
def test_every_file_of_a_bundle_that_is_ours_is_as_its_schema_says(name):
    folder = FIXTURES / name
    found = {"EvidenceBundle": [folder / "bundle.json"], "VolumeListing": sorted(folder.glob("volumes/*.json"))}
    found["RecordedReads"] = sorted(folder.glob("reads.json"))
    for kind, files in found.items():
        for file in files:
            assert documents.faults_of(json.loads(file.read_text(encoding="utf-8")), kind) == [], file


def test_what_the_cli_prints_is_watched():
    documents.SEEN.clear()
    case = Situation(FIXTURES / "story-parent-dir")
    run_efsdiag(case.asked("-o", "json"))
    run_efsdiag(["why", "pod/nobody", "--bundle", str(case.path), "-o", "yaml"])
    run_efsdiag(["check", "--bundle", str(case.path), "-o", "yaml"])
    assert {"Diagnosis", "Error", "HealthReport"} == documents.SEEN
    assert documents.OFFENCES == []


def test_a_document_that_is_not_as_its_schema_says_is_an_offence(tmp_path):
    begin(tmp_path, replace(plan_with(a_change()), place=replace(PLACE, account=None)), datetime.now(UTC))
    assert [o for o in documents.OFFENCES if o.startswith("efsdiag.treat.journal makes a Journal")]
    documents.OFFENCES.clear()
    health_text("json", {**health(), "more": 1}, Look())
    assert [o for o in documents.OFFENCES if "efsdiag.report.forms makes a HealthReport" in o and "'more'" in o]
    documents.OFFENCES.clear()
    health_text("yaml", {**health(), "kind": "Guess"}, Look())
    assert documents.OFFENCES == ["efsdiag.report.forms makes a Guess, which has no schema"]
    documents.OFFENCES.clear()


def test_a_document_of_a_test_is_its_own_affair():
    as_json({"apiVersion": "efsdiag/v1", "kind": "Diagnosis"})
    assert documents.OFFENCES == []


def test_every_kind_that_the_source_names_has_a_schema():
    """A second look at what no test makes: every constant KIND, and every kind beside our apiVersion."""
    sources = [file.read_text(encoding="utf-8") for file in Path(efsdiag.__file__).parent.rglob("*.py")]
    named = {kind for text in sources for kind in re.findall(r'^KIND = "(\w+)"', text, re.MULTILINE)}
    beside = r'"apiVersion": (?:"efsdiag/v1"|API_VERSION),\s*"kind": "(\w+)"'
    named |= {kind for text in sources for kind in re.findall(beside, text)}
    assert {"Diagnosis", "Error", "Plan", "RecordedReads", "EvidenceBundle"} <= named
    assert named - set(kinds()) == set()


def test_a_plan_is_as_its_schema_says_in_its_file_and_in_a_journal():
    made = json.loads(json.dumps(plan_as_json(plan_with(a_change()))))
    assert documents.faults_of(made, "Plan") == []
    assert documents.faults_of({"plan": made, "at": made["madeAt"]}, "Journal") == []
    assert documents.faults_of({"plan": {**made, "digest": "x"}, "at": made["madeAt"]}, "Journal") != []


def test_the_command_lists_all_kinds_and_prints_one():
    code, out, _ = run_efsdiag(["schema"])
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == kinds()
    for asked in ("Diagnosis", "diagnosis"):
        code, out, _ = run_efsdiag(["schema", asked])
        assert (code, json.loads(out)) == (0, schema_of("Diagnosis"))


def test_a_kind_that_is_none_is_a_usage_error_with_the_nearest_name():
    code, out, err = run_efsdiag(["schema", "Diagnose"])
    assert (code, out) == (2, "")
    assert err == "kind-unknown: there is no kind 'Diagnose'\n  did you mean Diagnosis?\n"


def test_the_page_about_schemas_names_every_kind():
    text = (ROOT / "docs" / "schemas.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)))) == set(kinds())
