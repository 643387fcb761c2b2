"""Kubernetes label and field selectors over objects as JSON, as the API server applies them.

Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
        https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from efsdiag.semantics.selectors import expression_matches, requirements_of, terms_of

Match: TypeAlias = Callable[[Mapping[str, Any]], bool]
"""Object (as JSON) → whether it is selected."""

_FIELD = re.compile(r"\s*(?P<path>[^\s,!=]+?)\s*(?P<sign>==|!=|=)(?P<value>(?:\\.|[^\\,=])*)(?:,|$)")
_ESCAPED = re.compile(r"\\([\\,=])")
# The server gives a field that is not set its zero value, and that of a boolean is not empty.
_ZERO = {"spec.unschedulable": "false", "spec.hostNetwork": "false"}


def label_selector(text: str) -> Match:
    """The test that `text` describes: "a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1". The empty text selects everything.

    Errors: ValueError where it is not a label selector.
    """
    wanted = requirements_of(text)
    return lambda item: all(expression_matches(requirement, _labels(item)) for requirement in wanted)


def field_selector(text: str) -> Match:
    """The test that `text` describes: "spec.nodeName=a,status.phase!=Failed". The empty text selects everything.

    Any dotted path serves, although a server knows only a few of each kind. A field that is not set is "".

    Errors: ValueError where it is not a field selector.
    """
    wanted = []
    for term in terms_of(_FIELD, text, "field"):
        value = _ESCAPED.sub(r"\1", term["value"])
        wanted.append((term["path"], value, term["sign"] != "!="))
    return lambda item: all((_field(item, path) == value) is equal for path, value, equal in wanted)


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
