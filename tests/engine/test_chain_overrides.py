"""Chains that do otherwise for some symbols: decided as the frame says, and free of charge where no chain does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmtl.dsl.codec import program_from_json, program_to_json
from qmtl.dsl.program import Program, SymbolPlan
from qmtl.engine.frame import Frame, build_frame
from qmtl.engine.reasons import Reason
from qmtl.engine.state import initial

CHAINS = (("first", (0,), 0.9), ("rest", (0, 1), 0.5))


def overridden(program: Program, chain: str, *overrides: SymbolPlan) -> Program:
    chains = tuple(replace(c, overrides=overrides) if c.name == chain else c for c in program.chains)
    return replace(program, chains=chains)


def frame(lab: Any, chain: str, *overrides: SymbolPlan, symbols: int = 3, **more: Any) -> Frame:
    return build_frame(overridden(lab.program(symbols, chains=CHAINS, **more), chain, *overrides))


def test_exposure_of_one_symbol_in_one_chain(lab: Any) -> None:
    of = frame(lab, "first", SymbolPlan(1, (0,), 0.3))
    now = lab.at("10:00")
    signal = np.array([[1, 1, 1], [0, 0, 0]])
    inside = lab.decide(of, now, when=[[2], [2]], signal=signal, size=0.15)
    assert inside.chain.exposure.tolist() == [0.9, 0.3, 0.9]
    assert inside.target.target.round(9).tolist() == [0.135, 0.045, 0.135]
    outside = lab.decide(of, now, when=[[0], [2]], signal=signal, size=0.1)
    assert outside.chain.exposure.tolist() == [0.5, 0.5, 0.5]


def test_strategies_of_one_symbol_in_one_chain(lab: Any) -> None:
    of = frame(lab, "first", SymbolPlan(2, (1,), 0.9))
    signal = np.array([[1, 1, 1], [-1, -1, -1]])
    tick = lab.decide(of, lab.at("10:00"), when=[[2], [2]], signal=signal, size=0.1)
    assert tick.allowlist.candidates.tolist() == [[True, True, False], [False, False, True]]
    assert tick.select.selected.tolist() == [0, 0, 1]
    assert np.sign(tick.target.target).tolist() == [1, 1, -1]


def test_before_the_first_decision_the_last_chain_speaks_with_its_overrides(lab: Any) -> None:
    of = frame(lab, "rest", SymbolPlan(0, (1,), 0.1))
    tick = lab.decide(of, lab.at("10:01"))  # a follow-up tick: no chain yet
    assert tick.chain.chain.tolist() == [-1, -1, -1]
    assert tick.chain.exposure.tolist() == [0.1, 0.5, 0.5]
    assert not tick.chain.certain.any()


def test_a_symbol_whose_every_chain_leaves_its_strategy_out_is_not_enabled(lab: Any) -> None:
    """Position policy: enabled means that some chain would use a row *for this symbol*."""
    only = ((True, True, True), (False, False, False))
    of = build_frame(
        overridden(
            overridden(lab.program(3, chains=CHAINS, allowed=only), "first", SymbolPlan(0, (1,), 0.9)),
            "rest",
            SymbolPlan(0, (1,), 0.5),
        )
    )
    assert of.enabled.tolist() == [False, True, True]
    state, account = lab.book(of, {"S000": 0.1, "S001": 0.1}, lab.at("09:50"))
    tick = lab.decide(of, lab.at("10:30"), state, account, when=[[2], [2]], signal=np.array([[1], [0]]), size=0.1)
    assert lab.why(tick, 0, "policy") == Reason.UNWIND
    assert lab.why(tick, 1, "policy") != Reason.UNWIND


def test_generations_know_nothing_of_overrides(lab: Any) -> None:
    plain, other = lab.frame(3, chains=CHAINS), frame(lab, "first", SymbolPlan(1, (0,), 0.2))
    assert np.array_equal(plain.generation, other.generation)
    assert plain.mix_labels == other.mix_labels


def test_worlds_without_overrides_have_no_larger_arrays(lab: Any) -> None:
    of = lab.frame(3, chains=CHAINS)
    assert of.overridden is None
    assert (of.uses.shape, of.exposure.shape, of.used.shape) == ((2, 2), (2,), (2, 1))


@given(data=st.data())
def test_overrides_that_say_what_the_chain_says_change_nothing(data: st.DataObject, lab: Any) -> None:
    """Deciding by the [K*S] arrays is deciding by the [K] ones."""
    symbols = data.draw(st.integers(1, 6))
    program = lab.program(symbols, chains=CHAINS)
    same = overridden(program, "rest", *(SymbolPlan(column, (0, 1), 0.5) for column in range(symbols)))
    signal = np.array(
        data.draw(
            st.lists(st.lists(st.sampled_from((-1, 0, 1)), min_size=symbols, max_size=symbols), min_size=2, max_size=2)
        )
    )
    when = np.array(
        [data.draw(st.lists(st.sampled_from((0, 1, 2)), min_size=symbols, max_size=symbols)), [2] * symbols]
    )
    current = np.array(
        data.draw(st.lists(st.sampled_from((-1, 0, 1)), min_size=symbols, max_size=symbols)), dtype=np.int16
    )
    ticks = []
    for each in (program, same):
        of = build_frame(each)
        state = lab.locked(replace(initial(of), chain=current))
        ticks.append(lab.decide(of, lab.at("10:00"), state, when=when, signal=signal, size=0.1))
    one, other = ticks
    assert np.array_equal(one.chain.exposure, other.chain.exposure)
    assert np.array_equal(one.allowlist.candidates, other.allowlist.candidates)
    assert np.array_equal(one.allowlist.enabled, other.allowlist.enabled)
    assert np.array_equal(one.target.target, other.target.target)


@pytest.mark.parametrize("overrides", [(), (SymbolPlan(1, (0,), 0.2),)])
def test_programs_with_and_without_overrides_come_back_from_json(lab: Any, overrides: tuple[SymbolPlan, ...]) -> None:
    program = overridden(lab.program(3, chains=CHAINS), "first", *overrides)
    data = program_to_json(program)
    assert program_from_json(data) == program
    assert (b"overrides" in data) == bool(overrides)
