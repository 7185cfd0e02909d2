"""What storing a tick costs: encode and durable commit, beside the obvious way of doing it.

The record is about what a decision tick of seven strategies holds. Peer: the same values as one JSON text per symbol and
one INSERT per symbol, in one transaction with the same durability. Medians, in milliseconds; the last line is JSON.

    python bench/journal.py [ticks]
"""

from __future__ import annotations

import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from qmtl.engine.journal.codec import Record, encode
from qmtl.engine.journal.sqlite import SqliteJournal
from qmtl.engine.ports import LogEntry

SYMBOLS = (100, 1_000, 5_000)
Columns = dict[str, np.ndarray]


def columns(symbols: int, seed: int) -> Columns:
    """A decision tick: 26 columns of floats, 7 strategies, 14 reason codes, 10 mostly empty columns."""
    rng = np.random.default_rng(seed)
    return {
        **{f"float{i}": rng.normal(size=symbols) for i in range(26)},
        **{f"size{i}": rng.normal(size=symbols) for i in range(7)},
        **{f"signal{i}": rng.integers(-1, 2, symbols).astype(np.int8) for i in range(7)},
        **{f"reason{i}": rng.integers(0, 4, symbols).astype(np.uint8) for i in range(14)},
        **{f"rare{i}": np.where(rng.random(symbols) < 0.03, rng.normal(size=symbols), 0.0) for i in range(10)},
    }


def follow_up(held: Columns, seed: int) -> Columns:
    """One percent of the symbols moved in two columns."""
    rng, moved = np.random.default_rng(seed), dict(held)
    for name in ("float0", "reason0"):
        moved[name] = held[name].copy()
        moved[name][rng.integers(0, len(held[name]), len(held[name]) // 100 + 1)] = 1
    return moved


def median(call: Callable[[int], object], times: int, pause: Callable[[], object] = int) -> float:
    """Median milliseconds of call(i); `pause` runs between calls, untimed, as the runtime does while it waits."""
    took = []
    for i in range(times):
        began = time.perf_counter()
        call(i)
        took.append(time.perf_counter() - began)
        pause()
    return round(1000 * statistics.median(took), 3)


def ours(folder: Path, symbols: int, ticks: int) -> dict[str, float]:
    """Encode, commit, and both for a decision tick; both for a follow-up tick."""
    journal = SqliteJournal(folder / f"ours{symbols}")
    contents = [columns(symbols, seed) for seed in range(4)]
    payloads = [encode({"orders": []}, content) for content in contents]
    base = Record(0, None, contents[0])
    moved = [follow_up(contents[0], seed) for seed in range(4)]

    def commit(name: str, i: int, payload: bytes) -> None:
        journal.append([LogEntry(name, str(i), i, payload)])

    result = {
        "encode": median(lambda i: encode({"orders": []}, contents[i % 4]), ticks),
        "commit": median(lambda i: commit("commit", i, payloads[i % 4]), ticks, journal.idle),
        "tick": median(lambda i: commit("tick", i, encode({"orders": []}, contents[i % 4])), ticks, journal.idle),
        "follow_up": median(
            lambda i: commit("follow", i, encode({"orders": []}, moved[i % 4], base)), ticks, journal.idle
        ),
        "bytes": float(len(payloads[0])),
        "follow_up_bytes": float(len(encode({"orders": []}, moved[0], base))),
    }
    journal.close()
    return result


def peer(folder: Path, symbols: int, ticks: int) -> float:
    """The same tick as one JSON row per symbol."""
    db = sqlite3.connect(folder / f"peer{symbols}", isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE rows (tick INTEGER, symbol TEXT, content TEXT, PRIMARY KEY (tick, symbol))")
    contents = [columns(symbols, seed) for seed in range(4)]

    def store(i: int) -> None:
        held = {name: column.tolist() for name, column in contents[i % 4].items()}
        db.execute("BEGIN IMMEDIATE")
        for s in range(symbols):
            row = json.dumps({name: values[s] for name, values in held.items()})
            db.execute("INSERT INTO rows VALUES (?, ?, ?)", (i, f"S{s:04d}", row))
        db.execute("COMMIT")

    took = median(store, max(3, ticks // 20))
    db.close()
    return took


def main() -> None:
    """Print a table for people and one JSON line."""
    ticks = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print(f"{'symbols':>8}{'encode':>9}{'commit':>9}{'tick':>9}{'follow-up':>11}{'KB':>8}{'peer':>10}   (ms, medians)")
    out: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        for symbols in SYMBOLS:
            cost = ours(folder, symbols, ticks)
            cost["peer"] = peer(folder, symbols, ticks)
            out[str(symbols)] = cost
            print(
                f"{symbols:>8}{cost['encode']:>9.3f}{cost['commit']:>9.3f}{cost['tick']:>9.3f}{cost['follow_up']:>11.3f}"
                f"{cost['bytes'] / 1000:>8.0f}{cost['peer']:>10.1f}"
            )
    print(json.dumps({"bench": "journal", "ticks": ticks, "ms": out}))


if __name__ == "__main__":
    main()
