"""What people and other programs read of a run: `state.json`, `live_log.csv`, `live_log_events.csv`.

In: one summary per tick and one line per order event, plain values only. Out: three files in the out folder. They are
projections of the journal: append-only CSVs that a restarted run goes on with without doubling a row, and a state file
that is replaced whole. No run reads them back, and the journal holds
everything in them but the milliseconds that ticks took, which the live gate asks for.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

from .errors import JournalError
from .wholefile import replace_whole

STATE = "state.json"
TICKS = "live_log.csv"
EVENTS = "live_log_events.csv"
STATE_FORMAT = "qmtl.state.v1"


@dataclass(frozen=True, slots=True)
class TickSummary:
    """One line of live_log.csv, its columns in order: the published ones up to market_phase, then ours. New ones come last.

    time      epoch seconds of the tick (written as ISO-8601 UTC);  tick counts up from 1
    equity    in the account's currency;  rates and confidence in [0, 1] or NaN (written as an empty cell)
    latency   milliseconds the tick took (a wall-clock fact)
    trading_state            active, reducing or halted
    shadow_differing_rate    share of the compared symbols in which the shadow regime had another trend, since both are what
                             they are; shadow_fallback_rate  share for which only the regime had an output
    """

    time: int
    mode: str
    action: str
    equity: float
    chain_name: str
    active_strategies: tuple[str, ...]
    regime_source: str
    regime_confidence: float
    allowlist_hit_rate: float
    disabled_symbol_count: int
    churn_blocked_side_cooldown: int
    position_policy_by_symbol: tuple[tuple[str, str], ...]
    market_phase: str
    chain_by_symbol: tuple[tuple[str, str], ...]
    world: str
    program_id: str
    tick: int
    latency: float
    trading_state: str = "active"
    shadow_differing_rate: float = math.nan
    shadow_fallback_rate: float = math.nan


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One line of live_log_events.csv: a submission's answer, a fill, a cancel, ...

    time  epoch seconds of the tick that saw it;  qty signed by `side`, a decimal;  status_code HTTP-like
    """

    time: int
    symbol: str
    side: str
    qty: Decimal
    success: bool
    status_code: int
    error_type: str
    latency_ms: float
    order_id: str
    chain_name: str
    client_order_id: str
    world: str
    strategy: str
    reason: str


#: wall-clock columns, which do not say whether a line stands already
_WALL = {"latency", "latency_ms"}
_MAPS = {"position_policy_by_symbol", "chain_by_symbol"}


class Projections:
    """The three files of one out folder; one process writes them."""

    def __init__(self, out: Path, *, durable: bool = True) -> None:
        """Create or go on; a torn last line is cut off, and a file that is no log of ours is moved aside (`remarks` says so): a log
        keeps no run from trading. `durable` False leaves out the fsync of state.json, for replays. JournalError when the folder
        cannot be written."""
        self._out, self._durable = out, durable
        with _translated(out):
            out.mkdir(parents=True, exist_ok=True)
            self._ticks = _Log(out / TICKS, tuple(f.name for f in fields(TickSummary)))
            self._events = _Log(out / EVENTS, tuple(f.name for f in fields(OrderEvent)))

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a person has to hear of the files that were found."""
        return tuple(log.remark for log in (self._ticks, self._events) if log.remark)

    def tick(self, summary: TickSummary, state: Mapping[str, Any] | None = None) -> None:
        """Append the tick's line unless it stands already (to a new log where somebody took it away), and replace state.json with the summary and `state` (positions,
        targets, ...; values that are not plain JSON are made so, NaN becomes null)."""
        with _translated(self._out):
            self._ticks.append(summary.time, _cells(summary))
            shown = {f.name: getattr(summary, f.name) for f in fields(summary)}
            shown |= {name: dict(shown[name]) for name in _MAPS}
            shown["time"] = _iso(summary.time)
            write_state(self._out / STATE, {"format": STATE_FORMAT, **shown, **(state or {})}, durable=self._durable)

    def event(self, event: OrderEvent) -> None:
        """Append the event's line unless it stands already."""
        with _translated(self._out):
            self._events.append(event.time, _cells(event))

    def flush(self) -> None:
        """Hand what was appended to the operating system, where readers see it; call it once per tick."""
        with _translated(self._out):
            self._ticks.flush()
            self._events.flush()

    def close(self) -> None:
        """Flush and let go."""
        with _translated(self._out), closing(self._ticks), closing(self._events):
            pass


def tick_seconds(out: Path) -> tuple[float, ...]:
    """How long each tick of a run took, once per tick of all worlds; nothing when there is no log. JournalError when it
    cannot be read."""
    path = out / TICKS
    if not path.is_file():
        return ()
    with _translated(out), path.open(encoding="utf-8", newline="") as file:
        found = {row["time"]: row["latency"] for row in csv.DictReader(file) if row.get("latency")}
    try:
        return tuple(float(latency) / 1e3 for latency in found.values())
    except ValueError as error:
        raise JournalError(
            f"{path} holds a latency that is no number", "move it away; a run begins a new one"
        ) from error


def lines_there(out: Path) -> bool:
    """Whether a run has logged ticks here. A log that cannot be read has none."""
    try:
        with (out / TICKS).open("rb") as file:
            return bool(file.readline() and file.readline())
    except OSError:
        return False


