"""What `qmtl diff` says about positions is what decide does: the old state, the new program, one tick, the same label.

Every strategy of the program before holds every symbol it was allowed to hold, the edit comes in force as a hot reload does
it (`state.remap`), and each symbol's label is compared with the claim. One test per edit; nothing is compared by hand.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qmtl.dsl.changes.change import Effect
from qmtl.dsl.changes.positions import EXIT_ONLY, MISMATCH, MIX, PRE_CUTOVER, REFUSED, UNWIND, position_effects
from qmtl.dsl.changes.worlds import Pair
from qmtl.dsl.compile import Compiled, compile_world
from qmtl.engine.frame import Frame, build_frame, places
from qmtl.engine.state import orphans, remap
from qmtl.engine.tickview import policy_labels

ROOT = Path(__file__).resolve().parents[2]
DAY = "2025-10-28"  # the test day of the lab
WORLD = "worlds/us_core.yaml"
EDITS: dict[str, list[tuple[str, str, str]]] = {
    "a threshold": [(WORLD, "p_chop >= 0.50", "p_chop >= 0.60")],
    "caps and churn": [(WORLD, "max_symbol: 15%", "max_symbol: 10%"), (WORLD, "deadband: 2%", "deadband: 3%")],
    "the last pair of a symbol": [(WORLD, "COST: [bb_rsi_reversion]", "COST: []")],
    "one pair of several": [(WORLD, "XLE:  [zscore_reversion, bear_probability]", "XLE:  [bear_probability]")],
    "a pair more": [(WORLD, "COST: [bb_rsi_reversion]", "COST: [bb_rsi_reversion, roc_momentum]")],
    "everything is allowed": [(WORLD, "allowlist:\n", "allowlist: all\nignored:\n")],
    "a parameter of one symbol": [(WORLD, "NVDA: {width: 3.5}", "NVDA: {width: 3}")],
    "a parameter of all": [(WORLD, "default: {fast: 10, slow: 40}", "default: {fast: 11, slow: 40}")],
    "a strategy's definition": [("strategies/zscore_reversion.qmtl", "exit long  when z > -leave", "exit long  when z > leave")],
    "a feature that only the regime reads": [("strategies/features.qmtl", "value atr(14) / close", "value atr(15) / close")],
    "the regime": [("strategies/us_heuristic.qmtl", "regime us_heuristic {", "regime us_heuristic {\n  confidence 0.5\n")],
    "the cutover label": [(WORLD, "position_policy: {flat", "position_policy: {cutover: now, flat")],
    "a strategy leaves one of its chains": [(WORLD, "[roc_momentum, atr_ratchet, channel_breakout]", "[atr_ratchet, channel_breakout]")],
    "it leaves the other one": [(WORLD, "[roc_momentum, ema_cross_atr]", "[ema_cross_atr]")],
    "a strategy leaves its only chain": [(WORLD, "[zscore_reversion, bb_rsi_reversion]", "[bb_rsi_reversion]")],
    "a symbol leaves the universe": [(WORLD, "XLP, COST]", "XLP]"), (WORLD, "XLP: staples, COST: staples", "XLP: staples"), (WORLD, "  COST: [bb_rsi_reversion]\n", "")],
    "a new symbol, first": [(WORLD, "universe: [SPY", "universe: [DIA, SPY"), (WORLD, "  SPY:  [roc", "  DIA:  [roc_momentum]\n  SPY:  [roc")],
    "chains in another order": [(WORLD, "  - name: chop\n    when: p_chop >= 0.50\n    strategies: [zscore_reversion, bb_rsi_reversion]\n    exposure: 40%\n", ""), (WORLD, "chains:\n", "chains:\n  - name: chop\n    when: p_chop >= 0.50\n    strategies: [zscore_reversion, bb_rsi_reversion]\n    exposure: 40%\n")],
    "from single_best to weighted": [(WORLD, "method: single_best", "method: weighted")],
    "a chain says otherwise for a symbol": [(WORLD, "[roc_momentum, ema_cross_atr]\n", "[roc_momentum, ema_cross_atr]\n    overrides: {by_symbol: {QQQ: {strategies: [ema_cross_atr]}}}\n")],
}  # fmt: skip
#: edits of a world that is weighted before
WEIGHTED = {
    "back to single_best": [(WORLD, "method: weighted", "method: single_best")],
    "one of the mix": [(WORLD, "XLE:  [zscore_reversion, bear_probability]", "XLE:  [bear_probability]")],
    "a definition in the mix": [
        ("strategies/zscore_reversion.qmtl", "param enter: num = 1.5", "param enter: num = 1.4")
    ],
    "a threshold": [(WORLD, "p_chop >= 0.50", "p_chop >= 0.60")],
    "a strategy leaves the chains": [(WORLD, "[zscore_reversion, bb_rsi_reversion]", "[bb_rsi_reversion]")],
}


def compiled(home: Path, edits: list[tuple[str, str, str]]) -> Compiled:
    for name in ("worlds", "strategies"):
        shutil.copytree(ROOT / name, home / name, ignore=shutil.ignore_patterns("__pycache__", "cases"))
    for name, old, new in edits:
        text = (home / name).read_text()
        assert old in text, old
        (home / name).write_text(_all_allowed(text.replace(old, new, 1)))
    made = compile_world(home / WORLD)
    assert made.program is not None, [d.message for d in made.diagnostics if d.severity == "error"]
    return made


def _all_allowed(text: str) -> str:
    """`ignored:` is where an edit put an allowlist that it does not want."""
    head, found, rest = text.partition("ignored:\n")
    return head + rest.partition("\n\n")[2] if found else text


def claims(effects: tuple[Effect, ...], chain: str) -> dict[tuple[str, str], str]:
    """(owner or "", symbol) -> label, as far as it holds today in a chain."""
    return {
        (effect.owner, symbol): effect.label
        for effect in effects
        for symbol in effect.symbols
        if not effect.when.startswith("after") and (not effect.when or effect.when == f"in chain {chain}")
    }


def held_symbols(of: Frame, owner: str) -> list[str]:
    """What a position of this owner can be in: enabled pairs on the test day."""
    day = dt.date.fromisoformat(DAY).toordinal()
    open_pairs = of.allowed & (of.until >= day) & of.used
    columns = open_pairs.any(axis=0) if owner == MIX else open_pairs[of.strategy_index[owner]]
    return [symbol for symbol, column in of.index.items() if columns[column]]


def speaking(of: Frame, owner: str, chain: int) -> dict[str, Any]:
    """A row in which every symbol is in one chain and only the owner has a signal."""
    holds = np.zeros((len(of.exposure), 1))
    holds[chain] = 2
    signal = np.zeros((of.strategies, 1))
    if owner in of.strategy_index and owner != MIX:
        signal[of.strategy_index[owner]] = 1
    return {"when": holds, "stay": holds, "signal": signal, "stop": 50.0, "take": 500.0}


def compare(lab: Any, before: Compiled, after: Compiled) -> Iterator[tuple[str, str, str, str]]:
    """(owner, symbol, what diff says, what decide says) for every possible position in every chain."""
    assert before.program is not None
    assert after.program is not None
    effects = position_effects(Pair(before, after, (str, str)), DAY)
    old, new = build_frame(before.program), build_frame(after.program)
    weighted = before.program.settings.select.method == "weighted"
    for owner in (MIX,) if weighted else old.names.strategies:
        symbols = held_symbols(old, owner)
        lots = dict.fromkeys(symbols, 30)
        state = lab.holding(old, lots, lab.at("09:46"), owner)
        lost = set(orphans(state, old, new))
        now = lab.locked(remap(state, old, new))
        kept = {symbol: qty for symbol, qty in lots.items() if symbol in new.index}
        for number, chain in enumerate(new.names.chains):
            said = claims(effects, chain)
            row = speaking(new, owner, number)
            tick = lab.decide(new, lab.at("12:00"), now, lab.account(new, qty=kept), **row)
            labels = dict(zip(new.names.symbols, policy_labels(tick), strict=True))
            for symbol in symbols:
                claim = said.get((owner, symbol), said.get(("", symbol), "normal"))
                if symbol in lost:
                    yield owner, symbol, claim, REFUSED
                    continue
                column = new.index[symbol]
                label = labels[symbol]
                if claim == EXIT_ONLY:
                    label = EXIT_ONLY if label == "normal" and tick.select.exit_only[column] else label
                elif claim == "normal" and label == MISMATCH and not _speaks(new, owner, number, column):
                    continue  # the chain of the moment never named the owner: nothing that the edit did
                yield owner, symbol, claim, label


def _speaks(of: Frame, owner: str, chain: int, column: int) -> bool:
    """Whether the chain gives the symbol to this owner."""
    if owner not in of.strategy_index or owner == MIX:
        return True
    row = of.strategy_index[owner]
    if of.overridden is None:
        return bool(of.uses[row, chain])
    where = places(of, np.full(of.symbols, chain, dtype=np.int16))
    return bool(of.overridden.uses[row].take(where)[column])


def agree(lab: Any, before: Compiled, after: Compiled) -> set[str]:
    """The labels that were claimed and found; fails on the first that differs."""
    pairs = list(compare(lab, before, after))
    assert pairs
    assert [pair for pair in pairs if pair[2] != pair[3]] == []
    return {pair[2] for pair in pairs}


WANTED = {
    "the last pair of a symbol": UNWIND,
    "one pair of several": PRE_CUTOVER,
    "a parameter of one symbol": PRE_CUTOVER,
    "a parameter of all": PRE_CUTOVER,
    "a strategy's definition": PRE_CUTOVER,
    "the cutover label": PRE_CUTOVER,
    "a strategy leaves its only chain": PRE_CUTOVER,
    "a symbol leaves the universe": REFUSED,
    "a strategy leaves one of its chains": MISMATCH,
    "it leaves the other one": EXIT_ONLY,
    "a chain says otherwise for a symbol": EXIT_ONLY,
    "back to single_best": MISMATCH,
    "one of the mix": PRE_CUTOVER,
    "a definition in the mix": PRE_CUTOVER,
    "a strategy leaves the chains": PRE_CUTOVER,
}


@pytest.mark.parametrize("name", EDITS)
def test_the_label_that_diff_claims_is_the_one_that_decide_gives(lab: Any, tmp_path: Path, name: str) -> None:
    before, after = compiled(tmp_path / "before", []), compiled(tmp_path / "after", EDITS[name])
    found = agree(lab, before, after)
    assert (WANTED[name] in found) if name in WANTED else (found == {"normal"})


@pytest.mark.parametrize("name", WEIGHTED)
def test_the_same_for_positions_of_the_mix(lab: Any, tmp_path: Path, name: str) -> None:
    mixed = (WORLD, "method: single_best", "method: weighted")
    before = compiled(tmp_path / "before", [mixed])
    after = compiled(tmp_path / "after", [mixed, *WEIGHTED[name]])
    found = agree(lab, before, after)
    assert (WANTED[name] in found) if name in WANTED else (found == {"normal"})


def test_a_feature_that_a_strategy_reads(lab: Any, tmp_path: Path) -> None:
    reads = ("strategies/roc_momentum.qmtl", "quick > calm and quick >", "quick > calm and mom15 > 0% and quick >")
    moved = ("strategies/features.qmtl", "value roc(close, 16)", "value roc(close, 17)")
    before, after = compiled(tmp_path / "before", [reads]), compiled(tmp_path / "after", [reads, moved])
    assert agree(lab, before, after) == {"normal", PRE_CUTOVER}
    (effect,) = position_effects(Pair(before, after, (str, str)), DAY)
    assert (effect.owner, effect.because) == ("roc_momentum", "its definition, or a feature it reads, changed")


def rows(spy_until: str) -> str:
    return f"""\
