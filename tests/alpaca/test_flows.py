"""Money that came or went: each flow exactly once (R45)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmtl.engine.adapters.alpaca import account
from qmtl.engine.adapters.alpaca.paging import OVERLAP, Cursor
from qmtl.engine.adapters.alpaca.parse import NANO, nanoseconds, stamp
from qmtl.engine.errors import BrokerError
from qmtl.engine.ports import Known

from .memory import NOW, Account, Open, opened
from .rows import flow_row
from .wire import Wire


def test_without_a_cursor_what_was_before_is_no_news(venue: Account, lines: Open) -> None:
    venue.flows = [flow_row(1, "2026-03-09T10:00:00Z"), flow_row(2, "2026-03-08T10:00:00Z")]
    broker = opened(lines)
    told = broker.hear(Known(), NOW)
    assert told.activities == ()
    assert Cursor.read(told.cursor).newest == nanoseconds("2026-03-09T10:00:00Z")
    assert broker.hear(Known(cursor=told.cursor), NOW).activities == ()


def test_the_first_deposit_of_an_account_is_news(venue: Account, lines: Open) -> None:
    broker = opened(lines)
    cursor = broker.hear(Known(), NOW).cursor
    assert cursor
    venue.flows = [flow_row(1, "2026-03-09T14:04:59.9Z")]
    told = broker.hear(Known(cursor=cursor), NOW + 60)
    assert [(one.kind, one.amount, one.at) for one in told.activities] == [("flow", Decimal(1000), NOW - 1)]


def test_r45_deposits_withdrawals_and_journals_are_flows_and_income_and_fees_are_not(
    venue: Account, lines: Open
) -> None:
    broker = opened(lines)
    cursor = broker.hear(Known(), NOW).cursor
    kinds = ("CSD", "CSW", "TRANS", "JNL", "JNLC", "ACATC", "DIV", "INT", "FEE", "FILL", "JNLS", "CFEE", "PTC")
    venue.flows = [flow_row(i, f"2026-03-09T14:05:{i:02d}Z", kind) for i, kind in enumerate(kinds)]
    venue.flows[1]["net_amount"] = "-250.5"
    told = broker.hear(Known(cursor=cursor), NOW + 60)
    assert [one.detail for one in told.activities] == ["CSD", "CSW", "TRANS", "JNL", "JNLC", "ACATC"]
    assert told.activities[1].amount == Decimal("-250.5")
    assert list(told.activities) == sorted(told.activities, key=lambda one: one.id)


def test_a_deposit_that_was_taken_back_is_none(venue: Account, lines: Open) -> None:
    broker = opened(lines)
    cursor = broker.hear(Known(), NOW).cursor
    venue.flows = [flow_row(1, "2026-03-09T14:05:01Z", status="canceled")]
    assert broker.hear(Known(cursor=cursor), NOW + 60).activities == ()


@pytest.mark.parametrize("most", [100, 3])
def test_pages_of_activities_are_read_to_the_end(wire: Wire, lines: Open, most: int) -> None:
    venue = Account(wire, most)
    broker = opened(lines)
    cursor = broker.hear(Known(), NOW).cursor
    venue.flows = [flow_row(i, f"2026-03-09T14:{5 + i // 60:02d}:{i % 60:02d}Z") for i in range(10)]
    told = broker.hear(Known(cursor=cursor), NOW + 600)
    assert len(told.activities) == 10
    assert broker.hear(Known(cursor=told.cursor), NOW + 660).activities == ()


def test_an_activity_that_is_entered_late_is_neither_lost_nor_told_twice(venue: Account, lines: Open) -> None:
    """Ids of Alpaca rise by day only, and what was made earlier may show up later."""
    cursor = opened(lines).hear(Known(), NOW).cursor
    venue.flows = [flow_row(5, "2026-03-09T14:10:00Z")]
    first = opened(lines).hear(Known(cursor=cursor), NOW + 600)
    venue.flows.append(flow_row(1, "2026-03-09T14:02:00Z"))
    second = opened(lines).hear(Known(cursor=first.cursor), NOW + 660)
    assert [len(told.activities) for told in (first, second)] == [1, 1]
    assert opened(lines).hear(Known(cursor=second.cursor), NOW + 720).activities == ()


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6 * 86_400)), max_size=12))
def test_law_each_flow_is_told_exactly_once_across_restarts(plan: list[tuple[int, int]]) -> None:
    """Whatever becomes visible when: what is entered within the last three days before the newest is told once."""
    from qmtl.engine.adapters.alpaca.paging import _news

    cursor, told, seen = Cursor(NOW * NANO, frozenset()), [], []
    for number, (visible, entered) in enumerate(sorted(plan)):
        row = flow_row(number, stamp((NOW + entered) * NANO + visible))
        one = account.flow(row)
        assert one is not None
        if one.entered < cursor.newest - OVERLAP:
            continue  # too late for anybody
        seen.append(one)
        news, text = _news(seen, cursor, cursor.newest - OVERLAP, first=False)
        cursor = Cursor.read(text)
        told.extend(activity.id for activity in news)
    assert sorted(told) == sorted(one.activity.id for one in seen)


def test_an_activity_without_a_stamp_has_that_of_its_id_in_new_york_time() -> None:
    row = {**flow_row(1, "x"), "created_at": None, "id": "20220202135509981::2d7be4ff-d1f3-43e9-856a-0f5cf5c5088e"}
    found = account.flow(row)
    assert found is not None
    assert found.activity.at == nanoseconds("2022-02-02T18:55:09Z") // NANO


def test_a_cursor_of_another_kind_is_refused(venue: Account, lines: Open) -> None:
    with pytest.raises(BrokerError, match="no cursor"):
        opened(lines).hear(Known(cursor="17"), NOW)
