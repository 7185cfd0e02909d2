"""Each semantic check: what it reports, where, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.dsl.checks import CHECKS, Subject
from qmtl.dsl.checks.subject import stages
from qmtl.dsl.compile import compile_world, validate
from qmtl.dsl.documents import load_file
from qmtl.dsl.lexing import RESERVED
from qmtl.dsl.model import Chain
from qmtl.dsl.report.text import render_text

from .conftest import TODAY, WORLD, Found, chain, parsed, places, told

Golden = Callable[[str, str], None]


def test_the_shipped_worlds_are_clean(root: Path) -> None:
    assert validate(["worlds", "demo.yaml", "prod.yaml", "recorded.yaml"], today=TODAY).diagnostics == ()
    assert len(CHECKS) == len({check.__name__ for check in CHECKS})


# ---- Q0608


@pytest.mark.parametrize(
    "when",
    [
        "p_trend_up >= 0.55 and p_trend_down > 0.45",
        "p_chop > 1.0",
        "p_trend_up > p_chop and p_chop > p_trend_up",
        "vix.close > 30 and vix.close < 20",
    ],
)
def test_q0608_a_chain_that_can_never_hold(when: str, found: Found) -> None:
    more = f', stay_when: "{when}"' if "vix" in when else ""
    assert told(found(chain("one", when, more=more))) == [("Q0608", when)]


def test_q0608_says_what_the_probabilities_add_up_to(found: Found) -> None:
    (one,) = found(chain("one", "p_trend_up >= 0.6 and p_chop >= 0.5"))
    assert "add up to 1" in one.help
    (one,) = found(chain("one", "p_high_vol > 0.6 and p_high_vol < 0.5"))
    assert one.help == "change the thresholds, or join with `or`"


def test_q0608_leaves_alone_what_one_market_fulfils(found: Found) -> None:
    assert found(chain("one", "p_trend_up >= 0.5 and p_trend_down >= 0.5")) == ()


# ---- Q0610


def test_q0610_one_chain_above_takes_everything(found: Found) -> None:
    (one,) = found(chain("wide", "p_chop >= 0.4"), chain("narrow", "p_chop >= 0.6", "zscore_reversion"))
    assert told((one,)) == [("Q0610", "p_chop >= 0.6")]
    assert places(one) == ["p_chop >= 0.4"]


def test_q0610_several_chains_above_take_everything_together(found: Found) -> None:
    (one,) = found(
        chain("up", "p_trend_up >= 0.3"),
        chain("vol", "p_high_vol > 0.9"),
        chain("down", "p_trend_down >= 0.3"),
        chain("left", "p_trend_up + p_trend_down >= 0.6", more=', stay_when: "p_trend_up + p_trend_down >= 0.5"'),
    )
    assert one.code == "Q0610"
    assert places(one) == ["p_trend_up >= 0.3", "p_trend_down >= 0.3"]  # `vol` has no part in it


def test_q0610_the_otherwise_chain_can_be_shadowed_too(found: Found) -> None:
    (one,) = found(chain("up", "p_trend_up >= 0.5"), chain("rest", "p_trend_up < 0.5"))
    assert told((one,)) == [("Q0610", "neutral")]
    assert places(one) == ["p_trend_up >= 0.5", "p_trend_up < 0.5"]


def test_q0610_a_chain_above_that_may_be_unknown_takes_nothing(found: Found) -> None:
    vix = ', stay_when: "vix.close > 15"'
    fear = "vix.close > 20 or vix.close <= 20"
    assert found(chain("fear", fear, more=f', stay_when: "{fear}"'), chain("up", "p_trend_up > 0.5")) == ()
    (one,) = found(chain("fear", "vix.close > 20", more=vix), chain("panic", "vix.close > 30", more=vix))
    assert told((one,)) == [("Q0610", "vix.close > 30")]


def test_q0610_a_chain_that_never_holds_shadows_nobody(found: Found) -> None:
    assert told(found(chain("no", "p_chop > 1.0"), chain("up", "p_trend_up > 0.5"))) == [("Q0608", "p_chop > 1.0")]


limits = st.integers(1, 9).map(lambda n: n / 10)
part = st.builds(
    lambda name, op, limit: f"{name} {op} {limit}",
    st.sampled_from(["p_trend_up", "p_trend_down", "p_chop"]),
    st.sampled_from([">", ">=", "<", "<="]),
    limits,
)
whole = st.builds(lambda a, op, b: f"{a} {op} {b}", part, st.sampled_from(["and", "or"]), part)


WHOLE = 300
#: steps of a sixtieth: the borders are tenths, so every piece between them, and every edge of one, holds a point
MARKETS = [(up, down) for up, down in product(range(0, WHOLE + 1, 5), repeat=2) if up + down <= WHOLE]


def truth(when: str) -> Callable[[int, int], bool]:
    """The truth of a generated condition at a market in three hundredths, by an evaluator that knows no rows."""
    names = {"p_trend_up": "up", "p_trend_down": "down", "p_chop": f"({WHOLE} - up - down)"}
    words = [names.get(w, str(round(float(w) * WHOLE)) if "." in w else w) for w in when.split()]
    return eval(f"lambda up, down: {' '.join(words)}")  # type: ignore[no-any-return]


Fates = Callable[[list[str]], list[str]]


@pytest.fixture(scope="module")
def fates(tmp_path_factory: pytest.TempPathFactory) -> Fates:
    """What becomes of chains with these conditions, and of the last one."""
    path = tmp_path_factory.mktemp("grid") / "us.yaml"
    path.write_text(WORLD.format(chains=chain("up", "p_trend_up > 0.5"), more="allowlist: all"))
    compiled = compile_world(path, today=TODAY)
    (document,) = load_file(path).documents
    assert compiled.world is not None
    assert compiled.library is not None
    subject = Subject(document, compiled.world, compiled.library, compiled.origins, document.tree, TODAY)

    def judged(conditions: list[str]) -> list[str]:
        chains = [Chain(f"c{n}", parsed(when), None, (), 1.0) for n, when in enumerate(conditions)]
        world = replace(subject.world, chains=(*chains, Chain("neutral", None, None, (), 1.0)))
        return [stage.fate for stage in stages(replace(subject, world=world))]

    return judged


@given(conditions=st.lists(whole, min_size=1, max_size=4))
@settings(deadline=None, max_examples=300)
def test_q0608_and_q0610_agree_with_every_market_on_a_grid(conditions: list[str], fates: Fates) -> None:
    found = fates(conditions)
    truths = [truth(when) for when in conditions]
    last = len(conditions)
    entered = {next((n for n, true in enumerate(truths) if true(*at)), last) for at in MARKETS}
    assert [fate in {"", "always"} for fate in found] == [n in entered for n in range(len(found))]
    for true, fate in zip(truths, found, strict=False):
        assert (fate == "never") == (not any(true(*at) for at in MARKETS))
        assert fate != "always" or all(true(*at) for at in MARKETS)


# ---- Q0611, Q0615, Q0616


def test_q0611_a_chain_of_which_nothing_is_allowed_is_one_mistake(found: Found) -> None:
    (one,) = found(
        chain("chop", "p_chop > 0.6", "zscore_reversion, bb_rsi_reversion"),
        more="allowlist: {SPY: [roc_momentum], QQQ: []}",
    )
    assert told((one,)) == [("Q0611", "zscore_reversion, bb_rsi_reversion")]
    assert places(one) == ["allowlist"]


def test_q0616_a_strategy_that_no_symbol_allows(found: Found) -> None:
    (one,) = found(
        chain("chop", "p_chop > 0.6", "zscore_reversion, bb_rsi_reversion"),
        more="allowlist: {SPY: [roc_momentum, zscore_reversion], QQQ: []}",
    )
    assert told((one,)) == [("Q0616", "bb_rsi_reversion")]


OVERRIDES = ", overrides: {by_symbol: {QQQ: {strategies: [atr_ratchet]}}}"


def test_strategies_of_overrides_count_as_used(found: Found) -> None:
    up = chain("up", "p_trend_up > 0.6", more=OVERRIDES)
    assert found(up, more="allowlist: {SPY: [roc_momentum], QQQ: [atr_ratchet]}") == ()
    (one,) = found(up, more="allowlist: {SPY: [roc_momentum], QQQ: [roc_momentum]}")
    assert told((one,)) == [("Q0616", "atr_ratchet")]
    assert one.span
    assert one.span.start > one.span.source.text.index("overrides")
    (one,) = found(chain("quiet", "p_chop > 0.6", "zscore_reversion", OVERRIDES))
    assert told((one,)) == [("Q0612", "atr_ratchet")]


def test_q0615_a_row_for_a_strategy_of_no_chain(found: Found) -> None:
    (one,) = found(
        chain("up", "p_trend_up > 0.6"),
        more="allowlist: {SPY: [roc_momentum, atr_ratchet], QQQ: [atr_ratchet]}",
    )
    assert told((one,)) == [("Q0615", "atr_ratchet")]
    assert places(one) == ["chains", "atr_ratchet"]


ROWS = """\
allowlist: q4
rows:
  - {symbol: SPY, strategy: roc_momentum}
  - {symbol: QQQ, strategy: roc_momentum, until: 2026-06-14}
  - {symbol: XLE, strategy: zscore_reversion, until: 2026-01-31}
  - {symbol: XLE, strategy: roc_momentum, until: 2026-06-15}
  - {symbol: SPY, strategy: zscore_reversion, enabled: false}
