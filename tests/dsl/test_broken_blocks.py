"""A block with a syntax error: everything else in it is still checked, in the words that stand there."""

from __future__ import annotations

from pathlib import Path

import pytest

from qmtl.dsl.compile import validate

WORLD = """\
world w {{
  calendar XNYS
  universe IWM
  {}
  otherwise n {{ use roc_momentum; exposure 40% }}
  allow IWM: roc_momentum
}}
"""
IN_YAML = "world: w\ncalendar: XNYS\nuniverse: [IWM]\nallowlist: all\n"
CHAINS = "chains: [{name: n, otherwise: true, strategies: [roc_momentum], exposure: 40%}]\n"


def found(folder: Path, lines: str, name: str = "w.qmtl") -> list[tuple[str, str, str]]:
    """Code, place and message of everything that is said about a world with these lines."""
    path = folder / name
    path.write_text(WORLD.format(lines) if name.endswith(".qmtl") else lines, encoding="utf-8")
    return [(d.code, d.span.text if d.span else "", d.message) for d in validate([path]).diagnostics]


def codes(folder: Path, lines: str) -> list[tuple[str, str]]:
    return [(code, place) for code, place, _ in found(folder, lines)]


def test_a_syntax_error_hides_no_mistake_of_other_conditions(tmp_path: Path) -> None:
    lines = """chain a when close[-1] > 1 { use roc_momentum }
  chain b when smaa(close, 3) > 1 { use roc_momentum }
  chain c when p_chop > 0.5 { use roc_momentm; stay_when vixx.close > 1 }
  guard g when vix.close > 30m { block entries; on_missing block }"""
    assert codes(tmp_path, lines) == [
        ("Q0301", "-"),
        ("Q0502", "smaa"),
        ("Q0503", "roc_momentm"),
        ("Q0501", "vixx.close"),
        ("Q0410", ">"),
    ]


def test_what_a_broken_block_lacks_is_no_second_mistake(tmp_path: Path) -> None:
    lines = """chain a when p_chop >= { use roc_momentum }
  chain b when p_chop == 0.5 { use roc_momentum }
  chain c when p_trend_up > 0.5 { use ; }
  parameters { roc_momentum { default { fast 10 slow 40 } } }"""
    assert {code for code, _ in codes(tmp_path, lines)} == {"Q0301"}


def test_a_definition_that_is_broken_itself_is_not_unknown(tmp_path: Path) -> None:
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies/mine.qmtl").write_text(
        "feature calm { value close + }\nstrategy mine { style trend; size 100%; long when }\n"
    )
    lines = "chain a when calm > 1 and { use mine }\n  chain b when calm > 1 { use mine }"
    assert {code for code, _ in codes(tmp_path, lines)} == {"Q0301"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("w.qmtl", 'guard "x" when vix.close > 30m { block entrie; on_missing block }'),
        (
            "w.yaml",
            IN_YAML + CHAINS + "entry_guards: [{name: x, when: vix.close > 30m, block: entrie, on_missing: block}]\n",
        ),
    ],
)
def test_a_guard_that_blocks_nothing_known_is_still_asked_what_it_waits_for(
    name: str, text: str, tmp_path: Path
) -> None:
    said = [(code, place) for code, place, _ in found(tmp_path, text, name)]
    assert sorted(said) == [("Q0204", "entrie"), ("Q0410", ">")]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("use roc_momentum", "unknown key `use`"),
        ("chain a when p_chop > 0.5 { use []; exposure 40% }", "`use` needs at least 1 entry"),
        ("chain a when p_chop > 0.5 { exposure 40% }", "`use` is missing in `chain`"),
        ("chain a when p_trend_up > 0.5 { use roc_momentum; use roc_momentum }", "`use` stands twice"),
        ("chain a when p_chop > 0.5 { use roc_momentum; exposur 40% }", "unknown key `exposur` in `chain`"),
        (
            "guard g when vix.close > 30 { blok entries; block entries; on_missing block }",
            "unknown key `blok` in `guard`",
        ),
    ],
)
def test_messages_say_the_words_of_the_block(lines: str, message: str, tmp_path: Path) -> None:
    assert [m for _, _, m in found(tmp_path, lines)] == [message]


def test_messages_about_yaml_say_the_keys_of_yaml(tmp_path: Path) -> None:
    text = f"{IN_YAML}chains:\n  - {{name: n, otherwise: true, strategies: [], exposur: 40%}}\n"
    assert [m for _, _, m in found(tmp_path, text, "w.yaml")] == [
        "`strategies` needs at least 1 entry",
        "unknown key `exposur` in `chains`",
    ]


@pytest.mark.parametrize("symbol", ["8306.T", "0700.HK", "600519.SS", "9984.T"])
def test_a_symbol_of_digits_and_a_dot_is_offered_its_quotes(symbol: str, tmp_path: Path) -> None:
    path = tmp_path / "w.qmtl"
    path.write_text(WORLD.format("").replace("IWM\n", f"IWM, {symbol}\n", 1), encoding="utf-8")
    (only,) = validate([path]).diagnostics
    assert (only.code, only.help) == ("Q0302", f'put it in quotes: "{symbol}"')


def test_a_number_without_its_first_digit_is_still_told_so(tmp_path: Path) -> None:
    path = tmp_path / "w.qmtl"
    path.write_text(WORLD.format("chain a when p_chop > .5 { use roc_momentum }"), encoding="utf-8")
    (only,) = validate([path]).diagnostics
    assert only.help == "a number starts with a digit: `0.5`"
