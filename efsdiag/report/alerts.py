"""A HealthReport as alerts for Alertmanager (API v2): one for each finding that decides the exit code.

An alert is its labels: they are the same in every run. So they hold the mode and the fingerprint, and no count, no
confidence and no name of a pod. What changes is in the annotations.
API: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from efsdiag.report.comparison import CAUSE, LATENT, Changes
from efsdiag.report.refs import how_many, ref_in, targets_text
from efsdiag.report.text import clipped, safe
from efsdiag.state_file import HealthState, Remembered

NAMES = {CAUSE: "EfsdiagRootCause", LATENT: "EfsdiagLatentFinding"}
"""Part that a finding plays → alertname."""
SEVERITIES = {CAUSE: "critical", LATENT: "warning"}
MOST_TEXT = 2000
"""Columns of an annotation: receivers such as chats cut off what is longer, or refuse it."""

Alert = dict[str, Any]


def alerts(
    document: Mapping[str, Any],
    before: HealthState | None,
    after: HealthState,
    changes: Changes,
    *,
    roles: Iterable[str],
    cluster: str,
    now: datetime,
    holds_for: timedelta,
) -> list[Alert]:
    """The alerts to send: all that fire, and those that ended since the run before.

    before, after: the states before and after this run. roles: the parts that a finding plays to be an alert. One that
    could not be looked for again goes on. holds_for: how long an alert fires that no run sends again.
    """
    items = {item["fingerprint"]: item for key in ("rootCauses", "latent") for item in document[key]}
    fires = {r.finding.fingerprint: r for r in after.findings if r.finding.role in roles}
    unseen = {finding.fingerprint: why for finding, why in changes.incomparable}
    made = []
    for print_, known in sorted(fires.items()):
        summary = safe(known.finding.summary)
        if print_ in items:
            made.append(_alert(known, cluster, _told(items[print_]), now, now + holds_for))
        elif print_ in unseen and unseen[print_].asked:
            told = {"summary": summary, "description": safe(f"Not looked at again: {unseen[print_].why}")}
            made.append(_alert(known, cluster, told, now, now + holds_for))
    for known in before.findings if before else ():
        print_ = known.finding.fingerprint
        over = print_ not in unseen and (print_ not in fires or fires[print_].finding.role != known.finding.role)
        if known.finding.role in roles and over:
            made.append(_alert(known, cluster, {"summary": safe(known.finding.summary)}, now, now))
    return made


def _alert(known: Remembered, cluster: str, told: Mapping[str, str], now: datetime, ends: datetime) -> Alert:
    finding = known.finding
    labels = {
        "alertname": NAMES[finding.role],
        "severity": SEVERITIES[finding.role],
        "mode": finding.id,
        "fingerprint": finding.fingerprint,
        "cluster": cluster,
        "namespace": known.namespace,
        "workload": known.workload,
    }
    # A bundle may be of a machine whose clock was ahead; an alert that ends before it starts is refused.
    starts = min(datetime.fromisoformat(known.first_seen), now)
    return {
        "labels": {name: safe(value) for name, value in labels.items() if value},
        "annotations": {name: _inert(text) for name, text in told.items() if text},
        "startsAt": _rfc3339(starts),
        "endsAt": _rfc3339(ends),
    }


def _told(item: Mapping[str, Any]) -> dict[str, str]:
    where = f"On {ref_in(item.get('object'))}; {how_many(item)}: "
    lines = [where + targets_text(item), *(f"Remedy: {remedy['text']}" for remedy in item.get("remedies", ()))]
    lines += [f"By hand: {command}" for command in item.get("byHand", ())]
    return {
        "summary": safe(item["summary"]),
        "description": "\n".join(safe(line) for line in lines),
        "confidence": item.get("confidence", ""),
    }


def _inert(text: str) -> str:
    """The text without what a chat takes for a mention or a link, as <!channel> and <https://…|here> of Slack are."""
    return clipped(text, MOST_TEXT).translate({ord("<"): "‹", ord(">"): "›"})


def _rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
