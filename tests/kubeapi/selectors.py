"""Label and field selectors: parsed, refused and matched as the real server does.

Source: k8s.io/apimachinery, pkg/labels and pkg/fields; the allowed fields are those of pkg/apis/*/v1/conversion.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from .answers import bad_request
from .resources import Resource

Matches: TypeAlias = Callable[[Mapping[str, Any]], bool]

_OPERATORS = "in, notin, =, ==, !=, gt, lt"
_TOKEN = re.compile(r"\s*(==|!=|[=!(),<>]|[^\s=!(),<>]+)")
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_SYMBOLS = frozenset(("=", "==", "!=", "!", "(", ")", ",", "<", ">", ""))

_BOTH = ("metadata.name", "metadata.namespace")
_EVENT = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_FIELDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("v1", "pods"): (
        *_BOTH,
        *("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork"),
        *("status.phase", "status.podIP", "status.nominatedNodeName"),
    ),
    ("v1", "nodes"): ("metadata.name", "spec.unschedulable"),
    ("v1", "namespaces"): ("metadata.name", "status.phase"),
    ("v1", "secrets"): (*_BOTH, "type"),
    ("v1", "services"): (*_BOTH, "spec.clusterIP", "spec.type"),
    ("v1", "replicationcontrollers"): (*_BOTH, "status.replicas"),
    ("v1", "events"): (
        *_BOTH,
        *(f"involvedObject.{name}" for name in _EVENT),
        *("reason", "reportingComponent", "source", "type"),
    ),
    ("events.k8s.io/v1", "events"): (
        *_BOTH,
        *(f"regarding.{name}" for name in _EVENT),
        *("reason", "reportingController", "type"),
    ),
    ("batch/v1", "jobs"): (*_BOTH, "status.successful"),
}
_FLAGS = frozenset(("spec.hostNetwork", "spec.unschedulable"))
_ELSEWHERE = {"source": "source.component", "status.successful": "status.succeeded"}


def label_selector(text: str) -> Matches | None:
    """Whether an object's labels match; None where the selector is empty. Refuses with 400 what cannot be parsed."""
    tokens = [*_TOKEN.findall(text), ""]
    tests: list[Callable[[Mapping[str, str]], bool]] = []
    while tokens[0]:
        if tokens[0] in _SYMBOLS - {"!"}:
            raise bad_request(f"found '{tokens[0]}', expected: !, identifier, or 'end of string'")
        tests.append(_requirement(tokens))
        separator = tokens.pop(0)
        if not separator:
            break
        if separator != ",":
            raise bad_request(f"found '{separator}', expected: ',' or 'end of string'")
        if tokens[0] in _SYMBOLS - {"!"}:
            raise bad_request(f"found '{tokens[0]}', expected: identifier after ','")
    if not tests:
        return None

    def matches(value: Mapping[str, Any]) -> bool:
        labels = value["metadata"].get("labels") or {}
        return all(test(labels) for test in tests)

    return matches


def field_selector(resource: Resource, text: str) -> Matches | None:
    """Whether an object's fields match; None where the selector is empty. Refuses a field that the kind does not have.

    The 400 is worded in three ways, by kind: pods and their like, jobs, and kinds without fields of their own.
    """
    tests = [_comparison(resource, text, part) for part in text.split(",") if part]
    if not tests:
        return None
    return lambda value: all(test(value) for test in tests)


def exact_name(text: str) -> str:
    """The one object that a field selector names by metadata.name; empty where it names none."""
    for part in text.split(","):
        key, operator, value = _split(part)
        if key == "metadata.name" and operator != "!=":
            return value
    return ""


def _requirement(tokens: list[str]) -> Callable[[Mapping[str, str]], bool]:
    negated = tokens[0] == "!"
    if negated:
        tokens.pop(0)
    key = tokens.pop(0)
    if key in _SYMBOLS:
        raise _unparsed(f"found '{key}', expected: identifier")
    if tokens[0] in ("", ","):
        return lambda labels: (key in labels) != negated
    operator = tokens.pop(0)
    if operator in ("=", "==", "!="):
        wanted = {_exact_value(tokens)}
    elif operator in ("in", "notin"):
        wanted = _value_set(tokens)
    elif operator in ("<", ">"):
        return _number(key, operator, _exact_value(tokens))
    else:
        raise _unparsed(f"found '{operator}', expected: {_OPERATORS}")
    for value in sorted(wanted):
        _check_label_value(key, value)
    if operator in ("!=", "notin"):
        return lambda labels: labels.get(key) not in wanted
    return lambda labels: labels.get(key) in wanted


def _number(key: str, operator: str, text: str) -> Callable[[Mapping[str, str]], bool]:
    if not re.fullmatch(r"-?\d+", text):
        why = "for 'Gt', 'Lt' operators, the value must be an integer"
        raise _unparsed(f'values[0]: Invalid value: "{text}": {why}')
    limit = int(text)

    def test(labels: Mapping[str, str]) -> bool:
        found = labels.get(key, "")
        if not re.fullmatch(r"-?\d+", found):
            return False
        return int(found) > limit if operator == ">" else int(found) < limit

    return test


def _exact_value(tokens: list[str]) -> str:
    if tokens[0] in ("", ","):
        return ""
    value = tokens.pop(0)
    if value in _SYMBOLS:
        raise _unparsed(f"found '{value}', expected: identifier")
    return value


def _value_set(tokens: list[str]) -> set[str]:
    """The values of "(a,b)"; "(a,)" and "()" hold the empty value too."""
    if tokens[0] != "(":
        raise _unparsed(f"found '{tokens[0]}' expected: '('")
    tokens.pop(0)
    values: set[str] = set()
    while True:
        values.add("" if tokens[0] in (",", ")") else tokens.pop(0))
        if tokens[0] == ")":
            tokens.pop(0)
            return values
        if tokens[0] != ",":
            raise _unparsed(f"found '{tokens[0]}', expected: ',' or ')'")
        tokens.pop(0)


def _check_label_value(key: str, value: str) -> None:
    if _LABEL_VALUE.fullmatch(value):
        return
    raise _unparsed(
        f'values[0][{key}]: Invalid value: "{value}": a valid label must be an empty string or consist of alphanumeric '
        "characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
        f"'my_value',  or '12345', regex used for validation is '{_LABEL_VALUE.pattern}')"
    )


def _unparsed(why: str) -> Exception:
    return bad_request(f"unable to parse requirement: {why}")


def _comparison(resource: Resource, text: str, part: str) -> Matches:
    key, operator, wanted = _split(part)
    if not operator:
        raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
    own = _FIELDS.get((resource.group_version, resource.plural))
    if key not in (own or _BOTH):
        raise _unknown_field(resource, own is not None, key)
    path = _ELSEWHERE.get(key, key).split(".")
    return lambda value: (_field(value, path, key) == wanted) != (operator == "!=")


def _unknown_field(resource: Resource, has_own_fields: bool, key: str) -> Exception:
    if resource.kind == "Job":
        return bad_request(f'field label "{key}" not supported for batchv1.Job')
    if has_own_fields or resource.custom:
        return bad_request(f"field label not supported: {key}")
    return bad_request(f'"{key}" is not a known field selector: only "metadata.name", "metadata.namespace"')


def _field(value: Any, path: list[str], key: str) -> str:
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    if key in _FLAGS:
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else ""


def _split(part: str) -> tuple[str, str, str]:
    for operator in ("!=", "==", "="):
        key, found, value = part.partition(operator)
        if found:
            return key, operator, value
    return part, "", ""
