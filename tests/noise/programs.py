"""Worlds for the harness: strategies side by side on symbols that do not exist, with the shipped regime.

In: names of strategies, how many symbols, perhaps the text of strategies of the harness's own. Out: a Program as `qmtl run`
would tick it. Also what a strategy reads, found in its graph, so that no test has to know it by heart.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from qmtl.dsl.compile import compile_world
from qmtl.dsl.program import Node, Program

#: the built-in strategies; `test_noise_strategies` sees to it that none is forgotten
SEVEN = (
    "atr_ratchet",
    "bb_rsi_reversion",
    "bear_probability",
    "channel_breakout",
    "ema_cross_atr",
    "roc_momentum",
    "zscore_reversion",
)
WORLD = """\
version: 1
world: noise
calendar: XNYS
universe: [{symbols}]
bars: [15m, 60m]
regime: {{source: heuristic, heuristic: us_heuristic}}
chains:
  - {{name: all, otherwise: true, strategies: [{strategies}]}}
allowlist: all
"""
#: read one thing each and are in the market most of the time, so that a leak of that thing cannot hide
PROBES = """\
strategy fear_fade {
  doc   "Out of the market's way while the VIX rises. Knows nothing unless the VIX knows today."
  style defensive
  long  when roc(vix.close, 1) < 0%
  short when roc(vix.close, 1) > 0%
  size  100%
}
strategy breadth_follow {
  doc   "With the crowd: long while more symbols rise than usual."
  style trend
  long  when adr_z > 0
  short when adr_z < 0
  size  100%
}
strategy hour_momentum {
  doc   "The side of the last hours."
  style trend
  on 60m { move = roc(close, 4) }
  long  when move > 0%
  short when move < 0%
  size  100%
}
strategy hour_reversion {
  doc   "Against a close far from its mean of 20 hours."
  style chop
  on 60m { z = zscore(close, 20) }
  long  when z < -1
  short when z > 1
  exit long  when z > 0
  exit short when z < 0
  size  100%
}
strategy bar_momentum {
  doc   "The side of the last bars."
  style trend
  long  when roc(close, 4) > 0%
  short when roc(close, 4) < 0%
  size  100%
}
"""
VIX_PROBE, BREADTH_PROBE, BAR_PROBE = "fear_fade", "breadth_follow", "bar_momentum"
HOUR_PROBES = ("hour_momentum", "hour_reversion")
#: judged on markets side by side, and on markets of their own
TOGETHER = (*SEVEN, BAR_PROBE, *HOUR_PROBES)
APART = ("zscore_reversion", VIX_PROBE, BREADTH_PROBE)


def symbols(count: int) -> tuple[str, ...]:
    """Names of symbols."""
    return tuple(f"S{number:04d}" for number in range(count))


def program(count: int, strategies: tuple[str, ...], probes: str = PROBES) -> Program:
    """A world of `count` symbols in which each of the strategies is allowed everywhere."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = WORLD.format(symbols=", ".join(symbols(count)), strategies=", ".join(strategies))
        (folder / "noise.yaml").write_text(text)
        (folder / "strategies").mkdir()
        (folder / "strategies" / "probes.qmtl").write_text(probes)
        compiled = compile_world(folder / "noise.yaml")
    assert compiled.program is not None, [d.message for d in compiled.diagnostics]
    return compiled.program


def read_by(compiled: Program, strategy: str) -> tuple[Node, ...]:
    """All nodes but constants that the signal and the size of a strategy are computed from."""
    plan = next(plan for plan in compiled.strategies if plan.name == strategy)
    waiting = [index for lane in plan.lanes for index in (lane.signal, lane.size)]
    found: set[int] = set()
    while waiting:
        index = waiting.pop()
        if index not in found:
            found.add(index)
            waiting.extend(compiled.nodes[index].args)
    return tuple(compiled.nodes[index] for index in sorted(found) if compiled.nodes[index].op != "const")


def hourly(compiled: Program, strategy: str) -> bool:
    """True when it reads 60m bars and nothing else."""
    return {node.rate for node in read_by(compiled, strategy)} == {"60m"}


def alone(compiled: Program, strategy: str) -> bool:
    """True when a symbol's signal reads that symbol only: neither VIX nor breadth nor a rank among others."""
    return all(node.scope == "symbol" and node.op != "xrank" for node in read_by(compiled, strategy))
