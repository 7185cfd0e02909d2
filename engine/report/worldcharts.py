"""Charts of one world: what the market looked like to it, which chains its symbols were in, how much it held.

In: the world's steps and the time axis. Out: `Chart`s that share the account's axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from ..backtest.result import WorldSteps
from ..bars import Floats
from .bands import Stack, at_probes, labels, layers, stacked, stretches
from .figures import percent, plural
from .lines import area, from_zero, line, marks, percent_label, stretched, swing
from .markup import Html, join, tag
from .plot import Chart, Key, Readout, Scale, ValueMark, path, room, trace
from .spells import killed
from .thin import means
from .timeaxis import TimeAxis

_BAND: Final = 150
_EXPOSURE: Final = 140
#: colours of chains; what is more than that is drawn as one layer "others"
_TONES: Final = 8
#: from the bottom up, with the row of `WorldSteps.p` and the number of its colour
_REGIMES: Final = (("trend up", 0, 1), ("chop", 2, 2), ("trend down", 1, 3))


@dataclass(frozen=True, slots=True, eq=False)
class WorldView:
    """A world and where it stands among the others; `most` bounds the stretches of its bands, so that a page of many worlds
    stays small."""

    steps: WorldSteps
    number: int
    most: int


def regimes(view: WorldView, axis: TimeAxis) -> Chart:
    """The ribbon: mean probabilities stacked to one, and p_high_vol as a line over them."""
    p = view.steps.p
    unit, edges = stretches(axis, view.most)
    stack = stacked(np.stack([p[:, row] for _, row, _ in _REGIMES], axis=1), edges)
    calm = means(p[:, 3:4], stack.edges)[:, 0]
    scale = _unit_scale()
    found = at_probes(axis, stack)
    means_ = tuple(_mean(p[:, row]) for _, row, _ in _REGIMES)
    told = ", ".join(f"{name} {text}" for (name, _, _), text in zip(_REGIMES, means_, strict=True))
    rim = trace(stretched(axis, stack.edges), scale.y(np.concatenate((calm[:1], calm, calm[-1:]))))
    names = [(name, f"on-regime-{tone}") for name, _, tone in _REGIMES]
    return Chart(
        id=f"regime-{view.number}",
        title="Regime",
        subtitle=f"Mean probabilities over the symbols{_per(unit)}, from the bottom in the key's order; the line is the probability of high volatility",
        about=f"Stacked bands of three probabilities that add up to one. Means: {told}; high volatility {_mean(p[:, 3])}.",
        height=_BAND,
        marks=_shares(scale),
        keys=(
            *(
                Key("fill", f"regime-{tone}", name, text)
                for (name, _, tone), text in zip(_REGIMES, means_, strict=True)
            ),
            Key("line", "ink", "high volatility", _mean(p[:, 3])),
        ),
        drawing=join(
            (
                layers(axis, scale, stack, [f"regime-{tone}" for _, _, tone in _REGIMES]),
                path(rim, "stroke halo"),
                path(rim, "stroke ink"),
            )
        ),
        readouts=(
            *(Readout(name, "share", found[:, i]) for i, (name, _, _) in enumerate(_REGIMES)),
            Readout("high volatility", "share", at_probes(axis, Stack(stack.edges, calm[:, None], stack.tops))[:, 0]),
        ),
        notes=labels(axis, scale, stack, names, around=calm) if np.isfinite(p).any() else _unknown(),
    )


def chains(view: WorldView, axis: TimeAxis) -> Chart:
    """The timeline: which share of the universe was in which chain."""
    names, shares = _chain_shares(view.steps)
    unit, edges = stretches(axis, view.most)
    stack = stacked(shares, edges)
    scale = _unit_scale()
    found = at_probes(axis, stack)
    tones = range(1, len(names) + 1)
    means_ = [_mean(shares[:, i]) for i in range(len(names))]
    return Chart(
        id=f"chains-{view.number}",
        title="Chains",
        subtitle=f"Share of the {plural(len(view.steps.universe), 'symbol')} in each chain{_per(unit)}, from the bottom in the key's order",
        about="Stacked bands, mean shares: "
        + (", ".join(f"{n} {m}" for n, m in zip(names, means_, strict=True)) or "none"),
        height=_BAND,
        marks=_shares(scale),
        keys=tuple(Key("fill", f"band-{t}", name, m) for t, name, m in zip(tones, names, means_, strict=True)),
        drawing=layers(axis, scale, stack, [f"band-{tone}" for tone in tones]),
        readouts=tuple(Readout(name, "share", found[:, i]) for i, name in enumerate(names)),
        notes=labels(axis, scale, stack, [(name, f"on-band-{t}") for t, name in zip(tones, names, strict=True)]),
    )


def exposure(view: WorldView, axis: TimeAxis) -> Chart:
    """Gross as a filled line, net as a dark one, in percent of the world's capital; over many sessions the range of each
    session with its mean, since a line through every decision would be a black bar."""
    gross, net = view.steps.gross, view.steps.net
    scale = from_zero(_EXPOSURE, gross, net)
    unit, _ = stretches(axis, view.most)
    drawn = (
        f"lines are means of a {unit}, bands its range" if unit else "gross as the filled line, net as the dark line"
    )
    at = axis.probes
    return Chart(
        id=f"exposure-{view.number}",
        title="Exposure",
        subtitle=f"Held, in percent of the world's capital: {drawn}",
        about=f"Line chart. Gross exposure is {_mean(gross)} on average and at most {percent(float(np.nanmax(gross)), 0)}; "
        f"net {_mean(net)} on average, between {percent(float(np.nanmin(net)), 0)} and {percent(float(np.nanmax(net)), 0)}.",
        height=_EXPOSURE,
        marks=marks(scale, percent_label, 4, 0.01),
        keys=(
            Key("line", "account", "Gross, mean", _mean(gross)),
            Key("line", "ink", "Net, mean", _mean(net)),
        ),
        drawing=_swings(axis, scale, view) if unit else _held(axis, scale, view),
        readouts=(
            Readout("Gross", "share", gross[at]),
            Readout("Net", "share", net[at]),
            Readout("Symbols held", "count", view.steps.names[at].astype(np.float64)),
        ),
        notes=killed(axis, view.steps, scale.bottom),
        base=scale.at(0.0),
    )


def _held(axis: TimeAxis, scale: Scale, view: WorldView) -> Html:
    gross, net = view.steps.gross, view.steps.net
    return join(
        (
            area(axis, scale, gross, "wash"),
            line(axis, scale, gross, "stroke account thin"),
            line(axis, scale, net, "stroke ink"),
        )
    )


def _swings(axis: TimeAxis, scale: Scale, view: WorldView) -> Html:
    _, edges = stretches(axis, view.most)
    wide, gross = swing(axis, scale, view.steps.gross, edges)
    narrow, net = swing(axis, scale, view.steps.net, edges)
    return join((path(wide, "wash"), path(narrow, "veil"), path(gross, "stroke account"), path(net, "stroke ink")))


def _unknown() -> Html:
    return tag("text", "No symbol knew its probabilities.", x="50%", y=_BAND // 2, class_="mid")


def _per(unit: str) -> str:
    return f", per {unit}" if unit else ""


def _unit_scale() -> Scale:
    return Scale(0.0, 1.0, *room(_BAND))


def _shares(scale: Scale) -> tuple[ValueMark, ...]:
    return tuple(ValueMark(scale.at(v), percent_label(v * 100, 0)) for v in (0.0, 0.5, 1.0))


def _mean(values: Floats) -> str:
    known = values[np.isfinite(values)]
    return percent(float(known.mean()), 0) if len(known) else "unknown"


def _chain_shares(steps: WorldSteps) -> tuple[tuple[str, ...], Floats]:
    """Names and [T, K] shares of the universe; beyond what can be told apart the rarest are summed up."""
    shares = steps.in_chain / max(len(steps.universe), 1)
    if len(steps.chains) <= _TONES:
        return steps.chains, shares
    often = np.sort(np.argsort(-shares.mean(axis=0), kind="stable")[: _TONES - 1])
    rest = np.delete(shares, often, axis=1).sum(axis=1, keepdims=True)
    names = (*(steps.chains[int(i)] for i in often), f"{len(steps.chains) - len(often)} others")
    return names, np.concatenate((shares[:, often], rest), axis=1)
