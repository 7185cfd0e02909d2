"""What the tests judge, as tables: one title, then verdicts by way of knowing and filling.

In: the seed of the tests. Out: verdicts, computed when they are asked for. The tests assert on them, `bench/noise.py --leaks`
prints them, docs/noise.md shows them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .earnings import Earned, Way
from .programs import APART, BAR_PROBE, SEVEN, TOGETHER, VIX_PROBE
from .statistic import WEEKS, Verdict, judged, market_years, weeks
from .wholeworld import WorldYear, one_way, us_core
from .years import SEED, own_markets, side_by_side, whole_world

Verdicts = tuple[Verdict, ...]
#: markets of their own with an honest VIX, and with one that knows its day; years of the shipped world
OWN, LEAKING, WORLDS = 12, 6, 2
#: planted drift: a yearly Sharpe ratio of about a half to who follows the trend
MOMENTUM = 0.04


def together() -> dict[Way, Earned]:
    """The seven and three probes on 200 markets side by side, by every way."""
    return side_by_side(SEED, 0, TOGETHER, tuple(Way))


def apart() -> Verdicts:
    """What reads VIX or breadth, on markets of their own."""
    return by_weeks(own_markets(SEED, range(OWN), APART))


def same_day() -> Verdicts:
    """The probe that reads the VIX, on half of the same markets; the VIX knows its own day."""
    return by_weeks(own_markets(SEED, range(LEAKING), (VIX_PROBE,), same_day_vix=True))


def edge() -> Verdicts:
    """The seven on 40 markets with momentum."""
    return by_years(side_by_side(SEED, 1, SEVEN, markets=40, momentum=MOMENTUM)[Way.HONEST])


def shipped() -> tuple[WorldYear, ...]:
    """Years of the shipped world."""
    world = us_core()
    return tuple(whole_world(world, SEED, number) for number in range(WORLDS))


def one_quarter(*, early: bool) -> tuple[WorldYear, ...]:
    """A quarter of one probe in place of the shipped world's strategies."""
    return (whole_world(one_way(BAR_PROBE), SEED, 0, sessions=63, early=early),)


def by_years(earned: Earned) -> Verdicts:
    """Units are years, one of each market."""
    return judged(earned.strategies, market_years(earned.pnl))


def by_weeks(earned: Earned) -> Verdicts:
    """Units are the weeks of each market."""
    return judged(earned.strategies, weeks(earned.pnl), WEEKS)


def of_worlds(name: str, years: tuple[WorldYear, ...]) -> Verdicts:
    """Units are the weeks of each account, fractions of its first cash."""
    return judged((name,), weeks(np.stack([year.pnl for year in years], axis=1)[:, None, :]), WEEKS)


def all_tables() -> Iterator[tuple[str, dict[str, Verdicts]]]:
    """Every table: its title, and columns by their heads."""
    yield "200 markets side by side", {str(way): by_years(earned) for way, earned in together().items()}
    yield f"{OWN} markets of their own", {"honest": apart()}
    yield f"{LEAKING} markets of their own", {"same-day VIX": same_day()}
    yield "planted momentum", {"honest": edge()}
    yield f"{WORLDS} years of a world", {"honest": of_worlds("us_core", shipped())}
    quarter = {
        name: of_worlds(BAR_PROBE, one_quarter(early=early))
        for name, early in (("honest", False), (str(Way.EARLY_FILL), True))
    }
    yield "a quarter of a world", quarter
