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
    "two commas inside a flow map": ("when: vix.close > 20,", "when: clip(vix.close, 5, 90) > 20,", "Q0301"),
    "brackets inside a flow map": ("when: vix.close > 20,", "when: vix.close[1] > 20,", "Q0105"),
    "an unknown strategy, many times": ("zscore_reversion", "zscore_reversal", "Q0503"),
    "an unknown parameter": ("NVDA: {width: 3.5}", "NVDA: {widht: 3.5}", "Q0504"),
    "a misspelt symbol of the allowlist": ("  COST: [bb_rsi_reversion]", "  COTS: [bb_rsi_reversion]", "Q0505"),
    "an unknown exchange": ("exchange: alpaca_us_equity", "exchange: alpaca_us_equty", "Q0506"),
    "an unknown heuristic": ("heuristic: us_heuristic", "heuristic: us_heuristc", "Q0501"),
    "a chain with a name that cannot be one": ("name: chop", "name: ch-op", "Q0203"),
    "an unknown rate": ("bars: [15m, 60m]", "bars: [5m, 60m]", "Q0204"),
    "the same chain name twice": ("name: chop", "name: trend", "Q0507"),
    "no otherwise": ("    otherwise: true\n", "    when: p_chop < 0.50\n", "Q0601"),
    "otherwise left out": ("    otherwise: true\n", "", "Q0601"),
    "a condition that hysteresis cannot loosen": ("when: p_chop >= 0.50", "when: p_chop == 0.50", "Q0602"),
    "a symbol listed twice": ("universe: [SPY, QQQ,", "universe: [SPY, QQQ, SPY,", "Q0606"),
    "a lost dash": ("  - name: chop", "    name: chop", "Q0106"),
    "a lost dash of the last entry": ("  - name: neutral", "    name: neutral", "Q0106"),
    "a lost dash and its blanks": ("  - name: chop", "  name: chop", "Q0105"),
    "a lost dash of the first entry": ("  - name: defensive", "    name: defensive", "Q0105"),
    "a comma in a number": ("deadband: 2%", "deadband: 2,5%", "Q0301"),
    "a missing comma between two symbols": ("XLP, COST]", "XLP COST]", "Q0301"),
    "a missing comma between two strategies": ("[roc_momentum, zscore_reversion, bear", "[roc_momentum zscore_reversion, bear", "Q0301"),
    "a missing comma between two rates": ("[15m, 60m]", "[15m 60m]", "Q0301"),
    "a missing comma at the end of a line": ("[SPY, QQQ,", "[SPY, QQQ", "Q0301"),
    "a colon without a blank at the end": ("capital: 60%", "capital:60%", "Q0105"),
    "a colon without a blank in a section": ("  daily_loss: -2%", "  daily_loss:-2%", "Q0105"),
    "a colon without a blank in braces": ("{fast: 15}", "{fast:15}", "Q0105"),
    "a no-break space": ("capital: 60%", "capital:\u00a060%", "Q0105"),
    "a no-break space as indentation": ("  daily_loss: -2%", "\u00a0 daily_loss: -2%", "Q0105"),
    "a no-break space in braces": ("{fast: 15}", "{fast:\u00a015}", "Q0105"),
    "an indentation of one blank too few": ("  weekly_loss: -5%", " weekly_loss: -5%", "Q0105"),
    "a dash of one blank too many": ("  - name: chop", "   - name: chop", "Q0105"),
    "a first line without its indentation": ("  daily_loss: -2%", "daily_loss: -2%", "Q0105"),
    "marks of a merge": ("calendar: XNYS", "<<<<<<< HEAD\ncalendar: XNYS\n=======\ncalendar: NYSE\n>>>>>>> b", "Q0105"),
    "by_symbol one level too far left": ("    by_symbol:\n      TSLA", "  by_symbol:\n      TSLA", "Q0201"),
    "all of by_symbol too far left": ("    by_symbol:\n      NVDA", "  by_symbol:\n    NVDA", "Q0201"),
    "a key of the last chain too far left": ("    exposure: 65%", "exposure: 65%", "Q0201"),
    "an operator turned around": ("when: p_chop >= 0.50", "when: p_chop => 0.50", "Q0301"),
    "a word in capitals": ("p_trend_up >= 0.55 and", "p_trend_up >= 0.55 AND", "Q0301"),
    "another word in capitals": ("when: p_chop >= 0.50", "when: NOT p_chop >= 0.50", "Q0301"),
    "an hour for 60 minutes": ("[15m, 60m]", "[15m, 1h]", "Q0204"),
    "a rate that does not exist": ("[15m, 60m]", "[5m, 60m]", "Q0204"),
    "a full-width sign": ("capital: 60%", "capital: 60\uff05", "Q0206"),
    "a name in other letters": ("name: chop", "name: \uacf5\ud3ec", "Q0203"),
    "a percentage for a number": ("NVDA: {width: 3.5}", "NVDA: {width: 4%}", "Q0203"),
    "yes for otherwise": ("otherwise: true", "otherwise: yes", "Q0204"),
    "a map for a list": ("  - {name: fear, block: long_entries,", "  fear: {block: long_entries,", "Q0203"),
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
    "a finer rate inside a block": ("quick = sma(roc(close, fast), 5)", "quick = ema(close@15m, fast)", "Q0405"),
    "a rate that prices do not have": ("on 60m {", "on 1d {", "Q0405"),
    "an operator turned around": ("quick > calm", "quick => calm", "Q0301"),
    "a word in capitals": ("calm and quick >", "calm AND quick >", "Q0301"),
    "a range with a dash": ("in 3..60", "in 3-60", "Q0301"),
    "a range in brackets": ("in 3..60", "in [3, 60]", "Q0301"),
    "a ratio without a type": ("threshold: ratio = 0%", "threshold = 1%", "Q0301"),
    "if for when": ("long  when", "long  if", "Q0301"),
    "a comment of another language": ("style trend", "style trend // fast", "Q0301"),
    "a comment of another language on its own line": ("  style trend", "  // fast\n  style trend", "Q0301"),
    "smart quotes": ('"Fast and slow rate of change agree."', "\u201cFast and slow rate of change agree.\u201d", "Q0302"),
    "single quotes": ('"Fast and slow rate of change agree."', "'Fast and slow'", "Q0302"),
    "a comma too many": ("fast), 5)", "fast), 5),", "Q0301"),
    "a comma too many in brackets": ("fast), 5)", "fast), 5,)", "Q0301"),
    "an assignment of another language": ("quick = sma", "quick := sma", "Q0301"),
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


