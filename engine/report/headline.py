"""The first screen: one sentence, five numbers, and whatever must not be overlooked.

In: result and summary. Out: markup. A number here is followed by what it takes to judge it: the error of the Sharpe ratio, the
length of the deepest fall, the market over the same days.
"""

from __future__ import annotations

from itertools import groupby
from typing import Final

from ..backtest.measures import Measures, Summary
from ..backtest.result import Notice, Result
from .figures import change, known, money_digits, percent, plain, plural, shown, stamp, toned, whole
from .markup import NOTHING, Child, Html, join, name, tag
from .why import why

#: sessions below which a Sharpe ratio is shown and not judged
ENOUGH: Final = 120
#: notices of one kind that are told at once, and that are told at all
_NAMED: Final = 6
_MOST: Final = 106


def lede(result: Result, summary: Summary) -> Html:
    """What happened, in one sentence."""
    m = summary.measures
    digits = money_digits(m.start_equity, m.end_equity)
    symbols = len({symbol for world in result.worlds for symbol in world.universe})
    text = (
        f"{plain(m.start_equity, digits)} became {plain(m.end_equity, digits)} in {plural(m.sessions, 'session')}: "
        f"{change(m.total_return)} after costs, against {change(summary.market.total_return)} for "
        f"holding its {'symbol' if symbols == 1 else f'{whole(symbols)} symbols equally'}."
    )
    return tag("p", text, class_="lede")


def figures(summary: Summary) -> Html:
    """Return, Sharpe ratio, drawdown, trades, costs."""
    m = summary.measures
    costs = m.fees + m.slippage_paid + m.borrow
    digits = money_digits(m.start_equity, costs)
    cards = (
        _card("Return", toned(m.total_return, change), _yearly(m)),
        _card("Sharpe ratio", _sharpe(m), _judged(m)),
        _card("Largest drawdown", toned(m.max_drawdown, percent), _lasted(m)),
        _card("Trades", shown(m.trades, whole), _won(m)),
        _card("Costs", shown(costs, lambda v: plain(v, digits)), _of_capital(m, costs)),
    )
    return tag("dl", *cards, class_="figures")


def notices(notices: tuple[Notice, ...]) -> Html:
    """Kills in a box of their own, then everything else by kind; many of one kind fold up."""
    kills = tuple(n for n in notices if n.kind.startswith("kill"))
    others = tuple(n for n in notices if n not in kills)
    return join(
        (_box("kills", "Killed during this backtest", kills, " grave"), _box("notices", "Worth knowing", others, ""))
    )


def _box(id_: str, title: str, notices: tuple[Notice, ...], tone: str) -> Html:
    if not notices:
        return NOTHING
    order = sorted(notices, key=lambda n: (n.kind, n.at))
    items = (_notice(kind, tuple(group)) for kind, group in groupby(order, key=lambda n: n.kind))
    head = tag("h2", title, id=f"{id_}-title")
    return tag("section", head, tag("ul", *items), class_=f"notices{tone}", id=id_, aria_labelledby=f"{id_}-title")


def _card(label: str, value: Html, *below: Child) -> Html:
    return tag("div", tag("dt", label), tag("dd", value, class_="big"), *(tag("dd", b, class_="under") for b in below))


def _yearly(m: Measures) -> Child:
    if m.sessions < ENOUGH or not known(m.cagr):
        return "too short to be scaled to a year"
    return join((shown(m.cagr, change, why("cagr", m)), " a year"))


def _sharpe(m: Measures) -> Html:
    value = shown(m.sharpe, plain, why("sharpe", m))
    if not known(m.sharpe) or m.sharpe_error is None:
        return value
    return join((value, tag("small", f" ± {plain(m.sharpe_error)}", title="standard error")))


def _judged(m: Measures) -> Child:
    if m.sessions >= ENOUGH:
        return f"from {plural(m.sessions, 'session')}, ± one standard error"
    return tag("span", f"Too short to judge: {m.sessions} of {ENOUGH} sessions", class_="caution")


def _lasted(m: Measures) -> Child:
    return f"over {plural(m.drawdown_sessions, 'session')}" if m.max_drawdown < 0 else "never below its start"


def _won(m: Measures) -> Child:
    if not known(m.win_rate) or m.win_rate is None:
        return "no round trip was closed"
    factor = shown(m.profit_factor, plain, why("profit_factor", m))
    return join((f"{percent(m.win_rate, 0)} won, profit factor ", factor))


def _of_capital(m: Measures, costs: float) -> Child:
    share = percent(costs / m.start_equity) + " of the start" if m.start_equity > 0 else ""
    return f"{share}: fees, slippage{', borrow' if m.borrow > 0 else ''}"


def _notice(kind: str, group: tuple[Notice, ...]) -> Html:
    text = group[0].text or kind
    head = join((tag("b", text[:1].upper() + text[1:]), " ", tag("code", kind)))
    told = [_told(notice) for notice in group]
    hidden = told[_NAMED:_MOST]
    title = f"and {whole(len(told) - _NAMED)} more" + (
        f", the first {len(hidden)} of them" if len(told) > _MOST else ""
    )
    more = tag("details", tag("summary", title), tag("ul", *hidden)) if hidden else NOTHING
    return tag("li", head, tag("ul", *told[:_NAMED]), more)


def _told(notice: Notice) -> Html:
    where = [name(part) for part in (notice.symbol, notice.world) if part]
    place: list[Child] = []
    for part in where:
        place += [part, ", "]
    often = "" if notice.count <= 1 else f", {whole(notice.count)} times"
    return tag("li", *place, f"{stamp(notice.at)} UTC{often}")