def write_state(path: Path, value: Mapping[str, Any], *, durable: bool = True) -> None:
    """Replace a JSON file whole: temporary file, fsync, rename; a reader never sees half of it (R15)."""
    text = json.dumps(plain(value), indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    replace_whole(path, text, durable=durable)


def plain(value: Any) -> Any:
    """A value as plain JSON: NaN and infinities null, decimals text, numpy scalars and arrays Python values."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str | bool | int):
        return value
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    raise TypeError(f"{type(value).__name__} has no place in a state file")


class _Log:
    """One append-only CSV. What was written for the newest time is known, so that a resumed run doubles nothing."""

    def __init__(self, path: Path, names: tuple[str, ...]) -> None:
        self._path, self._names = path, names
        self._wall = next(i for i, name in enumerate(names) if name in _WALL)
        self._last, self._there = "", Counter[tuple[str, ...]]()
        self.remark = ""
        if path.exists() and (wrong := self._resume(path, names)):
            aside = next(p for n in range(1, 10_000) if not (p := path.with_name(f"{path.name}.{n}")).exists())
            path.rename(aside)
            self.remark = f"note: {path} {wrong}: it is kept as {aside.name}, and a new one is begun"
        self._file = self._opened()

    def _opened(self) -> TextIO:
        file = self._path.open("a", encoding="utf-8", newline="")
        if file.tell() == 0:
            file.write(",".join(self._names) + "\n")
            file.flush()
        return file

    def append(self, time: int, cells: list[str]) -> None:
        stamp = _iso(time)
        if stamp < self._last:
            return
        if stamp == self._last:
            facts = self._facts(cells)
            if self._there[facts] > 0:
                self._there[facts] -= 1
                return
        if self._taken():
            self._file.close()
            self._file = self._opened()
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(cells)
        self._file.write(line.getvalue())

    def flush(self) -> None:
        self._file.flush()

    def _taken(self) -> bool:
        """Rotated or deleted: lines would go where nobody finds them."""
        try:
            there, ours = self._path.stat(), os.fstat(self._file.fileno())
        except FileNotFoundError:
            return True
        return (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino)

    def close(self) -> None:
        self._file.close()

    def _facts(self, cells: list[str]) -> tuple[str, ...]:
        return tuple(cell for i, cell in enumerate(cells) if i != self._wall)

    def _resume(self, path: Path, names: tuple[str, ...]) -> str:
        """Remember the newest lines; says why the file is no log of ours, "" when it is. Such a file stays as it is."""
        try:
            wrong = _foreign(path, names)
            if wrong:
                return wrong
            _cut_torn_line(path)
            _widen(path, names)
            rows = _tail(path)
        except (UnicodeDecodeError, csv.Error):
            return "holds lines that cannot be read"
        lines = [row for row in rows[1:] if row]
        if lines:
            self._last = lines[-1][0]
            self._there.update(self._facts(row) for row in lines if row[0] == self._last)
        return ""


def _foreign(path: Path, names: tuple[str, ...]) -> str:
    """Other columns than ours, or than an older version had."""
    with path.open("rb") as file:
        head = file.readline()
    if not head.endswith(b"\n"):  # torn while it was begun
        return "" if ",".join(names).encode().startswith(head) else "has other columns"
    had = tuple(head.decode("utf-8").rstrip("\n").split(","))
    return "" if names[: len(had)] == had else "has other columns"


def _cut_torn_line(path: Path) -> None:
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        at = size
        while at > 0:
            start = max(0, at - 65536)
            file.seek(start)
            found = file.read(at - start).rfind(b"\n")
            if found >= 0:
                file.truncate(start + found + 1)
                return
            at = start
        file.truncate(0)


def _widen(path: Path, names: tuple[str, ...]) -> None:
    """A log of an older version, which lacks the last columns, gets them with empty cells; any other stays as it is. No cell
    holds a line break."""
    with path.open("rb") as old:
        had = tuple(old.readline().decode("utf-8").rstrip("\n").split(","))
        missing = len(names) - len(had)
        if missing <= 0 or names[: len(had)] != had:
            return
        temporary = path.with_name(path.name + ".new")
        with temporary.open("wb") as new:
            new.write((",".join(names) + "\n").encode())
            new.writelines(line.rstrip(b"\n") + b"," * missing + b"\n" for line in old)
    temporary.replace(path)


def _tail(path: Path) -> list[list[str]]:
    """The header and the last lines: enough to hold everything of the newest time."""
    with path.open("rb") as file:
        head = file.readline()
        size = file.seek(0, os.SEEK_END)
        file.seek(max(len(head), size - 8_000_000))
        if file.tell() > len(head):
            file.readline()
        rest = file.read()
    return list(csv.reader(io.StringIO((head + rest).decode("utf-8"), newline="")))


def _cells(line: TickSummary | OrderEvent) -> list[str]:
    return [_cell(f.name, getattr(line, f.name)) for f in fields(line)]


def _cell(name: str, value: Any) -> str:
    if name == "time":
        return _iso(value)
    if name in _MAPS:
        return json.dumps(dict(value), ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(float(value)) if math.isfinite(value) else ""
    if isinstance(value, tuple):
        return ";".join(str(item) for item in value)
    return " ".join(str(value).splitlines()) if isinstance(value, str) else str(value)


def _iso(moment: int) -> str:
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def _translated(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JournalError(
            f"logs in {out}: {error.strerror or error}", "check that the folder may be written and the disk has space"
        ) from error
