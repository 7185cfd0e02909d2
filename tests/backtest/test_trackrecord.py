"""The track record of a run: what the gates are told is what the run did, by the journal it left."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from qmtl.engine.adapters.synthetic import SyntheticMarket
from qmtl.engine.backtest.gates import ShadowRun, live_gate, shadow_gate
from qmtl.engine.backtest.metrics import account_measures
from qmtl.engine.backtest.plan import Plan
from qmtl.engine.backtest.result import Costs, Result
from qmtl.engine.backtest.roundtrips import round_trips
from qmtl.engine.backtest.run import run
from qmtl.engine.backtest.trackrecord import Decision, WorldRecord, live_run, shadow_run, world_records
from qmtl.engine.errors import DataError
from qmtl.engine.journal.reader import JournalReader
from qmtl.engine.journal.sqlite import SqliteJournal
from qmtl.engine.ports import BrokerEvent, Reply
from qmtl.engine.record import event_entry, reply_entry

from .test_parity import HOURS, programs_of, replayed

PLAN = Plan("record", "2025-11-12", "2025-11-21", Decimal(100_000), Costs())
DAY = 86_400


def market() -> tuple[Any, Any]:
    (program,) = programs_of("us_core.yaml")
    found = SyntheticMarket(program.settings.universe, HOURS, seed=11, start="2025-09-02")
    return found, found.vix


def backtested(plan: Plan = PLAN) -> Result:
    return run(programs_of("us_core.yaml"), market(), HOURS, plan)


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of a replay."""
    out = tmp_path_factory.mktemp("record")
    assert len(replayed(programs_of("us_core.yaml"), market(), HOURS, PLAN, out).orders) > 20
    return out / "journal.db"


@pytest.fixture(scope="module")
def expected() -> Result:
    """The backtest of the same days."""
    return backtested()


def recorded(path: Path, backtest: Result | None = None) -> Any:
    with JournalReader(path) as journal:
        return live_run(journal, world_records(journal), [0.1] * 99 + [9.0], backtest)


def test_a_run_beside_its_backtest_has_the_numbers_of_the_backtest(left: Path, expected: Result) -> None:
    found, measures = recorded(left, expected), account_measures(expected, round_trips(expected))
    assert (found.parity_errors, found.failed) == (0, 0)
    assert found.orders == len(expected.orders.sent)
    assert found.sessions == measures.sessions == 8
    assert found.slippage == pytest.approx(0.0001, rel=1e-3)
    assert found.modelled == 0.0001
    assert found.drawdown == pytest.approx(-measures.max_drawdown, rel=1e-9)
    assert found.sharpe == pytest.approx(measures.sharpe, rel=1e-9)
    assert found.p95_latency == pytest.approx(0.1)
    assert live_gate(found).passed


def test_without_a_backtest_parity_and_slippage_are_not_known_and_do_not_pass(left: Path) -> None:
    found = recorded(left)
    assert (found.parity_errors, found.slippage) == (None, None)
    assert live_gate(found).reasons == ("decisions unlike the backtest is not known", "slippage in bps is not known")


def test_a_backtest_that_fills_a_bar_later_decides_otherwise(left: Path) -> None:
    found = recorded(left, backtested(replace(PLAN, costs=Costs(late=1))))
    assert found.parity_errors > 10
    assert not live_gate(found).passed


def test_slippage_is_against_the_opens_of_the_backtest(tmp_path: Path) -> None:
    """The account pays 3 bps, the model says 1."""
    dear = replace(PLAN, end="2025-11-14", costs=Costs(slippage=0.0003))
    replayed(programs_of("us_core.yaml"), market(), HOURS, dear, tmp_path)
    found = recorded(tmp_path / "journal.db", backtested(replace(PLAN, end="2025-11-14")))
    assert found.slippage == pytest.approx(0.0003, rel=1e-2)
    assert any(reason.startswith("slippage in bps 3 > 2") for reason in live_gate(found).reasons)


def test_a_backtest_of_something_else_is_refused(left: Path, expected: Result) -> None:
    other = replace(expected.setup, worlds=(("us_core", "0" * 32),))
    with pytest.raises(DataError, match="of other worlds, or of other texts"):
        recorded(left, replace(expected, setup=other))
    with pytest.raises(DataError, match="the backtest is of 2025-11-12 to 2025-11-18, the run of 2025-11-12 to"):
        recorded(left, backtested(replace(PLAN, end="2025-11-18")))
    with pytest.raises(DataError, match="the backtest is of 2025-11-13"):
        recorded(left, backtested(replace(PLAN, start="2025-11-13")))


