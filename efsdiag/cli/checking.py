"""One `check`, wired: source, scope, survey, looks, report, exit code."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import click

from efsdiag.cli import output
from efsdiag.cli.progress import Progress, watched
from efsdiag.cli.run import rulebook_of
from efsdiag.cli.sources import LiveOptions, Opened, open_bundle, open_live
from efsdiag.health.examine import Examiner, examined
from efsdiag.health.refusals import Refusals
from efsdiag.health.scope import Scope
from efsdiag.health.survey import survey
from efsdiag.report.data import Usage
from efsdiag.report.forms import health_text
from efsdiag.report.health import Course, Health, health_report
from efsdiag.report.terminal import Look
from efsdiag.rules import Rulebook


@dataclass(frozen=True)
class CheckRequest:
    """What was asked on the command line."""

    all_namespaces: bool
    namespaces: tuple[str, ...]
    selector: str
    bundle: str | None
    rules: str | None
    timeout: float | None
    fail_on: str
    exit_zero: bool
    quiet: bool
    form: str
    verbose: bool
    color: str
    ascii: bool
    live: LiveOptions

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> CheckRequest:
        """The request out of click's parameters. Errors: click.UsageError where two of them contradict each other."""
        named = {f.name for f in fields(LiveOptions)}
        live = LiveOptions(**{name: value for name, value in given.items() if name in named})
        request = cls(live=live, **{name: value for name, value in given.items() if name not in named})
        asked = [n for n in sorted(named - {"request_timeout"}) if given[n]]
        if request.bundle and asked:
            option = f"--{asked[0].removesuffix('_user').replace('_', '-')}"
            raise click.UsageError(f"{option} is about a live system, and --bundle is a recorded one: give one of them")
        if live.as_group and not live.as_user:
            raise click.UsageError("--as-group needs --as: a group is impersonated together with a user")
        if request.all_namespaces and request.namespaces:
            raise click.UsageError("-A is every namespace, and -n is one: give one of them")
        return request

    def scope(self, opened: Opened) -> Scope:
        """The namespaces and labels that are meant."""
        if self.all_namespaces or (self.bundle and not self.namespaces):
            return Scope((), self.selector)
        return Scope(tuple(sorted(set(self.namespaces))) or (opened.namespace,), self.selector)


def run_check(request: CheckRequest) -> int:
    """Prints the report and returns the exit code. Errors: Fault."""
    report = checked(request)
    if not (request.quiet and _is_well(report, request.fail_on)):
        output.write(health_text(request.form, report, look_of(request)))
    return exit_code(report, request)


def checked(request: CheckRequest) -> dict[str, Any]:
    """The HealthReport. Errors: Fault."""
    started = time.monotonic()
    rulebook = rulebook_of(request.rules)
    opened = open_bundle(request.bundle) if request.bundle else open_live(request.live)
    with opened.closing:
        return _looked(request, rulebook, opened, started)


def _looked(request: CheckRequest, rulebook: Rulebook, opened: Opened, started: float) -> dict[str, Any]:
    def over() -> bool:
        return request.timeout is not None and time.monotonic() - started > request.timeout

    progress = Progress(opened.source, output.width()) if watched() and not request.quiet else None
    source = Refusals(progress or opened.source)
    try:
        scope = request.scope(opened)
        found = survey(source, scope, opened.namespaces)
        opened.verify()
        health = Health(opened.environment())
        examiner = Examiner(rulebook, source, opened.now, opened.workers)
        for looks in examined(examiner, found.workloads, over):
            health.add(looks)
    finally:
        if progress:
            progress.clear()
    took_ms = round((time.monotonic() - started) * 1000) if opened.live else None
    left = len(found.workloads) - health.looked
    usage = Usage(opened.requests(), took_ms)
    return health_report(health, Course(scope, found, opened.now, usage, source.refused, left > 0, left))


def _is_well(report: Mapping[str, Any], fail_on: str) -> bool:
    return report["status"] == "healthy" and not (fail_on == "latent" and report["latent"])


def exit_code(report: Mapping[str, Any], request: CheckRequest) -> int:
    """The code that the process ends with: the document's, as --fail-on and --exit-zero turn it."""
    code = int(report["exitCode"])
    if code == 0 and not _is_well(report, request.fail_on):
        code = 1
    return 0 if request.exit_zero else code


def look_of(request: CheckRequest) -> Look:
    """How this run's terminal shows things."""
    return Look(
        output.width(), output.colour_wanted(request.color), output.ascii_wanted(request.ascii), request.verbose
    )