BLOCK = """world small {
  calendar XNYS
  universe XLU, XLB
  chain rest { otherwise true; use roc_momentum; exposure 50% }
  allowlist all
  churn_guard { min_target 3%; deadband 2% }
}
"""

IN_A_BLOCK = {
    "a comma at the end of a line": ("XLU, XLB", "XLU, XLB,", ",", "take it out"),
    "a comma at the end of a list": ("XLU, XLB", "[XLU, XLB,]", ",", "take it out"),
    "a comma between two statements": ("3%; deadband", "3%, deadband", ",", "write `;` instead of this comma"),
    "nothing between two statements": ("roc_momentum; exposure", "roc_momentum exposure", "exposure", "a new line or `;` goes between two statements: write `roc_momentum; exposure`"),
    "nothing between two values": ("XLU, XLB", "XLU XLB", "XLB", "a comma goes between two values: write `XLU, XLB`"),
    "smart quotes": ("XNYS", "\u201cXNYS\u201d", "\u201cXNYS\u201d", 'write "XNYS"'),
}  # fmt: skip


@pytest.mark.parametrize("slip", IN_A_BLOCK)
def test_one_slip_in_a_block_is_one_message_at_its_place(slip: str, shipped: Path) -> None:
    before, after, place, way_out = IN_A_BLOCK[slip]
    file = shipped / "worlds/small.qmtl"
    file.write_text(BLOCK, encoding="utf-8")
    assert [d.message for d in validate([str(file)]).diagnostics if d.severity == "error"] == []
    file.write_text(BLOCK.replace(before, after, 1), encoding="utf-8")
    (found,) = validate([str(file)]).diagnostics
    assert found.span is not None
    assert (found.span.text, found.help) == (place, way_out)


#: slips whose help, written in place of what is pointed at, mends the text
MENDED = (
    "a comma in a number", "a missing comma between two symbols", "a missing comma between two strategies",
    "a missing comma at the end of a line", "a colon without a blank at the end", "a colon without a blank in a section",
    "a colon without a blank in braces", "an operator turned around", "a word in capitals",
    "a positive loss limit", "an hour for 60 minutes", "a full-width sign", "yes for otherwise",
)  # fmt: skip
_WRITE = re.compile(r"write `([^`]*)`")


@pytest.mark.parametrize("slip", MENDED)
def test_help_that_is_followed_to_the_letter_mends_the_text(slip: str, shipped: Path) -> None:
    before, after, _ = IN_THE_WORLD[slip]
    broken = WORLD.replace(before, after, 1)
    write(shipped, broken)
    (found,) = validate([str(shipped / "worlds/us_core.yaml")]).diagnostics
    offered = _WRITE.match(found.help)
    assert offered is not None, found.help
    assert found.span is not None
    start, end = found.span.start, found.span.end
    if found.span.text == ",":  # the whole number is offered, and its comma is pointed at
        start, end = broken.rfind(" ", 0, start) + 1, broken.index(",", end)
    elif "line" in slip:  # the words stand on two lines: only the first is pointed at
        end = broken.index(",", end)
    write(shipped, broken[:start] + offered[1] + broken[end:])
    assert answer(shipped) == ([], "")


