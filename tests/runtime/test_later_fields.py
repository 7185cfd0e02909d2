"""What came after version 1 has a default: journals and snapshots without it are read, and the run goes on from them."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np

from qmtl.dsl.codec import program_from_json
from qmtl.engine import wire
from qmtl.engine.frame import build_frame
from qmtl.engine.journal import codec
from qmtl.engine.prices import judged
from qmtl.engine.record import STATE, Resumed, TickHeader, resume_entry, stored_columns
from qmtl.engine.state import FIELDS, completed, decode, encode

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "formats"
LATER = ("mark", "mark_scale", "gap_at", "settling", "average", "stale_at")


def golden(name: str) -> bytes:
    return zlib.decompress((GOLDEN / f"{name}.v1.z").read_bytes())


def test_an_old_decide_state_believes_the_first_price_it_sees() -> None:
    frame = build_frame(program_from_json(golden("program")))
    state = decode(golden("decide"), frame)
    assert np.isnan(state.mark).all()
    assert np.isnan(state.average).all()
    assert (state.mark_scale == 1).all()
    assert not state.gap_at.any()
    assert not state.settling.any()
    newest = np.linspace(1.0, 1e6, frame.symbols)
    prices = judged(state, newest, 0, 0.4)
    assert not prices.gap_at.any()
    np.testing.assert_array_equal(prices.believed, newest)
    again = decode(encode(state, frame), frame)
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(again, field.name), getattr(state, field.name))


def test_an_old_tick_record_gives_a_whole_state_and_header() -> None:
    record = codec.decode(json.loads(golden("tick_epoch")), golden("tick"))
    held = {name.removeprefix(STATE): column for name, column in record.columns.items() if name.startswith(STATE)}
    assert not set(LATER) & set(held)
    state = completed(held)
    assert state.mark.shape == state.side.shape
    assert wire.typed(TickHeader, record.header).bar == 0
    columns = stored_columns(record)
    np.testing.assert_array_equal(columns["load.mark"], columns["market.mark"])


def test_a_resume_of_a_version_without_symbols_is_one_of_a_kill() -> None:
    assert wire.loads(Resumed, b'{"who": "ada", "why": "a test", "world": "us_core"}') == Resumed(
        "us_core", "ada", "a test"
    )
    kill, pause = resume_entry("w", 60, "a", "b"), resume_entry("w", 60, "a", "b", symbol="SPY")
    assert (kill.key, pause.key) == ("w@60", "w@60#SPY")
    assert wire.loads(Resumed, pause.payload).symbol == "SPY"
