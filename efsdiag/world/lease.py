"""The lock that keeps two fixes apart: a Kubernetes Lease, held by the digest of the plan that is being carried out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from efsdiag.changes import Trouble, WriteFailed
from efsdiag.world.errors import Unreachable
from efsdiag.world.kube_http import Cluster
from efsdiag.world.retry import Reply
from efsdiag.writes import MANAGED

NAMESPACE = "kube-system"
NAME = "efsdiag"
COLLECTION = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
DURATION_S = 900
"""A lock that is older was left behind by a run that did not come to its end."""


class Locked(Exception):
    """Another fix is being carried out."""


@contextmanager
def locked(cluster: Cluster, holder: str, now: datetime, stays: Callable[[str], None]) -> Iterator[None]:
    """While it lasts, this plan alone is carried out in the cluster; `holder` is its digest.

    A lock of the same plan, left by a run that was stopped, is taken over. `stays` is told where the lock could not be
    released: what was done under it is done all the same. Errors: Locked; WriteFailed where the cluster refuses the
    Lease.
    """
    held = _take(cluster, holder, now)
    try:
        yield
    finally:
        _release(cluster, held, stays)


def _take(cluster: Cluster, holder: str, now: datetime) -> dict[str, str]:
    """The preconditions under which the lock is still this run's own."""
    stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": holder, "leaseDurationSeconds": DURATION_S, "acquireTime": stamp, "renewTime": stamp}
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": MANAGED},
        "spec": spec,
    }
    reply = _send(cluster, "POST", COLLECTION, lease)
    if reply.status == 201:
        return _own(reply)
    if reply.status != 409:
        raise _refused(reply)
    reply = _send(cluster, "GET", f"{COLLECTION}/{NAME}", None)
    if reply.status == 404:
        raise Locked("another fix released the lock at this moment")
    found = _parsed(reply)
    held = found.get("spec") or {}
    if held.get("holderIdentity") != holder and not _expired(held, now):
        since = held.get("acquireTime", "an unknown time")
        raise Locked(f"the plan {str(held.get('holderIdentity'))[:12]} is being carried out since {since}")
    patch = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": found["metadata"]["resourceVersion"]},
        {"op": "add", "path": "/spec", "value": spec},
    ]
    reply = _send(cluster, "PATCH", f"{COLLECTION}/{NAME}", patch, "application/json-patch+json")
    if reply.status in (401, 403):
        raise _refused(reply)
    if reply.status != 200:
        raise Locked("another fix took the lock at the same moment")
    return _own(reply)


def _own(reply: Reply) -> dict[str, str]:
    # Who takes an expired lock over keeps its uid, so only the resourceVersion says whose it is.
    metadata = json.loads(reply.body)["metadata"]
    return {"uid": str(metadata["uid"]), "resourceVersion": str(metadata["resourceVersion"])}


def _release(cluster: Cluster, held: dict[str, str], stays: Callable[[str], None]) -> None:
    try:
        reply = _send(cluster, "DELETE", f"{COLLECTION}/{NAME}", {"preconditions": held})
        why = "" if reply.status in (200, 202, 404, 409) else _refused(reply).message
    except WriteFailed as error:
        why = error.message
    if why:
        stays(f"{why}; other plans wait until it expires, {DURATION_S // 60} minutes after it was taken")


def _expired(spec: dict[str, Any], now: datetime) -> bool:
    try:
        renewed = datetime.fromisoformat(str(spec.get("renewTime")))
        return renewed + timedelta(seconds=int(spec.get("leaseDurationSeconds") or DURATION_S)) < now
    except (ValueError, TypeError):
        # A time that nobody can read is no proof that the other one is gone.
        return False


def _send(cluster: Cluster, method: str, url: str, body: Any, kind: str = "application/json") -> Reply:
    try:
        return cluster.send(method, url, body, kind if body is not None else "")
    except Unreachable as error:
        raise WriteFailed(Trouble.LOST, error.message) from error


def _parsed(reply: Reply) -> dict[str, Any]:
    if reply.status != 200:
        raise _refused(reply)
    found: dict[str, Any] = json.loads(reply.body)
    return found


def _refused(reply: Reply) -> WriteFailed:
    says = f"the lock, Lease {NAMESPACE}/{NAME}: {reply.status} {reply.body[:200].decode('utf-8', 'replace')}"
    grant = f"allow get, create, patch and delete leases in namespace {NAMESPACE}"
    return WriteFailed(Trouble.REFUSED, says, grant if reply.status in (401, 403) else "")
