"""`diff`, wired: two files, one document, the exit code."""

from __future__ import annotations

from pathlib import Path

from efsdiag.cli import output
from efsdiag.cli.faults import USAGE, Fault
from efsdiag.report.difference import difference, difference_text
from efsdiag.report.machine import as_json, as_yaml
from efsdiag.report.terminal import Look
from efsdiag.report_files import ReportError, read_report, refuse_unlike


def print_difference(old: str, new: str, fail_on_new: bool, form: str, look: Look) -> int:
    """Prints what changed and returns the exit code. Errors: Fault."""
    try:
        before, after = read_report(Path(old)), read_report(Path(new))
        refuse_unlike(before, after)
    except ReportError as error:
        raise Fault(error.reference, error.message, error.hint, USAGE) from error
    document = difference(before, after, fail_on_new)
    written = {"json": as_json, "yaml": as_yaml}.get(form)
    output.write(written(document) if written else difference_text(document, look))
    return int(document["exitCode"])
