"""Orders against the published rules of real venues: the filters of Binance, and Lean's table of symbols.

Every symbol's rules become a policy, written as text and read like any other. Whatever is wished, each order that sizing lets
through satisfies the venue's own formulas, written here a second time with fractions, and nothing that the venue would
have taken is lost but by rounding toward zero.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from qmtl.dsl.documents import load_file
from qmtl.dsl.exchange import ExchangePolicy, rules_for
from qmtl.dsl.readexchange import read_exchange
from qmtl.dsl.schema import check
from qmtl.dsl.section import Findings
from qmtl.engine.orderrules import in_lots, limit_price
from qmtl.engine.reasons import Reason
from qmtl.engine.sizing import sized, venue_of
from qmtl.engine.tick import CLOSE_LEG, OPEN_LEG, changed

RULES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "exchange_rules"
pytestmark = pytest.mark.skipif(not RULES.is_dir(), reason=f"the exchange rules are not at {RULES}")
LAW = settings(
    phases=(Phase.explicit, Phase.generate),
    max_examples=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
#: a float quotient may be off by this much, and is read with this slack
SLACK = Fraction(2, 10**12)


@dataclass(frozen=True)
class Filters:
    """What a venue publishes for a symbol; quantities and prices as text. `least_value` 0: none."""

    symbol: str
    tick: str
    step: str
    least: str
    most: str
    market_step: str
    market_least: str
    market_most: str
    least_value: str

    def takes(self, qty: Fraction, price: Fraction, *, reduces: bool) -> bool:
        """The formulas of LOT_SIZE, MARKET_LOT_SIZE and MIN_NOTIONAL for a market order; an order that only reduces may be
        worth less."""
        in_lot = (
            Fraction(self.least) <= qty <= Fraction(self.most)
            and (qty - Fraction(self.least)) % Fraction(self.step) == 0
        )
        market = Fraction(self.market_least) <= qty <= Fraction(self.market_most)
        market = market and (qty - Fraction(self.market_least)) % Fraction(self.market_step) == 0
        return in_lot and market and (reduces or price * qty >= Fraction(self.least_value))

    def largest(self, wished: Fraction) -> Fraction:
        """The largest quantity of whole steps that is not above what is wished or what the venue takes."""
        step = max(Fraction(self.step), Fraction(self.market_step))
        return min(wished, Fraction(self.most), Fraction(self.market_most)) // step * step

    def text(self) -> str:
        """The rules of the symbol in a policy."""
        said = {
            "lot_size": self.step, "fractional": "true" if Fraction(self.step) < 1 else "false", "fractional_shorts": "true",
            "tick_size": self.tick, "min_quantity": self.least, "max_quantity": self.most, "min_notional": self.least_value,
            "market_lot_size": self.market_step, "market_min_quantity": self.market_least,
            "market_max_quantity": self.market_most,
        }  # fmt: skip
        body = ", ".join(
            f"{name}: {Decimal(value).normalize():f}" if value[0].isdigit() else f"{name}: {value}"
            for name, value in said.items()
        )
        return f'  "{self.symbol}": {{{body}}}\n'


@cache
def binance() -> tuple[Filters, ...]:
    """All symbols of the recorded exchangeInfo."""
    data = json.loads(gzip.decompress((RULES / "binance_usdm_exchangeInfo_2021-09-06.json.gz").read_bytes()))
    found = []
    for symbol in data["symbols"]:
        f = {one["filterType"]: one for one in symbol["filters"]}
        lot, market = f["LOT_SIZE"], f["MARKET_LOT_SIZE"]
        found.append(
            Filters(
                symbol["symbol"], f["PRICE_FILTER"]["tickSize"], lot["stepSize"], lot["minQty"], lot["maxQty"],
                market["stepSize"], market["minQty"], market["maxQty"], f["MIN_NOTIONAL"]["notional"],
            )
        )  # fmt: skip
    return tuple(found)


@cache
def lean() -> tuple[Filters, ...]:
    """The symbols of Lean's table. `minimum_order_size` is money at Binance and a quantity elsewhere."""
    rows: dict[str, Filters] = {}
    for name in ("lean_symbol_properties_binance_bybit.csv", "lean_symbol_properties_usa_equity.csv"):
        with (RULES / name).open(encoding="utf-8") as file:
            for number, row in enumerate(csv.DictReader(file)):
                symbol = "SPY" if row["symbol"] == "[*]" else f"{row['market']}-{row['type']}-{number}"
                lot, least = row["lot_size"], row["minimum_order_size"] or "0"
                money = least if row["market"] == "binance" else "0"
                size = least if row["market"] == "bybit" and Fraction(least) % Fraction(lot) == 0 else "0"
                size = size if Fraction(size) else "0"
                rows.setdefault(
                    symbol,
                    Filters(
                        symbol, row["minimum_price_variation"], lot, size, "1000000000", lot, size, "1000000000", money
                    ),
                )
    return tuple(rows.values())


