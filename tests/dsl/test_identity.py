"""R55: ids are hashes of meaning. Layout, comments, order of maps and paths change none; an edit freezes only its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qmtl.dsl.codec import ProgramFormatError, program_from_json, program_to_json
from qmtl.dsl.compile import compile_world
from qmtl.dsl.program import Program

STRATEGIES = """\
# two strategies
strategy alpha {
  doc "first"
  style trend
  param n: bars = 10 in 3..60
  param spare: num = 1
  fast = sma(close, n)
  slow = sma(close, 50) + close * 0
  long when fast > slow and gap > 0 and p_chop < 0.5
  size 50%
  stop 2 * atr(14)
}
strategy beta {
  style chop
  long when close < sma(close, 20)
  size 1
}
feature gap { value close / close[1] - 1 }
"""
WORLD = """\
version: 1
world: w
calendar: XNYS
universe: [SPY, QQQ, AAPL]
bars: [15m, 60m]
sectors: {SPY: index, QQQ: index}
chains:
  - {name: trend, when: p_trend_up >= 0.55, strategies: [alpha, beta], exposure: 90%}
  - {name: chop, when: p_chop >= 0.5, strategies: [beta], exposure: 40%}
  - {name: neutral, otherwise: true, strategies: [alpha], exposure: 65%}
allowlist: {SPY: [alpha, beta], QQQ: [alpha], AAPL: [beta]}
parameters: {alpha: {default: {n: 12}, by_symbol: {QQQ: {n: 20}}}}
churn_guard: {min_target: 3%, deadband: 2%}
risk: {daily_loss: -2%}
"""


def build(folder: Path, world: str = WORLD, strategies: str = STRATEGIES, name: str = "w.yaml") -> Program:
    (folder / "strategies").mkdir(parents=True, exist_ok=True)
    (folder / "strategies" / "own.qmtl").write_text(strategies, encoding="utf-8")
    (folder / name).write_text(world, encoding="utf-8")
    compiled = compile_world(folder / name)
    assert compiled.program is not None, compiled.diagnostics
    return compiled.program


@pytest.fixture
def base(tmp_path: Path) -> Program:
    return build(tmp_path / "base")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version: 1", "# a comment\nversion: 1"),
        ("sectors: {SPY: index, QQQ: index}", "sectors:\n  QQQ: index\n  SPY: index"),
        (
            "allowlist: {SPY: [alpha, beta], QQQ: [alpha], AAPL: [beta]}",
            "allowlist: {AAPL: [beta], QQQ: [alpha], SPY: [beta, alpha]}",
        ),
        ("p_trend_up >= 0.55", "(p_trend_up  >=  55%)"),
        ("bars: [15m, 60m]", "bars: [60m, 15m]"),
        ("world: w\ncalendar: XNYS", "calendar: XNYS\nworld: w"),
        ("world: w", "world: w\ndescription: something else"),
    ],
)
def test_layout_changes_no_id(base: Program, tmp_path: Path, old: str, new: str) -> None:
    assert old in WORLD
    again = build(tmp_path / "other", WORLD.replace(old, new))
    assert again.program_id == base.program_id
    assert again == base


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# two strategies\n", ""),
        ('  doc "first"\n', '  doc "better"\n'),
        (
            "fast = sma(close, n)\n  slow = sma(close, 50) + close * 0",
            "slow = (sma(close, 50) + close*0)\n  quick = sma(close, n)",
        ),
        ("  size 50%\n  stop 2 * atr(14)", "  stop 2 * atr(14)\n  size 5000bps"),
    ],
)
def test_layout_of_strategies_changes_no_id(base: Program, tmp_path: Path, old: str, new: str) -> None:
    assert old in STRATEGIES
    text = STRATEGIES.replace(old, new)
    if "quick" in new:
        text = text.replace("when fast", "when quick")
    again = build(tmp_path / "other", strategies=text)
    assert again.program_id == base.program_id


def test_paths_and_surface_change_no_id(base: Program, tmp_path: Path) -> None:
    block = """\
