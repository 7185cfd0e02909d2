"""The gates and the walk-forward record as a person reads them on a terminal.

In: verdicts of `gates`, a record of `walkforward`. Out: text of at most 100 columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .gates import DEFLATED, DRAWDOWN, PROFIT_FACTOR, SHARPE, TRADES, Check, PairVerdict, Verdict
from .texttable import WIDTH, name, number, percent, table, whole
from .walkforward import Stitched

#: names of conditions that fit into a column
_SHORT: Final = {
    "sharpe": "SR",
    "profit factor": "PF",
    "max drawdown": "DD",
    "trades": "trips",
    "deflated sharpe": "deflated",
}


def pairs_text(verdicts: Sequence[PairVerdict], trials: int) -> str:
    """Every pair that traded, the best first; what fails the gate says why."""
    passed = sum(verdict.verdict.passed for verdict in verdicts)
    head = (
        f"pair gate: {passed} of {len(verdicts)} pairs that traded pass\n"
        f"Sharpe >= {SHARPE:g}, profit factor >= {PROFIT_FACTOR:g}, drawdown <= {DRAWDOWN:.0%}, {TRADES} trips,"
        f" deflated Sharpe >= {DEFLATED:g} over {trials} trials\n"
    )
    titles = ("symbol", "strategy", "Sharpe", "PF", "drawdown", "trips", "deflated", "fails")
    rows = [titles, *(_row(found) for found in sorted(verdicts, key=_best_first))]
    return f"{head}\n{table(rows, left=2)}" if verdicts else f"{head}\n"


def verdict_text(title: str, found: Verdict) -> str:
    """A gate with each of its conditions, and what was measured."""
    lines = [f"{title}: {'passed' if found.passed else 'not passed'}"]
    lines += [f"  {_state(check):<5}  {check.text}" for check in found.checks]
    return "".join(f"{name(line, WIDTH)}\n" for line in lines)


def _state(check: Check) -> str:
    if not check.gating:
        return "shown"
    return "ok" if check.passed else "fails"


def _row(found: PairVerdict) -> tuple[str, ...]:
    return (
        name(found.pair.symbol, 12),
        name(found.pair.strategy, 22),
        number(found.sharpe),
        number(found.profit_factor),
        percent(-abs(found.max_drawdown)),
        whole(found.trades),
        number(found.deflated),
        " ".join(_SHORT.get(c.name, c.name) for c in found.verdict.checks if c.gating and not c.passed) or "-",
    )


def _best_first(found: PairVerdict) -> tuple[bool, float, str, str]:
    sharpe = float("-inf") if found.sharpe is None else found.sharpe
    return not found.verdict.passed, -sharpe, found.pair.symbol, found.pair.strategy


def walkforward_text(found: Stitched, *, gated: bool) -> str:
    """The windows and the measures of all tests together."""
    chosen = "pairs that pass the gate in training" if gated else "nothing is chosen: the account's own record"
    rows = [("train from", "to", "test from", "to", "pairs")]
    for fold in found.folds:
        pairs = "all" if fold.chosen is None else f"{fold.chosen} of {fold.pairs}"
        rows.append((*fold.train, *fold.test, pairs))
    of = found.measures
    lines = (
        f"total return {percent(of.total_return)}, Sharpe {number(of.sharpe)} (standard error {number(of.sharpe_error)}),"
        f" max drawdown {percent(of.max_drawdown)}, {whole(of.trades)} trips\n"
    )
    rest = f"{found.unused} sessions at the end do not fill a test\n" if found.unused else ""
    return f"walk-forward: {len(found.folds)} tests of {len(found.days)} sessions together; {chosen}\n\n{table(rows, left=4)}\n{lines}{rest}"
