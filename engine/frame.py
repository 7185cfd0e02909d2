"""The stage configuration of a Program as arrays, made once per program.

In: a Program and the tick interval of the deployment. Out: a Frame that every stage reads. It stands between the two
so that a tick never walks tuples of tuples: allowlist rows, chains, lanes and generations become [N, S] and [K] arrays.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from qmtl.dsl.model import RouterAlphas, Select
from qmtl.dsl.program import Lane, Program

from .bars import Bools, Codes, Floats, Hashes, Ints, Small
from .state import MIX, Names

#: slack of comparisons between fractions: far below a cent of a million
EPS: Final = 1e-12
STYLES: Final = ("trend", "chop", "defensive")
#: rows of `Market.p`
_PROBABILITIES: Final = tuple(field.name for field in fields(RouterAlphas) if field.name != "strategy")
_FOREVER: Final = dt.date.max.toordinal()

Ordinals = NDArray[np.int32]
T = TypeVar("T")
A = TypeVar("A", bound=NDArray[Any])


@dataclass(frozen=True, slots=True, eq=False)
class Overridden:
    """What chains give each symbol where some say otherwise for some: at `places(frame, chain)`, so chain * S + column."""

    uses: Bools
    exposure: Floats


class Recent:
    """The last answer of each pure function, with the very objects it was asked about: a chain that did not change is
    the same array at the next tick, so what follows from it need not be computed again. It changes no answer."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[Callable[..., Any], tuple[tuple[object, ...], Any]] = {}

    def of(self, function: Callable[..., T], *asked: object) -> T:
        """`function(*asked)`."""
        found = self._known.get(function)
        if found is not None:
            for old, new in zip(found[0], asked):  # noqa: B905 - a function is always asked about as much
                if old is not new:
                    break
            else:
                return found[1]  # type: ignore[no-any-return]
        answer = function(*asked)
        self._known[function] = (asked, answer)
        return answer


