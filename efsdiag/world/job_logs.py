"""What Jobs of efsdiag printed: the answers to queries that neither the API server nor AWS can answer."""

from __future__ import annotations

import json
from typing import Any

from efsdiag.model import Answer, Query, Source, Unreadable
from efsdiag.operations import read_of
from efsdiag.writes import LISTING, own_labels

VOLUME_GRANT = "a listing of the volume: --probe, or in a bundle as volumes/<pv>.json"


def listing(source: Source, query: Query) -> Answer:
    """The listing that the newest Job for this volume printed that came to a good end.

    Errors: Unreadable where there is none.
    """
    name = query.get("persistentVolume")
    try:
        volume = source(read_of("kube:get persistentvolumes", name=name))
        claim = ((volume or {}).get("spec") or {}).get("claimRef") or {}
        for pod in _ended_well(source, str(claim.get("namespace") or ""), own_labels(LISTING, name)):
            found = _last_document(source, pod)
            if found.get("persistentVolume") == name and isinstance(found.get("entries"), list):
                return found
    except Unreadable as refusal:
        raise Unreadable(query, f"nobody has looked inside the volume, or {refusal.why}", refusal.grant) from refusal
    raise Unreadable(query, "nobody has looked inside the volume", VOLUME_GRANT)


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
