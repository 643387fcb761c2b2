"""The policy language of IAM: documents, statements, the context of a request, wildcards and policy variables.

Three values run through it: True, False and None for "cannot be decided from what is known".
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Generic, TypeAlias, TypeVar
from urllib.parse import unquote

T = TypeVar("T")
ContextValue: TypeAlias = str | bool | int | Sequence[str]

_ELEMENTS = frozenset(
    ("Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "NotPrincipal", "Condition")
)
_PRINCIPAL_KINDS = frozenset(("AWS", "Service", "Federated", "CanonicalUser"))
_VARIABLES_SINCE = "2012-10-17"
_VERSIONS = (_VARIABLES_SINCE, "2008-10-17")


class PolicyError(ValueError):
    """The text is not a policy document; the message says what was found and what was wanted."""


@dataclass(frozen=True)
class Listed(Generic[T]):
    """The values of an element, or with `negated` of its Not… form."""

    values: tuple[T, ...]
    negated: bool = False


@dataclass(frozen=True)
class Condition:
    """One key of a Condition block: "StringEquals" on "aws:RequestTag/team" wants one of `wanted`."""

    operator: str
    key: str
    wanted: tuple[str, ...]


@dataclass(frozen=True)
class Statement:
    """One statement, and where it stands. `principals` are pairs such as ("AWS", "111122223333") or ("*", "*")."""

    policy: str
    label: str | int
    """Its Sid, or its index where it has none."""
    allows: bool
    actions: Listed[str]
    resources: Listed[str] | None
    principals: Listed[tuple[str, str]] | None
    conditions: tuple[Condition, ...]
    variables: bool
    """Whether ${…} is a policy variable: the version 2008-10-17 takes it literally."""

    def __str__(self) -> str:
        where = f"Statement[{self.label}]" if isinstance(self.label, int) else f"statement {self.label}"
        return f"{self.policy} {where}"


@dataclass(frozen=True)
class Policy:
    """A policy document with the name by which decisions refer to it."""

    name: str
    statements: tuple[Statement, ...]


@dataclass(frozen=True)
class Context:
    """What is known of a request: keys with values, keys that it does not have, and nothing about all others.

    With `closed` all other keys are absent. An absent key may end in "*": "aws:RequestTag/*"; a known key wins over it.
    Keys are compared without case. A key without values is absent.
    """

    known: Mapping[str, ContextValue] = field(default_factory=dict, hash=False)
    absent: Collection[str] = ()
    closed: bool = False

    def values(self, key: str) -> tuple[str, ...] | None:
        """The values of the key, () where the request does not have it, None where that is not known."""
        if (found := self._known.get(key.lower())) is not None:
            return found
        gone = self.closed or any(matches(wildcards(name), key, ignore_case=True) for name in self.absent)
        return () if gone else None

    def only(self, keys: Iterable[str]) -> Context:
        """The same of these keys; every other key is then not known."""
        named = {key: self.values(key) for key in keys}
        return Context(
            {key: values for key, values in named.items() if values},
            tuple(key for key, values in named.items() if values == ()),
        )

    @cached_property
    def _known(self) -> dict[str, tuple[str, ...]]:
        return {key.lower(): _texts(value) for key, value in self.known.items()}


@dataclass(frozen=True)
class Resolved:
    """A text with its policy variables replaced; `pattern` is None where one has no value (or is not known)."""

    pattern: str | None
    missing: str = ""
    """The key of the variable whose value is not known."""


ANY, ONE = "\x00", "\x01"
"""Wildcards in a pattern. IAM allows neither character in a policy, so a "*" in a pattern is the character itself."""

_VARIABLE = re.compile(r"\$\{([^{}]+)\}")


def wildcards(text: str) -> str:
    """The pattern of a text whose * and ? are wildcards."""
    return text.replace("*", ANY).replace("?", ONE)


def literal(pattern: str) -> str:
    """The text of a pattern, for operators to which * and ? are ordinary characters."""
    return pattern.replace(ANY, "*").replace(ONE, "?")


def resolve(text: str, context: Context) -> Resolved:
    """The pattern of a text with wildcards and policy variables; values of variables are taken literally.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    """
    pattern, at = "", 0
    for variable in _VARIABLE.finditer(text):
        pattern += wildcards(text[at : variable.start()])
        at = variable.end()
        if variable[1] in ("*", "?", "$"):
            pattern += variable[1]
            continue
        key, _, default = (part.strip() for part in variable[1].partition(","))
        values = context.values(key)
        # AWS does not say whether a wildcard in a default is one, so such a default decides nothing.
        if values is None or (not values and ("*" in default or "?" in default)):
            return Resolved(None, key)
        if len(values) > 1 or not (values or default):
            return Resolved(None)
        pattern += values[0] if values else default.strip("'")
    return Resolved(pattern + wildcards(text[at:]))


def matches(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    """Whether the whole text fits the pattern; a wildcard also stands for colons and slashes."""
    return _compiled(pattern, ignore_case).fullmatch(text) is not None


@lru_cache(4096)
def _compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    wild = {ANY: ".*", ONE: "."}
    return re.compile(
        "".join(wild.get(c) or re.escape(c) for c in pattern), re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    )


def parse_policy(document: Mapping[str, Any] | str, name: str = "policy") -> Policy:
    """The policy of a document: a dictionary, JSON text, or URL-encoded JSON text as the API of IAM returns it.

    Errors: PolicyError with the place and what is wanted there; nothing is repaired or left out.
    """
    body = _object_of(document, name)
    version = body.get("Version", "2008-10-17")
    if version not in _VERSIONS:
        raise PolicyError(f"{name}: Version is {version!r}; it must be one of {', '.join(_VERSIONS)}")
    if "Statement" not in body:
        raise PolicyError(f"{name}: the document has no Statement")
    found = body["Statement"]
    listed = found if isinstance(found, list) else [found]
    variables = version == _VARIABLES_SINCE
    return Policy(name, tuple(_statement(name, i, statement, variables) for i, statement in enumerate(listed)))


def _object_of(document: Mapping[str, Any] | str, name: str) -> Mapping[str, Any]:
    if isinstance(document, str):
        text = document if document.lstrip().startswith("{") else unquote(document)
        try:
            document = json.loads(text)
        except ValueError as problem:
            raise PolicyError(f"{name}: the document is not JSON ({problem})") from problem
    if not isinstance(document, Mapping):
        raise PolicyError(f"{name}: the document is {_kind(document)}; it must be an object")
    return document


def _statement(policy: str, index: int, body: Any, variables: bool) -> Statement:
    at = f"{policy}: Statement[{index}]"
    if not isinstance(body, Mapping):
        raise PolicyError(f"{at} is {_kind(body)}; it must be an object")
    if strange := sorted(set(body) - _ELEMENTS):
        raise PolicyError(f"{at} has {', '.join(strange)}; the elements are {', '.join(sorted(_ELEMENTS))}")
    if body.get("Effect") not in ("Allow", "Deny"):
        raise PolicyError(f"{at}.Effect is {body.get('Effect')!r}; it must be 'Allow' or 'Deny'")
    actions = _listed(body, "Action", at, _strings)
    resources = _listed(body, "Resource", at, _strings)
    principals = _listed(body, "Principal", at, _principals)
    if actions is None:
        raise PolicyError(f"{at} has neither Action nor NotAction")
    if resources is None and principals is None:
        raise PolicyError(f"{at} has neither Resource nor Principal")
    sid = body.get("Sid")
    return Statement(
        policy,
        sid if isinstance(sid, str) and sid else index,
        body["Effect"] == "Allow",
        actions,
        resources,
        principals,
        _conditions(body.get("Condition", {}), at),
        variables,
    )


def _listed(body: Mapping[str, Any], element: str, at: str, read: Any) -> Listed[Any] | None:
    plain, negated = element in body, f"Not{element}" in body
    if plain and negated:
        raise PolicyError(f"{at} has both {element} and Not{element}; it must have one of them")
    if not plain and not negated:
        return None
    name = element if plain else f"Not{element}"
    return Listed(read(body[name], f"{at}.{name}"), negated)


def _strings(value: Any, at: str) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    for item in values:
        if not isinstance(item, str):
            raise PolicyError(f"{at} holds {_kind(item)}; it must hold strings")
    return tuple(values)


def _principals(value: Any, at: str) -> tuple[tuple[str, str], ...]:
    if value == "*":
        return (("*", "*"),)
    if not isinstance(value, Mapping):
        raise PolicyError(f"{at} is {value!r}; it must be '*' or an object")
    if strange := sorted(set(value) - _PRINCIPAL_KINDS):
        raise PolicyError(f"{at} has {', '.join(strange)}; the kinds are {', '.join(sorted(_PRINCIPAL_KINDS))}")
    return tuple((kind, name) for kind, names in value.items() for name in _strings(names, f"{at}.{kind}"))


def _conditions(block: Any, at: str) -> tuple[Condition, ...]:
    if not isinstance(block, Mapping):
        raise PolicyError(f"{at}.Condition is {_kind(block)}; it must be an object")
    found = []
    for operator, keys in block.items():
        if not isinstance(keys, Mapping):
            raise PolicyError(f"{at}.Condition.{operator} is {_kind(keys)}; it must be an object")
        for key, wanted in keys.items():
            found.append(Condition(operator, key, _wanted(wanted, f"{at}.Condition.{operator}.{key}")))
    return tuple(found)


def _wanted(value: Any, at: str) -> tuple[str, ...]:
    for item in value if isinstance(value, list) else [value]:
        if not isinstance(item, str | bool | int | float):
            raise PolicyError(f"{at} holds {_kind(item)}; it must hold strings, numbers or booleans")
    return _texts(value)


def _texts(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    return tuple(str(item).lower() if isinstance(item, bool) else str(item) for item in values)


def _kind(value: Any) -> str:
    return {dict: "an object", list: "a list", str: "a string", type(None): "null"}.get(type(value), repr(value))
