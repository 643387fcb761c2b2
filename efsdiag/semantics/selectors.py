"""Label selectors and node selectors, as Kubernetes matches them.

Source: k8s.io/apimachinery v0.36.2 pkg/labels/selector.go,
        k8s.io/component-helpers v0.36.2 scheduling/corev1/nodeaffinity/nodeaffinity.go
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Labels = Mapping[str, str]

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
_OPERATORS = {"in": "In", "notin": "NotIn", "=": "In", "==": "In", "!=": "NotIn", ">": "Gt", "<": "Lt"}
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_DIGITS = re.compile(r"\d+", re.ASCII)


def labels_of(thing: Mapping[str, Any]) -> dict[str, str]:
    """The labels of a Kubernetes object; empty where it has none."""
    return dict((thing.get("metadata") or {}).get("labels") or {})


def requirements_of(text: str) -> list[dict[str, Any]]:
    """The requirements that a label selector writes as text: "a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1"; [] for "".

    Shape:   [{"key", "operator", "values"}], as in matchExpressions; without values for Exists and DoesNotExist.
    Errors:  ValueError where the text is not a label selector.
    """
    return [_requirement(term) for term in terms_of(_TERM, text, "label")]


def terms_of(pattern: re.Pattern[str], text: str, kind: str) -> list[re.Match[str]]:
    """The comma-separated terms of a selector, each matched by `pattern`, with nothing between them and nothing left.

    Errors: ValueError, with `kind` in its reference, where the text is no such selector.
    """
    found: list[re.Match[str]] = []
    rest = text.strip()
    while rest:
        term = pattern.match(rest)
        if term is None or (term[0] == rest and rest.endswith(",")):
            raise ValueError(f"{kind}-selector-malformed: {text!r} is not a {kind} selector from {rest!r} on")
        found.append(term)
        rest = rest[term.end() :]
    return found


def _requirement(term: re.Match[str]) -> dict[str, Any]:
    key, sign = term["no_key"] or term["key"], term["set"] or term["sign"]
    if sign is None:
        return {"key": key, "operator": "DoesNotExist" if term["absent"] else "Exists"}
    if sign in ("<", ">") and not _DIGITS.fullmatch(term["value"]):
        raise ValueError(f"label-selector-malformed: {term[0]!r} compares with {term['value']!r}; a number is wanted")
    # An empty list stands for one empty value, as it does for the server: "a in ()" selects a="".
    values = [part.strip() for part in term["values"].split(",")] if term["set"] else [term["value"]]
    return {"key": key, "operator": _OPERATORS[sign], "values": values}


def label_selector_matches(selector: Mapping[str, Any] | None, labels: Labels) -> bool:
    """Whether a LabelSelector selects the labels: matchLabels and matchExpressions, all ANDed; None selects nothing."""
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or []
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        expression_matches(expression, labels) for expression in expressions
    )


def expression_matches(expression: Mapping[str, Any], labels: Labels) -> bool:
    """Whether one requirement holds: In, NotIn, Exists, DoesNotExist, Gt or Lt. NotIn holds where the key is absent.

    A requirement that the scheduler could not parse holds for nothing: an unknown operator, In without values, Exists
    with values, Gt with anything but one integer.
    """
    key, values = expression.get("key", ""), list(expression.get("values") or [])
    found = labels.get(key)
    match expression.get("operator"):
        case "In":
            return found in values
        case "NotIn":
            return bool(values) and found not in values
        case "Exists":
            return not values and found is not None
        case "DoesNotExist":
            return not values and found is None
        case "Gt" | "Lt" as operator:
            return _compares(found, values, greater=operator == "Gt")
    return False


def node_selector_matches(selector: Mapping[str, Any], labels: Labels, name: str = "") -> bool:
    """Whether a NodeSelector selects a node: its terms are ORed, the requirements of a term ANDed.

    A term without requirements selects nothing. `name` is what matchFields compares metadata.name with; without it,
    matchFields are not looked at, which is how the volume binder treats the node affinity of a volume.
    """
    return any(_term_matches(term or {}, labels, name) for term in selector.get("nodeSelectorTerms") or [])


def _term_matches(term: Mapping[str, Any], labels: Labels, name: str) -> bool:
    expressions, fields = term.get("matchExpressions") or [], term.get("matchFields") or []
    if not expressions and not fields:
        return False
    return all(expression_matches(e, labels) for e in expressions) and all(_field_matches(f, name) for f in fields)


def _field_matches(field: Mapping[str, Any], name: str) -> bool:
    """Fields know In and NotIn with exactly one value, and only metadata.name exists; another key is always empty."""
    values, operator = list(field.get("values") or []), field.get("operator")
    if len(values) != 1 or operator not in ("In", "NotIn"):
        return False
    if not name:
        return True
    found = name if field.get("key") == "metadata.name" else ""
    return found in values if operator == "In" else found not in values


def _compares(found: str | None, values: list[str], *, greater: bool) -> bool:
    if found is None or len(values) != 1:
        return False
    # The bound must be a legal label value too, so it has no sign.
    if not _INTEGER.fullmatch(found) or not _DIGITS.fullmatch(str(values[0])):
        return False
    label, bound = int(found), int(values[0])
    return label > bound if greater else label < bound
