"""The document that stands in the place of a report, in every form that a report can have."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from efsdiag.report.machine import as_json, as_line, as_yaml


def error_text(form: str, document: Mapping[str, Any]) -> str:
    """The document of kind Error in the form; as JSON where the form is none of a machine's own."""
    written = {"yaml": as_yaml, "openreports": as_yaml, "policyreport": as_yaml, "jsonl": as_line}.get(form)
    if written:
        return written(document)
    error = document["error"]
    if form == "junit":
        from efsdiag.report.junit import junit_error

        now = datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return junit_error(error["reference"], error["message"], error["hint"], now)
    if form == "prometheus":
        from efsdiag.report.prometheus import comment

        return comment(f"{error['reference']}: {error['message']}")
    return as_json(document)
