"""Kubernetes quantities as exact numbers. The expected numbers are those of apimachinery's own parser (v0.36.2)."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from efsdiag.semantics.quantity import bytes_of, compare_quantities, format_amount, format_bytes, parse_quantity

GI = 2**30


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("128974848", 128974848),
        ("10Gi", 10 * GI),
        ("5G", 5 * 10**9),
        ("1E", 10**18),
        ("1Ei", 2**60),
        ("1E3", 1000),
        ("1e3", 1000),
        ("12e-3", Fraction(12, 1000)),
        ("1e+6", 10**6),
        ("500m", Fraction(1, 2)),
        ("250u", Fraction(250, 10**6)),
        ("1n", Fraction(1, 10**9)),
        ("1.5Gi", 1536 * 2**20),
        (".25", Fraction(1, 4)),
        ("3.", 3),
        ("+7Ki", 7168),
        ("-1Mi", -(2**20)),
        ("00100", 100),
    ],
)
def test_a_quantity_is_read_exactly(text: str, number: int | Fraction) -> None:
    assert parse_quantity(text) == number


def test_numbers_of_hand_written_yaml_are_read_too() -> None:
    assert parse_quantity(10) == 10
    assert parse_quantity(0.5) == Fraction(1, 2)
    assert parse_quantity(1e21) == 10**21


def test_what_is_finer_than_a_billionth_is_rounded_away_from_zero() -> None:
    assert parse_quantity("0.1n") == Fraction(1, 10**9)
    assert parse_quantity("-0.1n") == Fraction(-1, 10**9)
    assert parse_quantity("12.3456789012") == Fraction(12345678902, 10**9)


def test_a_binary_quantity_is_capped_at_the_largest_int64() -> None:
    assert parse_quantity("8Ei") == 2**63 - 1
    assert parse_quantity("-8Ei") == -(2**63 - 1)
    assert parse_quantity("10E") == 10**19


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "not a number with a suffix"),
        ("Gi", "not a number with a suffix"),
        (".", "not a number with a suffix"),
        ("10 Gi", "not a number with a suffix"),
        ("10GB", "its suffix is 'GB', and 'G' is the one that exists"),
        ("10GiB", "its suffix is 'GiB', and 'Gi' is the one that exists"),
        ("10K", "its suffix is 'K', and 'k' is the one that exists"),
        ("10gi", "its suffix is 'gi', and 'Gi' is the one that exists"),
        ("1e", "its suffix is 'e'"),
        ("1x", "its suffix is 'x'; wanted"),
        ("1e999999999", "its exponent is 999999999"),
        ("٣Gi", "not a number with a suffix"),
        ("nan", "not a number with a suffix"),
    ],
)
def test_what_is_no_quantity_is_refused_with_the_reason(text: str, named: str) -> None:
    with pytest.raises(ValueError, match="not a Kubernetes quantity") as refused:
        parse_quantity(text)
    assert named in str(refused.value)
    assert repr(text) in str(refused.value)


@pytest.mark.parametrize("value", [None, True, ["1Gi"], float("inf")])
def test_what_is_no_text_and_no_number_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="not a Kubernetes quantity"):
        parse_quantity(value)  # type: ignore[arg-type]


def test_bytes_are_rounded_up_to_whole_ones() -> None:
    assert bytes_of("5Gi") == 5368709120
    assert bytes_of("1500m") == 2


def test_quantities_compare_by_size_and_not_by_spelling() -> None:
    assert compare_quantities("5Gi", "10Gi") == -1
    assert compare_quantities("1024Mi", "1Gi") == 0
    assert compare_quantities("1Gi", "1G") == 1


def test_bytes_are_formatted_with_the_largest_suffix_that_is_exact() -> None:
    assert [format_bytes(n) for n in (0, 1000, 1024, 1536 * 2**20, 5 * GI, 2**60)] == [
        "0", "1000", "1Ki", "1536Mi", "5Gi", "1Ei",
    ]  # fmt: skip


def test_amounts_are_formatted_as_their_resource_is_written() -> None:
    assert format_amount("cpu", Fraction(3, 2)) == "1500m"
    assert format_amount("cpu", 2) == "2"
    assert format_amount("memory", 128 * 2**20) == "128Mi"
    assert format_amount("hugepages-2Mi", 2**21) == "2Mi"
    assert format_amount("memory", Fraction(1, 1000)) == "1m"
    assert format_amount("pods", 1024) == "1024"
    assert format_amount("memory", -GI) == "-1Gi"


@given(st.integers(-(2**62), 2**62))
def test_formatted_bytes_read_back_as_the_same_number(size: int) -> None:
    assert bytes_of(format_bytes(size)) == size


@given(st.integers(-(10**15), 10**15), st.sampled_from(["cpu", "memory", "pods"]))
def test_formatted_amounts_read_back_as_the_same_number(billionths: int, resource: str) -> None:
    amount = Fraction(billionths, 10**9)
    assert parse_quantity(format_amount(resource, amount)) == amount
