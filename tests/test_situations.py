"""Every situation under fixtures/, through the library and through the command, and the golden reports of them."""

import json
import os
import subprocess
import sys

import pytest
from conftest import FIXTURES, ROOT, Situation, run_efsdiag

NAMES = sorted(file.parent.name for file in FIXTURES.glob("*/expect.json"))


@pytest.mark.parametrize("name", NAMES)
def test_a_situation_is_diagnosed_as_expected(name, rulebook):
    case = Situation(FIXTURES / name)
    expect, found = case.expect, case.investigated(rulebook).diagnosis
    causes = {cause.finding.mode for cause in found.causes}
    assert found.status.value == expect["status"]
    assert causes in ([set(acceptable) for acceptable in expect["rootCauses"]] or [set()])
    assert not causes & set(expect.get("mustNotBlame", []))
    assert set(expect.get("latent", [])) <= {latent.finding.mode for latent in found.latent}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ["json", "yaml", "terminal"])
def test_the_same_situation_gives_the_same_bytes_twice(name, form):
    asked = Situation(FIXTURES / name).asked("-o", form)
    first, second = run_efsdiag(asked), run_efsdiag(asked)
    assert first == second
    assert first[1]


@pytest.mark.parametrize("form", ["json", "yaml", "terminal"])
def test_the_order_in_which_python_hashes_does_not_show(form):
    command = [sys.executable, "-m", "efsdiag", *Situation(FIXTURES / "story-parent-dir").asked("-o", form, "-v")]
    outputs = [
        subprocess.run(
            command,
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            check=False,
        ).stdout
        for seed in ("0", "1")
    ]
    assert outputs[0] == outputs[1]
    assert outputs[0]


@pytest.mark.parametrize("name", NAMES)
def test_the_reports_are_the_golden_ones(name, golden):
    case = Situation(FIXTURES / name)
    report, text = case.report(), run_efsdiag(case.asked())[1]
    assert report.pop("rendered") == text
    golden(f"{name}.json", json.dumps(report, ensure_ascii=False, indent=2) + "\n")
    golden(f"{name}.txt", text)


@pytest.mark.parametrize("name", NAMES)
def test_a_report_has_what_readers_of_it_rely_on(name):
    report = Situation(FIXTURES / name).report()
    known = {check["id"] for check in report["checks"]}
    assert (report["apiVersion"], report["kind"]) == ("efsdiag/v1", "Diagnosis")
    assert set(report["target"]) >= {"kind", "namespace", "name"}
    for cause in report["rootCauses"]:
        assert cause["confidence"] in ("confirmed", "likely")
        assert cause["summary"]
        assert cause["object"]["kind"]
        assert cause["object"]["name"]
        assert cause["chain"][0] == cause["check"]
        assert cause["chain"][-1] == report["target"]["check"]
        assert cause["remedies"]
    listed = [e["check"] for key in ("rootCauses", "latent", "suspects", "ruledOut", "notChecked") for e in report[key]]
    assert set(listed) <= known
    states = [check["state"] for check in report["checks"]]
    assert report["totals"]["checks"] == len(states)
    assert all(report["totals"][state] == states.count(state) for state in ("pass", "fail", "unknown", "skip"))
    assert report["usage"]["durationMs"] is None
    assert report["changed"] == []
