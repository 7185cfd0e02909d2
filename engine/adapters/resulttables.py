"""The columns of a backtest as Arrow tables and back.

In: parts of a `Result`. Out: tables for Parquet with names a reader understands (text, timestamps, null for missing),
and from such a table the part again, to the bit: indexes are found again through the name tables that stand in
`result.json`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..backtest.result import Marks, OrderRows, Result, Steps, Texts, WorldSteps
from ..backtest.trip import Trips
from ..bars import Floats, Ints

#: Parquet has no seconds; milliseconds of whole seconds lose nothing
_MOMENT: Final = pa.timestamp("ms", tz="UTC")
_CHANCES: Final = ("p_trend_up", "p_trend_down", "p_chop", "p_high_vol")
_TEXTS: Final = (
    ("world", "worlds"),
    ("symbol", "symbols"),
    ("strategy", "strategies"),
    ("chain", "chains"),
    ("reason", "reasons"),
)
#: what a symbol's count per chain is called in worlds.parquet
_CHAIN: Final = "in_chain."


def steps_table(result: Result) -> pa.Table:
    """steps.parquet: one row per decision tick."""
    steps = result.steps
    return pa.table(
        {
            "at": _times(steps.at),
            "day": _texts(steps.session, steps.days),
            "equity": steps.equity,
            "cash": steps.cash,
            "fees": steps.fees,
            "borrow": steps.borrow,
            "market": steps.market,
        }
    )


def steps(table: pa.Table, days: Texts) -> Steps:
    """The account out of its table."""
    return Steps(
        at=_seconds(table["at"]),
        session=_indexes(table["day"], days),
        days=days,
        equity=_floats(table["equity"]),
        cash=_floats(table["cash"]),
        fees=_floats(table["fees"]),
        borrow=_floats(table["borrow"]),
        market=_floats(table["market"]),
    )


def worlds_table(result: Result) -> pa.Table:
    """worlds.parquet: the ticks of the first world, then those of the next; a chain of one is null in the others."""
    count = len(result.steps.at)
    every = result.worlds
    columns: dict[str, Any] = {
        "world": _texts(np.repeat(np.arange(len(every)), count), tuple(world.world for world in every)),
        "at": _times(np.tile(result.steps.at, len(every))),
    }
    for name in ("capital", "pnl", "gross", "net"):
        columns[name] = _joined([getattr(world, name) for world in every], np.float64)
    columns["names"] = _joined([world.names for world in every], np.int16)
    columns["kill"] = _joined([world.kill for world in every], np.uint8)
    for i, name in enumerate(_CHANCES):
        columns[name] = pa.array(_joined([world.p[:, i] for world in every], np.float64), from_pandas=True)
    for chain in dict.fromkeys(chain for world in every for chain in world.chains):
        parts = [
            pa.array(world.in_chain[:, world.chains.index(chain)], pa.int16())
            if chain in world.chains
            else pa.nulls(count, pa.int16())
            for world in every
        ]
        columns[f"{_CHAIN}{chain}"] = pa.concat_arrays(parts)
    return pa.table(columns)


def worlds(table: pa.Table, names: list[dict[str, Any]], count: int) -> tuple[WorldSteps, ...]:
    """The worlds out of their table of `count` rows each."""
    if len(table) != count * len(names):
        raise ValueError(f"{len(table)} rows of worlds, not {count} for each of {len(names)}")
    return tuple(_world(table.slice(i * count, count), of) for i, of in enumerate(names))


def _world(table: pa.Table, of: dict[str, Any]) -> WorldSteps:
    chains = tuple(of["chains"])
    counts = [table[f"{_CHAIN}{chain}"].to_numpy().astype(np.int16) for chain in chains]
    return WorldSteps(
        world=of["world"],
        chains=chains,
        strategies=tuple(of["strategies"]),
        universe=tuple(of["universe"]),
        capital=_floats(table["capital"]),
        pnl=_floats(table["pnl"]),
        gross=_floats(table["gross"]),
        net=_floats(table["net"]),
        names=table["names"].to_numpy(),
        kill=table["kill"].to_numpy(),
        in_chain=np.stack(counts, axis=1) if counts else np.zeros((len(table), 0), dtype=np.int16),
        p=np.stack([_floats(table[name]) for name in _CHANCES], axis=1),
    )


def orders_table(result: Result) -> pa.Table:
    """orders.parquet: one row per order, in the order they were sent; an unfilled one has no time of a fill."""
    orders = result.orders
    columns: dict[str, Any] = {"sent": _times(orders.sent), "filled": _times(orders.filled, missing=0)}
    for one, many in _TEXTS:
        columns[one] = _texts(getattr(orders, one), getattr(orders, many))
    for name in ("qty", "price", "fee", "mark"):
        columns[name] = pa.array(getattr(orders, name), from_pandas=True)
    return pa.table({**columns, "closing": orders.closing})


def orders(table: pa.Table, names: dict[str, Any]) -> OrderRows:
    """The orders out of their table."""
    texts = {many: tuple(names[many]) for _, many in _TEXTS}
    rows = {one: _indexes(table[one], texts[many]) for one, many in _TEXTS}
    return OrderRows(
        **texts,
        sent=_seconds(table["sent"]),
        filled=_seconds(table["filled"]),
        world=rows["world"].astype(np.int16),
        symbol=rows["symbol"],
        strategy=rows["strategy"].astype(np.int16),
        chain=rows["chain"].astype(np.int16),
        reason=rows["reason"].astype(np.int16),
        qty=_floats(table["qty"]),
        price=_floats(table["price"]),
        fee=_floats(table["fee"]),
        mark=_floats(table["mark"]),
        closing=table["closing"].to_numpy().astype(np.bool_),
    )


def trips_table(result: Result, trips: Trips) -> pa.Table:
    """trips.parquet: one row per round trip; one that is still open has no time and no reason of a close."""
    columns: dict[str, Any] = {"opened": _times(trips.opened), "closed": _times(trips.closed, missing=0)}
    for one, many in _TEXTS:
        columns[one] = _texts(getattr(trips, one), getattr(result.orders, many))
    for name in ("side", "qty", "entry", "exit", "pnl", "ret", "fees", "slippage", "traded", "orders"):
        columns[name] = getattr(trips, name)
    return pa.table(columns)


def name_tables(result: Result) -> dict[str, Any]:
    """The tuples that indexes point into, for `result.json`."""
    tables: dict[str, Any] = {many: list(getattr(result.orders, many)) for _, many in _TEXTS}
    tables["days"] = list(result.steps.days)
    tables["by_world"] = [
        {
            "world": world.world,
            "chains": list(world.chains),
            "strategies": list(world.strategies),
            "universe": list(world.universe),
        }
        for world in result.worlds
    ]
    return tables


def marks_list(result: Result) -> list[float | None]:
    """Last marks in the order of the orders' symbols, None = never seen."""
    return [mark if np.isfinite(mark) else None for mark in result.marks.last.tolist()]


