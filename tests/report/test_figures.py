"""How numbers are written: signs, units, and what is not defined."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.engine.report import figures as f
from qmtl.engine.report.markup import NOTHING, join, name, tag

from .reading import read


@pytest.mark.parametrize(
    ("form", "value", "text"),
    [
        (f.change, 0.0321, "+3.21%"),
        (f.change, -0.0321, "\u22123.21%"),
        (f.change, 0.0, "0.00%"),
        (f.change, -0.000001, "0.00%"),
        (f.percent, 0.25, "25.00%"),
        (f.signed, 3214.5, "+3,214.50"),
        (f.whole, 1_234_567.0, "1,234,567"),
        (f.price, 123.456, "123.46"),
        (f.price, 0.0001234567, "0.0001235"),
        (f.price, 0.0, "0.00"),
        (f.quantity, 12.5, "12.5"),
        (f.quantity, 1200.0, "1,200"),
        (f.quantity, 100.0, "100"),
        (f.held, 2700.0, "45 min"),
        (f.held, 19_080.0, "5.3 h"),
        (f.held, 276_480.0, "3.2 d"),
        (f.stamp, 1_760_452_200, "2025-10-14 14:30"),
        (f.day, "2025-10-14", "14 October 2025"),
        (f.short_day, "2025-10-14", "Tue 14 Oct 2025"),
        (f.month, "2025-11", "November 2025"),
    ],
)
def test_numbers_and_days_are_written_as_people_do(form: f.Form, value: float, text: str) -> None:
    assert form(value) == text


@settings(deadline=None)
@given(st.floats(-1e12, 1e12), st.integers(0, 6))
def test_nothing_is_ever_minus_nought(value: float, digits: int) -> None:
    for text in (f.plain(value, digits), f.signed(value, digits), f.change(value, digits)):
        assert (text[0] in "+\u2212") <= bool(re.search("[1-9]", text)), text
        assert "-" not in text


@settings(deadline=None)
@given(st.floats(-1e9, 1e9))
def test_the_sortable_value_of_a_number_is_that_number(value: float) -> None:
    (data,) = read(f.shown(value, f.plain).text).all("data")
    assert float(data.attributes["value"]) == pytest.approx(value, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_is_not_defined_is_a_dash_that_says_why(value: float | None) -> None:
    for made in (
        f.shown(value, f.plain, "no round trip lost money"),
        f.toned(value, f.change, "no round trip lost money"),
    ):
        (dash,) = read(made.text).all("abbr")
        assert dash.text == "\u2013"
        assert dash.attributes["title"] == "no round trip lost money"


def test_spans_of_days_name_the_year_once() -> None:
    assert f.span("2025-10-01", "2025-11-28") == "1 October \u2013 28 November 2025"
    assert f.span("2024-10-01", "2025-11-28") == "1 October 2024 \u2013 28 November 2025"
    assert f.span("2025-10-01", "2025-10-01") == "1 October 2025"


def test_counts_agree_with_their_noun() -> None:
    assert f.plural(1, "session") == "1 session"
    assert f.plural(1200, "session") == "1,200 sessions"
    assert f.plural(2, "strategy", "strategies") == "2 strategies"


def test_a_column_of_money_has_decimals_only_while_it_is_small() -> None:
    assert f.money_digits(12.0, -999.0) == 2
    assert f.money_digits(12.0, -1000.0, math.nan) == 0


@settings(deadline=None)
@given(st.text())
def test_any_text_comes_out_of_markup_as_it_went_in(text: str) -> None:
    made = tag("p", text, title=text)
    made.text.encode()  # what cannot be written as UTF-8 must not get into a page
    (paragraph,) = read(made.text).all("p")
    kept = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]", "\ufffd", text)
    assert paragraph.text == paragraph.attributes["title"] == kept


def test_names_keep_their_own_writing_direction() -> None:
    assert name("A\u202eB").text == "<bdi>A\u202eB</bdi>"


def test_markup_is_escaped_once() -> None:
    inner = tag("b", "<&>")
    assert tag("p", inner, NOTHING).text == "<p><b>&lt;&amp;&gt;</b></p>"
    assert join(("<", inner)).text == "&lt;<b>&lt;&amp;&gt;</b>"
    assert tag("line", x1=0.5, x2=100.0, hidden=None).text == '<line x1="0.5" x2="100"></line>'
