"""One situation through all roads: live (HTTP API and moto), the recorded folder and the recorded archive."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubeapi import KubeApi
from lab import Lab, lab_of

from efsdiag.operations import READS

SITUATIONS = ("story-parent-dir", "no-mount-target-in-zone", "profile-not-associated")
ANSWER = ("target", "status", "rootCauses", "latent", "suspects", "ruledOut", "deepest", "checks", "totals")
"""What must be equal on every road: all but times, counts of requests, and where the evidence came from."""
READING = {operation.partition(":")[2] for operation in READS}


def answer(report: dict[str, Any]) -> dict[str, Any]:
    return {key: report[key] for key in ANSWER}


@pytest.fixture(scope="module", params=SITUATIONS)
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp(request.param)
    with lab_of(request.param, folder) as made:
        yield made


def test_live_folder_and_archive_give_the_same_answer(lab: Lab, tmp_path: Path) -> None:
    live_code, live = lab.why("--record", str(tmp_path / "recorded"))
    again_code, _ = lab.why("--record", str(tmp_path / "recorded.tar.gz"))
    folder_code, folder = lab.why("--bundle", str(tmp_path / "recorded"), live=False)
    archive_code, archive = lab.why("--bundle", str(tmp_path / "recorded.tar.gz"), live=False)
    assert answer(folder) == answer(live)
    assert answer(archive) == answer(live)
    assert {live_code, again_code, folder_code, archive_code} == {1}


def test_the_live_cause_is_the_expected_one(lab: Lab) -> None:
    _, report = lab.why()
    assert report["status"] == "diagnosed"
    assert {c["id"] for c in report["rootCauses"]} in [set(s) for s in lab.expect["rootCauses"]]
    assert set(lab.expect["latent"]) <= {c["id"] for c in report["latent"]}


def test_the_servers_see_reads_only_and_no_secret(lab: Lab) -> None:
    lab.kube.requests.clear()
    lab.aws.requests.clear()
    lab.why()
    assert lab.kube.requests
    assert lab.kube.mutations == []
    assert lab.kube.secret_reads == []
    named = [r for r in lab.aws.requests if " " not in r]
    assert named
    assert [r for r in named if r not in READING] == []
    assert [r for r in lab.aws.requests if " " in r and not r.startswith("GET ")] == []


def test_the_number_of_requests_does_not_grow_with_the_cluster(lab: Lab) -> None:
    counts = []
    for others in (10, 5000):
        for i in range(others):
            lab.kube.add(_other_pod(i))
        _, report = lab.why()
        counts.append(report["usage"]["requests"])
    assert counts[0] == counts[1] > 0


def _other_pod(number: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"other-{number}", "namespace": f"team-{number % 40}", "labels": {"app": "other"}},
        "spec": {"nodeName": f"node-{number % 300}", "containers": [{"name": "main", "image": "other"}]},
        "status": {"phase": "Running"},
    }


def test_without_aws_credentials_the_kubernetes_half_still_works(lab: Lab) -> None:
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "HOME": str(lab.folder)}
    code, report = lab.why(**nobody)
    assert code in (1, 3)
    assert report["status"] in ("diagnosed", "inconclusive")
    confirmed = {c["id"] for c in report["rootCauses"] if c["confidence"] == "confirmed"}
    assert confirmed <= {m for s in lab.expect["rootCauses"] for m in s}
    assert any("credentials" in s["reason"] or "sign" in s["grant"] for s in report["suspects"]) or code == 1


def test_every_verb_that_is_refused_over_http_is_named_and_changes_no_cause(lab: Lab) -> None:
    if "story" not in lab.folder.name:
        pytest.skip("one situation suffices: the refusals of all of them are in test_refusals.py")
    lab.kube.requests.clear()
    _, whole = lab.why()
    asked = sorted({(r.verb, r.resource) for r in lab.kube.requests if r.resource})
    assert len(asked) > 5
    for verb, resource in asked:
        with KubeApi.from_bundle(lab.folder / "served") as kube:
            kube.forbid(verb, resource)
            _, report = Lab(kube, lab.aws, lab.expect, lab.folder).why()
        confirmed = {c["id"] for c in report["rootCauses"] if c["confidence"] == "confirmed"}
        assert confirmed <= {c["id"] for c in whole["rootCauses"]}, (verb, resource)
        assert report["status"] != "healthy", (verb, resource)
        told = json.dumps([report["notChecked"], report["suspects"]])
        if report["totals"] != whole["totals"]:
            assert f"{verb} {resource.partition('.')[0]}" in told, (verb, resource)
