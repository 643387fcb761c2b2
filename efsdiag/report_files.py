"""Reports that `why` and `check` printed, read back from a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from efsdiag.report.comparison import CAUSE, Finding, findings_of, unseen
from efsdiag.report.fingerprint import base_name
from efsdiag.yaml_files import RuleError, entries

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
    except (OSError, ValueError, RuleError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error) or type(error).__name__
        raise ReportError("report-unreadable", f"{path} cannot be read: {why}") from error
    kind = document.get("kind") if isinstance(document, dict) else None
    hint = "efsdiag check -o json and efsdiag why -o json print such files"
    if kind not in KINDS:
        what = f"its kind is {kind}" if kind else "it has no kind"
        raise ReportError("report-unknown", f"{path} is neither a HealthReport nor a Diagnosis: {what}", hint)
    try:
        for key in ("apiVersion", "status", "environment", *_OF_KIND[kind]):
            document[key]
        for finding in (*findings_of(document), Finding("", "", CAUSE, "", "", None)):
            unseen(finding, document)
    except (LookupError, TypeError, AttributeError) as error:
        why = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise ReportError("report-damaged", f"{path} is not a whole {kind}: {why}", hint) from error
    return dict(document)


_OF_KIND = {"HealthReport": ("checkedAt", "scope", "coverage", "workloads"), "Diagnosis": ("now", "target", "asked")}


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
    """Errors: OSError, ValueError, RuleError."""
    text = path.read_text(encoding="utf-8")
    try:
        return json.loads(text)
    except ValueError:
        if text.lstrip()[:1] in ("{", "["):
            raise
    return {entry.key: entry.value for entry in entries(path, str(path))}
