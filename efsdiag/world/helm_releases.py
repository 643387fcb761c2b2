"""Whose a release is that is there, and whether helm may go over it. Nothing is changed."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

from efsdiag.changes import Trouble
from efsdiag.releases import ANY_MARK, Origin, Revision, mark_in
from efsdiag.world.helm import Helm, HelmError
from efsdiag.world.helm_reads import AT_REST, PENDING, is_marked, revisions


def origin_of(helm: Helm, release: str, namespace: str) -> Origin | None:
    """Whose the release is; None where there is none. Errors: HelmError."""
    found = revisions(helm, release, namespace)
    return _origin(helm, found, release, namespace) if found and found[-1].status != "uninstalled" else None


def verify_new(helm: Helm, given: Mapping[str, Any], found: Sequence[Revision]) -> None:
    """Errors: HelmError where an upgrade is to make its release, and one is there at which helm is at work, or that is
    not efsdiag's own: its values would be replaced, and an undo would take all of it away.
    """
    if not given.get("new") or not found or found[-1].status == "uninstalled":
        return
    release, namespace, newest = str(given["release"]), str(given["namespace"]), found[-1]
    if newest.status in PENDING:
        raise pending(given, newest)
    origin = _origin(helm, found, release, namespace)
    if not origin.mark:
        message = f"release {namespace}/{release} is there ({newest.chart}, {newest.status}), and stays: {origin.why}"
        words = f"helm uninstall {shlex.quote(release)} --namespace {shlex.quote(namespace)}"
        hint = f"name another release in the settings; or, where nobody needs it, take it away: {words}"
        raise HelmError("release-there", Trouble.CONFLICT, message, hint)


def pending(given: Mapping[str, Any], newest: Revision) -> HelmError:
    """A release at which helm is at work, or was killed at its work. It is never gone over blindly."""
    since = newest.updated.astimezone(UTC).strftime("%H:%M:%S UTC")
    name = f"release {given['namespace']}/{given['release']}"
    message = f"{name} is {newest.status} since {since} (revision {newest.number})"
    verb = "uninstall" if newest.status in ("pending-install", "uninstalling") else "rollback"
    how = f"helm {verb} {shlex.quote(given['release'])} --namespace {shlex.quote(given['namespace'])}"
    hint = f"another helm is at work, or was killed: wait for it; where none runs any more, {how}"
    return HelmError("release-pending", Trouble.CONFLICT, message, hint)


def _origin(helm: Helm, found: Sequence[Revision], release: str, namespace: str) -> Origin:
    """It is efsdiag's own where the first revision that came to its end has the mark, and the newest has one as well.

    A label alone says so for a newest one before which none came to its end; helm hands labels on to the revisions of
    others. What failed before the first that is efsdiag's own is, too: `verify_new` goes over nobody else's.
    """
    settled = [revision for revision in found if revision.status in AT_REST]
    first, newest = (settled or found)[0], found[-1]
    mark = mark_in(newest.description)
    if not settled and not mark and is_marked(helm, release, namespace, ANY_MARK):
        mark = ANY_MARK
    if found[0].number != 1:
        return Origin("", f"its first revision is no longer in helm's history, which begins with {found[0].number}")
    if not (mark_in(first.description) or mark == ANY_MARK):
        return Origin("", f"its revision {first.number}, {first.chart}, was not made by efsdiag")
    if not mark:
        return Origin("", f"its revision {newest.number} ({newest.status}) was not made by efsdiag")
    return Origin(mark, f"revision {newest.number} ({newest.status}) has the mark of efsdiag")
