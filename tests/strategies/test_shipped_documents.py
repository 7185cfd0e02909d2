"""The worlds, deployments and texts that are shipped: valid, readable by editors, and what the documentation says."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from qmtl.dsl.compile import compile_deployment, compile_world, validate
from qmtl.dsl.documents import load_file
from qmtl.dsl.schema import load_schema

ROOT = Path(__file__).resolve().parents[2]
YAML = sorted([*ROOT.glob("*.yaml"), *(ROOT / "worlds").rglob("*.yaml")])
STRATEGIES = sorted(path.stem for path in (ROOT / "strategies").glob("*.qmtl"))

#: the sample of the language's design text; the shipped file is this, after its head comment
SAMPLE = """\
strategy roc_momentum {
  doc   "Fast and slow rate of change agree."
  style trend
  param fast: bars = 10 in 3..60
  param slow: bars = 40 in 10..240
  param threshold: ratio = 0% in 0%..5%

  on 60m {
    quick = sma(roc(close, fast), 5)
    calm  = sma(roc(close, slow), 5)
  }
  long  when quick > calm and quick > threshold
  short when quick < calm and quick < -threshold
  size  clip(abs(quick) / highest(abs(quick), 60), 10%, 100%)
  stop  1.5 * atr(14)@60m          # an unsigned distance from the average price; `stop at EXPR` for a level
  take  2.5 * atr(14)@60m
}
"""


def test_all_documents_are_valid_without_a_warning():
    found = validate([ROOT / "worlds", ROOT / "demo.yaml", ROOT / "prod.yaml"])
    assert found.diagnostics == ()
    kinds = Counter(document.kind for document in found.documents)
    cases = kinds.pop("case")
    assert cases > 0
    assert kinds == {"allowlist": 1, "deployment": 2, "exchange": 2, "plan": 1, "world": 2}


def test_the_world_in_blocks_shows_every_section_that_a_world_can_have():
    (document,) = load_file(ROOT / "worlds" / "tail_hedge.qmtl").documents
    schema = load_schema("world")["properties"]
    written = {entry.key: entry.value for entry in document.tree}
    assert set(schema) - set(written) == {"extends", "strategy_files"}
    for section in ("freshness", "churn_guard", "position_policy", "risk", "orders"):
        # an average of 20 sessions is more than a case of this world shows; a day has no limit here
        known = set(schema[section]["properties"]) - {"max_volume", "max_per_day", "max_turnover"}
        assert {entry.key for entry in written[section]} == known, section
    said = {entry.key for chain in written["chains"].items for entry in chain}
    assert said == set(schema["chains"]["items"]["properties"])


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_yaml_names_its_schema_in_the_first_line(path):
    """Editors complete and check from the first line on; the path is relative to the file."""
    first = path.read_text(encoding="utf-8").splitlines()[0]
    found = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert found
    assert (path.parent / found[1]).resolve().parent == ROOT / "schemas"
    assert (path.parent / found[1]).is_file()


def test_the_sample_of_the_design_text_is_a_shipped_file():
    assert (ROOT / "strategies" / "roc_momentum.qmtl").read_text(encoding="utf-8").endswith("\n" + SAMPLE)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_text_begins_with_a_comment_and_has_a_doc_string(name):
    text = (ROOT / "strategies" / f"{name}.qmtl").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert text.count('doc "') + text.count('doc   "') == len(
        re.findall(r"^(strategy|regime|feature) ", text, re.MULTILINE)
    )


def test_us_core_uses_all_seven_strategies_four_chains_and_every_symbol():
    program = compile_world(ROOT / "worlds" / "us_core.yaml").program
    assert program is not None
    shipped = set(STRATEGIES) - {"features", "us_heuristic"}
    assert {plan.name for plan in program.strategies} == shipped
    assert len(shipped) == 7
    assert [chain.name for chain in program.chains] == ["defensive", "chop", "trend", "neutral"]
    assert [chain.exposure for chain in program.chains] == [0.40, 0.40, 0.90, 0.65]
    assert all(any(row[column] for row in program.allowed) for column in range(len(program.settings.universe)))
    assert {symbol for symbol, _ in program.settings.sectors} == set(program.settings.universe)


def test_features_of_the_regime_and_the_chart_fit_exist():
    program = compile_world(ROOT / "worlds" / "us_core.yaml").program
    assert program is not None
    regime = {"ret_4", "ret_8", "vol_20", "vol_60", "atr_pct", "ema_gap", "adr_z", "vix_z", "vix_chg_5"}
    fit = {"trend15", "trend60", "mom15", "mom60", "vol_score", "overext"}
    assert regime | fit <= {name for name, _ in program.features}


def test_worlds_of_both_surfaces_have_disjoint_universes():
    worlds = [compile_world(ROOT / "worlds" / name).program for name in ("us_core.yaml", "tail_hedge.qmtl")]
    first, second = (set(program.settings.universe) for program in worlds if program is not None)
    assert not first & second


@pytest.mark.parametrize("name", ["demo", "prod"])
def test_deployments_trade_on_paper(name):
    compiled = compile_deployment(ROOT / f"{name}.yaml")
    assert compiled.deployment is not None
    assert compiled.deployment.mode == "paper"
    assert [program.settings.world for program in compiled.programs] == ["us_core"]


@pytest.mark.parametrize("name", sorted({*STRATEGIES} - {"features", "us_heuristic"}))
def test_every_strategy_has_its_paragraph(name):
    """docs/strategies.md: heading with style and rate, and the default of every parameter."""
    text = (ROOT / "docs" / "strategies.md").read_text(encoding="utf-8")
    section = re.search(
        rf"^## {name} \((trend|chop|defensive), (15m|60m)\)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL
    )
    assert section
    source = (ROOT / "strategies" / f"{name}.qmtl").read_text(encoding="utf-8")
    assert f"style {section[1]}" in source
    for parameter, default in re.findall(r"param (\w+): \w+ = (\S+) in", source):
        assert f"`{parameter}` {default.removesuffix('%')}" in " ".join(section[3].split())
