"""Trees -> meaning: defaults, units, and every name checked once."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path

import pytest

from qmtl.dsl.breadth import names_held
from qmtl.dsl.compile import compile_world
from qmtl.dsl.compileworld import Run, context_of, library_of
from qmtl.dsl.diagnostics import Diagnostic
from qmtl.dsl.documents import load_file
from qmtl.dsl.model import AllowRow, Settings
from qmtl.dsl.neighbours import neighbours
from qmtl.dsl.read import WorldRead, read_world
from qmtl.dsl.schema import load_schema
from qmtl.dsl.units import duration, ratio

SHORT = """\
world: us
calendar: XNYS
universe: [SPY, QQQ, ON]
chains:
  - {name: trend, when: p_trend_up >= 0.55, strategies: [roc_momentum, atr_ratchet], exposure: 90%}
  - {name: neutral, otherwise: true, strategies: [roc_momentum]}
allowlist: all
"""


def read(folder: Path, text: str) -> WorldRead:
    """The world of a text, in a file of its own."""
    path = folder / "us.yaml"
    path.write_text(text)
    run = Run()
    (document,) = load_file(path).documents
    return read_world(document, context_of(document, library_of(document, run), neighbours(document, run.files)))


def told(found: tuple[Diagnostic, ...]) -> list[tuple[str, str, str]]:
    """(code, what the span covers, message)."""
    return [(d.code, d.span.text if d.span else "", d.message) for d in found]


def errors(folder: Path, text: str) -> list[tuple[str, str, str]]:
    return told(tuple(d for d in read(folder, text).diagnostics if d.severity == "error"))


# ---- defaults, units, origins

#: keys that a world may say and no version runs yet
_NOT_RUN = {"model"}


def test_defaults_of_the_model_and_of_the_schema_are_the_same(tmp_path: Path) -> None:
    settings = read(tmp_path, SHORT).world.settings
    properties = load_schema("world")["properties"]
    for section in ("freshness", "regime", "select", "churn_guard", "position_policy", "risk", "orders"):
        declared = properties[section]["properties"]
        value = getattr(settings, section)
        assert set(declared) - _NOT_RUN == {field.name for field in fields(value)}, section
        for name, field in declared.items():
            if name in _NOT_RUN:
                continue
            if "default" not in field:  # no value stands for "there is none"
                assert field["x-default"]
                assert not getattr(value, name), f"{section}.{name}"
                continue
            convert = {"ratio": ratio, "duration": duration}.get(
                field.get("x-unit", ""), lambda v: tuple(v) if isinstance(v, list | dict) else v
            )
            assert convert(field["default"]) == getattr(value, name), f"{section}.{name}"
    assert settings.capital == ratio(properties["capital"]["default"])
    assert list(settings.bars) == properties["bars"]["default"]


def test_units_are_gone_and_origins_are_kept(tmp_path: Path) -> None:
    found = read(
        tmp_path, SHORT + "churn_guard: {deadband: 250bps, min_hold: 2h}\ncapital: 60%\nrisk: {daily_loss: -1.5%}\n"
    )
    settings = found.world.settings
    assert settings.churn_guard.deadband == 0.025
    assert settings.churn_guard.min_hold == 7200
    assert settings.churn_guard.min_target == 0.03
    assert settings.risk.daily_loss == -0.015
    assert settings.capital == 0.6
    assert str(found.origins["churn_guard.deadband"]).endswith("us.yaml:8:25")
    assert "churn_guard.min_target" not in found.origins


def test_churn_rules_can_be_switched_off_one_by_one(tmp_path: Path) -> None:
    settings = read(tmp_path, SHORT + "churn_guard: {enabled: [min_hold, min_target]}\n").world.settings
    assert settings.churn_guard.enabled == ("min_target", "min_hold")
    assert read(tmp_path, SHORT + "churn_guard: {enabled: []}\n").world.settings.churn_guard.enabled == ()


# ---- chains and guards


def test_hysteresis_loosens_what_is_not_said_explicitly(tmp_path: Path) -> None:
    from qmtl.dsl.exprtext import spell

    def stay(more: str, text: str = SHORT) -> str:
        chain = read(tmp_path, text + more).world.chains[0]
        assert chain.stay is not None
        return spell(chain.stay)

    both = SHORT.replace("p_trend_up >= 0.55", "p_trend_up >= 0.55 and p_trend_down < 0.40")
    assert stay("", both) == "p_trend_up >= 0.48 and p_trend_down < 0.47"
    assert stay("hysteresis: 0.05\n", both) == "p_trend_up >= 0.5 and p_trend_down < 0.45"
    assert stay("hysteresis: 0\n", both) == "p_trend_up >= 0.55 and p_trend_down < 0.40"
    assert stay("hysteresis: {trend: 0.1}\n", both) == "p_trend_up >= 0.45 and p_trend_down < 0.5"
    assert stay("hysteresis: {trend: {p_trend_down: 0}}\n", both).startswith(
        "p_trend_up >= 0.48 and p_trend_down < 0.4"
    )
    explicit = SHORT.replace("when: p_trend_up >= 0.55", "when: p_trend_up >= 0.55, stay_when: p_trend_up >= 0.2")
    assert stay("", explicit) == "p_trend_up >= 0.2"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ((", otherwise: true", ", when: p_chop > 0.5"), ("Q0601", "neutral", "no chain is `otherwise: true`")),
        (
            ("when: p_trend_up >= 0.55", "otherwise: true"),
            ("Q0601", "trend", "chain `trend` holds always, so the chains behind it never do"),
        ),
        ((", when: p_trend_up >= 0.55", ""), ("Q0202", "trend", "chain `trend` needs a condition: `when` is missing")),
        (("name: neutral", "name: trend"), ("Q0507", "trend", "there are two chains `trend`")),
        (("atr_ratchet", "atr_rachet"), ("Q0503", "atr_rachet", "unknown strategy `atr_rachet`")),
        (("allowlist: all", "allowlist: all\nhysteresis: {trnd: 0.1}"), ("Q0501", "trnd", "unknown chain `trnd`")),
        (
            ("allowlist: all", "allowlist: all\nhysteresis: {trend: {p_up: 0.1}}"),
            ("Q0501", "p_up", "unknown probability `p_up`"),
        ),
        (
            ("allowlist: all", "allowlist: all\nregime: {heuristic: us_heuristik}"),
            ("Q0501", "us_heuristik", "unknown regime `us_heuristik`"),
        ),
        (("allowlist: all", "allowlist: al"), ("Q0506", "al", "unknown allowlist `al`")),
        (("allowlist: all", "allowlist: all\nexchange: alpaka"), ("Q0506", "alpaka", "unknown exchange `alpaka`")),
        (
            ("allowlist: all", "allowlist: {SPY: [roc_momentum], QQQ: [], ON: [], SPI: []}"),
            ("Q0505", "SPI", "unknown symbol `SPI`"),
        ),
        (("allowlist: all", "allowlist: all\nsectors: {SPZ: x}"), ("Q0505", "SPZ", "unknown symbol `SPZ`")),
    ],
)
def test_each_wrong_name_is_one_error_at_its_place(
    tmp_path: Path, change: tuple[str, str], expected: tuple[str, str, str]
) -> None:
    text = SHORT.replace(*change)
    assert text != SHORT
    assert errors(tmp_path, text) == [expected]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("universe:", "univers:"), "Q0201"),
        (("[SPY, QQQ, ON]", "[SPY, QQQ, ON, TRUE]"), "Q0203"),
        ((", otherwise: true", ", otherwse: true"), "Q0201"),
        (("when: p_trend_up >= 0.55", "wen: p_trend_up >= 0.55"), "Q0201"),
        (("when: p_trend_up >= 0.55", "when: vix.close < 30m"), "Q0410"),
        (("when: p_trend_up >= 0.55", "when: vix.close < 30"), "Q0602"),
        (("when: p_trend_up >= 0.55", "when: p_trend_up >="), "Q0301"),
        (("allowlist: all", "allowlist: all\nstrategy_files: [none.qmtl]"), "Q0101"),
        (("allowlist: all", "allowlist: all\nbars: [15m]"), "Q0405"),
    ],
)
def test_one_mistake_is_one_error_through_all_layers(tmp_path: Path, change: tuple[str, str], code: str) -> None:
    text = SHORT.replace("allowlist: all", "allowlist: {SPY: [roc_momentum, atr_ratchet], QQQ: [], ON: []}")
    before, after = change
    (tmp_path / "us.yaml").write_text((SHORT if before == "allowlist: all" else text).replace(before, after))
    found = [d for d in compile_world(tmp_path / "us.yaml").diagnostics if d.severity == "error"]
    assert [d.code for d in found] == [code]
    assert found[0].span is not None


def test_a_name_that_is_wrong_everywhere_is_one_error(tmp_path: Path) -> None:
    text = SHORT.replace("roc_momentum", "roc_momentun").replace(
        "allowlist: all",
        "allowlist: {SPY: [roc_momentun], QQQ: [], ON: []}\nparameters: {roc_momentun: {default: {fast: 5}}}",
    )
    (found,) = (d for d in read(tmp_path, text).diagnostics if d.severity == "error")
    assert (found.code, found.help) == ("Q0503", "did you mean `roc_momentum`?")
    assert [label.text for label in found.labels] == ["also here"] * 3


def test_entry_guards(tmp_path: Path) -> None:
    guards = "entry_guards:\n- {block: long_entries, when: vix.close > 20, on_missing: block}\n- {block: long_entries, when: vix.close > 30, on_missing: true}\n- {name: calm, block: entries, when: vix.close > 40, on_missing: hold}\n"
    found = [guard.settings for guard in read(tmp_path, SHORT + guards).world.entry_guards]
    assert [(g.name, g.on_missing, g.value) for g in found] == [
        ("long_entries", "block", False),
        ("long_entries_2", "value", True),
        ("calm", "hold", False),
    ]
    twice = SHORT + "entry_guards:\n" + 2 * "- {name: calm, block: entries, when: vix.close > 40, on_missing: hold}\n"
    assert errors(tmp_path, twice) == [("Q0507", "calm", "there are two entry guards `calm`")]


# ---- parameters


def test_parameters_are_grouped_by_value_with_the_general_set_first(tmp_path: Path) -> None:
    text = (
        SHORT
        + "parameters: {roc_momentum: {default: {fast: 12}, by_symbol: {SPY: {fast: 15, slow: 60}, ON: {fast: 12}}}}\n"
    )
    sets = [p for p in read(tmp_path, text).world.parameters if p.strategy == "roc_momentum"]
    assert [p.symbols for p in sets] == [("QQQ", "ON"), ("SPY",)]
    assert dict(sets[0].values)["fast"] == 12.0
    assert dict(sets[1].values) | {"threshold": 0.0} == {"fast": 15.0, "slow": 60.0, "threshold": 0.0}
    assert {p.strategy for p in read(tmp_path, text).world.parameters} == {"roc_momentum", "atr_ratchet"}


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("{roc_momentum: {default: {fsat: 5}}}", ("Q0504", "fsat", "strategy `roc_momentum` has no parameter `fsat`")),
        (
            "{roc_momentum: {by_symbol: {QQQ: {fastt: 5}}}}",
            ("Q0504", "fastt", "strategy `roc_momentum` has no parameter `fastt`"),
        ),
        ("{roc_momentum: {by_symbol: {QQ: {fast: 5}}}}", ("Q0505", "QQ", "unknown symbol `QQ`")),
        ("{roc_momentun: {default: {fast: 5}}}", ("Q0503", "roc_momentun", "unknown strategy `roc_momentun`")),
        (
            "{roc_momentum: {default: {fast: 5.5}}}",
            ("Q0203", "5.5", "`fast` must be a whole number of bars, 1 or more"),
        ),
        ("{roc_momentum: {default: {fast: 5%}}}", ("Q0203", "5%", "`fast` must be a whole number of bars, 1 or more")),
        ("{roc_momentum: {default: {fast: 61}}}", ("Q0411", "61", "`fast` must be between 3 and 60")),
        ("{roc_momentum: {default: {threshold: 0.01}}}", ("Q0206", "0.01", "`threshold` must be a ratio")),
        ("{roc_momentum: {default: {threshold: 6%}}}", ("Q0411", "6%", "`threshold` must be between 0% and 5%")),
    ],
)
def test_parameters_are_checked_in_default_and_by_symbol(
    tmp_path: Path, parameters: str, expected: tuple[str, str, str]
) -> None:
    assert errors(tmp_path, SHORT + f"parameters: {parameters}\n") == [expected]


def test_r52_a_key_that_stands_for_nothing_is_an_error(tmp_path: Path) -> None:
    """R52: `symbol_overrides`, written for `by_symbol`, once traded wrong parameters for ten days without a word."""
    path = tmp_path / "us.yaml"
    path.write_text(SHORT + "parameters: {roc_momentum: {symbol_overrides: {QQQ: {fast: 5}}}}\n")
    compiled = compile_world(path)
    assert compiled.program is None
    (found,) = compiled.diagnostics
    assert (found.code, found.help) == ("Q0201", "the keys here are `default` and `by_symbol`")


# ---- allowlists and sectors


def test_an_allowlist_map_keeps_what_it_does_not_name_closed(tmp_path: Path) -> None:
    found = read(tmp_path, SHORT.replace("allowlist: all", "allowlist: {SPY: [roc_momentum, zscore_reversion]}"))
    assert found.world.allowlist == (AllowRow("SPY", "roc_momentum"), AllowRow("SPY", "zscore_reversion"))
    assert told(found.diagnostics) == [
        ("Q0609", "allowlist", "the allowlist has no row for `QQQ`, `ON`: nothing trades them"),
    ]
    assert read(tmp_path, SHORT).world.allowlist is None


def test_an_allowlist_document_with_rows_and_a_csv(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "q4.yaml").write_text(
        "allowlist: q4\nrows:\n- {symbol: SPY, strategy: roc_momentum, reason: good, until: 2026-12-31}\n- {symbol: MSFT, strategy: roc_momentum}\ncsv: q4.csv\n"
    )
    (tmp_path / "lists" / "q4.csv").write_text(
        'symbol,strategy,enabled,reason,until\nQQQ,atr_ratchet,false,"too, wild",\nON,roc_momentum,,,\n'
    )
    found = read(tmp_path, SHORT.replace("allowlist: all", "allowlist: q4"))
    assert not [d for d in found.diagnostics if d.severity == "error"]
    assert found.world.allowlist == (
        AllowRow("SPY", "roc_momentum", True, "good", "2026-12-31"),
        AllowRow("QQQ", "atr_ratchet", False, "too, wild"),
        AllowRow("ON", "roc_momentum"),
    )
    assert tmp_path / "lists" / "q4.csv" in found.files


@pytest.mark.parametrize(
    ("csv", "expected"),
    [
        ("symbol,strat\nSPY,x\n", ("Q0202", "symbol,strat", "the column `strategy` is missing")),
        ("symbol,strategy\nSPY\n", ("Q0202", "SPY", "a row needs `symbol` and `strategy`")),
        ("symbol,strategy\nSPY,roc_momentun\n", ("Q0503", "roc_momentun", "unknown strategy `roc_momentun`")),
        (
            "symbol,strategy,enabled\nSPY,roc_momentum,maybe\n",
            ("Q0203", "maybe", "`enabled` must be `true` or `false`"),
        ),
        ("symbol,strategy,until\nSPY,roc_momentum,2026-02-30\n", ("Q0206", "2026-02-30", "`until` must be a date")),
        (
            "symbol,strategy\nSPY,roc_momentum\nSPY,roc_momentum\n",
            ("Q0606", "SPY", "`SPY` with `roc_momentum` is listed twice"),
        ),
    ],
)
def test_a_wrong_cell_is_blamed_in_its_csv(tmp_path: Path, csv: str, expected: tuple[str, str, str]) -> None:
    (tmp_path / "q4.yaml").write_text("allowlist: q4\ncsv: q4.csv\n")
    (tmp_path / "q4.csv").write_text(csv)
    found = read(tmp_path, SHORT.replace("allowlist: all", "allowlist: q4"))
    (wrong,) = (d for d in found.diagnostics if d.severity == "error")
    assert told((wrong,)) == [expected]
    assert wrong.span is not None
    assert wrong.span.source.name.endswith("q4.csv")


def test_sectors_from_a_map_or_a_csv(tmp_path: Path) -> None:
    inline = read(tmp_path, SHORT + "sectors: {SPY: index, QQQ: none, ON: technology}\n").world.settings.sectors
    assert inline == (("SPY", "index"), ("ON", "technology"))
    (tmp_path / "s.csv").write_text(
        "Symbol,Security,GICS Sector\nON,onsemi,Information Technology\nMSFT,Microsoft,Information Technology\n"
    )
    assert read(tmp_path, SHORT + "sectors: s.csv\n").world.settings.sectors == (("ON", "Information Technology"),)
    assert [code for code, _, _ in errors(tmp_path, SHORT + "sectors: t.csv\n")] == ["Q0101"]
    (tmp_path / "s.csv").write_text("ticker,industry\nON,x\n")
    assert errors(tmp_path, SHORT + "sectors: s.csv\n") == [
        ("Q0202", "ticker,industry", "the column `sector` is missing")
    ]


def test_an_exchange_is_found_below_the_folder_of_the_world(tmp_path: Path) -> None:
    (tmp_path / "venues").mkdir()
    (tmp_path / "venues" / "a.yaml").write_text("exchange: alpaca\nlot_size: 0.1\nfractional: true\n")
    exchange = read(tmp_path, SHORT + "exchange: alpaca\n").world.settings.exchange
    assert (exchange.name, exchange.lot_size, exchange.fractional, exchange.tick_size) == (
        "alpaca",
        Decimal("0.1"),
        True,
        Decimal("0.01"),
    )
    assert read(tmp_path, SHORT).world.settings.exchange.name == "default"


def test_a_broken_exchange_breaks_the_worlds_that_name_it(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("exchange: alpaca\nlot_sise: 1\n")
    (tmp_path / "us.yaml").write_text(SHORT + "exchange: alpaca\n")
    assert [d.code for d in compile_world(tmp_path / "us.yaml").diagnostics] == ["Q0201"]


# ---- breadth


def settings_with(folder: Path, universe: int, more: str = "") -> Settings:
    symbols = ", ".join(f"S{i}" for i in range(universe))
    return read(folder, SHORT.replace("SPY, QQQ, ON", symbols) + more).world.settings


def test_the_caps_bound_how_many_names_a_world_can_hold(tmp_path: Path) -> None:
    settings = settings_with(tmp_path, 40)
    assert names_held(settings) == 20, "60 % in pieces of 3 %"
    assert names_held(settings, 0.9) == 18
    assert names_held(settings, 0.4) == 8
    assert names_held(replace(settings, universe=settings.universe[:5])) == 5
    assert names_held(replace(settings, churn_guard=replace(settings.churn_guard, enabled=()))) == 40
    assert names_held(replace(settings, risk=replace(settings.risk, max_symbol=0.02))) == 0


def test_a_sector_bounds_its_members(tmp_path: Path) -> None:
    sectors = (
        "sectors: {"
        + ", ".join(f"S{i}: {'tech' if i < 10 else 'oil' if i < 12 else 'none'}" for i in range(15))
        + "}\n"
    )
    settings = settings_with(tmp_path, 15, sectors)
    assert names_held(settings) == 6 + 2 + 3, "20 % in pieces of 3 %, both oils, and three without a sector"


# ---- definitions


def test_a_strategy_that_does_not_parse_is_not_also_unknown(tmp_path: Path) -> None:
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies" / "mine.qmtl").write_text(
        "strategy mine {\n  style trend\n  long when close > > 3\n  size 1\n}\n"
    )
    (tmp_path / "us.yaml").write_text(SHORT.replace("atr_ratchet", "mine"))
    found = compile_world(tmp_path / "us.yaml").diagnostics
    assert [d.code for d in found] == ["Q0301"]


def test_the_program_does_not_depend_on_where_the_file_stands(tmp_path: Path) -> None:
    """R55: a generation that hashes a path puts every position on hold after a move."""
    for name in ("a/us.yaml", "b/other.yaml"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(
            SHORT
            if name.startswith("a")
            else "# a comment\n" + json.dumps({"world": "us"})[1:-1] + SHORT.removeprefix("world: us")
        )
    first, second = (compile_world(tmp_path / name) for name in ("a/us.yaml", "b/other.yaml"))
    assert first.program is not None
    assert second.program is not None
    assert first.program == second.program
