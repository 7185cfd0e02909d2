"""Attribution: the rows of each kind add up to the account's P&L."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.engine.backtest.attribution import BORROW, NOBODY, shares
from qmtl.engine.backtest.metrics import account_measures
from qmtl.engine.backtest.result import Costs
from qmtl.engine.backtest.roundtrips import round_trips

from .made import Sent, played, record

KINDS = ("chain", "strategy", "symbol")


@given(st.integers(0, 2**32 - 1), st.sampled_from([("core",), ("core", "other")]))
@settings(max_examples=80, deadline=None)
def test_law_shares_of_each_kind_add_up_to_the_accounts_pnl(seed: int, worlds: tuple[str, ...]) -> None:
    result = played(seed, worlds=worlds, crossing=True).result
    trips = round_trips(result)
    account = account_measures(result, trips)
    rows = shares(result, trips)
    assert {row.kind for row in rows} == set(KINDS)
    for kind in KINDS:
        mine = [row for row in rows if row.kind == kind]
        assert sum(row.pnl for row in mine) == pytest.approx(account.end_equity - account.start_equity, abs=0.005)
        assert sum(row.trades for row in mine) == account.trades
        assert sum(row.turnover for row in mine) == pytest.approx(account.turnover)
        paid = account.fees + account.slippage_paid + account.borrow
        assert sum(row.costs for row in mine) == pytest.approx(paid, abs=0.005)
        for row in mine:
            assert row.gross - row.costs == pytest.approx(row.pnl, abs=1e-6)


def test_a_trip_belongs_to_who_opened_it_and_borrow_has_its_own_row() -> None:
    sent = [
        Sent(0, "A", 10, 100.0, strategy="roc", chain="trend"),
        Sent(1, "A", 10, 100.0, strategy="zscore", chain="chop"),
        Sent(2, "A", -20, 110.0, strategy="zscore", chain="chop"),
        Sent(2, "B", 10, 10.0, strategy="zscore", chain="chop"),
        Sent(3, "C", 1, 10.0, strategy="", chain=""),
    ]
    borrow = np.array([0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    result = record(
        np.full(8, 1000.0), 4, sent, last={"A": 1.0, "B": 9.0, "C": 13.0}, borrow=borrow, costs=Costs(0.0, 0.0)
    )
    rows = shares(result, round_trips(result))
    assert [(row.name, row.pnl, row.trades) for row in rows if row.kind == "chain"] == [
        ("trend", 200.0, 1), (NOBODY, 3.0, 0), ("chop", -10.0, 0), (BORROW, -2.0, 0),
    ]  # fmt: skip
    assert [(row.name, row.pnl) for row in rows if row.kind == "symbol"] == [
        ("A", 200.0), ("C", 3.0), ("B", -10.0), (BORROW, -2.0),
    ]  # fmt: skip
    strategies = {row.name: row for row in rows if row.kind == "strategy"}
    assert strategies["roc"].win_rate == 1.0
    assert strategies["roc"].profit_factor is None
    assert strategies["zscore"].win_rate is None
    assert strategies["roc"].orders == 3


def test_nothing_traded_has_no_rows() -> None:
    result = record(np.full(8, 1000.0), 4)
    assert shares(result, round_trips(result)) == ()
