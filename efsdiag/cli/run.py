"""One `why`, wired: source, rules, investigation, report, exit code."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from efsdiag.cli import output
from efsdiag.cli.faults import USAGE, Fault
from efsdiag.cli.manifests import manifest_of
from efsdiag.cli.progress import Progress, watched
from efsdiag.cli.signals import undivided
from efsdiag.cli.sources import LiveOptions, Opened, fault_of, open_bundle, open_live, target_told_of
from efsdiag.gather import Gather
from efsdiag.investigate import Investigation, driver_version, investigate, known
from efsdiag.model import Source
from efsdiag.report.data import EXIT_CODES, Surroundings, Usage, report_of
from efsdiag.report.machine import as_json, as_yaml
from efsdiag.report.terminal import Look, render, with_rendered
from efsdiag.rules import Rulebook, load_rulebook
from efsdiag.settings import Settings
from efsdiag.subjects import parse_target
from efsdiag.world.errors import Unreachable
from efsdiag.world.recorder import Recording
from efsdiag.yaml_files import RuleError


@dataclass(frozen=True)
class Request:
    """What was asked on the command line."""

    target: tuple[str, ...]
    namespace: str | None
    bundle: str | None
    record: str | None
    rules: str | None
    form: str
    verbose: bool
    color: str
    ascii: bool
    live: LiveOptions
    wanted: Settings | None = None
    """What is wished for, where the target need not be there yet."""

    @classmethod
    def of(cls, target: tuple[str, ...], given: Mapping[str, Any]) -> Request:
        """The request out of click's parameters. Errors: click.UsageError where two of them contradict each other."""
        own = {name: value for name, value in given.items() if name not in LiveOptions.names()}
        return cls(target, live=LiveOptions.of(given), **own)


@dataclass(frozen=True)
class Looked:
    """An investigation with everything that made it."""

    opened: Opened
    source: Source
    rulebook: Rulebook
    found: Investigation
    report: Mapping[str, Any]

    def gather(self) -> Gather:
        """The evidence of the investigation, for what else asks for it."""
        return Gather(self.rulebook.evidence, self.source, self.found.given, workers=self.opened.workers)


def run(request: Request) -> int:
    """Prints the report and returns the exit code. Errors: Fault."""
    with looked(request) as done:
        report = done.report
    output.write(text_of(report, request))
    return EXIT_CODES[done.found.diagnosis.status]


@contextmanager
def looked(request: Request) -> Iterator[Looked]:
    """What `why` finds; the source is open as long as it is held. Errors: Fault."""
    started = time.monotonic()
    rulebook = rulebook_of(request.rules)
    _verify_place(request.record)
    opened = open_bundle(request.bundle) if request.bundle else open_live(request.live)
    with opened.closing:
        recording = _recording(request.record, opened)
        source = recording or opened.source
        found = _investigated(request, rulebook, source, opened)
        opened.verify()
        gather = Gather(rulebook.evidence, source, found.given, workers=opened.workers)
        workload, names = known(gather)
        environment = replace(opened.environment(), driver_version=driver_version(gather))
        if recording:
            _write(recording)
        took_ms = round((time.monotonic() - started) * 1000) if opened.live else None
        report = report_of(found, Surroundings(environment, Usage(opened.requests(), took_ms), workload, names))
        yield Looked(opened, source, rulebook, found, report)


def rulebook_of(folder: str | None) -> Rulebook:
    """The rules, with those of the folder. Errors: Fault for a mistake in the folder."""
    try:
        return load_rulebook(Path(folder) if folder else None)
    except RuleError as error:
        if not folder:
            raise
        hint = error.hint or "correct it, or leave --rules out"
        raise Fault(error.reference, f"{error.where} {error.message}", hint, USAGE) from error


def _investigated(request: Request, rulebook: Rulebook, source: Source, opened: Opened) -> Investigation:
    progress = Progress(source, output.width()) if watched() else None
    try:
        with target_told_of(opened):
            asked = parse_target(request.target, request.namespace or opened.namespace)
            return investigate(
                rulebook, progress or source, asked, opened.now, workers=opened.workers, wanted=request.wanted
            )
    finally:
        if progress:
            progress.clear()


def _verify_place(path: str | None) -> None:
    """Before anything is read: nothing is written over. Errors: Fault."""
    place = Path(path) if path else None
    if place and place.exists() and not (place.is_dir() and not any(place.iterdir())):
        raise Fault("bundle-exists", f"{place} exists already", "give another path, or remove it first", USAGE)


def _recording(path: str | None, opened: Opened) -> Recording | None:
    if not path:
        return None
    return Recording(opened.source, path, manifest_of(opened))


def _write(recording: Recording) -> None:
    try:
        with undivided():
            recording.write()
    except Unreachable as error:
        raise fault_of(error) from error


def look_of(request: Request) -> Look:
    """How this run's terminal shows things."""
    return Look(
        output.width(), output.colour_wanted(request.color), output.ascii_wanted(request.ascii), request.verbose
    )


def text_of(report: Mapping[str, Any], request: Request) -> str:
    """The report in the form that was asked for."""
    if request.form == "json":
        return as_json(with_rendered(report))
    if request.form == "yaml":
        return as_yaml(with_rendered(report))
    if request.form == "markdown":
        from efsdiag.report.markdown import markdown

        return markdown(report)
    return render(report, look_of(request))
