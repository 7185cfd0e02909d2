"""state.json and the two CSVs: their columns, a restart that doubles nothing, torn lines, faults."""

from __future__ import annotations

import csv
import json
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from qmtl.engine.errors import JournalError
from qmtl.engine.projections import EVENTS, STATE, TICKS, OrderEvent, Projections, TickSummary, plain, tick_seconds

TICK = TickSummary(
    time=1764340200,
    mode="paper",
    action="traded",
    equity=100000.5,
    chain_name="trend",
    active_strategies=("roc_momentum", "atr_ratchet"),
    regime_source="heuristic",
    regime_confidence=0.75,
    allowlist_hit_rate=1.0,
    disabled_symbol_count=0,
    churn_blocked_side_cooldown=2,
    position_policy_by_symbol=(("SPY", "normal"), ("QQQ", "legacy_hold/owner_mismatch")),
    market_phase="regular",
    chain_by_symbol=(("SPY", "trend"), ("QQQ", "chop")),
    world="us_core",
    program_id="ab12",
    tick=1,
    latency=3.25,
)
EVENT = OrderEvent(
    time=1764340200,
    symbol="SPY",
    side="buy",
    qty=Decimal(10),
    success=True,
    status_code=200,
    error_type="",
    latency_ms=1.5,
    order_id="7",
    chain_name="trend",
    client_order_id="q1-abc",
    world="us_core",
    strategy="roc_momentum",
    reason="target.delta",
)


HEADER = (",".join(f.name for f in fields(TickSummary)) + "\n").encode()


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_columns_are_those_of_the_published_logs_then_ours(tmp_path: Path) -> None:
    Projections(tmp_path).close()
    assert (tmp_path / TICKS).read_text() == (
        "time,mode,action,equity,chain_name,active_strategies,regime_source,regime_confidence,allowlist_hit_rate,"
        "disabled_symbol_count,churn_blocked_side_cooldown,position_policy_by_symbol,market_phase,"
        "chain_by_symbol,world,program_id,tick,latency,trading_state,shadow_differing_rate,shadow_fallback_rate\n"
    )
    assert (tmp_path / EVENTS).read_text() == (
        "time,symbol,side,qty,success,status_code,error_type,latency_ms,order_id,chain_name,"
        "client_order_id,world,strategy,reason\n"
    )


def test_lines_as_people_read_them(tmp_path: Path) -> None:
    projections = Projections(tmp_path)
    projections.tick(TICK)
    projections.event(replace(EVENT, reason="two\nlines, one comma"))
    projections.close()
    assert (tmp_path / TICKS).read_text().splitlines()[1] == (
        "2025-11-28T14:30:00Z,paper,traded,100000.5,trend,roc_momentum;atr_ratchet,heuristic,0.75,1.0,0,2,"
        '"{""SPY"":""normal"",""QQQ"":""legacy_hold/owner_mismatch""}",regular,'
        '"{""SPY"":""trend"",""QQQ"":""chop""}",us_core,ab12,1,3.25,active,,'
    )
    assert (tmp_path / EVENTS).read_text().splitlines()[1] == (
        '2025-11-28T14:30:00Z,SPY,buy,10,true,200,,1.5,7,trend,q1-abc,us_core,roc_momentum,"two lines, one comma"'
    )


def test_state_holds_the_tick_and_no_value_that_is_not_json(tmp_path: Path) -> None:
    projections = Projections(tmp_path)
    projections.tick(
        replace(TICK, regime_confidence=float("nan")),
        {
            "positions": {"SPY": Decimal(10)},
            "target": np.float64("inf"),
            "sides": np.array([1, -1], np.int8),
            "flags": (np.bool_(True), None),
        },
    )
    projections.close()
    state = json.loads((tmp_path / STATE).read_text(), parse_constant=pytest.fail)
    assert state["format"] == "qmtl.state.v1"
    assert state["time"] == "2025-11-28T14:30:00Z"
    assert state["regime_confidence"] is None
    assert state["chain_by_symbol"] == {"SPY": "trend", "QQQ": "chop"}
    assert (state["positions"], state["target"], state["sides"], state["flags"]) == (
        {"SPY": "10"},
        None,
        [1, -1],
        [True, None],
    )
    with pytest.raises(TypeError, match="object has no place"):
        plain(object())


