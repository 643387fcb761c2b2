"""What is wrong with a value that a chart does not know, in words: which one was meant, and what that one does here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any

from efsdiag.semantics.chart_values import Chart, Keys, UnknownKey, comment_above, unknown_keys
from efsdiag.yaml_files import Entry, RuleError, entries, nearest

_KEYS = {"meant": str, "does": str, "only_in": list, "elsewhere": str, "inside": str}


@dataclass(frozen=True)
class WellKnown:
    """A key that people give to a chart and that it does not have."""

    key: Keys
    meant: Keys
    """Empty where the chart has none for it."""
    does: str
    only_in: tuple[str, ...] = ()
    """Beginnings of the names of the regions in which it does that; empty for all."""
    elsewhere: str = ""
    """What happens in other regions; <region> stands for the region."""
    inside: Keys = ()
    """The value of the chart, a directory, in which the one that was given has to lie."""


@dataclass(frozen=True)
class Mistake:
    """A value that helm would ignore."""

    path: Keys
    says: str
    hint: str


def mistakes(given: Mapping[str, Any], chart: Chart, region: str) -> list[Mistake]:
    """The values that helm would ignore, each with the one that was meant and what that one would do in the region.

    `region` is "" where it is not known.
    """
    return [_mistake(unknown, given, chart, region) for unknown in unknown_keys(given, chart)]


@cache
def well_known(chart: str) -> Mapping[Keys, WellKnown]:
    """The well-known wrong keys of a chart by their path; empty for a chart without any. Errors: RuleError."""
    file = files("efsdiag.rulebook").joinpath("charts", f"{chart}.yaml")
    if not file.is_file():
        return {}
    found = [_well_known(entry) for entry in entries(file, f"rules/charts/{chart}.yaml")]
    return {known.key: known for known in found}


def _well_known(entry: Entry) -> WellKnown:
    given = entry.value if isinstance(entry.value, dict) else {}
    for key, value in given.items():
        if key not in _KEYS:
            raise RuleError("chart-key-unknown", entry.where, f"{entry.key} has {key!r}", nearest(key, _KEYS))
        if not isinstance(value, _KEYS[key]):
            raise RuleError("chart-key-mistyped", entry.where, f"{key} of {entry.key} is no {_KEYS[key].__name__}")
    if not given.keys() >= {"meant", "does"}:
        raise RuleError("chart-key-incomplete", entry.where, f"{entry.key} lacks meant or does")
    texts = (entry.key, given["meant"], given.get("inside", ""))
    path, meant, inside = (tuple(part for part in text.split(".") if part) for text in texts)
    return WellKnown(path, meant, given["does"], tuple(given.get("only_in", ())), given.get("elsewhere", ""), inside)


def _mistake(unknown: UnknownKey, given: Mapping[str, Any], chart: Chart, region: str) -> Mistake:
    known = well_known(chart.name)
    for path in (*_leaves(given, unknown.path), unknown.path):
        found = next((known[path[:n]] for n in range(len(path), 0, -1) if path[:n] in known), None)
        if found and (not found.meant or found.meant in chart.known):
            hint = _hint(found, region) + _place(found, path, given, chart)
            return Mistake(path, _says(path, chart.name, chart.version), hint)
    leaf = next(iter(_leaves(given, unknown.path)), unknown.path)
    same = (*unknown.near, *leaf[len(unknown.path) :])
    if unknown.near and same in chart.known:
        unknown = replace(unknown, near=same, default=chart.default(same), says=comment_above(chart, same))
    return Mistake(leaf, _says(leaf, chart.name, chart.version), _near(unknown))


def slips(given: Mapping[str, Any], name: str, version: str, region: str) -> list[Mistake]:
    """The well-known wrong keys among the values, where nobody could look into the chart."""
    found = [(k.key, k) for k in well_known(name).values() if _at(given, k.key) is not None]
    return [Mistake(path, _says(path, name, version), _hint(known, region)) for path, known in found]


def _says(path: Keys, name: str, version: str) -> str:
    return f"{'.'.join(path)} is no value of chart {name} {version}, and helm would ignore it"


def _place(found: WellKnown, path: Keys, given: Mapping[str, Any], chart: Chart) -> str:
    """What the right value would do here: whether the directory that was given is the right one for it."""
    value = _at(given, path)
    if not found.inside or not isinstance(value, str):
        return ""
    held = _at(given, found.inside)
    around = str(chart.default(found.inside) if held is None else held)
    if PurePosixPath(value).is_relative_to(around):
        return ""
    return f"; {value} is outside of {around}, and {'.'.join(found.inside)} would have to be changed with it"


def _at(given: Any, path: Keys) -> Any:
    """The value of that path; None where there is none."""
    for key in path:
        given = given.get(key) if isinstance(given, Mapping) else None
    return given


def _hint(found: WellKnown, region: str) -> str:
    does = found.does
    if found.only_in and region and not region.startswith(found.only_in):
        does = f"{does}; {found.elsewhere.replace('<region>', region)}"
    elif found.only_in and not region:
        does = f"{does}, in regions that begin with {' or '.join(found.only_in)} only"
    return f"did you mean {'.'.join(found.meant)}? It {does}" if found.meant else f"it has none for that: {does}"


def _near(unknown: UnknownKey) -> str:
    if not unknown.near:
        return "helm show values says what it has"
    default = "" if isinstance(unknown.default, dict | list) or unknown.default in (None, "") else unknown.default
    notes = [f"by default {default}"] if default != "" else []
    notes += [f"the chart says: {unknown.says}"] if unknown.says else []
    return f"did you mean {'.'.join(unknown.near)}?" + (f" ({'; '.join(notes)})" if notes else "")


def _leaves(given: Any, path: Keys) -> list[Keys]:
    """The paths of the values below the path that hold no further mapping."""
    at: Any = given
    for key in path:
        at = at[key]
    found: list[Keys] = []

    def walk(value: Any, here: Keys) -> None:
        if isinstance(value, Mapping) and value:
            for key, below in value.items():
                walk(below, (*here, key))
        else:
            found.append(here)

    walk(at, path)
    return found
