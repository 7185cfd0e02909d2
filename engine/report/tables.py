"""Tables: caption, scopes, numbers to the right, and small bars in a cell.

In: columns and rows of cells. Out: a `<table>` in a box that scrolls by itself where the screen is too narrow for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from .markup import NOTHING, Child, Html, tag

_BAR: Final = 88
_BAR_HEIGHT: Final = 10


@dataclass(frozen=True, slots=True)
class Column:
    """A head; `number` columns are aligned to the right; `note` explains the head on hover."""

    head: str
    number: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """`id` names it for links and scripts; the first cell of a row is its head, the only cell of a row heads those below it. `tall` ones scroll down by themselves, with
    their heads staying; a script may sort those of the class "sortable"."""

    id: str
    caption: Child
    columns: tuple[Column, ...]
    rows: tuple[Sequence[Child], ...]
    foot: tuple[Sequence[Child], ...] = ()
    class_: str = ""
    tall: bool = False


def table(of: Table) -> Html:
    """The table."""
    head = tag("thead", tag("tr", *(_head(column) for column in of.columns)))
    body = tag("tbody", *_rows(of.columns, of.rows))
    foot = tag("tfoot", *_rows(of.columns, of.foot)) if of.foot else NOTHING
    inner = tag(
        "table", tag("caption", of.caption, id=f"{of.id}-caption"), head, body, foot, id=of.id, class_=of.class_ or None
    )
    return tag(
        "div",
        inner,
        class_="scroll tall" if of.tall else "scroll",
        role="region",
        tabindex=0,
        aria_labelledby=f"{of.id}-caption",
    )


def bar(value: float, values: Sequence[float]) -> Html:
    """A bar from the zero of its column to the right for gains and to the left for losses; `values` are those of the column,
    which share one scale."""
    low, high = min(0.0, *values), max(0.0, *values)
    unit = (_BAR - 2) / (high - low) if high > low else 0.0
    zero, end = 1 - low * unit, 1 + (value - low) * unit
    tone = "gain" if value >= 0 else "loss"
    shape = tag("rect", x=min(zero, end), y=1, width=abs(end - zero), height=_BAR_HEIGHT - 2, class_=tone)
    middle = tag("line", x1=zero, x2=zero, y1=0, y2=_BAR_HEIGHT)
    return tag("svg", shape, middle, width=_BAR, height=_BAR_HEIGHT, aria_hidden="true", class_="bar")


def length(value: float, most: float) -> Html:
    """A bar from the left, for a column whose values have one sign; `most` is the longest."""
    long = min(1.0, abs(value) / most) * _BAR if most > 0 else 0.0
    shape = tag("rect", x=0, y=1, width=long, height=_BAR_HEIGHT - 2, class_="loss" if value < 0 else "gain")
    return tag("svg", shape, width=_BAR, height=_BAR_HEIGHT, aria_hidden="true", class_="bar")


def _head(column: Column) -> Html:
    return tag("th", column.head, scope="col", class_="n" if column.number else None, title=column.note or None)


def _rows(columns: tuple[Column, ...], rows: Iterable[Sequence[Child]]) -> Iterable[Html]:
    for row in rows:
        first, *others = row
        if not others:
            yield tag("tr", tag("th", first, scope="colgroup", colspan=len(columns)), class_="group")
            continue
        cells = (
            tag("td", cell, class_="n" if column.number else None)
            for cell, column in zip(others, columns[1:], strict=True)
        )
        yield tag("tr", tag("th", first, scope="row"), *cells)