#: what is pointed at, and the way out
POINTED_AT = {
    "a lost dash": ("name", "write `  - name: chop`"),
    "a lost dash and its blanks": ("name", "write `  - name: chop`"),
    "a lost dash of the first entry": ("name", "write `  - name: defensive`"),
    "an unclosed quote": ('"', 'write `"XNYS"`'),
    "a no-break space": ("\u00a0", "delete it and type a plain blank"),
    "an indentation of one blank too many": ("   ", "write 2 blanks before it; the levels here are 0 and 2"),
    "an indentation of one blank too few": (" ", "write 2 blanks before it; the levels here are 0 and 2"),
    "a dash of one blank too many": ("   ", "write 2 blanks before it; the level here is 2"),
    "a first line without its indentation": ("daily_loss", "write 2 blanks before it; the levels here are 0 and 2"),
    "marks of a merge": ("<<<<<<< HEAD", "keep the lines of one side, and delete the lines `<<<<<<<`, `=======` and `>>>>>>>`"),
    "all of by_symbol too far left": ("by_symbol", "write 4 blanks before it, and 2 more before the lines below it"),
    "a key of the last chain too far left": ("exposure", "`exposure` belongs into `chains`: write 4 blanks before it instead of none"),
    "a map for a list": ("entry_guards", "a list has no keys: write `- name: fear` instead of `fear:`"),
}  # fmt: skip


@pytest.mark.parametrize("slip", POINTED_AT)
def test_a_slip_is_pointed_at_to_the_letter(slip: str, shipped: Path) -> None:
    before, after, _ = IN_THE_WORLD[slip]
    write(shipped, WORLD.replace(before, after, 1))
    (found,) = validate([str(shipped / "worlds/us_core.yaml")]).diagnostics
    assert found.span is not None
    assert (found.span.text, found.help) == POINTED_AT[slip]


def test_a_chain_behind_a_lost_dash_is_known_to_what_names_it(shipped: Path) -> None:
    world = WORLD.replace("  - name: chop", "    name: chop").replace("hysteresis: 0.07 ", "hysteresis: {chop: 0.07} ")
    write(shipped, world)
    codes, shown = answer(shipped)
    assert codes == ["Q0106"], shown


def test_a_key_that_really_stands_twice_is_no_lost_dash(shipped: Path) -> None:
    write(shipped, WORLD.replace("    exposure: 65%", "    exposure: 65%\n    exposure: 60%"))
    (found,) = validate([str(shipped / "worlds/us_core.yaml")]).diagnostics
    assert (found.message, found.help) == ("duplicate key `exposure`", "keep one of the two")


def table(folder: Path, rows: str) -> list[str]:
    """What is wrong with the shipped world when its allowlist is this CSV file: code, place, help."""
    head, _, rest = WORLD.partition("allowlist:\n")
    write(folder, f"{head}allowlist: pairs\n\n# Parameters{rest.partition('# Parameters')[2]}")
    (folder / "worlds/pairs.yaml").write_text("allowlist: pairs\ncsv: pairs.csv\n", encoding="utf-8")
    (folder / "worlds/pairs.csv").write_text(rows, encoding="utf-8")
    found = validate([str(folder / "worlds/us_core.yaml")]).diagnostics
    return [f"{d.code} {d.span.text if d.span else ''}: {d.help}" for d in found]


PAIRS = "symbol,strategy\n" + "".join(
    f"{symbol},{name.strip()}\n"
    for symbol, names in re.findall(r"^  ([A-Z]+): +\[([a-z_, ]+)\]$", WORLD.partition("\nallowlist:")[2], re.MULTILINE)
    for name in names.split(",")
)


def test_an_allowlist_in_csv_is_as_well_as_one_in_yaml(shipped: Path) -> None:
    assert table(shipped, PAIRS) == []


def test_a_symbol_in_small_letters_is_told_at_its_row(shipped: Path) -> None:
    assert table(shipped, PAIRS.replace("COST,", "cost,")) == ["Q0505 cost: write `COST`"]


def test_a_symbol_with_letters_turned_around_is_told_at_its_row(shipped: Path) -> None:
    way_out = "write `COST` here if that is meant, or add a row for `COST`"
    assert table(shipped, PAIRS.replace("COST,", "COTS,")) == [f"Q0609 COTS: {way_out}"]


