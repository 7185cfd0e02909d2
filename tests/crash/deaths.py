"""Where and when the lives of a month die: drawn from the seed, over the points that a month without kills passed.

In: a plan. Out: for each life, at which passing of which points it dies, and after how many seconds in any case. Every point that can
be passed is drawn once; what is left of the kills are further points and moments of the clock on the wall. Each is drawn below how
often a month without kills passes the point, and passings are counted over all lives together, so every one of them comes true.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from .points import AFTER_A_CRASH

if TYPE_CHECKING:
    from .campaign import Plan

#: a kill from outside, at no point
WALL: Final = "the wall clock"
#: one in so many kills is by the clock on the wall
_OUTSIDE: Final = 8
#: seconds that such a life has: from within its start to some ticks later
_LONGEST: Final = 1.5
#: kills before and after a request make later passings fewer (an order that was sent is not sent again), so the last ones are not drawn
_SURE: Final = 0.6
#: with faults there are fewer orders too
_SURE_WITH_FAULTS: Final = 0.35
#: a point that a month without kills passes no more often than this is one of the start
_STARTS: Final = 2


class Deaths:
    """What is still to come, by point the numbers of the passing, rising."""

    def __init__(self, plan: Plan) -> None:
        self._draw = random.Random(plan.seed)
        self._sure = _SURE_WITH_FAULTS if plan.faults else _SURE
        self._at: dict[str, list[int]] = {}
        for point, nth in plan.deaths:
            self._at.setdefault(point, []).append(nth)
        self._walls = plan.kills // _OUTSIDE
        for point, nth in self._points(dict(plan.passed), plan.kills - self._walls) if plan.kills else ():
            self._at.setdefault(point, []).append(nth)
        for numbers in self._at.values():
            numbers.sort()

    def _points(self, counts: dict[str, int], kills: int) -> list[tuple[str, int]]:
        """Every point once, as far as the kills reach (lookups first), then any."""
        points = sorted({*counts, *AFTER_A_CRASH})
        self._draw.shuffle(points)
        once = sorted(points, key=lambda point: point not in AFTER_A_CRASH)[:kills]
        more = [self._draw.choice(points) for _ in range(kills - len(once))]
        return [(point, self._drawn(point, counts, kills)) for point in (*once, *more)]

    def _drawn(self, point: str, counts: dict[str, int], kills: int) -> int:
        if point in AFTER_A_CRASH:
            return 1
        # what belongs to a start is passed by every life, so it may be the start of any of them
        most = kills / 3 if counts.get(point, 0) <= _STARTS else counts[point] * self._sure
        return self._draw.randint(1, max(1, int(most)))

    def next(self) -> dict[str, int]:
        """Points at which the next life dies, with the passing."""
        return {point: numbers[0] for point, numbers in self._at.items() if numbers}

    def after(self) -> float:
        """Seconds after which the next life is killed from outside; 0 = it is not. One that met a point before is still owed."""
        points = sum(len(numbers) for numbers in self._at.values())
        due = self._walls and self._draw.random() < 2 * self._walls / (points + self._walls)
        return self._draw.uniform(0.02, _LONGEST) if due else 0.0

    def died(self, where: str) -> None:
        """A life died there."""
        if where == WALL:
            self._walls -= 1
        else:
            self._at[where].pop(0)
