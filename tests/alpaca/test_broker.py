"""Sending, asking and cancelling: what each answer means for an order (R01, R03, R04, R11, R39)."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qmtl.engine.adapters.alpaca.broker import AlpacaBroker
from qmtl.engine.adapters.alpaca.orders import STATES, payload, placed, unfit
from qmtl.engine.errors import BrokerError
from qmtl.engine.orders import Order, OrderState
from qmtl.engine.ports import Broker

from .rows import ACCOUNT, order_row
from .wire import Asked, Said, Wire

Open = Callable[..., Any]
NAME = "q1-abcdefghijklmnopqrstuvwxyz"
ORDER = Order(NAME, "SPY", "buy", Decimal(10), "open", 1, 1, "X", Decimal(500), 0, ())


@pytest.fixture
def broker(wire: Wire, lines: Open) -> AlpacaBroker:
    wire.routes(v2_account=ACCOUNT)
    made = AlpacaBroker(lines().trading)
    wire.asked.clear()
    return made


def posting(wire: Wire, said: Said, found: Any = None) -> None:
    wire.routes(
        post_v2_orders=said,
        v2_orders_by_client_order_id=Said(404, {"code": 40410000, "message": "order not found"})
        if found is None
        else found,
    )


def test_it_is_a_broker_and_knows_whose_account_it_is(broker: AlpacaBroker) -> None:
    port: Broker = broker
    assert port.account_id == "PA1"


def test_an_account_that_cannot_be_read_opens_no_broker(wire: Wire, lines: Open) -> None:
    wire.says(Said(401, {"code": 40110000, "message": "request is not authorized"}))
    with pytest.raises(BrokerError, match="auth: 401"):
        AlpacaBroker(lines().trading)


def test_an_order_is_sent_in_strings_with_its_client_id(wire: Wire, broker: AlpacaBroker) -> None:
    posting(wire, Said(200, order_row(client_order_id=NAME)))
    reply = broker.submit(replace(ORDER, qty=Decimal("0.100000000")), 5)
    assert (reply.state, reply.status, reply.error, reply.detail) == ("ACCEPTED", 200, "", "")
    assert wire.asked[0].body == {
        "symbol": "SPY",
        "qty": "0.1",
        "side": "buy",
        "type": "market",
        "time_in_force": "day",
        "client_order_id": NAME,
    }
    assert len(wire.asked) == 1


def test_a_limit_is_sent_when_the_order_has_one_and_reduce_only_never(wire: Wire, broker: AlpacaBroker) -> None:
    plain = Order(NAME, "SPY", "sell", Decimal(3), "close", 1, 1, "X", Decimal(1), 0, (), "limit", "gtc")
    order = replace(plain, limit_price=Decimal("101.50"), reduce_only=True)
    assert payload(order)["limit_price"] == "101.5"
    assert payload(order)["time_in_force"] == "gtc"
    assert not {"reduce_only", "extended_hours", "notional", "position_intent"} & payload(order).keys()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"qty": Decimal("1.5"), "time_in_force": "gtc"}, "for the day"),
        ({"qty": Decimal("1.5"), "time_in_force": "ioc"}, "for the day"),
        ({"qty": Decimal("0.1234567891")}, "at most 9 decimals"),
        ({"qty": Decimal(0)}, "cannot be ordered"),
        ({"qty": Decimal(-1)}, "cannot be ordered"),
        ({"qty": Decimal("NaN")}, "cannot be ordered"),
        ({"order_type": "limit"}, "needs a limit price"),
        ({"order_type": "stop"}, "are not sent"),
        ({"time_in_force": "gtd"}, "are not sent"),
        ({"symbol": "ETH/USD"}, "gtc or ioc"),
    ],
)
def test_what_alpaca_cannot_take_is_refused_before_it_is_sent(
    wire: Wire, broker: AlpacaBroker, change: dict[str, Any], said: str
) -> None:
    reply = broker.submit(replace(ORDER, **change), 5)
    assert (reply.state, reply.status, reply.error) == ("REJECTED", 0, "business")
    assert said in reply.detail
    assert wire.asked == []


@pytest.mark.parametrize(
    "change",
    [
        {"qty": Decimal("1.5")},
        {"qty": Decimal("1E+2"), "time_in_force": "gtc"},
        {"qty": Decimal("5.000"), "time_in_force": "ioc"},
        {"symbol": "ETH/USD", "qty": Decimal("0.02"), "time_in_force": "gtc"},
    ],
)
def test_what_alpaca_takes_is_sent(change: dict[str, Any]) -> None:
    assert unfit(replace(ORDER, **change)) == ""


@pytest.mark.parametrize(
    ("said", "state", "error"),
    [
        (Said(200, {"id": "b-1", "status": "a_state_of_next_year", "new_field": {}}), "ACCEPTED", ""),
        (Said(201, {"id": "b-1"}), "ACCEPTED", ""),
        (Said(200, b""), "UNKNOWN", "unknown"),
        (Said(200, "<html>ok</html>"), "UNKNOWN", "unknown"),
        (Said(200, b'{"id": "b-'), "UNKNOWN", "unknown"),
        (Said(200, {"status": "accepted"}), "UNKNOWN", "unknown"),
        (Said(200, []), "UNKNOWN", "unknown"),
        (Said(200, {"id": "b-1", "client_order_id": "another"}), "UNKNOWN", "unknown"),
        (Said(429, {"message": "too many requests."}), "UNKNOWN", "server"),
        (Said(500, {"code": 50010000, "message": "internal"}), "UNKNOWN", "server"),
        (Said(502, "<html>bad gateway</html>"), "UNKNOWN", "server"),
        (Said(504, b""), "UNKNOWN", "server"),
        (Said(408, {"message": "slow"}), "UNKNOWN", "server"),
        (Said(302, b""), "UNKNOWN", "unknown"),
        (Said(403, "<html>your proxy</html>"), "UNKNOWN", "unknown"),
        (Said(404, b""), "UNKNOWN", "unknown"),
        (Said(401, "<html>log in</html>"), "UNKNOWN", "unknown"),
        (Said(200, {"id": "b-1"}, manner="drop"), "UNKNOWN", "unknown"),
        (Said(200, {"id": "b-1"}, manner="short"), "UNKNOWN", "unknown"),
        (Said(403, {"code": 40310000, "message": "insufficient buying power"}), "REJECTED", "business"),
        (Said(403, {"code": 40310000, "message": "never seen"}), "REJECTED", "business"),
        (Said(422, {"code": 42210000, "message": "never seen"}), "REJECTED", "business"),
        (Said(403, {"message": "market is closed"}), "REJECTED", "business"),
        (Said(401, {"code": 40110000, "message": "request is not authorized"}), "REJECTED", "auth"),
        (Said(403, {"message": "forbidden."}), "REJECTED", "auth"),
    ],
)
def test_r01_only_a_definite_answer_is_an_answer(
    wire: Wire, broker: AlpacaBroker, said: Said, state: str, error: str
) -> None:
    posting(wire, said)
    reply = broker.submit(ORDER, 5)
    assert (reply.state, reply.error) == (state, error)
    assert reply.state == "ACCEPTED" or reply.detail
    assert wire.paths() == ["POST /v2/orders"], "and it is sent once"


def test_r01_accepted_then_silent_is_unknown_and_then_found(wire: Wire, lines: Open) -> None:
    wire.routes(v2_account=ACCOUNT)
    broker = AlpacaBroker(lines(deadline=0.4).trading)
    posting(wire, Said(manner="hang"), order_row(client_order_id=NAME))
    assert broker.submit(ORDER, 5).state == "UNKNOWN"
    found = broker.lookup(NAME)
    assert found is not None
    assert (found.symbol, found.side, found.qty) == ("SPY", "buy", Decimal(10))
    assert wire.paths().count("POST /v2/orders") == 1


DUPLICATE = Said(422, {"code": 40010001, "message": "client_order_id must be unique"})


@pytest.mark.parametrize(
    ("found", "state", "error"),
    [
        (order_row(client_order_id=NAME), "ACCEPTED", ""),
        (order_row(client_order_id=NAME, status="filled", filled_qty="10", filled_avg_price="5"), "ACCEPTED", ""),
        (order_row(client_order_id=NAME, status="rejected"), "REJECTED", "business"),
        (order_row(client_order_id=NAME, qty="11"), "REJECTED", "mismatch"),
        (order_row(client_order_id=NAME, side="sell"), "REJECTED", "mismatch"),
        (order_row(client_order_id=NAME, symbol="QQQ"), "REJECTED", "mismatch"),
        (None, "UNKNOWN", "unknown"),
        (Said(500, b""), "UNKNOWN", "unknown"),
        (order_row(client_order_id="another"), "UNKNOWN", "unknown"),
    ],
)
def test_r03_r04_a_used_client_id_is_looked_up_and_compared(
    wire: Wire, broker: AlpacaBroker, found: Any, state: str, error: str
) -> None:
    posting(wire, DUPLICATE, found)
    reply = broker.submit(ORDER, 5)
    assert (reply.state, reply.error) == (state, error)
    assert wire.paths() == ["POST /v2/orders", "GET /v2/orders:by_client_order_id"]


@pytest.mark.parametrize(
    "said",
    [
        Said(404, "<html>404</html>"),
        Said(404, b""),
        Said(404, {"message": "Not Found"}),
        Said(404, {"code": 40410001, "message": "account not found"}),
        Said(404, {"code": 40410000, "message": "endpoint not found"}),
        Said(410, {"code": 40410000, "message": "order not found"}),
        Said(500, {"code": 40410000, "message": "order not found"}),
        Said(200, b""),
        Said(200, {}),
        Said(200, [order_row(client_order_id=NAME)]),
        Said(429, {"message": "slow down"}),
        Said(200, order_row(client_order_id=NAME), manner="drop"),
    ],
)
def test_r11_a_failed_lookup_is_no_empty_answer(wire: Wire, broker: AlpacaBroker, said: Said) -> None:
    wire.says(said)
    with pytest.raises(BrokerError):
        broker.lookup(NAME)


def test_only_alpacas_own_404_says_that_there_is_no_order(wire: Wire, broker: AlpacaBroker) -> None:
    for body in ({"code": 40410000, "message": "order not found for q1"}, {"message": "order not found"}):
        wire.says(Said(404, body))
        assert broker.lookup(NAME) is None


def test_a_cancel_goes_by_the_brokers_id(wire: Wire, broker: AlpacaBroker) -> None:
    wire.routes(post_v2_orders=Said(200, {"id": "b-7"}), delete_v2_orders_b_7=Said(204))
    broker.submit(ORDER, 5)
    reply = broker.cancel(NAME, 6)
    assert (reply.state, reply.status) == ("ACCEPTED", 204)
    assert wire.paths() == ["POST /v2/orders", "DELETE /v2/orders/b-7"]


def test_a_cancel_looks_up_an_id_that_it_does_not_know(wire: Wire, broker: AlpacaBroker) -> None:
    row = order_row(client_order_id=NAME, id="b-8")
    wire.routes(v2_orders_by_client_order_id=row, delete_v2_orders_b_8=Said(204))
    assert broker.cancel(NAME, 6).state == "ACCEPTED"
    wire.routes(v2_orders_by_client_order_id=Said(404, {"code": 40410000, "message": "order not found"}))
    reply = broker.cancel("q1-other", 6)
    assert (reply.state, reply.status, reply.error) == ("REJECTED", 404, "business")
    wire.says(Said(500, b""))
    with pytest.raises(BrokerError):
        broker.cancel("q1-third", 6)


@pytest.mark.parametrize(
    ("said", "state", "status"),
    [
        (Said(422, {"code": 42210000, "message": 'order is already in "filled" state'}), "REJECTED", 422),
        (Said(404, {"code": 40410000, "message": "order not found"}), "REJECTED", 404),
        (Said(404, "<html>"), "UNKNOWN", 404),
        (Said(500, b""), "UNKNOWN", 500),
        (Said(429, b""), "UNKNOWN", 429),
        (Said(204, manner="drop"), "UNKNOWN", 0),
    ],
)
def test_answers_to_a_cancel(wire: Wire, broker: AlpacaBroker, said: Said, state: str, status: int) -> None:
    wire.routes(post_v2_orders=Said(200, {"id": "b-7"}), delete_v2_orders_b_7=said)
    broker.submit(ORDER, 5)
    reply = broker.cancel(NAME, 6)
    assert (reply.state, reply.status) == (state, status)


def test_r53_a_dry_run_sends_nothing(wire: Wire, lines: Open) -> None:
    wire.routes(v2_account=ACCOUNT)
    broker = AlpacaBroker(lines("dry").trading)
    with pytest.raises(BrokerError, match="dry"):
        broker.submit(ORDER, 5)
    assert wire.paths() == ["GET /v2/account"]


def test_r39_an_unknown_refusal_is_told_once(wire: Wire, broker: AlpacaBroker) -> None:
    posting(wire, Said(403, {"code": 40319999, "message": "something new"}))
    assert "not known" in broker.submit(ORDER, 5).detail
    assert any("something new" in one for one in broker.take_remarks())
    broker.submit(ORDER, 6)
    assert broker.take_remarks() == ()


def test_r32_a_halt_is_a_business_reject_and_says_so(wire: Wire, broker: AlpacaBroker) -> None:
    posting(wire, Said(403, {"code": 40310000, "message": "trading is halted"}))
    reply = broker.submit(ORDER, 5)
    assert reply.error == "business"
    assert reply.detail.startswith("halted: 403")


def test_traces_are_open_orders_with_the_prefix(wire: Wire, broker: AlpacaBroker) -> None:
    rows = [order_row(id="1", client_order_id="q1-a"), order_row(id="2", client_order_id="hand-made")]
    wire.routes(v2_orders=rows)
    assert broker.traces("q1-") == ("q1-a",)


STATE_OF = {
    "new": "ACCEPTED",
    "accepted": "ACCEPTED",
    "pending_new": "ACCEPTED",
    "accepted_for_bidding": "ACCEPTED",
    "held": "ACCEPTED",
    "calculated": "ACCEPTED",
    "stopped": "ACCEPTED",
    "suspended": "ACCEPTED",
    "done_for_day": "ACCEPTED",
    "pending_cancel": "ACCEPTED",
    "pending_replace": "ACCEPTED",
    "partially_filled": "ACCEPTED",
    "filled": "FILLED",
    "canceled": "CANCELED",
    "replaced": "CANCELED",
    "expired": "EXPIRED",
    "rejected": "REJECTED",
}


def test_r09_every_state_that_may_still_fill_is_open() -> None:
    assert STATE_OF.keys() == STATES.keys()
    for status, state in STATE_OF.items():
        filled = "10" if status == "filled" else "0"
        assert placed(order_row(status=status, filled_qty=filled)).order.state == state, status
        if state == "ACCEPTED":
            assert placed(order_row(status=status, filled_qty="4")).order.state == "PARTIALLY_FILLED", status


def test_a_status_that_is_not_known_is_open_and_told() -> None:
    one = placed(order_row(status="levitating", filled_qty="2"))
    assert one.order.state == "PARTIALLY_FILLED"
    assert "levitating" in one.remark
    assert "levitating" in one.order.detail


def test_filled_without_its_quantity_is_open_until_both_agree() -> None:
    one = placed(order_row(status="filled", filled_qty="9"))
    assert one.order.state == "PARTIALLY_FILLED"
    assert "9 of 10" in one.remark


def test_orders_of_others_may_lack_what_ours_have() -> None:
    notional = placed(order_row(qty=None, notional="500", filled_qty="0.5")).order
    assert (notional.qty, notional.filled) == (Decimal("0.5"), Decimal("0.5"))
    legs = placed(
        {"id": "1", "client_order_id": "x", "status": "new", "legs": [{}], "symbol": None, "side": None}
    ).order
    assert (legs.symbol, legs.side, legs.qty) == ("", "", Decimal(0))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = sorted(order_row())
MUTANTS = st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4).map(
    lambda change: {**order_row(client_order_id=NAME), **change}
)
BODIES = st.one_of(
    JSON.map(lambda value: json.dumps(value).encode()),
    MUTANTS.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=40),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([200, 201, 204, 301, 400, 401, 403, 404, 409, 422, 429, 500, 503]), BODIES)
def test_no_answer_to_an_order_raises_anything_but_the_declared_errors(
    wire: Wire, lines: Open, status: int, body: bytes
) -> None:
    broker = _fresh(wire, lines)
    wire.script = lambda _: Said(status, body, {"Retry-After": "0"})
    reply = broker.submit(ORDER, 5)
    assert reply.state in (OrderState.ACCEPTED, OrderState.REJECTED, OrderState.UNKNOWN)
    assert reply.client_order_id == NAME
    for call in (
        lambda: broker.lookup(NAME),
        lambda: broker.cancel(NAME, 5),
        broker.positions,
        lambda: broker.traces("q"),
    ):
        _only_declared(call)


def _fresh(wire: Wire, lines: Open) -> AlpacaBroker:
    wire.routes(v2_account=ACCOUNT)
    return AlpacaBroker(lines(a_minute=100_000).trading)


def _only_declared(call: Callable[[], Any]) -> None:
    with suppress(BrokerError):
        call()


def test_lookups_carry_the_id_exactly(wire: Wire, broker: AlpacaBroker) -> None:
    seen: list[Asked] = []

    def script(asked: Asked) -> Said:
        seen.append(asked)
        return Said(404, {"code": 40410000, "message": "order not found"})

    wire.script = script
    assert broker.lookup("odd &=+/?#id") is None
    assert seen[0].query == {"client_order_id": "odd &=+/?#id"}
