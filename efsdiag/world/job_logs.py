"""What Jobs of efsdiag printed: the answers to queries that neither the API server nor AWS can answer."""

from __future__ import annotations

import json
from typing import Any

from efsdiag.model import Answer, Query, Source, Unreadable
from efsdiag.operations import read_of
from efsdiag.writes import LISTING, REACHING, own_labels

VOLUME_GRANT = "a listing of the volume: --probe, or in a bundle as volumes/<pv>.json"


def listing(source: Source, query: Query) -> Answer:
    """The listing that the newest Job for this volume printed that came to a good end.

    Errors: Unreadable where there is none.
    """
    labels = own_labels(LISTING, query.get("persistentVolume"))
    return _newest(source, query, labels, "entries", ("nobody has looked inside the volume", VOLUME_GRANT))


def reach(source: Source, query: Query) -> Answer:
    """What the newest Job on the node got from the volume's file system. Errors: Unreadable where there is none."""
    labels = own_labels(REACHING, f"{query.get('node')}/{query.get('persistentVolume')}")
    return _newest(source, query, labels, "targets", ("nobody has asked from the node", "a probe: --probe"))


def _newest(
    source: Source, query: Query, labels: dict[str, str], member: str, otherwise: tuple[str, str]
) -> dict[str, Any]:
    """The newest document that a Job with these labels printed about the query's volume."""
    name, (why, grant) = query.get("persistentVolume"), otherwise
    try:
        volume = source(read_of("kube:get persistentvolumes", name=name))
        claim = ((volume or {}).get("spec") or {}).get("claimRef") or {}
        for pod in _ended_well(source, str(claim.get("namespace") or ""), labels):
            found = _last_document(source, pod)
            if found.get("persistentVolume") == name and isinstance(found.get(member), list):
                return found
    except Unreadable as refusal:
        raise Unreadable(query, f"{why}, or {refusal.why}", refusal.grant) from refusal
    raise Unreadable(query, why, grant)


def _ended_well(source: Source, namespace: str, labels: dict[str, str]) -> list[dict[str, Any]]:
    """The pods with these labels that succeeded, the newest first."""
    if not namespace:
        return []
    selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    pods = source(read_of("kube:list pods", namespace=namespace, labelSelector=selector)) or []
    ended = [p for p in pods if (p.get("status") or {}).get("phase") == "Succeeded"]
    return sorted(ended, key=_end_of, reverse=True)


def _end_of(pod: dict[str, Any]) -> tuple[str, int]:
    """When it ended. Times are of whole seconds; within one, the version of the object tells what came later."""
    states = [s.get("state", {}).get("terminated") or {} for s in pod["status"].get("containerStatuses") or []]
    version = str(pod["metadata"].get("resourceVersion", ""))
    return max((str(s.get("finishedAt", "")) for s in states), default=""), int(version) if version.isdecimal() else 0


def _last_document(source: Source, pod: dict[str, Any]) -> dict[str, Any]:
    """The JSON object on the last line of the pod's log; empty where there is none."""
    metadata = pod["metadata"]
    text = source(read_of("kube:log pods", namespace=metadata["namespace"], name=metadata["name"]))
    lines = str(text or "").strip().splitlines()
    try:
        found = json.loads(lines[-1]) if lines else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
