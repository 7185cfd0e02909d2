"""Law: the columns of whole numbers of a backtest are the embedded paper account, digit by digit."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.dsl.model import ExchangePolicy, PaperBroker
from qmtl.engine.adapters.paper import PaperAccount
from qmtl.engine.backtest.floor import Floor, Legs
from qmtl.engine.backtest.purse import MILLION, Purse
from qmtl.engine.bars import BarRow, OpenRow
from qmtl.engine.orders import Attribution, Order
from qmtl.engine.paperrules import Tariff, average_after, fill_price
from qmtl.engine.sizing import venue_of

SYMBOLS = ("AAA", "BBB", "CCC")
OPEN, BAR, BARS = 1_761_658_200, 900, 26


@dataclass(frozen=True, slots=True)
class Tape:
    """Bars of one session behind the feed port; NaN = no bar."""

    prices: np.ndarray
    symbols: tuple[str, ...] = SYMBOLS
    source: str = "tape"

    def span(self) -> tuple[int, int]:
        return OPEN, OPEN + len(self.prices) * BAR

    def rows(self, after: int, until: int):
        for i, (opened, closed) in enumerate(self.prices):
            end = OPEN + (i + 1) * BAR
            if after < end <= until:
                values = np.stack([opened, opened, opened, closed, np.ones(len(SYMBOLS))])
                yield BarRow(end - BAR, end, end, values, ~np.isnan(closed))

    def opens(self, after: int, until: int):
        for i, (opened, _) in enumerate(self.prices):
            if after < OPEN + i * BAR <= until:
                yield OpenRow(OPEN + i * BAR, opened)


@dataclass(frozen=True, slots=True)
class Session:
    opens: np.ndarray
    closes: np.ndarray


HOURS = Session(np.array([OPEN]), np.array([OPEN + BARS * BAR]))
PRICE = st.one_of(
    st.decimals("0.02", "900", places=3).map(float),  # three decimals and a slippage of 1 bp end in ties
    st.floats(0.01, 5e5),
)
#: mostly buys, so that positions are added to
LOTS_WISHED = st.one_of(st.integers(1, 60), st.integers(1, 9), st.integers(-60, -1))
LOTS = st.sampled_from([("1", False), ("0.001", True), ("0.000001", True), ("10", False)])


@st.composite
def markets(draw: st.DrawFn) -> np.ndarray:
    bars = draw(st.integers(2, 8))
    rows = [[[draw(PRICE) if draw(st.integers(0, 9)) else float("nan") for _ in SYMBOLS]] * 2 for _ in range(bars)]
    found = np.array(rows)
    found[:, 1] *= draw(st.sampled_from([1.0, 1.001, 0.97]))
    return found


@given(
    prices=markets(),
    lot=LOTS,
    costs=st.sampled_from([(0.0002, 0.0001), (0.0, 0.0), (0.001, 0.0005)]),
    cash=st.sampled_from(["3000", "100000", "50000000.55"]),
    moves=st.lists(st.tuples(st.integers(0, 2), LOTS_WISHED, st.integers(0, 5)), min_size=6, max_size=24),
)
@settings(max_examples=150, deadline=None)
def test_law_purse_and_floor_are_the_paper_account(
    prices: np.ndarray, lot: tuple[str, bool], costs: tuple[float, float], cash: str, moves: list
) -> None:
    policy = ExchangePolicy("test", lot_size=Decimal(lot[0]), fractional=lot[1], min_notional=Decimal(0))
    feed, venue = Tape(prices), venue_of(policy)
    paper = PaperAccount(
        ":memory:", "law", feed, HOURS, policy=policy,
        settings=PaperBroker(cash=Decimal(cash), fee=costs[0], slippage=costs[1]),
    )  # fmt: skip
    tariff = Tariff.of(*costs)
    floor = Floor(Purse(3, venue.atom, tariff, Decimal(cash)), policy, tariff)
    marks, last, number = np.zeros(3), OPEN, 0
    for i in range(1, len(prices)):
        now = OPEN + i * BAR
        for row in feed.rows(last, now):
            marks = np.where(row.present, row.values[3], marks)
        paper.advance(now)
        floor.advance(now, list(feed.opens(last - 1, now)))
        _equal(paper, floor, marks, now)
        sent, legs = [], []
        for column, lots, close in moves[i - 1 :: len(prices)]:
            atoms = _wish(floor, venue, column, lots, close=not close)
            if atoms and marks[column] > 0 and all(column != other for other, _ in sent):
                sent.append((column, atoms))
                legs.append((number, column, atoms, bool(floor.purse.atoms[column] * atoms < 0)))
                number += 1
        replies = [paper.submit(_order(column, atoms, venue.atom, row, now), now) for row, column, atoms, _ in legs]
        if legs:
            columns = [np.array(part) for part in zip(*legs, strict=True)]
            full = Legs(*columns, *(np.full(len(legs), value) for value in (now, int(HOURS.closes[0]), 0, 0)))
            refused = floor.submit(full, marks)
            assert [reply.state == "REJECTED" for reply in replies] == refused.tolist(), [r.detail for r in replies]
        _equal(paper, floor, marks, now)
        last = now
    paper.close()


def _wish(floor: Floor, venue, column: int, lots: int, *, close: bool) -> int:
    """A signed quantity that the rules of a venue allow: never across zero, shorts in whole shares, none while working."""
    held = int(floor.purse.atoms[column])
    if column in floor.working.column.tolist():
        return 0
    if close or held * lots < 0:
        return -held if close else int(np.sign(lots)) * min(abs(lots) * venue.lot, abs(held))
    return lots * (venue.lot if lots > 0 else venue.whole)


def _order(column: int, atoms: int, atom: Decimal, row: int, now: int) -> Order:
    return Order(
        client_order_id=f"o{row}", symbol=SYMBOLS[column], side="buy" if atoms > 0 else "sell", qty=abs(atoms) * atom,
        leg="open", epoch=now, attempt=1, reason="test", mark=Decimal(1), valid_until=0,
        attribution=(Attribution("w", "s", "g", atoms * atom),),
    )  # fmt: skip


def _equal(paper: PaperAccount, floor: Floor, marks: np.ndarray, now: int) -> None:
    seen, purse = paper.snapshot(now), floor.purse
    held = {p.symbol: (p.qty, p.average_price) for p in seen.positions}
    for i, symbol in enumerate(SYMBOLS):
        qty, average = held.get(symbol, (Decimal(0), Decimal(0)))
        assert int(purse.atoms[i]) * purse.atom == qty
        assert Decimal(int(purse.average[i])) / MILLION == average
        assert purse.qty[i] == float(qty)
        assert np.isnan(purse.price[i]) if not qty else purse.price[i] == float(average)
    assert Decimal(purse.units) * purse.atom / MILLION == seen.cash
    assert purse.cash == float(seen.cash)
    assert purse.equity(marks) == float(seen.equity)
    assert floor.power(marks) == float(seen.buying_power)
    assert len(floor.working) == len(seen.open_orders)


def after_fill(
    held: Decimal, average: Decimal, atoms: Decimal, opened: Decimal, tariff: Tariff
) -> tuple[Decimal, Decimal]:
    """Atoms and average price by the rules of the paper account."""
    price = fill_price(opened, 1 if atoms > 0 else -1, tariff)
    after = held + atoms
    return after, average_after(held, average, atoms, price) if after else Decimal(0)


#: for each tick, fills of distinct symbols (signed lots, also across zero), and whether somebody asks for averages then
TICKS = st.lists(
    st.tuples(
        st.lists(
            st.tuples(st.integers(0, 2), st.integers(-30, 30).filter(bool)), max_size=3, unique_by=lambda fill: fill[0]
        ),
        st.booleans(),
        st.booleans(),
    ),
    min_size=2,
    max_size=30,
)


@given(
    ticks=TICKS, price=st.floats(0.02, 900), unit=st.sampled_from([1, 1000, 10**9, 10**13]), seed=st.integers(0, 2**32)
)
@settings(max_examples=200, deadline=None)
def test_law_averages_asked_for_late_are_those_asked_for_after_each_fill(
    ticks: list, price: float, unit: int, seed: int
) -> None:
    rng, tariff, exact = np.random.default_rng(seed), Tariff.of(0.0002, 0.0001), [(Decimal(0), Decimal(0))] * 3
    late, early = (Purse(3, Decimal("0.000001"), tariff, Decimal(10**9)) for _ in range(2))
    for fills, asked, asked_before in ticks:
        before = early.price.copy()
        late.begin()
        early.begin()
        for half in (fills[:2], fills[2:]):  # two bars of one tick
            if half:
                at, lots = (np.array(row, dtype=np.int64) for row in zip(*half, strict=True))
                lots *= rng.choice([1, unit // 10 or 1, unit], len(at))  # also a little to much
                opened = np.round(price * rng.uniform(0.9, 1.1, len(at)), 3)
                late.fill(at, lots, opened)
                early.fill(at, lots, opened)
                for column, atoms, price_at in zip(at.tolist(), lots.tolist(), opened.tolist(), strict=True):
                    exact[column] = after_fill(*exact[column], Decimal(atoms), Decimal(repr(price_at)), tariff)
                assert [Decimal(int(average)) / MILLION for average in early.average] == [price for _, price in exact]
        if asked_before:
            assert np.array_equal(late.price_before, before, equal_nan=True)
        if asked:
            assert np.array_equal(late.average, early.average)
            assert np.array_equal(late.price, early.price, equal_nan=True)
            assert np.array_equal(late.price_before, before, equal_nan=True)
    assert np.array_equal(late.average, early.average)
    assert late.units == early.units
