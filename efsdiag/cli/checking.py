"""One `check`, wired: source, scope, survey, looks, report, exit code."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import click

from efsdiag.cli import output
from efsdiag.cli.delivering import Delivery, DeliveryOptions
from efsdiag.cli.faults import UNREACHABLE, Fault
from efsdiag.cli.only_one import only_one
from efsdiag.cli.progress import Progress, clear, watched
from efsdiag.cli.run import rulebook_of
from efsdiag.cli.sources import LIVE_WORKERS, LiveOptions, Opened, open_bundle, open_live
from efsdiag.health.examine import Examiner, examined
from efsdiag.health.hands import Hands, TimeIsOver
from efsdiag.health.refusals import Refusals
from efsdiag.health.scope import NoSuchNamespace, Scope
from efsdiag.health.survey import Survey, survey
from efsdiag.report.data import Environment, Usage
from efsdiag.report.forms import health_text
from efsdiag.report.health import Course, Health, health_report
from efsdiag.report.terminal import Look
from efsdiag.rules import Rulebook
from efsdiag.world.selectors import label_selector

_DECIDING = (
    "KUBECONFIG", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL",
    "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
)  # fmt: skip
"""Variables that say which cluster and which account are meant, where no option does."""


@dataclass(frozen=True)
class CheckRequest:
    """What was asked on the command line."""

    all_namespaces: bool
    namespaces: tuple[str, ...]
    selector: str
    bundle: str | None
    rules: str | None
    timeout: float | None
    jitter: float | None
    lock: str | None
    fail_on: str
    exit_zero: bool
    quiet: bool
    form: str
    verbose: bool
    color: str
    ascii: bool
    live: LiveOptions
    delivery: DeliveryOptions

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> CheckRequest:
        """The request out of click's parameters. Errors: click.UsageError where two of them contradict each other."""
        goes = {f.name for f in fields(DeliveryOptions)}
        delivery = DeliveryOptions(**{name: value for name, value in given.items() if name in goes})
        own = {name: value for name, value in given.items() if name not in LiveOptions.names() | goes}
        request = cls(live=LiveOptions.of(given), delivery=delivery, **own)
        if request.all_namespaces and request.namespaces:
            raise click.UsageError("-A is every namespace, and -n is one: give one of them")
        try:
            label_selector(request.selector)
        except ValueError as error:
            raise click.UsageError(f"-l: {error}") from error
        return request

    @property
    def question(self) -> str:
        """What the run asks, in words that are the same for the same question; "" for a bundle, which two may read."""
        told = [os.environ.get(name, "") for name in _DECIDING]
        asked = (self.live, told, self.all_namespaces, sorted(self.namespaces), self.selector)
        return "" if self.bundle else repr(asked)

    def scope(self, opened: Opened) -> Scope:
        """The namespaces and labels that are meant."""
        if self.all_namespaces or (self.bundle and not self.namespaces):
            return Scope((), self.selector)
        return Scope(tuple(sorted(set(self.namespaces))) or (opened.namespace,), self.selector)


def run_check(request: CheckRequest) -> int:
    """Prints the report and returns the exit code. Errors: Fault."""
    if request.jitter:
        time.sleep(random.uniform(0, request.jitter))
    with only_one(request.lock, request.question):
        delivery = Delivery(request.delivery, request.fail_on, request.verbose)
        with delivery.failing():
            rulebook = rulebook_of(request.rules)
            delivery.prepare(rulebook.modes)
            report = delivery.completed(checked(request, rulebook))
        # Printed first: whatever becomes of the rest, the report is there. The rest is done where nobody reads it, too.
        try:
            if not (request.quiet and request.form == "terminal" and _is_well(report, request.fail_on)):
                output.write(health_text(request.form, report, look_of(request)))
        finally:
            undelivered = delivery.deliver(report)
        return undelivered or exit_code(report, request)


def checked(request: CheckRequest, rulebook: Rulebook) -> dict[str, Any]:
    """The HealthReport. Errors: Fault."""
    started = time.monotonic()
    # Workloads are looked at side by side, each by one hand; a bundle is on this machine, where that gains nothing.
    number = 1 if request.bundle else LIVE_WORKERS
    hands = Hands(number, None if request.timeout is None else started + request.timeout)
    try:
        opened = hands.do(lambda: open_bundle(request.bundle) if request.bundle else open_live(request.live))
    except TimeIsOver as error:
        text = f"{request.bundle or 'the cluster'} could not be opened within {request.timeout:g} s"
        raise Fault("time-is-over", text, "give more time with --timeout", UNREACHABLE) from error
    try:
        with opened.closing:
            return _Run(request, rulebook, opened, hands, started).report()
    finally:
        hands.close()


@dataclass
class _Run:
    """One run over an open source."""

    request: CheckRequest
    rulebook: Rulebook
    opened: Opened
    hands: Hands
    started: float

    def report(self) -> dict[str, Any]:
        """The document of what could be looked at in the time. Errors: Fault where nothing could be asked at all."""
        opened, scope = self.opened, self.request.scope(self.opened)
        shown = watched() and not self.request.quiet
        source, listed = (
            Refusals(Progress(own, output.width()) if shown else own) for own in (opened.source, opened.listed)
        )
        found, health, timed_out = Survey(), Health(Environment("live" if opened.live else "bundle")), False
        seen = 0
        try:
            health.environment = self.hands.do(opened.environment)
            found = self.hands.do(lambda: survey(listed, scope, opened.namespaces))
            opened.verify()
            examiner = Examiner(self.rulebook, source, opened.now)
            for _, looks in examined(examiner, found.workloads, self.hands, opened.keeper):
                seen += 1
                if looks:
                    health.add(looks)
        except NoSuchNamespace as error:
            opened.verify()
            raise Fault(
                "namespace-not-found", f"there is no namespace {error.name}", "kubectl get namespaces"
            ) from error
        except TimeIsOver:
            timed_out = True
        finally:
            if shown:
                clear()
        took_ms = round((time.monotonic() - self.started) * 1000) if opened.live else None
        usage = Usage(opened.requests(), took_ms)
        left = len(found.workloads) - seen
        return health_report(
            health, Course(scope, found, opened.now, usage, [*listed.refused, *source.refused], timed_out, left)
        )


def _is_well(report: Mapping[str, Any], fail_on: str) -> bool:
    return report["status"] == "healthy" and not (fail_on == "latent" and report["latent"])


def exit_code(report: Mapping[str, Any], request: CheckRequest) -> int:
    """The code that the process ends with: the document's, as --fail-on and --exit-zero turn it."""
    code = int(report["exitCode"])
    if request.fail_on == "latent" and report["latent"]:
        code = 1
    return 0 if request.exit_zero else code


def look_of(request: CheckRequest) -> Look:
    """How this run's terminal shows things."""
    return Look(
        output.width(),
        output.colour_wanted(request.color),
        output.ascii_wanted(request.ascii),
        request.verbose,
        request.delivery.cluster,
    )
