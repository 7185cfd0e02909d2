"""DecideState, format version 1: all that decisions remember between ticks, as a struct of arrays.

In: `initial` or a snapshot (`decode`). Out: `stages/persist.py` makes the next one; the runtime stores `encode`.
It stands apart from the stages because it is frozen early: FIELDS declares every array with dtype, shape, unit and
initial value, there is no Python object in it, and a compiled kernel could take it over as it is.

Shapes: "S" symbols, "NS" strategies x symbols, "R" a ring of RING entries, "" one value. Times are epoch seconds,
prices in the account's currency, fractions of world capital. Nothing here is ever cleared because a symbol is absent
from a tick or the exchange is closed (R18); times are absolute, so restarts do not lengthen or shorten them (R19).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from .bars import Codes, Floats, Hashes, Ints, Sides, Small
from .errors import StateError

FORMAT: Final = "qmtl.decide.v1"
#: buckets of order results kept for the failure window; one per tick that brought results
RING: Final = 64

#: values of `owner`, `selected`, `pending_strategy`, `entry_strategy` that are no index into the strategies
NOBODY: Final = -1
MIX: Final = -2
GONE: Final = -3

Counters = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Field:
    """One array of the state: little-endian dtype, shape symbol, unit, value before anything happened."""

    name: str
    dtype: str
    shape: str
    unit: str
    initial: float
    index: str = ""  # "strategy" or "chain" when the values are indexes that a hot reload renumbers
    later: bool = False  # it came after version 1: states without it are read, and it has its initial value there


FIELDS: Final[tuple[Field, ...]] = (
    # chain and selection
    Field("chain", "<i2", "S", "chain index", -1, "chain"),
    Field("regime_missing", "<i4", "S", "decision ticks in a row without a regime", 0),
    Field("selected", "<i2", "S", "strategy index", NOBODY, "strategy"),
    Field("switched_at", "<i8", "S", "s", 0),
    # the position: whose, which side, since when, and its levels
    Field("qty", "<f8", "S", "shares, the broker's of the last tick", 0),
    Field("owner", "<i2", "S", "strategy index", NOBODY, "strategy"),
    Field("generation", "<u8", "S", "first 64 bits of the generation", 0),
    Field("side", "|i1", "S", "-1, 0, 1", 0),
    Field("side_opened_at", "<i8", "S", "s, first opening fill from flat; 0 when flat", 0),
    Field("last_side", "|i1", "S", "side of the newest position, kept when flat", 0),
    Field("last_opened_at", "<i8", "S", "s, side_opened_at of the newest position", 0),
    Field("stop_distance", "<f8", "S", "price, at entry; NaN: none, or a level", np.nan),
    Field("take_distance", "<f8", "S", "price, at entry; NaN: none, or a level", np.nan),
    Field("stop_level", "<f8", "S", "price, last known", np.nan),
    Field("take_level", "<f8", "S", "price, last known", np.nan),
    Field("stopping", "|u1", "S", "reason code of a stop or take that is being executed", 0),
    Field("latch", "|i1", "NS", "side that may not be entered until the signal has left it", 0),
    # the last opening order, and the second leg of a reversal
    Field("entry_strategy", "<i2", "S", "strategy index", NOBODY, "strategy"),
    Field("entry_stop", "<f8", "S", "distance in price when the entry was decided; NaN: none, or a level", np.nan),
    Field("entry_take", "<f8", "S", "distance in price when the entry was decided; NaN: none, or a level", np.nan),
    Field("pending", "<f8", "S", "fraction to enter once flat; until the next decision tick", 0),
    Field("pending_strategy", "<i2", "S", "strategy index", NOBODY, "strategy"),
    # what the broker answered
    Field("reject_until", "<i8", "S", "s, no entries before", 0),
    Field("exit_rejects", "<i2", "S", "refused exits in a row", 0),
    # equity and loss limits
    Field("now", "<i8", "", "s, grid time of the last tick", 0),
    Field("equity", "<f8", "", "money, last believed reading", np.nan),
    Field("suspect", "<f8", "", "money, reading that waits for a second one", np.nan),
    Field("close_equity", "<f8", "", "money, last believed reading of the newest session", np.nan),
    Field("day", "<i4", "", "proleptic day number of the exchange day of the anchor", 0),
    Field("week", "<i4", "", "ISO year * 100 + ISO week of the anchor", 0),
    Field("day_anchor", "<f8", "", "money", np.nan),
    Field("week_anchor", "<f8", "", "money", np.nan),
    Field("day_level", "<f8", "", "money the daily limit counts from: the anchor, or equity at resume", np.nan),
    Field("week_level", "<f8", "", "money the weekly limit counts from", np.nan),
    Field("day_breach_at", "<i8", "", "s, first reading beyond the limit; 0 = none", 0),
    Field("week_breach_at", "<i8", "", "s, first reading beyond the limit; 0 = none", 0),
    # kill state and failures
    Field("kill", "|u1", "", "reason code; 0 = not killed", 0),
    Field("killed_at", "<i8", "", "s", 0),
    Field("recover_at", "<i8", "", "s; 0 = only by resume", 0),
    Field("recoveries", "<i4", "", "recoveries of recovery_day", 0),
    Field("recovery_day", "<i4", "", "proleptic day number", 0),
    Field("consecutive", "<i4", "", "failed orders in a row", 0),
    Field("ring_at", "<i8", "R", "s, tick of the results", 0),
    Field("ring_orders", "<i4", "R", "orders with an answer", 0),
    Field("ring_failures", "<i4", "R", "orders that failed", 0),
    Field("ring_next", "<i4", "", "bucket to write next", 0),
    Field("failed_ids", "<u8", "R", "hashes of client order ids counted as failed", 0),
    Field("failed_next", "<i4", "", "entry to write next", 0),
    # the shadow regime beside the one that decides, since both are what they are
    Field("shadow_compared", "<i8", "", "symbols x decision ticks at which both had an output", 0, later=True),
    Field("shadow_differing", "<i8", "", "of these, with another dominant trend", 0, later=True),
    Field("shadow_fallbacks", "<i8", "", "symbols x decision ticks at which only one had", 0, later=True),
    # prices: what was believed last, and what a split or an unexplained gap does to it
    Field("mark", "<f8", "S", "price, last one believed, per share of today", np.nan, later=True),
    Field("mark_scale", "<f8", "S", "divides the feed's price until its first bar after a split", 1, later=True),
    Field("gap_at", "<i8", "S", "s, tick of a gap that nothing explains; 0 = none", 0, later=True),
    Field("settling", "<i4", "S", "bars until no formula sees a price of before a split", 0, later=True),
    Field("average", "<f8", "S", "price, the broker's average price of the last tick", np.nan, later=True),
    Field("stale_at", "<i8", "S", "s, first tick at which bars were overdue; 0 = they are not", 0, later=True),
    # stop and take of the last opening order where they are lines of the strategy
    Field(
        "entry_stop_level", "<f8", "S", "price when the entry was decided; NaN: none, or a distance", np.nan, later=True
    ),
    Field(
        "entry_take_level", "<f8", "S", "price when the entry was decided; NaN: none, or a distance", np.nan, later=True
    ),
    Field("flatten", "|u1", "", "1: the kill closes everything of ours, whatever the text says", 0, later=True),
    # orders of the newest exchange day that had any, for the limits of a day
    Field("sent_day", "<i4", "", "proleptic day number", 0, later=True),
    Field("sent_orders", "<i4", "", "orders that were sent on it", 0, later=True),
    Field("sent_value", "<f8", "", "money, what they were worth at their marks", 0, later=True),
)


@dataclass(frozen=True, slots=True, eq=False)
class DecideState:
    """The arrays of FIELDS, in that order; scalars are arrays of shape (). Never written after it was made."""

    chain: Small
    regime_missing: Counters
    selected: Small
    switched_at: Ints
    qty: Floats
    owner: Small
    generation: Hashes
    side: Sides
    side_opened_at: Ints
    last_side: Sides
    last_opened_at: Ints
    stop_distance: Floats
    take_distance: Floats
    stop_level: Floats
    take_level: Floats
    stopping: Codes
    latch: Sides
    entry_strategy: Small
    entry_stop: Floats
    entry_take: Floats
    pending: Floats
    pending_strategy: Small
    reject_until: Ints
    exit_rejects: Small
    now: Ints
    equity: Floats
    suspect: Floats
    close_equity: Floats
    day: Counters
    week: Counters
    day_anchor: Floats
    week_anchor: Floats
    day_level: Floats
    week_level: Floats
    day_breach_at: Ints
    week_breach_at: Ints
    kill: Codes
    killed_at: Ints
    recover_at: Ints
    recoveries: Counters
    recovery_day: Counters
    consecutive: Counters
    ring_at: Ints
    ring_orders: Counters
    ring_failures: Counters
    ring_next: Counters
    failed_ids: Hashes
    failed_next: Counters
    shadow_compared: Ints
    shadow_differing: Ints
    shadow_fallbacks: Ints
    mark: Floats
    mark_scale: Floats
    gap_at: Ints
    settling: Counters
    average: Floats
    stale_at: Ints
    entry_stop_level: Floats
    entry_take_level: Floats
    flatten: Codes
    sent_day: Counters
    sent_orders: Counters
    sent_value: Floats


@dataclass(frozen=True, slots=True)
class Names:
    """What the indexes and columns of a state mean."""

    symbols: tuple[str, ...]
    strategies: tuple[str, ...]
    chains: tuple[str, ...]


def unowned(owner: Small) -> NDArray[np.bool_]:
    """[S] positions whose strategy is gone, or that nobody opened; True for flat symbols too."""
    nobodys: NDArray[np.bool_] = (owner < 0) & (owner != MIX)
    return nobodys


class Named(Protocol):
    """A frame, as far as a state needs one."""

    @property
    def names(self) -> Names: ...

    @property
    def generation(self) -> Hashes: ...


def _shape(field: Field, names: Names) -> tuple[int, ...]:
    return _sized(field, (len(names.strategies), len(names.symbols)))


def _sized(field: Field, size: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a field for (strategies, symbols)."""
    return {"S": size[1:], "NS": size, "R": (RING,), "": ()}[field.shape]


