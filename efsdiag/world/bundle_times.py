"""When a bundle was made that does not say so: the newest time that something in the cluster happened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from efsdiag.world.bundle_documents import Documents, Malformed

# Times of what has happened. Others lie in the future: deletionTimestamp, renewals, expiries.
_PAST = {
    "creationTimestamp",
    "eventTime",
    "finishedAt",
    "firstTimestamp",
    "lastHeartbeatTime",
    "lastObservedTime",
    "lastProbeTime",
    "lastTimestamp",
    "lastTransitionTime",
    "startedAt",
    "startTime",
}


def newest(documents: Documents) -> str | None:
    """The newest time in the events, pods and nodes, as it is written there; None where there is none."""
    files = ["cluster-resources/nodes.json"]
    for folder in ("cluster-resources/events", "cluster-resources/pods"):
        files += [f"{folder}/{base}" for base in documents.within(folder)]
    found = [(time, text) for file in files for time, text in _times(_readable(documents, file))]
    return max(found)[1] if found else None


def parsed(text: Any) -> datetime | None:
    """The time that an RFC 3339 text says, in UTC; None where it is no such text."""
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _readable(documents: Documents, file: str) -> Any:
    try:
        return documents.json(file) if file in documents else None
    except Malformed:
        return None


def _times(value: Any) -> Iterator[tuple[datetime, str]]:
    stack = [value]
    while stack:
        at = stack.pop()
        if isinstance(at, list):
            stack += at
        elif isinstance(at, dict):
            for name, inner in at.items():
                if name in _PAST and (time := parsed(inner)) is not None:
                    yield time, inner
                elif isinstance(inner, (dict, list)):
                    stack.append(inner)
