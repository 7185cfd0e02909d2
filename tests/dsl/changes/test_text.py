"""What people read: the text of typical edits of the shipped world, word by word, and its JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qmtl.dsl.changes.change import Change, Difference
from qmtl.dsl.changes.compare import differences
from qmtl.dsl.changes.describe import NO_CHANGE, as_json, describe
from qmtl.dsl.changes.side import Origin, Side, new_warnings, read_side

Golden = Callable[[str, str], None]
WORLD = "worlds/us_core.yaml"
DAY = "2026-06-01"
CASES = """\
case: churn guard
world: us_core
at: 2026-01-06T10:30-05:00
bars: {SPY: 500}
cases:
  - name: a small drift stays inside the deadband
    positions: {SPY: 14%}
    expect: {orders: []}
  - name: nothing
    expect: {orders: []}
"""
EDITS: dict[str, list[tuple[str, str, str]]] = {
    "thresholds": [
        (WORLD, "p_trend_up >= 0.55 and p_trend_down < 0.40", "p_trend_up >= 0.60 and p_trend_down < 0.40"),
        (WORLD, "p_chop >= 0.50", "p_chop >= 0.45 and p_high_vol < 0.50"),
        (WORLD, "hysteresis: 0.07", "hysteresis: 0.05"),
    ],
    "pairs": [
        (WORLD, "XLE:  [zscore_reversion, bear_probability]", "XLE:  []"),
        (WORLD, "COST: [bb_rsi_reversion]", "COST: [bb_rsi_reversion, roc_momentum]"),
        (WORLD, "TSLA: [roc_momentum, channel_breakout]", "TSLA: [channel_breakout]"),
        ("worlds/allowlists/tail_hedge.yaml", 'until: "2030-12-31"', 'until: "2026-11-30"'),
        ("worlds/allowlists/tail_hedge.yaml", "enabled: false", "enabled: true"),
        ("worlds/allowlists/tail_hedge.yaml", "bear_probability, reason: utilities", "bear_probability, enabled: false, reason: utilities"),
    ],
    "parameters": [
        (WORLD, "default: {fast: 10, slow: 40}", "default: {fast: 12, slow: 40}"),
        (WORLD, "threshold: 1%}", "threshold: 2%}"),
        (WORLD, "NVDA: {width: 3.5}", "NVDA: {}"),
        ("strategies/bb_rsi_reversion.qmtl", "param width: num = 2 in", "param width: num = 2.5 in"),
    ],
    "caps_and_churn": [
        (WORLD, "churn_guard: {min_target: 2.2%, deadband: 2%", "churn_guard: {min_target: 3%, deadband: 1.5%"),
        (WORLD, "  max_sector: 20%\n", ""),
        (WORLD, "max_symbol: 15%", "max_symbol: 12%"),
        (WORLD, "max_total: 60%", "max_total: 50%"),
        (WORLD, "open_delay: 15m", "open_delay: 30m"),
        (WORLD, "capital: 60%", "capital: 50%"),
        ("worlds/exchanges/alpaca_us_equity.yaml", "shorting: true", "shorting: false"),
    ],
    "chains": [
        (WORLD, "name: neutral", "name: rest"),
        (WORLD, "strategies: [roc_momentum, atr_ratchet, channel_breakout]", "strategies: [channel_breakout, atr_ratchet, ema_cross_atr]"),
        (WORLD, "  - name: chop\n    when: p_chop >= 0.50\n    strategies: [zscore_reversion, bb_rsi_reversion]\n    exposure: 40%\n", ""),
        (WORLD, "chains:\n", "chains:\n  - name: calm\n    when: p_chop >= 0.70\n    strategies: [zscore_reversion, bb_rsi_reversion]\n    exposure: 50%\n"),
    ],
    "guards": [
        (WORLD, "when: vix.close > 20, on_missing: block", "when: vix.close > 25, on_missing: false"),
        (WORLD, "entry_guards:\n", "entry_guards:\n  - {name: crash, block: entries, when: ret_8 < -4%, on_missing: block}\n"),
    ],
    "definitions": [
        ("strategies/zscore_reversion.qmtl", "long  when z < -enter and calm", "long  when z < -enter and calm and mom15 > -5%"),
        ("strategies/zscore_reversion.qmtl", "z      = zscore(close, window)", "z      = zscore(close, window) * 2"),
        ("strategies/zscore_reversion.qmtl", "stop  2 * atr(14)@60m", "take  2 * atr(14)@60m"),
        ("strategies/zscore_reversion.qmtl", "  param busy: num = 1.2 in 0.5..5\n", ""),
        ("strategies/zscore_reversion.qmtl", "crowd < busy", "crowd < 1.2"),
        ("strategies/features.qmtl", "value stdev(ret_1, 20)", "value stdev(ret_1, 26)"),
        ("strategies/us_heuristic.qmtl", "regime us_heuristic {", "regime us_heuristic {\n  confidence 0.5\n"),
    ],
    "universe": [
        (WORLD, "universe: [SPY, QQQ,", "universe: [DIA, SPY, QQQ,"),
        (WORLD, "XLP, COST]", "XLP]"),
        (WORLD, "XLP: staples, COST: staples", "XLP: consumer"),
        (WORLD, "  COST: [bb_rsi_reversion]\n", "  DIA:  [roc_momentum]\n"),
        (WORLD, "position_policy: {flat: 0.3%", "position_policy: {cutover: june, flat: 0.3%"),
    ],
    "router_shadow_and_risk": [
        ("strategies/us_heuristic.qmtl", "regime us_heuristic {", "regime second {\n  score trend_up 20 * ret_8\n  score trend_down 0\n  score chop 0.2\n  high_vol 0.1\n}\n\nregime us_heuristic {"),
        (WORLD, "regime: {source: heuristic,", "regime: {source: shadow, shadow: second,"),
        (WORLD, "select: {method", "select: {alphas: {roc_momentum: {p_trend_up: 0.1, p_chop: -0.2}}, method"),
        (WORLD, "  daily_loss: -2%\n", "  daily_loss: -2%\n  trading: halted\n  on_kill: flatten\n"),
    ],
    "documents": [
        ("demo.yaml", "seed: 7", "seed: 11"),
        ("demo.yaml", "clock: {kind: replay, interval: 60s", "clock: {kind: replay, interval: 5m"),
        ("demo.yaml", "cash: 100_000 USD", "cash: 250_000 USD"),
        ("prod.yaml", "description:", "description: more"),
        ("worlds/plans/shift_to_tail.yaml", "after: {us_core: 50%, tail_hedge: 20%}", "after: {us_core: 45%, tail_hedge: 2000bps}"),
        ("worlds/plans/shift_to_tail.yaml", "submit: false\n", ""),  # the default
        ("worlds/plans/shift_to_tail.yaml", "run_id: shift-2026-01", "run_id: shift-2026-02"),
        ("worlds/case.yaml", "positions: {SPY: 14%}", "positions: {SPY: 13%}"),
        ("worlds/case.yaml", "  - name: nothing", "  - name: nothing at all"),
    ],
}  # fmt: skip


@pytest.fixture
def said(tmp_path: Path, root: Path) -> Callable[[list[tuple[str, str, str]]], tuple[Difference, ...]]:
    """The differences that edits make, with places as a revision would have them."""
    import shutil

    def make(made: list[tuple[str, str, str]]) -> tuple[Difference, ...]:
        sides = []
        for label in ("before", "after"):
            home = (tmp_path / label).resolve()
            for name in ("worlds", "strategies"):
                shutil.copytree(root / name, home / name, ignore=shutil.ignore_patterns("__pycache__", "cases"))
            for name in ("demo.yaml", "prod.yaml"):
                shutil.copy(root / name, home / name)
            (home / "worlds/case.yaml").write_text(CASES)
            for name, old, new in made if label == "after" else ():
                text = (home / name).read_text()
                assert old in text, old
                (home / name).write_text(text.replace(old, new, 1))
            paths = (home / "worlds", home / "demo.yaml", home / "prod.yaml")
            side = read_side(paths, Origin(label, home, lack=True))
            assert not side.broken, [d.message for d in side.diagnostics if d.severity == "error"]
            sides.append(side)
        return differences(sides[0], sides[1], DAY)

    return make


@pytest.mark.parametrize("name", EDITS)
def test_the_text_of_an_edit(name: str, said: Any, golden: Golden) -> None:
    golden(f"diff/{name}.txt", describe(said(EDITS[name])))


def test_worlds_and_documents_that_come_and_go(tmp_path: Path, root: Path) -> None:
    import shutil

    home = tmp_path.resolve()
    for name in ("worlds", "strategies"):
        shutil.copytree(root / name, home / name, ignore=shutil.ignore_patterns("__pycache__", "cases"))
    before = read_side((home / WORLD, home / "worlds/tail_hedge.qmtl"), Origin("a", home))
    (home / "worlds/case.yaml").write_text(
        "case: a rule\nworld: us_core\nat: 2026-01-06T15:30-05:00\nbars: {SPY: 500}\nexpect: {orders: []}\n"
    )
    after = read_side((home / WORLD, home / "worlds/case.yaml"), Origin("b", home))
    assert not after.broken, [d.message for d in after.diagnostics]
    text = describe(differences(before, after, DAY))
    assert "- world tail_hedge: 2 symbols, 3 chains  a:worlds/tail_hedge.qmtl:4" in text
    assert "GDX, XLU: the edit is refused while a position is held (the world is gone)" in text
    assert "+ case a rule: 5 keys  b:worlds/case.yaml:1" in text


def test_no_change_is_one_line_and_nothing_else(said: Any) -> None:
    assert describe(said([])) == f"{NO_CHANGE}\n" == "no change in meaning\n"
    assert json.loads(as_json(())) == {"changed": False, "documents": [], "warnings": []}


def test_json_has_paths_places_and_effects(said: Any) -> None:
    found = json.loads(as_json(said(EDITS["pairs"])))
    assert found["changed"]
    documents = {one["name"]: one for one in found["documents"]}
    assert set(documents) == {"us_core", "tail_hedge"}
    assert documents["us_core"]["changes"][0] == {
        "path": "allowlist.TSLA.roc_momentum",
        "sign": "removed",
        "what": "allowlist TSLA",
        "before": "roc_momentum",
        "after": "",
        "before_at": "before:worlds/us_core.yaml:68",
        "after_at": "",
    }
    labels = {(tuple(e["symbols"]), e["label"]) for e in documents["us_core"]["effects"]}
    assert (("XLE",), "unwind_only/disabled_symbol") in labels


def test_text_of_files_cannot_steer_a_terminal() -> None:
    bad = "a\x1b[31mb"
    text = describe([Difference("world", bad, (Change("p", "changed", bad, bad, bad, bad, bad),))])
    assert "\x1b" not in text


OVERRIDES = """\
    overrides:
      by_symbol: {QQQ: {strategies: [ema_cross_atr], exposure: 80%}}
      by_sector: {energy: {exposure: 70%}}
