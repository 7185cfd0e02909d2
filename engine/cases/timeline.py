"""From the series of a case to what a feed would have delivered: rows on the session grid, daily values, regime columns.

In: a case and the exchange's calendar. Out: a `Stretch` per step: what became known since the step before, in order. The
newest bar of a decision tick closes at the tick. What a step does not say goes on: last closes, last probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import numpy as np

from qmtl.dsl.cases.model import Bars, Case, Probabilities, RegimeColumns, Series, Step

from ..bars import FIELDS, BarRow, Floats, MacroRow
from ..calendar import SessionCalendar
from ..errors import QmtlError

VOLUME = 1_000_000.0
_OUTPUTS = ("p_trend_up", "p_trend_down", "p_chop", "p_high_vol", "confidence")


class CaseError(QmtlError):
    """A case that the calendar does not allow; `path` is where it says so."""

    def __init__(self, path: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.path = path


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """What became known between two steps. `regime` [rows, 5, symbols] goes with `rows`."""

    rows: tuple[BarRow, ...]
    regime: Floats
    macros: tuple[MacroRow, ...]


@dataclass(slots=True)
class _Past:
    """What goes on from one step to the next: the place in the grid, last closes (NaN = no bar), last regime, last day."""

    bar: int
    close: Floats
    regime: Floats
    days: int


def stretches(case: Case, universe: tuple[str, ...], calendar: SessionCalendar) -> tuple[Stretch, ...]:
    """One stretch per step. Raises `CaseError` for times that are not on the calendar's grid and series that do not fit."""
    column = {symbol: i for i, symbol in enumerate(universe)}
    past: _Past | None = None
    found = []
    for step in case.steps:
        newest = _newest(step, past, calendar)
        count = _longest(step) if past is None else newest - past.bar
        if newest - count < 0:
            raise CaseError(_at(step), f"the calendar has too few bars before {_shown(step.at, step)}")
        before = past or _Past(newest, np.full(len(universe), np.nan), np.full((5, len(universe)), np.nan), -1)
        values = _values(step, count, column, None if past is None else past.close)
        regime = _regime(step.regime, count, column, before.regime)
        day = int(calendar.opens.searchsorted(step.at, side="right")) - 1
        macros = _macros(step, calendar, (before.days, day))
        rows = _rows(values, newest - count, calendar)
        found.append(Stretch(rows, regime, macros))
        last = values[-1, 3] if count else before.close
        past = _Past(newest, last, regime[-1] if count else before.regime, day - 1)
    return tuple(found)


def _at(step: Step) -> str:
    return f"{step.path}.at" if step.path else "at"


def _shown(at: int, step: Step) -> str:
    """A moment by the clock that the case is written by."""
    return datetime.fromtimestamp(at, timezone(timedelta(seconds=step.offset))).isoformat(timespec="minutes")


def _newest(step: Step, past: _Past | None, calendar: SessionCalendar) -> int:
    """How many bars of the grid have closed by the tick."""
    if not calendar.opens[0] <= step.at < calendar.until:
        raise CaseError(_at(step), f"{_shown(step.at, step)} is outside the days that calendar {calendar.name} covers")
    ends = calendar.bar_ends("15m")
    newest = int(ends.searchsorted(step.at, side="right"))
    closes = newest > 0 and int(ends[newest - 1]) == step.at
    if step.decision and not closes:
        near = f"bars close at {_shown(int(ends[newest - 1]), step)} and {_shown(int(ends[min(newest, len(ends) - 1)]), step)}"
        message = f"no 15m bar of {calendar.name} closes at {_shown(step.at, step)}"
        raise CaseError(_at(step), message, f"{near}; for a tick between bars write `tick: follow_up`")
    if not step.decision and closes:
        message = f"a 15m bar closes at {_shown(step.at, step)}, so this is no follow-up tick"
        raise CaseError(_at(step), message, "leave `tick` out, or move the tick by a minute")
    if not step.decision and past is not None and newest > past.bar:
        message = "a bar closes between this follow-up tick and the step before"
        raise CaseError(_at(step), message, "add a step at the close of that bar")
    return newest


