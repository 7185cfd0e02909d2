"""The sessions that mattered: best and worst ones, and the falls from a peak.

In: the periods and drawdowns of a summary. Out: tables with bars.
"""

from __future__ import annotations

from ..backtest.measures import Drawdown, Period
from .figures import change, percent, short_day, shown, toned, whole
from .markup import Child, Html, tag
from .tables import Column, Table, length, table


def extremes(best: tuple[Period, ...], worst: tuple[Period, ...]) -> Html:
    """Two tables side by side on one scale."""
    most = max((abs(p.value) for p in (*best, *worst)), default=0.0)
    return tag(
        "div", _periods("best", "Best sessions", best, most), _periods("worst", "Worst sessions", worst, most), class_="pair"
    )  # fmt: skip


def falls(drawdowns: tuple[Drawdown, ...]) -> Html:
    """Deepest first, as they come."""
    if not drawdowns:
        return tag("p", "The account never closed below an earlier close.", class_="empty")
    most = max(abs(d.depth) for d in drawdowns)
    columns = (Column("Peak", number=False), Column("Depth"), Column("", number=False), Column("Sessions"),
               Column("Bottom", number=False), Column("Recovered", number=False))  # fmt: skip
    rows = tuple(_fall(d, most) for d in drawdowns)
    return table(Table("drawdowns-table", "Drawdowns of session closes, deepest first", columns, rows, class_="roomy"))


def _periods(id_: str, caption: str, periods: tuple[Period, ...], most: float) -> Html:
    if not periods:
        return tag("div", tag("p", f"{caption}: too few sessions.", class_="empty"))
    columns = (Column("Session", number=False), Column("Return"), Column("", number=False))
    rows = tuple((short_day(p.name), toned(p.value, change), length(p.value, most)) for p in periods)
    return table(Table(id_, caption, columns, rows, class_="roomy"))


def _fall(d: Drawdown, most: float) -> tuple[Child, ...]:
    end: Child = short_day(d.end) if d.end else tag("em", "not yet")
    return (
        short_day(d.start),
        toned(d.depth, percent),
        length(d.depth, most),
        shown(d.sessions, whole),
        short_day(d.bottom),
        end,
    )