"""
NEUTRAL = "[roc_momentum, ema_cross_atr]\n"


def test_an_override_is_called_by_whose_it_is(said: Any) -> None:
    text = describe(said([(WORLD, NEUTRAL, NEUTRAL + OVERRIDES)]))
    assert "+ chain neutral, override of sector energy: exposure 70%" in text
    assert "+ chain neutral, override of QQQ: strategies ema_cross_atr, exposure 80%" in text


def test_what_an_override_does_not_say_any_more_is_said_further_out(tmp_path: Path, root: Path) -> None:
    first = OVERRIDES.replace("strategies: [ema_cross_atr], ", "")
    found = sides_of(tmp_path, root, (NEUTRAL + OVERRIDES, NEUTRAL + first))
    text = describe(differences(*found, DAY))
    assert "~ chain neutral, strategies of QQQ: ema_cross_atr -> as its sector or the chain says" in text
    assert "none" not in text
    back = describe(differences(*reversed(found), DAY))
    assert "~ chain neutral, strategies of QQQ: as its sector or the chain says -> ema_cross_atr" in back


def test_a_new_chain_says_whose_its_overrides_are(tmp_path: Path, root: Path) -> None:
    chain = "  - name: calm\n    when: p_chop >= 0.70\n    strategies: [roc_momentum]\n    exposure: 50%\n" + OVERRIDES
    found = sides_of(tmp_path, root, ("chains:\n", "chains:\n" + chain), "chains:\n")
    text = describe(differences(*found, DAY))
    assert (
        "exposure 50%, overrides of sector energy (exposure 70%), of QQQ (strategies ema_cross_atr, exposure 80%)"
        in text
    )


CHILD = "version: 1\nworld: us_calm\nextends: us_core\ncapital: 10%\nrisk: {max_symbol: 9%}\n"


def sides_of(folder: Path, root: Path, texts: tuple[str, str], old: str = NEUTRAL) -> tuple[Side, Side]:
    """Two homes in which a text of us_core is replaced; beside it a world that extends it."""
    import shutil

    found = []
    for label, text in zip(("before", "after"), texts, strict=True):
        home = (folder / label).resolve()
        for name in ("worlds", "strategies"):
            shutil.copytree(root / name, home / name, ignore=shutil.ignore_patterns("__pycache__", "cases"))
        world = home / WORLD
        world.write_text(world.read_text().replace(old, text, 1))
        (home / "worlds/us_calm.yaml").write_text(CHILD)
        side = read_side((home / "worlds",), Origin(label, home, lack=True))
        assert not side.broken, [d.message for d in side.diagnostics if d.severity == "error"]
        found.append(side)
    return found[0], found[1]


def test_lines_that_worlds_share_are_printed_once_with_the_names_of_all(tmp_path: Path, root: Path) -> None:
    old = "  max_symbol: 15%\n  max_sector: 20%\n"
    new = "  max_symbol: 12%\n  max_sector: 18%\n"
    found = differences(*sides_of(tmp_path, root, (old, new), old), DAY)
    assert {one.name for one in found} == {"us_core", "us_calm"}
    text = describe(found)
    shared, own = text.split("\n\n")
    assert shared.splitlines()[0] in ("worlds us_calm, us_core", "worlds us_core, us_calm")
    assert own.splitlines()[0] == "world us_core"  # the other world says its own
    assert text.count("max_sector: 20% -> 18%") == 1
    assert text.count("(cap x 1.05) are trimmed to 18%") == 1
    assert "max_sector" not in own
    assert "~ risk.max_symbol: 15% -> 12%" in own
    assert [len(one["changes"]) for one in json.loads(as_json(found))["documents"]] in ([2, 1], [1, 2])


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_places_that_do_not_fit_beside_a_change_stand_below_it(said: Any, columns: int) -> None:
    found = said(EDITS["caps_and_churn"])
    wide, narrow = describe(found), describe(found, columns=columns)
    assert " ".join(wide.split()) == " ".join(narrow.split())
    assert max(map(len, narrow.splitlines())) <= columns
    place = "before:worlds/us_core.yaml:110 -> after:worlds/us_core.yaml:109"
    assert f"  ~ risk.max_total: 60% -> 50%{'  ' if columns == 100 else chr(10) + ' ' * 6}" in narrow
    assert (place in narrow) == (columns > 60)


def test_warnings_that_were_not_there_before_are_new(tmp_path: Path, root: Path) -> None:
    stop = "position_stop: 5%\n"
    sides = sides_of(tmp_path, root, (stop, "position_stop: 0%\n"), stop)
    (fresh,) = [d for d in new_warnings(*sides) if d.span and d.span.source.name.endswith("us_core.yaml")][:1]
    assert fresh.severity == "warning"
    assert fresh.span is not None
    assert "position_stop" in fresh.span.source.line(fresh.span.source.position(fresh.span.start)[0])
    assert new_warnings(sides[1], sides[0]) == ()
    assert new_warnings(sides[1], sides[1]) == ()
    found = json.loads(as_json(differences(*sides, DAY), new_warnings(*sides)))
    assert found["warnings"][0]["code"] == new_warnings(*sides)[0].code


def test_colours_are_for_terminals_only() -> None:
    one = Difference(
        "world", "w", (Change("p", "removed", "p", "1", "", "f:1"), Change("q", "added", "q", "", "2", "", "f:2"))
    )
    assert "\x1b[31m  - p: 1" in describe([one], color=True)
    assert "\x1b[32m  + q: 2" in describe([one], color=True)
    assert "\x1b" not in describe([one])
