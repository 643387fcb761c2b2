"""A HealthReport as JUnit XML."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import xmlschema
from healthreports import CASES, blind, health, sixty, story, suppressed_story, timed_out, unlisted
from hostile import MARK, TEXTS, invisible, planted

from efsdiag.report.junit import junit, junit_error

SCHEMA = xmlschema.XMLSchema(Path(__file__).with_name("junit.xsd"))
every_case = pytest.mark.parametrize("document", [make() for make in CASES.values()], ids=CASES)


def suite(text):
    SCHEMA.validate(text)
    return ET.fromstring(text).find("testsuite")


def cases(text, role="", element="*"):
    """(name, message) of the cases of that role that hold the element."""
    found = [case for case in suite(text).iter("testcase") if case.get("classname").endswith(role)]
    return [(case.get("name"), told.get("message")) for case in found for told in case.findall(element)]


@every_case
def test_something_failed_or_in_error_stands_in_it_exactly_where_the_status_is_not_healthy(document):
    found = suite(junit(document))
    bad = int(found.get("failures")) + int(found.get("errors"))
    assert (bad > 0) is (document["status"] != "healthy")


@every_case
def test_the_counts_are_those_of_the_cases(document):
    root = ET.fromstring(junit(document))
    found = root.find("testsuite")
    count = {name: len(list(found.iter(name))) for name in ("testcase", "failure", "error", "skipped")}
    told = [found.get(name) for name in ("tests", "failures", "errors", "skipped")]
    assert told == [str(n) for n in count.values()]
    assert [root.get(name) for name in ("tests", "failures", "errors")] == told[:3]


def test_a_healthy_cluster_has_a_case_all_the_same():
    assert suite(junit(health())).get("tests") == "1"


def test_a_root_cause_is_one_failure_with_its_object_chain_and_commands():
    text = junit(sixty())
    [(name, message)] = cases(text, "rootCause", "failure")
    assert name == "permission.parent-not-searchable on PersistentVolume/prometheus-server"
    assert message == story()["rootCauses"][0]["summary"]
    told = suite(text).find(".//failure").text
    assert "fingerprint e514b717aa59" in told
    assert "60 pods of 60 workloads: Deployment/shop-0/web-00, " in told
    assert "… 40 more" in told
    assert "chain: parents-searchable > data-directory-writable > pod-ready" in told
    assert "by hand: kubectl -n default logs" in told


def test_what_is_in_nobodys_way_is_skipped_and_not_failed():
    text = junit(story())
    assert len(cases(text, "latent", "skipped")) == len(story()["latent"])
    assert len(cases(text, "notChecked", "skipped")) == len(story()["notChecked"])
    assert cases(junit(suppressed_story()), "suppressed", "skipped")[0][1].startswith(
        "suppressed until 2026-12-31: known"
    )


def test_what_nobody_could_look_at_is_in_error_with_the_right_that_is_missing():
    text = junit(blind())
    assert [name for name, _ in cases(text, "suspect", "error")] == ["nfs-port-open"]
    assert "grant: allow ec2:DescribeSecurityGroups" in suite(text).find(".//*[@type='not-looked-at']").text
    assert [name for name, _ in cases(text, "unexplained", "error")] == ["volume-mounted on Pod/p-0"]


@pytest.mark.parametrize(
    ("document", "said"),
    [(timed_out(), "workloads that were not looked at: 4"), (unlisted(), "kube:list pods: forbidden")],
)
def test_the_look_itself_is_in_error_where_it_was_not_whole(document, said):
    text = junit(document)
    assert len(cases(text, "check", "error")) == 1
    assert said in suite(text).find(".//error").text


def test_a_run_without_a_report_is_one_case_in_error():
    text = junit_error("cluster-unreachable", "cannot connect\x1b[31m", "look\nthere", "2026-11-21T06:30:00Z")
    assert cases(text, "check", "error") == [("cluster-unreachable", "cannot connect\\x1b[31m")]
    assert suite(text).find(".//error").text == "cannot connect\\x1b[31m\nlook\\nthere"
    assert suite(text).get("timestamp") == "2026-11-21T06:30:00"


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_hostile_text_makes_no_element_and_no_sign(text):
    document = {**story(), **{key: blind()[key] for key in ("suspects", "unexplained")}}
    document["suppressed"] = suppressed_story()["suppressed"]
    printed = junit(planted(document, text))
    tags = [element.tag for element in ET.fromstring(printed).iter()]
    assert tags == [element.tag for element in ET.fromstring(junit(planted(document, "x"))).iter()]
    assert invisible(printed) == []
    SCHEMA.validate(printed)
    assert MARK in printed
