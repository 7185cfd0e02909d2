"""`overrides` of a chain: other strategies or exposure for some symbols and sectors, a symbol before its sector."""

from __future__ import annotations

from pathlib import Path

import pytest

from qmtl.dsl.compile import compile_world
from qmtl.dsl.compileworld import Compiled
from qmtl.dsl.documents import load_file
from qmtl.dsl.effective import OverrideRow, effective
from qmtl.dsl.program import Program, SymbolPlan
from qmtl.dsl.tree import plain

PLAIN = """\
version: 1
world: us
calendar: XNYS
universe: [SPY, QQQ, XLE, XOM]
sectors: {SPY: index, QQQ: index, XLE: energy, XOM: energy}
chains:
  - name: trend
    when: p_trend_up >= 0.55
    strategies: [roc_momentum, atr_ratchet]
    exposure: 90%
    # here
  - {name: neutral, otherwise: true, strategies: [roc_momentum], exposure: 65%}
allowlist: all
"""


def compiled(folder: Path, *lines: str) -> Compiled:
    path = folder / "us.yaml"
    path.write_text(PLAIN.replace("    # here\n", "".join(f"    {line}\n" for line in lines)))
    return compile_world(path)


def program(of: Compiled) -> Program:
    assert of.program is not None, [d.message for d in of.diagnostics]
    return of.program


def errors(of: Compiled) -> list[tuple[str, str, str, str]]:
    """(code, what the span covers, message, help)."""
    return [(d.code, d.span.text if d.span else "", d.message, d.help) for d in of.diagnostics if d.severity == "error"]


OVERRIDES = (
    "overrides:",
    "  by_sector: {energy: {exposure: 20%}}",
    "  by_symbol: {XLE: {strategies: [zscore_reversion]}, SPY: {strategies: [roc_momentum], exposure: 30%}}",
)


def test_a_symbol_beats_its_sector_and_a_sector_the_chain_value_by_value(tmp_path: Path) -> None:
    found = program(compiled(tmp_path, *OVERRIDES))
    names = [plan.name for plan in found.strategies]
    assert names == ["roc_momentum", "atr_ratchet", "zscore_reversion"]
    assert found.chains[0].overrides == (
        SymbolPlan(0, (0,), 0.30),  # SPY: its own
        SymbolPlan(2, (2,), 0.20),  # XLE: its own strategies, the exposure of energy
        SymbolPlan(3, (0, 1), 0.20),  # XOM: energy, the strategies of the chain
    )
    assert found.chains[1].overrides == ()


def test_an_override_that_says_what_the_chain_says_is_no_other_program(tmp_path: Path) -> None:
    same = (
        "overrides: {by_sector: {index: {exposure: 90%}}, by_symbol: {XOM: {strategies: [atr_ratchet, roc_momentum]}}}"
    )
    assert program(compiled(tmp_path, same)).program_id == program(compiled(tmp_path)).program_id


def test_overrides_change_the_program_and_no_generation(tmp_path: Path) -> None:
    before = program(compiled(tmp_path))
    after = program(compiled(tmp_path, "overrides: {by_symbol: {SPY: {exposure: 30%}}}"))
    assert before.program_id != after.program_id
    assert before.generations == after.generations


def test_blocks_say_the_same(tmp_path: Path) -> None:
    block = """\
world us {
  version 1
  calendar XNYS
  universe SPY, QQQ, XLE, XOM
  sectors { SPY index; QQQ index; XLE energy; XOM energy }
  chain trend when p_trend_up >= 0.55 {
    use roc_momentum, atr_ratchet
    exposure 90%
    overrides {
      by_sector energy { exposure 20% }
      by_symbol XLE { use zscore_reversion }
      by_symbol SPY { use roc_momentum; exposure 30% }
    }
  }
  otherwise neutral { use roc_momentum; exposure 65% }
  allowlist all
}
"""
    yaml = compiled(tmp_path, *OVERRIDES)
    path = tmp_path / "block" / "us.qmtl"
    path.parent.mkdir()
    path.write_text(block)
    assert plain(load_file(path).documents[0].tree) == plain(load_file(tmp_path / "us.yaml").documents[0].tree)
    assert program(compile_world(path)) == program(yaml)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("by_symbol: {XLS: {exposure: 20%}}", ("Q0505", "XLS", "unknown symbol `XLS`", "did you mean `XLE`?")),
        ("by_sector: {enrgy: {exposure: 20%}}", ("Q0501", "enrgy", "unknown sector `enrgy`", "did you mean `energy`?")),
        ("by_sector: {gold: {exposure: 20%}}", ("Q0501", "gold", "unknown sector `gold`", "the sectors are `energy`, `index`")),
        (
            "by_symbol: {XLE: {strategies: [roc_momentun]}}",
            ("Q0503", "roc_momentun", "unknown strategy `roc_momentun`", "did you mean `roc_momentum`?"),
        ),
        (
            "by_symbol: {XLE: {exposre: 20%}}",
            ("Q0201", "exposre", "unknown key `exposre` in `XLE`", "did you mean `exposure`?"),
        ),
        (
            "by_symbol: {XLE: {exposure: 120%}}",
            ("Q0205", "120%", "`exposure` must be between 0% and 100%", ""),
        ),
        ("by_symbols: {}", ("Q0201", "by_symbols", "unknown key `by_symbols` in `overrides`", "did you mean `by_symbol`?")),
    ],
)  # fmt: skip
def test_unknown_names_are_errors_with_a_suggestion(
    tmp_path: Path, line: str, expected: tuple[str, str, str, str]
) -> None:
    assert errors(compiled(tmp_path, f"overrides: {{{line}}}")) == [expected]


def test_a_world_without_sectors_has_none_to_override(tmp_path: Path) -> None:
    path = tmp_path / "us.yaml"
    text = PLAIN.replace("    # here\n", "    overrides: {by_sector: {energy: {exposure: 20%}}}\n")
    path.write_text("\n".join(line for line in text.splitlines() if not line.startswith("sectors")))
    assert errors(compile_world(path)) == [
        ("Q0501", "energy", "unknown sector `energy`", "this world has no `sectors`")
    ]


def test_show_has_the_overrides_of_the_symbols_asked_for(tmp_path: Path) -> None:
    of = compiled(tmp_path, *OVERRIDES)
    place = str(tmp_path / "us.yaml")
    rows = effective(of).chains[0].overrides
    assert rows == (
        OverrideRow("sector", "energy", (), "20%", f"{place}:12"),
        OverrideRow("symbol", "XLE", ("zscore_reversion",), "", f"{place}:13"),
        OverrideRow("symbol", "SPY", ("roc_momentum",), "30%", f"{place}:13"),
    )
    assert [row.name for row in effective(of, symbol="XOM").chains[0].overrides] == ["energy"]
    assert [chain.name for chain in effective(of, strategy="zscore_reversion").chains] == ["trend"]


def test_parameters_of_a_strategy_that_only_an_override_names_are_read(tmp_path: Path) -> None:
    path = tmp_path / "us.yaml"
    compiled(tmp_path, *OVERRIDES)
    path.write_text(path.read_text() + "parameters: {zscore_reversion: {default: {window: 60}}}\n")
    found = compile_world(path)
    assert {d.code for d in found.diagnostics} <= {"Q0612"}  # a chop strategy in a trend chain, and nothing else
    assert found.world is not None
    (values,) = [dict(p.values) for p in found.world.parameters if p.strategy == "zscore_reversion"]
    assert values["window"] == 60
