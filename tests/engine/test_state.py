"""DecideState: declared, canonical, and carried by names over restarts and hot reloads."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.engine.errors import StateError
from qmtl.engine.state import FIELDS, GONE, MIX, NOBODY, DecideState, completed, decode, encode, initial, orphans, remap


def scrambled(of: Any, seed: int) -> DecideState:
    """A state with arbitrary content, indexes within range."""
    rng = np.random.default_rng(seed)
    limits = {"strategy": of.strategies, "chain": len(of.exposure)}
    arrays = {}
    for field in FIELDS:
        shape = getattr(initial(of), field.name).shape
        if field.index:
            arrays[field.name] = rng.integers(-2, limits[field.index], shape).astype(field.dtype)
        elif field.dtype.endswith("f8"):
            arrays[field.name] = np.where(rng.random(shape) < 0.2, np.nan, rng.normal(size=shape)).astype(field.dtype)
        else:
            arrays[field.name] = rng.integers(0, 100, shape).astype(field.dtype)
    return DecideState(**arrays)


def same(one: DecideState, other: DecideState) -> bool:
    return all(
        getattr(one, field.name).tobytes() == getattr(other, field.name).tobytes()
        and getattr(one, field.name).shape == getattr(other, field.name).shape
        and getattr(one, field.name).dtype == getattr(other, field.name).dtype
        for field in FIELDS
    )


@given(seed=st.integers(0, 10_000), symbols=st.integers(1, 9), width=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_state_survives_encoding_to_the_bit(lab: Any, seed: int, symbols: int, width: int) -> None:
    of = lab.frame(symbols, tuple("abcd"[:width]))
    state = scrambled(of, seed)
    data = encode(state, of)
    assert same(decode(data, of), state)
    assert encode(decode(data, of), of) == data


def test_every_field_is_declared_with_unit_and_no_python_object(lab: Any) -> None:
    state = initial(lab.frame(3))
    assert [field.name for field in FIELDS] == [field.name for field in dataclasses.fields(DecideState)]
    for field in FIELDS:
        array = getattr(state, field.name)
        assert isinstance(array, np.ndarray)
        assert array.dtype == np.dtype(field.dtype)
        assert array.dtype != object
        assert field.unit


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: b"",
        lambda d: d[:-1],
        lambda d: d + b"x",
        lambda d: d.replace(b"decide.v1", b"decide.v9"),
        lambda d: b"{}\n",
    ],
)
def test_a_foreign_or_torn_state_is_refused(lab: Any, spoil: Any) -> None:
    of = lab.frame(3)
    with pytest.raises(StateError):
        decode(spoil(encode(initial(of), of)), of)


def _stored(of: Any, *without: str) -> bytes:
    """The bytes of a state that lacks some fields, as an older version wrote them."""
    fields = [field for field in FIELDS if field.name not in without]
    head, _, _ = encode(initial(of), of).partition(b"\n")
    header = json.loads(head) | {"fields": [[field.name, field.dtype, field.shape] for field in fields]}
    state = scrambled(of, 3)
    arrays = (np.asarray(getattr(state, field.name), dtype=field.dtype).tobytes() for field in fields)
    return json.dumps(header).encode() + b"\n" + b"".join(arrays)


def test_a_state_without_later_fields_is_read_and_they_start_blank(lab: Any) -> None:
    of = lab.frame(3)
    later = tuple(field.name for field in FIELDS if field.later)
    assert later
    for without in (later, later[:1], later[-1:]):
        state = decode(_stored(of, *without), of)
        blank, full = initial(of), scrambled(of, 3)
        for field in FIELDS:
            expected = getattr(blank if field.name in without else full, field.name)
            np.testing.assert_array_equal(getattr(state, field.name), expected, err_msg=field.name)


@pytest.mark.parametrize("without", ["chain", "ring_at", "failed_next"])
def test_a_state_without_a_field_of_version_one_is_refused(lab: Any, without: str) -> None:
    of = lab.frame(3)
    with pytest.raises(StateError):
        decode(_stored(of, without), of)


def test_stored_arrays_with_an_unknown_field_are_refused(lab: Any) -> None:
    state = initial(lab.frame(3))
    arrays = {field.name: getattr(state, field.name) for field in FIELDS}
    assert same(completed(arrays), state)
    with pytest.raises(StateError):
        completed(arrays | {"fancy": np.zeros(3)})


def test_hot_reload_moves_memory_by_names(lab: Any) -> None:
    old = lab.frame(strategies=("alpha", "beta"), universe=("A", "B"), chains=(("x", (0,), 1.0), ("y", (1,), 1.0)))
    new = lab.frame(
        strategies=("gamma", "beta", "alpha"),
        universe=("C", "B", "A"),
        chains=(("y", (1,), 1.0), ("z", (0, 1, 2), 1.0)),
    )
    latch = np.array([[1, 0], [0, -1]], dtype=np.int8)
    state = dataclasses.replace(
        initial(old),
        owner=np.array([0, 1], dtype=np.int16),
        chain=np.array([0, 1], dtype=np.int16),
        side=np.array([1, -1], dtype=np.int8),
        side_opened_at=np.array([5, 7]),
        latch=latch,
        pending=np.array([0.1, 0.0]),
        equity=np.array(9.0),
    )
    moved = remap(state, old, new)
    assert moved.owner.tolist() == [NOBODY, 1, 2]
    assert moved.chain.tolist() == [-1, 0, -1]
    assert moved.side_opened_at.tolist() == [0, 7, 5]
    assert moved.latch.tolist() == [[0, 0, 0], [0, -1, 0], [0, 0, 1]]
    assert moved.pending.tolist() == [0.0, 0.0, 0.0]
    assert float(moved.equity) == 9.0
    assert same(decode(encode(state, old), new), moved)


def test_a_position_of_a_strategy_that_is_gone_belongs_to_nobody_here(lab: Any) -> None:
    old, new = lab.frame(1, ("alpha", "beta")), lab.frame(1, ("beta",))
    state = dataclasses.replace(
        initial(old), owner=np.array([0], dtype=np.int16), selected=np.array([0], dtype=np.int16)
    )
    moved = remap(state, old, new)
    assert moved.owner.tolist() == [GONE]
    assert moved.selected.tolist() == [NOBODY]
    mixed = dataclasses.replace(state, owner=np.array([MIX], dtype=np.int16))
    assert remap(mixed, old, new).owner.tolist() == [MIX]


def test_a_reload_that_would_lose_a_position_is_told(lab: Any) -> None:
    old, new = lab.frame(universe=("A", "B")), lab.frame(universe=("B",))
    state = dataclasses.replace(initial(old), side=np.array([1, 1], dtype=np.int8))
    assert orphans(state, old, new) == ("A",)
    assert orphans(state, old, old) == ()
