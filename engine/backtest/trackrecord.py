"""The track record of a run, as the live and the shadow gate ask for it.

In: the journal that a run left (also while it runs), the seconds its ticks took, and a backtest of the same days if there is one.
Out: a `LiveRun`, and a `ShadowRun` for each world with a shadow regime. Everything but the seconds is from the journal; what
nothing says - parity without a backtest, an error rate without orders - stays None and does not pass.

- An order failed when the kill switch would count it: an answer that is an error of the server or of authentication, or none. A
  business rejection is no failure.
- Parity is by (tick, symbol): how many of them send another quantity than the backtest, or only one of both sends anything.
- Slippage is what fills of orders that both sent paid more than the open the backtest filled at, weighted by notional.
- The equity curve has the decision ticks that could read the account, with deposits and withdrawals taken out.
- A shadow falls back where only the regime had an output; it is counted since both regimes are what they are.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .. import wire
from ..bars import Floats
from ..errors import DataError
from ..journal import codec
from ..journal.reader import JournalReader
from ..killswitch import failing
from ..orders import Order
from ..ports import BrokerEvent, Reply
from ..record import tick_stream
from .curves import Curve, session_returns
from .deflated import moments
from .drawdowns import drawdowns
from .gates import LiveRun, ShadowRun
from .result import Result

#: sessions a year where no backtest says so
_YEAR = 252.0
_TICKS = tick_stream("")

Sent = dict[tuple[int, str], float]


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision tick of a world: grid time, exchange day ("" before the first reading of the account), equity (None:
    unread), whether some symbol had no regime, the shadow's counts so far (symbols asked, fallbacks), and kills so far."""

    at: int
    day: str
    equity: float | None
    missing: bool
    asked: int
    fallbacks: int
    kills: int


@dataclass(frozen=True, slots=True)
class WorldRecord:
    """What the ticks of one world say. `source` is where its newest bars come from; `programs` are the ids it ran, one after
    another."""

    world: str
    mode: str
    source: str
    programs: tuple[str, ...]
    decided: tuple[Decision, ...]


def world_records(journal: JournalReader) -> tuple[WorldRecord, ...]:
    """Every world of a run; DataError when it has not decided anything yet."""
    names = [stream.removeprefix(_TICKS) for stream in journal.streams() if stream.startswith(_TICKS)]
    found = tuple(_world_record(journal, name) for name in names)
    if not any(record.decided for record in found):
        raise DataError("the run has not decided anything yet", "let it run over a bar at least")
    return found


def _world_record(journal: JournalReader, world: str) -> WorldRecord:
    decided: list[Decision] = []
    programs: dict[str, None] = {}
    kills, killed_at, mode, source = 0, 0, "", ""
    for record in codec.decode_all(journal.read(tick_stream(world))):
        head, columns = record.header, record.columns
        programs[head["program_id"]], mode, source = None, head["mode"], head["source"]
        at = int(columns["state.killed_at"])
        kills, killed_at = kills + (at not in (0, killed_at)), at
        if head["decision"]:
            decided.append(_decided(record, kills))
    return WorldRecord(world, mode, source, tuple(programs), tuple(decided))


def _decided(record: codec.Record, kills: int) -> Decision:
    columns, money, day = record.columns, record.header["account"], int(record.columns["state.day"])
    # journals of before there were shadows do not have their counts
    compared, fallbacks = (int(columns.get(f"state.shadow_{name}", 0)) for name in ("compared", "fallbacks"))
    return Decision(
        at=int(record.header["now"]),
        day=dt.date.fromordinal(day).isoformat() if day > 0 else "",
        equity=None if money is None else float(money["equity"]),
        missing=bool(columns["state.regime_missing"].any()),
        asked=compared + fallbacks,
        fallbacks=fallbacks,
        kills=kills,
    )


def live_run(
    journal: JournalReader, records: Sequence[WorldRecord], seconds: Sequence[float], backtest: Result | None = None
) -> LiveRun:
    """The run as `live_gate` judges it. `seconds` that its ticks took; `backtest` of the same worlds over its days, DataError
    when it is not."""
    answered, failed = _answers(journal)
    curve = _curve(journal, records[0].decided)
    parity, slippage = (None, None) if backtest is None else _beside(journal, records, backtest)
    m = None if curve is None else moments(session_returns(curve))
    year = _YEAR if backtest is None else backtest.setup.sessions_a_year
    falls = () if curve is None else drawdowns(curve, 1)
    return LiveRun(
        sessions=0 if curve is None else len(curve.days),
        orders=answered,
        failed=failed,
        p95_latency=float(np.quantile(seconds, 0.95)) if len(seconds) else None,
        parity_errors=parity,
        slippage=slippage,
        modelled=0.0 if backtest is None else backtest.setup.costs.slippage,
        drawdown=None if curve is None else -falls[0].depth if falls else 0.0,
        sharpe=None if m is None else m.sharpe * math.sqrt(year),
    )


