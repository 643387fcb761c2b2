"""Kubernetes label and field selectors over objects as JSON, as the API server applies them.

Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
        https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Match: TypeAlias = Callable[[Mapping[str, Any]], bool]
"""Object (as JSON) → whether it is selected."""

_TERM = re.compile(
    r"""\s*(?:
        (?P<absent>!)\s*(?P<no_key>[^\s,!=<>()]+)
      | (?P<key>[^\s,!=<>()]+)(?:
            \s+(?P<set>in|notin)\s*\((?P<values>[^()]*)\)
          | \s*(?P<sign>==|!=|=|<|>)\s*(?P<value>[^\s,!=<>()]*)
        )?
    )\s*(?:,|$)""",
    re.VERBOSE,
)
_FIELD = re.compile(r"\s*(?P<path>[^\s,!=]+?)\s*(?P<sign>==|!=|=)(?P<value>(?:\\.|[^\\,=])*)(?:,|$)")
_ESCAPED = re.compile(r"\\([\\,=])")
# The server gives a field that is not set its zero value, and that of a boolean is not empty.
_ZERO = {"spec.unschedulable": "false", "spec.hostNetwork": "false"}


def label_selector(text: str) -> Match:
    """The test that `text` describes: "a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1". The empty text selects everything.

    Errors: ValueError where it is not a label selector.
    """
    tests = [_label_test(term) for term in _terms(_TERM, text, "label")]
    return lambda item: all(test(_labels(item)) for test in tests)


def field_selector(text: str) -> Match:
    """The test that `text` describes: "spec.nodeName=a,status.phase!=Failed". The empty text selects everything.

    Any dotted path serves, although a server knows only a few of each kind. A field that is not set is "".

    Errors: ValueError where it is not a field selector.
    """
    wanted = []
    for term in _terms(_FIELD, text, "field"):
        value = _ESCAPED.sub(r"\1", term["value"])
        wanted.append((term["path"], value, term["sign"] != "!="))
    return lambda item: all((_field(item, path) == value) is equal for path, value, equal in wanted)


def _terms(pattern: re.Pattern[str], text: str, kind: str) -> list[re.Match[str]]:
    """The comma-separated terms, each matched by `pattern`, with nothing between them and nothing left."""
    found: list[re.Match[str]] = []
    rest = text.strip()
    while rest:
        term = pattern.match(rest)
        if term is None or (term[0] == rest and rest.endswith(",")):
            raise ValueError(f"{kind}-selector-malformed: {text!r} is not a {kind} selector from {rest!r} on")
        found.append(term)
        rest = rest[term.end() :]
    return found


def _label_test(term: re.Match[str]) -> Callable[[Mapping[str, str]], bool]:
    key, value, sign = term["no_key"] or term["key"], term["value"], term["sign"]
    if term["absent"]:
        return lambda labels: key not in labels
    if term["set"]:
        # An empty list stands for one empty value, as it does for the server: "a in ()" selects a="".
        values = {part.strip() for part in term["values"].split(",")}
        inside = term["set"] == "in"
        return lambda labels: (key in labels and labels[key] in values) is inside
    if sign in ("<", ">"):
        if not re.fullmatch(r"-?\d+", value):
            raise ValueError(f"label-selector-malformed: {term[0]!r} compares with {value!r}; an integer is wanted")
        return lambda labels: _compares(labels.get(key, ""), sign, int(value))
    if sign is None:
        return lambda labels: key in labels
    equal = sign != "!="
    return lambda labels: (labels.get(key) == value) is equal


def _compares(label: str, sign: str, bound: int) -> bool:
    if not re.fullmatch(r"-?\d{1,18}", label):
        return False
    return int(label) > bound if sign == ">" else int(label) < bound


def _labels(item: Mapping[str, Any]) -> Mapping[str, str]:
    labels = (item.get("metadata") or {}).get("labels")
    return labels if isinstance(labels, Mapping) else {}


def _field(item: Mapping[str, Any], path: str) -> str:
    """The field as the server compares it: text as it is, true and false in lower case, and "" where it is not set."""
    value: Any = item
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if path == "source" and isinstance(value, Mapping):  # of an event, the server compares source.component
        value = value.get("component") or item.get("reportingComponent")
    if value is None:
        return _ZERO.get(path, "")
    return str(value).lower() if isinstance(value, bool) else str(value)
