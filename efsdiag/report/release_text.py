"""What helm would make, as lines: each release as it is now, the objects, and values that its chart does not know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from efsdiag.releases import Preview, Revision
from efsdiag.report.layout import Line, line
from efsdiag.report.text import safe, wrapped

_AT_WORK = "pending"


def release_lines(previews: Iterable[Preview], width: int) -> list[Line]:
    """The lines of every release."""
    return [made for preview in previews for made in _release(preview, width)]


def _release(preview: Preview, width: int) -> list[Line]:
    lines = [line(f"  release {safe(preview.namespace)}/{safe(preview.release)}: {_now(preview.now)}")]
    rendered = preview.rendered
    if rendered is None:
        lines += _wrapped(f"what it would make is not known: {preview.trouble}", width, "warn")
        return lines + _wrapped(preview.hint, width, "dim")
    count = len(rendered.objects)
    objects = f"{count} object{'' if count == 1 else 's'}: {_listed(rendered.objects)}"
    lines += _wrapped(f"chart {preview.chart}, {objects}", width)
    if rendered.hooks:
        lines += _wrapped(f"hooks, which stay when the release goes: {_listed(rendered.hooks)}", width)
    if not rendered.server:
        lines += _wrapped("rendered without asking the cluster, which refused what the chart looks up", width, "warn")
    for ignored in preview.ignored:
        lines += _wrapped(ignored, width, "warn")
    return lines


def _now(revision: Revision | None) -> str:
    """What stands there now, in words."""
    if revision is None:
        return "new"
    state = f"{safe(revision.status)} as revision {revision.number} ({safe(revision.chart)})"
    if revision.status == "failed":
        return f"{state}, and gone over by this: {safe(revision.description)}"
    return f"{state}, and helm would refuse to go over it" if revision.status.startswith(_AT_WORK) else state


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _wrapped(text: str, width: int, style: str = "") -> list[Line]:
    return [line(f"    {part}", style) for part in wrapped(safe(text), width - 4)] if text else []
