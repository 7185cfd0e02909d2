"""Tick times: one grid for replays and the wall clock (decisions.md, Clock; R36, R37)."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from qmtl.engine.ticks import ReplayTimes, WallTimes, grid


def walk(times: ReplayTimes, sends: set[int]) -> list[int]:
    out: list[int] = []
    last, sent = 0, False
    while (now := times.after(last, sent)) is not None:
        out.append(now)
        last, sent = now, now in sends
    return out


def test_a_replay_steps_decisions_and_one_follow_up_after_orders() -> None:
    times = ReplayTimes([900, 1800, 2700], 60, threading.Event())
    assert walk(times, {900, 960, 2700}) == [900, 960, 1020, 1800, 2700, 2760]


def test_a_follow_up_never_doubles_a_decision_tick() -> None:
    times = ReplayTimes([900, 960], 60, threading.Event())
    assert walk(times, {900}) == [900, 960]


@given(
    st.lists(st.integers(1, 5000).map(lambda i: i * 60), unique=True).map(sorted),
    st.sets(st.integers(1, 5000).map(lambda i: i * 60)),
)
def test_times_rise_and_hold_every_decision(decisions: list[int], sends: set[int]) -> None:
    out = walk(ReplayTimes(decisions, 60, threading.Event()), sends)
    assert out == sorted(set(out))
    assert set(decisions) <= set(out)


def test_a_stop_ends_both_kinds() -> None:
    stopped = threading.Event()
    stopped.set()
    assert ReplayTimes([900], 60, stopped).after(0, sent=False) is None
    assert WallTimes(60, stopped).after(0, sent=False) is None


def test_r36_missed_wall_ticks_coalesce_into_the_newest() -> None:
    moment = [1000.0]
    times = WallTimes(60, threading.Event(), clock=lambda: moment[0])
    assert times.after(0, sent=False) == 960
    moment[0] = 5000.0
    assert times.after(960, sent=False) == 4980


def test_r37_waiting_for_the_next_grid_point_sleeps() -> None:
    calls = 0
    stopped = threading.Event()

    def clock() -> float:
        nonlocal calls
        calls += 1
        if calls > 3:
            stopped.set()
        return 960.5

    assert WallTimes(60, stopped, clock=clock).after(960, sent=False) is None
    assert calls <= 5


def test_grid_is_the_floor() -> None:
    assert grid(1019.9, 60) == 960
    assert grid(1020, 60) == 1020
