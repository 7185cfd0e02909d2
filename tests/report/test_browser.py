"""The page in a real browser: no error, no request, and everything that moves does what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from qmtl.engine.report.page import comparison, page
from qmtl.engine.report.palette import DARK, LIGHT

from .browser import Browser
from .made import Made, Shape, made

WIDTHS = (360, 400, 768, 1280, 2560)
Centre = Callable[[str], tuple[float, float]]


@pytest.fixture
def tab(browser: Browser, quarter_file: Path) -> Iterator[Browser]:
    """The page of a quarter, opened; afterwards nothing may have gone wrong."""
    browser.open(quarter_file)
    yield browser
    assert complaints(browser) == []
    assert foreign(browser, quarter_file) == []


@pytest.fixture
def centre(tab: Browser) -> Centre:
    """Scrolls an element into view and says where its middle is."""

    def found(selector: str) -> tuple[float, float]:
        tab.value(f"document.querySelector('{selector}').scrollIntoView({{block: 'center', behavior: 'instant'}})")
        box = tab.value(
            f"(b => [b.x, b.y, b.width, b.height])(document.querySelector('{selector}').getBoundingClientRect())"
        )
        return box[0] + box[2] / 2, box[1] + box[3] / 2

    return found


def complaints(browser: Browser) -> list[Any]:
    """Errors, warnings and console lines since the page was opened."""
    browser.value("new Promise(done => setTimeout(done, 50))")  # what is on its way has come then
    names = {"Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"}
    return [event["params"] for event in browser.events if event["method"] in names]


def foreign(browser: Browser, file: Path) -> list[str]:
    """Addresses that were asked for, besides the file itself and data in it."""
    urls = [e["params"]["request"]["url"] for e in browser.events if e["method"] == "Network.requestWillBeSent"]
    assert urls.count(file.as_uri()) >= 1
    return [url for url in urls if url != file.as_uri() and not url.startswith("data:")]


def tooltip(browser: Browser) -> tuple[str, dict[str, str]]:
    """Moment and values that the tooltip tells."""
    text = "[...document.querySelectorAll('.tip {}')].map(e => e.textContent)"
    (moment,), names, values = (browser.value(text.format(tag)) for tag in ("p", "dt", "dd"))
    return moment, dict(zip(names, values, strict=True))


def background(browser: Browser) -> str:
    rgb = browser.value("getComputedStyle(document.body).backgroundColor")
    return "#" + "".join(f"{int(part):02x}" for part in rgb.removeprefix("rgb(").removesuffix(")").split(","))


def column(browser: Browser, number: int) -> list[Any]:
    """Sortable values of a column of the trades as they stand now."""
    return browser.value(
        "[...document.querySelectorAll('#trades-table tbody tr')].filter(row => !row.hidden)"
        f".map(row => (cell => (cell.querySelector('data') ?? {{}}).value ?? cell.textContent)(row.cells[{number}]))"
    )


def test_the_driver_sees_errors_and_requests(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "bad.html"
    file.write_text("<!DOCTYPE html><img src='missing.png'><script>console.log('heard'); undefined_name()</script>")
    browser.open(file)
    assert len(complaints(browser)) >= 2
    assert foreign(browser, file) == [(tmp_path / "missing.png").as_uri()]


def test_the_page_opens_without_a_complaint_and_asks_for_nothing(tab: Browser) -> None:
    assert tab.value("document.readyState") == "complete"
    assert tab.value("document.title").startswith("us_core, autumn")
    assert tab.value("performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:')).length") == 0


def test_the_policy_stops_a_script_that_is_not_the_page_s_own(browser: Browser, quarter_file: Path) -> None:
    browser.open(quarter_file)
    browser.value(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = 1'}))"
    )
    assert browser.value("window.ran ?? null") is None
    assert any("Content Security Policy" in str(said) for said in complaints(browser))


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_never_scrolls_sideways(browser: Browser, quarter_file: Path, width: int) -> None:
    browser.open(quarter_file, width)
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert (
        browser.value(
            "Math.max(...[...document.querySelectorAll('section')].map(s => s.getBoundingClientRect().right))"
        )
        <= width
    )
    assert complaints(browser) == []


@pytest.mark.parametrize("width", [360, 1280])
def test_every_chart_shows_paths(browser: Browser, quarter_file: Path, width: int) -> None:
    browser.open(quarter_file, width)
    sizes = browser.value(
        "[...document.querySelectorAll('svg.drawn')].map(s => [s.querySelectorAll('path').length, s.getBoundingClientRect().width,"
        " Math.max(...[...s.querySelectorAll('path')].map(p => p.getTotalLength()))])"
    )
    assert len(sizes) == 6
    for paths, across, length in sizes:
        assert paths >= 1
        assert across > 0.7 * (width - 32) - 100
        assert length > 900


@pytest.mark.parametrize("width", [360, 1280])
def test_labels_of_the_time_axis_do_not_touch(browser: Browser, quarter_file: Path, width: int) -> None:
    browser.open(quarter_file, width)
    boxes = browser.value(
        "[...document.querySelectorAll('#drawdown .dates text')].map(t => t.getBoundingClientRect())"
        ".filter(b => b.width > 0).map(b => [b.left, b.right])"
    )
    assert len(boxes) >= 3
    assert all(a[1] + 4 < b[0] for a, b in pairwise(boxes))


@pytest.mark.parametrize(("dark", "paper"), [(False, LIGHT.paper), (True, DARK.paper)])
def test_the_system_s_theme_is_followed(browser: Browser, quarter_file: Path, dark: bool, paper: str) -> None:
    browser.open(quarter_file, dark=dark)
    assert background(browser) == paper


def test_the_theme_switch_wins_over_the_system_and_is_remembered(tab: Browser, centre: Centre) -> None:
    tab.click(*centre("[data-set-theme=dark]"))
    assert background(tab) == DARK.paper
    assert tab.value("document.querySelector('[data-set-theme=dark]').getAttribute('aria-pressed')") == "true"
    tab.events.clear()
    tab.command("Page.reload")
    tab.wait("Page.loadEventFired")
    assert background(tab) == DARK.paper
    tab.click(*centre("[data-set-theme=light]"))
    tab.prefers(dark=True)
    assert background(tab) == LIGHT.paper
    tab.click(*centre("[data-set-theme=auto]"))
    assert background(tab) == DARK.paper
    tab.prefers(dark=False)
    assert background(tab) == LIGHT.paper


def test_paper_is_light(tab: Browser) -> None:
    tab.command(
        "Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}]
    )
    assert background(tab) == LIGHT.paper
    assert tab.value("getComputedStyle(document.querySelector('.theme')).display") == "none"
    tab.command("Emulation.setEmulatedMedia", media="")
    assert tab.pdf().startswith(b"%PDF-")


def test_the_tooltip_tells_date_and_values_on_all_charts(tab: Browser, centre: Centre, quarter: Made) -> None:
    for chart in tab.value("[...document.querySelectorAll('figure.chart')].map(f => f.id)"):
        tab.point(*centre(f"#{chart} .cross"))
        moment, told = tooltip(tab)
        assert moment.endswith(" UTC")
        assert all(told.values())
        assert tab.value("document.querySelector('.tip').hidden") is False
        assert tab.value(f"document.querySelector('#{chart} .tip') !== null")
        assert tab.value(
            "[...document.querySelectorAll('.hair')].every(h => !h.hidden)"
        )  # the crosshair stands on all charts
    x, y = centre("#equity .cross")
    tab.point(x, y)
    moment, told = tooltip(tab)
    day = quarter.result.steps.days[20]  # the middle of 41 sessions
    assert moment.startswith("Wed 29 Oct 2025")
    assert day == "2025-10-29"
    middle = quarter.result.steps.equity[quarter.result.steps.session == 20]
    assert middle.min() - 1 <= float(told["Account"].replace(",", "")) <= middle.max() + 1
    tab.point(5, 5)
    assert tab.value("document.querySelector('.tip').hidden") is True


def test_the_tooltip_stays_on_a_narrow_screen(browser: Browser, quarter_file: Path) -> None:
    browser.open(quarter_file, 360)
    for share in (0.02, 0.5, 0.98):
        browser.value("document.querySelector('#regime-0').scrollIntoView({block: 'center', behavior: 'instant'})")
        box = browser.value(
            "(b => [b.x, b.y, b.width])(document.querySelector('#regime-0 .cross').getBoundingClientRect())"
        )
        browser.point(box[0] + box[2] * share, box[1] + 40)
        left, right = browser.value("(b => [b.left, b.right])(document.querySelector('.tip').getBoundingClientRect())")
        assert 0 <= left < right <= 360
    assert browser.value("document.documentElement.scrollWidth") <= 360


def test_the_crosshair_moves_by_keys_and_is_read_aloud(tab: Browser) -> None:
    said = "document.activeElement.getAttribute('aria-valuetext')"
    tab.value("document.querySelector('#equity .cross').focus()")
    tab.key("End")
    last = tab.value(said)
    tab.key("ArrowLeft")
    before = tab.value(said)
    assert last.startswith("Wed 26 Nov 2025, 21:00 UTC: Account ")
    assert before != last
    tab.key("Home")
    assert tab.value(said).startswith("Wed 1 Oct 2025")
    tab.key("Escape")
    assert tab.value("document.querySelector('.tip').hidden") is True


def test_sorting_the_trades(tab: Browser, centre: Centre) -> None:
    before = column(tab, 2)
    tab.click(*centre("#trades-table th:nth-child(3) button"))
    profits = [float(v) for v in column(tab, 2)]
    assert profits == sorted(map(float, before), reverse=True)
    assert (
        tab.value("document.querySelector('#trades-table th:nth-child(3)').getAttribute('aria-sort')") == "descending"
    )
    tab.click(*centre("#trades-table th:nth-child(3) button"))
    assert [float(v) for v in column(tab, 2)] == sorted(profits)
    tab.click(*centre("#trades-table th:nth-child(1) button"))
    names = column(tab, 0)
    assert names == sorted(names)
    assert tab.value("document.querySelectorAll('#trades-table [aria-sort]').length") == 1


def test_what_has_no_value_is_last_in_either_direction(tab: Browser, centre: Centre, quarter: Made) -> None:
    still = int((quarter.trips.closed == 0).sum())
    for _ in range(2):
        tab.click(*centre("#trades-table th:nth-child(13) button"))
        assert column(tab, 12)[-still:] == ["\u2013"] * still


def test_filtering_the_trades(tab: Browser) -> None:
    every = len(column(tab, 0))
    tab.value(
        "(b => { b.value = 'aapl LONG'; b.dispatchEvent(new Event('input')); })(document.getElementById('trades-filter'))"
    )
    assert set(column(tab, 0)) == {"AAPL"}
    assert set(column(tab, 1)) == {"long"}
    kept = len(column(tab, 0))
    assert 0 < kept < every
    assert tab.value("document.getElementById('trades-count').textContent") == f"{kept} of {every}"
    tab.value("(b => { b.value = ''; b.dispatchEvent(new Event('input')); })(document.getElementById('trades-filter'))")
    assert len(column(tab, 0)) == every


def test_everything_can_be_read_without_scripts(browser: Browser, quarter_file: Path) -> None:
    browser.command("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.events.clear()
        browser.command("Page.navigate", url=quarter_file.as_uri())
        browser.wait("Page.loadEventFired")
        node = browser.command("DOM.getDocument", depth=0)["root"]["nodeId"]
        body = browser.command("DOM.querySelector", nodeId=node, selector="main")["nodeId"]
        text = browser.command("DOM.getOuterHTML", nodeId=body)["outerHTML"]
        assert "Killed during this backtest" in text
        assert "<button" not in text.split('id="trades-table"')[1]
        switch = browser.command("DOM.querySelector", nodeId=node, selector=".theme")["nodeId"]
        assert "hidden" in browser.command("DOM.getAttributes", nodeId=switch)["attributes"]
    finally:
        browser.command("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.parametrize(
    "shape",
    [
        Shape(sessions=1, trips=0),
        Shape(sessions=12, trips=96, worlds=("us_core", "tail_hedge")),
        Shape(sessions=260, trips=2400, start="2024-11-18", killed=2000),
        Shape(
            sessions=5,
            trips=10,
            symbols=("</script><script>window.ran=1</script>", "<img src=x onerror='window.ran=1'>"),
        ),
    ],
    ids=["empty", "two worlds", "a year", "hostile"],
)
def test_other_backtests_open_as_well(browser: Browser, tmp_path: Path, shape: Shape) -> None:
    found, file = made(shape), tmp_path / "report.html"
    file.write_text(page(found.result, found.summary, found.trips), encoding="utf-8")
    for width in (360, 1280):
        browser.open(file, width)
        assert complaints(browser) == []
        assert foreign(browser, file) == []
        assert browser.value("document.documentElement.scrollWidth") <= width
        assert browser.value("window.ran ?? null") is None


def test_a_comparison_opens_as_well(browser: Browser, tmp_path: Path, quarter: Made) -> None:
    other, file = made(Shape(sessions=30, trips=96, seed=3, name="another <b>one</b>")), tmp_path / "comparison.html"
    file.write_text(comparison((quarter.result, quarter.summary), (other.result, other.summary)), encoding="utf-8")
    for width in (360, 1280):
        browser.open(file, width)
        assert complaints(browser) == []
        assert foreign(browser, file) == []
        assert browser.value("document.documentElement.scrollWidth") <= width
    browser.value("document.querySelector('#lead').scrollIntoView({block: 'center', behavior: 'instant'})")
    box = browser.value("(b => [b.x, b.y, b.width])(document.querySelector('#lead .cross').getBoundingClientRect())")
    browser.point(box[0] + box[2] / 2, box[1] + 30)
    moment, told = tooltip(browser)
    assert "UTC" not in moment  # a point is a session, not a tick
    assert set(told) == {"Lead"}
