"""Kubernetes quantities ("10Gi", "500m", "1e3") as exact numbers, and back.

Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
        k8s.io/apimachinery v0.36.2, pkg/api/resource/quantity.go
"""

from __future__ import annotations

import math
import re
from fractions import Fraction

_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_SHAPE = re.compile(r"(?P<sign>[+-]?)(?P<number>\d+\.?\d*|\.\d+)(?P<suffix>[A-Za-z]*|[eE][+-]?\d+)", re.ASCII)
_MOST = 2**63 - 1
"""The API server caps quantities with a binary suffix at the largest int64."""
_FINEST = 10**9
"""The API server rounds up, away from zero, to whole billionths."""
_WIDEST_EXPONENT = 100
"""Beyond this an exponent is a slip, and its number would fill the memory."""

_BYTE_RESOURCES = ("memory", "storage", "ephemeral-storage")


def parse_quantity(text: str | int | float) -> Fraction:
    """The number that `text` stands for, exactly as the API server reads it.

    Shape:   parse_quantity("10Gi") == 10737418240; parse_quantity("500m") == Fraction(1, 2). Plain numbers are taken
             too, because YAML written by hand has them.
    Errors:  ValueError that names the text and what would be read.
    """
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise ValueError(_unreadable(text, "it is no string and no number"))
    found = _SHAPE.fullmatch(str(text))
    if found is None:
        raise ValueError(_unreadable(text, "it is not a number with a suffix"))
    suffix = found["suffix"]
    exact = Fraction(found["number"]) * _factor(text, suffix)
    size = Fraction(math.ceil(exact * _FINEST), _FINEST)
    if suffix in _BINARY:
        size = min(size, Fraction(_MOST))
    return -size if found["sign"] == "-" else size


def bytes_of(text: str | int | float) -> int:
    """The quantity in whole bytes, rounded up as the volume binder does. Errors: ValueError, as `parse_quantity`."""
    return math.ceil(parse_quantity(text))


def compare_quantities(one: str | int | float, other: str | int | float) -> int:
    """-1, 0 or 1: `one` is less than, equal to or more than `other`. Errors: ValueError, as `parse_quantity`."""
    left, right = parse_quantity(one), parse_quantity(other)
    return (left > right) - (left < right)


def format_bytes(size: int) -> str:
    """`size` bytes as the shortest exact quantity with a binary suffix: 10737418240 is "10Gi", 1000 is "1000"."""
    for suffix, power in reversed(_BINARY.items()):
        if size and size % 2**power == 0:
            return f"{size >> power}{suffix}"
    return str(size)


def format_amount(resource: str, amount: Fraction | int) -> str:
    """An amount of a resource as kubectl shows it: ("cpu", 3/2) is "1500m", ("memory", 2**30) is "1Gi"."""
    exact = Fraction(amount)
    if exact.denominator == 1:
        in_bytes = resource in _BYTE_RESOURCES or resource.startswith("hugepages-")
        return format_bytes(int(exact)) if in_bytes else str(int(exact))
    for suffix in ("m", "u", "n"):
        scaled = exact / Fraction(10) ** _DECIMAL[suffix]
        if scaled.denominator == 1:
            return f"{int(scaled)}{suffix}"
    return f"{math.ceil(exact * _FINEST)}n"


def _factor(text: str | int | float, suffix: str) -> Fraction:
    """What the suffix multiplies by. "E" alone is 10^18; "E3" is an exponent."""
    if suffix in _DECIMAL:
        return Fraction(10) ** _DECIMAL[suffix]
    if suffix in _BINARY:
        return Fraction(2) ** _BINARY[suffix]
    if suffix[0] in "eE" and suffix[-1].isdigit():
        exponent = int(suffix[1:])
        if abs(exponent) > _WIDEST_EXPONENT:
            raise ValueError(_unreadable(text, f"its exponent is {exponent}"))
        return Fraction(10) ** exponent
    raise ValueError(_unreadable(text, f"its suffix is {suffix!r}{_near(suffix)}"))


def _near(suffix: str) -> str:
    """The suffix that was probably meant, for the common slips "GB", "GiB", "gi" and "K"."""
    bare = suffix.rstrip("Bb") or suffix
    for known in (*_BINARY, "k", "M", "G", "T", "P", "E"):
        if bare.lower() == known.lower():
            return f", and {known!r} is the one that exists"
    return ""


def _unreadable(text: object, why: str) -> str:
    wanted = "a number with one of n u m k M G T P E Ki Mi Gi Ti Pi Ei, or with an exponent such as 1e3"
    return f"{text!r} is not a Kubernetes quantity: {why}; wanted {wanted}"
