"""`extends` with fewer symbols or other chains: sectors and hysteresis of the base that are about none of them go too."""

from __future__ import annotations

from pathlib import Path

import pytest

from qmtl.dsl.compile import compile_world
from qmtl.dsl.compileworld import Compiled
from qmtl.dsl.exprtext import spell

BASE = """\
world: base
calendar: XNYS
universe: [IWM, DIA, GLD]
sectors: {IWM: index, DIA: index, GLD: metal}
chains:
  - name: trend
    when: p_trend_up >= 0.55
    strategies: [roc_momentum]
    overrides: {by_sector: {metal: {exposure: 20%}, index: {exposure: 90%}}}
  - {name: neutral, otherwise: true, strategies: [roc_momentum]}
allowlist: all
hysteresis: {trend: 0.02}
"""
OTHER = "chains:\n  - {name: up, when: p_trend_up >= 0.6, strategies: [roc_momentum]}\n"
OTHER += "  - {name: neutral, otherwise: true, strategies: [roc_momentum]}\n"


def child(folder: Path, text: str, base: str = BASE) -> Compiled:
    (folder / "base.yaml").write_text(base)
    (folder / "child.yaml").write_text(f"world: child\nextends: base\n{text}")
    return compile_world(folder / "child.yaml")


def errors(compiled: Compiled) -> list[tuple[str, str]]:
    return [(d.code, d.span.text if d.span else "") for d in compiled.diagnostics if d.severity == "error"]


def sectors_of(compiled: Compiled) -> list[str]:
    assert compiled.world is not None, errors(compiled)
    return [override.name for override in compiled.world.chains[0].overrides]


def test_a_sector_goes_with_its_last_symbol(tmp_path: Path) -> None:
    assert sectors_of(child(tmp_path, "universe: [IWM, DIA]\n")) == ["index"]


def test_a_sector_with_a_symbol_left_stays(tmp_path: Path) -> None:
    assert sectors_of(child(tmp_path, "universe: [IWM, GLD]\n")) == ["metal", "index"]
    assert sectors_of(child(tmp_path, "universe: [IWM, SLV]\nsectors: {SLV: metal}\n")) == ["metal", "index"]


def test_a_sector_of_a_file_goes_too(tmp_path: Path) -> None:
    (tmp_path / "sectors.csv").write_text("symbol,sector\nIWM,index\nDIA,index\nGLD,metal\n")
    base = BASE.replace("{IWM: index, DIA: index, GLD: metal}", "sectors.csv")
    assert sectors_of(child(tmp_path, "universe: [IWM, DIA]\n", base)) == ["index"]


@pytest.mark.parametrize("text", ["sectors: {GLD: metals}\n", "universe: [IWM, GLD]\nsectors: {GLD: metals}\n"])
def test_a_sector_that_was_only_renamed_is_still_a_mistake(text: str, tmp_path: Path) -> None:
    """Its override limits something: that it no longer does must not go unsaid."""
    compiled = child(tmp_path, text)
    assert [d.message for d in compiled.diagnostics if d.severity == "error"] == ["unknown sector `metal`"]


def test_what_the_child_says_of_a_sector_without_symbols_is_a_mistake(tmp_path: Path) -> None:
    own = "universe: [IWM, DIA]\n" + BASE[BASE.index("chains:") : BASE.index("allowlist:")]
    assert errors(child(tmp_path, own)) == [("Q0501", "metal")]


def test_hysteresis_goes_with_its_chain(tmp_path: Path) -> None:
    compiled = child(tmp_path, OTHER)
    assert errors(compiled) == []
    kept = child(tmp_path, OTHER.replace("name: up", "name: trend"))
    assert kept.origins["hysteresis"].source.name.endswith("base.yaml")
    assert errors(kept) == []


def test_hysteresis_of_a_chain_that_is_still_there_stays(tmp_path: Path) -> None:
    kept = child(tmp_path, OTHER.replace("up", "trend", 1)).world
    alone = child(tmp_path, OTHER.replace("up", "trend", 1) + "hysteresis: {trend: 0.02}\n").world
    gone = child(tmp_path, OTHER).world
    assert kept
    assert alone
    assert gone
    stay = [spell(world.chains[0].stay) for world in (kept, alone, gone) if world.chains[0].stay]
    assert stay == ["p_trend_up >= 0.58", "p_trend_up >= 0.58", "p_trend_up >= 0.53"]


def test_hysteresis_that_the_child_says_itself_for_no_chain_is_a_mistake(tmp_path: Path) -> None:
    assert errors(child(tmp_path, OTHER + "hysteresis: {trend: 0.03}\n")) == [("Q0501", "trend")]