def test_a_journal_without_a_decision_is_refused(tmp_path: Path) -> None:
    SqliteJournal(tmp_path / "journal.db").close()
    with pytest.raises(DataError, match="has not decided anything"):
        recorded(tmp_path / "journal.db")


def at_days(*equity: float | None, **more: Any) -> WorldRecord:
    """A world with one decision a day, and these readings."""
    days = (
        Decision(i * DAY, f"2025-11-{i + 1:02d}", one, missing=False, asked=0, fallbacks=0, kills=0)
        for i, one in enumerate(equity)
    )
    return replace(WorldRecord("us_core", "paper", "made", ("id",), tuple(days)), **more)


def written(path: Path, *entries: Any) -> Path:
    journal = SqliteJournal(path / "journal.db")
    if entries:
        journal.append(entries)
    journal.close()
    return path / "journal.db"


def test_money_that_comes_or_goes_is_no_gain_and_no_drawdown(tmp_path: Path) -> None:
    gone = BrokerEvent(1, "flow", "", "", Decimal(0), Decimal(-500), Decimal(0), DAY, "")
    path = written(tmp_path, event_entry((gone,), DAY))
    with JournalReader(path) as journal:
        found = live_run(journal, (at_days(1000.0, 500.0, None, 450.0),), ())
    assert found.drawdown == pytest.approx(0.1)
    assert (found.sessions, found.p95_latency) == (3, None)


def test_an_account_that_was_never_read_has_no_curve(tmp_path: Path) -> None:
    with JournalReader(written(tmp_path)) as journal:
        found = live_run(journal, (at_days(None, None),), ())
    assert (found.sessions, found.drawdown, found.sharpe, found.orders) == (0, None, None, 0)
    assert "drawdown is not known" in live_gate(found).reasons


def test_r39_answers_that_are_lost_or_errors_failed_and_refusals_did_not(tmp_path: Path) -> None:
    """Each order once: one that was lost and then found failed all the same."""
    said = (
        Reply("a", "ACCEPTED", 200, "", ""), Reply("b", "REJECTED", 403, "business", "no shares to borrow"),
        Reply("c", "UNKNOWN", 0, "unknown", "timeout"), Reply("d", "REJECTED", 500, "server", ""),
        Reply("e", "REJECTED", 401, "auth", ""),
    )  # fmt: skip
    path = tmp_path / "journal.db"
    log = SqliteJournal(path)
    for answers in (said, (Reply("c", "ACCEPTED", 200, "", ""),)):
        log.append([reply_entry(log, answers, 60)])
    log.close()
    with JournalReader(path) as journal:
        found = live_run(journal, (at_days(1.0),), ())
    assert (found.orders, found.failed) == (5, 3)


def counted(*rows: tuple[int, int, bool, int]) -> WorldRecord:
    """(asked, fallbacks, missing, kills) of each day."""
    world = at_days(*[1.0] * len(rows))
    days = (
        replace(day, asked=a, fallbacks=f, missing=m, kills=k)
        for day, (a, f, m, k) in zip(world.decided, rows, strict=True)
    )
    return replace(world, decided=tuple(days))


def test_a_shadow_is_counted_since_both_regimes_are_what_they_are() -> None:
    """An edit of one of them begins anew: what was missing, killed and silent before it is of another pair."""
    rows = [(10, 10, True, 1), (20, 20, False, 1)] + [(20 * i, i - 1, False, 1) for i in range(1, 6)]
    rows[2] = (15, 0, False, 1)
    found = shadow_run(counted(*rows))
    assert found == ShadowRun(sessions=5, ticks=100, fallbacks=4, missing_regimes=0, kills=0)
    assert shadow_gate(found).passed


def test_a_world_without_a_shadow_has_no_shadow_run(left: Path) -> None:
    with JournalReader(left) as journal:
        (record,) = world_records(journal)
    assert shadow_run(record) is None
    assert shadow_run(at_days()) is None
    assert (record.mode, record.source) == ("paper", market()[0].source)
    assert len(record.decided) == 8 * 26


def test_r29_decisions_without_a_regime_are_counted_by_the_tick(tmp_path: Path) -> None:
    """On the second day of the feed nothing is warm."""
    replayed(
        programs_of("us_core.yaml"), market(), HOURS, replace(PLAN, start="2025-09-03", end="2025-09-03"), tmp_path
    )
    with JournalReader(tmp_path / "journal.db") as journal:
        (record,) = world_records(journal)
    assert [one.missing for one in record.decided] == [True] * 26
