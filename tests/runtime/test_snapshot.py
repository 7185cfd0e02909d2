"""Snapshots: what is saved comes back, what is damaged is refused (R15)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmtl.engine.errors import StateError
from qmtl.engine.snapshot import Saved, SavedWorld, load, save

WORLDS = st.lists(
    st.builds(SavedWorld, st.text(max_size=8), st.binary(max_size=50), st.binary(max_size=50)), max_size=3
).map(tuple)


@given(st.builds(Saved, st.integers(0, 2**40), st.lists(st.text(max_size=5)).map(tuple), WORLDS))
def test_a_snapshot_round_trips(saved: Saved) -> None:
    assert load(save(saved)) == saved


@given(st.integers(0, 200))
def test_r15_a_torn_snapshot_is_refused(cut: int) -> None:
    data = save(Saved(60, ("SPY",), (SavedWorld("w", b"p" * 40, b"s" * 60),)))
    with pytest.raises(StateError):
        load(data[: min(cut, len(data) - 1)])


def test_another_format_is_refused() -> None:
    data = save(Saved(60, (), ())).replace(b"snapshot.v1", b"snapshot.v9")
    with pytest.raises(StateError):
        load(data)