def _blank(field: Field, names: Names) -> NDArray[np.generic]:
    return np.full(_shape(field, names), field.initial, dtype=field.dtype)


def _initial(names: Names) -> DecideState:
    return DecideState(**{field.name: _blank(field, names) for field in FIELDS})  # type: ignore[arg-type]


def initial(frame: Named) -> DecideState:
    """The state before the first tick of a program."""
    return _initial(frame.names)


def encode(state: DecideState, frame: Named) -> bytes:
    """Canonical bytes: one JSON header line (format, names, fields), then the arrays of FIELDS, little-endian."""
    names = frame.names
    header = {
        "format": FORMAT,
        "symbols": names.symbols,
        "strategies": names.strategies,
        "chains": names.chains,
        "fields": [[field.name, field.dtype, field.shape] for field in FIELDS],
        "ring": RING,
    }
    head = json.dumps(header, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    arrays = (np.asarray(getattr(state, field.name), dtype=field.dtype) for field in FIELDS)
    return b"\n".join((head, b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)))


def decode(data: bytes, frame: Named) -> DecideState:
    """The state in `data`, renamed to the frame's columns when the snapshot was of another program.

    Raises `StateError` when the bytes are not a state of this format or are cut short."""
    head, _, body = data.partition(b"\n")
    try:
        header = json.loads(head)
    except ValueError as error:
        raise StateError("the decide state is not readable", "restore an older snapshot") from error
    stored = _stored_fields(header)
    if (
        stored is None
        or header.get("format") != FORMAT
        or header.get("ring") != RING
        or header["fields"] != [[field.name, field.dtype, field.shape] for field in stored]
    ):
        raise StateError(f"the decide state is not of format {FORMAT}", "run the version of qmtl that wrote it")
    names = Names(tuple(header["symbols"]), tuple(header["strategies"]), tuple(header["chains"]))
    state = completed(_unpack(body, names, stored))
    return state if names == frame.names else _reunited(_renamed(state, names, frame.names), frame)


