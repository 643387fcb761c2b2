"""The writes of Helm releases: carried out once, told apart where they end half-made, and taken back if they are ours.

A revision is ours by its description, or, where it never came to its end and helm wrote why in that place, by its
label. helm hands labels on to the next revision, so the label counts only where no revision before it was ours.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from efsdiag.changes import Trouble, Write, WriteFailed
from efsdiag.releases import Revision
from efsdiag.world.helm import Done, Helm, HelmError
from efsdiag.world.helm_failures import failure_of
from efsdiag.world.helm_reads import (
    AT_REST,
    PENDING,
    archive,
    dry_run,
    is_marked,
    revisions,
    values_text,
    with_chart,
)
from efsdiag.world.helm_releases import pending, verify_new
from efsdiag.writes import description_of, helm_arguments, mark_of

STILL_AT_WORK = timedelta(minutes=10)
"""So long a release that is pending may have a helm that is at work on it."""
_MARGIN_S = 120.0
_DEFAULT_S = 300.0


@dataclass(frozen=True)
class _State:
    """The release as it is now."""

    all: tuple[Revision, ...]
    ours: int | None
    """The number of the revision that has our mark; None where none has."""

    @property
    def newest(self) -> Revision | None:
        return self.all[-1] if self.all else None

    @property
    def is_ours(self) -> bool:
        """Whether the newest revision is the one that the plan made."""
        return self.newest is not None and self.newest.number == self.ours


def rehearse_release(helm: Helm, write: Write, given: Mapping[str, Any]) -> None:
    """Asks helm whether it could carry the write out. Errors: WriteFailed."""
    try:
        state = _state(helm, write, given)
        if write.operation == "helm:upgrade":
            _verify_free(helm, state, given)
            dry_run(helm, write, given, archive(helm, given))
    except HelmError as error:
        raise _not_done(error) from error


def write_release(helm: Helm, write: Write, given: Mapping[str, Any]) -> dict[str, Any]:
    """Carries the write out, once; the release's newest revision. Errors: WriteFailed."""
    try:
        state = _state(helm, write, given)
        words, stdin = _words(helm, write, given, state)
    except HelmError as error:
        raise _not_done(error) from error
    done = helm.run(words, given=stdin, limit_s=_most_s(given))
    if done.code != 0:
        raise _failed(helm, write, given, state, done)
    return {"release": given["release"], "namespace": given["namespace"]}


def release_holds(helm: Helm, write: Write, given: Mapping[str, Any]) -> bool | None:
    """Whether the release is as the upgrade makes it; None where it was, or is on the way. Errors: WriteFailed."""
    try:
        state = _state(helm, write, given)
    except HelmError as error:
        raise _not_done(error) from error
    if state.newest is None:
        return False
    if state.ours is None:
        return None if state.newest.status in PENDING else False
    return True if state.is_ours and state.newest.status == "deployed" else None


def _state(helm: Helm, write: Write, given: Mapping[str, Any]) -> _State:
    mark = str(given.get("mark") or mark_of(write))
    found = revisions(helm, given["release"], given["namespace"])
    ours = next((r.number for r in reversed(found) if r.description == description_of(mark)), None)
    if found and ours is None and found[-1].status not in AT_REST:
        # What failed or is pending has another description; the label is there from its first moment on.
        marked = is_marked(helm, given["release"], given["namespace"], mark)
        ours = found[-1].number if marked else None
    return _State(found, ours)


def _words(helm: Helm, write: Write, given: Mapping[str, Any], state: _State) -> tuple[list[str], str]:
    """helm's words and standard input. Errors: HelmError, and WriteFailed where there is nothing to do."""
    if write.operation == "helm:upgrade":
        _verify_free(helm, state, given)
        words = with_chart(helm_arguments(write), str(given["chart"]), archive(helm, given))
        return [*words, "--values", "-"], values_text(given)
    _verify_ours(state, given)
    words = helm_arguments(write)
    return ([*words[:2], str(_before(state, given)), *words[2:]] if write.operation == "helm:rollback" else words), ""


