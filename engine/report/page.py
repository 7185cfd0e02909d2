"""The report of a backtest as one page, and the page on which two of them are compared.

In: the records of a backtest. Out: HTML texts, complete in themselves; nothing is read and nothing is written here. The order
is that of questions: what came out, can it be believed, how did it go, who won it, what if costs are worse, show me the trades.
"""

from __future__ import annotations

from typing import Final

from ..backtest.measures import Summary
from ..backtest.result import Result, WorldSteps
from ..backtest.trip import Trips
from . import account, comparing, headline, worldcharts
from .attribution import attribution
from .figures import change, money_digits, plain, plural, signed, span
from .markup import NOTHING, Child, Html, join, name, tag
from .measuretable import measures_table, variants_table
from .months import calendar
from .plot import Chart, draw
from .sessions import extremes, falls
from .setup import setup_list
from .shell import Document, Section, document, readouts
from .switching import switching
from .timeaxis import PROBES, TimeAxis, time_axis
from .trades import trades

#: stretches that the bands of all worlds together may have, the most of one world, and places of the crosshair times worlds:
#: a page of many worlds must stay small
_STRETCHES: Final = 1200
_MOST: Final = 320
_PROBES: Final = 2 * PROBES
_FEWEST: Final = 120


def page(result: Result, summary: Summary, trips: Trips) -> str:
    """The report of one backtest."""
    setup, steps = result.setup, result.steps
    first = join((headline.lede(result, summary), headline.figures(summary), headline.notices(result.notices)))
    charts: tuple[Chart, ...] = ()
    drawn: tuple[Section, ...] = ()
    told = NOTHING
    if len(steps.at):
        axis = time_axis(steps.at, steps.session, steps.days, _share(_PROBES, len(result.worlds)))
        charts, drawn = _drawn(result, axis)
        told = readouts(axis, charts)
    days = span(setup.start, setup.end)
    return document(
        Document(
            title=f"{setup.name} \N{EN DASH} backtest, {days}",
            kicker="Backtest",
            headline=name(setup.name),
            dateline=f"{days} \N{MIDDLE DOT} {plural(len(setup.worlds), 'world')} \N{MIDDLE DOT} {setup.calendar}",
            first=first,
            sections=(*drawn, *_tables(result, summary, trips)),
            readouts=told,
        )
    )


def comparison(a: tuple[Result, Summary], b: tuple[Result, Summary]) -> str:
    """The second backtest beside the first: curves over the sessions that both have, and every difference as second less
    first."""
    return document(comparing.compared(a, b))


def _drawn(result: Result, axis: TimeAxis) -> tuple[tuple[Chart, ...], tuple[Section, ...]]:
    """All charts, and the sections that show them."""
    most = min(_MOST, _share(_STRETCHES, len(result.worlds)))
    own = (account.equity(result, axis), account.drawdown(result, axis), account.turnover(result, axis))
    charts, sections = [*own], [Section("account", "The account", join(draw(chart, axis) for chart in own))]
    for number, world in enumerate(result.worlds):
        view = worldcharts.WorldView(world, number, most)
        theirs = (worldcharts.regimes(view, axis), worldcharts.chains(view, axis), worldcharts.exposure(view, axis))
        charts += theirs
        body = join((_standing(world), *(draw(chart, axis) for chart in theirs)))
        sections.append(Section(f"world-{number}", f"World {world.world}", body))
    return tuple(charts), tuple(sections)


def _share(whole: int, worlds: int) -> int:
    return max(_FEWEST, whole // max(2, worlds))


def _standing(world: WorldSteps) -> Html:
    won, capital = float(world.pnl[-1]), float(world.capital[0])
    digits = money_digits(won, capital)
    share = f" ({change(won / capital)} of its first capital of {plain(capital, digits)})" if capital > 0 else ""
    text = f"{plural(len(world.universe), 'symbol')}, {plural(len(world.strategies), 'strategy', 'strategies')}; P&L {signed(won, digits)}{share}."
    return tag("p", text, class_="sub standing")


def _tables(result: Result, summary: Summary, trips: Trips) -> tuple[Section, ...]:
    nothing: Child = tag("p", "There is nothing to show.", class_="empty")
    return (
        Section("months", "Months", calendar(summary.months)),
        Section("sessions", "Sessions and drawdowns", join((extremes(summary.best, summary.worst), falls(summary.drawdowns)))),
        Section("attribution", "Attribution", attribution(summary.shares),
                "A round trip belongs to the chain and the strategy of the order that opened it. Each table adds up to the account." if summary.shares else ""),
        Section("switches", "Chain switches", switching(result.switches),
                "A regime is worth what it earns after it has been recognised, not what it would have earned before."),
        Section("sensitivity", "Sensitivity", variants_table(summary.variants) if summary.variants else join((nothing,)),
                "What is left when trading costs more than assumed, or every order fills one bar later."),
        Section("measures", "Measures", measures_table(summary.measures, summary.market, summary.worlds)),
        Section("trades", "Trades", trades(result, trips)),
        Section("setup", "Setup", setup_list(result, summary.fingerprint)),
    )  # fmt: skip
