"""Two backtests on one page: aligned by session, every difference as second less first."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from qmtl.engine.report.page import comparison

from .made import Made, Shape, made
from .reading import Element, read


@pytest.fixture(scope="module")
def first() -> Made:
    return made(Shape(sessions=40, trips=240, start="2025-10-01", name="first"))


@pytest.fixture(scope="module")
def second() -> Made:
    return made(Shape(sessions=40, bars=7, trips=120, start="2025-10-15", seed=9, name="second"))


@pytest.fixture(scope="module")
def found(first: Made, second: Made) -> Element:
    return read(comparison((first.result, first.summary), (second.result, second.summary)))


def test_curves_cover_the_sessions_that_both_have(first: Made, second: Made, found: Element) -> None:
    data = json.loads(found.one("readouts").text)
    assert data["moments"][0] == "Wed 15 Oct 2025"
    assert data["moments"][-1] == "Tue 25 Nov 2025"
    assert len(data["moments"]) == 30
    assert "30 common sessions, 15 October \u2013 25 November 2025; 20 sessions that only one of them has" in found.text
    a, b = (series[2] for series in data["charts"]["equity"])
    before = first.result.steps.equity[10 * 26 - 1]  # the close before the first common session is 100
    assert a[0] == pytest.approx(first.result.steps.equity[11 * 26 - 1] / before * 100, abs=0.01)
    assert b[0] == pytest.approx(second.result.steps.equity[6] / second.result.steps.equity[0] * 100, abs=0.01)
    lead = data["charts"]["lead"][0][2]
    assert lead[-1] == pytest.approx(b[-1] / a[-1] - 1, abs=2e-4)


def test_differences_are_second_less_first(first: Made, second: Made, found: Element) -> None:
    rows = {row.inside[0].text: row for row in found.one("measures-table").all("tr") if len(row.inside) == 4}
    a, b = first.summary.measures, second.summary.measures
    gap = (b.total_return - a.total_return) * 100
    assert rows["Return after costs"].inside[3].text == f"{gap:+.2f} pp".replace("-", "\u2212")
    assert (
        rows["Trades round trips that were closed"].inside[3].text.replace("\u2212", "-") == f"{b.trades - a.trades:+d}"
    )


def test_a_difference_with_nothing_is_a_dash(first: Made, second: Made) -> None:
    hollow = replace(second.summary, measures=replace(second.summary.measures, sortino=None))
    hollow = replace(hollow, fingerprint="other")
    page = read(comparison((first.result, first.summary), (second.result, hollow)))
    assert "to the bit" not in page.all("p", "lede")[0].text
    (row,) = (r for r in page.one("measures-table").all("tr") if r.inside[0].text.startswith("Sortino"))
    assert row.inside[3].all("abbr")[0].attributes["title"] == "not defined on both sides"


def test_the_setup_tells_what_differs_and_what_does_not(found: Element) -> None:
    table = found.one("setup-table").text
    assert "A year" in table
    assert "Costs" not in table
    assert "The same in both" in found.one("setup").text


def test_twins_are_told_apart_and_differ_in_nothing(first: Made) -> None:
    pair = (first.result, first.summary)
    page = read(comparison(pair, pair))
    assert page.all("h1")[0].text == "first (first) and first (second)"
    assert page.all("p", "lede")[0].text.endswith(": the same. Both sent the same orders, to the bit.")
    assert "setup-table" not in {e.attributes.get("id") for e in page.every()}


def test_without_a_common_session_there_are_tables_and_no_curves(first: Made) -> None:
    later = made(Shape(sessions=5, trips=24, start="2026-03-02", name="later"))
    page = read(comparison((first.result, first.summary), (later.result, later.summary)))
    assert not page.all("figure")
    assert "They have no session in common." in page.text
    assert page.one("measures-table").text


def test_months_of_only_one_side_have_no_difference(first: Made) -> None:
    later = made(Shape(sessions=60, trips=24, start="2025-11-03", name="later"))
    page = read(comparison((first.result, first.summary), (later.result, later.summary)))
    rows = {row.inside[0].text: row for row in page.one("months-table").all("tr")}
    assert rows["October 2025"].inside[2].text == "\u2013"
    assert rows["October 2025"].inside[3].text == "\u2013"
    assert rows["November 2025"].inside[3].text.endswith(" pp")
