"""The Condition block of an IAM statement: whether one of its keys holds for a request.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
"""

from __future__ import annotations

import ipaddress
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from efsdiag.semantics.iam_language import Condition, Context, Resolved, literal, matches, resolve, wildcards

Comparison: TypeAlias = Callable[[str, str], bool | None]
"""(wanted, found) -> whether they agree; None where one of them cannot be read as what the operator compares."""


@dataclass(frozen=True)
class Truth:
    """True, False or None (cannot be decided), the keys on which that rests, and why in words."""

    value: bool | None
    keys: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Operator:
    agrees: Comparison
    negated: bool = False
    takes_variables: bool = False


def condition_holds(condition: Condition, context: Context, *, variables: bool = True) -> Truth:
    """Whether the condition holds. `keys` names the key that fails, or the keys whose values would decide."""
    quantifier, name, if_exists = _parts(condition.operator)
    found = context.values(condition.key)
    if name == "null" and not quantifier and not if_exists:
        return _null(condition, found)
    known = _OPERATORS.get(name)
    if known is None or quantifier not in ("", "forallvalues", "foranyvalue"):
        return Truth(None, (condition.key,), (f"{condition.operator} is not an operator known here",))
    wanted = [_pattern(text, known, context, variables) for text in condition.wanted]
    if known.negated and any(w.pattern is None and not w.missing for w in wanted):
        # AWS lets such a statement not apply, instead of taking "equal to nothing" as "different".
        return Truth(False, (condition.key,), (f"{condition.key}: a policy variable in {_quoted(condition)} is empty",))
    value = _value(known, quantifier, if_exists, wanted, found)
    if known.negated and value and any(w.missing for w in wanted):
        value = None
    if value is None:
        return _undecided(condition, found, wanted)
    return Truth(value, (condition.key,), () if value else (_mismatch(condition, found),))


def _parts(name: str) -> tuple[str, str, bool]:
    quantifier, _, base = name.lower().rpartition(":")
    return quantifier, base.removesuffix("ifexists"), base.endswith("ifexists")


def _null(condition: Condition, found: tuple[str, ...] | None) -> Truth:
    if found is None or not {w.lower() for w in condition.wanted} <= {"true", "false"}:
        return _undecided(condition, found, [])
    holds = any((w.lower() == "true") == (not found) for w in condition.wanted)
    return Truth(holds, (condition.key,), () if holds else (_mismatch(condition, found),))


def _pattern(text: str, known: _Operator, context: Context, variables: bool) -> Resolved:
    if not known.takes_variables:
        return Resolved(text)
    return resolve(text, context) if variables else Resolved(wildcards(text))


def _value(
    known: _Operator, quantifier: str, if_exists: bool, wanted: list[Resolved], found: tuple[str, ...] | None
) -> bool | None:
    if found is None:
        return None
    if not found:
        return _of_absent(known, quantifier, if_exists)
    each = [_one(known, wanted, text) for text in found]
    if quantifier == "forallvalues":
        return every(each)
    if quantifier == "foranyvalue":
        return some(each)
    # AWS leaves several values without a set operator undefined; where all of them agree it does not matter.
    return each[0] if len(set(each)) == 1 else None


def _of_absent(known: _Operator, quantifier: str, if_exists: bool) -> bool | None:
    if quantifier == "foranyvalue":
        # Sources disagree about ForAnyValue:…IfExists on a key that is not there.
        return None if if_exists else False
    return quantifier == "forallvalues" or if_exists or known.negated


def _one(known: _Operator, wanted: list[Resolved], text: str) -> bool | None:
    hit = some(_agrees(known, w, text) for w in wanted)
    return hit if hit is None or not known.negated else not hit


def _agrees(known: _Operator, wanted: Resolved, text: str) -> bool | None:
    if wanted.pattern is None:
        return None if wanted.missing else False
    return known.agrees(wanted.pattern, text)