def policy_of(listed: Sequence[Filters], folder: Path, closing: str = "exempt") -> ExchangePolicy:
    """A policy document with the rules of all of them, read as any document is."""
    path = folder / "venue.yaml"
    head = f"version: 1\nexchange: venue\nclosing: {closing}\nlot_size: 0.001\nfractional: true\nsymbols:\n"
    path.write_text(head + "".join(one.text() for one in listed), encoding="utf-8")
    (document,) = load_file(path).documents
    assert not check(document.tree, "exchange")
    found = Findings()
    policy = read_exchange(document, found)
    assert not [p.message for p in found.problems if p.severity == "error"]
    return policy


@dataclass(frozen=True)
class Drawn:
    """Wishes for each symbol: money, price as a number of ticks, side, what is held in steps (0: the leg opens)."""

    seed: int
    size: float

    def of(self, listed: Sequence[Filters]) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[Decimal]]:
        rng = np.random.default_rng(self.seed)
        k = len(listed)
        ticks = np.floor(10 ** rng.uniform(0, 7, k)) + 1
        marks = np.array([float(Decimal(int(n)) * Decimal(one.tick)) for n, one in zip(ticks, listed, strict=True)])
        marks = np.maximum(marks, 1e-3)  # quantities of what costs nothing have no end
        money = np.clip(10 ** rng.uniform(-2, 5, k) * self.size, 1e-6, marks * 1e8)
        exact = rng.random(k) < 0.3  # at the smallest value to the last digit, where rounding decides
        at_least = np.array([float(one.least_value) for one in listed])
        delta = np.where(exact & (at_least > 0), at_least, money) * rng.choice([-1.0, 1.0], k)
        steps = np.floor(10 ** rng.uniform(0, 5, k)) * (rng.random(k) < 0.4)
        held = [Decimal(int(n)) * Decimal(one.step) for n, one in zip(steps, listed, strict=True)]
        return marks, delta, rng.random(k) < 0.5, held


draws = st.builds(Drawn, st.integers(0, 10**9), st.sampled_from([1.0, 0.01, 50.0]))


def orders_of(lab: Any, policy: ExchangePolicy, listed: Sequence[Filters], drawn: Drawn) -> list[tuple[Any, ...]]:
    """(filters, shares wished, mark, position, whole position wished, row of sizing) of every leg."""
    of = lab.frame(universe=tuple(one.symbol for one in listed), strategies=("alpha",), exchange=policy)
    marks, money, whole, held = drawn.of(listed)
    signed = {
        one.symbol: qty if delta < 0 else -qty for one, qty, delta in zip(listed, held, money.tolist(), strict=True)
    }
    account = lab.account(of, qty={s: q for s, q in signed.items() if q}, buying_power=1e15)
    tick = lab.decide(of, lab.at("10:00"), None, account, mark=marks, signal=0)
    capital = tick.load.capital
    qty = np.array([float(signed[one.symbol]) for one in listed])
    closing = (qty != 0) & whole
    delta = np.where(closing, -qty * marks, money) / capital
    reduced = (qty != 0) & ~whole  # never more than there is
    delta = np.where(reduced, np.sign(delta) * np.minimum(np.abs(delta), np.abs(qty) * marks / capital), delta)
    leg = np.where(qty != 0, CLOSE_LEG, OPEN_LEG).astype(np.uint8)
    tick.orders = changed(tick.orders, leg=leg, delta=delta, closing=closing)
    rows = sized([tick], 1e15)
    assert rows is not None
    shares = delta * capital / marks
    place = {int(column): i for i, column in enumerate(rows.column)}
    assert len(place) == len(listed)
    return [
        (one, shares[n], marks[n], signed[one.symbol], bool(closing[n]), place[n], rows) for n, one in enumerate(listed)
    ]


