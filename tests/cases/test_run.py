"""Running a case is running the engine: same columns, same fills, and nothing of a rule is done twice."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest

from qmtl.cli.casefiles import Suite, load_suite, worlds_under_test
from qmtl.cli.caserun import account_for
from qmtl.dsl.cases.model import Bars, Case, MarketSeries, Probabilities, RegimeColumns, Series, Step
from qmtl.engine.cases.run import Played, WorldUnderTest, play
from qmtl.engine.cases.timeline import CaseError, fitted, stretches

AT = 1767713400  # 2026-01-06, 10:30 in New York


@pytest.fixture(scope="module")
def suite(request: pytest.FixtureRequest) -> Suite:
    return load_suite([str(request.config.rootpath / "worlds")])


@pytest.fixture(scope="module")
def world(suite: Suite) -> WorldUnderTest:
    (file,) = (file for file, one in suite.worlds.items() if one.name == "us_core")
    return worlds_under_test(suite)[file]


def named(suite: Suite, name: str) -> Case:
    (case,) = (case for one in suite.documents for case in one.cases if case.name == name)
    return case


def played(case: Case, world: WorldUnderTest) -> tuple[Played, ...]:
    """The ticks of a case."""
    with ExitStack() as closing:
        return play(case, world, account_for(world, closing))


def noisy(symbol: str, seed: int, count: int) -> Bars:
    moves = np.random.default_rng(seed).normal(0, 0.004, count)
    return Bars(symbol, Series(tuple(np.round(100 * np.exp(np.cumsum(moves)), 2).tolist())))


def computed(world: WorldUnderTest, count: int = 330) -> Case:
    """A case whose regime is computed from bars."""
    bars = tuple(noisy(symbol, i, count) for i, symbol in enumerate(world.computed.names.symbols[:4]))
    vix = MarketSeries("vix", Series(tuple(15 + (i % 7) / 4 for i in range(90))))
    return Case("computed", "us_core", "", (Step(AT, True, "", bars, market=(vix,)),))


def test_given_probabilities_decide_as_computed_ones_do(world: WorldUnderTest) -> None:
    """The regime of a world, fed back to it as columns, gives the same tick: strategies and chains read what is given."""
    case = computed(world)
    (first,) = played(case, world)
    p, confidence = first.tick.market.p, first.tick.market.confidence
    names = world.computed.names.symbols
    assert np.isfinite(p[:, :4]).all()
    given = RegimeColumns(
        None,
        tuple(
            (symbol, Probabilities(*(Series((float(v),), constant=True) for v in (*p[:, i], confidence[i]))))
            for i, symbol in enumerate(names[:4])
        ),
    )
    (second,) = played(replace(case, steps=(replace(case.steps[0], regime=given),)), world)
    for column in ("p", "when", "fit", "mark", "guards"):
        np.testing.assert_array_equal(
            getattr(first.tick.market, column)[..., :4], getattr(second.tick.market, column)[..., :4]
        )
    np.testing.assert_array_equal(first.tick.chain.chain[:4], second.tick.chain.chain[:4])


def test_a_strategy_reads_the_given_probabilities(world: WorldUnderTest) -> None:
    """zscore_reversion trades only while no trend is likely: p_trend_up + p_trend_down < 0.55."""
    falling = Series(tuple([100.0 + i % 3 for i in range(420)] + [97.0 - i / 8 for i in range(8)]))
    bars = (Bars("SPY", falling),)

    def signal(up: float, chop: float) -> int:
        columns = [Series((v,), constant=True) for v in (up, 1 - up - chop, chop, 0.0, 0.9)]
        regime = RegimeColumns(Probabilities(*columns))
        (tick,) = played(Case("c", "us_core", "", (Step(AT, True, "", bars, regime),)), world)
        row = tick.tick.frame.strategy_index["zscore_reversion"]
        return int(tick.tick.market.signal[row, tick.tick.frame.index["SPY"]])

    assert (signal(0.1, 0.8), signal(0.6, 0.3)) == (1, 0)


def test_a_position_without_an_owner_is_that_of_the_selected_strategy(suite: Suite, world: WorldUnderTest) -> None:
    case = named(suite, "a small drift stays inside the deadband")
    (tick,) = played(case, world)
    assert tick.tick.load.owner[0] == tick.tick.select.selected[0] == tick.tick.frame.strategy_index["roc_momentum"]


def test_orders_of_a_step_fill_at_the_next_open_with_costs(suite: Suite, world: WorldUnderTest) -> None:
    case = named(suite, "an entry fills at the next open and is held from then on")
    ticks = played(case, world)
    sent = ticks[0].netted.orders[0]
    (fill,) = ticks[1].tick.account.fills
    assert (fill.qty, fill.at) == (sent.qty, case.steps[0].at)
    assert float(fill.price) == pytest.approx(500 * 1.0001)
    assert ticks[2].tick.market.mark[0] == 501
    assert ticks[2].tick.account.qty[0] == float(sent.qty)


def test_running_a_case_twice_gives_the_same_ticks(suite: Suite, world: WorldUnderTest) -> None:
    case = named(suite, "a reversal is two orders, the second after the first has filled")
    one, two = (played(case, world) for _ in range(2))
    assert [p.netted for p in one] == [p.netted for p in two]


def rows(world: WorldUnderTest, *steps: Step) -> list[tuple[tuple[int, float], ...]]:
    """(end, close of SPY) per row and step."""
    parts = stretches(Case("c", "us_core", "", steps), world.computed.names.symbols, world.calendar)
    return [tuple((row.end, float(row.values[3, 0])) for row in part.rows) for part in parts]


def test_the_last_bar_of_a_series_closes_at_the_tick(world: WorldUnderTest) -> None:
    (found,) = rows(world, Step(AT, True, "", (Bars("SPY", Series((1.0, 2.0, 3.0))),)))
    assert found == ((AT - 1800, 1.0), (AT - 900, 2.0), (AT, 3.0))


def test_a_series_reaches_over_the_night(world: WorldUnderTest) -> None:
    (found,) = rows(world, Step(AT, True, "", (Bars("SPY", Series(tuple(map(float, range(1, 7))))),)))
    ends = [end for end, _ in found]
    assert ends[-4:] == [AT - 2700, AT - 1800, AT - 900, AT]
    assert ends[-5] == AT - 3600 - 17 * 3600 - 1800 + 0  # 16:00 of the day before


def test_what_a_step_does_not_say_goes_on(world: WorldUnderTest) -> None:
    first = Step(AT, True, "", (Bars("SPY", Series((5.0,), constant=True)),))
    assert rows(world, first, Step(AT + 1800, True, "steps.0"))[1] == ((AT + 900, 5.0), (AT + 1800, 5.0))
    new = Step(AT + 1800, True, "steps.0", (Bars("SPY", Series((6.0, 7.0))),))
    assert rows(world, first, new)[1] == ((AT + 900, 6.0), (AT + 1800, 7.0))


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (Step(AT + 1860, False, "steps.0"), "a bar closes between"),
        (Step(AT + 960, True, "steps.0"), "no 15m bar"),
        (Step(AT + 900, True, "steps.0", (Bars("SPY", Series((1.0, 2.0))),)), "2 values for SPY, but 1 bars close"),
        (Step(AT + 900, True, "steps.0", market=(MarketSeries("vix", Series((1.0,))),)), "0 sessions ended"),
    ],
)
def test_steps_that_the_calendar_does_not_allow_are_refused(world: WorldUnderTest, second: Step, words: str) -> None:
    with pytest.raises(CaseError, match=words):
        rows(world, Step(AT, True, "", (Bars("SPY", Series((5.0,), constant=True)),)), second)


def test_values_end_together(world: WorldUnderTest) -> None:
    np.testing.assert_array_equal(fitted(Series((1.0, 2.0)), 4), [np.nan, np.nan, 1, 2])
    np.testing.assert_array_equal(fitted(Series((3.0,), constant=True), 2), [3, 3])


def test_prices_that_are_not_said_follow_from_the_close(world: WorldUnderTest) -> None:
    step = Step(AT, True, "", (Bars("SPY", Series((10.0, 12.0, 11.0)), high=Series((20.0,))),))
    (part,) = stretches(Case("c", "us_core", "", (step,)), world.computed.names.symbols, world.calendar)
    assert [row.values[:4, 0].tolist() for row in part.rows] == [[10, 10, 10, 10], [10, 12, 10, 12], [12, 20, 11, 11]]


def test_a_case_takes_milliseconds(suite: Suite, world: WorldUnderTest) -> None:
    case = named(suite, "a small drift stays inside the deadband")
    took = []
    for _ in range(7):
        began = time.perf_counter()
        assert played(case, world)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.05  # about 5 ms on an idle machine