def _longest(step: Step) -> int:
    """Bars before the first tick: as many as the longest series has; a constant alone is one."""
    if not step.bars:
        return 0
    series = [s for bars in step.bars for s in (bars.open, bars.high, bars.low, bars.close, bars.volume) if s]
    columns = [step.regime.others, *(p for _, p in step.regime.by_symbol)] if step.regime else []
    series += [getattr(p, name) for p in columns if p is not None for name in _OUTPUTS]
    return max([1, *(len(s.values) for s in series if not s.constant)])


def fitted(series: Series, count: int) -> Floats:
    """Exactly `count` values with the same end; those before the series are missing."""
    if series.constant:
        return np.full(count, series.values[0])
    values = np.full(count, np.nan)
    last = series.values[-count:] if count else ()
    values[count - len(last) :] = last
    return values


def _values(step: Step, count: int, column: dict[str, int], close: Floats | None) -> Floats:
    """[count, 5, symbols]; `close` are the closes that go on, None before the first step."""
    values = np.full((count, len(FIELDS), len(column)), np.nan)
    if close is not None:
        values[:, :4] = close
        values[:, 4, ~np.isnan(close)] = VOLUME
    for bars in step.bars:
        longest = max(len(s.values) for s in (bars.close, bars.open, bars.high, bars.low, bars.volume) if s)
        if close is not None and longest > count:
            message = f"{longest} values for {bars.symbol}, but {count} bars close between this step and the one before"
            raise CaseError(bars.path, message, "a step gives the new bars only")
        before = np.nan if close is None else close[column[bars.symbol]]
        values[:, :, column[bars.symbol]] = _filled(bars, count, before)
    return values


def _filled(bars: Bars, count: int, before: float) -> Floats:
    """[count, 5] of one symbol; what is not given follows from the close."""
    close = fitted(bars.close, count)
    known = np.concatenate(([before], close))
    place = np.maximum.accumulate(np.where(np.isnan(known), 0, np.arange(count + 1)))
    former = known[place][:-1]
    default_open = np.where(np.isnan(former), close, former)
    opened = _or(bars.open, count, default_open)
    return np.column_stack(
        (
            opened,
            _or(bars.high, count, np.maximum(opened, close)),
            _or(bars.low, count, np.minimum(opened, close)),
            close,
            _or(bars.volume, count, np.full(count, VOLUME)),
        )
    )


def _or(series: Series | None, count: int, default: Floats) -> Floats:
    if series is None:
        return default
    values = fitted(series, count)
    return np.where(np.isnan(values), default, values)


def _rows(values: Floats, first: int, calendar: SessionCalendar) -> tuple[BarRow, ...]:
    grid = calendar.grid("15m")
    rows = []
    for i, bar in enumerate(values):
        start, end = int(grid.starts[first + i]), int(grid.ends[first + i])
        present = ~np.isnan(bar[3])
        bar[:, ~present] = np.nan
        rows.append(BarRow(start, end, end, bar, present))
    return tuple(rows)


def _regime(given: RegimeColumns | None, count: int, column: dict[str, int], last: Floats) -> Floats:
    """[count, 5, symbols]; the last columns go on where a step gives none."""
    if given is None:
        return np.repeat(last[None], count, axis=0)
    values = np.repeat(_outputs(given.others, count)[:, :, None], len(column), axis=2)
    for symbol, own in given.by_symbol:
        values[:, :, column[symbol]] = _outputs(own, count)
    return values


def _outputs(given: Probabilities | None, count: int) -> Floats:
    if given is None:
        return np.full((count, 5), np.nan)
    return np.column_stack([fitted(getattr(given, name), count) for name in _OUTPUTS])


def _macros(step: Step, calendar: SessionCalendar, days: tuple[int, int]) -> tuple[MacroRow, ...]:
    """Daily values of the sessions after index days[0] and before days[1], known when the next session opens."""
    done, today = days
    rows = []
    for series in step.market:
        count = 1 if series.close.constant else len(series.close.values)
        if count > (today - done - 1 if done >= 0 else today):
            message = f"{count} daily values, but {max(today - done - 1, 0)} sessions ended since the step before"
            raise CaseError(series.path, message, "the newest value is that of the session before the tick's")
        for i, value in enumerate(fitted(series.close, count)):
            day = today - count + i
            if not np.isnan(value):
                values = np.array([value, value, value, value, np.nan])
                rows.append(MacroRow(series.name, calendar.days[day], int(calendar.opens[day + 1]), values))
    return tuple(sorted(rows, key=lambda row: row.known_at))
