"""R22, R27: random data earns nothing, and every planted leak is seen. Two hundred years; `python bench/noise.py` is the long run.

Each test does its heavy work itself, so that no two processes do the same twice.
"""

from __future__ import annotations

from pathlib import Path

from qmtl.dsl.parser import parse_file
from qmtl.dsl.textfiles import read_source

from . import tables
from .earnings import Way
from .programs import APART, BAR_PROBE, BREADTH_PROBE, HOUR_PROBES, SEVEN, TOGETHER, VIX_PROBE, alone, hourly, program
from .statistic import LIMIT, Verdict

ROOT = Path(__file__).resolve().parents[2]
#: far beyond chance: what a caught leak has to reach
CAUGHT = 10


def text(found: tuple[Verdict, ...]) -> str:
    """For messages: what was earned."""
    return "\n".join(f"{v.strategy:<18} {v.mean:+.3f} +- {v.error:.3f} a year, t {v.t:+.2f}" for v in found)


def caught(found: tuple[Verdict, ...]) -> dict[str, int]:
    """Strategies far beyond chance, and the sign of what they earn."""
    return {v.strategy: 1 if v.t > 0 else -1 for v in found if abs(v.t) > CAUGHT}


def test_no_built_in_strategy_is_left_out() -> None:
    sources = [read_source(path)[0] for path in sorted((ROOT / "strategies").glob("*.qmtl"))]
    shipped = [d.name.name for source in sources if source for d in parse_file(source)[0] if d.kind == "strategy"]
    assert sorted(shipped) == sorted(SEVEN)


def test_what_reads_vix_or_breadth_is_judged_on_markets_of_its_own() -> None:
    compiled = program(4, (*TOGETHER, VIX_PROBE, BREADTH_PROBE))
    names = [plan.name for plan in compiled.strategies]
    assert {name for name in names if not alone(compiled, name)} == set(APART)
    assert {name for name in names if hourly(compiled, name)} == {
        "bear_probability", "ema_cross_atr", "roc_momentum", *HOUR_PROBES,
    }  # fmt: skip


def test_r27_two_hundred_years_of_noise_earn_nothing_and_three_leaks_are_caught() -> None:
    """The same positions, known and filled honestly and in three ways that see what was not there to see."""
    earned = tables.together()
    found = {way: tables.by_years(result) for way, result in earned.items()}
    honest = found[Way.HONEST]
    assert {v.units for v in honest} == {200}
    assert earned[Way.HONEST].held.min() > 0.1, "all of them trade"
    assert max(abs(v.t) for v in honest) < LIMIT, text(honest)

    # the hour's close at the hour's start: followers of the move win, faders lose, as published
    seen = caught(found[Way.START_LABELLED])
    assert seen["hour_momentum"] == seen["roc_momentum"] == seen["bear_probability"] == 1, text(
        found[Way.START_LABELLED]
    )
    assert seen["hour_reversion"] == -1

    # half a bar too early, and a whole one: the longer look ahead earns more
    for way in (Way.FORMING, Way.EARLY_FILL):
        seen = caught(found[way])
        assert seen["atr_ratchet"] == seen["channel_breakout"] == seen[BAR_PROBE] == 1, text(found[way])
        assert seen["bb_rsi_reversion"] == -1, text(found[way])
    for row in (TOGETHER.index(name) for name in ("atr_ratchet", "bb_rsi_reversion", "channel_breakout", BAR_PROBE)):
        grades = [abs(found[way][row].t) for way in (Way.HONEST, Way.FORMING, Way.EARLY_FILL)]
        assert grades == sorted(grades), TOGETHER[row]


def test_r27_markets_of_their_own_earn_nothing() -> None:
    """What reads VIX and breadth, each market with its own: units are weeks."""
    found = tables.apart()
    assert {v.units for v in found} == {tables.OWN * 50}
    assert max(abs(v.t) for v in found) < LIMIT, text(found)


def test_r27_a_vix_that_knows_its_own_day_is_caught() -> None:
    """On the same markets the probe earns nothing while it knows yesterday's close (the test above)."""
    found = tables.same_day()
    assert caught(found) == {VIX_PROBE: 1}, text(found)


def test_an_edge_that_is_there_is_seen() -> None:
    found = tables.edge()
    by_name = {v.strategy: v for v in found}
    for follower in ("atr_ratchet", "channel_breakout", "ema_cross_atr"):
        assert by_name[follower].t > LIMIT, text(found)
        assert 0.2 < by_name[follower].mean < 1, "an edge of a size that a person might find"
    for fader in ("bb_rsi_reversion", "zscore_reversion"):
        assert by_name[fader].t < -LIMIT, text(found)