def _verify_free(helm: Helm, state: _State, given: Mapping[str, Any]) -> None:
    """Errors: WriteFailed THERE where it is done already, HelmError where helm is at work or somebody went on."""
    name, newest = _name(given), state.newest
    if newest is None:
        return
    if state.ours is None:
        verify_new(helm, given, state.all)
    if newest.status in PENDING:
        raise pending(given, newest)
    if state.is_ours and newest.status == "deployed":
        raise WriteFailed(Trouble.THERE, f"{name} is deployed as revision {newest.number}, and that is this change")
    if state.ours is not None and not state.is_ours:
        message = f"{name} had this change as revision {state.ours}, and {newest.number} was made since"
        raise HelmError("release-changed", Trouble.CONFLICT, message, "make the plan again")


def _verify_ours(state: _State, given: Mapping[str, Any]) -> None:
    """Errors: WriteFailed GONE where nothing of it is left, HelmError where it is not as this plan left it."""
    name, newest = _name(given), state.newest
    if newest is None or newest.status == "uninstalled":
        raise WriteFailed(Trouble.GONE, f"there is no {name}")
    if state.ours is None:
        raise HelmError("release-not-ours", Trouble.CONFLICT, f"{name} has no revision that this plan made")
    if not state.is_ours and newest.description == f"Rollback to {_number_before(state)}":
        raise WriteFailed(Trouble.GONE, f"{name} is rolled back already, by revision {newest.number}")
    if not state.is_ours:
        message = f"{name} was made as revision {state.ours} by this plan, and {newest.number} was made since"
        raise HelmError("release-changed", Trouble.CONFLICT, message, f"helm history {_quoted(given)} says what it is")
    if newest.status in PENDING and datetime.now(UTC) - newest.updated < STILL_AT_WORK:
        raise pending(given, newest)


def _before(state: _State, given: Mapping[str, Any]) -> int:
    found = _number_before(state)
    if found is None:
        message = f"{_name(given)} has no revision before {state.ours} to go back to"
        raise HelmError("no-revision-before", Trouble.CONFLICT, message)
    return found


def _number_before(state: _State) -> int | None:
    """The revision that was at rest before ours; None where there is none."""
    mine = state.ours or 0
    return max((r.number for r in state.all if r.number < mine and r.status in AT_REST), default=None)


def _failed(helm: Helm, write: Write, given: Mapping[str, Any], before: _State, done: Done) -> WriteFailed:
    """What became of a run that failed: nothing, or a release that is half-made. That one is not known to be undone."""
    failure = failure_of(done, f"{write.operation.replace(':', ' ')} {given['release']}")
    try:
        after = _state(helm, write, given)
    except HelmError as error:
        message = f"{failure.message}; what became of it cannot be seen: {error.message}"
        return WriteFailed(Trouble.LOST, message, failure.hint)
    if after.newest == before.newest:
        # No revision was begun, so nothing was made; a time-out says nothing else here.
        trouble = Trouble.INVALID if failure.trouble is Trouble.LOST else failure.trouble
        return WriteFailed(trouble, failure.message, failure.hint)
    newest = after.newest
    state = f"{newest.status}, revision {newest.number}" if newest else "gone"
    message = f"{failure.message}; {_name(given)} is left half-made ({state})"
    return WriteFailed(Trouble.LOST, message, failure.hint or "mend what it names, then apply again, or undo it")


_UNIT_S = {"s": 1.0, "m": 60.0, "h": 3600.0}


def _most_s(given: Mapping[str, Any]) -> float:
    """So long the whole run may take: helm's time-out is for each hook, and there are those before and after."""
    parts = re.findall(r"([\d.]+)([smh])", str(given.get("timeout", "")))
    return 3 * (sum(float(number) * _UNIT_S[unit] for number, unit in parts) or _DEFAULT_S) + _MARGIN_S


def _name(given: Mapping[str, Any]) -> str:
    return f"release {given['namespace']}/{given['release']}"


def _quoted(given: Mapping[str, Any]) -> str:
    return f"{shlex.quote(given['release'])} --namespace {shlex.quote(given['namespace'])}"


def _not_done(error: HelmError) -> WriteFailed:
    """A failure before the write itself: nothing was changed, whatever it was."""
    trouble = Trouble.REFUSED if error.trouble is Trouble.LOST else error.trouble
    return WriteFailed(trouble, error.message, error.hint)