def every(values: Iterable[bool | None]) -> bool | None:
    """And: False if one is False, else None if one is undecided."""
    found = set(values)
    return False if False in found else None if None in found else True


def some(values: Iterable[bool | None]) -> bool | None:
    """Or: True if one is True, else None if one is undecided."""
    found = set(values)
    return True if True in found else None if None in found else False


def _undecided(condition: Condition, found: tuple[str, ...] | None, wanted: list[Resolved]) -> Truth:
    keys = {w.missing for w in wanted if w.missing} | ({condition.key} if found is None else set())
    if keys:
        return Truth(None, tuple(sorted(keys)))
    note = f"{condition.key} is {_shown(found)}, which cannot be compared by {condition.operator} {_quoted(condition)}"
    return Truth(None, (condition.key,), (note,))


def _mismatch(condition: Condition, found: tuple[str, ...] | None) -> str:
    return f"{condition.key} is {_shown(found)}; {condition.operator} wants {_quoted(condition)}"


def _shown(found: tuple[str, ...] | None) -> str:
    return ", ".join(repr(text) for text in found or ()) or "absent"


def _quoted(condition: Condition) -> str:
    return " or ".join(repr(text) for text in condition.wanted) or "nothing"


def _equals(wanted: str, found: str) -> bool:
    return literal(wanted) == found


def _equals_ignore_case(wanted: str, found: str) -> bool:
    return literal(wanted).lower() == found.lower()


def _arn(wanted: str, found: str) -> bool | None:
    ours, theirs = wanted.split(":", 5), found.split(":", 5)
    if len(ours) != 6:
        return None
    return len(theirs) == 6 and all(matches(a, b) for a, b in zip(ours, theirs, strict=True))


def _bool(wanted: str, found: str) -> bool | None:
    return wanted.lower() == found.lower() if wanted.lower() in ("true", "false") else None


def _ip(wanted: str, found: str) -> bool | None:
    try:
        return ipaddress.ip_address(found) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        return None


def _numeric(compare: Callable[[Decimal, Decimal], bool]) -> Comparison:
    def agrees(wanted: str, found: str) -> bool | None:
        try:
            return compare(Decimal(found), Decimal(wanted))
        except InvalidOperation:
            return None

    return agrees


def _date(compare: Callable[[float, float], bool]) -> Comparison:
    def agrees(wanted: str, found: str) -> bool | None:
        try:
            return compare(_seconds(found), _seconds(wanted))
        except ValueError:
            return None

    return agrees


def _seconds(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 date (UTC unless it says otherwise) or of such a number."""
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _both(name: str, agrees: Comparison, takes_variables: bool = False) -> dict[str, _Operator]:
    """The operator and its Not form: stringnotequals, notipaddress."""
    family = next((f for f in ("string", "arn", "numeric", "date") if name.startswith(f)), "")
    return {
        name: _Operator(agrees, False, takes_variables),
        f"{family}not{name.removeprefix(family)}": _Operator(agrees, True, takes_variables),
    }


_ORDERS: dict[str, Callable[[Decimal | float, Decimal | float], bool]] = {
    "lessthan": operator.lt,
    "lessthanequals": operator.le,
    "greaterthan": operator.gt,
    "greaterthanequals": operator.ge,
}
_OPERATORS: dict[str, _Operator] = {
    **_both("stringequals", _equals, True),
    **_both("stringequalsignorecase", _equals_ignore_case, True),
    **_both("stringlike", matches, True),
    **_both("arnequals", _arn, True),
    **_both("arnlike", _arn, True),
    **_both("ipaddress", _ip),
    **_both("numericequals", _numeric(operator.eq)),
    **_both("dateequals", _date(operator.eq)),
    **{f"numeric{name}": _Operator(_numeric(compare)) for name, compare in _ORDERS.items()},
    **{f"date{name}": _Operator(_date(compare)) for name, compare in _ORDERS.items()},
    "bool": _Operator(_bool),
    "binaryequals": _Operator(operator.eq),
}
