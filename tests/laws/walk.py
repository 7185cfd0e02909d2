"""Random walks: a drawn world, a drawn script of moves, and everything that was seen on the way.

A `Walk` is a world and a list of `Move`s. Each move has its own seed, so that a move that is taken out changes no other
and a failing script shrinks to a few lines. `Run` is the loop of the live runtime in small: hear, observe, decide, net,
send; it can be copied, edited, restarted, and held under constant inputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import numpy as np
from hypothesis import strategies as st

from qmtl.dsl.model import ChurnGuard, ExchangePolicy, OrderRules, RiskLimits, Select
from qmtl.engine.decide import decide
from qmtl.engine.frame import Frame
from qmtl.engine.killswitch import resume
from qmtl.engine.market import Account, Market, SessionTimes
from qmtl.engine.net import Netted, net
from qmtl.engine.state import DecideState, decode, encode, initial, remap
from qmtl.engine.tick import Tick

from .exchange import Exchange, Fate, Live, Owner, Reading
from .inputs import (
    BAR,
    CHAINS,
    DATES,
    DAY,
    MINUTE,
    NAMES,
    OPEN,
    RULES,
    SESSION,
    Link,
    Rule,
    World,
    at,
    frame_of,
    is_open,
    locked,
    market_of,
    session,
)

ACCOUNT = "lab-account"
STYLES = ("trend", "chop", "defensive")
#: what a stop or a take may be
LEVELS = ("", "distance", "level")
GUARD_RULES = ("min_target", "deadband", "side_cooldown", "min_hold")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Move:
    """One step of a script; what `what` does stands in `Run.go`."""

    what: str
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """One tick: what went in, what came out, and what the broker knew at that moment (orders working before it)."""

    now: int
    world: World
    before: DecideState
    market: Market
    account: Account
    tick: Tick
    netted: Netted
    owners: dict[str, Owner]
    working: tuple[Live, ...]
    honest: bool

    @property
    def frame(self) -> Frame:
        return self.tick.frame

    def column(self, symbol: str) -> int:
        return self.frame.index[symbol]

    def row(self, strategy: str) -> int | None:
        """Row of a strategy; None for @mix and for one that is gone."""
        return next((i for i, rule in enumerate(self.world.active) if rule.name == strategy), None)


def row_of(world: World, seed: int, *, whole: bool = False) -> Row:
    """Columns by name of one random market; `whole`: nothing is unknown or stale. Marks are not part of it.

    Signals come in moods: a lively market of many signs, or one where nearly everybody agrees."""
    rng = np.random.default_rng(seed)
    s, n, k = len(NAMES), len(RULES), len(CHAINS)
    lively = rng.random() < 0.6
    sign = rng.choice([-1, 1])
    signal = (
        rng.choice([-1, 0, 1], (n, s), p=[0.3, 0.25, 0.45]) if lively else np.where(rng.random((n, s)) < 0.9, sign, 0)
    )
    truth = rng.choice([0, 1, 2], (k, s), p=[0.5, 0.05, 0.45])
    p = np.vstack([rng.dirichlet([1, 1, 1], s).T, rng.random((1, s))])
    size = np.where(rng.random((n, s)) < 0.4, 1.0, rng.random((n, s)))
    columns: Row = {
        "signal": signal,
        "signal_known": rng.random((n, s)) > 0.08,
        "size": np.where(rng.random((n, s)) < 0.03, np.nan, size),
        "when": truth,
        "stay": np.maximum(truth, rng.choice([0, 2], (k, s))),
        "p": np.where(rng.random(s) < 0.05, np.nan, p),
        "fit": np.where(rng.random(s) < 0.03, np.nan, rng.normal(size=(6, s)) * 0.01),
        "behind_15m": rng.choice([0, 1, 5], s, p=[0.9, 0.05, 0.05]),
        "behind_60m": rng.choice([0, 3], s, p=[0.96, 0.04]),
        "guards": rng.choice([0, 1, 2], (2, s), p=[0.7, 0.1, 0.2]),
        "stop": rng.choice([0.01, 0.03, math.nan], (n, s), p=[0.4, 0.5, 0.1]),
        "take": rng.choice([0.02, 0.06, math.nan], (n, s), p=[0.4, 0.5, 0.1]),
        "quote": rng.choice([1.0, 1.001, 1.05, 0.9, math.nan], s, p=[0.7, 0.1, 0.08, 0.07, 0.05]),
        "confidence": np.where(rng.random(s) < 0.1, np.nan, rng.random(s)),
        "crossed": rng.choice([1, -1], (n, s), p=[0.85, 0.15]),
    }
    if whole:
        columns |= {
            "signal_known": np.ones((n, s), dtype=bool),
            "size": size,
            "when": np.where(truth == 1, 0, truth),
            "stay": np.where(columns["stay"] == 1, 0, columns["stay"]),
            "p": p,
            "fit": np.nan_to_num(columns["fit"]),
            "behind_15m": np.zeros(s, int),
            "behind_60m": np.zeros(s, int),
            "guards": np.where(columns["guards"] == 1, 0, columns["guards"]),
            "stop": np.nan_to_num(columns["stop"], nan=0.03),
            "quote": np.ones(s),
        }
    return columns


def laid_out(world: World, row: Row, marks: dict[str, float]) -> Row:
    """The columns of a row in the order of a world's names; stops and takes as prices. A line stands behind the side of its
    strategy's signal, so that it moves with every bar and jumps over the price when the signal turns; now and then the price
    has crossed it already (`crossed`)."""
    symbols = [NAMES.index(symbol) for symbol in world.symbols]
    rules = [RULES.index(rule.name) for rule in world.active]
    links = [CHAINS.index(link.name) for link in world.chains]
    lead = {"when": links, "stay": links, "guards": list(range(len(world.guards)))}
    out: Row = {}
    for name, array in row.items():
        if array.ndim == 1:
            out[name] = array[symbols]
        elif name in ("signal", "signal_known", "size", "stop", "take", "crossed"):
            out[name] = array[np.ix_(rules, symbols)]
        else:
            out[name] = array[np.ix_(lead.get(name, range(array.shape[0])), symbols)]
    mark, crossed = np.array([marks.get(symbol, math.nan) for symbol in world.symbols]), out.pop("crossed")
    out["mark"] = mark
    out["quote"] = out["quote"] * mark if world.quotes else None
    for name, sign in (("stop", -1.0), ("take", 1.0)):
        for i, rule in enumerate(world.active):
            kind, part = getattr(rule, name), out[name][i]
            side = np.where(out["signal"][i] < 0, -1.0, 1.0) * crossed[i]
            out[name][i] = part * mark if kind == "distance" else mark * (1 + sign * side * part) if kind else math.nan
    return out


@dataclass
class Run:
    """One world between two ticks. `row` is the newest row by name, `marks` the last closes."""

    world: World
    exchange: Exchange = field(default_factory=Exchange)
    now: int = at("09:30")
    row: Row = field(default_factory=dict)
    marks: dict[str, float] = field(default_factory=dict)
    state: DecideState | None = None
    times: SessionTimes | None = None
    reading: Reading = (True, None)

    def __post_init__(self) -> None:
        if self.state is None:
            self.state = locked(initial(self.frame))
        if not self.marks:
            self.marks = dict.fromkeys(NAMES, 100.0)
        if not self.row:
            self.row = row_of(self.world, 0)

    @property
    def frame(self) -> Frame:
        return frame_of(self.world)

    def copy(self) -> Run:
        """The same moment, to go on from twice."""
        return replace(self, exchange=self.exchange.copy(), marks=dict(self.marks))

    def tick(self, fate: Fate, *, decision: bool | None = None) -> Seen:
        """One tick at `now`."""
        frame, exchange = self.frame, self.exchange
        exchange.trade(self.now, self.marks, fate)
        if self.times is None and not is_open(self.now):
            exchange.close()
        columns = laid_out(self.world, self.row, self.marks)
        if decision is not None:
            columns["decision"] = decision
        market = market_of(frame, self.now, times=self.times, **columns)
        exchange.unwinds = self.world.external == "unwind_only"
        account = exchange.account(frame, self.marks, self.now, self.reading, marked=self.world.marks)
        working = tuple(replace(one) for one in exchange.live.values())
        owners = dict(exchange.owners)
        before = self.state
        assert before is not None
        after, tick = decide(frame, before, market, account, self.now)
        netted = net((tick,), account, ACCOUNT)
        self.state = locked(after)
        exchange.submit(netted, self.now, fate)
        honest, self.reading = self.reading == (True, None), (True, None)
        return Seen(self.now, self.world, before, market, account, tick, netted, owners, working, honest)

    def moved(self, seed: int) -> None:
        """The closes of the next bar: quiet, usual or wild."""
        rng = np.random.default_rng(seed + 7)
        width = float(rng.choice([0.0, 0.004, 0.02, 0.06], p=[0.3, 0.4, 0.2, 0.1]))
        for symbol, step in zip(NAMES, rng.normal(size=len(NAMES)) * width, strict=True):
            self.marks[symbol] *= math.exp(max(min(step, 0.3), -0.3))

    def go(self, move: Move) -> Iterator[Seen]:
        """The ticks of one move of a script."""
        fate = Fate(move.seed, faithful=False)
        match move.what:
            case "bar":
                yield self._bar(move.seed, fate)
            case "same":  # a new bar that says what the last one said
                yield self._bar(None, fate)
            case "smooth":  # a broker without troubles
                yield self._bar(move.seed, Fate())
                self.now += MINUTE
                yield self.tick(Fate(), decision=False)
            case "slow":  # orders hang over the next bar
                yield self._bar(move.seed, Fate(move.seed, faithful=False, slow=True))
            case "minute":
                self.now += MINUTE
                yield self.tick(fate, decision=False)
            case "night":
                self.now = OPEN + (self.now - OPEN) // DAY * DAY + SESSION + 7 * MINUTE
                yield self.tick(fate, decision=False)
                self.now = OPEN + ((self.now - OPEN) // DAY + 1) * DAY
                yield self._bar(move.seed, fate)
            case "edit":
                self.edit(edited(self.world, move.seed, self.exchange))
            case "hand":
                self._by_hand(move.seed)
            case "unread":
                self.reading = (False, None)
            case "money":
                self.exchange.deposit(float(np.random.default_rng(move.seed).choice([-20_000, 5_000, 30_000])))
            case "print":
                worth = self.exchange.equity(self.marks)
                self.reading = (True, [math.nan, 0.0, -1.0, worth * 0.5, worth * 1.5][move.seed % 5])
            case "restart":
                assert self.state is not None
                self.state = locked(decode(encode(self.state, self.frame), self.frame))
            case "resume":
                assert self.state is not None
                self.state = locked(resume(self.state, self.now))
            case _:
                raise AssertionError(move.what)

    def edit(self, world: World) -> None:
        """Another text between two ticks."""
        assert self.state is not None
        self.state = locked(remap(self.state, self.frame, frame_of(world)))
        self.world = world

    def constant(self, bars: int, *, minutes: int = 2) -> Iterator[Seen]:
        """Nothing moves any more, the exchange never closes, the broker is faithful: `bars` decision ticks, each with
        `minutes` follow-up ticks. Marks, row and equity stay."""
        begin = self.now // BAR * BAR
        self.times = session(self.now) if is_open(self.now) else session(self.now + DAY)
        self.times = replace(self.times, open_at=begin - DAY, close_at=begin + 100 * DAY)
        for _ in range(bars):
            begin += BAR
            self.now = begin
            yield self.tick(Fate(), decision=True)
            for _ in range(minutes):
                self.now += MINUTE
                yield self.tick(Fate(), decision=False)

    def _by_hand(self, seed: int) -> None:
        """Somebody takes back what was done by hand before, or does something new."""
        rng = np.random.default_rng(seed)
        touched = sorted(symbol for symbol in self.world.symbols if self.exchange.manual.get(symbol))
        symbol = touched[0] if touched else sorted(self.world.symbols)[int(rng.integers(len(self.world.symbols)))]
        back = self.exchange.manual.get(symbol, Decimal(0))
        qty = -back if back else Decimal(int(rng.choice([-400, -3, 3, 90, 400])))
        self.exchange.by_hand(symbol, qty, self.marks[symbol])

    def _bar(self, seed: int | None, fate: Fate) -> Seen:
        self.now = self.now // BAR * BAR + BAR
        if not is_open(self.now) and (self.now - OPEN) % DAY > SESSION:
            self.now = OPEN + ((self.now - OPEN) // DAY + 1) * DAY + BAR
        if seed is not None:
            self.row = row_of(self.world, seed)
            self.moved(seed)
        return self.tick(fate, decision=True)


@dataclass(frozen=True, slots=True)
class Walk:
    """A world and a script."""

    world: World
    moves: tuple[Move, ...]

    def run(self) -> Run:
        """The run before its first move."""
        return Run(self.world)

    def ticks(self) -> Iterator[Seen]:
        """Every tick of the script."""
        run = self.run()
        for move in self.moves:
            yield from run.go(move)

    def end(self) -> Run:
        """The run after its last move."""
        run = self.run()
        for move in self.moves:
            for _ in run.go(move):
                pass
        return run


def edited(world: World, seed: int, exchange: Exchange) -> World:
    """The world after one edit of its text. A symbol that is held or worked on is never taken out: a reload refuses that."""
    rng = np.random.default_rng(seed)
    rule = world.rules[int(rng.integers(len(world.rules)))]
    symbol = sorted(world.symbols)[int(rng.integers(len(world.symbols)))]
    kind = int(rng.choice(10, p=[0.12, 0.04, 0.16, 0.14, 0.12, 0.12, 0.12, 0.05, 0.05, 0.08]))
    if kind == 0:  # the meaning of a strategy, perhaps a line instead of a distance
        newer = replace(rule, version=rule.version + 1)
        if rng.random() < 0.4:
            newer = replace(newer, stop=str(rng.choice(LEVELS)), take=str(rng.choice(LEVELS)))
        return world.changed(rules=tuple(newer if one is rule else one for one in world.rules))
    if kind == 1:  # an operator forces a new generation of everything
        return world.changed(cutover=f"c{seed}")
    if kind == 2 and rng.random() < 0.4:  # an allowlist row gets a last day, another one, or none
        day, kept = str(rng.choice(["", *DATES])), {one for one in world.ends if one[:2] != (symbol, rule.name)}
        return world.changed(ends=frozenset(kept | ({(symbol, rule.name, day)} if day else set())))
    if kind == 2:  # an allowlist row goes, or comes back
        return world.changed(banned=world.banned ^ {(symbol, rule.name)})
    if kind == 3:  # a symbol loses all of its rows
        return world.changed(banned=world.banned | {(symbol, one.name) for one in world.rules})
    if kind == 4:  # every row is enabled again
        return world.changed(banned=frozenset(), ends=frozenset())
    if kind == 5:  # a strategy leaves all chains
        links = tuple(
            replace(link, uses=tuple(u for u in link.uses if u != rule.name), own=()) for link in world.chains
        )
        left = world.changed(chains=links)
        return left if left.active else world
    if kind == 6:  # other strategies and exposures for the chains, or a chain less
        links = tuple(_link(name, rng, world.rules) for name in CHAINS[: int(rng.integers(1, 5))])
        left = world.changed(chains=links)
        return left if left.active else world
    if kind == 7:  # selection by the other method
        method = "weighted" if world.select.method == "single_best" else "single_best"
        return world.changed(select=replace(world.select, method=method))
    if kind == 8:  # the operator stops entries, stops trading, or lets it go on
        state = str(rng.choice(["active", "active", "reducing", "halted"]))
        return world.changed(risk=replace(world.risk, trading=state))  # type: ignore[arg-type]
    busy = {one.order.symbol for one in exchange.live.values()} | {s for s in NAMES if exchange.held(s)}
    others = [name for name in NAMES if name not in world.symbols]
    if others and rng.random() < 0.5:
        return world.changed(symbols=(others[0], *world.symbols))
    kept = tuple(name for name in world.symbols if name in busy or name != symbol)
    return world.changed(symbols=kept or world.symbols)


def _link(name: str, rng: np.random.Generator, rules: tuple[Rule, ...]) -> Link:
    names = [rule.name for rule in rules]
    uses = tuple(rule for rule in names if rng.random() < 0.6)
    return Link(name, uses, float(rng.choice([0.4, 0.65, 0.9, 1.0])))


WHATS = (
    ["bar"] * 8 + ["slow"] * 5 + ["smooth"] * 8 + ["minute"] * 6 + ["same"] * 2 + ["edit"] * 4 + ["night"] + ["hand"] * 2
    + ["resume"] * 2 + ["unread", "money", "print", "restart"]
)  # fmt: skip


def guarded() -> st.SearchStrategy[ChurnGuard]:
    """Churn guards: the published one in a third of all, other numbers, and any of the rules without the others."""
    some = st.lists(st.sampled_from(GUARD_RULES), unique=True).map(tuple)
    numbers = st.sampled_from([{}, {}, {"min_target": 0.06, "deadband": 0.04}])
    full, part = st.builds(ChurnGuard), st.builds(lambda of, said: ChurnGuard(**said, enabled=of), some, numbers)
    return full | part | st.sampled_from([ChurnGuard(min_target=0.06, deadband=0.04)])


@st.composite
def worlds(draw: st.DrawFn, method: str = "", fewest: int = 1) -> World:
    """Small worlds of every kind: one to six symbols, one to four strategies and chains, sectors or none, guards."""
    symbols = NAMES[: draw(st.integers(fewest, 6))]
    names = RULES[: draw(st.integers(1, 4))]
    kinds = st.sampled_from(["", *LEVELS])
    rules = tuple(Rule(name, draw(st.sampled_from(STYLES)), 1, draw(kinds), draw(kinds)) for name in names)
    links = []
    for name in CHAINS[: draw(st.integers(1, 4))]:
        uses = draw(st.lists(st.sampled_from(names), unique=True, max_size=4))
        own = ()
        if draw(st.integers(0, 5)) == 5:
            own = ((symbols[0], tuple(draw(st.lists(st.sampled_from(names), unique=True))), 0.5),)
        links.append(Link(name, tuple(uses), draw(st.sampled_from([1.0, 0.9, 0.65, 0.4])), own))
    if not any(link.used for link in links):
        links[0] = Link(links[0].name, names)
    pairs = [(symbol, name) for symbol in symbols for name in names]
    dated = st.dictionaries(st.sampled_from(pairs), st.sampled_from(DATES), max_size=3)
    last_days = draw(dated) if draw(st.booleans()) else {}
    sector = st.sampled_from(["", "", "a", "b"])
    sectors = tuple((symbol, name) for symbol in symbols if (name := draw(sector)))
    guards = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["long_entries", "short_entries", "entries"]),
                st.sampled_from(["block", "hold", "value"]),
                st.booleans(),
            ),
            max_size=1,
        )
    )
    return World(
        symbols=symbols,
        rules=rules,
        chains=tuple(links),
        banned=frozenset(draw(st.lists(st.sampled_from(pairs), max_size=3))) if draw(st.booleans()) else frozenset(),
        ends=frozenset((*pair, day) for pair, day in last_days.items()),
        blend=draw(st.sampled_from([0.0, 0.0, 0.5, 1.0])),
        sectors=sectors,
        guards=tuple(guards),
        select=Select(
            method=method or draw(st.sampled_from(["single_best", "single_best", "weighted"])),  # type: ignore[arg-type]
            only_when_flat=draw(st.booleans()),
        ),
        churn=draw(guarded()),
        risk=draw(
            st.sampled_from(
                [
                    RiskLimits(),
                    RiskLimits(daily_loss=-0.5, weekly_loss=-0.5),
                    RiskLimits(max_symbol=0.3, max_sector=0.35, max_total=0.5),
                    RiskLimits(on_kill="flatten"),
                ]
            )
        ),
        external=draw(st.sampled_from(["ignore", "ignore", "unwind_only"])),
        quotes=draw(st.booleans()),
        marks=draw(st.booleans()),
        orders=OrderRules(
            cancel_after=draw(st.sampled_from([2, 2, 40])), min_delta=draw(st.sampled_from([0.005, 0.005, 0.02]))
        ),
        capital=draw(st.sampled_from([1.0, 0.5])),
        exchange=draw(
            st.sampled_from(
                [
                    ExchangePolicy("lab"),
                    ExchangePolicy("lab", lot_size=Decimal("0.01"), fractional=True),
                    ExchangePolicy("lab", shorting=False),
                ]
            )
        ),
    )


def moves(pages: int = 5) -> st.SearchStrategy[tuple[Move, ...]]:
    """Scripts: some six moves a page, at most twelve. A list of lists is long on average and still shrinks to one move."""
    one = st.builds(Move, st.sampled_from(WHATS), st.integers(0, 2**20))
    page = st.lists(one, max_size=12)
    return st.tuples(*[page] * pages).map(lambda found: tuple(move for some in found for move in some))


def walks(pages: int = 5, **of: Any) -> st.SearchStrategy[Walk]:
    """Worlds with scripts."""
    return st.builds(Walk, worlds(**of), moves(pages))
