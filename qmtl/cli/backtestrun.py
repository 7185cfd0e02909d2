"""One backtest from a deployment to a stored result: the run, its variants, the folder, the page.

In: a deployment with absolute paths, its programs, and what the command line wants otherwise. Out: the stored result.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Final

from qmtl import __version__
from qmtl.dsl.model import Deployment, PaperBroker
from qmtl.dsl.program import Program
from qmtl.engine.adapters.results import save
from qmtl.engine.backtest.measures import Variant
from qmtl.engine.backtest.metrics import account_measures
from qmtl.engine.backtest.plan import Plan
from qmtl.engine.backtest.result import Costs, Result
from qmtl.engine.backtest.roundtrips import round_trips
from qmtl.engine.backtest.run import Watch, run
from qmtl.engine.backtest.summary import Stored, summarise
from qmtl.engine.calendar import SessionCalendar
from qmtl.engine.errors import JournalError
from qmtl.engine.ports import BarFeed, MacroFeed
from qmtl.engine.report.page import page

from .backtest import Wanted
from .wiring import calendar_of, open_feed

#: a label -> who is told how far that run is
Step = Callable[[str], Watch]
_VARIANTS: Final = ("costs x1", "costs x2", "costs x3", "one bar later")


def stored_run(deployment: Deployment, programs: Sequence[Program], wanted: Wanted, folder: Path) -> Stored:
    """Run, write and return a backtest. DataError and CalendarError as `run`; JournalError when the page cannot be
    written."""
    calendar = calendar_of(deployment, programs)
    feeds = open_feed(deployment, programs, calendar)
    plan = plan_of(deployment, wanted)
    with _progress(len(_VARIANTS) if not wanted.quick else 1, quiet=wanted.quiet) as step:
        result = run(programs, feeds, calendar, plan, step("backtest"))
        variants = () if wanted.quick else _varied(programs, (feeds, calendar), plan, (result, step))
    stored = Stored(result, summarise(result, variants))
    save(stored, folder, replaced=True)
    write_page(folder / "report.html", page(result, stored.summary, round_trips(result)))
    return stored


def plan_of(deployment: Deployment, wanted: Wanted) -> Plan:
    """Days, cash and costs of the deployment, with what the flags say."""
    broker, clock = deployment.broker, deployment.clock
    assert isinstance(broker, PaperBroker)
    costs = Costs(
        fee=broker.fee if wanted.fee is None else wanted.fee,
        slippage=broker.slippage if wanted.slippage is None else wanted.slippage,
        borrow=broker.borrow if wanted.borrow is None else wanted.borrow,
        borrow_of=broker.borrow_by_symbol,
    )
    return Plan(
        name=deployment.name,
        start=clock.start,
        end=clock.end,
        cash=broker.cash if wanted.cash is None else Decimal(wanted.cash.replace("_", "")),
        costs=costs,
        delay=deployment.feed.delay,
        interval=clock.interval,
        version=__version__,
    )


def _varied(
    programs: Sequence[Program],
    market: tuple[tuple[BarFeed, MacroFeed], SessionCalendar],
    plan: Plan,
    done: tuple[Result, Step],
) -> tuple[Variant, ...]:
    """The sensitivity table: costs doubled and tripled, and every fill a bar later."""
    (feeds, calendar), (first, step) = market, done
    found = [_measured(_VARIANTS[0], first)]
    for label, costs in zip(_VARIANTS[1:], other_costs(plan.costs), strict=True):
        result = run(programs, feeds, calendar, replace(plan, costs=costs), step(label))
        found.append(_measured(label, result))
    return tuple(found)


def other_costs(costs: Costs) -> tuple[Costs, ...]:
    """Costs twice and three times as high, and fills one bar later."""
    scaled = [
        replace(
            costs,
            fee=costs.fee * times,
            slippage=costs.slippage * times,
            borrow=costs.borrow * times,
            borrow_of=tuple((symbol, rate * times) for symbol, rate in costs.borrow_of),
        )
        for times in (2, 3)
    ]
    return (*scaled, replace(costs, late=costs.late + 1))


def _measured(label: str, result: Result) -> Variant:
    return Variant(label, account_measures(result, round_trips(result)))


def write_page(path: Path, text: str) -> None:
    """Write a report; JournalError when it cannot be."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise JournalError(f"{path} cannot be written: {error.strerror}", "choose another with --out") from error


@contextmanager
def _progress(runs: int, *, quiet: bool) -> Iterator[Step]:
    """A bar per run on a terminal; nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield lambda _label: _silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<14}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        assert runs

        def step(label: str) -> Watch:
            task = bars.add_task(label, total=None)
            return lambda done, total: bars.update(task, completed=done, total=total)

        yield step


def _silent(_done: int, _total: int) -> None:
    """Nobody looks."""