def fixed(array: A) -> A:
    """The array, read-only: it is shared."""
    array.setflags(write=False)
    return array


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What stages need of a program. S symbols, N strategies, K chains.

    interval        seconds between ticks, from the deployment
    index           symbol -> column;  strategy_index  strategy -> row
    allowed, until  [N, S] enabled rows and their last day (ordinal); `dated` says that any row ends
    uses            [N, K] the chain names the strategy;  used [N, 1] any chain does, or [N, S] with overrides
    ranks           [K, 1] 0..K-1;  exposure  [K]
    overridden      uses [N, K*S] and exposure [K*S] chain by chain and symbol by symbol; None when no chain overrides
    enabled         [S] by any row of any chain, whatever its last day
    sector          [S] 0..sectors-1, or `sectors` for a symbol without one (never capped together)
    style           [N] index into STYLES
    has_stop, stop_is_level, take_is_level   [N, S] from the lanes
    alphas          (row of p, [N, 1] alpha of each strategy) of the probabilities that the router adds; mostly none
    generation      [N, S] first 64 bits;  mix_generation [S] of all enabled ones together (owner @mix)
    nowhere, everywhere, silent, nothing, never, unknown  [S] False, True, code 0, 0.0, time 0 and NaN for all, read-only:
                    what a stage hands on that has nothing to say
    lines           some stop or take is a line of its strategy
    alphabetical    [S] place of each symbol among all by name;  by_name  whether that is their order
    recent          what stages worked out last, for inputs that are the same objects again
    """

    program: Program
    names: Names
    interval: int
    index: Mapping[str, int]
    strategy_index: Mapping[str, int]
    columns: Ints
    allowed: Bools
    until: Ordinals
    dated: bool
    enabled: Bools
    uses: Bools
    used: Bools
    ranks: Small
    exposure: Floats
    overridden: Overridden | None
    sector: Ints
    sectors: int
    style: Small
    has_stop: Bools
    stop_is_level: Bools
    take_is_level: Bools
    lines: bool
    generation: Hashes
    mix_generation: Hashes
    mix_labels: tuple[str, ...]
    churn: frozenset[str]
    alphas: tuple[tuple[int, Floats], ...]
    nowhere: Bools
    everywhere: Bools
    silent: Codes
    nothing: Floats
    never: Ints
    unknown: Floats
    alphabetical: Ints
    by_name: bool
    recent: Recent

    @property
    def symbols(self) -> int:
        """Number of symbols."""
        return len(self.names.symbols)

    @property
    def strategies(self) -> int:
        """Number of strategies."""
        return len(self.names.strategies)


def build_frame(program: Program, interval: int = 60) -> Frame:
    """The arrays of a program for ticks `interval` seconds apart."""
    settings = program.settings
    names = Names(
        settings.universe, tuple(plan.name for plan in program.strategies), tuple(c.name for c in program.chains)
    )
    shape = (len(names.strategies), len(names.symbols))
    sector, sectors = _sectors(settings.universe, {symbol: name for symbol, name in settings.sectors if name != "none"})
    until = np.array([[_ordinal(day) for day in row] for row in program.allowed_until], dtype=np.int32).reshape(shape)
    uses, exposure = _chains(program, shape[0])
    overridden = _overridden(program, uses, exposure)
    has_stop, stop_is_level, take_is_level = _lane_flags(program, shape)
    allowed = np.array(program.allowed, dtype=np.bool_).reshape(shape)
    used = _used(uses, overridden, shape)
    labels = tuple(_mix_label(program, column) for column in range(shape[1]))
    return Frame(
        program=program,
        names=names,
        interval=interval,
        index=MappingProxyType({symbol: column for column, symbol in enumerate(names.symbols)}),
        strategy_index=MappingProxyType({name: row for row, name in enumerate(names.strategies)} | {"@mix": MIX}),
        columns=np.arange(shape[1]),
        allowed=allowed,
        until=until,
        dated=bool((until < _FOREVER).any()),
        enabled=np.asarray((allowed & used).any(axis=0)),
        uses=uses,
        used=used,
        ranks=np.arange(len(program.chains), dtype=np.int16)[:, None],
        exposure=exposure,
        overridden=overridden,
        sector=sector,
        sectors=sectors,
        style=np.array([STYLES.index(plan.style) for plan in program.strategies], dtype=np.int16),
        has_stop=has_stop,
        stop_is_level=stop_is_level,
        take_is_level=take_is_level,
        lines=bool(stop_is_level.any() or take_is_level.any()),
        generation=np.array([[hash_of(text) for text in row] for row in program.generations], dtype=np.uint64).reshape(
            shape
        ),
        mix_generation=np.array([hash_of(label) for label in labels], dtype=np.uint64),
        mix_labels=labels,
        churn=frozenset(settings.churn_guard.enabled),
        alphas=tuple(_alphas(settings.select, names.strategies)),
        **_rows(names.symbols),
        by_name=list(names.symbols) == sorted(names.symbols),
        recent=Recent(),
    )


def _rows(symbols: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """The read-only rows of a frame."""
    width = len(symbols)
    rows = {
        "nowhere": np.zeros(width, dtype=np.bool_),
        "everywhere": np.ones(width, dtype=np.bool_),
        "silent": np.zeros(width, dtype=np.uint8),
        "nothing": np.zeros(width),
        "never": np.zeros(width, dtype=np.int64),
        "unknown": np.full(width, np.nan),
        "alphabetical": np.argsort(np.argsort(np.array(symbols))),
    }
    return {name: fixed(row) for name, row in rows.items()}


def allowed_on(frame: Frame, day: int) -> Bools:
    """[N, S] pairs enabled on an exchange day (proleptic day number); the day of `until` is the last one."""
    return frame.allowed & (frame.until >= day) if frame.dated else frame.allowed


def places(frame: Frame, rows: Small) -> Ints:
    """[S] flat places of (row, symbol) in an [N, S] array, for `take(..., mode="clip")`, which is far faster than two
    indexes. Rows below 0 (nobody, @mix, gone) read the first element: the caller masks them."""
    at: Ints = np.multiply(rows, frame.symbols, dtype=np.int64)
    at += frame.columns
    return at


def hash_of(generation: str) -> int:
    """First 64 bits of a generation's hex text as a whole number; other text is hashed. 0 stands for none."""
    if not generation:
        return 0
    try:
        return int(generation[:16], 16)
    except ValueError:
        return int.from_bytes(hashlib.blake2b(generation.encode(), digest_size=8).digest(), "big")


def generation_hashes(frame: Frame, strategy: Small, columns: Ints) -> Hashes:
    """[k] generation hashes of strategy indexes (or MIX) for symbols; 0 for nobody."""
    own: Hashes = frame.generation.take(strategy * np.int64(frame.symbols) + columns, mode="clip")
    if not np.count_nonzero(strategy < 0):
        return own
    own = np.where(strategy >= 0, own, np.uint64(0))
    mixed = strategy == MIX
    return np.where(mixed, frame.mix_generation.take(columns), own) if np.count_nonzero(mixed) else own


