"""Settings of an install from their file, and what it means for a run that they wish for its target."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from efsdiag.changes import Choices
from efsdiag.chart_conflicts import conflicts
from efsdiag.cli.faults import USAGE, Fault
from efsdiag.cli.run import Looked, Request
from efsdiag.cli.sources import target_told_of
from efsdiag.settings import Settings
from efsdiag.settings_file import FILE, load_settings, setting_place
from efsdiag.subjects import parse_target
from efsdiag.target import subject_of, wrong_beside
from efsdiag.yaml_files import RuleError


def settings_of(file: str | None, flags: tuple[str, ...]) -> Settings:
    """The settings of the file, or of efsdiag.yaml where there is one, with the flags over them. Errors: Fault."""
    path = Path(file) if file else Path(FILE)
    if file and not path.is_file():
        raise Fault("settings-not-found", f"there is no file {file}", "efsdiag install --init writes one", USAGE)
    present = path if path.is_file() else None
    try:
        settings = load_settings(present, flags)
    except RuleError as error:
        raise Fault(error.reference, f"{error.where} {error.message}", error.hint, USAGE) from error
    for conflict in conflicts(settings):
        where = setting_place(present, conflict.key) if present else ""
        raise Fault("settings-disagree", f"{where} {conflict.says}".strip(), conflict.hint, USAGE)
    return settings


def wishing(request: Request, file: str, *, fix: bool = False) -> Request:
    """The request with what the file wishes for, its charts looked at where they may come to be installed (`fix`).

    Errors: Fault, also where it wishes for another workload.
    """
    settings = settings_of(file, ())
    if fix:
        from efsdiag.cli.charts import with_charts

        settings = with_charts(settings, {"region": request.live.region}, Path(file))
    wished = subject_of(settings)
    with target_told_of():
        asked = parse_target(request.target, request.namespace or wished.namespace)
    if asked != wished:
        says = f"{file} wishes for {wished.kind}/{wished.name} in namespace {wished.namespace}"
        raise Fault("settings-of-another", says, "ask about that, or leave --settings out", USAGE)
    return replace(request, namespace=wished.namespace, wanted=settings)


def with_wishes(choices: Choices, request: Request, done: Looked) -> Choices:
    """The choices; where settings wish for the target, also what of it is missing and in nobody's way yet."""
    if request.wanted is None:
        return choices
    return replace(
        choices,
        also=tuple(sorted({*choices.also, *wrong_beside(done.found.diagnosis)})),
        probe_image=choices.probe_image or request.wanted.smoke_image,
        install=request.wanted.name,
    )
