"""Q0607: a replay that begins before its feed can have warmed its worlds up.

In: a deployment and what its worlds need. Out: an error when even the weekdays between the first bar and the first day
cannot hold that many bars (holidays would only make it worse). Files are asked for their first line, nothing more;
Parquet and files that cannot be read are left to the run, which counts sessions and says the same in the same words.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from ..diagnostics import Diagnostic, Label, problem
from ..model import Deployment, FilesFeed, SyntheticFeed
from ..section import Findings, Section
from ..source import Span
from ..tree import Map

#: bars of a full session on XNYS
_PER_SESSION: Final = {"15m": 26, "60m": 7}
#: a header and the first bar; longer lines are no bars
_LINES: Final = 2
_LONGEST: Final = 1_000
_ISO: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})")
_ENDINGS: Final = (".csv", ".csv.gz")
_SATURDAY: Final = 5


@dataclass(frozen=True, slots=True)
class Need:
    """What one world needs: bars by rate, of its symbols."""

    world: str
    warmup: Sequence[tuple[str, int]]
    universe: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Window:
    """The first day of the feed and the first day of decisions, and where the text says so."""

    first: date
    start: date
    first_key: str
    start_place: Span | None
    first_place: Span | None


def warm_up(deployment: Deployment, tree: Map, folder: Path, needs: Iterable[Need]) -> Iterator[Diagnostic]:
    """The first world, and its rate with the largest gap, that the feed cannot warm up."""
    root = Section(tree, "", Findings())
    for need in needs:
        window = _window(deployment, root, folder, need)
        short = _shortest(need, window) if window else None
        if window and short:
            yield _short(need, window, short)
            return


def _window(deployment: Deployment, root: Section, folder: Path, need: Need) -> _Window | None:
    clock, feed = deployment.clock, deployment.feed
    if clock.kind == "wall" or not clock.start:
        return None  # all that the feed has is replayed, and its first part warms the rest up
    written = root.section("clock").scalar("start")
    if isinstance(feed, FilesFeed):
        first, key = _first_bar(folder / feed.bars, need.universe) if feed.bars else "", "bars"
    elif isinstance(feed, SyntheticFeed):
        first, key = feed.start, "start"
    else:
        return None
    if not first:
        return None
    said = root.section("feed").scalar(key) or root.section("feed").scalar("kind")
    return _Window(
        date.fromisoformat(first),
        date.fromisoformat(clock.start),
        key,
        written.span if written else None,
        said.span if said else None,
    )


def _shortest(need: Need, window: _Window) -> tuple[str, int, int] | None:
    """(rate, bars needed, bars there) of the rate that lacks most sessions; None when none does."""
    there = _weekdays(window.first, window.start)
    gaps = [
        (_sessions(rate, bars) - there, rate, bars, there * _PER_SESSION[rate])
        for rate, bars in need.warmup
        if rate in _PER_SESSION and bars > there * _PER_SESSION[rate]
    ]
    return max(gaps)[1:] if gaps else None


def _short(need: Need, window: _Window, short: tuple[str, int, int]) -> Diagnostic:
    rate, bars, there = short
    message = (
        f"world {need.world} needs {bars} bars of {rate} before its first full decision, and the feed has at most {there}: "
        f"it begins on {window.first}, and the replay on {window.start}"
    )
    sessions = _sessions(rate, bars)
    later, earlier = _moved(window.first, sessions), _moved(window.start, -sessions)
    help_text = f"start the replay on {later} or later"
    if window.first_key == "start":
        help_text += f", or the feed on {earlier} or earlier"
    else:
        help_text += f", or add bars back to {earlier}"
    labels = (Label(window.first_place, "the feed"),) if window.first_place and window.start_place else ()
    place = window.start_place or window.first_place
    return problem(
        "Q0607", message, place, labels=labels, help=f"{help_text}; each holiday between them is one day more"
    )


def _sessions(rate: str, bars: int) -> int:
    """Full sessions that hold some bars."""
    return -(-bars // _PER_SESSION[rate])


def _weekdays(first: date, end: date) -> int:
    """Days from Monday to Friday from the first day to the one before the end."""
    weeks, rest = divmod(max((end - first).days, 0), 7)
    return weeks * 5 + sum((first + timedelta(days=n)).weekday() < 5 for n in range(rest))


def _moved(day: date, weekdays: int) -> date:
    """The nearest day from Monday to Friday with so many weekdays between, one or more."""
    step = timedelta(days=1 if weekdays > 0 else -1)
    moved = day
    while _weekdays(min(day, moved), max(day, moved)) < abs(weekdays):
        moved += step
    while moved.weekday() >= _SATURDAY:
        moved += step
    return moved


# ---- the first bar of files


def _first_bar(folder: Path, universe: tuple[str, ...]) -> str:
    """ISO day of the earliest first line of the symbols' files; "" when nobody can say without reading one whole."""
    days = []
    for symbol in universe:
        path = next((p for ending in _ENDINGS if (p := folder / f"{symbol}{ending}").is_file()), None)
        day = _day_of(path) if path else ""
        if not day:
            return ""
        days.append(day)
    return min(days, default="")


def _day_of(path: Path) -> str:
    """The first date in the first lines of a file; bars stand in the order of time."""
    try:
        found = _ISO.match(_second_line(path))
        return date.fromisoformat(found[1]).isoformat() if found else ""
    except (OSError, EOFError, zlib.error, ValueError):
        return ""


def _second_line(path: Path) -> str:
    """The line behind the header."""
    if path.suffix != ".gz":
        with path.open(encoding="utf-8") as file:
            return [file.readline(_LONGEST) for _ in range(_LINES)][-1]
    import gzip  # not needed by most validations

    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [file.readline(_LONGEST) for _ in range(_LINES)][-1]
