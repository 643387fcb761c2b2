"""Changes of Helm releases, as remedies propose them.

An upgrade marks the revision that it makes with its own description. The undo names that mark: it takes back that
revision and no other one, by uninstalling a release that began with it, or by going back to the one before it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from efsdiag.changes import Change, Risk, Write
from efsdiag.model import Ref
from efsdiag.writes import is_archive, mark_of, write_of

ANY_MARK = "*"
"""Stands for the mark of any revision that efsdiag made, where a failure took the place of its description."""
_DESCRIBED = re.compile(r"efsdiag ([0-9a-f]{16})")


def mark_in(description: str) -> str:
    """The mark in the description of a revision; "" where efsdiag did not make it, or not to its end."""
    found = _DESCRIBED.fullmatch(description)
    return found[1] if found else ""


@dataclass(frozen=True)
class Chart:
    """Which chart a release is made of."""

    chart: str
    """Its name in the repository, an oci:// address, or the path of a .tgz archive."""
    repository: str = ""
    version: str = ""
    digest: str = ""
    """"sha256:…" of the archive, where it is known: another archive is then refused."""


@dataclass(frozen=True)
class Release:
    """A Helm release as it is to be."""

    name: str
    namespace: str
    chart: Chart
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)
    create_namespace: bool = False
    timeout: str = "5m"
    """How long helm waits for the chart's hooks."""

    @property
    def write(self) -> Write:
        """The upgrade that makes it so; it installs the release where there is none.

        The parameters are release, namespace, chart, repository, version, digest, values, createNamespace and timeout;
        and `new`, where no release of others may be there.
        """
        return write_of(
            "helm:upgrade",
            release=self.name,
            namespace=self.namespace,
            chart=self.chart.chart,
            repository="" if is_archive(self.chart.chart) else self.chart.repository,
            version="" if is_archive(self.chart.chart) else self.chart.version,
            digest=self.chart.digest,
            values=dict(self.values),
            createNamespace=self.create_namespace,
            timeout=self.timeout,
        )


def release_change(release: Release, words: str, on: Ref, *, present: bool) -> Change:
    """The change that makes the release as it is to be, with its undo.

    `present` says that there is a release of that name: then the undo goes back to the revision before this one, else
    it uninstalls the release.
    """
    # An undo of what was to be new takes all of it away, so a release of others is not gone over then.
    write = write_of("helm:upgrade", **release.write.parameters, new=not present)
    undo = write_of(
        "helm:rollback" if present else "helm:uninstall",
        release=release.name,
        namespace=release.namespace,
        mark=mark_of(write),
    )
    stays = "CustomResourceDefinitions of the chart, and what its hooks made, stay"
    stays += "" if present or not release.create_namespace else f", and so does the namespace {release.namespace}"
    return Change(write, words, on, Risk.DISRUPTIVE if present else Risk.SAFE, undo, stays)


@dataclass(frozen=True)
class Revision:
    """One revision of a release that there is."""

    number: int
    status: str
    chart: str
    description: str
    updated: datetime


@dataclass(frozen=True)
class Origin:
    """Whose a release is that is there."""

    mark: str
    """The mark of its newest revision, where efsdiag made the release and nobody went on from there; else ""."""
    why: str
    """In words: which revision says so."""


@dataclass(frozen=True)
class Rendered:
    """What a dry run of an upgrade would make."""

    objects: tuple[str, ...]
    """"Deployment/prometheus-server", in the order of the manifest."""
    hooks: tuple[str, ...]
    server: bool
    """Whether the cluster was asked; else the chart was only rendered here."""


@dataclass(frozen=True)
class Preview:
    """One release as it is now, and what would be made of it."""

    release: str
    namespace: str
    now: Revision | None = None
    """Its newest revision; None where there is none."""
    chart: str = ""
    """Name and version of the chart that would be installed."""
    rendered: Rendered | None = None
    """None where nobody can say it."""
    ignored: tuple[str, ...] = ()
    """Values that the chart does not know, each with what was meant."""
    trouble: str = ""
    """Why nobody can say what would be made."""
    hint: str = ""
