"""Returns by month, as a calendar of years with colours.

In: the periods of a summary. Out: a table with years down and months across; on a telephone each year becomes a block of four
by three.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from ..backtest.measures import Period
from .figures import MONTHS, signed
from .markup import Html, tag

_SHADES: Final = 4


def calendar(months: tuple[Period, ...]) -> Html:
    """The table; the total of a year links its months."""
    found = {period.name: period.value for period in months}
    most = max((abs(v) for v in found.values() if math.isfinite(v)), default=0.0)
    years = sorted({period.name[:4] for period in months})
    head = tag(
        "tr", tag("th", "Year", scope="col"), *(_month_head(month) for month in MONTHS), tag("th", "Total", scope="col", class_="n")
    )  # fmt: skip
    rows = (tag("tr", tag("th", year, scope="row"), *_cells(year, found, most)) for year in years)
    caption = tag("caption", "Return of each month in percent, and of the year so far", id="months-caption")
    inner = tag("table", caption, tag("thead", head), tag("tbody", *rows), id="months-table", class_="months")
    return tag("div", inner, class_="scroll", role="region", tabindex=0, aria_labelledby="months-caption")


def shade(value: float, most: float) -> str:
    """Colour class of a return: gains 1..4, losses 1..4, in quarters of the largest of the table; none for what rounds to 0."""
    if not math.isfinite(value) or not signed(value * 100).strip("0.,"):
        return ""
    level = min(_SHADES, max(1, math.ceil(abs(value) / most * _SHADES))) if most > 0 else 1
    return f"{'gains' if value > 0 else 'losses'}-{level}"


def _month_head(month: str) -> Html:
    return tag("th", tag("abbr", month[:3], title=month), scope="col", class_="n")


def _cells(year: str, found: Mapping[str, float], most: float) -> tuple[Html, ...]:
    values = [found.get(f"{year}-{number:02d}") for number in range(1, 13)]
    cells = [_cell(value, month[:3], most) for value, month in zip(values, MONTHS, strict=True)]
    total = math.prod(1 + value for value in values if value is not None) - 1
    return (*cells, tag("td", _text(total), class_="n total", data_label=year))


def _cell(value: float | None, label: str, most: float) -> Html:
    if value is None:
        return tag("td", class_="n empty", data_label=label)
    return tag("td", _text(value), class_=f"n {shade(value, most)}".rstrip(), data_label=label)


def _text(value: float) -> Html:
    return tag("data", signed(value * 100), value=f"{value:.6g}")
