"""A regime that is only recorded: what it says beside the one that decides, and what is counted of it (R51)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from qmtl.engine.alerts import HOUR, alerts_of
from qmtl.engine.decide import decide
from qmtl.engine.shadow import MOST_FALLBACKS, Beside, Counts, beside, counted, so_far
from qmtl.engine.state import initial

NAN = float("nan")
UP, DOWN, CHOP = (0.5, 0.2, 0.3, 0.1), (0.1, 0.8, 0.1, 0.9), (0.2, 0.2, 0.6, 0.1)
SILENT = (NAN, NAN, NAN, 0.1)
BLIND = (0.5, 0.2, 0.3, NAN)


def rows(*symbols: tuple[float, ...], confidence: bool = False) -> np.ndarray:
    return np.array([[*symbol, 0.5] if confidence else symbol for symbol in symbols]).T


@pytest.mark.parametrize(
    ("p", "shadow", "said"),
    [
        (UP, UP, Beside.AGREES),
        (UP, DOWN, Beside.DIFFERS),
        (UP, CHOP, Beside.DIFFERS),
        (UP, (0.34, 0.33, 0.33, 0.99), Beside.AGREES),  # the label counts, and high volatility is none
        (UP, (0.4, 0.2, 0.4, 0.1), Beside.AGREES),  # of equals the first, on both sides
        (UP, SILENT, Beside.MISSING),
        (UP, BLIND, Beside.MISSING),
        (SILENT, UP, Beside.NOTHING),
        (BLIND, UP, Beside.NOTHING),
        (SILENT, SILENT, Beside.NOTHING),
    ],
)
def test_what_a_shadow_says_beside_the_regime(p: Any, shadow: Any, said: Beside) -> None:
    codes = beside(rows(p), rows(shadow, confidence=True))
    assert codes.tolist() == [said]


def test_a_shadow_without_confidence_still_has_an_output() -> None:
    shadow = rows(UP, confidence=True)
    shadow[4] = NAN
    assert beside(rows(UP), shadow).tolist() == [Beside.AGREES]


def test_counts_and_rates() -> None:
    counts = counted(beside(rows(UP, UP, UP, SILENT), rows(UP, DOWN, SILENT, UP, confidence=True)))
    assert counts == Counts(compared=2, differing=1, fallbacks=1)
    assert (counts.differing_rate, counts.fallback_rate) == (0.5, 1 / 3)
    assert np.isnan([Counts().differing_rate, Counts().fallback_rate]).all()
    assert not Counts().unreliable


@pytest.mark.parametrize(("fallbacks", "unreliable"), [(0, False), (5, False), (6, True), (100, True)])
def test_r51_more_than_five_percent_is_too_much(fallbacks: int, unreliable: bool) -> None:
    assert MOST_FALLBACKS == 0.05
    assert Counts(compared=100 - fallbacks, fallbacks=fallbacks).unreliable == unreliable


def test_each_closed_bar_counts_once(lab: Any) -> None:
    of = lab.frame(3)
    state, shadow = lab.locked(initial(of)), rows(UP, DOWN, SILENT, confidence=True)
    for clock, compared in (("10:00", 2), ("10:01", 2), ("10:02", 2), ("10:15", 4), ("10:16", 4)):
        row = lab.market(of, lab.at(clock), shadow=shadow)
        state, tick = decide(of, state, row, lab.account(of), lab.at(clock))
        assert so_far(state) == Counts(compared, compared // 2, compared // 2)
        assert tick.regime.compared == (2 if tick.market.decision else 0)
        assert tick.regime.shadow.tolist() == [Beside.AGREES, Beside.DIFFERS, Beside.MISSING]
        state = lab.locked(state)


def test_without_a_shadow_nothing_is_counted_and_no_column_is_there(lab: Any) -> None:
    tick = lab.decide(lab.frame(3), lab.at("10:00"))
    assert tick.regime.shadow.size == 0
    assert so_far(tick.after) == Counts()


def test_r51_a_shadow_that_falls_back_too_often_is_told_when_it_does_and_once_a_day(lab: Any) -> None:
    of = lab.frame(1)
    state = lab.locked(replace(initial(of), shadow_compared=np.array(190)))
    told = []
    times = [lab.at("10:00", day) + 900 * n for day in range(3) for n in range(6)]
    for now in times:
        row = lab.market(of, now, shadow=rows(SILENT, confidence=True))
        state, tick = decide(of, state, row, lab.account(of), now)
        state = lab.locked(state)
        told += [(now, text) for text in alerts_of(tick, HOUR)]
    # the eleventh of 201 is 5.5 %; then the first tick of the next day
    assert [now for now, _ in told] == [times[10], times[12]]
    assert "has no output for 5.5%, above 5%" in told[0][1]
    # a limit that it is below again is told when it is passed again
    better = lab.locked(replace(state, shadow_compared=np.array(10_000), now=np.array(times[-1])))
    assert alerts_of(decide(of, better, row, lab.account(of), now + 900)[1], HOUR) == ()