def later(i: int) -> TickSummary:
    return replace(TICK, time=TICK.time + 60 * i, tick=i)


def test_a_restart_goes_on_without_doubling_a_line(tmp_path: Path) -> None:
    events = [replace(EVENT, time=TICK.time + 60 * (i // 3), order_id=str(i)) for i in range(12)]
    projections = Projections(tmp_path)
    for i in range(3):
        projections.tick(later(i))
    for event in events[:8]:
        projections.event(event)
    projections.close()
    # the journal is ahead: the resumed run tells the last ticks again, with other wall-clock facts
    again = Projections(tmp_path)
    for i in range(5):
        again.tick(replace(later(i), latency=99.0))
    for event in events:
        again.event(replace(event, latency_ms=77.0))
    again.event(events[-1])
    again.close()
    assert [row["tick"] for row in read(tmp_path / TICKS)] == ["0", "1", "2", "3", "4"]
    assert [row["latency"] for row in read(tmp_path / TICKS)] == ["3.25", "3.25", "3.25", "99.0", "99.0"]
    # the last event twice: a line of its own run is never taken for a repetition
    assert [row["order_id"] for row in read(tmp_path / EVENTS)] == [*(str(i) for i in range(12)), "11"]


@pytest.mark.parametrize("torn", ['2025-11-28T14:31:00Z,paper,"{""SPY', "2025", "x" * 200_000])
def test_R15_a_torn_last_line_is_cut_off(tmp_path: Path, torn: str) -> None:
    projections = Projections(tmp_path)
    projections.tick(TICK)
    projections.close()
    with (tmp_path / TICKS).open("a") as file:
        file.write(torn)
    again = Projections(tmp_path)
    again.tick(TICK)
    again.tick(later(1))
    again.close()
    assert [row["tick"] for row in read(tmp_path / TICKS)] == ["1", "1"]
    assert len(read(tmp_path / TICKS)) == 2


def test_a_torn_header_begins_again(tmp_path: Path) -> None:
    (tmp_path / TICKS).write_text("time,mo")
    projections = Projections(tmp_path)
    projections.tick(TICK)
    projections.close()
    assert read(tmp_path / TICKS)[0]["program_id"] == "ab12"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"a,b\n1,2\n", "has other columns"),
        (b"a,b", "has other columns"),
        (b"\xff\xfe\n", "cannot be read"),
        (HEADER + b"2025-11-28T14:30:00Z,\xff\xfe\n", "cannot be read"),
        (HEADER + b"2025-11-28T14:30:00Z," + b"x" * 200_000 + b"\n", "cannot be read"),
    ],
)
def test_a_file_that_is_no_log_of_ours_is_kept_aside_and_stops_nothing(
    content: bytes, why: str, tmp_path: Path
) -> None:
    (tmp_path / TICKS).write_bytes(content)
    (tmp_path / f"{TICKS}.1").write_text("an older one")
    projections = Projections(tmp_path)
    (remark,) = projections.remarks
    assert why in remark
    assert f"kept as {TICKS}.2" in remark
    projections.tick(TICK)
    projections.close()
    assert (tmp_path / f"{TICKS}.2").read_bytes() == content
    assert (tmp_path / f"{TICKS}.1").read_text() == "an older one"
    assert len(read(tmp_path / TICKS)) == 1


