"""The state of `observe` as a value and as bytes. Format "qmtl.observe.v1".

In: what an observer holds. Out: bytes that name every node by its content hash and every column by its symbol, so that
another program can take over what it shares; decoded again to the bit. Layout: the format's name and a newline, the
length of a JSON header as 8 bytes little-endian, the header, then the arrays one after another, little-endian, C order.
Equal state is equal bytes: windows stand in logical order and every NaN is the same NaN.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import StateError
from .kernels import Array

FORMAT = "qmtl.observe.v1"
_MAGIC = FORMAT.encode() + b"\n"
_TYPES = {"float64": "<f8", "int64": "<i8", "int32": "<i4", "int8": "i1", "uint8": "u1", "bool": "?"}


@dataclass(frozen=True, slots=True)
class NodeState:
    """Last row and kernel state of one node; the last axis of every array runs over `columns` (indexes into the
    universe), over all symbols (None) or over the market as a whole ("market", one wide)."""

    id: str
    columns: tuple[int, ...] | str | None
    arrays: tuple[Array, ...]


@dataclass(frozen=True, slots=True)
class ObserveState:
    """All that `observe` remembers.

    clock     epoch seconds: start and end of the newest bar, its known-at, start of the open 60m bar (-1 = none)
    days      (series, ISO day of its newest row)
    shared    arrays with the symbols as last axis, by name: last bars per rate, ends of them, the open hour
    daily     (series, float64 [5, 1])
    nodes     one per kernel, in the order of the program
    """

    program_id: str
    universe: tuple[str, ...]
    clock: tuple[int, int, int, int]
    days: tuple[tuple[str, str], ...]
    shared: tuple[tuple[str, Array], ...]
    daily: tuple[tuple[str, Array], ...]
    nodes: tuple[NodeState, ...]


def encode(state: ObserveState) -> bytes:
    """The state as bytes of format version 1."""
    header = {
        "program_id": state.program_id,
        "universe": state.universe,
        "clock": state.clock,
        "days": state.days,
        "shared": [(name, _shape(array)) for name, array in state.shared],
        "daily": [(name, _shape(array)) for name, array in state.daily],
        "nodes": [(node.id, node.columns, [_shape(array) for array in node.arrays]) for node in state.nodes],
    }
    text = json.dumps(header, separators=(",", ":"), sort_keys=True).encode()
    parts = [_MAGIC, len(text).to_bytes(8, "little"), text]
    return b"".join(parts + [_canonical(array).tobytes() for array in _arrays(state)])


def decode(payload: bytes) -> ObserveState:
    """The state that `encode` was given; raises `StateError` for anything else."""
    if not payload.startswith(_MAGIC):
        raise StateError(f"this is no snapshot of format {FORMAT}")
    try:
        return _decode(payload)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise StateError(f"the snapshot is damaged: {error}") from error


def _decode(payload: bytes) -> ObserveState:
    begin = len(_MAGIC) + 8
    size = int.from_bytes(payload[len(_MAGIC) : begin], "little")
    header: dict[str, Any] = json.loads(payload[begin : begin + size])
    blob = _Blob(payload, begin + size)
    shared = tuple((str(name), blob.take(shape)) for name, shape in header["shared"])
    daily = tuple((str(name), blob.take(shape)) for name, shape in header["daily"])
    nodes = tuple(
        NodeState(str(key), tuple(columns) if isinstance(columns, list) else columns, tuple(map(blob.take, shapes)))
        for key, columns, shapes in header["nodes"]
    )
    blob.finish()
    first, last, known, hour = map(int, header["clock"])
    days = tuple((str(series), str(day)) for series, day in header["days"])
    universe = tuple(map(str, header["universe"]))
    return ObserveState(str(header["program_id"]), universe, (first, last, known, hour), days, shared, daily, nodes)


class _Blob:
    """Arrays read one after another."""

    def __init__(self, payload: bytes, at: int) -> None:
        self._payload = payload
        self._at = at

    def take(self, shape: list[Any]) -> Array:
        kind, *sizes = shape
        count = int(np.prod(sizes))
        array = np.frombuffer(self._payload, dtype=_TYPES[kind], count=count, offset=self._at)
        self._at += array.nbytes
        return array.reshape(sizes).astype(kind)

    def finish(self) -> None:
        if self._at != len(self._payload):
            raise ValueError(f"{len(self._payload) - self._at} bytes left over")


def _arrays(state: ObserveState) -> Iterator[Array]:
    for _, array in (*state.shared, *state.daily):
        yield array
    for node in state.nodes:
        yield from node.arrays


def _shape(array: Array) -> tuple[str | int, ...]:
    return (array.dtype.name, *array.shape)


def _canonical(array: Array) -> Array:
    little = np.ascontiguousarray(array, dtype=_TYPES[array.dtype.name])
    if little.dtype.kind != "f":
        return little
    missing = np.isnan(little)
    return np.where(missing, np.nan, little) if missing.any() else little
