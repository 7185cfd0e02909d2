"""What a person has to hear of a tick, and hear again while it lasts: kills, halts, refused exits, a shadow that is silent.

In: a finished tick of one world, how often a lasting state is told again. Out: sentences. All of it follows from the tick and
the state before it, so that a restart neither loses nor doubles a reminder; a halt that nobody noticed for days is what it is
for (R46).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .execution.troubles import Trouble
from .pricealerts import price_alerts
from .reasons import Reason
from .shadow import MOST_FALLBACKS, so_far
from .stages.risk import ALERT_AFTER
from .tick import Tick, some
from .trading import TradingState

HOUR = 3600
DAY = 86_400


def alerts_of(tick: Tick, every: int, *, first: bool = False) -> tuple[str, ...]:
    """Sentences about the world of this tick. What lasts is told again each `every` seconds of grid time, and on the `first`
    tick of a process."""
    prices = price_alerts(tick, again=first or _again(tick, every, 0))
    return (
        *_kill(tick, every, first),
        *_closed(tick),
        *_halt(tick, every, first),
        *_exits(tick, every, first),
        *_shadow(tick, first),
        *prices,
    )


def way_out(tick: Tick) -> str:
    """How a kill ends."""
    minutes = (tick.gate.recover_at - tick.now + 59) // 60
    if not tick.gate.recover_at:
        return "lift it with `qmtl resume` when you know why"
    return f"it ends by itself in {max(minutes, 0)} minutes unless orders go on failing"


def _kill(tick: Tick, every: int, first: bool) -> Iterator[str]:
    gate, before = tick.gate, int(tick.before.kill)
    if gate.kill and gate.fired:
        told = "everything that is ours is to be closed" if _flattens(tick) else "only exits from now on"
        yield f"is killed: {Reason(gate.kill).code}; {told}, {way_out(tick)}"
    elif gate.kill and (first or _again(tick, every, gate.killed_at)):
        hours = (tick.now - gate.killed_at) // HOUR
        lasting = f" after {hours} hours" if hours > 1 else ""
        yield f"is still killed{lasting}: {Reason(gate.kill).code}; {way_out(tick)}"
    elif before and not gate.kill:
        yield f"is no longer killed: {Reason(before).code} has ended, entries are possible again"


def _closed(tick: Tick) -> Iterator[str]:
    """That a kill which flattens has nothing left to close, once the account shows it and not before."""
    load = tick.load
    if not (tick.gate.kill and _flattens(tick) and tick.account.readable and some(tick.before.side)):
        return
    if not some(load.side) and not some(load.held):
        names = [tick.frame.names.symbols[column] for column in load.outside.nonzero()[0].tolist()]
        rest = f"; what is not ours stays: {', '.join(names)}" if names else ""
        yield f"holds nothing of its own any more{rest}"


def _flattens(tick: Tick) -> bool:
    return bool(tick.gate.flatten) or tick.frame.program.settings.risk.on_kill == "flatten"


def _halt(tick: Tick, every: int, first: bool) -> Iterator[str]:
    """A halt by the text is as easily forgotten as one by a kill."""
    if tick.gate.trading == TradingState.HALTED and not tick.gate.kill and (first or _again(tick, every, 0)):
        yield f"is halted by its text: {Reason(tick.gate.why).code}; `risk: {{trading: active}}` lets it trade"


def _exits(tick: Tick, every: int, first: bool) -> Iterator[str]:
    names, refused, earlier = tick.frame.names.symbols, tick.risk.exit_rejects, tick.before.exit_rejects
    for column in tick.risk.alert.nonzero()[0].tolist():
        if first or earlier[column] < ALERT_AFTER or _again(tick, every, 0):
            yield f"cannot close {names[column]}: the exit was refused {int(refused[column])} times in a row"


def _shadow(tick: Tick, first: bool) -> Iterator[str]:
    """Told when the share passes its limit, and once each exchange day while it is above it."""
    now, earlier = so_far(tick.after), so_far(tick.before)
    if now.unreliable and (first or not earlier.unreliable or tick.gate.day > int(tick.before.day)):
        name = tick.frame.program.settings.regime.shadow
        share = f"{now.fallback_rate:.1%}, above {MOST_FALLBACKS:.0%}"
        yield f"has a shadow regime that often says nothing: {name} has no output for {share} of what was compared"


def _again(tick: Tick, every: int, since: int) -> bool:
    """Whether a multiple of `every` seconds since then lies between the tick before and this one."""
    return (tick.now - since) // every > (int(tick.before.now) - since) // every


class Reminders:
    """What was told of the account and its edges, so that what lasts is told again each `every` seconds and not at each tick."""

    def __init__(self, every: int) -> None:
        self.every = every
        self._told: dict[str, int] = {}

    def due(self, troubles: Sequence[Trouble], now: int) -> tuple[str, ...]:
        """Sentences to say at this tick: what is new, and what has lasted long enough to be said again."""
        said = []
        for trouble in troubles:
            if now - self._told.get(trouble.kind, -self.every) >= self.every:
                self._told[trouble.kind] = now
                said.append(trouble.text)
        over = self._told.keys() - {trouble.kind for trouble in troubles}
        for kind in sorted(over):
            del self._told[kind]
        return tuple(said)
