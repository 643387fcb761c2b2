"""A HealthReport as JSON Lines."""

from __future__ import annotations

import json

import pytest
from healthreports import CASES, sixty, story, suppressed_story
from hostile import TEXTS, invisible, planted

from efsdiag.report.jsonl import jsonl

every_case = pytest.mark.parametrize("document", [make() for make in CASES.values()], ids=CASES)


def lines(text):
    assert text.endswith("\n")
    return [json.loads(line) for line in text.removesuffix("\n").split("\n")]


@every_case
def test_every_finding_has_a_line_and_the_last_one_is_the_summary(document):
    *findings, summary = lines(jsonl(document))
    keys = ("rootCauses", "latent", "unexplained", "suspects", "notChecked", "suppressed")
    assert [line["finding"] for line in findings] == [item for key in keys for item in document.get(key, ())]
    assert {(line["apiVersion"], line["kind"]) for line in findings} <= {("efsdiag/v1", "Finding")}
    assert summary["kind"] == "Summary"
    for key in ("status", "exitCode", "checkedAt", "workloads", "coverage", "environment"):
        assert summary[key] == document[key]
    assert summary["findings"] == {key: len(document.get(key, ())) for key in keys}


def test_a_finding_says_which_part_it_plays():
    roles = [line.get("role") for line in lines(jsonl(suppressed_story()))]
    assert roles == ["suppressed", None]
    assert lines(jsonl(story()))[0]["role"] == "rootCause"


def test_sixty_pods_with_one_cause_are_one_line():
    assert [line.get("role") for line in lines(jsonl(sixty()))].count("rootCause") == 1


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_hostile_text_makes_no_line_and_no_sign(text):
    document = {**story(), "suppressed": suppressed_story()["suppressed"]}
    printed = jsonl(planted(document, text))
    assert len(lines(printed)) == len(lines(jsonl(document)))
    assert invisible(printed) == []
