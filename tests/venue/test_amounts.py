"""Numbers and moments as texts, there and back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .amounts import instant, moment, number, plain, shares

AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=9)


@given(AMOUNTS)
def test_law_a_number_survives_its_text_which_never_has_an_exponent(amount: Decimal) -> None:
    text = plain(amount)
    assert number(text) == amount
    assert "E" not in text.upper()
    assert text == "0" or not ("." in text and text.endswith(("0", ".")))


@pytest.mark.parametrize(("value", "text"), [("1E+2", "100"), ("10.50", "10.5"), ("0E-9", "0"), ("-0.10", "-0.1")])
def test_plain_texts(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text


@given(st.integers(0, 4 * 10**18))
def test_law_a_moment_survives_its_text(nanoseconds: int) -> None:
    assert moment(instant(nanoseconds)) == nanoseconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-02", 86_400),
        ("1970-01-01T00:00:01.5Z", 1.5),
        ("1969-12-31T19:00:02-05:00", 2),
        ("1970-01-01T00:00:03", 3),
    ],
)
def test_moments_in_every_form_the_api_takes(text: str, seconds: float) -> None:
    assert moment(text) == int(seconds * 1_000_000_000)


@pytest.mark.parametrize("text", ["", "soon", "2025-13-01", None, True, [], "1e999999999999", "inf"])
def test_what_is_no_number_is_no_number(text: object) -> None:
    with pytest.raises(ValueError, match="no number"):
        number(text)


def test_shares_are_cut_never_rounded_up() -> None:
    assert plain(shares(Decimal("0.1234567899"))) == "0.123456789"
