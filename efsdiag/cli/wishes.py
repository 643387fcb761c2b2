"""Settings of an install from their file, and a look at the workload that they wish for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from efsdiag.cli.faults import USAGE, Fault
from efsdiag.cli.run import Request
from efsdiag.cli.sources import target_told_of
from efsdiag.settings import Settings
from efsdiag.settings_file import FILE, load_settings
from efsdiag.subjects import parse_target
from efsdiag.target import subject_of
from efsdiag.yaml_files import RuleError


def settings_of(file: str | None, flags: tuple[str, ...]) -> Settings:
    """The settings of the file, or of efsdiag.yaml where there is one, with the flags over them. Errors: Fault."""
    path = Path(file) if file else Path(FILE)
    if file and not path.is_file():
        raise Fault("settings-not-found", f"there is no file {file}", "efsdiag install --init writes one", USAGE)
    try:
        return load_settings(path if path.is_file() else None, flags)
    except RuleError as error:
        raise Fault(error.reference, f"{error.where} {error.message}", error.hint, USAGE) from error


def wishing(request: Request, file: str) -> Request:
    """The request with what the file wishes for. Errors: Fault, also where it wishes for another workload."""
    settings = settings_of(file, ())
    wished = subject_of(settings)
    with target_told_of():
        asked = parse_target(request.target, request.namespace or wished.namespace)
    if asked != wished:
        says = f"{file} wishes for {wished.kind}/{wished.name} in namespace {wished.namespace}"
        raise Fault("settings-of-another", says, "ask about that, or leave --settings out", USAGE)
    return replace(request, namespace=wished.namespace, wanted=settings)
