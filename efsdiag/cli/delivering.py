"""What a `check` takes from its last run, and where its report goes beside standard output."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from efsdiag.cli.faults import INTERNAL, UNDELIVERED, Fault, text_of
from efsdiag.cli.signals import undivided
from efsdiag.files import replace_file, why_not_writable
from efsdiag.files import text_of as text_of_file
from efsdiag.report.alerts import alerts
from efsdiag.report.comparison import CAUSE, LATENT, Changes, changes_document
from efsdiag.report.prometheus import failed_run, last_success_in, metrics
from efsdiag.state_file import (
    HealthState,
    StateError,
    changes_since,
    next_state,
    read_state,
    refuse_other_cluster,
    with_unsent,
    write_state,
)
from efsdiag.suppressions import Suppression, read_suppressions, suppressed, unused
from efsdiag.world.alertmanager import NotSent, send_alerts, why_not_a_url
from efsdiag.yaml_files import RuleError


@dataclass(frozen=True)
class DeliveryOptions:
    """What was asked on the command line; `alert_ttl` is in seconds."""

    state: str | None
    suppress: str | None
    textfile: str | None
    alertmanager: str | None
    alertmanager_token_file: str | None
    alert_ttl: float
    cluster: str


@dataclass
class Delivery:
    """One run's: `prepare` before anything is looked at, `completed` when it was, `deliver` once it is printed."""

    options: DeliveryOptions
    fail_on: str
    verbose: bool
    before: HealthState | None = None
    changes: Changes | None = None
    suppressions: list[Suppression] = field(default_factory=list)
    token: str = ""
    """Signs in to Alertmanager."""

    def prepare(self, modes: Collection[str]) -> None:
        """Reads what the run needs, and sees to it that it will not be for nothing. Errors: Fault."""
        asked = self.options
        if asked.alertmanager and (why := why_not_a_url(asked.alertmanager)):
            raise Fault("alertmanager-url", f"this is no URL of an Alertmanager: {why}")
        if asked.alertmanager and not asked.state:
            hint = "give --state FILE: it keeps when each alert began, and which have ended"
            raise Fault("state-missing", "--alertmanager needs --state", hint)
        if asked.alertmanager_token_file:
            self.token = _token(asked)
        if asked.suppress:
            try:
                self.suppressions = read_suppressions(Path(asked.suppress), modes)
            except RuleError as error:
                raise Fault(error.reference, f"{error.where} {error.message}", error.hint) from error
        if asked.state:
            _verify(asked.state, "state-not-written")
            try:
                self.before = read_state(Path(asked.state))
            except StateError as error:
                raise _fault(error) from error

    def completed(self, report: dict[str, Any]) -> dict[str, Any]:
        """The report with what is suppressed apart, and with what changed since the last run. Errors: Fault."""
        if self.options.suppress:
            if self.verbose:
                for one in unused(report, self.suppressions):
                    text = f"{one.where} {one.name} fits nothing that was found"
                    _say(Fault("suppression-unused", text, "take it out, or correct its id and object"))
            report = suppressed(report, self.suppressions)
        if self.options.state:
            try:
                refuse_other_cluster(self.before, report)
            except StateError as error:
                raise _fault(error) from error
            self.changes = changes_since(self.before, report)
            since = self.before.checked_at if self.before else None
            report = {**report, "changes": changes_document(self.changes, since)}
        return report

    def deliver(self, report: Mapping[str, Any]) -> int:
        """Sends and writes what was asked for. 0, or UNDELIVERED with the reason on standard error."""
        done = [self._write_metrics(report)]
        if self.changes is not None:
            after = next_state(self.before, report, self.changes)
            sent = self._send(report, after, self.changes)
            if not sent and self.before:
                after = with_unsent(after, self.before, self.changes)
            done += [sent, self._write_state(after)]
        return 0 if all(done) else UNDELIVERED

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Where what it encloses comes to no report, the text file says so, and keeps what was found last."""
        try:
            self._verify_textfile()
            yield
        except Fault as fault:
            self._write_failure(fault.exit_code)
            raise
        except Exception:
            self._write_failure(INTERNAL)
            raise

    def _verify_textfile(self) -> None:
        """Errors: Fault."""
        name = self.options.textfile
        if name and not name.endswith(".prom"):
            raise Fault("textfile-name", f"{name} does not end in .prom", "node_exporter reads no other files")
        if name:
            _verify(name, "textfile-not-written")

    def _write_failure(self, exit_code: int) -> None:
        name = self.options.textfile
        if name and name.endswith(".prom") and not why_not_writable(Path(name)):
            text = failed_run(_text_in(Path(name)), time.time(), exit_code, self.options.cluster)
            _attempted("textfile-not-written", name, lambda: replace_file(Path(name), text, 0o644))

    def _write_metrics(self, report: Mapping[str, Any]) -> bool:
        name = self.options.textfile
        if not name:
            return True
        text = metrics(report, last_success_in(_text_in(Path(name))), self.options.cluster)
        # node_exporter is another user.
        return _attempted("textfile-not-written", name, lambda: replace_file(Path(name), text, 0o644))

    def _write_state(self, after: HealthState) -> bool:
        name = str(self.options.state)
        return _attempted("state-not-written", name, lambda: write_state(Path(name), after))

    def _send(self, report: Mapping[str, Any], after: HealthState, changes: Changes) -> bool:
        url = self.options.alertmanager
        if not url:
            return True
        made = alerts(
            report,
            self.before,
            after,
            changes,
            roles=(CAUSE, LATENT) if self.fail_on == "latent" else (CAUSE,),
            cluster=self.options.cluster or report["environment"]["context"] or "",
            now=datetime.fromtimestamp(time.time(), UTC),
            holds_for=timedelta(seconds=self.options.alert_ttl),
        )
        try:
            if made:
                send_alerts(url, made, token=self.token)
        except NotSent as error:
            _say(Fault("alerts-not-sent", str(error), "the next run sends them again"))
            return False
        return True


def _token(asked: DeliveryOptions) -> str:
    """The bearer token in the file. Errors: Fault, whose text has nothing of it."""
    name = str(asked.alertmanager_token_file)
    if not asked.alertmanager:
        raise Fault("alertmanager-missing", "--alertmanager-token-file needs --alertmanager")
    if urlsplit(asked.alertmanager).username is not None:
        raise Fault(
            "alertmanager-two-sign-ins", "the URL of --alertmanager has a user, and there is a token", "give one"
        )
    try:
        token = text_of_file(Path(name)).strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it is no text file"
        raise Fault("alertmanager-token", f"the token in {name} cannot be read: {why}") from error
    if not token.isascii() or not token.isprintable() or not token or " " in token:
        raise Fault("alertmanager-token", f"{name} holds no bearer token: one line of ASCII without blanks is wanted")
    return token


def _verify(name: str, reference: str) -> None:
    """Errors: Fault."""
    if why := why_not_writable(Path(name)):
        raise Fault(reference, f"{name} cannot be written: {why}", "give a file in a folder that can be written")


def _attempted(reference: str, name: str, write: Callable[[], None]) -> bool:
    try:
        with undivided():
            write()
    except OSError as error:
        _say(Fault(reference, f"{name} cannot be written: {error.strerror or error}"))
        return False
    return True


def _text_in(path: Path) -> str:
    """The file's text; "" where there is none that can be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _fault(error: StateError) -> Fault:
    return Fault(error.reference, error.message, error.hint)


def _say(fault: Fault) -> None:
    """Tells what went wrong beside the report, which stands on standard output."""
    print(text_of(fault, "terminal"), end="", file=sys.stderr)
