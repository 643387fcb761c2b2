"""What the tests agreed to, and every write of efsdiag that nobody agreed to.

Both servers tell every request (`conftest.py` sees to it). One that writes, and comes from efsdiag, has to be a write
or an undo of a plan that the test gave its consent to; the lock has to be held by the digest of such a plan.
"""

from __future__ import annotations

from typing import Any

from awsworld import Asked
from kubeapi import Request

from efsdiag.changes import Lookup, Plan, Write

AGREED: list[Plan] = []
OFFENCES: list[str] = []


def agree(plan: Plan) -> Plan:
    """From now on, in this test, the plan may be carried out and taken back."""
    AGREED.append(plan)
    return plan


def watch_kube(request: Request) -> None:
    """Told by every Kubernetes API server of the tests."""
    if not request.mutates or not request.headers.get("user-agent", "").startswith("efsdiag/"):
        return
    allowed = _lock_of_consent(request) if request.name == "efsdiag" or _is_lock(request.body) else _agreed(request)
    if not allowed:
        OFFENCES.append(f"{request.verb} {request.resource} {request.name}")


def watch_aws(asked: Asked) -> None:
    """Told by every AWS server of the tests."""
    if not asked.mutates or "efsdiag/" not in asked.agent:
        return
    if not any(_is_call(asked, write) for write in _writes()):
        OFFENCES.append(f"{asked.operation} {asked.text}")


def _writes() -> list[Write]:
    found = [write for plan in AGREED for c in plan.changes for write in (c.write, c.undo)]
    return [write for write in found if write is not None]


def _is_call(asked: Asked, write: Write) -> bool:
    """Whether it is the write's operation, and every text that the write has is in the request."""
    texts = [value for value in write.parameters.values() if isinstance(value, str)]
    return write.operation.partition(":")[2] == asked.operation and all(t in asked.text for t in texts)


def _agreed(request: Request) -> bool:
    return any(_is_request(request, write) for write in _writes() if write.operation.startswith("kube:"))


def _is_request(request: Request, write: Write) -> bool:
    verb, _, resource = write.operation.removeprefix("kube:").partition(" ")
    given: Any = write.parameters
    if (verb, resource) != (request.verb, request.resource.partition(".")[0]):
        return False
    if verb == "create":
        return _is_made(request.body, given["object"])
    same = (request.name, request.namespace) == (given["name"], given.get("namespace", ""))
    return same and (verb == "delete" or request.body == given["patch"])


def _is_made(body: Any, agreed: Any) -> bool:
    """Whether the manifest is the one that was agreed to; a text stands where that one has a lookup."""
    if isinstance(agreed, Lookup):
        return isinstance(body, str)
    if isinstance(agreed, dict):
        return (
            isinstance(body, dict) and body.keys() == agreed.keys() and all(_is_made(body[k], agreed[k]) for k in body)
        )
    return bool(body == agreed)


def _is_lock(body: Any) -> bool:
    return isinstance(body, dict) and body.get("kind") == "Lease"


def _lock_of_consent(request: Request) -> bool:
    if request.resource != "leases.coordination.k8s.io" or request.namespace != "kube-system":
        return False
    if request.verb == "delete":
        return bool(AGREED)
    body = request.body
    spec = body["spec"] if request.verb == "create" else next(o["value"] for o in body if o["path"] == "/spec")
    return spec["holderIdentity"] in {plan.digest for plan in AGREED}
