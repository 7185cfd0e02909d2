"""The regime of a case as columns: probabilities as series, the third of three derived from the other two.

In: a map for all symbols, with maps by symbol in it, or `missing`. Out: `RegimeColumns`. What contradicts itself (a sum
above 1) is said at the series that do.
"""

from __future__ import annotations

from math import isnan, nan
from typing import Final

from ..diagnostics import Label, problem
from ..section import Findings
from ..source import Span
from ..tree import Map, Node, Scalar
from .model import Probabilities, RegimeColumns, Series
from .names import Names, by_symbol
from .series import PROBABILITY, read_series

THREE: Final[tuple[str, ...]] = ("p_trend_up", "p_trend_down", "p_chop")
OUTPUTS: Final = (*THREE, "p_high_vol", "confidence")
_SLACK: Final = 1e-6


def read_regime(node: Node | None, names: Names) -> RegimeColumns | None:
    """The regime that a case or step gives; None when it gives none."""
    if node is None:
        return None
    if not isinstance(node, Map):
        return RegimeColumns(None)
    shared = [entry for entry in node if entry.key in OUTPUTS]
    own = Map(tuple(entry for entry in node if entry.key not in OUTPUTS), node.span)
    others = _probabilities(Map(tuple(shared), node.span), names.found) if shared else None
    return RegimeColumns(
        others,
        tuple(
            (symbol, _probabilities(entry.value, names.found) if isinstance(entry.value, Map) else None)
            for symbol, entry in by_symbol(own, names)
        ),
    )


def _probabilities(node: Map, found: Findings) -> Probabilities | None:
    known: dict[str, Series] = {}
    spans: dict[str, Span] = {}
    broken = False
    for entry in node:
        if not isinstance(entry.value, Scalar) or entry.key not in OUTPUTS:
            broken = True
            continue
        series, problems = read_series(entry.value, PROBABILITY)
        found.problems.extend(problems)
        broken |= series is None
        if series is not None:
            known[entry.key], spans[entry.key] = series, entry.value.span
    three = [name for name in THREE if name in known]
    if broken:
        return None
    if len(three) < 2:
        message = "at least two of p_trend_up, p_trend_down and p_chop are needed"
        place = node.entries[0].key_span if node.entries else node.span
        found.problems.append(problem("Q0807", message, place, help="the third is what is left of 1"))
        return None
    aligned = align([known[name] for name in three])
    sums = [sum(values) for values in zip(*aligned, strict=True)]
    if not _adds_up(sums, exactly=len(three) == 3):
        worst = max((s for s in sums if not isnan(s)), key=(lambda s: abs(s - 1)) if len(three) == 3 else float)
        _report(three, spans, worst, found)
        return None
    constant = all(known[name].constant for name in three)
    columns = {name: Series(tuple(values), constant) for name, values in zip(three, aligned, strict=True)}
    left = next((name for name in THREE if name not in known), None)
    if left is not None:
        columns[left] = Series(tuple(max(0.0, round(1 - s, 10)) for s in sums), constant)
    largest = tuple(
        max(t) if not any(map(isnan, t)) else nan for t in zip(*(columns[n].values for n in THREE), strict=True)
    )
    return Probabilities(
        columns["p_trend_up"],
        columns["p_trend_down"],
        columns["p_chop"],
        known.get("p_high_vol", Series((0.0,), constant=True)),
        known.get("confidence", Series(largest, constant)),
    )


def align(series: list[Series]) -> list[list[float]]:
    """Values of equal length with a common end; constants last as long as the longest, before a series it is missing."""
    longest = max((len(s.values) for s in series if not s.constant), default=1)
    return [fitted(s, longest) for s in series]


def fitted(series: Series, count: int) -> list[float]:
    """Exactly `count` values with the same end; those before the series are missing."""
    if series.constant:
        return list(series.values) * count
    values = list(series.values[-count:])
    return [nan] * (count - len(values)) + values


def _adds_up(sums: list[float], *, exactly: bool) -> bool:
    known = [s for s in sums if not isnan(s)]
    return all(abs(s - 1) <= _SLACK if exactly else s <= 1 + _SLACK for s in known)


def _report(three: list[str], spans: dict[str, Span], most: float, found: Findings) -> None:
    first, *others = three
    message = (
        f"the probabilities add up to {most:.4g}, not to 1"
        if len(three) == 3
        else f"{first} and {others[0]} add up to {most:.4g}, which is more than 1"
    )
    labels = tuple(Label(spans[name], "and this") for name in others)
    found.problems.append(problem("Q0807", message, spans[first], label="this", labels=labels))
