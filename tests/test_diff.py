"""`efsdiag diff`: two reports, and what changed between them."""

from __future__ import annotations

import copy
import json
import os

import pytest
import yaml
from conftest import run_efsdiag
from healthreports import blind, damages, diagnosis, health, of, story, suppressed_story, target
from hostile import TEXTS, invisible, planted

from efsdiag.report.difference import difference, difference_text
from efsdiag.report.machine import as_json, as_yaml
from efsdiag.report.terminal import Look
from efsdiag.report_files import ReportError, read_report, refuse_unlike

MODE = "permission.parent-not-searchable"
CHECK = "parents-searchable"


@pytest.fixture
def run(tmp_path):
    """`run(before, after, "--fail-on-new")`: exit code, standard output, standard error."""

    def compare(before, after, *options):
        for name, document in (("old", before), ("new", after)):
            text = document if isinstance(document, str) else as_json(document)
            (tmp_path / name).write_text(text, encoding="utf-8")
        return run_efsdiag(["diff", str(tmp_path / "old"), str(tmp_path / "new"), *options])

    return compare


def changes(printed):
    """The ids of root causes by what became of them."""
    found = json.loads(printed)["changes"]
    return {key: [e["id"] for e in entries if e["role"] == "cause"] for key, entries in found.items() if entries}


def unknown_check():
    """A look that could not judge the check of the story."""
    entry = {"check": CHECK, "reason": "no listing", "grant": ""}
    return health(suspects=[of(entry, target("prometheus-server", "default"))])


@pytest.mark.parametrize(
    ("before", "after", "code", "said"),
    [
        (health(), health(), 0, {}),
        (health(), story(), 1, {"new": [MODE]}),
        (story(), story(), 0, {"ongoing": [MODE]}),
        (story(), health(), 0, {"resolved": [MODE]}),
        (story(), unknown_check(), 3, {"incomparable": [MODE], "resolved": []}),
        (unknown_check(), story(), 3, {"incomparable": [MODE], "new": []}),
        (suppressed_story(), story(), 1, {"new": [MODE]}),
        (story(), suppressed_story(), 0, {"resolved": []}),
    ],
)
def test_what_changed_and_the_exit_code(run, before, after, code, said):
    printed = run(before, after, "--fail-on-new", "-o", "json")
    assert (printed[0], printed[2]) == (code, "")
    assert changes(printed[1]) == said
    assert json.loads(printed[1])["exitCode"] == code
    assert run(before, after)[0] == 0


def test_a_new_latent_finding_is_told_and_does_not_fail(run):
    after = health(latent=story()["latent"][:1])
    code, out, _ = run(health(), after, "--fail-on-new", "-o", "json")
    assert code == 0
    assert [entry["role"] for entry in json.loads(out)["changes"]["new"]] == ["latent"]


def test_something_new_counts_more_than_something_that_cannot_be_compared(run):
    new = story()["rootCauses"][0]
    after = {**unknown_check(), "rootCauses": [{**new, "id": "network.nacl", "fingerprint": "0" * 12}]}
    assert run(story(), after, "--fail-on-new")[0] == 1


@pytest.mark.parametrize("written", [as_json, as_yaml], ids=["JSON", "YAML"])
def test_a_report_may_come_through_a_pipe_of_the_shell(tmp_path, written):
    (tmp_path / "old").write_text(written(story()), encoding="utf-8")
    reader, writer = os.pipe()
    with open(writer, "w", encoding="utf-8") as file:
        file.write(written(story()))
    code, out, _ = run_efsdiag(["diff", str(tmp_path / "old"), f"/dev/fd/{reader}", "-o", "json"])
    os.close(reader)
    assert (code, changes(out)) == (0, {"ongoing": [MODE]})


def test_a_device_is_no_report(tmp_path):
    (tmp_path / "old").write_text(as_json(story()), encoding="utf-8")
    assert "it is a device" in run_efsdiag(["diff", str(tmp_path / "old"), "/dev/zero"])[2]


def test_why_something_cannot_be_compared_is_said_with_the_report_that_lacks_it(run):
    for reports, side in (((story(), unknown_check()), "after"), ((unknown_check(), story()), "before")):
        document = json.loads(run(*reports, "-o", "json")[1])
        told = [e["why"] for e in document["changes"]["incomparable"]]
        assert told == [f"{side}: {CHECK} could not be looked at: no listing"]


def test_the_page_names_what_is_new_and_what_is_over_and_counts_what_goes_on(run):
    _, out, _ = run(story(), health(latent=story()["latent"][:2]))
    assert out.splitlines()[0] == "diagnosed (2026-11-21T06:30:00Z) → healthy (2026-11-21T06:30:00Z)"
    assert f"  ✓ {MODE}   e514b717aa59" in out.splitlines()
    assert "    on PersistentVolume/prometheus-server" in out.splitlines()
    assert "ONGOING 2   … 2 more (-v)" in out.splitlines()
    assert "NEW" not in out
    verbose = run(story(), health(latent=story()["latent"][:2]), "-v")[1]
    assert all(item["id"] in verbose for item in story()["latent"][:2])
    assert "neither report has a finding" in run(health(), health())[1]
    assert run(story(), health(), "--ascii")[1].isascii()