allowlist: us
rows:
  - {{symbol: SPY, strategy: roc_momentum, until: "{spy_until}"}}
  - {{symbol: QQQ, strategy: roc_momentum}}
  - {{symbol: QQQ, strategy: zscore_reversion, until: "2025-10-27"}}
"""


@pytest.mark.parametrize(
    ("day", "label"), [("2025-10-27", UNWIND), ("2025-10-28", PRE_CUTOVER), ("2026-01-01", PRE_CUTOVER)]
)
def test_a_last_day_that_moves(lab: Any, tmp_path: Path, day: str, label: str) -> None:
    sides = []
    for name, until in (("before", "2026-12-31"), ("after", day)):
        home = tmp_path / name
        shutil.copytree(ROOT / "strategies", home / "strategies", ignore=shutil.ignore_patterns("__pycache__"))
        text = (ROOT / WORLD).read_text()
        start, end = text.index("allowlist:\n"), text.index("# Parameters of")
        (home / "worlds").mkdir()
        (home / "worlds/us_core.yaml").write_text(
            (text[:start] + "allowlist: us\n" + text[end:]).replace("exchange: alpaca_us_equity\n", "")
        )
        (home / "worlds/allow.yaml").write_text(rows(until))
        made = compile_world(home / "worlds/us_core.yaml")
        assert made.program is not None, [d.message for d in made.diagnostics]
        sides.append(made)
    assert label in agree(lab, sides[0], sides[1])
    effects = position_effects(Pair(sides[0], sides[1], (str, str)), DAY)
    later = [effect for effect in effects if effect.when.startswith("after")]
    assert [(e.symbols, e.label, e.when) for e in later] == (
        [] if label == UNWIND else [(("SPY",), UNWIND, f"after {day}")]
    )
