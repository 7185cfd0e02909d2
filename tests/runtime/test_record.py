"""Tick records: what is stored once is really the same, and everything comes back (architecture.md, formats)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from qmtl.cli.wiring import effective, open_all
from qmtl.dsl.codec import program_from_json, program_to_json
from qmtl.dsl.compile import compile_deployment
from qmtl.engine.journal import codec
from qmtl.engine.record import FLAGS, REASONS, SAME, last_tick, stored_columns, tick_stream
from qmtl.engine.runtime import RunSettings, Runtime, TickReport
from qmtl.engine.start import Setting, begin, note
from qmtl.engine.tick import columns

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Runtime, list[TickReport]]]:
    """Two sessions of the demo with every report kept."""
    compiled = compile_deployment(ROOT / "demo.yaml", {"out": str(tmp_path_factory.mktemp("record"))})
    assert compiled.deployment is not None
    deployment = effective(compiled.deployment, ROOT, start="", end="", dry=False)
    opened = open_all(deployment, compiled.programs)
    setting = Setting(opened.edges, opened.calendar, 0, 60, "paper", program_to_json, program_from_json)
    decisions = opened.calendar.decision_times(deployment.clock.start, deployment.clock.end, 0)[:52].tolist()
    worlds, progress = begin(setting, compiled.programs, decisions[0] - 900)
    runtime = Runtime(opened.edges, worlds, RunSettings("demo", "paper"), progress)
    note(runtime, setting)
    reports = []
    for now in decisions:
        reports.append(runtime.tick(now))
        if runtime.progress.sent:
            reports.append(runtime.tick(now + 60))
    yield runtime, reports
    opened.close()


def test_columns_stored_once_are_equal_in_every_tick(run: tuple[Runtime, list[TickReport]]) -> None:
    for report in run[1]:
        (tick,) = report.ticks
        held = dict(columns(tick))
        held |= {f"market.{n}": getattr(tick.market, n) for n in ("mark",)} | {
            "account.external": tick.account.external
        }
        held |= {
            f"state.{n}": np.asarray(getattr(tick.after, n))
            for n in (o.removeprefix("state.") for o in SAME.values() if o.startswith("state."))
        }
        for name, other in SAME.items():
            np.testing.assert_array_equal(held[name], held[other], err_msg=f"{name} at {report.now}")


def test_every_stage_column_comes_back_from_the_journal(run: tuple[Runtime, list[TickReport]]) -> None:
    runtime, reports = run
    stored = list(codec.decode_all(runtime.edges.journal.read(tick_stream("us_core"))))
    assert [record.epoch for record in stored] == [report.now for report in reports]
    for record, report in zip(stored, reports, strict=True):
        back = stored_columns(record)
        for name, column in columns(report.ticks[0]):
            np.testing.assert_array_equal(back[name], column, err_msg=f"{name} at {report.now}")


def test_the_last_tick_gives_the_state_to_go_on_from(run: tuple[Runtime, list[TickReport]]) -> None:
    runtime, _ = run
    last = last_tick(runtime.edges.journal, "us_core")
    assert last is not None
    for field in type(last.state).__dataclass_fields__:
        np.testing.assert_array_equal(getattr(last.state, field), getattr(runtime.worlds[0].state, field))
    assert last.header.number == runtime.progress.number


def test_orders_fills_and_chains_happened_at_all(run: tuple[Runtime, list[TickReport]]) -> None:
    assert sum(len(report.netted.orders) for report in run[1]) > 5
    assert sum(len(report.changes.fills) for report in run[1]) > 5


def test_the_matrices_hold_exactly_the_columns_of_their_kind_in_order(run: tuple[Runtime, list[TickReport]]) -> None:
    (tick,) = run[1][-1].ticks
    symbols = len(tick.frame.names.symbols)
    own = [(name, column) for name, column in columns(tick) if name not in SAME]
    assert [name for name, column in own if column.dtype == bool and column.shape == (symbols,)] == list(FLAGS)
    assert [name for name, _ in own if name.endswith(".reason")] == list(REASONS)