def generation_label(frame: Frame, strategy: int, column: int) -> str:
    """Generation text of a strategy index (or MIX) for a symbol; "" for nobody."""
    if strategy == MIX:
        return frame.mix_labels[column]
    return frame.program.generations[strategy][column] if strategy >= 0 else ""


def strategy_label(frame: Frame, strategy: int) -> str:
    """Name of a strategy index; "@mix" for the weighted owner, "@gone" for one of a former program, "" for nobody."""
    return frame.names.strategies[strategy] if strategy >= 0 else {MIX: "@mix", -1: ""}.get(strategy, "@gone")


def day_number(day: str) -> int:
    """Proleptic day number of an ISO date."""
    return dt.date.fromisoformat(day).toordinal()


def _ordinal(day: str) -> int:
    return day_number(day) if day else _FOREVER


def _chains(program: Program, strategies: int) -> tuple[Bools, Floats]:
    """uses [N, K] and exposure [K], as the chains say in general."""
    uses = np.zeros((strategies, len(program.chains)), dtype=np.bool_)
    for k, chain in enumerate(program.chains):
        uses[list(chain.strategies), k] = True
    return uses, np.array([chain.exposure for chain in program.chains], dtype=np.float64)


def _overridden(program: Program, uses: Bools, exposure: Floats) -> Overridden | None:
    """The same for each symbol; None when no chain says otherwise for any, so that such worlds pay nothing for it."""
    if not any(chain.overrides for chain in program.chains):
        return None
    width = len(program.settings.universe)
    by_symbol, exposures = np.repeat(uses, width, axis=1), np.repeat(exposure, width)
    for k, chain in enumerate(program.chains):
        for override in chain.overrides:
            at = k * width + override.column
            by_symbol[:, at] = False
            by_symbol[list(override.strategies), at] = True
            exposures[at] = override.exposure
    return Overridden(by_symbol, exposures)


def _used(uses: Bools, overridden: Overridden | None, shape: tuple[int, int]) -> Bools:
    """[N, 1] strategies that any chain uses; [N, S] for each symbol where chains say otherwise for some."""
    if overridden is None:
        return np.asarray(uses.any(axis=1, keepdims=True))
    return np.asarray(overridden.uses.reshape(shape[0], uses.shape[1], shape[1]).any(axis=1))


def _alphas(select: Select, strategies: tuple[str, ...]) -> Iterator[tuple[int, Floats]]:
    """The rows of p that any strategy has an alpha for."""
    said = {one.strategy: one for one in select.alphas}
    for row, name in enumerate(_PROBABILITIES):
        column = np.array([[getattr(said[s], name) if s in said else 0.0] for s in strategies], dtype=np.float64)
        if column.any():
            yield row, column


def _sectors(universe: tuple[str, ...], sector_of: dict[str, str]) -> tuple[Ints, int]:
    numbers = {name: number for number, name in enumerate(sorted({sector_of[s] for s in universe if s in sector_of}))}
    return np.array([numbers.get(sector_of.get(symbol, ""), len(numbers)) for symbol in universe], dtype=np.int64), len(
        numbers
    )


def _lane_flags(program: Program, shape: tuple[int, int]) -> tuple[Bools, Bools, Bools]:
    """has_stop, stop_is_level, take_is_level; later lanes overwrite their columns, as in Market."""
    has_stop, stop_level, take_level = (np.zeros(shape, dtype=np.bool_) for _ in range(3))
    for row, plan in enumerate(program.strategies):
        for lane in plan.lanes:
            where: slice | list[int] = slice(None) if lane.columns is None else list(lane.columns)
            _write_lane(lane, (has_stop[row], stop_level[row], take_level[row]), where)
    return has_stop, stop_level, take_level


def _write_lane(lane: Lane, rows: tuple[Bools, Bools, Bools], where: slice | list[int]) -> None:
    for row, flag in zip(rows, (lane.stop is not None, lane.stop_is_level, lane.take_is_level), strict=True):
        row[where] = flag


def _mix_label(program: Program, column: int) -> str:
    """Generation of the owner @mix: of the strategies enabled for the symbol, by name, so that order means nothing."""
    plans = zip(program.strategies, program.generations, program.allowed, strict=True)
    text = "\n".join(
        sorted(f"{plan.name} {generation[column]}" for plan, generation, allowed in plans if allowed[column])
    )
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
