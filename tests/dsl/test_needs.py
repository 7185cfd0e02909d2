"""Checking makes no program, and says the same as if it did: needs, diagnostics, notes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.dsl.compile import compile_world, validate
from qmtl.dsl.compileworld import Run, world_notes
from qmtl.dsl.deployments import world_at
from qmtl.dsl.library import load_library
from qmtl.dsl.lower import program_of
from qmtl.dsl.model import ParameterSet, World
from qmtl.dsl.needs import Facts
from qmtl.dsl.program import Program

from ..thorough import often
from .corpus import ROOT, worldcorpus

WORLDS = [ROOT / "worlds" / "us_core.yaml", ROOT / "worlds" / "tail_hedge.qmtl"]


def reads(program: Program) -> set[str]:
    """Rates at which a program reads bars of symbols."""
    return {node.rate for node in program.nodes if node.op == "input" and node.scope == "symbol"}


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("worlds")
    worldcorpus().write_corpus(folder, 40, 7)
    return folder


def test_needs_are_those_of_the_program(generated: Path) -> None:
    for path in (*WORLDS, *sorted(generated.glob("*.yaml"))):
        compiled = compile_world(path)
        assert compiled.program is not None, compiled.diagnostics
        assert compiled.needs.warmup == compiled.program.warmup
        assert compiled.needs.reads == reads(compiled.program)


def test_one_run_over_many_worlds_says_what_a_run_for_each_says(generated: Path) -> None:
    together = validate([generated])
    for document in together.documents:
        alone = validate([document.file])
        assert alone.documents == (document,)
        assert alone.diagnostics == tuple(
            d for d in together.diagnostics if d.span and d.span.source.name == document.file
        )


def test_checking_says_what_compiling_says(generated: Path) -> None:
    for path in (*WORLDS, *sorted(generated.glob("*.yaml"))[:10]):
        light, full = (world_at(path, Run(programs=programs)) for programs in (False, True))
        assert light.program is None
        assert full.program is not None
        assert light.diagnostics == full.diagnostics
        assert world_notes(light) == world_notes(full)
        assert (light.world, light.files, light.needs) == (full.world, full.files, full.needs)


def test_a_world_with_mistakes_has_the_same_ones_either_way(tmp_path: Path) -> None:
    text = (ROOT / "worlds" / "us_core.yaml").read_text()
    path = tmp_path / "w.yaml"
    for old, new in (
        ("p_chop >= 0.50", "p_chopp >= 0.50"),
        ("fast: 10", "fats: 10"),
        ("bars: [15m, 60m]", "bars: [15m]"),
    ):
        path.write_text(text.replace(old, new))
        light, full = (world_at(path, Run(programs=programs)) for programs in (False, True))
        assert light.diagnostics
        assert light.diagnostics == full.diagnostics


@pytest.fixture(scope="module")
def shipped() -> tuple[World, Facts]:
    compiled = compile_world(ROOT / "worlds" / "us_core.yaml")
    assert compiled.world is not None
    return compiled.world, Facts(load_library((ROOT / "strategies",)))


@given(data=st.data())
@settings(max_examples=often(60), deadline=None)
def test_needs_are_those_of_the_program_for_any_parameters(shipped: tuple[World, Facts], data: st.DataObject) -> None:
    world, facts = shipped
    names = tuple(dict.fromkeys(name for chain in world.chains for name in chain.strategies))
    sets = []
    for name in names:
        definition = facts.library.get("strategy", name)
        assert definition is not None
        for symbols in (world.settings.universe[:3], world.settings.universe[3:]):
            values = {}
            for param in definition.params:
                assert param.low is not None
                assert param.high is not None
                whole = param.type.name == "bars"
                drawn = (
                    st.integers(int(param.low.value), int(param.high.value))
                    if whole
                    else st.floats(param.low.value, param.high.value)
                )
                values[param.name.name] = float(data.draw(drawn))
            sets.append(ParameterSet(name, symbols, tuple(sorted(values.items()))))
    state, problems = facts.examine(replace(world, parameters=tuple(sets)))
    assert state is not None, problems
    program = program_of(state)
    needs = facts.needs(state)
    assert needs.warmup == program.warmup
    assert needs.reads == reads(program)
