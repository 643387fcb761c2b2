"""`plan`, wired: an investigation, what the remedies propose, and how the plan is printed and kept."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from efsdiag.changes import Choices, Option, Place, Plan
from efsdiag.cli import output
from efsdiag.cli.faults import CONSENT, USAGE, Fault
from efsdiag.cli.options import PROBE_OPTIONS, WRITE_OPTIONS
from efsdiag.cli.run import Looked, Request, look_of
from efsdiag.cli.sources import LiveOptions, Opened
from efsdiag.model import Diagnosis
from efsdiag.remedy_rules import load_remedies
from efsdiag.report.data import EXIT_CODES
from efsdiag.report.export import exported
from efsdiag.report.layout import Line, line
from efsdiag.report.machine import as_json
from efsdiag.report.plan_text import plan_lines
from efsdiag.report.terminal import painted
from efsdiag.treat.plan_file import plan_as_json
from efsdiag.treat.planning import LOOKS, ChoiceError, look_plan_of, place_of, plan_of


def print_plan(target: tuple[str, ...], given: Mapping[str, Any]) -> int:
    """Prints the plan, writes it to its file, and returns the exit code. Errors: Fault."""
    from efsdiag.cli.charts import releases_of
    from efsdiag.cli.probing import looking

    given = dict(given)
    file, emit = given.pop("file"), given.pop("emit")
    if file and Path(file).exists():
        raise Fault("file-exists", f"{file} exists already", "give another name, or remove it first", USAGE)
    choices = choices_of(given)
    own = {name: given.pop(name) for name in (*PROBE_OPTIONS, *WRITE_OPTIONS)}
    request = Request.of(target, {**given, "form": "terminal", "record": None})
    if own["probe"] and request.bundle:
        raise click.UsageError("--probe is for a live system, without --bundle")
    with looking(request, {**own, "probe_image": choices.probe_image}, choices) as (done, looks):
        plan = make_plan(done, choices, looks)
    document = plan_as_json(plan)
    if file:
        _save(file, document)
    if emit == "text":
        lines = [*plan_lines(document, output.width()), *(releases_of(plan, request.live) if plan.live else ())]
        lines += _how_to_go_on(plan, done.found.diagnosis, file)
        say(lines, request)
    else:
        output.write(as_json(document) if emit == "json" else exported(plan, emit))
    return 0 if plan.changes else EXIT_CODES[done.found.diagnosis.status]


def choices_of(given: dict[str, Any]) -> Choices:
    """The choices, taken out of click's parameters."""
    return Choices(given.pop("remedies"), given.pop("also"), given.pop("likely"), given.pop("probe_image"))


def look_plan(done: Looked, choices: Choices, looks: Mapping[str, str] = LOOKS) -> Plan:
    """The plan of the probes that could tell more than was found."""
    given = (done.found.asked, done.gather(), load_remedies(), _place(done), done.opened.now)
    return look_plan_of(*given, choices, looks)


def make_plan(done: Looked, choices: Choices, looks: tuple[Option, ...] = ()) -> Plan:
    """The plan for what was found, where `looks` were made before. Errors: Fault."""
    try:
        return plan_of(
            done.found.diagnosis,
            done.found.asked,
            done.gather(),
            load_remedies(),
            _place(done),
            done.opened.now,
            choices,
            live=done.opened.live,
            looks=looks,
        )
    except ChoiceError as error:
        raise Fault(error.reference, error.message, error.hint, USAGE) from error


def verify_same_place(plan: Plan, done: Looked) -> None:
    """A plan is for one cluster and one account. Errors: Fault."""
    verify_place(plan, _place(done))


def place_at(opened: Opened) -> Place:
    """Where the source is."""
    environment = opened.environment()
    return place_of(opened.source, environment.account, environment.region, environment.context)


def verify_place(plan: Plan, here: Place) -> None:
    """A plan is carried out and taken back in its own place. Errors: Fault."""
    for what in ("cluster", "account", "region"):
        wanted, found = getattr(plan.place, what), getattr(here, what)
        if wanted != found:
            message = f"the plan is for {what} {wanted or 'unknown'}; this is {found or 'unknown'}"
            raise Fault("other-place", message, "choose the context, profile and region of the plan", CONSENT)


def _place(done: Looked) -> Place:
    environment = done.opened.environment()
    return place_of(done.source, environment.account, environment.region, environment.context)


def request_for(plan: Plan, given: Mapping[str, Any]) -> Request:
    """The request that looks at the plan's target again, live."""
    target = (f"{plan.target.kind}/{plan.target.name}",)
    named = LiveOptions.names() | {"color", "ascii", "verbose"}
    kept = {name: value for name, value in given.items() if name in named}
    empty = {"bundle": None, "record": None, "rules": None, "form": "terminal"}
    return Request.of(target, {**kept, **empty, "namespace": plan.target.namespace})


def say(lines: Sequence[Line], request: Request) -> None:
    """Prints lines as the request wants them to look."""
    output.write(painted(list(lines), look_of(request)))


def _how_to_go_on(plan: Plan, diagnosis: Diagnosis, file: str | None) -> list[Line]:
    if not plan.changes:
        return [(), line(f"the diagnosis is {diagnosis.status.value}; efsdiag why says more", "dim")]
    name = file or "plan.json"
    first = [] if file else [line("  with -o plan.json the plan is kept in a file")]
    return [(), line("TO CARRY IT OUT", "title"), *first, line(f"  efsdiag apply {name} --approve {plan.digest}")]


def _save(file: str, document: Mapping[str, Any]) -> None:
    try:
        opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(opened, "w", encoding="utf-8") as stream:
            stream.write(as_json(document))
    except OSError as error:
        raise Fault("plan-not-written", f"{file} cannot be written: {error.strerror}", "", USAGE) from error
