"""The charts of an install, wired: where they come from, whether they know the values, and what helm would make."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from efsdiag.changes import Plan
from efsdiag.chart_keys import Mistake, mistakes, slips
from efsdiag.charts import driver_release, prometheus_release
from efsdiag.cli.faults import FAILED, USAGE, Fault
from efsdiag.cli.output import width
from efsdiag.cli.sources import LiveOptions
from efsdiag.cli.writers import helm_identity
from efsdiag.releases import Release
from efsdiag.report.layout import Line, line
from efsdiag.report.release_text import release_lines
from efsdiag.report.text import safe
from efsdiag.setting_names import default_settings
from efsdiag.settings import Driver, Prometheus, Settings
from efsdiag.settings_file import setting_place

_Part = TypeVar("_Part", Driver, Prometheus)
_RELEASES: dict[str, Callable[[Settings], Release]] = {"driver": driver_release, "prometheus": prometheus_release}
"""Section of the settings → the release that it makes."""


def with_charts(settings: Settings, given: Mapping[str, Any], file: Path | None = None) -> Settings:
    """The settings with the archives that are at hand, each with its digest, after their values were looked at.

    A chart of a repository is fetched only where its values are not efsdiag's own, since a second run of an install
    needs none. `file` is where the settings stand, for the line of a mistake. Errors: Fault.
    """
    folder = Path(given["charts_dir"]) if given.get("charts_dir") else None
    driver = _located(settings.driver, "driver", folder)
    made = replace(settings, driver=driver, prometheus=_located(settings.prometheus, "prometheus", folder))
    for name in _RELEASES:
        if _is_to_be_looked_at(getattr(made, name), getattr(default_settings(), name)):
            _verify_values(name, made, given, file)
    return made


def releases_of(plan: Plan, live: LiveOptions) -> list[Line]:
    """What helm would make for each release of the plan, by its own dry run; [] for a plan without any."""
    writes = [c.write for c in plan.changes if c.write.operation == "helm:upgrade"]
    if not writes:
        return []
    from efsdiag.world.helm import Helm
    from efsdiag.world.helm_preview import preview

    with Helm(helm_identity(live, plan.place.context)) as helm:
        found = [preview(helm, write, plan.place.region) for write in writes]
    return [(), line("WHAT HELM WOULD MAKE   its own dry run", "title"), *release_lines(found, width())]


def verify_releases(plan: Plan, live: LiveOptions) -> None:
    """Before anybody is asked: no release of others is in the way of the plan's. Errors: Fault."""
    writes = [c.write for c in plan.changes if c.write.operation == "helm:upgrade"]
    if not writes:
        return
    from efsdiag.world.helm import Helm, HelmError
    from efsdiag.world.helm_reads import revisions
    from efsdiag.world.helm_releases import verify_new

    with Helm(helm_identity(live, plan.place.context)) as helm:
        for given in (write.parameters for write in writes):
            try:
                verify_new(helm, given, revisions(helm, given["release"], given["namespace"]))
            except HelmError as error:
                raise Fault(error.reference, error.message, error.hint, FAILED) from error


def _located(part: _Part, name: str, folder: Path | None) -> _Part:
    """The section with its archive and that one's digest. Errors: Fault."""
    if not part.archive and folder is None:
        return part
    from efsdiag.world.helm_reads import digest_of

    path = (
        Path(part.archive)
        if part.archive
        else Path(folder or "", f"{part.chart.rpartition('/')[2]}-{part.version}.tgz")
    )
    try:
        found = digest_of(path)
    except OSError as error:
        there = ", ".join(sorted(p.name for p in path.parent.glob("*.tgz"))) or "no archive"
        hint = f"{path.parent} has {there}; helm pull {part.chart} --repo {part.repository} --version {part.version}"
        raise Fault("chart-not-found", f"{path} cannot be read: {error.strerror}", hint, USAGE) from error
    if part.digest and part.digest != found:
        message = f"{path} has the digest {found}; {name}.digest is {part.digest}"
        raise Fault("chart-changed", message, "compare it with the chart's provenance, or correct the setting", USAGE)
    return replace(part, archive=str(path.resolve()), digest=found)


def _is_to_be_looked_at(part: Driver | Prometheus, usual: Driver | Prometheus) -> bool:
    pinned = (part.chart, part.repository, part.version) == (usual.chart, usual.repository, usual.version)
    return bool(part.archive or part.values) or not pinned


def _verify_values(name: str, settings: Settings, given: Mapping[str, Any], file: Path | None) -> None:
    """Errors: Fault for a chart that cannot be read, and for values that helm would ignore."""
    from efsdiag.world.chart_archive import read_chart
    from efsdiag.world.helm import Helm, HelmError, Identity
    from efsdiag.world.helm_reads import archive

    release = _RELEASES[name](settings)
    region = settings.driver.region or settings.region or str(given.get("region") or "")
    try:
        with Helm(Identity()) as helm:
            chart = read_chart(archive(helm, release.write.parameters))
    except HelmError as error:
        part = getattr(settings, name)
        if not given.get("allow_unknown_values"):
            # What everybody gets wrong in the pinned chart is known without a look into it.
            _refuse(slips(part.values, part.chart, part.version, region), name, file)
        raise Fault(error.reference, error.message, error.hint, USAGE) from error
    found = mistakes(release.values, chart, region)
    if not given.get("allow_unknown_values"):
        _refuse(found, name, file)
    _warn(found, name, None)


def _refuse(found: Sequence[Mistake], name: str, file: Path | None) -> None:
    """Errors: Fault for the first mistake, after the others were told; where there is none, nothing happens."""
    if not found:
        return
    first, *others = found
    _warn(others, name, file)
    more = f"; and {len(others)} more" if others else ""
    hint = f"{first.hint}; --allow-unknown-values goes on all the same"
    raise Fault("chart-value-unknown", f"{_place_of(first, name, file)}: {first.says}{more}", hint, USAGE)


def _warn(found: Sequence[Mistake], name: str, file: Path | None) -> None:
    for mistake in found:
        print(f"{_place_of(mistake, name, file)}: {safe(mistake.says)}; {safe(mistake.hint)}", file=sys.stderr)


def _place_of(mistake: Mistake, name: str, file: Path | None) -> str:
    """Where the value stands: "efsdiag.yaml:6 driver.values", or without the line where it is in no file."""
    where = setting_place(file, (name, "values", *mistake.path)) if file and file.is_file() else ""
    return f"{where} {name}.values".strip()
