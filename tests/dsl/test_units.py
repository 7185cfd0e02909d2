"""Units in scalars: what is accepted, what it means, and what the help says when the unit is missing."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmtl.dsl.units import complaint, day, duration, measure, money, ratio


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3%", 0.03),
        ("25bps", 0.0025),
        ("-2%", -0.02),
        ("+1.5%", 0.015),
        ("3 %", 0.03),
        ("0%", 0.0),
        ("1_000bps", 0.1),
        ("15%", 0.15),
    ],
)
def test_ratios(text: str, value: float) -> None:
    assert ratio(text) == value


@pytest.mark.parametrize("text", ["3", "%", "3%%", "3 percent", "", "٣%", "1__0%", "3%\n", 3, 0.03, None, True])
def test_not_ratios(text: object) -> None:
    assert ratio(text) is None


@pytest.mark.parametrize(
    ("text", "value"), [("60s", 60), ("15m", 900), ("2h", 7200), ("1d", 86400), ("1.5h", 5400), ("0s", 0)]
)
def test_durations_are_whole_seconds(text: str, value: int) -> None:
    assert duration(text) == value


@pytest.mark.parametrize("text", ["60", "1.5s", "-5m", "5 minutes", "5M", "", 60, None])
def test_not_durations(text: object) -> None:
    assert duration(text) is None


def test_money_and_dates() -> None:
    assert money("100_000 USD") == Decimal(100_000)
    assert money("0.10 USD") == Decimal("0.10")
    assert money("5 EUR") is None
    assert day("2024-02-29") == "2024-02-29"
    assert day("2025-02-29") is None
    assert day("2025-2-9") is None
    assert day(20250101) is None


@given(st.integers(-10_000, 10_000))
def test_a_percentage_is_its_hundredth_exactly_rounded(n: int) -> None:
    assert ratio(f"{n}%") == n / 100
    assert ratio(f"{n}bps") == n / 10_000


@pytest.mark.parametrize(
    ("unit", "value", "help_text"),
    [
        ("ratio", 0.03, "did you mean `3%`?"),
        ("ratio", 0.0025, "did you mean `0.25%`?"),
        ("ratio", 3, "did you mean `3%` or `300%`?"),
        ("duration", 60, "write the unit: `60s`, `60m` or `60h`"),
        ("money", 5, "write the currency: `5 USD`"),
        ("ratio", "3 apples", "a ratio is written `3%` or `25bps`"),
        ("date", 20250101, "a date is written `2026-01-31`"),
        ("duration", True, "a duration is written `60s`, `15m`, `2h` or `1d`"),
    ],
)
def test_help_offers_the_unit(unit: str, value: object, help_text: str) -> None:
    assert complaint(unit, value)[1] == help_text  # type: ignore[arg-type]


def test_measures_compare_within_a_unit() -> None:
    assert measure("ratio", "3%") == 0.03
    assert measure("money", "2 USD") == 2.0
    assert measure("date", "2026-01-02") == measure("date", "2026-01-01") + 1  # type: ignore[operator]
    assert measure("date", "soon") is None
    assert measure("money", "soon") is None
