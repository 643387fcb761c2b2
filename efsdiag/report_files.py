"""Reports that `why` and `check` printed, read back from a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any

from efsdiag.files import text_of
from efsdiag.report.fingerprint import base_name
from efsdiag.yaml_files import from_yaml

KINDS = ("HealthReport", "Diagnosis")


class ReportError(Exception):
    """A file that is no report, or two that are not about the same: reference, message, hint."""

    def __init__(self, reference: str, message: str, hint: str = "") -> None:
        self.reference = reference
        self.message = message
        self.hint = hint
        super().__init__(f"{reference}: {message}")


def read_report(path: Path) -> dict[str, Any]:
    """The HealthReport or Diagnosis in the file, JSON or YAML. Errors: ReportError."""
    try:
        document = _parsed(path)
    except (OSError, ValueError, RecursionError) as error:
        why = (error.strerror or str(error)) if isinstance(error, OSError) else str(error) or type(error).__name__
        raise ReportError("report-unreadable", f"{path} cannot be read: {why}") from error
    kind = document.get("kind") if isinstance(document, dict) else None
    hint = "efsdiag check -o json and efsdiag why -o json print such files"
    if kind not in KINDS:
        what = f"its kind is {kind}" if kind else "it has no kind"
        raise ReportError("report-unknown", f"{path} is neither a HealthReport nor a Diagnosis: {what}", hint)
    if wrong := next(_faults(document, _SHAPES[kind], ""), ""):
        raise ReportError("report-damaged", f"{path} is not a whole {kind}: {wrong}", hint)
    return dict(document)


_TEXT = (str,)
_TEXT_OR_NONE = (str, NoneType)
_OBJECT = {"kind": _TEXT, "name": _TEXT, "namespace?": _TEXT_OR_NONE}
_OBJECT_OR_NONE = dict(_OBJECT)
_WHOM = {"targets?": [_OBJECT], "targetCount?": (int,)}
_FINDING = {"id": _TEXT, "check?": _TEXT, "summary": _TEXT, "fingerprint?": _TEXT, "object?": _OBJECT_OR_NONE, **_WHOM}
_UNKNOWN = {"check": _TEXT, "reason?": _TEXT, **_WHOM}
_REPORT = {
    "apiVersion": _TEXT,
    "status": _TEXT,
    "environment": {"account?": _TEXT_OR_NONE},
    "rootCauses": [_FINDING],
    "latent": [_FINDING],
    "suspects": [_UNKNOWN],
    "notChecked": [_UNKNOWN],
}
_SHAPES: dict[str, Any] = {
    "HealthReport": {
        **_REPORT,
        "checkedAt": _TEXT,
        "suppressed?": [_FINDING],
        "scope": {"allNamespaces": (bool,), "namespaces": [_TEXT], "selector": _TEXT},
        "workloads": {"notLooked": (int,)},
        "coverage": {
            "timedOut": (bool,),
            "unknownChecks": [_TEXT],
            "unlisted": [{"operation": _TEXT, "namespace": _TEXT, "reason": _TEXT}],
        },
    },
    "Diagnosis": {**_REPORT, "now": _TEXT, "target": _OBJECT, "asked": _OBJECT},
}
"""What a comparison relies on; a key with "?" may be missing."""


def _faults(value: Any, shape: Any, where: str) -> Iterator[str]:
    """What of the value is not as the shape says: "rootCauses/0 has no id", "status is 7"."""
    if isinstance(shape, tuple):
        if not isinstance(value, shape):
            yield f"{where} is {value!r}"
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{where} is no list"
            return
        for at, item in enumerate(value):
            yield from _faults(item, shape[0], f"{where}/{at}")
    elif isinstance(value, dict):
        for key, inner in shape.items():
            name = key.removesuffix("?")
            place = f"{where}/{name}" if where else name
            if name in value:
                yield from _faults(value[name], inner, place)
            elif name == key:
                yield f"there is no {place}"
    elif value is not None or shape is not _OBJECT_OR_NONE:
        yield f"{where or 'it'} is no mapping"


def refuse_unlike(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Errors: ReportError where the reports are of two kinds, two accounts, or two targets."""
    if before["kind"] != after["kind"]:
        message = f"the reports are a {before['kind']} and a {after['kind']}"
        raise ReportError("reports-of-two-kinds", message, "compare two of one command")
    accounts = [document["environment"].get("account") for document in (before, after)]
    if all(accounts) and accounts[0] != accounts[1]:
        raise ReportError("reports-of-two-accounts", f"the reports are of accounts {accounts[0]} and {accounts[1]}")
    if before["kind"] == "Diagnosis" and before["asked"] != after["asked"] and _target(before) != _target(after):
        named = [" ".join(_target(document)) for document in (before, after)]
        raise ReportError("reports-of-two-targets", f"the reports are about {named[0]} and {named[1]}")


def _target(document: dict[str, Any]) -> tuple[str, str, str]:
    """Kind, namespace and name, the name without what is made up anew for each pod."""
    target = document["target"]
    return target["kind"], target["namespace"], base_name(target["name"])


def _parsed(path: Path) -> Any:
    """Errors: OSError, ValueError."""
    text = text_of(path)
    try:
        return json.loads(text)
    except ValueError:
        if text.lstrip()[:1] in ("{", "["):
            raise
    return from_yaml(text)
