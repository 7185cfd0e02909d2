"""The page as text: what stands in it for ordinary, empty, huge and hostile backtests."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from qmtl.engine.backtest.measures import Share, Summary
from qmtl.engine.backtest.result import Notice, Result
from qmtl.engine.report.attribution import attribution
from qmtl.engine.report.page import page
from qmtl.engine.report.trades import MOST, chosen

from .conftest import KILL
from .made import Made, Shape, made
from .reading import Element, read

BOUND = 1_500_000


def shown(of: Made) -> Element:
    return read(page(of.result, of.summary, of.trips))


def cells(row: Element) -> list[str]:
    return [cell.text for cell in row.inside]


@pytest.fixture(scope="module")
def quarter_page(quarter: Made) -> Element:
    return shown(quarter)


def test_the_page_is_a_whole_document(quarter: Made, quarter_page: Element) -> None:
    text = page(quarter.result, quarter.summary, quarter.trips)
    assert text.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert quarter_page.all("title")[0].text == "us_core, autumn \u2013 backtest, 1 October \u2013 26 November 2025"
    names = {meta.attributes.get("name"): meta.attributes.get("content") for meta in quarter_page.all("meta")}
    assert names["viewport"] == "width=device-width, initial-scale=1"
    for landmark in ("header", "nav", "main", "footer"):
        assert len(quarter_page.all(landmark)) == 1
    assert len(quarter_page.all("h1")) == 1


def test_headings_never_skip_a_level(quarter_page: Element) -> None:
    levels = [int(e.tag[1]) for e in quarter_page.every() if re.fullmatch("h[1-6]", e.tag)]
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))


def test_every_link_in_the_contents_leads_somewhere(quarter_page: Element) -> None:
    ids = {e.attributes.get("id") for e in quarter_page.every()}
    links = [link.attributes["href"] for link in quarter_page.all("a")]
    assert len(links) > 8
    assert all(link.startswith("#") and link[1:] in ids for link in links)


def test_every_chart_is_told_in_words(quarter_page: Element) -> None:
    charts = [svg for svg in quarter_page.all("svg") if svg.attributes.get("role") == "img"]
    assert len(charts) == 6
    for svg in charts:
        ids = svg.attributes["aria-labelledby"].split()
        title, about = (svg.one(i) for i in ids)
        assert title.tag == "title"
        assert about.tag == "desc"
        assert len(about.text) > 30
    others = [svg for svg in quarter_page.all("svg") if svg.attributes.get("aria-hidden") == "true"]
    inside = [svg for svg in quarter_page.all("svg") if "drawn" in svg.attributes.get("class", "")]
    assert len(charts) + len(others) + len(inside) == len(quarter_page.all("svg"))


def test_tables_have_captions_and_scopes(quarter_page: Element) -> None:
    tables = quarter_page.all("table")
    assert len(tables) >= 9
    for table in tables:
        assert table.all("caption")[0].text
        assert all(th.attributes["scope"] in {"col", "row", "colgroup"} for th in table.all("th"))
        assert all(row.all("th") for row in table.all("tr"))


def test_the_policy_allows_this_very_script_and_style_and_nothing_else(quarter_page: Element) -> None:
    (policy,) = (m.attributes["content"] for m in quarter_page.all("meta") if m.attributes.get("http-equiv"))
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    script = next(s for s in quarter_page.all("script") if not s.attributes)
    for rule, text in (("style-src", quarter_page.all("style")[0].text), ("script-src", script.text)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in policy


def test_no_element_carries_a_style_or_a_handler_or_an_address(quarter_page: Element) -> None:
    for element in quarter_page.every():
        for key, value in element.attributes.items():
            assert key not in {"style", "src", "srcset", "action", "xlink:href"}
            assert not key.startswith("on")
            assert "://" not in value
    assert "url(" not in quarter_page.all("style")[0].text.replace("url(#hatch)", "")
    assert "@import" not in quarter_page.all("style")[0].text


def test_the_headline_comes_first_and_is_complete(quarter: Made, quarter_page: Element) -> None:
    cards = quarter_page.all("dl", "figures")[0].all("div")
    assert [card.all("dt")[0].text for card in cards] == [
        "Return",
        "Sharpe ratio",
        "Largest drawdown",
        "Trades",
        "Costs",
    ]
    m = quarter.summary.measures
    assert cards[0].all("data")[0].text == f"+{m.total_return * 100:.2f}%"
    assert f"\u00b1 {m.sharpe_error:.2f}" in cards[1].text
    assert cards[3].all("data")[0].text == str(m.trades)


@pytest.mark.parametrize(("sessions", "short"), [(119, True), (120, False)])
def test_a_sharpe_ratio_below_120_sessions_is_called_too_short_to_judge(sessions: int, short: bool) -> None:
    text = shown(made(Shape(sessions=sessions, trips=48))).all("dl", "figures")[0].text
    assert ("Too short to judge: 119 of 120 sessions" in text) == short
    assert ("too short to be scaled to a year" in text) == short


def test_a_kill_stands_before_everything_else_and_on_the_charts(quarter_page: Element) -> None:
    box = quarter_page.one("kills")
    assert "Killed during this backtest" in box.text
    assert "The daily loss limit was reached" in box.text
    assert "us_core, 2025-10-15 16:30 UTC" in box.text
    order = [e.attributes.get("id") for e in quarter_page.every()]
    assert order.index("kills") < order.index("account")
    for chart in ("equity", "exposure-0"):
        assert quarter_page.one(chart).all("rect", "killed")
        assert "us_core: kill.daily_loss" in quarter_page.one(chart).text


def test_without_notices_there_is_no_box() -> None:
    found = shown(made(Shape(sessions=3, trips=24)))
    assert not found.all("section", "notices")
    assert not found.all("rect", "killed")


def test_many_notices_of_one_kind_fold_up() -> None:
    many = tuple(Notice("freshness.stale", 1_760_545_800, i, "us_core", f"S{i}", "it is old") for i in range(500))
    found = shown(made(Shape(sessions=3, trips=24, notices=(*many, KILL))))
    box = found.one("notices")
    assert box.all("summary")[0].text == "and 494 more, the first 100 of them"
    assert len(box.all("details")[0].all("li")) == 100
    assert "S0, us_core" in box.text
    assert "S5, us_core, 2025-10-15 16:30 UTC, 5 times" in box.text


def test_symbols_and_names_may_hold_anything() -> None:
    evil = '</script><script>window.stolen=1</script><img src=x onerror="window.stolen=1">\'"&\u202e\x00\ud800'
    base = made(Shape(sessions=5, trips=10, symbols=(evil, "B"), chains=(evil, "calm"), worlds=(evil,), name=evil))
    notices = (Notice(evil, 1_760_545_800, 2, evil, evil, evil),)
    setup = replace(base.result.setup, source=evil, calendar=evil, version=evil, worlds=((evil, evil),))
    text = page(replace(base.result, setup=setup, notices=notices), base.summary, base.trips)
    text.encode()
    found = read(text)
    assert len(found.all("script")) == 2
    assert not found.all("img")
    assert evil[:40] in found.one("trades-table").text
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", text)


def test_the_data_of_the_crosshair_cannot_end_its_element() -> None:
    found = made(Shape(sessions=5, trips=10, chains=("</script><b>", "calm")))
    text = page(found.result, found.summary, found.trips)
    (data,) = (s.text for s in read(text).all("script") if s.attributes.get("id") == "readouts")
    assert "<" not in data
    assert json.loads(data)["charts"]["chains-0"][0][0] == "</script><b>"


def test_the_crosshair_tells_the_values_of_its_moment(quarter: Made, quarter_page: Element) -> None:
    data = json.loads(quarter_page.one("readouts").text)
    assert len(data["x"]) == len(data["moments"]) == 640
    assert set(data["charts"]) == {e.attributes["data-chart"] for e in quarter_page.all("div", "plot")}
    for series in data["charts"].values():
        assert all(len(values) == 640 for _, _, values in series)
    assert data["charts"]["equity"][0][2][-1] == pytest.approx(quarter.result.steps.equity[-1], abs=0.01)
    assert data["moments"][-1] == "Wed 26 Nov 2025, 21:00 UTC"


@pytest.mark.parametrize("sessions", [1, 2, 41, 130, 300])
def test_every_chart_draws_paths_over_the_whole_axis(sessions: int) -> None:
    found = shown(made(Shape(sessions=sessions, trips=240)))
    drawings = found.all("svg", "drawn")
    assert len(drawings) == 6
    for svg in drawings:
        paths = [path.attributes["d"] for path in svg.all("path")]
        assert paths
        across = [float(x) for d in paths for x in re.findall(r"[MLH](-?[\d.]+)", d)]
        air = 60 if sessions > 2 else 200  # a bar has air beside it, and the first probabilities are unknown
        assert min(across) == pytest.approx(0, abs=air)
        assert max(across) == pytest.approx(1000, abs=air)
        assert all(0 <= x <= 1000 for x in across)
        assert "nan" not in " ".join(paths)


def test_the_drawn_equity_keeps_the_lowest_and_the_highest_tick() -> None:
    base = made(Shape(sessions=252, trips=240))
    equity = base.result.steps.equity.copy()
    equity[[1234, 4321]] = [20_000.0, 190_000.0]  # one tick each, far narrower than a pixel
    result = replace(base.result, steps=replace(base.result.steps, equity=equity))
    plot = read(page(result, base.summary, base.trips)).one("equity")
    (account,) = (p.attributes["d"] for p in plot.all("path") if "account" in p.attributes["class"])
    points = np.array([[float(v) for v in pair] for pair in re.findall(r"[ML]([\d.]+),([\d.]+)", account)])
    lowest, highest = points[points[:, 1].argmax()], points[points[:, 1].argmin()]
    slot = 1000 / (252 * 26)
    assert lowest[0] == pytest.approx(1234.5 * slot, abs=0.1)
    assert highest[0] == pytest.approx(4321.5 * slot, abs=0.1)


def test_a_factor_of_more_than_three_makes_a_ratio_scale() -> None:
    base = made(Shape(sessions=60, trips=240))
    grown = replace(base.result.steps, market=np.geomspace(1, 4, 60 * 26))
    assert "Ratio scale" in read(page(replace(base.result, steps=grown), base.summary, base.trips)).one("equity").text
    assert "Ratio scale" not in shown(base).one("equity").text


def test_an_empty_backtest_of_one_session_has_dashes_and_no_nan() -> None:
    base = made(Shape(sessions=1, trips=0))
    text = page(base.result, base.summary, base.trips)
    found = read(text)
    assert "nan" not in text.lower().replace("finance", "")
    assert "Infinity" not in text
    assert "Nothing was traded" in found.one("trades").text
    assert "Nothing was traded" in found.one("attribution").text
    rows = {row.inside[0].text.split(" of ")[0]: row for row in found.one("measures-table").all("tr")}
    dash = rows["Sharpe ratio"].all("abbr")[0]
    assert dash.text == "\u2013"
    assert dash.attributes["title"] == "needs at least three sessions whose returns differ"
    assert rows["Won"].all("abbr")[0].attributes["title"] == "no round trip was closed"
    assert "1 of 120 sessions" in found.all("dl", "figures")[0].text


def test_a_backtest_without_any_tick_has_no_charts_and_still_a_page() -> None:
    base = made(Shape(sessions=1, trips=0))
    none = replace(
        base.result.steps, **{k: getattr(base.result.steps, k)[:0] for k in ("at", "session", "equity", "cash", "fees", "borrow", "market")}
    )  # fmt: skip
    found = read(page(replace(base.result, steps=none), base.summary, base.trips))
    assert not found.all("figure")
    assert found.one("setup").text


def test_unknown_regimes_are_said_and_not_drawn() -> None:
    base = made(Shape(sessions=3, trips=24))
    blind = replace(base.result.worlds[0], p=np.full((78, 4), np.nan))
    found = read(page(replace(base.result, worlds=(blind,)), base.summary, base.trips))
    assert "No symbol knew its probabilities." in found.one("regime-0").text
    assert "trend up unknown" in found.one("regime-0").text
    assert all(values == [None] * 78 for _, _, values in json.loads(found.one("readouts").text)["charts"]["regime-0"])


def test_an_account_that_lost_everything_is_still_drawn() -> None:
    base = made(Shape(sessions=3, trips=24))
    lost = replace(base.result.steps, equity=np.linspace(100_000, -500, 78))
    assert read(page(replace(base.result, steps=lost), base.summary, base.trips)).one("drawdown").all("path")


def test_several_worlds_have_charts_and_columns_of_their_own() -> None:
    found = shown(made(Shape(sessions=10, trips=96, worlds=("us_core", "tail_hedge"))))
    for number, name in enumerate(("us_core", "tail_hedge")):
        assert found.one(f"world-{number}-title").text == f"World {name}"
        for chart in ("regime", "chains", "exposure"):
            assert found.one(f"{chart}-{number}").all("path")
    heads = [th.text for th in found.one("measures-table").all("thead")[0].all("th")]
    assert heads == ["Measure", "Account", "us_core", "tail_hedge", "Market"]
    assert "World" in [th.text for th in found.one("trades-table").all("thead")[0].all("th")]


def test_more_chains_than_colours_become_others() -> None:
    found = shown(made(Shape(sessions=5, trips=24, chains=tuple(f"chain{i}" for i in range(12)))))
    keys = [li.all("span", "what")[0].text for li in found.one("chains-0").all("li")]
    assert len(keys) == 8
    assert keys[-1] == "5 others"


def test_the_market_has_dashes_where_it_does_not_trade(quarter_page: Element) -> None:
    rows = {
        row.inside[0].text.split(" ")[0]: row
        for row in quarter_page.one("measures-table").all("tr")
        if len(row.inside) == 3
    }
    assert rows["Turnover"].inside[2].all("abbr")[0].attributes["title"] == "the market is held, not traded"
    assert rows["Volatility"].inside[2].all("data")


def test_months_stand_under_their_name_and_link_to_their_total(quarter: Made, quarter_page: Element) -> None:
    (row,) = quarter_page.one("months-table").all("tbody")[0].all("tr")
    assert len(row.inside) == 14
    values = {p.name: p.value for p in quarter.summary.months}
    assert row.inside[10].text == f"{values['2025-10'] * 100:+.2f}".replace("-", "\u2212")
    total = math.prod(1 + v for v in values.values()) - 1
    assert row.inside[13].text == f"{total * 100:+.2f}".replace("-", "\u2212")
    assert row.inside[1].text == ""


def test_attribution_adds_up_even_where_rows_are_left_out() -> None:
    rows = tuple(Share("symbol", f"S{i}", float(i - 60), float(i), 1.0, 2, 1, 0.5, None, 0.1) for i in range(100))
    (table,) = read(attribution(rows).text).all("table")
    body = table.all("tbody")[0].all("tr")
    assert len(body) == 40
    others, total = table.all("tfoot")[0].all("tr")
    assert others.inside[0].text == "60 others"
    kept = sum(float(row.inside[1].all("data")[0].attributes["value"]) for row in body)
    left = float(others.inside[1].all("data")[0].attributes["value"])
    whole = float(total.inside[1].all("data")[0].attributes["value"])
    assert kept + left == pytest.approx(whole) == pytest.approx(sum(row.pnl for row in rows))
    assert body[0].all("abbr")[0].attributes["title"] == "no round trip lost money"


def test_trades_are_the_largest_and_the_newest_and_say_what_is_left_out() -> None:
    base = made(Shape(sessions=60, trips=2400))
    rows, trips = chosen(base.trips), base.trips
    assert len(rows) == MOST
    assert len(set(rows.tolist())) == MOST
    largest = np.argsort(-np.abs(trips.pnl), kind="stable")[:250]
    assert set(largest.tolist()) <= set(rows.tolist())
    assert set(np.flatnonzero(trips.closed == 0).tolist()) <= set(rows.tolist())  # what is open is newest
    when = np.where(trips.closed > 0, trips.closed, 2**62)[rows]
    assert (np.diff(when) <= 0).all()
    text = shown(base).one("trades").text
    left = len(trips.closed) - 500
    assert f"{left:,} are left out here. The whole table is in trips.parquet." in text


def test_an_open_trade_says_so(quarter: Made, quarter_page: Element) -> None:
    body = quarter_page.one("trades-table").all("tbody")[0].all("tr")
    still = int((quarter.trips.closed == 0).sum())
    assert still > 0
    assert [row.inside[5].text for row in body[:still]] == ["open"] * still
    assert body[0].all("abbr")[0].attributes["title"] == "still open"
    assert len(body) == len(quarter.trips.closed)


def test_the_setup_says_how_to_run_it_again(quarter: Made, quarter_page: Element) -> None:
    text = quarter_page.one("setup").text
    for part in (
        quarter.summary.fingerprint,
        quarter.result.setup.worlds[0][1],
        "2 bp fee and 1 bp slippage",
        "TSLA 2.00%",
        "XNYS",
    ):
        assert part in text


def test_the_same_records_give_the_same_page(quarter: Made) -> None:
    assert page(quarter.result, quarter.summary, quarter.trips) == page(quarter.result, quarter.summary, quarter.trips)


@pytest.mark.parametrize("worlds", [1, 10])
def test_a_year_of_15m_bars_and_100_000_orders_stays_small(worlds: int) -> None:
    base = made(Shape(sessions=252, trips=50_000, worlds=tuple(f"world_{i}" for i in range(worlds))))
    assert len(base.result.orders.sent) > 99_000
    assert len(page(base.result, base.summary, base.trips).encode()) < BOUND


def test_five_thousand_symbols_stay_small() -> None:
    names = tuple(f"SYMBOL{i}" for i in range(5000))
    base = made(Shape(sessions=10, trips=5000, symbols=names))
    notices = tuple(Notice("freshness.stale", 1_760_545_800, 3, "us_core", name, "it is old") for name in names)
    costs = replace(base.result.setup.costs, borrow_of=tuple((name, 0.02) for name in names))
    result: Result = replace(base.result, notices=notices, setup=replace(base.result.setup, costs=costs))
    summary: Summary = base.summary
    assert len(page(result, summary, base.trips).encode()) < BOUND
