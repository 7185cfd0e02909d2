"""A month of trading in which the program is killed over and over, with or without faults of broker and network.

In: a seed, bars, days, and how often a month without kills passed each kill point. Out: `Month`: how often and where it was killed,
what was injected, the verdict, the venue's book. Everything is drawn from the seed; only where a kill by the clock on the wall meets
the process depends on the machine.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from qmtl.engine.calendar import SessionCalendar

from ..venue.proxy import Proxy, Trouble
from ..venue.start import Handle, hosted
from .child import ENDED_BY, Life, obituary_of
from .deaths import WALL, Deaths
from .points import counted, new_counts
from .verdict import Verdict, comparable, judged, without_intent

ROOT = Path(__file__).resolve().parents[2]
#: what goes wrong per call at the broker
RATES = {
    "accept_then_drop": 0.02, "drop_before": 0.02, "accept_then_504": 0.02, "accept_then_500": 0.01, "429": 0.01, "500": 0.01,
    "503": 0.01, "empty_200": 0.01, "html_200": 0.01, "truncated_json": 0.01, "unknown_enum": 0.01, "duplicate_rows": 0.02,
    "reordered_rows": 0.02, "stale_list": 0.02, "short_pages": 0.02, "partial_fills": 0.15, "slow_fill": 0.05,
    "reject_after_accept": 0.03, "slow_cancel": 0.05, "accept_then_hang": 0.002, "hang": 0.002,
}  # fmt: skip
_TROUBLES = (
    Trouble(cut_reply_after=0), Trouble(cut_reply_after=60), Trouble(cut_request_after=40), Trouble(cut_request_after=200),
    Trouble(latency=0.02), Trouble(silent_reply=True), Trouble(drip=0.05), Trouble(reset=True, cut_reply_after=20),
)  # fmt: skip
DEPLOYMENT = """\
version: 1
deployment: crash
mode: paper
worlds: [worlds/us_core.yaml]
account: crash
feed: {{kind: alpaca, delay: 0s, url: "{data}"{vix}}}
broker: {{kind: alpaca, url: "{url}", timeout: {timeout}s, requests_per_minute: 100000}}
clock: {{kind: wall, interval: 60s}}
out: out
snapshot_every: {every}
"""


#: two symbols fill later than an order may work, so that theirs are cancelled by age
LATE = tuple(
    {
        "do": "slow_fill",
        "times": 0,
        "seconds": 1800,
        "match": {"method": "POST", "path": "/v2/orders", "symbol": symbol},
    }
    for symbol in ("GS", "QQQ")
)
#: errors of a start that a bad network explains: whoever watches over the process starts it again
_NO_ANSWER = frozenset({"BrokerError", "DataError", "SilentFeedError"})
#: most starts one after another that may end so: about one in three comes through
_REFUSED = 25
#: what nobody may find in what a life says, however it ended
_NEVER = ("Traceback", "DuplicateEntry")
#: ticks of hearing alone after the days: a question is given up after three answers over a minute
_QUIET = 6


@dataclass(frozen=True)
class Plan:
    """What is run: days, the folder of bars, the file of VIX values, how many kills, whether broker and network fail, and how often a
    month without kills passed each point. `rules` are faults that the venue has from the beginning, the same for every run; `deaths`
    are kills that are wanted for certain (point, at which passing), on top of those that are drawn; `broken` and `limit` as a `Life`
    has them."""

    bars: Path
    vix: Path | None
    start: str
    end: str
    seed: int
    kills: int = 0
    faults: bool = False
    passed: tuple[tuple[str, int], ...] = ()
    rules: tuple[Mapping[str, Any], ...] = ()
    deaths: tuple[tuple[str, int], ...] = ()
    broken: tuple[str, ...] = ()
    limit: int = 0


@dataclass
class Month:
    """What came of it. `at`: kills by point; `early`: orders that were at the venue before the journal had them."""

    kills: int = 0
    lives: int = 0
    refused: int = 0
    at: Counter[str] = field(default_factory=Counter)
    injected: Counter[str] = field(default_factory=Counter)
    passed: tuple[tuple[str, int], ...] = ()
    early: tuple[str, ...] = ()
    verdict: Verdict | None = None
    book: dict[str, Any] = field(default_factory=dict)


class Nursery:
    """The process that forks lives."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("nursery.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def live(self, life: Life, after: float = 0.0) -> dict[str, Any]:
        """One life to its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({**asdict(life), "after": after}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the nursery ended; see {life.log}")
        return json.loads(line)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


@contextmanager
def nursery() -> Iterator[Nursery]:
    """A nursery for as long as it is needed."""
    found = Nursery()
    try:
        yield found
    finally:
        found.close()


def month(plan: Plan, home: Path, lives: Nursery, *, rest: bool = True) -> Month:
    """Live through the days of a plan, dying on the way, and judge what is left; without the rest at the end others go on from here,
    and nothing is judged. AssertionError with its text when a life ends as none may."""
    done = Month()
    with hosted(
        bars=plan.bars, book=home / "venue.db", now=_opening(plan.start), seed=plan.seed, rate_limit=1_000_000
    ) as venue:
        if plan.rules:
            venue.fault(*(dict(rule) for rule in plan.rules))
        if plan.faults:
            with Proxy("127.0.0.1", int(venue.url.rpartition(":")[2])) as proxy:
                config = _deployment(home, plan, proxy.url, venue.url)
                venue.draw(plan.seed, RATES)
                with _weather(proxy, plan.seed, done):
                    _die(plan, config, venue, lives, done)
                done.injected.update(fault["kind"] for fault in venue.log())
                venue.heal()
                _rest(plan, config, venue, lives)
        else:
            config = _deployment(home, plan, venue.url, venue.url)
            _die(plan, config, venue, lives, done)
            if rest:
                _rest(plan, config, venue, lives)
        done.book = venue.book()
    if rest:
        done.verdict = judged(done.book, home / "out" / "journal.db", done.early)
    return done


@contextmanager
def _weather(proxy: Proxy, seed: int, done: Month) -> Iterator[None]:
    """A network that is bad for moments, as long as the block lasts; fine at its end."""
    over, draw = threading.Event(), random.Random(seed)

    def change() -> None:
        while not over.wait(draw.uniform(0.1, 0.8)):
            bad = draw.random() < 0.15
            proxy.trouble = draw.choice(_TROUBLES) if bad else Trouble()
            done.injected["network"] += bad

    changing = threading.Thread(target=change, daemon=True)
    changing.start()
    try:
        yield
    finally:
        over.set()
        changing.join()
        proxy.trouble = Trouble()


def _die(plan: Plan, config: Path, venue: Handle, lives: Nursery, done: Month) -> None:
    """Lives until one reaches the end of the days."""
    deaths, home, refused = Deaths(plan), config.parent, 0
    new_counts(home / "points.bin")
    while True:
        life = _life(plan, config, venue, deaths.next())
        text, ended = _lived(life, deaths.after(), lives)
        done.lives += 1
        if ended["killed"]:
            where = _where(life)
            deaths.died(where)
            done.kills += 1
            done.at[where] += 1
            done.early += without_intent(venue.book(), _copy(home), where)
            refused = 0
        elif ended["code"] == 0:
            done.passed = tuple(sorted(counted(home / "points.bin").items()))
            return
        elif plan.faults and ended["code"] == 1 and _why(text) in _NO_ANSWER:
            done.refused += 1
            refused += 1
            assert refused <= _REFUSED, f"{refused} starts one after another failed: {text}"
        else:
            raise AssertionError(f"a life ended with {ended['code']}: {text}")


def _lived(life: Life, after: float, lives: Nursery) -> tuple[str, dict[str, Any]]:
    """(What a life said, how it ended); AssertionError when it said what none may."""
    log = Path(life.log)
    before = log.stat().st_size if log.exists() else 0
    ended = lives.live(life, after)
    text = log.read_bytes()[before:].decode(errors="replace")
    assert not any(word in text for word in _NEVER), f"a life ended with {ended}: {text[-3000:]}"
    return text[-3000:], ended


def _why(text: str) -> str:
    """The kind of the error that ended a life."""
    return next((line.removeprefix(ENDED_BY) for line in text.splitlines() if line.startswith(ENDED_BY)), "")


def _rest(plan: Plan, config: Path, venue: Handle, lives: Nursery) -> None:
    """Some quiet ticks before the session after the last day, so that open questions are answered."""
    text, ended = _lived(_life(plan, config, venue, {}, quiet=_QUIET), 0.0, lives)
    assert ended["code"] == 0, text


def _life(plan: Plan, config: Path, venue: Handle, deaths: Mapping[str, int], *, quiet: int = 0) -> Life:
    home = config.parent
    return Life(
        str(config),
        venue.url,
        venue.key,
        venue.secret,
        str(home / "state"),
        plan.start,
        _after(plan.end) if quiet else plan.end,
        str(home / "lives.log"),
        str(home / "points.bin"),
        dict(deaths),
        0 if quiet else plan.limit,
        quiet,
        plan.broken,
    )


def _copy(home: Path) -> Path:
    """The journal as the killed life left it, beside itself: whoever opens the real one first repairs it, and that is the next
    life's business."""
    there = home / "seen"
    shutil.rmtree(there, ignore_errors=True)
    there.mkdir()
    for name in ("journal.db", "journal.db-wal"):
        if (home / "out" / name).exists():
            shutil.copyfile(home / "out" / name, there / name)
    return there / "journal.db"