def holds(lab: Any, policy: ExchangePolicy, listed: Sequence[Filters], drawn: Drawn) -> tuple[int, int]:
    """The law; (orders that were sent, wishes that were denied)."""
    atom, sent, denied = venue_of(policy).atom, 0, 0
    for one, shares, mark, position, whole, i, rows in orders_of(lab, policy, listed, drawn):
        signed = -position if rows.whole[i] else int(rows.atoms[i]) * atom
        qty, price = Fraction(abs(signed)), Fraction(Decimal(repr(float(mark))))
        wished = Fraction(abs(position)) if whole else Fraction(abs(float(shares)))
        if position:
            assert not signed or (signed < 0) == (position > 0), "a closing order goes the other way"
            assert qty <= abs(Fraction(position)), "a closing order crosses zero"
        held = abs(Fraction(position))
        all_of_it = (
            policy.closing == "exempt" and bool(position) and wished * (1 + SLACK) >= held
        )  # whoever reduces by all of it closes
        best = {one.largest(wished), one.largest(wished * (1 + SLACK))}
        if not qty:
            denied += 1
            taken = [q for q in best if q and one.takes(q, price, reduces=all_of_it and q == held)]
            assert len(taken) < len(best), f"{one} would have taken {taken}: {Reason(int(rows.denial[i])).code}"
            continue
        sent += 1
        assert one.takes(qty, price, reduces=all_of_it and qty == held), (
            f"{one} does not take {float(qty)} at {float(price)}"
        )
        assert min(best) <= qty <= max(best), f"{one} would have taken {[float(q) for q in best]}, sent {float(qty)}"
    return sent, denied


@LAW
@given(draws)
def test_law_orders_satisfy_the_filters_of_all_133_symbols_of_binance(
    lab: Any, tmp_path_factory: pytest.TempPathFactory, drawn: Drawn
) -> None:
    listed = binance()
    assert len(listed) == 133
    sent, denied = holds(lab, policy_of(listed, tmp_path_factory.mktemp("venue")), listed, drawn)
    assert sent + denied == 133


def test_the_law_sees_orders_denials_and_cuts(lab: Any, tmp_path: Path) -> None:
    listed = binance()
    policy = policy_of(listed, tmp_path)
    sent, denied = holds(lab, policy, listed, Drawn(1, 1.0))
    assert sent > 40
    assert denied > 10
    rows = orders_of(lab, policy, listed, Drawn(2, 50.0))[0][-1]
    reasons = {Reason(int(code)) for code in rows.denial}
    assert {Reason.REDUCED_QUANTITY, Reason.DENIED_NOTIONAL} & reasons


@settings(LAW, max_examples=3)
@given(draws)
def test_law_orders_satisfy_leans_table(lab: Any, tmp_path_factory: pytest.TempPathFactory, drawn: Drawn) -> None:
    """US shares, and spot pairs and perpetuals of two venues; here closing orders obey what all orders do."""
    listed = lean()
    assert len(listed) > 5000
    some = [listed[-1], *listed[drawn.seed % 40 :: 40]]
    sent, _ = holds(lab, policy_of(some, tmp_path_factory.mktemp("venue"), "bound"), some, drawn)
    assert sent > 10


def test_every_symbol_of_leans_table_is_a_policy_whose_orders_the_venue_takes(lab: Any, tmp_path: Path) -> None:
    listed = lean()
    for low in range(0, len(listed), 2000):  # a file may have a megabyte
        part = listed[low : low + 2000]
        policy = policy_of(part, tmp_path, "bound")
        assert len(policy.symbols) == len(part)
        sent, _ = holds(lab, policy, part, Drawn(low, 1.0))
        assert sent > len(part) / 4
    rules = rules_for(policy_of([one for one in listed if one.symbol == "SPY"], tmp_path), "SPY")
    assert (rules.lot_size, rules.tick_size) == (1, Decimal("0.01"))


@settings(LAW, max_examples=300)
@given(st.integers(0, 132), st.integers(2, 10**9), st.floats(0.0001, 0.2), st.booleans())
def test_law_limit_prices_satisfy_the_price_filter(number: int, ticks: int, collar: float, buys: bool) -> None:
    """A multiple of the step, inside the collar, and at most one step away from it."""
    one = binance()[number]
    tick = Decimal(one.tick)
    rules = ExchangePolicy("venue", tick_size=tick, order_type="limit", collar=collar)
    mark = ticks * tick
    price = limit_price(rules, mark, "buy" if buys else "sell", opens=True)
    assert price is not None
    edge = Fraction(mark) * (1 + Fraction(str(collar)) * (1 if buys else -1))
    assert Fraction(price) % Fraction(one.tick) == 0
    assert price > 0
    away = (edge - Fraction(price)) * (1 if buys else -1)
    assert 0 <= away < Fraction(one.tick) or price == tick


def test_three_tenths_in_lots_of_a_tenth_are_three_lots() -> None:
    assert in_lots(Decimal("0.3"), Decimal("0.1")) == Decimal("0.3")
    assert int(Decimal("0.3") / Decimal("0.1")) == 3
    assert in_lots(Decimal("0.39999"), Decimal("0.1")) == Decimal("0.3")
