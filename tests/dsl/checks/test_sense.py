"""Settings and rules that fit their types and cannot be meant: what is reported, where, and what is left alone."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.dsl.checks import check_definition
from qmtl.dsl.checks.ranges import interval
from qmtl.dsl.compile import validate
from qmtl.dsl.diagnostics import Diagnostic
from qmtl.dsl.exprtext import spell
from qmtl.dsl.parser import parse_file
from qmtl.dsl.source import Source

from .conftest import TODAY, Found, chain, parsed, places, told

UP = chain("up", "p_trend_up > 0.6", more=", exposure: 50%")

# ---- Q0619, Q0620, Q0621


@pytest.mark.parametrize(
    ("more", "text", "labels"),
    [
        ("churn_guard: {deadband: 20%}\nrisk: {max_symbol: 15%}", "20%", ["15%"]),
        ("churn_guard: {min_target: 30%}", "30%", []),
        ("risk: {max_total: 2%}", "2%", []),  # the default of min_target is 3%
        ("orders: {min_delta: 16%}", "16%", []),
        ("orders: {open_delay: 15h}", "15h", []),
        ("orders: {open_delay: 4h, close_buffer: 150m}", "4h", ["150m"]),
        ("risk: {daily_loss: 0%}", "0%", []),
        ("risk: {weekly_loss: 0%}", "0%", []),
    ],
)
def test_q0619_settings_under_which_nothing_is_ever_traded(
    more: str, text: str, labels: list[str], found: Found
) -> None:
    (one,) = found(UP, more=more)
    assert told((one,)) == [("Q0619", text)]
    assert one.severity == "error"
    assert places(one) == labels


def test_q0619_shows_the_exposure_that_makes_a_target_small(tmp_path: Path) -> None:
    (tmp_path / "us.yaml").write_text(
        "world: us\ncalendar: XNYS\nuniverse: [SPY]\nallowlist: all\nchurn_guard: {deadband: 6%}\nrisk: {max_symbol: 10%}\n"
        "chains: [{name: all, otherwise: true, strategies: [roc_momentum], exposure: 50%}]\n"
    )
    (one,) = validate([tmp_path], today=TODAY).diagnostics
    assert told((one,)) == [("Q0619", "6%")]
    assert places(one) == ["10%", "50%"]


@pytest.mark.parametrize(
    "more",
    [
        "churn_guard: {deadband: 14%, min_target: 15%}",
        "churn_guard: {deadband: 50%, enabled: [min_target]}",
        "orders: {open_delay: 6h, close_buffer: 29m}",
        "risk: {daily_loss: -0.1%, weekly_loss: -0.1%}",
    ],
)
def test_q0619_leaves_alone_what_trades_a_little(more: str, found: Found) -> None:
    assert not any(d.code in {"Q0619", "Q0620", "Q0621"} for d in found(UP, more=more))


@pytest.mark.parametrize("more", ["capital: 0%", "risk: {max_total: 0%}", "risk: {max_symbol: 0%}"])
def test_q0620_a_share_of_zero_is_one_warning_at_its_place(more: str, found: Found) -> None:
    assert told(found(UP, more=more)) == [("Q0620", "0%")]


def test_q0620_one_chain_without_exposure_is_meant(found: Found, tmp_path: Path) -> None:
    flat = chain("up", "p_trend_up > 0.6", more=", exposure: 0%")
    assert found(flat) == ()
    path = tmp_path / "us.yaml"
    path.write_text(
        path.read_text().replace("strategies: [roc_momentum]}", "strategies: [roc_momentum], exposure: 0%}")
    )
    assert told(validate([tmp_path], today=TODAY).diagnostics) == [("Q0620", "0%")]


def test_q0621_a_loss_limit_whose_unit_slipped(found: Found) -> None:
    (one,) = found(UP, more="risk: {daily_loss: -0.02%}")
    assert told((one,)) == [("Q0621", "-0.02%")]
    assert one.help == "did you mean `-2%`?"


def test_q0621_a_day_that_may_lose_more_than_its_week(found: Found) -> None:
    (one,) = found(UP, more="risk: {daily_loss: -8%, weekly_loss: -5%}")
    assert told((one,)) == [("Q0621", "-8%")]
    assert places(one) == ["-5%"]
    assert told(found(UP, more="risk: {weekly_loss: -1%}")) == [("Q0621", "-1%")]


# ---- Q0609


ALLOWED = "allowlist: {SPY: [roc_momentum, atr_ratchet], QQQ: [roc_momentum]}\n"
BOTH = chain("up", "p_trend_up > 0.6", "roc_momentum, atr_ratchet")


def test_q0609_parameters_of_a_pair_that_is_not_allowed(found: Found) -> None:
    (one,) = found(BOTH, more=ALLOWED + "parameters: {atr_ratchet: {by_symbol: {QQQ: {width: 4}}}}")
    assert told((one,)) == [("Q0609", "QQQ")]
    assert places(one) == ["roc_momentum"]
    assert found(BOTH, more=ALLOWED + "parameters: {atr_ratchet: {by_symbol: {SPY: {width: 4}}}}") == ()
    assert found(BOTH, more="parameters: {atr_ratchet: {by_symbol: {QQQ: {width: 4}}}}") == ()


def test_q0609_an_override_with_a_strategy_that_the_symbol_does_not_allow(found: Found) -> None:
    more = ", overrides: {by_symbol: {QQQ: {strategies: [roc_momentum, atr_ratchet]}}}"
    (one,) = found(chain("up", "p_trend_up > 0.6", "roc_momentum, atr_ratchet", more), more=ALLOWED)
    assert told((one,)) == [("Q0609", "atr_ratchet")]


def test_q0609_a_row_that_is_switched_off_keeps_its_parameters(found: Found, tmp_path: Path) -> None:
    (tmp_path / "q4.yaml").write_text(
        "allowlist: q4\nrows:\n  - {symbol: SPY, strategy: roc_momentum}\n  - {symbol: QQQ, strategy: roc_momentum, enabled: false}\n"
    )
    more = "allowlist: q4\nparameters: {roc_momentum: {by_symbol: {QQQ: {fast: 12}}}}"
    assert not any(d.code == "Q0609" for d in found(UP, more=more))


def test_q0609_what_a_world_inherits_is_not_blamed_on_its_base(found: Found, tmp_path: Path) -> None:
    (tmp_path / "calm.yaml").write_text(
        "world: calm\nextends: us\nallowlist: {SPY: [atr_ratchet, roc_momentum], QQQ: []}\n"
    )
    more = "parameters: {atr_ratchet: {by_symbol: {QQQ: {width: 4}}}}"
    assert found(BOTH, more=more) == ()


@pytest.mark.parametrize(
    ("entry", "stay", "text", "label"),
    [
        ("up: {p_trend_down: 0.05}", "", "p_trend_down", "p_trend_up > 0.6"),
        ("neutral: 0.3", "", "neutral", "neutral"),
        ("up: 0.2", ', stay_when: "p_trend_up > 0.5"', "up", '"p_trend_up > 0.5"'),
    ],
)
def test_q0609_hysteresis_that_loosens_nothing(entry: str, stay: str, text: str, label: str, found: Found) -> None:
    (one,) = found(chain("up", "p_trend_up > 0.6", more=stay), more=f"hysteresis: {{{entry}}}")
    assert told((one,)) == [("Q0609", text)]
    assert places(one) == [label]


def test_q0609_hysteresis_that_loosens_is_left_alone(found: Found) -> None:
    assert found(UP, more="hysteresis: {up: {p_trend_up: 0.05}}") == ()


# ---- Q0624


def sectors(text: str, found: Found, tmp_path: Path) -> tuple[Diagnostic, ...]:
    found(UP)
    path = tmp_path / "us.yaml"
    path.write_text(path.read_text().replace("[SPY, QQQ]", "[GLD, SLV, GDX]") + f"sectors: {text}\n")
    return validate([tmp_path], today=TODAY).diagnostics


def test_q0624_a_sector_of_one_whose_name_is_near_another(found: Found, tmp_path: Path) -> None:
    (one,) = sectors("{GLD: metals, SLV: mteals, GDX: metals}", found, tmp_path)
    assert told((one,)) == [("Q0624", "mteals")]
    assert places(one) == ["metals"]
    assert one.help == "did you mean `metals`?"


@pytest.mark.parametrize("names", [("metals", "energy"), ("tier1", "tier2"), ("group_a", "group_b"), ("oil", "oils")])
def test_q0624_names_that_are_told_apart_on_purpose(names: tuple[str, str], found: Found, tmp_path: Path) -> None:
    large, lone = names
    assert sectors(f"{{GLD: {large}, SLV: {lone}, GDX: {large}}}", found, tmp_path) == ()


# ---- Q0622, Q0623, Q0609 in definitions


def judged(body: str) -> list[tuple[str, str]]:
    """What the checks of a definition say about a strategy with these statements."""
    text = f"strategy one {{\n  style trend\n{body}\n}}\n"
    (definition,), _, problems = parse_file(Source("one.qmtl", text))
    assert not problems, problems
    return told(check_definition(definition))


@pytest.mark.parametrize(
    "when",
    [
        "rsi(close, 14) > 170",
        "percentile(close, 100) > 90",
        "close > high",
        "heat > 170",
        "close > top",
        "rsi(close, 14) > level",  # its range begins at 101
        "hourly > hourly_high",
        "rsi(close, 14) < small and rsi(close, 14) > 100 - small",
        "roc(close, 5) > dip and roc(close, 5) < 0%",
    ],
)
@pytest.mark.parametrize("kind", ["long", "short", "exit long"])
def test_q0622_a_rule_that_no_market_fulfils(kind: str, when: str) -> None:
    names = (
        "  param level: num = 105 in 101..120\n  param small: num = 35 in 5..45\n  param dip: ratio = 1% in 0%..5%\n"
        "  heat = rsi(close, 14)\n  top = highest(high, 20)\n  on 60m {\n    hourly = close\n    hourly_high = high\n  }\n"
    )
    other = "" if kind == "long" else "  long when close > open\n"
    found = [one for one in judged(f"{names}{other}  {kind} when {when}\n  size 50%") if one[0] != "Q0609"]
    assert found == [("Q0622", when)]


@pytest.mark.parametrize(
    "when",
    [
        "rsi(close, 14) > level",
        "close > hourly_high",  # the high of the last closed hour
        "close > highest(high, 20)[1]",
        "rsi(close, 14) < 70 and rsi(close, 15) > 70",
        "close > high[1] for 2 bars",
        "p_trend_up > 0.5 and p_chop > 0.4",
    ],
)
def test_q0622_leaves_alone_what_a_market_or_a_parameter_allows(when: str) -> None:
    names = "  param level: num = 105 in 80..120\n  on 60m { hourly_high = high }\n"
    found = judged(f"{names}  long when {when}\n  size 50%")
    assert not any(code == "Q0622" for code, _ in found)


def test_q0622_names_that_double_in_size_are_not_written_out_for_ever() -> None:
    lets = "\n".join(f"  x{n + 1} = x{n} + x{n}" for n in range(60))
    began = time.perf_counter()
    assert judged(f"  x0 = close\n{lets}\n  long when x60 > 0\n  size 50%") == []
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("size 80", "80"),
        ("size clip(close / open, 10, 100)", "clip(close / open, 10, 100)"),
        ("size 0", "0"),
        ("stop -2 * atr(14)", "-2 * atr(14)"),
        ("take -width * noise", "-width * noise"),
        ("stop at 2 * atr(14)", "2 * atr(14)"),
        ("stop at width * noise", "width * noise"),
        ("stop at close - sma(close, 20)", "close - sma(close, 20)"),
        ("stop close - 2 * atr(14)", "close - 2 * atr(14)"),
        ("take highest(high, 20)", "highest(high, 20)"),
    ],
)
def test_q0623_a_statement_of_the_wrong_sign_or_kind(statement: str, text: str) -> None:
    size = "" if statement.startswith("size") else "\n  size 50%"
    body = f"  param width: num = 2 in 1..4\n  noise = atr(14)\n  long when close > open + width * noise\n  {statement}{size}"
    assert judged(body) == [("Q0623", text)]


@pytest.mark.parametrize(
    "statement",
    [
        "size 1",
        "size 100%",
        "size close / open",
        "stop 2 * atr(14)",
        "stop 2% * close",
        "stop abs(close - sma(close, 20))",
        "stop at close - 2 * atr(14)",
        "stop at 98% * close",
        "take at max(high, close) + atr(14)",
        "stop at ratchet(close, close - atr(14), close + atr(14))",
        "take high - low",
    ],
)
def test_q0623_leaves_alone_what_makes_sense(statement: str) -> None:
    size = "" if statement.startswith("size") else "\n  size 50%"
    assert judged(f"  long when close > open\n  {statement}{size}") == []


def test_q0623_a_volume_is_a_number_of_shares() -> None:
    assert judged("  long when volume > 1.5\n  size 50%") == [("Q0623", "volume > 1.5")]
    assert judged("  long when volume > 1.5 * sma(volume, 20) and volume > 0 and volume > 1_000\n  size 50%") == []


def test_q0609_parameters_and_names_that_nothing_reads() -> None:
    body = "  param fast: bars = 5\n  param slow: bars = 9\n  a = sma(close, slow)\n  b = a + close\n  long when close > a\n  size 50%"
    assert judged(body) == [("Q0609", "fast"), ("Q0609", "b")]


# ---- Q0625


def test_q0625_a_feature_that_the_built_in_regime_reads_too(tmp_path: Path, found: Found) -> None:
    found(UP)
    (tmp_path / "strategies").mkdir()
    file = tmp_path / "strategies" / "own.qmtl"
    file.write_text("feature ret_8 { value roc(close, 7) }\n")
    (one,) = validate([tmp_path], today=TODAY).diagnostics
    assert told((one,)) == [("Q0625", "ret_8")]
    assert places(one) == ["ret_8", "us_heuristic"]
    file.write_text("feature trend15 { value roc(close, 7) }\n")
    (one,) = validate([tmp_path], today=TODAY).diagnostics
    assert "chart fit" in one.message
    file.write_text('feature ret_8 { doc "Return of the last two hours."; value roc(close, 8) }\n')
    assert validate([tmp_path], today=TODAY).diagnostics == ()


def test_q0625_a_strategy_or_regime_of_ones_own_is_how_one_changes_it(tmp_path: Path, found: Found, root: Path) -> None:
    found(UP)
    (tmp_path / "strategies").mkdir()
    for name in ("roc_momentum", "us_heuristic"):
        text = (root / "strategies" / f"{name}.qmtl").read_text()
        (tmp_path / "strategies" / f"{name}.qmtl").write_text(f"# ours\n{text}")
    assert validate([tmp_path], today=TODAY).diagnostics == ()


# ---- ranges


numbers = st.integers(-3, 3)
arithmetic = st.recursive(
    st.one_of(numbers.map(str), st.sampled_from(["close", "volume", "p_chop"])),
    lambda inner: st.one_of(
        st.builds(lambda a, op, b: f"({a} {op} {b})", inner, st.sampled_from("+-*/"), inner),
        st.builds(lambda a: f"(-{a})", inner),
        st.builds(lambda name, a, b: f"{name}({a}, {b})", st.sampled_from(["min", "max"]), inner, inner),
        st.builds(lambda a: f"abs({a})", inner),
    ),
    max_leaves=8,
)


@given(arithmetic, st.integers(0, 900), st.integers(0, 900), st.integers(0, 10))
@settings(deadline=None, max_examples=300)
def test_no_value_lies_outside_its_range(text: str, close: int, volume: int, chop: int) -> None:
    """An evaluator that knows nothing of ranges, at prices and volumes of 0 and more."""
    names = {
        "close": Fraction(close),
        "volume": Fraction(volume),
        "p_chop": Fraction(chop, 10),
        "min": min,
        "max": max,
        "abs": abs,
    }
    code = "".join(f"Fraction({c})" if c.isdigit() else c for c in text)
    try:
        value = eval(code, {"Fraction": Fraction}, names)
    except ZeroDivisionError:
        return
    low, high = interval(parsed(text))
    assert low is None or low <= value
    assert high is None or value <= high


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("rsi(close, 14) - 50", -50, 50),
        ("sma(percentile(close, 9), 3)@60m", 0, 1),
        ("sum(volume, 5)[1]", 0, None),
        ("-atr(14)", None, 0),
        ("clip(close / open, 0.5, 2)", Fraction(1, 2), 2),
        ("roc(close, 4)", -1, None),
        ("roc(close - open, 4)", None, None),
        ("log(close)", None, None),
    ],
)
def test_ranges_of_functions(text: str, low: Fraction | None, high: Fraction | None) -> None:
    expr = parsed(text)
    assert interval(expr) == (low, high), spell(expr)
