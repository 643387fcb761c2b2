"""What an upgrade would make, for people who are to agree to it. Nothing is changed, and nothing stops here."""

from __future__ import annotations

from efsdiag.changes import Write, with_lookups
from efsdiag.chart_keys import mistakes
from efsdiag.releases import Preview, Revision
from efsdiag.world.chart_archive import read_chart
from efsdiag.world.helm import Helm, HelmError
from efsdiag.world.helm_reads import archive, dry_run, revisions
from efsdiag.world.helm_releases import verify_new

LATER = "looked-up-when-it-is-made"
"""Stands in a dry run for a value that is looked up only when the release is made."""


def preview(helm: Helm, write: Write, region: str = "") -> Preview:
    """What the upgrade would make; with the reason, where helm does not say that."""
    given = with_lookups(write.parameters, lambda _: LATER)
    release, namespace = str(given["release"]), str(given["namespace"])
    now: Revision | None = None
    try:
        found = revisions(helm, release, namespace)
        now = next(reversed(found), None)
        verify_new(helm, given, found)
        path = archive(helm, given)
        chart = read_chart(path)
        rendered = dry_run(helm, write, given, path)
    except HelmError as error:
        return Preview(release, namespace, now, trouble=error.message, hint=error.hint)
    ignored = tuple(f"{m.says}; {m.hint}" for m in mistakes(given["values"], chart, region))
    return Preview(release, namespace, now, f"{chart.name} {chart.version}", rendered, ignored)
