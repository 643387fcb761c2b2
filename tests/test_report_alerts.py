"""A HealthReport as alerts: what fires, what ends, and by which labels it is known."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta

import pytest
from healthreports import ALL, health, sixty, story, suppressed_story, target, timed_out
from hostile import TEXTS, invisible, planted

from efsdiag.report.alerts import alerts
from efsdiag.report.comparison import CAUSE, LATENT
from efsdiag.state_file import changes_since, next_state

NOW = datetime(2026, 11, 21, 6, 31, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Runs:
    """Runs one after the other, an hour apart: what each sends."""

    def __init__(self, roles=(CAUSE,), cluster="lab"):
        self.state, self.now, self.given = None, NOW, {"roles": roles, "cluster": cluster}

    def __call__(self, document):
        document = {**document, "checkedAt": self.now.strftime("%Y-%m-%dT%H:%M:%SZ")}
        changes = changes_since(self.state, document)
        before, self.state = self.state, next_state(self.state, document, changes)
        sent = alerts(document, before, self.state, changes, now=self.now, holds_for=2 * HOUR, **self.given)
        self.now += HOUR
        return sent


def fires(alert):
    return alert["endsAt"] > alert["startsAt"] and alert["annotations"].get("description") is not None


def test_sixty_pods_with_one_cause_are_one_alert():
    [alert] = Runs()(sixty())
    assert alert["labels"] == {
        "alertname": "EfsdiagRootCause",
        "severity": "critical",
        "mode": "permission.parent-not-searchable",
        "fingerprint": "e514b717aa59",
        "cluster": "lab",
    }
    assert alert["startsAt"] == "2026-11-21T06:31:00.000Z"
    assert alert["endsAt"] == "2026-11-21T08:31:00.000Z"
    assert alert["annotations"]["summary"] == sixty()["rootCauses"][0]["summary"]
    assert "60 pods of 60 workloads" in alert["annotations"]["description"]
    assert "\nBy hand: kubectl -n default logs" in alert["annotations"]["description"]
    assert alert["annotations"]["confidence"] == "confirmed"


def test_one_workload_is_named_by_its_alert():
    [alert] = Runs()(story(target("web", "shop")))
    assert (alert["labels"]["namespace"], alert["labels"]["workload"]) == ("shop", "web")


def test_an_alert_keeps_its_labels_and_its_start_while_it_is_sent_again():
    run = Runs()
    [first] = run(story(target("web", "shop")))
    second_look = story(target("web", "shop"), target("api", "pay"))
    second_look["rootCauses"][0]["confidence"] = "likely"
    [second] = run(second_look)
    assert (second["labels"], second["startsAt"]) == (first["labels"], first["startsAt"])
    assert second["endsAt"] == "2026-11-21T09:31:00.000Z"
    assert second["annotations"]["confidence"] == "likely"


def test_what_is_resolved_ends_now_and_is_sent_once():
    run = Runs()
    [first] = run(story())
    [ended] = run(health())
    assert (ended["labels"], ended["startsAt"]) == (first["labels"], first["startsAt"])
    assert ended["endsAt"] == "2026-11-21T07:31:00.000Z"
    assert run(health()) == []


def test_a_healthy_cluster_sends_nothing():
    assert Runs()(health()) == []


def test_latent_findings_are_alerts_where_they_are_asked_for_alone():
    names = [alert["labels"]["alertname"] for alert in Runs(roles=(CAUSE, LATENT))(story())]
    assert names.count("EfsdiagLatentFinding") == len(story()["latent"])
    assert names.count("EfsdiagRootCause") == 1


def test_what_becomes_latent_ends():
    latent = copy.deepcopy(story())
    item = latent["rootCauses"].pop()
    latent["latent"] = [{**item, "kind": "cause", "clearedBy": []}]
    run = Runs()
    run(story())
    [ended] = run(latent)
    assert ended["endsAt"] == "2026-11-21T07:31:00.000Z"
    both = Runs(roles=(CAUSE, LATENT))
    both(story())
    names = {(a["labels"]["alertname"], a["endsAt"] > "2026-11-21T08") for a in both(latent)}
    assert ("EfsdiagRootCause", False) in names
    assert ("EfsdiagLatentFinding", True) in names


def test_what_is_suppressed_ends():
    run = Runs()
    run(story())
    [ended] = run(suppressed_story())
    assert ended["endsAt"] == "2026-11-21T07:31:00.000Z"
    assert run(suppressed_story()) == []


def test_what_could_not_be_looked_for_goes_on():
    run = Runs()
    [first] = run(story())
    [second] = run(timed_out())
    assert (second["labels"], second["startsAt"]) == (first["labels"], first["startsAt"])
    assert second["endsAt"] == "2026-11-21T09:31:00.000Z"
    assert second["annotations"]["description"].startswith("Not looked at again: the time was over")
    [third] = run(story())
    assert third["startsAt"] == first["startsAt"]


def test_what_is_out_of_scope_is_left_to_end_by_itself():
    run = Runs()
    run(story(target("web", "shop"), scope=ALL))
    assert run(health(scope={"allNamespaces": False, "namespaces": ["pay"], "selector": ""})) == []


def test_an_alert_never_ends_before_it_starts():
    run = Runs()
    run.now = NOW + timedelta(days=400)  # the clock of a bundle
    document = story(checkedAt=run.now.strftime("%Y-%m-%dT%H:%M:%SZ"))
    changes = changes_since(None, document)
    state = next_state(None, document, changes)
    [alert] = alerts(document, None, state, changes, now=NOW, holds_for=HOUR, roles=(CAUSE,), cluster="")
    assert alert["startsAt"] == "2026-11-21T06:31:00.000Z"
    assert "cluster" not in alert["labels"]


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_hostile_text_is_inert(text):
    [alert] = Runs(cluster=text)(planted(story(), text))
    told = {**alert["labels"], **alert["annotations"]}
    for name, value in told.items():
        assert invisible(value, but="\n" if name == "description" else "") == []
        assert len(value) <= 2000 or name in alert["labels"]
    for value in alert["annotations"].values():
        assert "<" not in value
        assert ">" not in value
    lines = alert["annotations"]["description"].split("\n")
    assert {line.partition(" ")[0] for line in lines} <= {"On", "Remedy:", "By"}
