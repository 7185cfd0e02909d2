"""One mistake is one message: typical slips in the shipped world, and in a strategy beside it, each answered once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from qmtl.dsl.compile import validate
from qmtl.dsl.report.text import render_text

ROOT = Path(__file__).resolve().parents[2]
WORLD = (ROOT / "worlds/us_core.yaml").read_text(encoding="utf-8")
ROC = (ROOT / "strategies/roc_momentum.qmtl").read_text(encoding="utf-8")

#: name of the slip -> (what is replaced, by what, the code of the only message)
IN_THE_WORLD = {
    "a misspelt key": ("deadband: 2%", "deadbnd: 2%", "Q0201"),
    "a misspelt required key": ("calendar: XNYS", "calender: XNYS", "Q0201"),
    "a misspelt section": ("churn_guard:", "churn_gaurd:", "Q0201"),
    "a misspelt section that is required": ("universe:", "univers:", "Q0201"),
    "a misspelt list of chains": ("chains:", "chain:", "Q0201"),
    "a misspelt allowlist": ("allowlist:", "allow_list:", "Q0201"),
    "a misspelt key of a chain": ("    when: p_chop >= 0.50", "    wehn: p_chop >= 0.50", "Q0201"),
    "a misspelt list of a chain": ("strategies: [bear_probability]", "strategy: [bear_probability]", "Q0201"),
    "by_symbol under another name": ("    by_symbol:\n      TSLA", "    symbol_overrides:\n      TSLA", "Q0201"),
    "a missing colon": ("capital: 60%", "capital 60%", "Q0105"),
    "a colon without a blank": ("calendar: XNYS", "calendar:XNYS", "Q0105"),
    "an unclosed quote": ("calendar: XNYS", 'calendar: "XNYS', "Q0105"),
    "an unclosed bracket": ("[zscore_reversion, bb_rsi_reversion]", "[zscore_reversion, bb_rsi_reversion", "Q0105"),
    "an unclosed brace": ("only_when_flat: true}", "only_when_flat: true", "Q0105"),
    "a tab as indentation": ("  daily_loss: -2%", "\tdaily_loss: -2%", "Q0105"),
    "an indentation of one blank too many": ("  weekly_loss: -5%", "   weekly_loss: -5%", "Q0105"),
    "a duplicate key": ("deadband: 2%", "deadband: 2%, deadband: 3%", "Q0106"),
    "a duplicate section": ("capital: 60%", "capital: 60%\nhysteresis: 0.07", "Q0106"),
    "an alias": ("capital: 60%", "capital: *share", "Q0107"),
    "a second document": ("capital: 60%", "---\ncapital: 60%", "Q0108"),
    "an empty value": ("capital: 60%", "capital:", "Q0203"),
    "a word for a list": ("bars: [15m, 60m]", "bars: 15m", "Q0203"),
    "a list for a map": ("freshness: {stale_15m_bars: 2, stale_60m_bars: 1, regular_hours_only: true}", "freshness: [2, 1, true]", "Q0203"),
    "a word for a number": ("hysteresis: 0.07", "hysteresis: low", "Q0203"),
    "yes for true": ("only_when_flat: true", "only_when_flat: yes", "Q0203"),
    "an unknown choice": ("method: single_best", "method: single_bset", "Q0204"),
    "a positive loss limit": ("daily_loss: -2%", "daily_loss: 2%", "Q0205"),
    "a share above one": ("max_symbol: 15%", "max_symbol: 150%", "Q0205"),
    "a missing unit": ("min_hold: 60m", "min_hold: 60", "Q0206"),
    "a wrong unit": ("min_hold: 60m", "min_hold: 60%", "Q0206"),
    "a missing percent sign": ("deadband: 2%", "deadband: 2", "Q0206"),
    "a misspelt kind": ("world: us_core", "wrld: us_core", "Q0207"),
    "an empty list of strategies": ("[bear_probability]\n    exposure", "[]\n    exposure", "Q0208"),
    "two conditions side by side": ("p_trend_up >= 0.55 and p_trend_down", "p_trend_up >= 0.55 p_trend_down", "Q0301"),
    "a condition that breaks off": ("when: p_chop >= 0.50", "when: p_chop >=", "Q0301"),
    "an open parenthesis": ("when: p_chop >= 0.50", "when: (p_chop >= 0.50", "Q0301"),
    "one equals sign": ("when: p_chop >= 0.50", "when: p_chop = 0.50", "Q0301"),
    "an operator of another language": ("p_trend_up >= 0.55 and", "p_trend_up >= 0.55 &&", "Q0302"),
    "a chained comparison": ("when: p_chop >= 0.50", "when: 0.50 <= p_chop <= 0.90", "Q0303"),
    "a number for a condition": ("when: p_chop >= 0.50", "when: p_chop", "Q0406"),
    "a type error": ("when: vix.close > 20", "when: vix.close > 30m", "Q0410"),
    "a parameter out of its range": ("default: {fast: 10, slow: 40}", "default: {fast: 10, slow: 400}", "Q0411"),
    "an unknown name, three times": ("p_trend_down", "p_trend_dwn", "Q0501"),
    "an unknown function": ("when: vix.close > 20", 'when: "smaa(vix.close, 5) > 20"', "Q0502"),
    "a comma inside a flow map": ("when: vix.close > 20,", "when: sma(vix.close, 5) > 20,", "Q0301"),
    "two commas inside a flow map": ("when: vix.close > 20,", "when: clip(vix.close, 5, 9) > 20,", "Q0301"),
    "brackets inside a flow map": ("when: vix.close > 20,", "when: vix.close[1] > 20,", "Q0105"),
    "an unknown strategy, many times": ("zscore_reversion", "zscore_reversal", "Q0503"),
    "an unknown parameter": ("NVDA: {width: 3.5}", "NVDA: {widht: 3.5}", "Q0504"),
    "a misspelt symbol of the allowlist": ("  COST: [bb_rsi_reversion]", "  COTS: [bb_rsi_reversion]", "Q0505"),
    "an unknown exchange": ("exchange: alpaca_us_equity", "exchange: alpaca_us_equty", "Q0506"),
    "an unknown heuristic": ("heuristic: us_heuristic", "heuristic: us_heuristc", "Q0501"),
    "the same chain name twice": ("name: chop", "name: trend", "Q0507"),
    "no otherwise": ("    otherwise: true\n", "    when: p_chop < 0.50\n", "Q0601"),
    "otherwise left out": ("    otherwise: true\n", "", "Q0601"),
    "a condition that hysteresis cannot loosen": ("when: p_chop >= 0.50", "when: p_chop == 0.50", "Q0602"),
    "a symbol listed twice": ("universe: [SPY, QQQ,", "universe: [SPY, QQQ, SPY,", "Q0606"),
}  # fmt: skip

IN_A_STRATEGY = {
    "a misspelt local name": ("calm  =", "clam  =", "Q0501"),
    "a misspelt function": ("quick = sma(", "quick = smaa(", "Q0502"),
    "a misspelt statement": ("long  when", "lnog  when", "Q0301"),
    "a misspelt block": ("on 60m {", "om 60m {", "Q0301"),
    "a block that is not closed": ("slow), 5)\n  }\n", "slow), 5)\n", "Q0301"),
    "a definition that is not closed": ("  take  2.5 * atr(14)@60m\n}\n", "  take  2.5 * atr(14)@60m\n", "Q0301"),
    "a brace too many": ("slow), 5)\n  }\n", "slow), 5)\n  }}\n", "Q0301"),
    "a value that breaks off": ("quick = sma(roc(close, fast), 5)", "quick = sma(roc(close, fast),", "Q0301"),
    "a line without a formula": ("quick = sma(roc(close, fast), 5)", "quick =", "Q0301"),
    "a missing parenthesis": ("calm  = sma(roc(close, slow), 5)", "calm  = sma(roc(close, slow), 5", "Q0301"),
    "a missing argument": ("sma(roc(close, fast), 5)", "sma(roc(close, fast))", "Q0403"),
    "a parameter without a type": ("param fast: bars = 10", "param fast = 10", "Q0301"),
    "a default outside its range": ("= 10 in 3..60", "= 100 in 3..60", "Q0411"),
    "a statement that stands twice": ("  size  clip", "  size  100%\n  size  clip", "Q0304"),
    "a style that does not exist": ("style trend", "style trendy", "Q0204"),
    "a bare number for a ratio": ("quick > threshold", "quick > 2", "Q0402"),
}  # fmt: skip


def answer(folder: Path) -> tuple[list[str], str]:
    found = validate([str(folder / "worlds/us_core.yaml")]).diagnostics
    return [d.code for d in found], render_text(found)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the shipped exchange, to which the world and its strategies are added."""
    monkeypatch.chdir(tmp_path)
    exchanges = tmp_path / "worlds/exchanges"
    exchanges.mkdir(parents=True)
    for file in (ROOT / "worlds/exchanges").iterdir():
        (exchanges / file.name).write_bytes(file.read_bytes())
    return tmp_path


