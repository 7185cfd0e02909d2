"""The graph: sharing, folding, order, warm-up; and its pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from qmtl.cli.graph import graph as graph_command
from qmtl.dsl.compile import compile_world
from qmtl.dsl.draw import STEPS, draw
from qmtl.dsl.graph import Graph, finish
from qmtl.dsl.program import Program

ROOT = Path(__file__).resolve().parents[2]

WORLD = """\
version: 1
world: small
calendar: XNYS
universe: [SPY, QQQ]
bars: [15m, 60m]
chains:
  - {name: trend, when: p_trend_up >= 0.55, strategies: [roc_momentum, atr_ratchet], exposure: 90%}
  - {name: neutral, otherwise: true, strategies: [roc_momentum], exposure: 65%}
allowlist: all
parameters: {roc_momentum: {by_symbol: {QQQ: {fast: 15}}}}
entry_guards: [{name: fear, block: long_entries, when: vix.close > 20, on_missing: block}]
"""


@pytest.fixture
def small(tmp_path: Path) -> Program:
    path = tmp_path / "small.yaml"
    path.write_text(WORLD, encoding="utf-8")
    compiled = compile_world(path)
    assert compiled.program is not None, compiled.diagnostics
    return compiled.program


def test_the_same_operation_is_one_node() -> None:
    graph = Graph()
    close = graph.series("close", "15m")
    assert graph.add("sma", (close,), 5) == graph.add("sma", (close,), 5)
    assert graph.add("sma", (close,), 5) != graph.add("sma", (close,), 6)
    assert graph.add("sma", (close,), 5) != graph.add("sma", (graph.series("close", "60m"),), 5)
    assert graph.const(0.0) == graph.const(-0.0)
    assert graph.const(1) != graph.truth(value=True)


def test_ids_are_content_not_position() -> None:
    one, two = Graph(), Graph()
    two.series("volume", "15m")
    first = one.add("ema", (one.series("close", "15m"),), 9)
    second = two.add("ema", (two.series("close", "15m"),), 9)
    other = one.add("ema", (one.series("close", "15m"),), 10)
    assert _id(one, first) == _id(two, second)
    assert _id(one, first) != _id(one, other)


def _id(graph: Graph, draft: int) -> str:
    done = finish(graph, {draft: None})
    return done.nodes[done.index[draft]].id


def test_constants_are_folded_where_they_have_a_value() -> None:
    graph = Graph()
    two, three = graph.const(2), graph.const(3)
    assert graph.value(graph.add("mul", (two, three))) == 6
    assert graph.value(graph.add("gt", (two, three))) == 0
    assert graph.drafts[graph.add("gt", (two, three))].kind == "truth"
    assert graph.value(graph.add("div", (two, graph.const(0)))) is None
    assert graph.value(graph.add("log", (graph.const(-1),))) is None
    assert graph.value(graph.add("exp", (graph.const(1e6),))) is None


def test_coarser_nodes_come_first() -> None:
    graph = Graph()
    fine = graph.add("sma", (graph.series("close", "15m"),), 5)
    coarse = graph.add("sma", (graph.series("close", "60m"),), 5)
    daily = graph.add("sma", (graph.series("vix.close", "1d"),), 5)
    last = graph.add("add", (graph.add("add", (fine, coarse)), daily))
    done = finish(graph, {last: None})
    assert [n.rate for n in done.nodes] == ["1d", "1d", "60m", "60m", "15m", "15m", "15m", "15m"]
    assert done.nodes[done.index[last]].args == (done.index[last] - 1, done.index[daily])


def warmup(build: Callable[[Graph], int]) -> dict[str, int]:
    graph = Graph()
    return dict(graph.drafts[build(graph)].warmup)


def test_warmup_adds_along_the_graph_and_takes_the_most_at_joins() -> None:
    def close(graph: Graph) -> int:
        return graph.series("close", "15m")

    assert warmup(close) == {"15m": 1}
    assert warmup(lambda g: g.add("sma", (close(g),), 20)) == {"15m": 20}
    assert warmup(lambda g: g.add("roc", (close(g),), 10)) == {"15m": 11}
    assert warmup(lambda g: g.add("sma", (g.add("roc", (close(g),), 10),), 5)) == {"15m": 15}
    assert warmup(lambda g: g.add("lag", (g.add("highest", (close(g),), 96),), 1)) == {"15m": 97}
    assert warmup(lambda g: g.add("add", (g.add("sma", (close(g),), 20), g.add("sma", (close(g),), 50)))) == {"15m": 50}
    assert warmup(lambda g: g.const(3)) == {}


def test_warmup_of_recursive_indicators_ends_when_the_seed_is_forgotten() -> None:
    bars = warmup(lambda g: g.add("ema", (g.series("close", "15m"),), 20))["15m"]
    assert (1 - 2 / 21) ** (bars - 1) < 0.001 <= (1 - 2 / 21) ** (bars - 2)
    bars = warmup(lambda g: g.add("wilder", (g.series("close", "15m"),), 14))["15m"]
    assert (1 - 1 / 14) ** (bars - 14) < 0.001 <= (1 - 1 / 14) ** (bars - 15)


def test_warmup_counts_both_rates_of_a_fine_node_over_a_coarse_one() -> None:
    def mixed(graph: Graph) -> int:
        coarse = graph.add("sma", (graph.series("close", "60m"),), 10)
        return graph.add("sma", (graph.add("sub", (graph.series("close", "15m"), coarse)),), 9)

    # the oldest of the nine values must already have had its ten hours
    assert warmup(mixed) == {"15m": 9, "60m": 12}


@given(st.lists(st.tuples(st.sampled_from(["sma", "ema", "lag"]), st.integers(1, 50)), max_size=6))
def test_a_longer_chain_never_needs_less(steps: list[tuple[str, int]]) -> None:
    graph = Graph()
    at = graph.series("close", "15m")
    before = 0
    for op, n in steps:
        at = graph.add(op, (at,), n)
        now = dict(graph.drafts[at].warmup)["15m"]
        assert now >= before
        before = now


@pytest.mark.parametrize("form", ["mermaid", "dot", "json"])
def test_pictures_of_a_small_world(small: Program, form: str, golden: Callable[[str, str], None]) -> None:
    ending = {"mermaid": "mmd", "dot": "dot", "json": "json"}[form]
    golden(f"graph/small.{ending}", draw(small, form))  # type: ignore[arg-type]


def test_the_picture_shows_all_thirteen_steps(small: Program) -> None:
    text = draw(small, "mermaid")
    for number in range(1, len(STEPS) + 1):
        assert f'"{number} ' in text
    assert len(text.splitlines()) < 120


def test_arrows_end_at_boxes(small: Program) -> None:
    for nodes in (False, True):
        picture = json.loads(draw(small, "json", nodes=nodes))
        boxes = {box["id"] for box in picture["boxes"]}
        assert len(boxes) == len(picture["boxes"])
        groups = {group["id"] for group in picture["groups"]}
        assert {arrow[end] for arrow in picture["arrows"] for end in ("from", "to")} <= boxes
        assert {box["group"] for box in picture["boxes"]} <= groups | {""}


def test_every_node_on_request(small: Program) -> None:
    picture = json.loads(draw(small, "json", nodes=True))
    assert len(picture["boxes"]) == len(small.nodes)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (tmp_path / "w.yaml").write_text(WORLD, encoding="utf-8")
    out = tmp_path / "w.mmd"
    result = CliRunner().invoke(graph_command, [str(tmp_path / "w.yaml"), "-o", str(out)])
    assert (result.exit_code, result.output) == (0, "")
    assert "flowchart LR" in out.read_text(encoding="utf-8")
    (tmp_path / "w.yaml").write_text(WORLD.replace("p_trend_up", "p_trendup"), encoding="utf-8")
    result = CliRunner().invoke(graph_command, [str(tmp_path / "w.yaml")])
    assert result.exit_code == 1
    assert "Q0501" in result.output
