"""R22, R27: what the harness plants by falsifying times is refused when the times are true; and what it looks at, block by
block, is what a live tick would see."""

from __future__ import annotations

import numpy as np
import pytest

from qmtl.engine.bars import BarRow
from qmtl.engine.blockobserver import BlockObserver
from qmtl.engine.errors import DataError
from qmtl.engine.observe import Observer

from .earnings import bar_rows, known_after_day, macro_row, positions_of
from .martingale import Session, Shape, Simulation, calendar
from .programs import SEVEN, VIX_PROBE, program

SYMBOLS = 3
SESSIONS = 60


@pytest.fixture(scope="module")
def session() -> Session:
    return next(Simulation(Shape(1, SYMBOLS, sessions=1), (5,), calendar()).sessions())


@pytest.fixture
def observer() -> Observer:
    return Observer(program(SYMBOLS, (*SEVEN, VIX_PROBE)), calendar(), 0)


def row(session: Session, bar: int, known_at: int) -> BarRow:
    everybody = np.ones(SYMBOLS, dtype=np.bool_)
    return BarRow(int(session.starts[bar]), int(session.ends[bar]), known_at, session.values[bar], everybody)


def test_r22_a_bar_that_is_still_forming_is_refused(session: Session, observer: Observer) -> None:
    with pytest.raises(DataError, match="still forming"):
        observer.feed(row(session, 0, int(session.ends[0]) - 1))


def test_r22_a_decision_inside_a_bar_cannot_see_its_close(session: Session, observer: Observer) -> None:
    observer.feed(row(session, 0, int(session.ends[0])))
    with pytest.raises(DataError, match="was fed, but the market of"):
        observer.market(int(session.ends[0]) - 450, decision=True)


def test_r27_a_decision_inside_a_day_cannot_see_its_vix(session: Session, observer: Observer) -> None:
    observer.feed_macro(macro_row(session.day, session.vix, known_after_day(session.day)))
    with pytest.raises(DataError, match="was fed, but the market of"):
        observer.market(int(session.ends[0]), decision=True)


def test_r27_an_hour_is_known_with_its_last_quarter_only(session: Session, observer: Observer) -> None:
    ends = session.ends.tolist()
    for bar in range(4):
        observer.feed(row(session, bar, ends[bar]))
        hours = observer.market(ends[bar], decision=True).behind_60m
        closed = observer.memory.last_end["60m"]
        assert (closed == (ends[3] if bar == 3 else 0)).all()
        assert (hours == (0 if bar == 3 else -1)).all()


def test_r27_blocks_decide_what_live_ticks_decide() -> None:
    """Two observers of the same noise, one by blocks and one row by row, to the bit."""
    live = Observer(program(SYMBOLS, SEVEN), calendar(), 0)
    blocks = BlockObserver(Observer(live.program, calendar(), 0))
    held = 0.0
    for session in Simulation(Shape(1, SYMBOLS, sessions=SESSIONS), (6,), calendar()).sessions():
        together = np.concatenate([positions_of(block) for block in blocks.feed(bar_rows(session))])
        for bar, end in enumerate(session.ends.tolist()):
            live.feed(row(session, bar, end))
            np.testing.assert_array_equal(together[bar], positions_of(live.market(end, decision=True)))
        held += float(np.abs(together).sum())
        for observer in (live, blocks.observer):
            observer.feed_macro(macro_row(session.day, session.vix, known_after_day(session.day)))
    assert held > 0