def test_zeros_after_a_power_cut_are_cut_off(tmp_path: Path) -> None:
    projections = Projections(tmp_path)
    projections.tick(TICK)
    projections.close()
    with (tmp_path / TICKS).open("ab") as file:
        file.write(bytes(4096))
    projections = Projections(tmp_path)
    assert projections.remarks == ()
    projections.tick(later(1))
    projections.close()
    assert [row["time"] for row in read(tmp_path / TICKS)] == ["2025-11-28T14:30:00Z", "2025-11-28T14:31:00Z"]


@pytest.mark.parametrize("how", ["deleted", "rotated"])
def test_a_log_that_vanishes_is_begun_anew_and_stops_nothing(how: str, tmp_path: Path) -> None:
    projections = Projections(tmp_path)
    projections.tick(TICK)
    projections.flush()
    if how == "deleted":
        (tmp_path / TICKS).unlink()
    else:
        (tmp_path / TICKS).rename(tmp_path / "yesterday.csv")
    projections.tick(later(1))
    projections.flush()
    projections.tick(later(2))
    projections.close()
    assert [row["tick"] for row in read(tmp_path / TICKS)] == ["1", "2"]


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "out", Path("/proc/self/out")):
        with pytest.raises(JournalError, match="logs in") as caught:
            Projections(place)
        assert caught.value.hint


def test_flush_shows_the_lines_to_readers(tmp_path: Path) -> None:
    projections = Projections(tmp_path, durable=False)
    projections.event(EVENT)
    projections.tick(TICK)
    projections.flush()
    assert len(read(tmp_path / TICKS)) == len(read(tmp_path / EVENTS)) == 1
    projections.close()


def test_a_log_of_an_older_version_goes_on_with_the_new_columns_behind(tmp_path: Path) -> None:
    """A run that was begun by a version without the last columns: its lines stay, their new cells are empty."""
    projections = Projections(tmp_path)
    for i in range(3):
        projections.tick(later(i))
    projections.close()
    path = tmp_path / TICKS
    old = [line.rsplit(",", 3)[0] for line in path.read_text().splitlines()]
    path.write_text("\n".join(old) + "\n")
    projections = Projections(tmp_path)
    projections.tick(replace(later(3), trading_state="reducing", shadow_fallback_rate=0.25))
    projections.close()
    rows = read(path)
    assert [row["tick"] for row in rows] == ["0", "1", "2", "3"]
    assert [row["trading_state"] for row in rows] == ["", "", "", "reducing"]
    assert [row["shadow_fallback_rate"] for row in rows] == ["", "", "", "0.25"]
    assert rows[0]["latency"] == "3.25"
    assert not path.with_name(f"{TICKS}.new").exists()


@pytest.mark.parametrize("header", ["time,mode,other", "mode,time", "time,mode,action,equity,chain"])
def test_other_columns_are_still_not_ours(tmp_path: Path, header: str) -> None:
    (tmp_path / TICKS).write_text(header + "\n")
    projections = Projections(tmp_path)
    projections.close()
    assert "has other columns" in projections.remarks[0]
    assert (tmp_path / f"{TICKS}.1").read_text() == header + "\n"


def test_how_long_ticks_took_is_read_once_for_all_worlds(tmp_path: Path) -> None:
    assert tick_seconds(tmp_path) == ()
    files = Projections(tmp_path)
    for minute, latency in ((0, 3.25), (1, 1250.0)):
        for world in ("us_core", "tail_hedge"):
            files.tick(replace(TICK, time=TICK.time + 60 * minute, world=world, latency=latency))
    files.close()
    assert tick_seconds(tmp_path) == (0.00325, 1.25)
    with (tmp_path / TICKS).open("a") as file:
        file.write("2025-11-28T14:32:00Z,pap")  # torn by a crash
    assert tick_seconds(tmp_path) == (0.00325, 1.25)
    text = (tmp_path / TICKS).read_text()
    (tmp_path / TICKS).write_text(text.replace("1250.0", "soon"))
    with pytest.raises(JournalError, match="holds a latency that is no number"):
        tick_seconds(tmp_path)
