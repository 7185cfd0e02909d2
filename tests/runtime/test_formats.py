"""Format version 1 is readable for ever: stored bytes of every frozen format, read by today's code.

The files in tests/golden/formats were written once by `make_goldens` and are never written again: whoever changes a format
makes version 2 beside it and keeps this test.
"""

from __future__ import annotations

import json
import zlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from qmtl.dsl.codec import program_from_json, program_to_json
from qmtl.engine import wire
from qmtl.engine.calendar import SessionCalendar
from qmtl.engine.frame import build_frame
from qmtl.engine.journal import codec
from qmtl.engine.observe import Observer
from qmtl.engine.orders import Order
from qmtl.engine.ports import BrokerEvent, Reply
from qmtl.engine.reasons import Reason
from qmtl.engine.record import TickHeader, stored_columns
from qmtl.engine.snapshot import Saved, SavedWorld, load, save
from qmtl.engine.state import FIELDS, decode, initial

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "formats"


def golden(name: str) -> bytes:
    return zlib.decompress((GOLDEN / f"{name}.v1.z").read_bytes())


def program() -> Any:
    return program_from_json(golden("program"))


def test_a_program_of_version_one() -> None:
    found = program()
    assert found.format == "qmtl.program.v1"
    assert found.settings.world == "us_core"
    assert program_to_json(found) == golden("program")


def test_an_observe_state_of_version_one() -> None:
    observer = Observer(program(), SessionCalendar("XNYS", "2025-01-02", "2026-12-31"), 0)
    observer.restore(golden("observe"))
    assert observer.snapshot() == golden("observe")


def test_a_decide_state_of_version_one() -> None:
    frame = build_frame(program())
    state = decode(golden("decide"), frame)
    assert {field.name for field in FIELDS} == set(type(state).__dataclass_fields__)
    assert (state.side != 0).any()
    assert initial(frame).side.shape == state.side.shape


def test_a_tick_record_of_version_one() -> None:
    record = codec.decode(json.loads(golden("tick_epoch")), golden("tick"))
    header = wire.typed(TickHeader, record.header)
    assert header.world == "us_core"
    assert header.account is not None
    columns = stored_columns(record)
    assert columns["orders.target"].shape == (24,)
    np.testing.assert_array_equal(columns["load.owner"], columns["state.owner"])


def test_orders_events_and_answers_of_version_one() -> None:
    order = wire.loads(Order, golden("order"))
    assert order.qty > 0
    assert isinstance(order.qty, Decimal)
    assert order.attribution[0].world == "us_core"
    assert wire.dump(order) == golden("order")
    assert wire.loads_all(BrokerEvent, golden("events"))
    assert wire.loads_all(Reply, golden("replies"))


def test_a_snapshot_of_version_one() -> None:
    saved = load(golden("snapshot"))
    assert saved == Saved(60, ("SPY", "QQQ"), (SavedWorld("w", b"program", b"observer"),))
    assert save(saved) == golden("snapshot")


def test_reason_codes_keep_their_numbers() -> None:
    stored = json.loads(golden("reasons"))
    now = {reason.code: int(reason) for reason in Reason}
    assert {code: now.get(code) for code in stored} == stored
