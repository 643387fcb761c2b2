"""A real Alertmanager: what fires there, what it tells its receivers, and what ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from alertmanagers import BINARY, alertmanager
from healthreports import health, sixty, story, suppressed_story, target
from hostile import TEXTS, planted

from efsdiag.report.alerts import alerts
from efsdiag.report.comparison import CAUSE, LATENT
from efsdiag.state_file import changes_since, next_state
from efsdiag.world.alertmanager import NotSent, send_alerts

pytestmark = [
    pytest.mark.alertmanager,
    pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} (Debian's prometheus-alertmanager) is not installed"),
]


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """One for all tests; each has a cluster of its own in it."""
    with alertmanager(tmp_path_factory.mktemp("alertmanager")) as running:
        yield running


class Runs:
    """Runs of the check: what each sends to Alertmanager."""

    def __init__(self, url, cluster, roles=(CAUSE,)):
        self.url, self.given, self.state = url, {"cluster": cluster, "roles": roles}, None

    def __call__(self, document):
        now = datetime.now(UTC)
        document = {**document, "checkedAt": now.strftime("%Y-%m-%dT%H:%M:%SZ")}
        changes = changes_since(self.state, document)
        before, self.state = self.state, next_state(self.state, document, changes)
        made = alerts(document, before, self.state, changes, now=now, holds_for=timedelta(hours=2), **self.given)
        if made:
            send_alerts(self.url, made)
        return made


def test_a_cause_of_sixty_pods_fires_once_goes_on_and_ends(real):
    run = Runs(real.url, "sixty")
    run(sixty())
    [fired] = real.firing("sixty")
    [told] = real.heard("sixty", 1)
    assert fired["labels"] == told["labels"] == run(sixty())[0]["labels"]
    assert told["status"] == "firing"
    assert told["annotations"]["summary"] == sixty()["rootCauses"][0]["summary"]
    [again] = real.firing("sixty")
    assert (again["fingerprint"], again["startsAt"]) == (fired["fingerprint"], fired["startsAt"])
    assert again["endsAt"] > fired["endsAt"]
    run(health())
    assert real.firing("sixty") == []
    # Nothing was told of the run in between: the second notification is that of the end.
    assert [alert["status"] for alert in real.heard("sixty", 2)] == ["firing", "resolved"]
    assert run(health()) == []


def test_what_is_suppressed_ends_and_latent_findings_are_alerts_of_their_own(real):
    run = Runs(real.url, "latent", (CAUSE, LATENT))
    run(story(target("web", "shop")))
    fired = {(alert["labels"]["alertname"], alert["labels"]["severity"]) for alert in real.firing("latent")}
    assert fired == {("EfsdiagRootCause", "critical"), ("EfsdiagLatentFinding", "warning")}
    run(suppressed_story())
    assert real.firing("latent") == []


def test_hostile_text_arrives_as_text(real):
    for name, text in TEXTS.items():
        cluster = f"hostile {name} {text}"[:300]
        [sent] = Runs(real.url, cluster)(planted(story(), text))
        [fired] = real.firing(sent["labels"]["cluster"])
        assert (fired["labels"], fired["annotations"]) == (sent["labels"], sent["annotations"])


def test_what_alertmanager_refuses_is_told(real):
    with pytest.raises(NotSent, match=r"/api/v2/alerts answers 400 Bad Request: .*alertname|answers 400"):
        send_alerts(real.url, [{"labels": {}, "annotations": {}}])
