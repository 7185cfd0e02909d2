"""Two backtests beside each other: their curves over the sessions that both have, and every difference.

In: results and summaries. Out: a `Document`. Curves are aligned by session and not by tick, so that a run on 15m bars can be
held against one on 60m bars; both are 100 before their first common session.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ..backtest.measures import Period, Share, Summary
from ..backtest.result import Result
from ..bars import Floats, Ints
from .figures import change, money_digits, month, plain, plural, shown, signed, span, toned, undefined
from .lines import area, beside, fitted, from_zero, line, marks, money_label, percent_label
from .markup import NOTHING, Child, Html, join, name, tag
from .measuretable import comparison_table
from .plot import Chart, Key, Readout, draw
from .setup import terms
from .shell import Document, Section, readouts
from .tables import Column, Table, bar, table
from .timeaxis import TimeAxis, time_axis

Pair = tuple[Result, Summary]

_CURVES: Final = 320
_LEAD: Final = 140
_MOST: Final = 30


def compared(a: Pair, b: Pair) -> Document:
    """The page of two backtests; with no common session it has tables only."""
    names = _names(a[0], b[0])
    days = sorted(set(_days(a[0])) & set(_days(b[0])))
    charts, sections, told = _curves(a[0], b[0], (names, tuple(days))) if days else ((), (), NOTHING)
    tables = (
        Section("measures", "Measures", comparison_table(names, a[1].measures, b[1].measures)),
        Section("months", "Months", _months(names, a[1].months, b[1].months)),
        Section("attribution", "Attribution", _attribution(names, a[1].shares, b[1].shares)),
        Section("setup", "Setup", _setups(names, a, b)),
    )
    return Document(
        title=f"{names[0]} and {names[1]} \N{EN DASH} two backtests",
        kicker="Two backtests",
        headline=join((name(names[0]), " and ", name(names[1]))),
        dateline=_dateline(a[0], b[0], tuple(days)),
        first=_lede(names, a[1], b[1]),
        sections=(*sections, *tables),
        readouts=told if charts else NOTHING,
    )


def _names(a: Result, b: Result) -> tuple[str, str]:
    first, second = a.setup.name, b.setup.name
    return (first, second) if first != second else (f"{first} (first)", f"{second} (second)")


def _dateline(a: Result, b: Result, days: tuple[str, ...]) -> str:
    if not days:
        return "They have no session in common."
    left = len(set(_days(a)) | set(_days(b))) - len(days)
    more = f"; {plural(left, 'session')} that only one of them has left out of the curves" if left else ""
    return f"{plural(len(days), 'common session')}, {span(days[0], days[-1])}{more}"


def _lede(names: tuple[str, str], a: Summary, b: Summary) -> Html:
    gap = b.measures.total_return - a.measures.total_return
    points = plain(abs(gap) * 100)
    told = f"{points} percentage points {'more' if gap > 0 else 'less'}" if points.strip("0.") else "the same"
    quoted = [join(("\N{LEFT DOUBLE QUOTATION MARK}", name(n), "\N{RIGHT DOUBLE QUOTATION MARK}")) for n in names]
    first, second = (change(s.measures.total_return) for s in (a, b))
    orders = " Both sent the same orders, to the bit." if a.fingerprint == b.fingerprint else ""
    return tag("p", quoted[0], f" returned {first}, ", quoted[1], f" {second}: {told}.{orders}", class_="lede")


def _days(result: Result) -> tuple[str, ...]:
    return tuple(result.steps.days[i] for i in np.unique(result.steps.session).tolist())


def _curves(
    a: Result, b: Result, of: tuple[tuple[str, str], tuple[str, ...]]
) -> tuple[tuple[Chart, ...], tuple[Section, ...], Html]:
    names, days = of
    count = np.arange(len(days), dtype=np.int64)
    axis = time_axis(count, count, days)
    values = (_index(a, days), _index(b, days))
    charts = (_equity(axis, names, values), _lead(axis, names, values))
    note = "At session closes, both 100 before the first common session."
    body = join(draw(chart, axis) for chart in charts)
    return charts, (Section("curves", "Curves", body, note),), readouts(axis, charts)


def _index(result: Result, days: tuple[str, ...]) -> Floats:
    """[days] closes of the account, 100 at the row before the first of these days (at the first row where there is none)."""
    session = result.steps.session
    last = np.append(np.flatnonzero(np.diff(session)), len(session) - 1)
    close_of = {result.steps.days[int(session[row])]: int(row) for row in last}
    rows: Ints = np.array([close_of[day] for day in days], dtype=np.int64)
    first = int(np.searchsorted(session, session[rows[0]]))
    found: Floats = result.steps.equity[rows] / result.steps.equity[max(first - 1, 0)] * 100
    return found


def _equity(axis: TimeAxis, names: tuple[str, str], values: tuple[Floats, Floats]) -> Chart:
    a, b = values
    scale = fitted(_CURVES, a, b, ratio=True, dated=False)
    ends = [change(float(v[-1]) / 100 - 1) for v in values]
    return Chart(
        id="equity",
        title="Equity",
        subtitle="Ratio scale: equal distances are equal returns" if scale.log else "Start is 100",
        about=f"Line chart: {names[0]} {ends[0]}, {names[1]} {ends[1]} over {plural(len(a), 'session')}.",
        height=_CURVES,
        marks=marks(scale, money_label),
        keys=(Key("line", "account", names[0], ends[0]), Key("dash", "rival", names[1], ends[1])),
        drawing=join((line(axis, scale, a, "stroke account strong"), line(axis, scale, b, "stroke rival strong dash"))),
        readouts=(Readout(names[0], "index", a[axis.probes]), Readout(names[1], "index", b[axis.probes])),
        notes=beside(axis, scale, ((names[0], a, "account"), (names[1], b, "rival"))),
        base=scale.at(100.0) if scale.low <= 100 <= scale.high else None,
        dated=False,
    )


def _lead(axis: TimeAxis, names: tuple[str, str], values: tuple[Floats, Floats]) -> Chart:
    lead = values[1] / values[0] - 1
    scale = from_zero(_LEAD, lead)
    end = change(float(lead[-1]))
    return Chart(
        id="lead",
        title=f"{names[1]} relative to {names[0]}",
        subtitle="How much more, or less, money the second has",
        about=f"Area chart. At the end {end}, at most {change(float(lead.max()))}, at least {change(float(lead.min()))}.",
        height=_LEAD,
        marks=marks(scale, percent_label, 4, 0.01),
        keys=(Key("line", "rival", "At the end", end),),
        drawing=join((area(axis, scale, lead, "wash"), line(axis, scale, lead, "stroke rival"))),
        readouts=(Readout("Lead", "change", lead[axis.probes]),),
        base=scale.at(0.0),
    )


def _months(names: tuple[str, str], a: tuple[Period, ...], b: tuple[Period, ...]) -> Html:
    first, second = ({p.name: p.value for p in periods} for periods in (a, b))
    both = [second[m] - first[m] for m in first.keys() & second.keys()]
    rows = tuple(
        (month(key), _return(first.get(key)), _return(second.get(key)), *_gap(first.get(key), second.get(key), both))
        for key in sorted(first.keys() | second.keys())
    )
    columns = (
        Column("Month", number=False),
        Column(names[0]),
        Column(names[1]),
        Column("Difference"),
        Column("", number=False),
    )
    return table(Table("months-table", f"Returns by month, and {names[1]} less {names[0]}", columns, rows))


def _return(value: float | None) -> Html:
    return shown(value, change, "it has no session in this month")


def _gap(a: float | None, b: float | None, gaps: list[float]) -> tuple[Child, Child]:
    if a is None or b is None:
        return undefined("only one of them has this month"), ""
    return toned(b - a, lambda v: signed(v * 100) + " pp"), bar(b - a, gaps)


def _attribution(names: tuple[str, str], a: tuple[Share, ...], b: tuple[Share, ...]) -> Html:
    return join(_kind(kind, names, (a, b)) for kind in ("chain", "strategy", "symbol"))


def _kind(kind: str, names: tuple[str, str], shares: tuple[tuple[Share, ...], tuple[Share, ...]]) -> Html:
    """Rows of one kind; where there are many, those that differ most."""
    first, second = ({share.name: share.pnl for share in side if share.kind == kind} for side in shares)
    found = [(label, first.get(label, 0.0), second.get(label, 0.0)) for label in first.keys() | second.keys()]
    found.sort(key=lambda row: (-abs(row[2] - row[1]), row[0]))
    if not found:
        return NOTHING
    digits = money_digits(*(value for row in found for value in row[1:]))
    gaps = [y - x for _, x, y in found]

    def money(value: float) -> Html:
        return toned(value, lambda v: signed(v, digits))

    rows = tuple((name(label), money(x), money(y), money(y - x), bar(y - x, gaps)) for label, x, y in found[:_MOST])
    left = f"; the {_MOST} that differ most of {len(found)}" if len(found) > _MOST else ""
    columns = (Column(kind.capitalize(), number=False), Column(names[0]), Column(names[1]), Column("Difference"),
               Column("", number=False))  # fmt: skip
    return table(Table(f"by-{kind}", f"P&L by {kind}{left}", columns, rows))


def _setups(names: tuple[str, str], a: Pair, b: Pair) -> Html:
    """Terms that differ, then those that are the same."""
    first, second = (dict(terms(result, summary.fingerprint)) for result, summary in (a, b))
    labels = [*first, *(label for label in second if label not in first)]
    same = [label for label in labels if first.get(label) == second.get(label)]
    gone = undefined("it does not have this")
    rows = tuple((x, first.get(x, gone), second.get(x, gone)) for x in labels if x not in same)
    columns = (Column("What differs", number=False), Column(names[0], number=False), Column(names[1], number=False))
    differs = (
        table(Table("setup-table", "What was run differently", columns, rows, class_="prose")) if rows else NOTHING
    )
    rest = tag("dl", *(part for x in same for part in (tag("dt", x), tag("dd", first[x]))), class_="setup")
    head = tag("h3", "The same in both") if same else NOTHING
    return join((differs, head, rest if same else NOTHING))
