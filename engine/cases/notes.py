"""What holds only because an input is unknown: a case that expects no order passes for the wrong reason when its guard lacks VIX.

In: a played tick whose expectations all came true. Out: short notes. Silent where the case itself says that it is about
the unknown: by a reason code, by `regime`, or by a series that it gives as missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from ..reasons import Reason
from ..tickview import reasons_of
from .guards import HeldBack
from .run import Played

_UNKNOWN: Final = {
    Reason.REGIME_MISSING.code: "the regime is unknown",
    Reason.CHAIN_UNKNOWN.code: "a chain that would come first cannot be judged",
    Reason.SIGNAL_UNKNOWN.code: "no strategy of the chain has a known signal",
}
#: symbols named in a note
_FEW: Final = 3


def notes(played: Played) -> tuple[str, ...]:
    """Notes on a tick that brought what was expected."""
    expected = played.step.expect
    quiet = any(one.about == "orders" and one.wanted == () for one in expected)
    codes = {
        code for one in expected if one.about == "because" and isinstance(one.wanted, tuple) for code in one.wanted
    }
    found = list(_guards(played, quiet, {str(code) for code in codes}))
    if quiet and not any(one.about == "regime" for one in expected):
        found += _inputs(played, {str(code) for code in codes})
    return tuple(found)


def _guards(played: Played, quiet: bool, codes: set[str]) -> Iterator[str]:
    if not (quiet or Reason.GUARD.code in codes) or Reason.GUARD_HOLD.code in codes:
        return
    given = {series.name for series in played.step.market}
    by_cause: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for held in played.guards:
        if held.missing and not _said(held, given):
            by_cause.setdefault((held.guard, held.missing), []).append(held.symbol)
    for (guard, missing), symbols in by_cause.items():
        yield f"guard {guard} holds {_listed(symbols)} back only because it is unknown: {', '.join(missing)}"


def _said(held: HeldBack, given: set[str]) -> bool:
    """Whether the case gives the missing series, as missing."""
    return all(text.partition(".")[0] in given for text in held.missing)


def _inputs(played: Played, codes: set[str]) -> Iterator[str]:
    """One note where something unknown kept every symbol from being decided on, unless the case gives just that."""
    tick, step = played.tick, played.step
    if not tick.market.decision or tick.load.held.any():
        return
    marks = zip(tick.frame.names.symbols, tick.market.mark.tolist(), strict=True)
    given = {symbol: {code for _, code in reasons_of(tick, symbol)} for symbol, mark in marks if np.isfinite(mark)}
    silent = codes | ({Reason.REGIME_MISSING.code} if step.regime is not None else set())
    silent |= {Reason.SIGNAL_UNKNOWN.code} if step.signals is not None else set()
    for code, text in _UNKNOWN.items():
        if given and code not in silent and all(code in reasons for reasons in given.values()):
            yield f"nothing of {_listed(list(given))} is decided: {text} ({code})"
            return


def _listed(symbols: list[str]) -> str:
    more = len(symbols) - _FEW
    return ", ".join(symbols[:_FEW]) + (f" and {more} more" if more > 0 else "")
