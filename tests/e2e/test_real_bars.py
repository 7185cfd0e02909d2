"""The main job on recorded bars (us_15m, 24 symbols, 2025-10-01 to 2025-11-28): the issue's own sentences as tests."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from qmtl.engine import wire
from qmtl.engine.journal.reader import JournalReader
from qmtl.engine.orders import Order

ROOT = Path(__file__).resolve().parents[2]
NEW_YORK = ZoneInfo("America/New_York")
Replay = Callable[..., subprocess.CompletedProcess[str]]


def digest(qmtl: Replay, out: Path) -> dict[str, object]:
    return json.loads(qmtl("journal", "digest", out / "journal.db", "--json").stdout)  # type: ignore[no-any-return]


def orders(out: Path) -> list[Order]:
    with JournalReader(out / "journal.db") as reader:
        return [wire.loads(Order, stored.entry.payload) for stored in reader.read("intent")]


def rows(path: Path) -> Iterator[dict[str, str]]:
    return iter(csv.DictReader(path.read_text().splitlines()))


def local(moment: int) -> datetime:
    return datetime.fromtimestamp(moment, UTC).astimezone(NEW_YORK)


#: two weeks with the clock change between them: what is stopped and continued is long enough there
WEEKS = {"start": "2025-10-27", "end": "2025-11-07"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One uninterrupted run over both months, shared by the tests of this file."""
    return uninterrupted(tmp_path_factory.mktemp("whole") / "out", "2025-10-01", "2025-11-28")


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One uninterrupted run over WEEKS."""
    return uninterrupted(tmp_path_factory.mktemp("weeks") / "out", WEEKS["start"], WEEKS["end"])


def uninterrupted(out: Path, start: str, end: str) -> Path:
    data = ROOT.parent / "shared" / "data"
    if not (data / "us_15m").is_dir():
        pytest.skip("recorded bars are not at hand: ../shared/data/us_15m is missing")
    done = subprocess.run(
        [sys.executable, "-m", "qmtl", "run", "--config", "recorded.yaml", "--bars", str(data / "us_15m"),
         "--vix", str(data / "vix" / "vix_daily_cboe.csv"), "--start", start, "--end", end, "--out", str(out)],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return out


def test_it_runs_to_its_end_and_trades(whole: Path) -> None:
    lines = list(rows(whole / "live_log.csv"))
    assert lines[-1]["time"] == "2025-11-28T18:00:00Z"
    sent = orders(whole)
    assert len(sent) >= 20
    assert len({order.symbol for order in sent}) >= 5
    filled = [e for e in rows(whole / "live_log_events.csv") if e["reason"].startswith("filled")]
    assert filled


def test_r30_r34_nothing_is_sent_outside_regular_hours(whole: Path) -> None:
    for order in orders(whole):
        moment = local(order.epoch)
        close = (13, 0) if moment.date().isoformat() == "2025-11-28" else (16, 0)
        assert (9, 30) <= (moment.hour, moment.minute) < close
        assert moment.weekday() < 5


def test_r30_the_half_day_ends_at_one(whole: Path) -> None:
    times = [line["time"] for line in rows(whole / "live_log.csv") if line["time"].startswith("2025-11-28")]
    assert times[0] == "2025-11-28T14:45:00Z"
    assert times[-1] == "2025-11-28T18:00:00Z"
    phases = {line["time"]: line["market_phase"] for line in rows(whole / "live_log.csv")}
    assert phases["2025-11-28T18:00:00Z"] == "outside_rth"
    assert phases["2025-11-28T17:45:00Z"] == "regular"


def test_r33_the_clock_change_moves_the_session_and_not_the_decisions(whole: Path) -> None:
    times = [line["time"] for line in rows(whole / "live_log.csv")]
    friday = [t for t in times if t.startswith("2025-10-31")]
    monday = [t for t in times if t.startswith("2025-11-03")]
    assert friday[0] == "2025-10-31T13:45:00Z"
    assert monday[0] == "2025-11-03T14:45:00Z"
    decisions = [t for t in monday if int(t[14:16]) % 15 == 0]
    assert len(decisions) == 26


def test_two_runs_write_the_same_journal(weeks: Path, replay: Replay, qmtl: Replay, tmp_path: Path) -> None:
    replay(tmp_path / "again", **WEEKS)
    assert digest(qmtl, tmp_path / "again") == digest(qmtl, weeks)


def test_a_run_stopped_by_count_and_continued_equals_an_uninterrupted_one(
    weeks: Path, replay: Replay, qmtl: Replay, tmp_path: Path
) -> None:
    out = tmp_path / "parts"
    for count in (1, 97, 110):
        replay(out, "--ticks", count, **WEEKS)
    replay(out, **WEEKS)
    assert digest(qmtl, out) == digest(qmtl, weeks)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_run_stopped_by_a_signal_and_continued_equals_an_uninterrupted_one(
    number: signal.Signals, weeks: Path, replay: Replay, qmtl: Replay, real_bars: Path, tmp_path: Path
) -> None:
    out = tmp_path / "stopped"
    running = subprocess.Popen(
        [sys.executable, "-m", "qmtl", "run", "--config", "recorded.yaml", "--quiet", "--bars", str(real_bars / "us_15m"),
         "--vix", str(real_bars / "vix" / "vix_daily_cboe.csv"), "--start", WEEKS["start"], "--end", WEEKS["end"], "--out", str(out)],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    log = out / "live_log.csv"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (log.exists() and len(log.read_bytes().splitlines()) > 120):
        assert running.poll() is None, running.stderr
        time.sleep(0.02)
    running.send_signal(number)
    _, said = running.communicate(timeout=60)
    assert running.returncode == (0 if number != signal.SIGKILL else -9), said
    assert len(log.read_bytes().splitlines()) < len((weeks / "live_log.csv").read_bytes().splitlines())
    replay(out, **WEEKS)
    assert digest(qmtl, out) == digest(qmtl, weeks)


def test_the_logs_of_a_continued_run_equal_those_of_an_uninterrupted_one(
    weeks: Path, replay: Replay, tmp_path: Path
) -> None:
    out = tmp_path / "parts"
    replay(out, "--ticks", 130, **WEEKS)
    replay(out, **WEEKS)
    for name, wall in (("live_log.csv", {"latency"}), ("live_log_events.csv", {"latency_ms"})):
        ours, theirs = (
            [{k: v for k, v in line.items() if k not in wall} for line in rows(folder / name)]
            for folder in (out, weeks)
        )
        assert ours == theirs