def write(folder: Path, world: str, strategy: str = "") -> None:
    (folder / "worlds/us_core.yaml").write_text(world, encoding="utf-8")
    if strategy:
        (folder / "strategies").mkdir()
        (folder / "strategies/roc_momentum.qmtl").write_text(strategy, encoding="utf-8")


def test_the_shipped_world_itself_is_well(shipped: Path) -> None:
    write(shipped, WORLD, ROC)
    assert answer(shipped) == ([], "")


@pytest.mark.parametrize("slip", IN_THE_WORLD)
def test_one_slip_in_a_world_is_one_message(slip: str, shipped: Path) -> None:
    before, after, code = IN_THE_WORLD[slip]
    assert before in WORLD, "the shipped world changed: choose another place"
    write(shipped, WORLD.replace(before, after) if "times" in slip else WORLD.replace(before, after, 1))
    codes, shown = answer(shipped)
    assert codes == [code], shown


@pytest.mark.parametrize("slip", IN_A_STRATEGY)
def test_one_slip_in_a_strategy_is_one_message(slip: str, shipped: Path) -> None:
    before, after, code = IN_A_STRATEGY[slip]
    assert before in ROC, "the shipped strategy changed: choose another place"
    write(shipped, WORLD, ROC.replace(before, after, 1))
    codes, shown = answer(shipped)
    assert codes == [code], shown


def test_a_name_used_three_times_is_pointed_at_once(shipped: Path) -> None:
    write(shipped, re.sub(r"p_trend_down", "p_trend_dwn", WORLD))
    (found,) = validate([str(shipped / "worlds/us_core.yaml")]).diagnostics
    assert found.span is not None
    assert found.span.text == "p_trend_dwn"
    assert found.help.startswith("did you mean `p_trend_down`?")
