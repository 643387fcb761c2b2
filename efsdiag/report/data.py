"""An investigation as plain data: the document that JSON and YAML print, and that every other format is made from.

Same investigation, same bytes: every list is sorted, or has the order of the walk, from what is nearest to the root.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from efsdiag.investigate import Investigation
from efsdiag.judge import states_of
from efsdiag.model import Cause, Diagnosis, Latent, Mode, ModeKind, Query, Ref, State, Status, Subject
from efsdiag.report.by_hand import filled, names_of
from efsdiag.report.fingerprint import fingerprint

API_VERSION = "efsdiag/v1"
KIND = "Diagnosis"

EXIT_CODES = {Status.HEALTHY: 0, Status.DIAGNOSED: 1, Status.INCONCLUSIVE: 3}

_KINDS = {
    "pod": "Pod",
    "deployment": "Deployment",
    "statefulset": "StatefulSet",
    "daemonset": "DaemonSet",
    "replicaset": "ReplicaSet",
    "job": "Job",
    "prometheus": "Prometheus",
    "persistentvolumeclaim": "PersistentVolumeClaim",
    "persistentvolume": "PersistentVolume",
}


@dataclass(frozen=True)
class Environment:
    """Where the evidence comes from; None where nobody knows."""

    source: str
    """"live" or "bundle"."""
    context: str | None = None
    kubernetes_version: str | None = None
    account: str | None = None
    region: str | None = None
    region_from: str | None = None
    """Who says that it is this region: "--region", "label topology.kubernetes.io/region of node worker1"."""
    driver_version: str | None = None
    """The tag of the EFS CSI driver's image on the pod's node, or of the controller's."""


@dataclass(frozen=True)
class Usage:
    """What the run cost. `duration_ms` is None for a bundle, whose report must not depend on the clock."""

    requests: int
    duration_ms: int | None = None


@dataclass(frozen=True)
class Surroundings:
    """What a report says beside the diagnosis."""

    environment: Environment
    usage: Usage
    workload: Ref | None = None
    """What makes the pod, where it could be found."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Names for the placeholders of commands: "container" → "prometheus-server"."""


def report_of(investigation: Investigation, surroundings: Surroundings) -> dict[str, Any]:
    """The Diagnosis document: dicts, lists, strings, numbers, booleans and None."""
    found = investigation.diagnosis
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "target": {**_thing(investigation.subject), "check": found.target, "says": found.verdicts[found.target].says},
        "status": found.status.value,
        "exitCode": EXIT_CODES[found.status],
        "rootCauses": [root_cause(cause, investigation, surroundings) for cause in found.causes],
        "latent": latent_of(found.latent, investigation.rulebook.modes),
        "suspects": suspects_of(found),
        "ruledOut": [{"check": r.check, "by": list(r.by)} for r in found.ruled_out],
        "symptoms": list(found.symptoms),
        "deepest": list(found.deepest),
        "notChecked": not_checked(found),
        "checks": _checks(investigation),
        "totals": {"checks": len(found.verdicts), **states_of(found.verdicts)},
        "usage": {"requests": surroundings.usage.requests, "durationMs": surroundings.usage.duration_ms},
        "asked": _thing(investigation.asked),
        "note": investigation.note,
        "now": time_text(investigation.now),
        "environment": environment_of(surroundings.environment),
        "changed": [],
    }


def suspects_of(found: Diagnosis) -> list[dict[str, Any]]:
    """What could not be looked at and could still be the cause."""
    return [
        {"check": s.check, "reason": s.reason, "grant": s.grant, "supportedBy": list(s.supported_by)}
        for s in found.suspects
    ]


def not_checked(found: Diagnosis) -> list[dict[str, Any]]:
    """What else could not be looked at, and what would have made a likely cause certain."""
    suspects, likely = {s.check for s in found.suspects}, {c.check for c in found.causes if not c.confirmed}
    return [
        {"check": id_, "reason": verdict.unread or verdict.says, "grant": verdict.grant}
        for id_, verdict in sorted(found.verdicts.items())
        if (verdict.unread and id_ in likely) or (verdict.state is State.UNKNOWN and id_ not in suspects)
    ]


