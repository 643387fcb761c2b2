"""Findings that somebody knows of and accepts for a time: a YAML file that names each with its reason and its end."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from efsdiag.model import Status
from efsdiag.report.data import EXIT_CODES
from efsdiag.report.refs import ref_in
from efsdiag.yaml_files import Entry, RuleError, entries, nearest

KEYS = ("id", "object", "reason", "expires")


@dataclass(frozen=True)
class Suppression:
    """One entry of the file."""

    name: str
    id: str
    object: str
    """Pattern of the object as reports write it: "SecurityGroup/sg-0a1b", "Pod/monitoring/web-*"."""
    reason: str
    expires: date
    """The last day on which it holds, in UTC."""
    where: str
    """"suppress.yaml:12"."""

    def fits(self, item: Mapping[str, Any]) -> bool:
        """Whether it names this entry of rootCauses or latent."""
        return item["id"] == self.id and fnmatchcase(str(ref_in(item.get("object"))), self.object)

    def as_json(self) -> dict[str, str]:
        """What a report says of it."""
        return {"id": self.id, "object": self.object, "reason": self.reason, "expires": self.expires.isoformat()}


def read_suppressions(path: Path, modes: Collection[str]) -> list[Suppression]:
    """The suppressions in the file, in its order. `modes` are the ids that there are.

    Errors: RuleError with file and line: suppressions-not-found, yaml-unreadable, suppression-unknown-key,
    suppression-incomplete, suppression-unknown-mode, suppression-malformed.
    """
    if not path.is_file():
        raise RuleError("suppressions-not-found", str(path), "is not a file")
    return [_suppression(entry, modes) for entry in entries(path, str(path))]


def suppressed(document: Mapping[str, Any], given: Sequence[Suppression]) -> dict[str, Any]:
    """The HealthReport with what is suppressed apart from what decides its status.

    Those that are over by the document's own clock suppress nothing, and are listed in expiredSuppressions.
    """
    today = datetime.fromisoformat(document["checkedAt"]).date()
    valid = [s for s in given if s.expires >= today]
    made = dict(document)
    found = []
    for key in ("rootCauses", "latent"):
        made[key] = [item for item in document[key] if not _fitting(item, valid)]
        found += [_entry(item, by) for item in document[key] if (by := _fitting(item, valid))]
    made["suppressed"] = sorted(found, key=lambda item: (item["id"], item["fingerprint"]))
    made["expiredSuppressions"] = sorted(
        (s.as_json() for s in given if s.expires < today), key=lambda s: (s["id"], s["object"], s["expires"])
    )
    return {**made, **_status(made)}


def unused(document: Mapping[str, Any], given: Sequence[Suppression]) -> list[Suppression]:
    """Those that fit nothing in the document, which was not suppressed yet; expired ones are told elsewhere."""
    today = datetime.fromisoformat(document["checkedAt"]).date()
    items = [*document["rootCauses"], *document["latent"]]
    return [s for s in given if s.expires >= today and not any(s.fits(item) for item in items)]


def _status(document: Mapping[str, Any]) -> dict[str, Any]:
    """Status and exit code of what is left. A workload whose causes are all suppressed is not in anybody's way.

    What nobody could look at, and could be a cause beside a likely one, is left.
    """
    coverage, workloads = document["coverage"], document["workloads"]
    unsure = (
        document["suspects"]
        or workloads["inconclusive"]
        or workloads["notLooked"]
        or coverage["timedOut"]
        or coverage["incomplete"]
    )
    if document["rootCauses"] or not document["suppressed"]:
        return {"status": document["status"], "exitCode": document["exitCode"]}
    status = Status.INCONCLUSIVE if unsure else Status.HEALTHY
    return {"status": status.value, "exitCode": EXIT_CODES[status]}


def _fitting(item: Mapping[str, Any], given: Sequence[Suppression]) -> Suppression | None:
    return next((s for s in given if s.fits(item)), None)


def _entry(item: Mapping[str, Any], by: Suppression) -> dict[str, Any]:
    told = {key: item.get(key) for key in ("id", "fingerprint", "object", "summary")}
    return {**told, "reason": by.reason, "expires": by.expires.isoformat()}


def _suppression(entry: Entry, modes: Collection[str]) -> Suppression:
    if not isinstance(entry.value, dict):
        raise RuleError("suppression-malformed", entry.where, f"{entry.key} is not a mapping of {', '.join(KEYS)}")
    for key in entry.value:
        if key not in KEYS:
            hint = nearest(str(key), KEYS) or f"the keys are {', '.join(KEYS)}"
            raise RuleError("suppression-unknown-key", entry.where, f"{entry.key} has {key!r}", hint)
    for key in KEYS:
        if not entry.value.get(key):
            raise RuleError("suppression-incomplete", entry.where, f"{entry.key} has no {key}", _WHY[key])
    for key in ("id", "object", "reason"):
        if not isinstance(entry.value[key], str):
            raise RuleError("suppression-malformed", entry.where, f"{key} of {entry.key} is not text", _WHY[key])
    if entry.value["id"] not in modes:
        hint = nearest(entry.value["id"], modes) or "efsdiag explain --list names all"
        raise RuleError("suppression-unknown-mode", entry.where, f"there is no mode {entry.value['id']!r}", hint)
    said = {key: entry.value[key] for key in ("id", "object", "reason")}
    return Suppression(entry.key, **said, expires=_day(entry), where=entry.where)


_WHY = {
    "id": "the mode, as reports name it: network.nacl",
    "object": "a pattern of Kind/namespace/name, as reports name it: PersistentVolumeClaim/monitoring/*",
    "reason": "say why it is accepted; reports repeat it",
    "expires": "the last day on which it holds: 2026-12-31",
}


def _day(entry: Entry) -> date:
    said = entry.value["expires"]
    try:
        day = date.fromisoformat(said) if isinstance(said, str) else said
    except ValueError:
        day = None
    if not isinstance(day, date) or isinstance(day, datetime):
        message = f"expires of {entry.key} is {said!r}, which is no day"
        raise RuleError("suppression-malformed", entry.where, message, _WHY["expires"])
    return day
