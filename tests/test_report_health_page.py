"""The terminal's page of a HealthReport: the answer first, and never more than forty lines unasked."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from conftest import FIXTURES, run_efsdiag

from efsdiag.report.health_page import health_page
from efsdiag.report.terminal import MOST_LINES, Look

Report = dict[str, Any]


@pytest.fixture(scope="module")
def whole() -> Report:
    bundle = FIXTURES / "profile-not-associated"
    return json.loads(run_efsdiag(["check", "--bundle", str(bundle), "-o", "json"])[1])


def crowded(whole: Report, causes: int, others: int = 30) -> Report:
    """The report with so many root causes, and with so many of everything else."""
    made = copy.deepcopy(whole)
    made["rootCauses"] = [{**made["rootCauses"][0], "fingerprint": f"{n:012x}"} for n in range(causes)]
    made["latent"] = [{**made["latent"][0], "id": f"risk.{n % 20}", "fingerprint": f"{n:012x}"} for n in range(others)]
    counts = {"targets": made["rootCauses"][0]["targets"] if causes else [], "targetCount": 40, "podCount": 50}
    suspect = {"check": "nfs-port-open", "reason": "AWS refuses it " * 20, "grant": "ec2:DescribeSecurityGroups"}
    made["suspects"] = [{**suspect, **counts} for _ in range(others)]
    made["unexplained"] = [{"check": "volume-mounted", "summary": "it waits " * 30, **counts} for _ in range(others)]
    return made


@pytest.mark.parametrize("causes", [1, 2, 5, 40])
@pytest.mark.parametrize("width", [50, 100])
def test_the_page_has_at_most_forty_lines_and_says_what_it_leaves_out(whole: Report, causes: int, width: int) -> None:
    document = crowded(whole, causes)
    text = health_page(document, Look(width=width))
    lines = text.splitlines()
    assert len(lines) <= MOST_LINES
    assert "ROOT CAUSE 1 of" in text
    assert "more (-v)" in text
    assert "NOT LOOKED AT" in text
    assert "NOT WELL, WITHOUT A CAUSE" in text
    assert lines[-1].startswith(f"{document['totals']['checks']} checks")


def test_one_risk_on_many_objects_is_one_line_unless_all_is_asked_for(whole: Report) -> None:
    made = crowded(whole, 0)
    made["latent"] = [{**entry, "id": "pv.reclaim-delete"} for entry in made["latent"][:3]]
    made["suspects"] = made["unexplained"] = []
    assert health_page(made, Look()).count("pv.reclaim-delete") == 1
    assert "and on 2 more objects" in health_page(made, Look())
    assert health_page(made, Look(verbose=True)).count("pv.reclaim-delete") == 3


def test_verbose_leaves_nothing_out(whole: Report) -> None:
    text = health_page(crowded(whole, 3), Look(verbose=True))
    assert text.count("ROOT CAUSE") == 3
    assert text.count("nfs-port-open") == 30
    assert "(-v)" not in text


def test_each_block_says_how_many_it_stops_and_what_mends_it(whole: Report) -> None:
    text = health_page(whole, Look())
    assert "2 pods of 2 workloads: Deployment prometheus/prometheus-server, StatefulSet\n  prometheus/" in text
    pod = whole["rootCauses"][0]["targets"][0]["pod"]
    assert f"  efsdiag why pod/{pod} -n prometheus --bundle <bundle>\n" in text
    assert "mend: Associate the instance profile" in text
    assert whole["rootCauses"][0]["fingerprint"] in text


@pytest.mark.parametrize(
    ("counts", "unlisted", "head"),
    [
        ({"looked": 3, "healthy": 3}, [], "✓ healthy   3 of 3 workloads with storage are well"),
        ({"looked": 1, "healthy": 1}, [], "✓ healthy   1 of 1 workloads with storage is well"),
        ({}, [], "✓ healthy   there is no workload with storage"),
        ({}, [{"operation": "kube:list pods", "namespace": "", "reason": "no", "grant": "list pods"}], "could be seen"),
    ],
)
def test_the_first_line_is_the_answer(whole: Report, counts: Report, unlisted: list[Report], head: str) -> None:
    nothing = dict.fromkeys(("looked", "healthy", "diagnosed", "inconclusive", "withoutStorage", "notLooked"), 0)
    empty = {key: [] for key in ("rootCauses", "latent", "suspects", "unexplained", "notChecked")}
    status = "inconclusive" if unlisted else "healthy"
    coverage = {**whole["coverage"], "unlisted": unlisted, "incomplete": bool(unlisted)}
    made = {**whole, **empty, "status": status, "workloads": nothing | counts, "coverage": coverage}
    text = health_page(made, Look())
    assert head in text.splitlines()[0]
    assert ("list pods" in text) == bool(unlisted)


def test_without_colour_nothing_is_lost(whole: Report) -> None:
    import re

    coloured = health_page(whole, Look(colour=True))
    assert "\x1b[" in coloured
    plain = "\n".join(line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", coloured).splitlines()) + "\n"
    assert plain == health_page(whole, Look())


def test_of_several_namespaces_each_right_is_named_or_counted(whole: Report) -> None:
    missed = [
        {"operation": "kube:list pods", "namespace": name, "reason": "no", "grant": f"list pods in namespace {name}"}
        for name in ("a", "b", "c")
    ]
    made = {**whole, "coverage": {**whole["coverage"], "unlisted": missed}}
    assert "  list pods in namespace a (and 2 more: -v)\n" in health_page(made, Look())
    assert all(f"  {one['grant']}\n" in health_page(made, Look(verbose=True)) for one in missed)