def time_text(time: datetime) -> str:
    """The time in UTC as Kubernetes writes it: 2026-11-21T06:30:00Z."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def subject_ref(subject: Subject) -> Ref:
    """What was looked at, as an object."""
    return Ref(_KINDS.get(subject.kind, subject.kind), subject.name, subject.namespace)


def _thing(subject: Subject) -> dict[str, str]:
    return {
        "kind": _KINDS.get(subject.kind, subject.kind),
        "namespace": subject.namespace,
        "name": subject.name,
    }


def object_of(thing: Ref) -> dict[str, str]:
    """An object by kind, name and, where it is in one, namespace."""
    named = {"kind": thing.kind, "name": thing.name}
    return {**named, "namespace": thing.namespace} if thing.namespace else named


def root_cause(cause: Cause, investigation: Investigation, surroundings: Surroundings) -> dict[str, Any]:
    """One root cause with its chain, its proof and what mends it."""
    rules = investigation.rulebook
    mode, check = rules.modes[cause.finding.mode], rules.checks[cause.check]
    subject = investigation.subject
    thing = cause.finding.object or subject_ref(subject)
    names = {**surroundings.names, **names_of(thing), **names_of(subject)}
    return {
        "id": mode.id,
        "check": check.id,
        "confidence": "confirmed" if cause.confirmed else "likely",
        "summary": cause.finding.says,
        "meaning": mode.meaning,
        "object": object_of(thing),
        "fingerprint": fingerprint(mode.id, thing, surroundings.workload),
        "chain": list(cause.chain),
        "unverified": list(cause.unverified),
        "evidence": [_seen(step, cause, investigation) for step in cause.chain],
        "remedies": [{"text": text, "risk": mode.risk, "reversible": mode.reversible} for text in mode.fix],
        "byHand": [filled(command, names) for command in mode.by_hand or check.by_hand],
        "references": sorted({*mode.references, *([check.reference] if check.reference else [])}),
    }


def _seen(check: str, cause: Cause, investigation: Investigation) -> dict[str, Any]:
    """What one step of the chain rests on: its sentence, the lines that prove it, and the queries behind them."""
    verdict = investigation.diagnosis.verdicts[check]
    own = check == cause.check
    lines = cause.finding.proof if own else (*verdict.proof, *(p for f in verdict.findings for p in f.proof))
    return {
        "check": check,
        "says": cause.finding.says if own else verdict.says,
        "proof": list(dict.fromkeys(lines)),
        "queries": [_query(query) for query in investigation.queries.get(check, ())],
    }


def _query(query: Query) -> dict[str, Any]:
    parameters = {name: value if isinstance(value, str) else list(value) for name, value in query.parameters}
    return {"operation": query.operation, "parameters": parameters}


def latent_of(latent: Iterable[Latent], modes: Mapping[str, Mode]) -> list[dict[str, Any]]:
    """What is broken first, then what is a standing risk."""
    found = [
        {
            "id": item.finding.mode,
            "check": item.check,
            "kind": modes[item.finding.mode].kind.value,
            "summary": item.finding.says,
            "clearedBy": list(item.cleared_by),
            "object": object_of(item.finding.object) if item.finding.object else None,
        }
        for item in latent
    ]
    return sorted(
        found, key=lambda i: (i["kind"] == ModeKind.RISK.value, i["id"], i["check"], i["summary"], str(i["object"]))
    )


def _checks(investigation: Investigation) -> list[dict[str, Any]]:
    rules = investigation.rulebook.checks
    return [
        {
            "id": id_,
            "state": verdict.state.value,
            "says": verdict.says,
            "claim": rules[id_].claim,
            "milestone": rules[id_].milestone,
            "blocks": sorted(rules[id_].blocks),
        }
        for id_, verdict in sorted(investigation.diagnosis.verdicts.items())
    ]


def environment_of(environment: Environment) -> dict[str, str | None]:
    """Where the evidence comes from."""
    return {
        "source": environment.source,
        "context": environment.context,
        "kubernetesVersion": environment.kubernetes_version,
        "account": environment.account,
        "region": environment.region,
        "regionFrom": environment.region_from,
        "driverVersion": environment.driver_version,
    }
