"""R38: 200 requests a minute, the broker's own word about it, and orders before everything else."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from qmtl.engine.adapters.alpaca.budget import BLIND, LONGEST, WINDOW, Budget

from .wire import Said, Wire

Open = Callable[..., Any]
NOW = 1_800_000_000


class Clock:
    """Seconds that pass when somebody sleeps."""

    def __init__(self) -> None:
        self.now, self.slept = 1000.0, 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.now += seconds


def budget(limit: int = 200, **options: Any) -> tuple[Budget, Clock]:
    clock = Clock()
    return Budget(limit, clock=clock, sleep=clock.sleep, **options), clock


def headers(**values: Any) -> dict[str, str]:
    named = {name.replace("_", "-"): str(value) for name, value in values.items()}
    return {"date": formatdate(NOW, usegmt=True), **named}


def test_r38_reads_leave_a_reserve_that_orders_may_use() -> None:
    made, clock = budget(200, reserve=40)
    for _ in range(160):
        assert made.take(0, urgent=False) == ""
    assert "160 of 200" in made.take(5, urgent=False)
    for _ in range(40):
        assert made.take(0, urgent=True) == ""
    assert made.take(5, urgent=True) != ""
    assert clock.slept == 0


@given(st.lists(st.tuples(st.floats(0, 20), st.booleans()), max_size=300), st.integers(1, 30))
def test_r38_no_minute_sees_more_than_the_limit(calls: list[tuple[float, bool]], limit: int) -> None:
    made, clock = budget(limit)
    sent: list[float] = []
    for pause, urgent in calls:
        clock.now += pause
        if not made.take(3, urgent=urgent):
            sent.append(clock())
    assert all(sum(at - WINDOW + 1e-6 < other <= at for other in sent) <= limit for at in sent)


def test_r38_a_call_waits_where_that_is_in_time_and_is_refused_at_once_where_not() -> None:
    made, clock = budget(2, reserve=0)
    assert made.take(0, urgent=False) == made.take(0, urgent=False) == ""
    assert "too late" in made.take(WINDOW - 1, urgent=True)
    assert clock.slept == 0
    assert made.take(WINDOW + 1, urgent=True) == ""
    assert clock.slept == WINDOW


def test_r38_after_429_nothing_leaves_before_reset_and_retry_after() -> None:
    for told, wait in (
        (headers(retry_after=30), 30),
        (headers(x_ratelimit_reset=NOW + 20, x_ratelimit_remaining=0), 20),
        (headers(x_ratelimit_reset=NOW + 20, retry_after=30), 30),
        (headers(retry_after=formatdate(NOW + 25, usegmt=True)), 25),
        ({}, BLIND),
        (headers(retry_after=10**8), LONGEST),
        (headers(retry_after="soon", x_ratelimit_reset="x"), BLIND),
    ):
        made, clock = budget()
        made.heed(429, told)
        assert made.take(wait - 1, urgent=True) != "", told
        clock.now += wait
        assert made.take(0, urgent=True) == "", told


def test_r38_what_others_used_counts() -> None:
    made, clock = budget(200, reserve=40)
    made.heed(200, headers(x_ratelimit_limit=200, x_ratelimit_remaining=41, x_ratelimit_reset=NOW + 10))
    assert made.take(0, urgent=False) == ""
    assert "40 requests left" in made.take(5, urgent=False)
    assert made.take(0, urgent=True) == ""
    clock.now += 10
    assert made.take(0, urgent=False) == "", "after the reset the broker's count is old"


def test_r38_a_lower_limit_of_the_broker_is_taken_over_and_a_higher_one_is_not() -> None:
    made, _ = budget(200, reserve=0)
    made.heed(200, headers(x_ratelimit_limit=3))
    assert [made.take(0, urgent=True) == "" for _ in range(4)] == [True, True, True, False]
    made, _ = budget(3, reserve=0)
    made.heed(200, headers(x_ratelimit_limit=10_000))
    assert [made.take(0, urgent=True) == "" for _ in range(4)] == [True, True, True, False]


@given(
    st.integers(100, 599),
    st.dictionaries(
        st.sampled_from(["date", "retry-after", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]),
        st.text(max_size=30),
    ),
)
def test_no_header_breaks_it(status: int, told: dict[str, str]) -> None:
    made, clock = budget()
    made.heed(status, told)
    clock.now += LONGEST + WINDOW
    assert made.take(0, urgent=False) == ""


def test_r38_a_call_without_budget_is_not_sent_and_says_so(wire: Wire, lines: Open) -> None:
    line = lines(a_minute=3).trading
    wire.says(Said(200, {}))
    answers = [line.post("/orders", {"symbol": "SPY"}) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 0]
    assert not answers[3].sent
    assert "3 of 3 requests a minute are used" in answers[3].failure
    assert len(wire.asked) == 3


def test_r38_a_429_closes_the_line_for_everybody(wire: Wire, lines: Open) -> None:
    line = lines().trading
    wire.says(Said(429, {"message": "too many requests."}, {"Retry-After": "40"}), Said(200, {}))
    assert line.get("/account").status == 429
    assert "429" in line.get("/account").failure
    assert not line.post("/orders", {"symbol": "SPY"}).sent
    assert len(wire.asked) == 1