def marks(values: list[float | None], symbols: int) -> Marks:
    """The marks out of `marks_list`."""
    if len(values) != symbols:
        raise ValueError(f"{len(values)} marks for {symbols} symbols")
    return Marks(np.array([np.nan if value is None else value for value in values], dtype=np.float64))


def _joined(parts: list[NDArray[Any]], kind: type) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=kind)


def _times(seconds: Ints, missing: int | None = None) -> pa.Array:
    absent = None if missing is None else seconds == missing
    return pa.array(seconds * 1000, mask=absent).cast(_MOMENT)


def _seconds(column: pa.ChunkedArray) -> Ints:
    """Epoch seconds of a column of timestamps; null is 0."""
    values: Ints = column.cast(pa.int64()).fill_null(0).to_numpy()
    return values // 1000


def _texts(index: NDArray[Any], names: Texts) -> pa.Array:
    """A dictionary column; index -1 is null."""
    return pa.DictionaryArray.from_arrays(
        pa.array(index.astype(np.int32), mask=index < 0), pa.array(names, pa.string())
    )


def _indexes(column: pa.ChunkedArray, names: Texts) -> Ints:
    """Indexes into `names`; ValueError for a text that is not there."""
    dictionary = (
        column.combine_chunks() if pa.types.is_dictionary(column.type) else column.dictionary_encode().combine_chunks()
    )
    if isinstance(dictionary, pa.ChunkedArray):  # combine_chunks of no chunk
        return np.zeros(0, dtype=np.int64)
    place = {name: i for i, name in enumerate(names)}
    there = dictionary.dictionary.to_pylist()
    unknown = [text for text in there if text not in place]
    if unknown:
        raise ValueError(f"the name {unknown[0]} stands in no table of names")
    table = np.array([place[text] for text in there] + [-1], dtype=np.int64)
    codes: Ints = dictionary.indices.fill_null(len(there)).to_numpy(zero_copy_only=False).astype(np.int64)
    return table[codes]


def _floats(column: pa.ChunkedArray) -> Floats:
    """Floats with NaN for null."""
    values: Floats = column.to_numpy()
    return values.astype(np.float64)
