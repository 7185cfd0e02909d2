"""Meaning -> Program: signals, lanes, columns, regime, and that everything in the graph can be executed as promised."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from qmtl.dsl.builtins import ACROSS, BUILTINS, STATEFUL
from qmtl.dsl.codec import program_to_json
from qmtl.dsl.compile import compile_world
from qmtl.dsl.diagnostics import has_errors
from qmtl.dsl.library import Library, library_of
from qmtl.dsl.lower import lower_world
from qmtl.dsl.model import (
    AllowRow,
    Chain,
    EntryGuard,
    EntryGuardSettings,
    ExchangePolicy,
    ParameterSet,
    Settings,
    World,
)
from qmtl.dsl.parser import parse_file, parse_predicate
from qmtl.dsl.program import Node, Program
from qmtl.dsl.source import Source, Span
from qmtl.dsl.syntax import Expr
from qmtl.dsl.tree import Scalar

ROOT = Path(__file__).resolve().parents[2]
RANK = {"": 0, "1d": 1, "60m": 2, "15m": 3}

BASE = """
feature trend15 { value ema(close, 20) / close - 1 }
feature trend60 { on 60m { g = roc(close, 8) }; value g }
feature mom15 { value roc(close, 16) }
feature mom60 { on 60m { g = roc(close, 8) }; value g }
feature vol_score { value clip(zscore(trend15, 120) / 2, 0, 1) }
feature overext { value abs(close - ema(close, 20)) / atr(14) }
regime calm { score trend_up trend15; score trend_down -trend15; score chop 0; high_vol sigmoid(vol_score) }
"""
MOMENTUM = """
strategy momentum {
  style trend
  param fast: bars = 10 in 3..60
  param edge: ratio = 0% in 0%..5%
  on 60m { quick = roc(close, fast) }
  long when quick > edge
  short when quick < -edge
  size clip(abs(quick) / highest(abs(quick), 60), 10%, 100%)
  stop 1.5 * atr(14)@60m
  take at sma(close, 20)
}
"""


def library(*texts: str) -> Library:
    definitions, _, problems = parse_file(Source("lib", "\n".join((BASE, *texts))))
    assert problems == ()
    return library_of(definitions)


def predicate(text: str) -> Expr:
    expr, problems = parse_predicate(Scalar(text, Span(Source("w", text), 0, len(text)), tuple(range(len(text) + 1))))
    assert expr is not None, problems
    return expr


def world(
    strategies: tuple[str, ...] = ("momentum",), symbols: tuple[str, ...] = ("A", "B", "C"), when: str = "p_chop > 0.5"
) -> World:
    settings = Settings("w", "XNYS", symbols, ("15m", "60m"), ExchangePolicy("x"))
    settings = replace(settings, regime=replace(settings.regime, heuristic="calm"))
    condition = predicate(when)
    chains = (Chain("first", condition, condition, strategies, 0.4), Chain("last", None, None, strategies, 0.65))
    return World(settings, chains, None, (), ())


def program(of: World, lib: Library) -> Program:
    built, problems = lower_world(of, lib)
    assert built is not None, problems
    assert not has_errors(problems)
    return built


def node(of: Program, index: int) -> Node:
    return of.nodes[index]


def test_arguments_come_first_cover_their_readers_and_are_not_finer() -> None:
    sets = (
        ParameterSet("momentum", ("A",), (("fast", 10.0),)),
        ParameterSet("momentum", ("B", "C"), (("fast", 15.0),)),
    )
    built = program(replace(world(), parameters=sets), library(MOMENTUM))
    for index, one in enumerate(built.nodes):
        for arg in one.args:
            read = built.nodes[arg]
            assert arg < index
            assert RANK[read.rate] <= RANK[one.rate]
            if read.scope == "symbol" and read.columns is not None:
                assert one.columns is not None
                assert set(one.columns) <= set(read.columns)
        if one.op in ACROSS:
            assert all(built.nodes[a].columns is None for a in one.args)
        assert one.scope == "symbol" or one.columns is None


def test_every_operation_has_a_kernel() -> None:
    kernels = pytest.importorskip("qmtl.engine.kernels")
    ops = {b.op for b in BUILTINS.values()} | set(STATEFUL) | {"latch", "coalesce", "coalesce_truth", "not", "neg"}
    assert ops <= kernels.OPS


def test_a_strategy_without_exits_leaves_when_its_entry_is_false() -> None:
    built = program(world(), library(MOMENTUM))
    latch = node(built, built.strategies[0].lanes[0].signal)
    assert (latch.op, latch.rate) == ("latch", "60m")
    long, short, exit_long, exit_short = (node(built, a) for a in latch.args)
    assert (long.op, short.op) == ("gt", "lt")
    assert [(e.op, e.args) for e in (exit_long, exit_short)] == [("not", (latch.args[0],)), ("not", (latch.args[1],))]


def test_a_side_that_is_not_there_is_never_true() -> None:
    text = "strategy one { style chop; long when close > open; exit long when close < open; size 3 }"
    built = program(world(("one",)), library(text))
    lane = built.strategies[0].lanes[0]
    latch = node(built, lane.signal)
    assert (node(built, latch.args[1]).op, node(built, latch.args[1]).params) == ("const", (0,))
    assert node(built, latch.args[2]).op == "lt"
    assert node(built, lane.size).params == (1.0,)
    assert (lane.stop, lane.take) == (None, None)


def test_a_signal_of_constants_still_steps() -> None:
    built = program(world(("one",)), library("strategy one { style chop; long when true; size 1 }"))
    assert node(built, built.strategies[0].lanes[0].signal).rate == "15m"


def test_size_is_clipped_and_levels_are_marked() -> None:
    built = program(world(), library(MOMENTUM))
    lane = built.strategies[0].lanes[0]
    size = node(built, lane.size)
    assert size.op == "clip"
    assert [node(built, a).params for a in size.args[1:]] == [(0.0,), (1.0,)]
    assert (lane.stop_is_level, lane.take_is_level) == (False, True)


def test_probabilities_are_a_softmax() -> None:
    built = program(world(), library(MOMENTUM))
    shares = [built.regime.p_trend_up, built.regime.p_trend_down, built.regime.p_chop]
    assert [node(built, i).op for i in shares] == ["div"] * 3
    (total,) = {node(built, i).args[1] for i in shares}
    assert node(built, total).op == "add"
    assert [node(built, node(built, i).args[0]).op for i in shares] == ["exp"] * 3
    confidence = node(built, built.regime.confidence)
    assert confidence.op == "max2"


def test_lanes_share_what_the_parameters_do_not_touch() -> None:
    sets = (
        ParameterSet("momentum", ("A", "C"), (("edge", 0.0), ("fast", 10.0))),
        ParameterSet("momentum", ("B",), (("edge", 0.0), ("fast", 15.0))),
    )
    built = program(replace(world(), parameters=sets), library(MOMENTUM))
    general, own = built.strategies[0].lanes
    assert (general.columns, own.columns) == (None, (1,))
    assert general.stop == own.stop
    assert general.signal != own.signal
    assert node(built, own.signal).columns == (1,)
    assert node(built, general.signal).columns is None
    alone = program(world(), library(MOMENTUM))
    assert node(alone, alone.strategies[0].lanes[0].signal).id == node(built, general.signal).id


def test_columns_are_the_union_of_what_readers_ask_for() -> None:
    sets = tuple(ParameterSet("momentum", (s,), (("edge", e), ("fast", 15.0))) for s, e in (("B", 0.01), ("C", 0.02)))
    sets = (ParameterSet("momentum", ("A",), (("edge", 0.0), ("fast", 10.0))), *sets)
    built = program(replace(world(), parameters=sets), library(MOMENTUM))
    (roc15,) = [n for n in built.nodes if n.op == "roc" and n.params == (15,)]
    assert roc15.columns == (1, 2)


def test_a_default_without_users_is_still_there() -> None:
    sets = (ParameterSet("momentum", ("A", "B", "C"), (("edge", 0.0), ("fast", 20.0))),)
    built = program(replace(world(), parameters=sets), library(MOMENTUM))
    (lane,) = built.strategies[0].lanes
    assert lane.columns is None


def test_functions_across_the_universe_see_everybody() -> None:
    text = "strategy top { style trend; param n: bars = 4; long when xrank(roc(close, n)) > 0.8; size 1 }"
    sets = (ParameterSet("top", ("A", "C"), (("n", 4.0),)), ParameterSet("top", ("B",), (("n", 8.0),)))
    built = program(replace(world(("top",)), parameters=sets), library(text))
    ranks = [n for n in built.nodes if n.op == "xrank"]
    assert sorted(n.columns or () for n in ranks) == [(), (1,)]
    assert all(built.nodes[a].columns is None for n in ranks for a in n.args)


def test_too_many_lanes() -> None:
    symbols = tuple(f"S{i}" for i in range(300))
    sets = tuple(ParameterSet("momentum", (s,), (("edge", i / 10_000), ("fast", 10.0))) for i, s in enumerate(symbols))
    built, problems = lower_world(replace(world(symbols=symbols), parameters=sets), library(MOMENTUM))
    assert built is None
    assert [p.code for p in problems] == ["Q0605"]


def test_nodes_that_nobody_needs_are_left_out() -> None:
    built = program(world(), library(MOMENTUM.replace("long when", "unused = sma(volume, 33)\n  long when")))
    assert not [n for n in built.nodes if n.params == (33,)]


def test_guards_chains_and_allowlist() -> None:
    guard = EntryGuard(EntryGuardSettings("fear", "long_entries", "block"), predicate("vix.close > 20"))
    rows = (
        AllowRow("A", "momentum"),
        AllowRow("B", "momentum", until="2026-12-31"),
        AllowRow("C", "momentum", enabled=False),
    )
    built = program(replace(world(), entry_guards=(guard,), allowlist=rows), library(MOMENTUM))
    assert node(built, built.guards[0].when).scope == "market"
    assert built.allowed == ((True, True, False),)
    assert built.allowed_until == (("", "2026-12-31", ""),)
    assert [(c.name, c.when is None, c.strategies) for c in built.chains] == [
        ("first", False, (0,)),
        ("last", True, (0,)),
    ]


def test_mistakes_in_conditions_and_definitions_come_together() -> None:
    broken = MOMENTUM.replace("size clip", "size clipp")
    built, problems = lower_world(world(when="p_chop > 55"), library(broken))
    assert built is None
    assert [p.code for p in problems] == ["Q0502", "Q0205"]


def test_chart_fit_inputs_are_plain_numbers() -> None:
    definitions, _, _ = parse_file(Source("lib", BASE.replace("value roc(close, 16)", "value close") + MOMENTUM))
    built, (problem,) = lower_world(world(), library_of(definitions))
    assert built is None
    assert (problem.code, problem.span and problem.span.text) == ("Q0401", "mom15")


def test_what_had_a_syntax_error_is_not_lowered() -> None:
    definitions, _, problems = parse_file(Source("lib", BASE + MOMENTUM.replace("stop 1.5 *", "stop 1.5 * *")))
    assert len(problems) == 1
    built, more = lower_world(world(), library_of(definitions))
    assert (built, more) == (None, ())


def test_a_world_of_5000_symbols_lowers_fast() -> None:
    symbols = tuple(f"S{i}" for i in range(5000))
    sets = tuple(ParameterSet("momentum", symbols[k::50], (("edge", k / 10_000), ("fast", 10.0))) for k in range(50))
    rows = tuple(AllowRow(s, "momentum") for s in symbols)
    of = replace(world(symbols=symbols), parameters=sets, allowlist=rows)
    lib = library(MOMENTUM)
    start = time.perf_counter()
    built = program(of, lib)
    program_to_json(built)
    assert time.perf_counter() - start < 2
    assert len(built.strategies[0].lanes) == 50


@pytest.mark.parametrize("path", ["worlds/us_core.yaml", "worlds/tail_hedge.qmtl"])
def test_the_shipped_worlds_compile(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    compiled = compile_world(path)
    assert not has_errors(compiled.diagnostics), compiled.diagnostics
    assert compiled.program is not None
