"""The frame: a program's stage configuration as arrays."""

from __future__ import annotations

from typing import Any

import pytest

from qmtl.engine.frame import allowed_on, build_frame, day_number, generation_label, hash_of, strategy_label
from qmtl.engine.state import GONE, MIX, NOBODY


def test_the_last_day_of_an_allowlist_row_is_still_allowed(lab: Any) -> None:
    of = lab.frame(2, until=(("2025-10-28", ""), ("", "2025-10-27")))
    assert of.dated
    assert allowed_on(of, day_number("2025-10-28")).tolist() == [[True, True], [True, False]]
    assert allowed_on(of, day_number("2025-10-29")).tolist() == [[False, True], [True, False]]


def test_a_symbol_without_a_sector_has_none_and_none_is_not_a_bucket(lab: Any) -> None:
    of = lab.frame(universe=("A", "B", "C", "D"), sectors=(("A", "tech"), ("B", "none"), ("C", "energy")))
    assert of.sectors == 2
    assert of.sector.tolist() == [1, 2, 0, 2]


def test_chains_and_labels(lab: Any) -> None:
    of = lab.frame(1, ("alpha", "beta"), chains=(("x", (1,), 0.4), ("y", (), 0.9)))
    assert of.uses.tolist() == [[False, False], [True, False]]
    assert of.used.tolist() == [[False], [True]]
    assert [strategy_label(of, n) for n in (0, 1, MIX, NOBODY, GONE)] == ["alpha", "beta", "@mix", "", "@gone"]
    assert generation_label(of, 0, 0) == of.program.generations[0][0]
    assert generation_label(of, GONE, 0) == ""
    assert len(generation_label(of, MIX, 0)) == 32


@pytest.mark.parametrize(("text", "number"), [("", 0), ("00000000000000ff" * 2, 255), ("0f", 15)])
def test_generation_hashes(text: str, number: int) -> None:
    assert hash_of(text) == number


def test_a_generation_that_is_no_hex_still_has_a_hash() -> None:
    assert hash_of("not hex") == hash_of("not hex") != hash_of("other")


def test_lanes_of_later_parameter_sets_overwrite_their_columns(lab: Any) -> None:
    of = build_frame(lab.program(2, stop="level", take="distance"), 60)
    assert of.has_stop.all()
    assert of.stop_is_level.all()
    assert not of.take_is_level.any()
