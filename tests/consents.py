"""What the tests agreed to, and every write of efsdiag that nobody agreed to.

Both servers tell every request (`conftest.py` sees to it). One that writes, and comes from efsdiag, has to be a write
or an undo of a plan that the test gave its consent to; the lock has to be held by the digest of such a plan.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from awsworld import Asked
from kubeapi import Request

from efsdiag.changes import Lookup, Plan, Risk, Write
from efsdiag.treat.journal import journals
from efsdiag.treat.plan_file import PlanError, read_plan

AGREED: list[Plan] = []
DIGESTS: set[str] = set()
"""Digests that the test approved without holding the plan: a probe's. The journal knows what they stand for."""
RISKS: set[str] = set()
"""Budgets of risks that the test approved: any plan of the journal whose changes all keep within one is agreed to."""
INSTALLS: set[str] = set()
"""Installs that the test agreed to some plan of: the lock is in the install's name, and comes before the journal."""
JOURNALS: set[Path] = set()
OFFENCES: list[str] = []
BY_HAND: list[bool] = []


def agree(plan: Plan) -> Plan:
    """From now on, in this test, the plan may be carried out and taken back."""
    AGREED.append(plan)
    if plan.looks:
        AGREED.append(plan.look_plan)
    return plan


def agree_on(arguments: Sequence[str], journal: Path | None = None) -> None:
    """The consent that is on a command line: --approve, for the plan in a file, in a journal, or still to be made."""
    given = dict(itertools.pairwise(arguments))
    digest, risk = given.get("--approve", ""), given.get("--approve-risk", "")
    folder = journal or Path(os.environ.get("EFSDIAG_JOURNAL", "/nowhere"))
    if arguments[0] in ("install", "uninstall") and (digest or risk):
        INSTALLS.add(" ".join(arguments))
    if risk:
        RISKS.add(risk)
        JOURNALS.add(folder)
    if not digest:
        return
    if arguments[0] == "apply":
        with contextlib.suppress(PlanError):
            plan = read_plan(Path(arguments[1]))
            if plan.digest == digest:
                agree(plan)
        return
    DIGESTS.add(digest)
    JOURNALS.add(folder)


def forget() -> None:
    """Nothing is agreed to, and nobody offended, before a test."""
    for known in (AGREED, OFFENCES, DIGESTS, RISKS, INSTALLS, JOURNALS):
        known.clear()


@contextlib.contextmanager
def helm_by_hand() -> Iterator[None]:
    """While it lasts, helm is run by the test itself, and needs nobody's consent."""
    BY_HAND.append(True)
    try:
        yield
    finally:
        BY_HAND.pop()


def watch_kube(request: Request) -> None:
    """Told by every Kubernetes API server of the tests."""
    agent = request.headers.get("user-agent", "")
    if not request.mutates or request.dry_run or not agent.startswith(("efsdiag/", "Helm/")):
        return
    if agent.startswith("Helm/"):
        if not BY_HAND and not any(_is_of_release(request, write) for write in _writes()):
            OFFENCES.append(f"helm: {request.verb} {request.resource} {request.name}")
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
    found = [write for plan in _plans() for c in plan.changes for write in (c.write, c.undo)]
    return [write for write in found if write is not None]


def _plans() -> list[Plan]:
    begun = [j.plan for folder in JOURNALS for j in journals(folder)]
    return [*AGREED, *(plan for plan in begun if plan.digest in DIGESTS or _within(plan))]


def _within(plan: Plan) -> bool:
    most = max((Risk(risk).rank for risk in RISKS), default=-1)
    return all(change.risk.rank <= most for change in plan.changes)


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
        return _fits(request.body, given["object"])
    same = (request.name, request.namespace) == (given["name"], given.get("namespace", ""))
    return same and (verb == "delete" or request.body == given["patch"])


def _fits(sent: Any, agreed: Any) -> bool:
    """Whether it is what was agreed to; where that was still to be looked up, any text is."""
    if isinstance(agreed, Lookup):
        return isinstance(sent, str)
    if isinstance(agreed, dict) and isinstance(sent, dict):
        return agreed.keys() == sent.keys() and all(_fits(sent[k], v) for k, v in agreed.items())
    if isinstance(agreed, list) and isinstance(sent, list):
        return len(agreed) == len(sent) and all(map(_fits, sent, agreed))
    return bool(sent == agreed)


def _is_of_release(request: Request, write: Write) -> bool:
    """Whether helm may send it for the write: in the release's namespace, or where there is none."""
    return write.operation.startswith("helm:") and request.namespace in ("", write.parameters["namespace"])


def _is_lock(body: Any) -> bool:
    return isinstance(body, dict) and body.get("kind") == "Lease"


def _lock_of_consent(request: Request) -> bool:
    if request.resource != "leases.coordination.k8s.io" or request.namespace != "kube-system":
        return False
    if request.verb == "delete":
        return bool(AGREED or DIGESTS or INSTALLS)
    body = request.body
    spec = body["spec"] if request.verb == "create" else next(o["value"] for o in body if o["path"] == "/spec")
    return bool(INSTALLS) or spec["holderIdentity"] in {plan.holder for plan in AGREED} | DIGESTS
