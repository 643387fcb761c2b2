"""The file of `check --state`: what the last run found, so that the next one can say what is new and what is over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import NoneType
from typing import Any

from efsdiag.files import replace_file, text_of
from efsdiag.model import Ref
from efsdiag.report.comparison import CAUSE, LATENT, SUPPRESSED, Changes, Finding, compared, findings_of
from efsdiag.report.data import API_VERSION
from efsdiag.report.machine import as_json

KIND = "HealthState"
UNSEEN_FOR = timedelta(days=30)
"""A finding that was not looked for again in this time is forgotten: its workload may be out of scope for good."""


class StateError(Exception):
    """A state file that cannot be used: reference, message, hint."""

    def __init__(self, reference: str, message: str, hint: str) -> None:
        self.reference = reference
        self.message = message
        self.hint = hint
        super().__init__(f"{reference}: {message}")


@dataclass(frozen=True)
class Remembered:
    """A finding, and since when it is known. Times are texts in UTC: 2026-11-21T06:30:00Z."""

    finding: Finding
    first_seen: str
    last_seen: str
    namespace: str = ""
    """The namespace of all workloads that had it when it was first seen; "" where there were several."""
    workload: str = ""
    """The workload that had it when it was first seen, where it was one."""


@dataclass(frozen=True)
class HealthState:
    """What one run leaves to the next."""

    checked_at: str
    context: str | None
    account: str | None
    findings: tuple[Remembered, ...]

    def of(self, fingerprint: str) -> Remembered | None:
        """What is remembered of the finding; None where it is not known."""
        return next((r for r in self.findings if r.finding.fingerprint == fingerprint), None)


def read_state(path: Path) -> HealthState | None:
    """The state in the file; None where there is no file. Errors: StateError; the file stays as it is."""
    try:
        return _from_json(json.loads(text_of(path)))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        message = f"{path} is not a state file of efsdiag: {_reason(error)}"
        hint = "move it away to begin anew; it was not changed"
        raise StateError("state-unreadable", message, hint) from error


def write_state(path: Path, state: HealthState) -> None:
    """Puts the state in the place of the file, readable by its owner alone. Errors: OSError; the old file stays."""
    replace_file(path, as_json(state_document(state)), 0o600)


def refuse_other_cluster(state: HealthState | None, document: Mapping[str, Any]) -> None:
    """Errors: StateError where the state is of another cluster or account than the document."""
    environment = document["environment"]
    for name in ("context", "account"):
        was, now = getattr(state, name, None), environment.get(name)
        if was and now and was != now:
            message = f"the state file is of {name} {was}, and this run looked at {name} {now}"
            raise StateError("state-of-another-cluster", message, "give each cluster a state file of its own")


def changes_since(state: HealthState | None, document: Mapping[str, Any]) -> Changes:
    """What became of the findings in the state."""
    return compared((remembered.finding for remembered in state.findings) if state else (), document)


def next_state(state: HealthState | None, document: Mapping[str, Any], changes: Changes) -> HealthState:
    """The state that the next run is to find: what the document has, and what it could not compare."""
    now = document["checkedAt"]
    kept = [
        _again(state.of(finding.fingerprint) if state else None, finding, now, changes)
        for finding in findings_of(document)
    ]
    if state:
        waiting = [state.of(finding.fingerprint) for finding, _ in changes.incomparable]
        kept += [remembered for remembered in waiting if remembered and not _forgotten(remembered, now)]
    kept.sort(key=lambda r: (r.finding.id, r.finding.fingerprint))
    environment = document["environment"]
    return HealthState(now, environment.get("context"), environment.get("account"), tuple(kept))


def with_unsent(after: HealthState, before: HealthState, changes: Changes) -> HealthState:
    """The state with what is over kept as well, for where nobody was told: the next run finds it over again."""
    over = {finding.fingerprint for finding in changes.resolved}
    kept = [remembered for remembered in before.findings if remembered.finding.fingerprint in over]
    findings = sorted((*after.findings, *kept), key=lambda r: (r.finding.id, r.finding.fingerprint))
    return replace(after, findings=tuple(findings))


def _again(was: Remembered | None, finding: Finding, now: str, changes: Changes) -> Remembered:
    if was and finding not in changes.new:
        return replace(was, finding=finding, last_seen=now)
    namespaces = {target.namespace for target in finding.targets}
    namespace = namespaces.pop() if len(namespaces) == 1 and finding.all_named else ""
    workload = finding.targets[0].name if finding.target_count == len(finding.targets) == 1 else ""
    return Remembered(finding, now, now, namespace, workload)


def _forgotten(remembered: Remembered, now: str) -> bool:
    return _time(now) - _time(remembered.last_seen) > UNSEEN_FOR


def _time(text: str) -> datetime:
    """Errors: ValueError."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def state_document(state: HealthState) -> dict[str, Any]:
    """The document of kind HealthState."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "checkedAt": state.checked_at,
        "context": state.context,
        "account": state.account,
        "findings": [
            {
                **{_camel(name): value for name, value in asdict(remembered.finding).items()},
                "firstSeen": remembered.first_seen,
                "lastSeen": remembered.last_seen,
                "namespace": remembered.namespace,
                "workload": remembered.workload,
            }
            for remembered in state.findings
        ],
    }


def _from_json(document: Any) -> HealthState:
    """Errors: ValueError, LookupError, TypeError, AttributeError where it is not what `state_document` makes."""
    for key, wanted in (("kind", KIND), ("apiVersion", API_VERSION)):
        if document[key] != wanted:
            raise ValueError(f"its {key} is {document[key]}, not {wanted}")
    _time(document["checkedAt"])
    for key in ("context", "account"):
        _typed(document, key, (str, NoneType))
    found = tuple(_remembered(item) for item in document["findings"])
    return HealthState(document["checkedAt"], document["context"], document["account"], found)


_TYPES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("fingerprint", "id", "check", "summary", "namespace", "workload"), (str,)),
    **dict.fromkeys(("object", "scope"), (dict, NoneType)),
    "targets": (list,),
    "targetCount": (int,),
}


def _remembered(item: Mapping[str, Any]) -> Remembered:
    for key, types in _TYPES.items():
        _typed(item, key, types)
    if item["role"] not in (CAUSE, LATENT, SUPPRESSED):
        raise ValueError(f"a finding plays the part {item['role']}")
    refs = [Ref(**target) for target in item["targets"]]
    if not all(isinstance(value, str) for ref in refs for value in vars(ref).values()):
        raise ValueError("a target has no name")
    finding = Finding(
        item["fingerprint"],
        item["id"],
        item["role"],
        item["check"],
        item["summary"],
        item["object"],
        tuple(refs),
        item["targetCount"],
        item["scope"],
    )
    for name in ("firstSeen", "lastSeen"):
        _time(item[name])
    return Remembered(finding, item["firstSeen"], item["lastSeen"], item["namespace"], item["workload"])


def _typed(item: Mapping[str, Any], key: str, types: tuple[type, ...]) -> None:
    if not isinstance(item[key], types):
        raise TypeError(f"its {key} is {item[key]!r}")


def _camel(name: str) -> str:
    first, *more = name.split("_")
    return first + "".join(part.capitalize() for part in more)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    return str(error) or type(error).__name__