def _stored_fields(header: Any) -> tuple[Field, ...] | None:
    """Our fields less the later ones that a header does not name; None when it names none at all."""
    named = header.get("fields") if isinstance(header, dict) else None
    if not isinstance(named, list):
        return None
    there = {str(field[0]) for field in named if isinstance(field, list) and field}
    return tuple(field for field in FIELDS if not field.later or field.name in there)


def completed(arrays: Mapping[str, NDArray[Any]]) -> DecideState:
    """The state of stored arrays by the names of their fields; later fields that are not among them start as they do in a
    new state. StateError when any other is missing, or one is there that nobody knows."""
    missing = [field for field in FIELDS if field.name not in arrays]
    if any(not field.later for field in missing) or len(arrays) + len(missing) != len(FIELDS):
        raise StateError("the stored decide state is of another format", "run the version of qmtl that wrote it")
    size = arrays["latch"].shape
    blank = {field.name: np.full(_sized(field, size), field.initial, dtype=field.dtype) for field in missing}
    return DecideState(**arrays, **blank)


def _unpack(body: bytes, names: Names, stored: tuple[Field, ...]) -> dict[str, NDArray[np.generic]]:
    arrays: dict[str, NDArray[np.generic]] = {}
    offset = 0
    for field in stored:
        shape = _shape(field, names)
        count = int(np.prod(shape, dtype=np.int64))
        size = count * np.dtype(field.dtype).itemsize
        if offset + size > len(body):
            raise StateError("the decide state is cut short", "restore an older snapshot")
        arrays[field.name] = np.frombuffer(body, dtype=field.dtype, count=count, offset=offset).reshape(shape)
        offset += size
    if offset != len(body):
        raise StateError("the decide state has bytes too many", "restore an older snapshot")
    return arrays