def _where(life: Life) -> str:
    """Where the life that was just killed says it was; one that was killed from outside says nothing."""
    path = Path(obituary_of(life.log))
    told = path.read_text() if path.exists() else ""
    path.unlink(missing_ok=True)
    return told or WALL


def _deployment(home: Path, plan: Plan, url: str, data: str) -> Path:
    for name in ("worlds", "strategies"):
        shutil.copytree(ROOT / name, home / name, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    vix = f', vix: "{plan.vix}"' if plan.vix is not None else ""
    path = home / "crash.yaml"
    timeout = 2 if plan.faults else 30
    path.write_text(DEPLOYMENT.format(url=url, data=data, vix=vix, timeout=timeout, every=8))
    return path


def _opening(day: str) -> float:
    """Half an hour before the session."""
    return datetime.fromisoformat(f"{day}T09:00").replace(tzinfo=ZoneInfo("America/New_York")).timestamp()


def _after(day: str) -> str:
    """The session after a day."""
    calendar = SessionCalendar("XNYS", "2020-01-02", str(date.fromisoformat(day) + timedelta(days=30)))
    new_york = ZoneInfo("America/New_York")
    days = (datetime.fromtimestamp(opened, new_york).date().isoformat() for opened in calendar.opens.tolist())
    return next(one for one in days if one > day)


__all__ = ["LATE", "Month", "Plan", "comparable", "month", "nursery"]