def test_yaml_says_what_json_says_and_yaml_reports_are_read(run):
    before, after = as_yaml(story()), as_yaml(blind())
    assert yaml.safe_load(run(before, after, "-o", "yaml")[1]) == json.loads(run(story(), blind(), "-o", "json")[1])


def test_two_diagnoses_of_one_target_are_compared(run):
    before = diagnosis("nfs-port-closed")
    after = copy.deepcopy(before)
    after["target"]["name"] = before["target"]["name"][:-5] + "bbbbb"
    after["asked"] = {**after["asked"], "name": "another-name"}
    cause = after["rootCauses"].pop()
    code, out, _ = run(before, after, "-o", "json")
    assert (code, changes(out)["resolved"]) == (0, [cause["id"]])


def test_reports_about_different_things_are_refused(run):
    other = copy.deepcopy(diagnosis())
    other["target"]["name"] = other["asked"]["name"] = "grafana-0"
    elsewhere = story()
    elsewhere["environment"] = {**elsewhere["environment"], "account": "111122223333"}
    for before, after, reference in (
        (diagnosis(), story(), "reports-of-two-kinds"),
        (diagnosis(), other, "reports-of-two-targets"),
        (story(), elsewhere, "reports-of-two-accounts"),
    ):
        code, out, _ = run(before, after, "-o", "json")
        assert (code, json.loads(out)["error"]["reference"]) == (2, reference)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("", "report-unknown"),
        ("{", "report-unreadable"),
        ("[]", "report-unknown"),
        ("a: b", "report-unknown"),
        ("a: [", "report-unreadable"),
        ('{"kind": "Plan"}', "report-unknown"),
        ('{"kind": "Diagnosis"}', "report-damaged"),
        (as_json({**health(), "rootCauses": [1]}), "report-damaged"),
        (as_json({**health(), "rootCauses": 1}), "report-damaged"),
        (as_json({**health(), "coverage": [1]}), "report-damaged"),
        (as_json({**health(), "suspects": [{}]}), "report-damaged"),
        (as_json(health())[:-40], "report-unreadable"),
        ("[" * 100_000, "report-unreadable"),
        ("\x00\x01", "report-unreadable"),
    ],
)
def test_a_file_that_is_no_report_is_an_error_in_one_document(run, text, reference):
    code, out, err = run(health(), text, "-o", "json")
    assert (code, err) == (2, "")
    assert json.loads(out)["error"]["reference"] == reference
    code, out, err = run(text, health())
    assert (code, out) == (2, "")
    assert err.startswith(f"{reference}: ")


@pytest.mark.parametrize("junk", [None, 7, "x", [7], {"x": 7}], ids=str)
def test_whatever_stands_in_a_file_it_is_compared_or_refused_and_nothing_breaks(tmp_path, junk):
    file = tmp_path / "report"
    entries = {key: story()[key][:1] for key in ("rootCauses", "latent", "notChecked")}
    whole = {**blind(), **entries, "rootCauses": [{**entries["rootCauses"][0], "evidence": []}]}
    for damaged in damages(whole, junk):
        file.write_text(json.dumps(damaged))
        try:
            report = read_report(file)
            refuse_unlike(report, health())
        except ReportError:
            continue
        for pair in ((report, health()), (health(), report), (report, blind())):
            assert difference_text(difference(*pair, True), Look(100))


@pytest.mark.parametrize("junk", [None, 7, "x"], ids=str)
def test_whatever_stands_in_a_diagnosis_it_is_compared_or_refused_and_nothing_breaks(tmp_path, junk):
    file = tmp_path / "report"
    whole = diagnosis("nfs-port-closed")
    small = {**whole, "checks": [], "ruledOut": [], "latent": whole["latent"][:1]}
    small["rootCauses"] = [{**whole["rootCauses"][0], "evidence": []}]
    for damaged in damages(small, junk):
        file.write_text(json.dumps(damaged))
        try:
            report = read_report(file)
            refuse_unlike(report, whole)
        except ReportError:
            continue
        for pair in ((report, whole), (whole, report)):
            assert difference_text(difference(*pair, True), Look(100))


def test_what_is_wrong_with_a_file_is_named_with_its_place(run):
    for changes, said in (
        ({"rootCauses": [{}]}, "there is no rootCauses/0/id"),
        ({"latent": {}}, "latent is no list"),
        ({"status": 7}, "status is 7"),
        ({"scope": None}, "scope is no mapping"),
    ):
        _, out, _ = run(health(), {**health(), **changes}, "-o", "json")
        assert json.loads(out)["error"]["message"].endswith(f"is not a whole HealthReport: {said}")


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    code, out, _ = run_efsdiag(["diff", str(tmp_path / "x"), str(tmp_path), "-o", "json"])
    assert (code, json.loads(out)["error"]["reference"]) == (2, "report-unreadable")


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_hostile_text_is_inert(text):
    document = difference(health(), planted({**story(), "suspects": blind()["suspects"]}, text), False)
    printed = difference_text(document, Look(100, verbose=True))
    assert invisible(printed) == []
    assert invisible(as_json(document)) == []
    titles = [line for line in printed.splitlines() if line[:1] not in ("", " ")]
    assert [title.split()[0] for title in titles] == ["healthy", "NEW"]
