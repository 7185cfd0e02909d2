"""Tick records: to the bit and back, canonical, small, quick, and never read wrongly."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qmtl.engine.errors import JournalError
from qmtl.engine.journal.codec import FORMAT, Record, base_epoch, decode, decode_all, encode
from qmtl.engine.ports import LogEntry, StoredEntry

KINDS = ("<f8", "<i8", "<i4", "<i2", "i1", "<u8", "<u4", "<u2", "u1", "?")
NAMES = st.sampled_from([f"c{i}" for i in range(12)])


@st.composite
def columns(draw: st.DrawFn) -> dict[str, np.ndarray]:
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=40))
    kind = st.sampled_from(KINDS).map(np.dtype)
    plain = kind.flatmap(lambda k: hnp.arrays(k, shape))
    # what real columns are: mostly one value
    sparse = kind.flatmap(lambda k: hnp.arrays(k, shape, elements=hnp.from_dtype(k), fill=st.just(k.type(1))))
    return draw(st.dictionaries(NAMES, st.one_of(plain, sparse), max_size=8))


def bits(column: np.ndarray) -> bytes:
    if column.dtype.kind == "f":
        column = np.where(np.isnan(column), np.nan, column)
    return column.dtype.str.encode() + repr(column.shape).encode() + np.ascontiguousarray(column).tobytes()


def same(left: Any, right: Any) -> bool:
    return left.keys() == right.keys() and all(bits(left[name]) == bits(right[name]) for name in left)


@settings(max_examples=300, deadline=None)
@given(columns(), columns())
def test_law_round_trip_to_the_bit_with_and_without_a_base(first: dict[str, Any], second: dict[str, Any]) -> None:
    alone = decode(5, encode({"n": 1}, first))
    assert same(alone.columns, first)
    assert (alone.epoch, alone.header, alone.base) == (5, {"n": 1}, -1)
    for base_columns in (first, alone.columns):
        payload = encode(None, second, Record(5, None, base_columns))
        assert base_epoch(payload) == 5
        assert same(decode(6, payload, alone).columns, second)


@settings(max_examples=100, deadline=None)
@given(columns())
def test_law_same_content_same_bytes(content: dict[str, Any]) -> None:
    turned = dict(reversed([(name, column.copy()) for name, column in content.items()]))
    assert encode({"b": 1, "a": [1, 2.5, "é"]}, content) == encode({"a": [1, 2.5, "é"], "b": 1}, turned)


@settings(max_examples=100, deadline=None)
@given(columns(), st.data())
def test_law_a_damaged_record_is_an_error(content: dict[str, Any], data: st.DataObject) -> None:
    payload = encode("header", content)
    at = data.draw(st.integers(0, len(payload) - 1))
    damaged = payload[:at] + bytes([payload[at] ^ data.draw(st.integers(1, 255))]) + payload[at + 1 :]
    with pytest.raises(JournalError):
        decode(1, damaged)
    with pytest.raises(JournalError):
        decode(1, payload[:at])


def test_every_nan_is_one_nan_and_minus_zero_stays() -> None:
    odd = np.array([0x7FF8_0000_0000_0001, 0xFFF8_0000_0000_0000, 0x8000_0000_0000_0000], "<u8").view("<f8")
    plain = np.array([np.nan, np.nan, -0.0])
    assert encode(None, {"x": odd}) == encode(None, {"x": plain})
    assert np.signbit(decode(1, encode(None, {"x": plain})).columns["x"][2])


def test_views_that_are_not_contiguous_are_stored_by_value() -> None:
    whole = np.arange(24.0).reshape(4, 6)
    for view in (whole[:, ::2], whole.T, whole[::-1]):
        np.testing.assert_array_equal(decode(1, encode(None, {"x": view})).columns["x"], view)


def test_decoded_columns_are_read_only() -> None:
    columns = decode(1, encode(None, {"x": np.arange(9.0), "y": np.zeros(9), "z": np.ones(9, bool)})).columns
    assert not any(column.flags.writeable for column in columns.values())


@pytest.mark.parametrize(
    "column", [np.array(["a"]), np.array([1], object), np.zeros(2, "<f4"), np.zeros(2, ">f8"), np.zeros(2, "M8[s]")]
)
def test_other_dtypes_are_refused(column: np.ndarray) -> None:
    with pytest.raises(JournalError, match="column x: dtype"):
        encode(None, {"x": column})


@pytest.mark.parametrize("header", [object(), {"a": np.float64(1)}, {"a": {1}}, {1: 2}])
def test_headers_that_are_not_plain_json_are_refused(header: Any) -> None:
    with pytest.raises(JournalError, match="cannot be journaled"):
        encode(header, {})


def test_another_format_is_named() -> None:
    with pytest.raises(JournalError, match=FORMAT):
        decode(1, b"qmtl.tick.v2\n" + b"\0" * 40)


def test_a_base_that_is_not_the_right_one_is_refused() -> None:
    payload = encode(None, {"x": np.zeros(4)}, Record(7, None, {"x": np.zeros(4)}))
    for base in (None, Record(8, None, {"x": np.zeros(4)})):
        with pytest.raises(JournalError, match="refers to the tick at 7"):
            decode(9, payload, base)


def test_a_record_of_format_one_is_readable_for_ever() -> None:
    """Frozen bytes: whoever changes the format makes a second version and keeps this test."""
    frozen = bytes.fromhex(
        "716d746c2e7469636b2e76310a3ad848df7b0000007b2262617365223a2d312c22636f6c756d6e73223a5b5b226269747322"
        "2c226231222c5b335d2c2262697473222c305d2c5b2266696c6c222c226638222c5b34315d2c2266696c6c222c315d2c5b22"
        "726177222c226931222c5b335d2c22726177222c305d5d2c22686561646572223a7b226e6f77223a36307d7d050000000000"
        "00e03f2800000000000000004001fe03"
    )
    record = decode(60, frozen)
    assert record.header == {"now": 60}
    assert {name: column.tolist() for name, column in record.columns.items()} == EXAMPLE_LISTS
    assert encode({"now": 60}, EXAMPLE) == frozen


EXAMPLE = {
    "bits": np.array([True, False, True]),
    "fill": np.array([0.5] * 40 + [2.0]),
    "raw": np.array([1, -2, 3], np.int8),
}
EXAMPLE_LISTS = {name: column.tolist() for name, column in EXAMPLE.items()}


def stored(epoch: int, payload: bytes) -> StoredEntry:
    return StoredEntry(epoch, LogEntry("tick", str(epoch), epoch, payload))


def test_a_stream_is_decoded_through_its_bases() -> None:
    one = {"x": np.arange(50.0)}
    two = {"x": np.where(np.arange(50) == 3, 9.0, np.arange(50.0))}
    key = Record(900, None, one)
    entries = [
        stored(900, encode("a", one)),
        stored(960, encode("b", two, key)),
        stored(1020, encode("c", one, Record(960, None, two))),
        stored(1080, encode("d", two, key)),
    ]
    records = list(decode_all(entries))
    assert [record.header for record in records] == ["a", "b", "c", "d"]
    assert [record.columns["x"][3] for record in records] == [3.0, 9.0, 3.0, 9.0]
    with pytest.raises(JournalError, match="refers to the tick at 900"):
        list(decode_all(entries[1:]))


def day_columns(rng: np.random.Generator, symbols: int) -> dict[str, np.ndarray]:
    """About what a decision tick of seven strategies holds: 300 bytes a symbol and more."""
    floats = {f"f{i}": rng.normal(size=symbols) for i in range(26)}
    wide = {"size": rng.normal(size=(7, symbols)), "signal": rng.integers(-1, 2, (7, symbols)).astype(np.int8)}
    codes = {f"reason{i}": rng.integers(0, 4, symbols).astype(np.uint8) for i in range(14)}
    rare = {f"rare{i}": np.where(rng.random(symbols) < 0.03, rng.normal(size=symbols), 0.0) for i in range(10)}
    return {**floats, **wide, **codes, **rare, "missing": np.full(symbols, np.nan), "known": rng.random(symbols) < 0.9}


def test_a_day_of_a_thousand_symbols_stays_far_below_a_hundred_megabytes() -> None:
    rng, total, largest_follow_up = np.random.default_rng(1), 0, 0
    for tick in range(390):
        if tick % 15 == 0:
            held = day_columns(rng, 1000)
            base = Record(tick, None, held)
            total += len(encode({}, held))
            continue
        # a follow-up tick: fills moved a few symbols, everything else stands
        moved = {**held, "f0": held["f0"].copy(), "reason3": held["reason3"].copy()}
        moved["f0"][rng.integers(0, 1000, 10)] += 1.0
        moved["reason3"][rng.integers(0, 1000, 10)] = 3
        payload = encode({}, moved, base)
        total += len(payload)
        largest_follow_up = max(largest_follow_up, len(payload))
    assert largest_follow_up < 4_000
    assert total < 12_000_000


def test_encoding_is_quicker_than_a_millisecond_for_a_thousand_symbols() -> None:
    content = day_columns(np.random.default_rng(1), 1000)
    times = []
    for _ in range(30):
        began = time.perf_counter()
        payload = encode({}, content)
        times.append(time.perf_counter() - began)
    assert 250_000 < len(payload) < 400_000
    assert min(times) < 0.002  # 0.6 ms alone; the bound leaves room for a busy machine
