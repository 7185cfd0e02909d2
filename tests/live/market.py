"""A world of four symbols whose signals are written by hand, its bars, and its deployment.

In: a letter for each bar of the test's day and symbol. Out: a folder of bars for the venue, texts for the program. The one
strategy is long above 101, short below 99 and flat between, so a letter is a signal:

    0  100, flat    +  102, long    -  98, short    h  110, long    d  105, long and 4.5 % below h    x  nobody trades
    g  opens and ends at 106, whatever was before: long, and no order may be sent on the price before
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ..venue.bars import write
from ..venue.hours import xnys
from ..venue.made import at

ROOT = Path(__file__).resolve().parents[2]
SYMBOLS: Final = ("AAA", "BBB", "CCC", "DDD")
#: the day on which tests trade; the sessions before it warm the indicators up
DAY: Final = "2025-11-24"
_FIRST, _LAST = "2025-10-20", "2025-11-26"
_PRICES: Final = {"0": 100.0, "+": 102.0, "-": 98.0, "h": 110.0, "d": 105.0, "g": 106.0}
_BAR: Final = 900
STRATEGY = """\
strategy level {
  doc "Long above 101, short below 99, flat between."
  style trend
  long when close > 101
  short when close < 99
  size 100%
}
regime steady {
  doc "Always the same."
  score trend_up close / close
  score trend_down 0 * (close / close)
  score chop 0 * (close / close)
  high_vol sigmoid(-2 * (close / close))
}
"""
WORLD = """\
version: 1
world: tiny
calendar: XNYS
universe: [AAA, BBB, CCC, DDD]
bars: [15m, 60m]
regime: {source: heuristic, heuristic: steady}
chains: [{name: all, otherwise: true, strategies: [level], exposure: 100%}]
allowlist: all
churn_guard: {min_target: 1%, deadband: 1%, side_cooldown: 15m, min_hold: 15m}
risk: {max_symbol: 20%, max_sector: 100%, max_total: 80%, position_stop: 50%}
orders: {min_delta: 0.5%, open_delay: 0s, close_buffer: 5m, collar: 50%}
exchange: alpaca_us_equity
"""
DEPLOYMENT = """\
version: 1
deployment: {name}
mode: {mode}
worlds: [worlds/tiny.yaml]
account: {name}
feed: {{kind: alpaca, delay: 0s, url: "{url}"}}
broker: {{kind: alpaca, url: "{url}", timeout: 2s, requests_per_minute: {requests}}}
clock: {{kind: wall, interval: {interval}s, max_skew: 5s}}
out: {out}
snapshot_every: 4
"""


def moment(text: str) -> int:
    """Epoch seconds of "10:15" on the test's day in New York, or of "2025-11-25 10:15"."""
    return at(text if " " in text else f"{DAY} {text}")


def written(folder: Path, letters: dict[str, str]) -> Path:
    """Bars of all symbols: calm before the day, then by its letters; the last letter lasts."""
    folder.mkdir(parents=True)
    sessions = xnys().between(_FIRST, _LAST)
    for number, symbol in enumerate(SYMBOLS):
        rows: list[tuple[str, object, object, object, object, int]] = []
        before, count, said = 100.0, 0, letters.get(symbol, "0")
        for session in sessions:
            for start in range(int(session.open), int(session.close), _BAR):
                if start >= moment("09:30"):
                    letter, count = said[min(count, len(said) - 1)], count + 1
                    close = _PRICES.get(letter, before)
                    traded = letter != "x"
                    before = close if letter == "g" else before
                else:
                    close, traded = 100.0 + 0.02 * ((start // _BAR * (number + 3)) % 11 - 5), True
                if traded:
                    low, high = min(before, close), max(before, close)
                    rows.append((stamp(start), before, round(high + 0.05, 2), round(low - 0.05, 2), close, 500_000))
                before = close
        write(folder / f"{symbol}.csv.gz", rows)
    return folder


def stamp(start: int) -> str:
    return datetime.fromtimestamp(start, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def texts(home: Path) -> Path:
    """The world and its strategy in a folder of their own."""
    (home / "worlds").mkdir(parents=True)
    (home / "strategies").mkdir()
    shutil.copytree(ROOT / "worlds" / "exchanges", home / "worlds" / "exchanges")
    (home / "worlds" / "tiny.yaml").write_text(WORLD)
    (home / "strategies" / "level.qmtl").write_text(STRATEGY)
    return home


def deployed(home: Path, url: str, **options: object) -> Path:
    """A deployment of that world; `options` are those of the text above."""
    given = {"name": "tiny", "mode": "paper", "requests": 100_000, "interval": 60, "out": "out", **options}
    path = home / f"{given['name']}.yaml"
    path.write_text(DEPLOYMENT.format(url=url, **given))
    return path