"""


def test_q0615_rows_whose_last_day_is_over_are_told_once(found: Found, tmp_path: Path) -> None:
    """The world sees its own symbol, the document all of them: each row is one mistake."""
    (tmp_path / "q4.yaml").write_text(ROWS)
    other = WORLD.format(chains=chain("up", "p_trend_up > 0.6"), more="allowlist: q4")
    (tmp_path / "other.yaml").write_text(other.replace("world: us", "world: other").replace("[SPY, QQQ]", "[XLE]"))
    ended = found(chain("up", "p_trend_up > 0.6"), more="allowlist: q4")
    assert told(ended) == [("Q0615", "2026-06-14"), ("Q0615", "2026-01-31")]
    assert [d.code for d in compile_world(tmp_path / "us.yaml", today="2026-06-15").diagnostics] == ["Q0615"]
    assert compile_world(tmp_path / "us.yaml", today="2026-06-14").diagnostics == ()


def test_q0616_shows_the_row_that_was_taken_back(found: Found, tmp_path: Path) -> None:
    (tmp_path / "q4.yaml").write_text(ROWS)
    chop = chain("chop", "p_chop > 0.6", "zscore_reversion, roc_momentum")
    one = next(d for d in found(chop, more="allowlist: q4") if d.code == "Q0616")
    assert one.labels[0].text == "this row is not enabled"
    assert one.labels[0].span.source.name.endswith("q4.yaml")


def test_q0615_in_a_csv_points_into_the_csv(found: Found, tmp_path: Path) -> None:
    (tmp_path / "q4.yaml").write_text("allowlist: q4\ncsv: q4.csv\n")
    (tmp_path / "q4.csv").write_text("symbol,strategy,until\nSPY,roc_momentum,\nQQQ,roc_momentum,2026-01-01\n")
    (one,) = found(chain("up", "p_trend_up > 0.6"), more="allowlist: q4")
    assert told((one,)) == [("Q0615", "2026-01-01")]
    assert one.span
    assert str(one.span).endswith("q4.csv:3:18")


# ---- Q0612


def test_q0612_a_trend_strategy_in_a_chain_that_waits_for_chop(found: Found) -> None:
    (one,) = found(chain("quiet", "p_chop >= 0.5 and p_high_vol < 0.4", "roc_momentum, zscore_reversion"))
    assert told((one,)) == [("Q0612", "roc_momentum")]
    assert places(one) == ["p_chop >= 0.5 and p_high_vol < 0.4", "trend"]


def test_q0612_a_chop_strategy_in_a_chain_that_waits_for_a_trend(found: Found) -> None:
    when = "p_trend_up >= 0.55 or p_trend_down > 0.6"
    (one,) = found(chain("moves", when, "zscore_reversion"))
    assert told((one,)) == [("Q0612", "zscore_reversion")]


@pytest.mark.parametrize(
    ("when", "strategy"),
    [
        ("p_chop >= 0.4", "roc_momentum"),  # a trend may still be likelier
        ("p_chop >= 0.5", "bear_probability"),  # defensive goes anywhere
        ("p_trend_up >= 0.45", "zscore_reversion"),
        ("p_chop > p_trend_up", "roc_momentum"),  # a downtrend may lead
    ],
)
def test_q0612_leaves_alone_what_may_suit(when: str, strategy: str, found: Found) -> None:
    assert found(chain("one", when, strategy)) == ()


# ---- Q0613


def test_q0613_stay_when_that_fails_where_when_holds(found: Found) -> None:
    (one,) = found(chain("up", "p_trend_up >= 0.55", more=', stay_when: "p_trend_up >= 0.65"'))
    assert told((one,)) == [("Q0613", "p_trend_up >= 0.65")]
    assert places(one) == ["p_trend_up >= 0.55"]
    assert one.help.startswith("for example at p_trend_up 0.6, p_trend_down 0")


def test_q0613_hysteresis_that_makes_a_chain_endless(found: Found) -> None:
    (one,) = found(chain("up", "p_trend_up >= 0.05 and p_trend_down <= 0.95", "atr_ratchet"), more="hysteresis: 0.07")
    assert told((one,)) == [("Q0613", "p_trend_up >= 0.05 and p_trend_down <= 0.95")]
    assert places(one) == ["0.07"]
    assert "`p_trend_up >= 0 and p_trend_down <= 1`" in one.help


def test_q0613_three_thirds_are_everything(found: Found) -> None:
    when = "p_trend_up >= 0.38 or p_trend_down >= 0.38 or p_chop >= 0.38"
    (one,) = found(chain("any", when))
    assert told((one,)) == [("Q0613", when)]
    assert found(chain("any", when), more="hysteresis: 0.02") == ()


def test_q0613_a_written_stay_when_that_is_always_true(found: Found) -> None:
    (one,) = found(chain("up", "p_trend_up >= 0.55", more=', stay_when: "p_chop <= 1"'))
    assert told((one,)) == [("Q0613", '"p_chop <= 1"')]


def test_q0613_leaves_alone_a_wider_stay_when(found: Found) -> None:
    stay = ', stay_when: "p_trend_up >= 0.40 and p_high_vol < 0.9"'
    assert found(chain("up", "p_trend_up >= 0.55 and p_high_vol < 0.5", more=stay)) == ()


# ---- Q0614


@pytest.mark.parametrize(
    ("risk", "text", "labels"),
    [
        ("{max_symbol: 30%, max_sector: 20%}", "30%", ["20%"]),
        ("{max_symbol: 25%}", "25%", []),  # the sector cap of 20% is a default
        ("{max_sector: 70%, max_symbol: 30%}", "70%", []),
        ("{max_sector: 45%, max_total: 40%}", "45%", ["40%"]),
        ("{max_total: 90%, max_symbol: 10%}", "90%", ["10%", "universe"]),
        ("{position_stop: 0%}", "0%", []),
    ],
)
def test_q0614_a_cap_that_never_binds(risk: str, text: str, labels: list[str], found: Found) -> None:
    (one,) = found(chain("up", "p_trend_up > 0.6"), more=f"sectors: {{SPY: index, QQQ: tech}}\nrisk: {risk}")
    assert told((one,)) == [("Q0614", text)]
    assert places(one) == labels


@pytest.mark.parametrize(
    "risk",
    [
        "{max_symbol: 15%}",
        "{max_sector: 10%}",
        "{max_total: 30%, max_symbol: 15%}",
        "{max_symbol: 20%, max_sector: 20%}",
    ],
)
def test_q0614_leaves_alone_caps_that_bind_and_defaults(risk: str, found: Found) -> None:
    more = f"sectors: {{SPY: index, QQQ: tech}}\nchurn_guard: {{min_target: 1%}}\nrisk: {risk}"
    assert found(chain("up", "p_trend_up > 0.6"), more=more) == ()


def test_q0614_a_symbol_without_a_sector_is_held_by_its_own_cap(found: Found) -> None:
    more = "sectors: {SPY: index}\nrisk: {max_symbol: 30%, max_sector: 20%}"
    assert found(chain("up", "p_trend_up > 0.6"), more=more) == ()


# ---- Q0618


def test_q0618_a_chain_that_always_holds_is_one_mistake(found: Found) -> None:
    (one,) = found(chain("all", "p_chop >= 0"), chain("up", "p_trend_up > 0.6"), chain("down", "p_trend_down > 0.6"))
    assert told((one,)) == [("Q0618", "p_chop >= 0")]
    assert places(one) == ["p_trend_up > 0.6"]


@pytest.mark.parametrize(
    ("when", "word"),
    [("1 > 2", "never"), ("p_chop >= 0", "always"), ("vix.close > 30 and vix.close < 20", "never")],
)
def test_q0618_a_guard_that_is_always_the_same(when: str, word: str, found: Found) -> None:
    more = f"entry_guards: [{{block: entries, when: '{when}', on_missing: block}}]"
    (one,) = found(chain("up", "p_trend_up > 0.6"), more=more)
    assert told((one,)) == [("Q0618", when)]
    assert f"{word} blocks entries" in one.message


def test_q0618_a_word_that_says_so_is_meant(found: Found) -> None:
    more = "entry_guards: [{block: short_entries, when: 'true', on_missing: block}]"
    assert found(chain("up", "p_trend_up > 0.6"), more=more) == ()


def test_q0618_a_comparison_that_decides_nothing(found: Found) -> None:
    (one,) = found(chain("up", "p_trend_up > 0.6 and p_trend_down <= 1.0"))
    assert told((one,)) == [("Q0618", "p_trend_down <= 1.0")]


# ---- Q0305


@pytest.mark.parametrize("word", sorted(RESERVED - {"true", "false"}))
def test_q0305_reserved_words_name_nothing_in_a_world(word: str, found: Found) -> None:
    assert told(found(chain(word, "p_trend_up > 0.6"))) == [("Q0305", word)]
    guard = f"entry_guards: [{{name: {word}, block: entries, when: vix.close > 40, on_missing: block}}]"
    assert told(found(chain("up", "p_trend_up > 0.6"), more=guard)) == [("Q0305", word)]


def test_q0305_the_name_of_a_world(tmp_path: Path) -> None:
    text = WORLD.format(chains=chain("up", "p_trend_up > 0.6"), more="allowlist: all").replace(
        "world: us", "world: when"
    )
    (tmp_path / "us.yaml").write_text(text)
    (one,) = validate([tmp_path], today=TODAY).diagnostics
    assert one.code == "Q0305"


def test_symbols_may_be_called_like_words(tmp_path: Path) -> None:
    text = WORLD.format(chains=chain("up", "p_trend_up > 0.6"), more="allowlist: all").replace("QQQ", "FOR, NOT, ON")
    (tmp_path / "us.yaml").write_text(text)
    assert validate([tmp_path], today=TODAY).diagnostics == ()


DEFINITIONS = """\
strategy {strategy} {{
  style trend
  param {param}: bars = 10 in 3..60
  {let} = sma(close, 10)
  long when close > 5 * true_range()
  size 10%
}}
feature {feature} {{ value close / open }}
regime {regime} {{
  score trend_up close / open
  score trend_down open / close
  score chop 1
  high_vol sigmoid(close / open)
}}
"""
NAMES = {"strategy": "s1", "param": "p1", "let": "l1", "feature": "f1", "regime": "r1"}


@pytest.mark.parametrize("what", sorted(NAMES))
@pytest.mark.parametrize("word", sorted(RESERVED | {"p_chop"}))
def test_q0305_reserved_words_name_nothing_in_a_definition(what: str, word: str, tmp_path: Path) -> None:
    """An error in validate, every time; where a word also means something to the grammar it may be a syntax error."""
    path = tmp_path / "x.qmtl"
    path.write_text(DEFINITIONS.format(**NAMES))
    assert {d.code for d in validate([path], today=TODAY).diagnostics} == {"Q0609"}  # nothing reads them
    path.write_text(DEFINITIONS.format(**{**NAMES, what: word}))
    wrong = [d for d in validate([path], today=TODAY).diagnostics if d.severity == "error"]
    assert wrong
    assert {d.code for d in wrong} <= {"Q0305", "Q0301"}


# ---- together


def test_how_they_read(root: Path, golden: Golden) -> None:
    found = validate(["tests/golden/diagnostics/checks.yaml"], today=TODAY).diagnostics
    golden("diagnostics/checks.txt", render_text(found))


def test_a_world_with_errors_is_not_judged(found: Found) -> None:
    (one,) = found(chain("no", "p_chop > 1.0", "roc_momentun"))
    assert one.code == "Q0503"


def test_block_syntax_has_the_same_checks(tmp_path: Path) -> None:
    (tmp_path / "us.qmtl").write_text(
        "world us {\n  calendar XNYS\n  universe SPY\n  allowlist all\n"
        "  chain wide when p_chop >= 0.4 { use zscore_reversion }\n"
        "  chain narrow when p_chop >= 0.6 { use zscore_reversion }\n"
        "  otherwise neutral { use roc_momentum }\n}\n"
    )
    (one,) = validate([tmp_path], today=TODAY).diagnostics
    assert told((one,)) == [("Q0610", "p_chop >= 0.6")]
    assert places(one) == ["p_chop >= 0.4"]