def test_a_symbol_without_a_row_is_helped_in_the_words_of_a_table(shipped: Path) -> None:
    way_out = "if that is meant, give `COST` a row with a strategy and `enabled` false"
    assert table(shipped, re.sub(r"COST,.*\n", "", PAIRS)) == [f"Q0609 allowlist: {way_out}"]


def test_columns_parted_by_semicolons_are_one_mistake(shipped: Path) -> None:
    way_out = "write `,` instead of every `;`, or save the file as CSV with commas"
    assert table(shipped, PAIRS.replace(",", ";")) == [f"Q0202 ;: {way_out}"]


DEPLOYMENT = """deployment: paper
worlds: [us_core.yaml]
feed: {kind: synthetic, seed: 7}
broker: {kind: paper, cash: 100_000 USD, fee: 2bps}
clock: {kind: replay}
"""


@pytest.mark.parametrize(
    ("before", "after", "place", "way_out"),
    [
        ("100_000 USD", "100,000 USD", ",", "write `100_000 USD`"),
        ("fee: 2bps", "fee: 2", "2", "did you mean `2bps` or `2%`?"),
        ("fee: 2bps", "fee: -2bps", "-2bps", "write `2bps`"),
    ],
)
def test_one_slip_in_a_deployment_is_one_message(
    before: str, after: str, place: str, way_out: str, shipped: Path
) -> None:
    write(shipped, WORLD)
    file = shipped / "worlds/run.yaml"
    file.write_text(DEPLOYMENT, encoding="utf-8")
    assert validate([str(file)]).diagnostics == ()
    file.write_text(DEPLOYMENT.replace(before, after), encoding="utf-8")
    (found,) = validate([str(file)]).diagnostics
    assert found.span is not None
    assert (found.span.text, found.help) == (place, way_out)


def test_hysteresis_of_a_chain_whose_name_is_wrong_is_not_another_mistake(shipped: Path) -> None:
    text = WORLD.replace("hysteresis: 0.07", "hysteresis: {chop: 0.05}")
    assert text != WORLD
    for name in ("ch-op", "trend"):
        write(shipped, text.replace("name: chop", f"name: {name}", 1))
        assert len(answer(shipped)[0]) == 1
    write(shipped, text.replace("name: chop", "name: flat", 1))
    assert answer(shipped)[0] == ["Q0501"]


@pytest.mark.parametrize("kind", ["exchange", "allowlist"])
def test_a_document_with_a_misspelt_kind_is_not_unknown_too(shipped: Path, kind: str) -> None:
    text = re.sub(r"allowlist:\n(  .*\n)+", "allowlist: q1\n", WORLD)
    assert "allowlist: q1" in text
    rows = "rows:\n" + "".join(
        f"  - {{symbol: {s}, strategy: {n}}}\n"
        for s in re.findall(r"[A-Z]+", WORLD.split("universe: [")[1].split("]")[0])
        for n in ("roc_momentum",)
    )
    write(shipped, text)
    (shipped / "worlds/q1.yaml").write_text(f"allowlist: q1\n{rows}")
    for file in (shipped / "worlds/exchanges").iterdir():
        if kind == "exchange":
            file.write_text(file.read_text().replace("exchange:", "exchnge:"))
    if kind == "allowlist":
        (shipped / "worlds/q1.yaml").write_text(f"allowlst: q1\n{rows}")
    found = validate([str(shipped / "worlds")]).diagnostics
    assert {d.code for d in found if d.severity == "error"} == {"Q0207"}, render_text(found)


def test_strategies_without_any_definition_are_one_mistake_that_says_where_they_belong(shipped: Path) -> None:
    for name in ("a", "b"):
        text = WORLD.replace("world: us_core", f"world: {name}").replace("roc_momentum", "my_own")
        (shipped / f"worlds/{name}.yaml").write_text(text.replace("zscore_reversion", "another"))
    (shipped / "strategy").mkdir()
    (shipped / "strategy/mine.qmtl").write_text(ROC.replace("roc_momentum", "my_own"))
    (found,) = validate([str(shipped / "worlds")]).diagnostics
    assert (found.code, found.message) == ("Q0503", "unknown strategy `another` and 1 more")
    assert "in `strategies`, the nearest one in `worlds` or above it" in found.help
    assert found.help.endswith("is `strategy` meant to be that folder?")


def test_where_strategies_belong_is_not_said_when_some_were_found(shipped: Path) -> None:
    write(shipped, WORLD.replace("bear_probability", "my_own"), ROC)
    (found,) = validate([str(shipped / "worlds/us_core.yaml")]).diagnostics
    assert (found.code, found.help) == ("Q0503", "")
