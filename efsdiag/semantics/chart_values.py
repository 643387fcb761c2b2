"""Which values a chart knows. Helm ignores a key that no template of the chart asks for, without a word.

A key is known where the chart's values.yaml has it (as a comment too), where its schema has it, or where a template
asks for it. A mapping that a template takes as a whole, or that is empty in values.yaml, may have any key.

Source: https://helm.sh/docs/chart_template_guide/values_files/ https://helm.sh/docs/topics/charts/#schema-files
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

Keys = tuple[str, ...]

_ACTION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_REFERENCE = re.compile(r"\.Values((?:\.[A-Za-z_][\w]*)*)(?![\w.-])")
_INDEXED = re.compile(r"index\s+\$?\.Values((?:\.[A-Za-z_]\w*)*)((?:\s+\"[^\"]+\")+)")
_HAS_KEY = re.compile(r"(?:hasKey|get|dig)\s+\$?\.Values((?:\.[A-Za-z_]\w*)*)\s+\"([^\"]+)\"")
_WHOLE = re.compile(
    r"\b(toYaml|toJson|range|with|include|template|tpl|dict|merge|mergeOverwrite|deepCopy|keys|set)\b|:="
)
_PRINTED = re.compile(r"\b(toYaml|toJson|range\b[^|]*)\s*\(?\s*\$?\.Values(\.[A-Za-z_]\w*)?\s*(\)|\||-?$)")
_COMMENTED = re.compile(r"^(\s*)#+ ?(\s*)([A-Za-z][\w./-]*):(\s|$)")
_KEY = re.compile(r"^(\s*)([\"']?)([\w./-]+)\2:(\s|$)")


@dataclass(frozen=True)
class Chart:
    """What an archive says of its values. Subcharts stand under the key that their values have in this chart."""

    name: str
    version: str
    values: Mapping[str, Any] = field(hash=False)
    values_text: str = ""
    """values.yaml as it is written, for what stands there as a comment."""
    schema: Mapping[str, Any] = field(default_factory=dict, hash=False)
    templates: str = ""
    """All templates, one after another."""
    subcharts: Mapping[str, Chart] = field(default_factory=dict, hash=False)

    @cached_property
    def known(self) -> frozenset[Keys]:
        """Every path that values.yaml, its comments, the schema or a template has."""
        found = {*_paths(self.values), *_commented(self.values_text), *_of_schema(self.schema), *self._asked}
        for key, chart in self.subcharts.items():
            found |= {(key, *path) for path in chart.known} | {(key,), (key, "enabled")}
        return frozenset(path[:n] for path in found for n in range(1, len(path) + 1))

    @cached_property
    def _asked(self) -> frozenset[Keys]:
        found: set[Keys] = set()
        for action in _actions(self.templates):
            found |= {_dotted(text) for text in _REFERENCE.findall(action)}
            found |= {(*_dotted(text), *re.findall(r'"([^"]+)"', more)) for text, more in _INDEXED.findall(action)}
            found |= {(*_dotted(text), key) for text, key in _HAS_KEY.findall(action)}
        return frozenset(found)

    @cached_property
    def taken_whole(self) -> frozenset[Keys]:
        """Paths of mappings that a template takes as a whole, so that any key of them may matter.

        All values, and all of a subchart, are handed on to helpers that ask for single ones; so they count only where
        they are printed or gone through.
        """
        roots = {(), *((key,) for key in self.subcharts)}
        found: set[Keys] = set()
        for action in _actions(self.templates):
            if _WHOLE.search(action):
                printed = bool(_PRINTED.search(action))
                asked = {_dotted(text) for text in _REFERENCE.findall(action)}
                found |= asked if printed else asked - roots
        for key, chart in self.subcharts.items():
            found |= {(key, *path) for path in chart.taken_whole}
        return frozenset(found)

    def default(self, path: Keys) -> Any:
        """The value at the path as the chart has it; None where it has none."""
        at: Any = self.values
        for key in path:
            at = at.get(key) if isinstance(at, Mapping) else None
        below = self.subcharts.get(path[0]) if path else None
        if below is not None and at is None:
            return below.default(path[1:]) if len(path) > 1 else below.values
        return at


@dataclass(frozen=True)
class UnknownKey:
    """A value that was given and that the chart does not know."""

    path: Keys
    near: Keys = ()
    """The known one that was probably meant; empty where none is near."""
    default: Any = None
    says: str = ""
    """What values.yaml says of the near one."""


def unknown_keys(given: Mapping[str, Any], chart: Chart) -> list[UnknownKey]:
    """The given values that the chart does not know, in the order of the values; for each the outermost such key.

    A value may be a template itself, which asks for another of the given values.
    """
    own = frozenset(
        _dotted(text) for action in _actions("\n".join(_texts(given))) for text in _REFERENCE.findall(action)
    )
    return [_explained(path, chart) for path in _unknown(given, (), chart, own)]


def _unknown(given: Any, path: Keys, chart: Chart, own: frozenset[Keys]) -> Iterator[Keys]:
    if not isinstance(given, Mapping) or (path and path[-1] == "global"):
        return
    if path in chart.taken_whole or (path and (path in own or not _has_children(path, chart))):
        return
    for key, value in given.items():
        here = (*path, key)
        if here in chart.known or key == "global":
            yield from _unknown(value, here, chart, own)
        elif not any(asked[: len(here)] == here for asked in own):
            yield here


def _texts(given: Any) -> Iterator[str]:
    if isinstance(given, str):
        yield given
    elif isinstance(given, Mapping | list):
        for value in given.values() if isinstance(given, Mapping) else given:
            yield from _texts(value)


def _has_children(path: Keys, chart: Chart) -> bool:
    """Whether the chart says which keys the mapping has; an empty one, and what is no mapping, may have any."""
    default = chart.default(path)
    if isinstance(default, Mapping) and default:
        return True
    size = len(path)
    return any(len(known) > size and known[:size] == path for known in chart.known) and default is None


def _explained(path: Keys, chart: Chart) -> UnknownKey:
    near = _nearest(path, chart)
    says = comment_above(chart, near) if near else ""
    return UnknownKey(path, near, chart.default(near) if near else None, says)


def _nearest(path: Keys, chart: Chart) -> Keys:
    """A sibling with a name like it, else the known path nearest to the root that ends in the same name."""
    *above, key = path
    able = [known for known in chart.known if not _is_example(known, chart)]
    beside = {known[-1].lower(): known for known in able if known[:-1] == tuple(above)}
    found = difflib.get_close_matches(key.lower(), beside, 1, 0.7)
    if found:
        return beside[found[0]]
    same = [known for known in able if known[-1].lower() == key.lower()]
    return min(same, key=lambda known: (known[0] in chart.subcharts, len(known), known), default=())


def _is_example(path: Keys, chart: Chart) -> bool:
    """Whether it stands in a mapping that may have any key: then it is one that somebody else once had."""
    return any(path[:n] in chart.taken_whole for n in range(1, len(path)))


def comment_above(chart: Chart, path: Keys) -> str:
    """The comment that stands above the key in values.yaml, on one line; "" where there is none."""
    below = chart.subcharts.get(path[0]) if path else None
    if below is not None and len(path) > 1:
        return comment_above(below, path[1:])
    held: list[str] = []
    for line, here in _lines(chart.values_text):
        if _KEY.match(line) and tuple(name for _, name in here) == path:
            return _first_sentence(" ".join(" ".join(held).split()))
        text = line.strip()
        held = [*held, text.lstrip("#").strip()] if text.startswith("#") else []
    return ""


def _first_sentence(text: str) -> str:
    """The first sentence, without an example or an address behind it, and without its full stop."""
    text = re.split(r"(?i)(?<=[.!?])\s|\s*\bref\b[.:]|\s*\bexample\b|\s*https?://", text, maxsplit=1)[0]
    return text.strip().rstrip(".")[:160]


def _paths(values: Any, path: Keys = ()) -> Iterator[Keys]:
    if isinstance(values, Mapping):
        for key, value in values.items():
            yield (*path, str(key))
            yield from _paths(value, (*path, str(key)))


def _of_schema(schema: Any, path: Keys = ()) -> Iterator[Keys]:
    if isinstance(schema, Mapping) and isinstance(schema.get("properties"), Mapping):
        for key, below in schema["properties"].items():
            yield (*path, str(key))
            yield from _of_schema(below, (*path, str(key)))


def _commented(text: str) -> Iterator[Keys]:
    """Keys that stand in values.yaml as a comment, below the mapping in which the comment stands."""
    for line, path in _lines(text):
        comment = _COMMENTED.match(line)
        if comment:
            yield (*(name for column, name in path if column < len(comment[1])), comment[3])


def _lines(text: str) -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """Each line with the keys from the root down to the last one so far, each with its column."""
    path: list[tuple[int, str]] = []
    for line in text.splitlines():
        found = _KEY.match(line)
        if found:
            path = [*(above for above in path if above[0] < len(found[1])), (len(found[1]), found[3])]
        yield line, path


def _actions(templates: str) -> list[str]:
    """What stands between braces, without comments."""
    return [action for action in _ACTION.findall(templates) if not action.lstrip("- ").startswith("/*")]


def _dotted(text: str) -> Keys:
    return tuple(part for part in text.split(".") if part)