def shadow_run(record: WorldRecord) -> ShadowRun | None:
    """The shadow of a world as `shadow_gate` judges it, since both regimes are what they are; None where there is none."""
    decided = record.decided
    starts = [i for i in range(1, len(decided)) if decided[i].asked < decided[i - 1].asked]
    since = decided[starts[-1] if starts else 0 :]
    if not since or not since[-1].asked:
        return None
    before = decided[starts[-1] - 1].kills if starts else 0
    return ShadowRun(
        sessions=len({one.day for one in since if one.day}),
        ticks=since[-1].asked,
        fallbacks=since[-1].fallbacks,
        missing_regimes=sum(one.missing for one in since),
        kills=since[-1].kills - before,
    )


def _answers(journal: JournalReader) -> tuple[int, int]:
    """(orders that were answered, those of them that failed), each once."""
    answered, failed = set(), set()
    for stored in journal.read("reply"):
        for reply in wire.loads_all(Reply, stored.entry.payload):
            answered.add(reply.client_order_id)
            if failing(reply.error, reply.state):
                failed.add(reply.client_order_id)
    return len(answered), len(failed)


def _events(journal: JournalReader) -> list[tuple[int, BrokerEvent]]:
    """(tick that heard it, event)."""
    stored = (s.entry for s in journal.read("event"))
    return [(entry.epoch, event) for entry in stored for event in wire.loads_all(BrokerEvent, entry.payload)]


def _curve(journal: JournalReader, decided: Sequence[Decision]) -> Curve | None:
    """Equity linked over the decision ticks, 1 at the first; None where no tick could read the account."""
    known = [(one.at, one.day, one.equity) for one in decided if one.equity is not None and one.equity > 0]
    if not known:
        return None
    flows = [(heard, float(event.price)) for heard, event in _events(journal) if event.kind == "flow"]
    value, growth = np.ones(len(known)), 1.0
    for i in range(1, len(known)):
        (since, _, before), (at, _, equity) = known[i - 1], known[i]
        growth *= (equity - sum(money for heard, money in flows if since < heard <= at)) / before
        value[i] = growth
    days = [day for _, day, _ in known]
    ends = np.array([i for i in range(len(days)) if i + 1 == len(days) or days[i + 1] != days[i]], dtype=np.int64)
    return Curve(value, ends, tuple(days[int(i)] for i in ends))


def _beside(journal: JournalReader, records: Sequence[WorldRecord], backtest: Result) -> tuple[int, float | None]:
    """(ticks and symbols that send another quantity, slippage of the fills both have or None)."""
    times = [one.at for record in records for one in record.decided]
    _check_same(records, backtest, (min(times), max(times)))
    intents = {s.entry.key: wire.loads(Order, s.entry.payload) for s in journal.read("intent")}
    sent: Sent = defaultdict(float)
    for order in intents.values():
        sent[order.epoch, order.symbol] += float(order.signed)
    last = max((order.epoch for order in intents.values()), default=max(times))
    expected, opens = _of_backtest(backtest, min(times), max(last, *times))
    differing = [key for key in {*sent, *expected} if sent.get(key) != expected.get(key)]
    fills = [event for _, event in _events(journal) if event.kind == "fill" and event.client_order_id in intents]
    return len(differing), _slippage(fills, intents, opens)


def _check_same(records: Sequence[WorldRecord], backtest: Result, span: tuple[int, int]) -> None:
    setup, at = backtest.setup, backtest.steps.at
    ran = {(record.world, program) for record in records for program in record.programs}
    if ran != set(setup.worlds):
        raise DataError(
            "the backtest is of other worlds, or of other texts of them, than the run",
            "backtest the deployment as it ran; a run whose texts changed on the way cannot be compared",
        )
    if span[0] < at[0] or span[1] > at[-1]:
        days = (records[0].decided[0].day, records[0].decided[-1].day)
        raise DataError(
            f"the backtest is of {setup.start} to {setup.end}, the run of {days[0]} to {days[1]}",
            f"backtest it with --from {days[0]} --to {days[1]}",
        )


def _of_backtest(backtest: Result, first: int, last: int) -> tuple[Sent, dict[tuple[int, str], float]]:
    """(quantities, opens that they filled at) by tick and symbol, of the orders sent in a time."""
    orders, slippage = backtest.orders, backtest.setup.costs.slippage
    sent: Sent = defaultdict(float)
    opens: dict[tuple[int, str], float] = {}
    for row in np.flatnonzero((orders.sent >= first) & (orders.sent <= last)).tolist():
        key, qty = (int(orders.sent[row]), orders.symbols[orders.symbol[row]]), float(orders.qty[row])
        sent[key] += qty
        if orders.filled[row]:
            opens[key] = float(orders.price[row]) / (1.0 + math.copysign(slippage, qty))
    return sent, opens


def _slippage(
    fills: Sequence[BrokerEvent], intents: dict[str, Order], opens: dict[tuple[int, str], float]
) -> float | None:
    """Paid beyond the opens, as a fraction of what was traded at them."""
    paid: list[tuple[float, float]] = []
    for event in fills:
        order = intents[event.client_order_id]
        at = opens.get((order.epoch, order.symbol))
        if at is not None:
            paid.append((float(event.qty) * (float(event.price) - at), abs(float(event.qty)) * at))
    worth: Floats = np.array(paid).reshape(-1, 2).sum(axis=0)
    return float(worth[0] / worth[1]) if paid else None