def remap(state: DecideState, old_frame: Named, new_frame: Named) -> DecideState:
    """The same memory for another program: columns and indexes follow their names (hot reload).

    Symbols that are new start blank. A strategy that is gone leaves its positions to GONE, which no signal owns, until it
    comes back as it was; a chain or selection that is gone is none. The second leg of a reversal is dropped: the old
    program decided it."""
    return _reunited(_renamed(state, old_frame.names, new_frame.names), new_frame)


def _reunited(state: DecideState, frame: Named) -> DecideState:
    """Positions whose strategy is gone belong again to a strategy of the very generation that they were opened under."""
    lost = (state.owner == GONE) & (state.generation != 0)
    if not lost.any():
        return state
    same = (frame.generation == state.generation) & lost
    rows = same.argmax(axis=0).astype(np.int16)
    return replace(state, owner=np.where(same.any(axis=0), rows, state.owner))


def orphans(state: DecideState, old_frame: Named, new_frame: Named) -> tuple[str, ...]:
    """Symbols with a position of this world that the new program no longer knows: a reload should refuse to lose them."""
    kept = set(new_frame.names.symbols)
    held = zip(old_frame.names.symbols, state.side.tolist(), strict=True)
    return tuple(symbol for symbol, side in held if side != 0 and symbol not in kept)


def _renamed(state: DecideState, old: Names, new: Names) -> DecideState:
    columns = _matches(old.symbols, new.symbols)
    rows = _matches(old.strategies, new.strategies)
    renumber = {"strategy": _renumber(old.strategies, new.strategies), "chain": _renumber(old.chains, new.chains)}
    arrays: dict[str, NDArray[np.generic]] = {}
    for field in FIELDS:
        values = getattr(state, field.name)
        if "S" not in field.shape or field.name.startswith("pending"):
            arrays[field.name] = values if "S" not in field.shape else _blank(field, new)
            continue
        if field.index:
            lost = GONE if field.name in ("owner", "entry_strategy") else NOBODY
            values = _moved(values, renumber[field.index], lost)
        array = _blank(field, new)
        if field.shape == "NS":
            array[np.ix_(rows[1], columns[1])] = values[np.ix_(rows[0], columns[0])]
        else:
            array[columns[1]] = values[columns[0]]
        arrays[field.name] = array
    return DecideState(**arrays)  # type: ignore[arg-type]


def _matches(old: tuple[str, ...], new: tuple[str, ...]) -> tuple[list[int], list[int]]:
    """Positions in `old` and in `new` of the names both have."""
    place = {name: position for position, name in enumerate(old)}
    pairs = [(place[name], position) for position, name in enumerate(new) if name in place]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _renumber(old: tuple[str, ...], new: tuple[str, ...]) -> Small:
    """Old index -> new index, GONE where the name is no longer there."""
    place = {name: position for position, name in enumerate(new)}
    return np.array([place.get(name, GONE) for name in old] or [GONE], dtype=np.int16)


def _moved(values: Small, renumber: Small, lost: int) -> Small:
    moved = np.where(values >= 0, renumber[np.maximum(values, 0)], values).astype(np.int16)
    moved[(values >= 0) & (moved == GONE)] = lost
    return moved


if tuple(field.name for field in FIELDS) != tuple(item.name for item in fields(DecideState)):  # pragma: no cover
    raise AssertionError("FIELDS and DecideState differ")
