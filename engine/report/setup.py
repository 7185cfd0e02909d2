"""What was run: everything that one needs to run it again.

In: setup, worlds and fingerprint. Out: a list of terms. It stands at the end of a page; it is looked up, not read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..backtest.result import Costs, Result
from .figures import day, money_digits, percent, plain, plural, quantity, whole
from .markup import Child, Html, join, name, tag

_MOST: Final = 40


def setup_list(result: Result, fingerprint: str) -> Html:
    """Terms and their values."""
    pairs = terms(result, fingerprint)
    return tag("dl", *(part for term, value in pairs for part in (tag("dt", term), tag("dd", value))), class_="setup")


def terms(result: Result, fingerprint: str) -> Iterable[tuple[str, Child]]:
    """Pairs of a term and its value, in reading order."""
    setup = result.setup
    for world, program in setup.worlds:
        sizes = [plural(len(w.universe), "symbol") for w in result.worlds if w.world == world]
        yield f"World {world}", join((tag("code", program), " ", *sizes))
    yield "Sessions", f"{day(setup.start)} to {day(setup.end)}, calendar {setup.calendar}"
    yield "Start", f"{plain(setup.cash, money_digits(setup.cash))} in cash"
    yield from _costs(setup.costs)
    yield "Data", setup.source
    yield "A year", f"{quantity(round(setup.sessions_a_year, 1))} sessions of {whole(setup.bars_a_session)} decisions"
    yield "Format", f"{setup.format}, made by {setup.version}"
    yield "Fingerprint", tag("code", fingerprint)


def _costs(costs: Costs) -> Iterable[tuple[str, Child]]:
    yield (
        "Costs",
        (
            f"per side {_points(costs.fee)} fee and {_points(costs.slippage)} slippage; {percent(costs.borrow)} a year on shorts"
        ),
    )
    if costs.borrow_of:
        yield "Borrow of", _borrows(costs.borrow_of)
    yield "Fills", _fills(costs.late)


def _fills(late: int) -> str:
    at = "at the first open at or after the decision"
    return at if late == 0 else f"{plural(late, 'bar')} later than {at.removeprefix('at ')}"


def _points(share: float) -> str:
    return f"{quantity(round(share * 1e4, 6))} bp"


def _borrows(pairs: tuple[tuple[str, float], ...]) -> Html:
    parts: list[Child] = []
    for symbol, share in pairs[:_MOST]:
        parts += [", " if parts else "", name(symbol), f" {percent(share)}"]
    return join((*parts, f" and {len(pairs) - _MOST} more" if len(pairs) > _MOST else ""))
