"""A HealthReport as a report resource of Kubernetes, in the shape of OpenReports and in that of PolicyReport."""

from __future__ import annotations

import jsonschema
import pytest
import yaml
from healthreports import ALL, CASES, blind, health, sixty, story, suppressed_story, timed_out
from hostile import TEXTS, invisible, planted

from efsdiag.report.openreports import openreports, policy_report

every_case = pytest.mark.parametrize("document", [make() for make in CASES.values()], ids=CASES)

TEXT = {"type": "string"}


def shape(properties, *required):
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


RESULT = shape(
    {
        "source": TEXT,
        "policy": TEXT,
        "rule": TEXT,
        "category": TEXT,
        "severity": {"enum": ["critical", "high", "medium", "low", "info"]},
        "timestamp": shape({"seconds": {"type": "integer"}, "nanos": {"type": "integer"}}, "seconds", "nanos"),
        "result": {"enum": ["pass", "fail", "warn", "error", "skip"]},
        "scored": {"type": "boolean"},
        "resources": {
            "type": "array",
            "items": shape(dict.fromkeys(("apiVersion", "kind", "namespace", "name"), TEXT), "kind", "name"),
        },
        "message": TEXT,
        "properties": {"type": "object", "additionalProperties": TEXT},
    },
    "policy",
)
"""Fields of a result in the CustomResourceDefinitions of both groups, those that are used here."""
COMMON = {
    "metadata": {"type": "object", "required": ["name"]},
    "summary": shape({name: {"type": "integer"} for name in ("pass", "fail", "warn", "error", "skip")}),
    "results": {"type": "array", "items": RESULT},
}
OPEN_REPORTS = shape(
    {"apiVersion": {"const": "openreports.io/v1alpha1"}, "kind": {"enum": ["Report", "ClusterReport"]}, "source": TEXT}
    | COMMON,
    "source",
)
POLICY_REPORT = shape(
    {"apiVersion": {"const": "wgpolicyk8s.io/v1alpha2"}, "kind": {"enum": ["PolicyReport", "ClusterPolicyReport"]}}
    | COMMON,
)


def read(text, schema=OPEN_REPORTS):
    [document] = yaml.safe_load_all(text)
    jsonschema.validate(document, schema)
    return document


def results(document, result):
    return [r for r in read(openreports(document))["results"] if r["result"] == result]


@every_case
def test_both_shapes_are_valid_and_say_the_same(document):
    new, old = read(openreports(document)), read(policy_report(document), POLICY_REPORT)
    assert new["results"] == old["results"]
    assert new["summary"] == old["summary"]
    found = [r["result"] for r in new["results"]]
    assert new["summary"] == {name: found.count(name) for name in ("pass", "fail", "warn", "error", "skip")}


@every_case
def test_something_scored_is_not_passed_exactly_where_the_status_is_not_healthy(document):
    bad = [r for r in read(openreports(document))["results"] if r["scored"] and r["result"] in ("fail", "error")]
    assert bool(bad) is (document["status"] != "healthy")


def test_a_look_at_one_namespace_is_a_report_in_it_and_every_other_one_a_cluster_report():
    one = {"allNamespaces": False, "namespaces": ["shop"], "selector": ""}
    report = read(openreports(health(scope=one)))
    assert (report["kind"], report["metadata"]["namespace"]) == ("Report", "shop")
    assert read(policy_report(health(scope=one)), POLICY_REPORT)["kind"] == "PolicyReport"
    for scope in (ALL, {**one, "namespaces": ["shop", "pay"]}):
        report = read(openreports(health(scope=scope)))
        assert (report["kind"], "namespace" in report["metadata"]) == ("ClusterReport", False)


def test_a_root_cause_fails_for_its_workloads_and_names_what_mends_it():
    [result] = results(sixty(), "fail")
    assert (result["policy"], result["rule"]) == ("parents-searchable", "permission.parent-not-searchable")
    assert (result["category"], result["severity"]) == ("permission", "high")
    assert result["resources"][0] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "namespace": "shop-0",
        "name": "web-00",
    }
    told = result["properties"]
    assert (told["podCount"], told["fingerprint"], told["confidence"]) == ("60", "e514b717aa59", "confirmed")
    assert told["object"] == "PersistentVolume/prometheus-server"
    assert result["timestamp"] == {"seconds": 1795242600, "nanos": 0}


def test_latent_findings_warn_and_suppressed_ones_are_skipped():
    assert len(results(story(), "warn")) == len(story()["latent"])
    [result] = results(suppressed_story(), "skip")
    assert result["properties"]["suppressedUntil"] == "2026-12-31"


def test_what_nobody_could_look_at_is_an_error():
    assert {r["policy"] for r in results(blind(), "error")} == {"workloads", "nfs-port-open", "volume-mounted"}
    assert [r["policy"] for r in results(timed_out(), "error")] == ["workloads"]


def test_an_object_of_aws_is_no_resource_of_kubernetes():
    item = story()["rootCauses"][0]
    item["targets"] = [{"kind": "Widget", "namespace": "x", "name": "y", "pod": None, "pods": 1}]
    [result] = results(health(rootCauses=[item]), "fail")
    assert "resources" not in result


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_hostile_text_is_text(text):
    document = {**story(), "suppressed": suppressed_story()["suppressed"]}
    for write, schema in ((openreports, OPEN_REPORTS), (policy_report, POLICY_REPORT)):
        printed = write(planted(document, text))
        assert invisible(printed) == []
        made = read(printed, schema)
        assert len(made["results"]) == len(read(write(document), schema)["results"])
        told = [string for result in made["results"] for string in (result["message"], *result["properties"].values())]
        assert max(map(len, told)) <= 1000
