"""What stops a run, with its exit code, in the form that was asked for: text on stderr, or one document on stdout."""

from __future__ import annotations

import sys
import traceback
from typing import Any

import click

from efsdiag.cli.error_forms import error_text
from efsdiag.cli.output import FOR_PEOPLE, write
from efsdiag.redaction import redacted_text
from efsdiag.report.text import safe

USAGE = 2
UNREACHABLE = 4
FAILED = 5
"""A remedy failed, or did not help."""
CONSENT = 6
"""Consent is missing, or the plan is stale."""
INTERNAL = 70
UNDELIVERED = 74
"""The report, or its alerts, its text file or its state, is not where it belongs (EX_IOERR)."""
BUSY = 75
"""Another run is under way (EX_TEMPFAIL of sysexits.h)."""

_REFERENCES = {
    click.MissingParameter: "argument-missing",
    click.NoSuchOption: "option-unknown",
    click.BadParameter: "value-not-accepted",
    click.BadOptionUsage: "option-malformed",
}


class Fault(Exception):
    """Why there is no report: reference (kebab-case), message, hint (may be empty), and the exit code.

    What others said is among it, so secrets are taken out.
    """

    def __init__(self, reference: str, message: str, hint: str = "", exit_code: int = USAGE) -> None:
        self.reference = reference
        self.message = redacted_text(message)
        self.hint = redacted_text(hint)
        super().__init__(self.message)
        self.exit_code = exit_code


def usage_fault(error: click.ClickException) -> Fault:
    """A command line that click did not accept."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "efsdiag"
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return Fault("command-missing", "a command is missing", f"{path} --help")
    reference = next((r for kind, r in _REFERENCES.items() if isinstance(error, kind)), "usage")
    return Fault(reference, error.format_message(), f"{path} --help", USAGE)


def internal_fault(error: Exception, verbose: bool) -> Fault:
    """A mistake of efsdiag itself. The traceback goes to stderr where it was asked for."""
    if verbose:
        print(redacted_text("".join(traceback.format_exception(error))), end="", file=sys.stderr)
    more = "" if verbose else "-v shows where; "
    message = f"efsdiag itself failed: {type(error).__name__}: {error}"
    return Fault("internal-fault", message, f"{more}please report it, with a bundle where you can", INTERNAL)


def report_fault(fault: Fault, form: str) -> int:
    """Says why there is no report, and returns the exit code."""
    text = text_of(fault, form)
    if form in FOR_PEOPLE:
        print(text, end="", file=sys.stderr)
    else:
        write(text)
    return fault.exit_code


def text_of(fault: Fault, form: str) -> str:
    """The fault as one document of the form, or as lines for people."""
    if form in FOR_PEOPLE:
        hint = f"  {safe(fault.hint)}\n" if fault.hint else ""
        return f"{fault.reference}: {safe(fault.message)}\n{hint}"
    return error_text(form, document_of(fault))


def document_of(fault: Fault) -> dict[str, Any]:
    """The document that stands in the place of a Diagnosis."""
    return {
        "apiVersion": "efsdiag/v1",
        "kind": "Error",
        "status": "error",
        "error": {"reference": fault.reference, "message": fault.message, "hint": fault.hint},
        "exitCode": fault.exit_code,
    }