world w {
  calendar XNYS; universe SPY, QQQ, AAPL; bars 15m, 60m; sectors { SPY: index; QQQ: index }
  chain trend when p_trend_up >= 0.55 { use alpha, beta; exposure 90% }
  chain chop when p_chop >= 0.5 { use beta; exposure 40% }
  otherwise neutral { use alpha; exposure 65% }
  allow SPY: alpha, beta
  allow QQQ: alpha
  allow AAPL: beta
  parameters { alpha { default { n 12 }; by_symbol { QQQ { n 20 } } } }
  churn_guard { min_target 3%; deadband 2% }
  risk { daily_loss -2% }
}
"""
    assert build(tmp_path / "a" / "b" / "c", block, name="x.qmtl").program_id == base.program_id


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("deadband: 2%", "deadband: 1%"),
        ("daily_loss: -2%", "daily_loss: -3%"),
        ("p_chop >= 0.5", "p_chop >= 0.4"),
        ("exposure: 40%", "exposure: 30%"),
        ("SPY: index, QQQ", "SPY: index, AAPL: technology, QQQ"),
        ("world: w", "world: w\nregime: {neutral_after: 9}"),
        ("world: w", "world: w\nhysteresis: 0.1"),
    ],
)
def test_an_edit_elsewhere_freezes_nothing(base: Program, tmp_path: Path, old: str, new: str) -> None:
    assert old in WORLD
    edited = build(tmp_path / "other", WORLD.replace(old, new))
    assert edited.program_id != base.program_id
    assert edited.generations == base.generations


def test_the_order_of_chains_matters(base: Program, tmp_path: Path) -> None:
    first, second = WORLD.splitlines()[7:9]
    swapped = WORLD.replace(f"{first}\n{second}", f"{second}\n{first}")
    assert build(tmp_path / "other", swapped).program_id != base.program_id


def changed(base: Program, edited: Program) -> set[tuple[str, str]]:
    """(strategy, symbol) pairs with another generation."""
    before, after = by_name(base), by_name(edited)
    return {pair for pair in before if before[pair] != after[pair]}


def by_name(program: Program) -> dict[tuple[str, str], str]:
    return {
        (strategy.name, symbol): generation
        for strategy, row in zip(program.strategies, program.generations, strict=True)
        for symbol, generation in zip(program.settings.universe, row, strict=True)
    }


ALPHA = {("alpha", s) for s in ("SPY", "QQQ", "AAPL")}


@pytest.mark.parametrize(
    ("old", "new", "frozen"),
    [
        ("QQQ: {n: 20}", "QQQ: {n: 25}", {("alpha", "QQQ")}),
        ("default: {n: 12}", "default: {n: 13}", {("alpha", "SPY"), ("alpha", "AAPL")}),
        ("QQQ: {n: 20}", "QQQ: {n: 20, spare: 2}", set()),
        ("QQQ: [alpha]", "QQQ: []", {("alpha", "QQQ")}),
        ("world: w", "world: w\nposition_policy: {cutover: x}", ALPHA | {("beta", s) for s in ("SPY", "QQQ", "AAPL")}),
    ],
)
def test_an_edit_of_a_world_freezes_its_own(
    base: Program, tmp_path: Path, old: str, new: str, frozen: set[tuple[str, str]]
) -> None:
    assert old in WORLD
    assert changed(base, build(tmp_path / "other", WORLD.replace(old, new))) == frozen


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sma(close, 50)", "sma(close, 60)"),
        ("size 50%", "size 60%"),
        ("stop 2 * atr(14)", "stop 3 * atr(14)"),
        ("close / close[1] - 1", "close / close[2] - 1"),  # a feature that alpha reads
    ],
)
def test_an_edit_of_a_strategy_freezes_its_own(base: Program, tmp_path: Path, old: str, new: str) -> None:
    assert old in STRATEGIES
    assert changed(base, build(tmp_path / "other", strategies=STRATEGIES.replace(old, new))) == ALPHA


def test_equal_parameters_are_equal_generations(base: Program) -> None:
    pairs = by_name(base)
    assert pairs["beta", "SPY"] == pairs["beta", "AAPL"]
    assert pairs["alpha", "SPY"] != pairs["alpha", "QQQ"]
    assert len({len(g) for g in pairs.values()}) == 1


def test_a_program_survives_the_journal(base: Program) -> None:
    data = program_to_json(base)
    assert program_from_json(data) == base
    assert program_to_json(program_from_json(data)) == data
    assert b"own.qmtl" not in data


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b'{"format": "qmtl.program.v2"}', b'{"format": "qmtl.program.v1"}']
)
def test_what_is_no_program_is_refused(data: bytes) -> None:
    with pytest.raises(ProgramFormatError):
        program_from_json(data)


def test_a_wrong_field_is_refused(base: Program) -> None:
    value = json.loads(program_to_json(base))
    value["nodes"][0]["kind"] = "text"
    with pytest.raises(ProgramFormatError):
        program_from_json(json.dumps(value).encode())
    value["nodes"][0]["kind"] = "num"
    value["surplus"] = 1
    with pytest.raises(ProgramFormatError):
        program_from_json(json.dumps(value).encode())
