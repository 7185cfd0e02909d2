"""Backtests on disk: what is read is what was written, and nothing else is ever taken for one."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qmtl.engine.adapters import results
from qmtl.engine.adapters.plainjson import from_plain, to_plain
from qmtl.engine.adapters.results import DOCUMENT, FILES, load, save
from qmtl.engine.backtest.compare import compare
from qmtl.engine.backtest.measures import Variant
from qmtl.engine.backtest.result import Costs, Marks, Notice, Result
from qmtl.engine.backtest.roundtrips import round_trips
from qmtl.engine.backtest.summary import Stored, summarise
from qmtl.engine.errors import DataError

from .made import of_returns, played, same


def stored(result: Result) -> Stored:
    plain = summarise(result)
    return Stored(result, summarise(result, (Variant("costs x2", plain.measures),)))


@given(st.integers(0, 2**32 - 1), st.booleans(), st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_law_what_is_loaded_is_what_was_saved(
    tmp_path_factory: pytest.TempPathFactory, seed: int, two: bool, symbols: int, days: int
) -> None:
    worlds = ("core", "other") if two else ("core",)
    result = played(seed, days=days, symbols=symbols, worlds=worlds).result
    marks = result.marks.last.copy()
    marks[0] = np.nan
    result = replace(
        result,
        marks=Marks(marks),
        setup=replace(result.setup, costs=Costs(borrow_of=(("S0", 0.25), ("S1", 1e-9)), late=1)),
    )
    there = tmp_path_factory.mktemp("out") / "bt"
    before = stored(result)
    save(before, there)
    after = load(there)
    assert same(after, before)
    assert compare(before, after).same


def test_a_backtest_without_orders_survives(tmp_path: Path) -> None:
    before = stored(of_returns(np.array([0.01, -0.01])))
    save(before, tmp_path / "bt")
    assert same(load(tmp_path / "bt"), before)


def test_days_without_a_tick_and_names_without_an_order_survive(tmp_path: Path) -> None:
    result = played(3).result
    steps = replace(result.steps, days=(*result.steps.days, "2025-02-03"))
    orders = replace(
        result.orders, reasons=("never.used", *result.orders.reasons), reason=result.orders.reason + np.int16(1)
    )
    before = stored(replace(result, steps=steps, orders=orders))
    save(before, tmp_path / "bt")
    assert same(load(tmp_path / "bt"), before)


def test_the_tables_are_made_for_readers(tmp_path: Path) -> None:
    result = played(3, worlds=("core", "other")).result
    save(stored(result), tmp_path / "bt")
    orders = pd.read_parquet(tmp_path / "bt" / "orders.parquet")
    assert str(orders["sent"].dtype) == "datetime64[ms, UTC]"
    assert orders["filled"].isna().sum() == int((result.orders.filled == 0).sum()) > 0
    assert list(orders["symbol"]) == [result.orders.symbols[i] for i in result.orders.symbol]
    assert orders["strategy"].isna().sum() == int((result.orders.strategy < 0).sum()) > 0
    types = {f.name: str(f.type) for f in pq.read_schema(tmp_path / "bt" / "orders.parquet")}
    assert {types[name] for name in ("world", "symbol", "strategy", "chain", "reason")} == {
        "dictionary<values=string, indices=int32, ordered=0>"
    }
    worlds = pd.read_parquet(tmp_path / "bt" / "worlds.parquet")
    assert list(worlds.columns[-3:]) == ["in_chain.trend", "in_chain.chop", "in_chain.defensive"]
    assert worlds["p_chop"].isna().sum() == 2
    trips = pd.read_parquet(tmp_path / "bt" / "trips.parquet")
    assert trips["pnl"].sum() == pytest.approx(round_trips(result).pnl.sum())
    assert trips["closed"].isna().any()
    steps = pd.read_parquet(tmp_path / "bt" / "steps.parquet")
    assert set(steps["day"]) == set(result.steps.days)
    document = json.loads((tmp_path / "bt" / DOCUMENT).read_text(), parse_constant=pytest.fail)
    assert document["format"] == "qmtl.backtest.v1"
    assert document["summary"]["measures"]["profit_factor"] == summarise(result).measures.profit_factor


def test_an_existing_folder_is_refused_or_moved_aside_never_deleted(tmp_path: Path) -> None:
    there = tmp_path / "bt"
    one, two, three = (stored(played(i, days=2).result) for i in range(3))
    save(one, there)
    with pytest.raises(DataError, match="exists"):
        save(two, there)
    assert same(load(there), one)
    save(two, there, replaced=True)
    save(three, there, replaced=True)
    assert same(load(there), three)
    assert same(load(tmp_path / "bt.1"), one)
    assert same(load(tmp_path / "bt.2"), two)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bt", "bt.1", "bt.2"]


@pytest.mark.parametrize("broken", ["write_table", "document"])
def test_a_result_is_never_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    there = tmp_path / "bt"
    one, two = (stored(played(i, days=2).result) for i in range(2))
    save(one, there)
    if broken == "write_table":
        write = results.pq.write_table

        def fail(table: object, path: Path, **more: object) -> None:
            if path.name == "orders.parquet":
                raise OSError(28, "No space left on device")
            write(table, path, **more)

        monkeypatch.setattr(results.pq, "write_table", fail)
        with pytest.raises(DataError, match="cannot be written: No space left on device"):
            save(two, there, replaced=True)
    else:
        bad = replace(two.summary, measures=replace(two.summary.measures, sharpe=float("nan")))
        with pytest.raises(ValueError, match="no place in JSON"):
            save(Stored(two.result, bad), there, replaced=True)
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == ["bt"]
    assert same(load(there), one)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot be written"):
        save(stored(played(1, days=1).result), tmp_path / "file" / "bt")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(stored(played(5, days=2).result), tmp_path / "bt")
    return tmp_path / "bt"


def edit(folder: Path, **change: object) -> None:
    path = folder / DOCUMENT
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no backtest at"):
        load(tmp_path / "nowhere")


def test_a_foreign_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no backtest: result\.json is missing"):
        load(tmp_path)
    for text in ('{"format": "other.v1"}', "{}", "[1, 2]", '{"format": 3}', '{"format": "qmtl.backtest.vx"}'):
        (tmp_path / DOCUMENT).write_text(text)
        with pytest.raises(DataError, match="is not a backtest of qmtl"):
            load(tmp_path)


@pytest.mark.parametrize("text", ["", "{", '{"format": "qmtl.backtest.v1"', "\x00"])
def test_a_damaged_document(folder: Path, text: str) -> None:
    (folder / DOCUMENT).write_text(text)
    with pytest.raises(DataError, match="cannot be read"):
        load(folder)
    (folder / DOCUMENT).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read"):
        load(folder)


@pytest.mark.parametrize(
    ("form", "way"), [("v0", "run the backtest again"), ("v2", "read it with the version of qmtl")]
)
def test_another_format_version_says_the_way_out(folder: Path, form: str, way: str) -> None:
    edit(folder, format=f"qmtl.backtest.{form}")
    with pytest.raises(
        DataError, match=f"has format qmtl.backtest.{form} and this version reads qmtl.backtest.v1"
    ) as error:
        load(folder)
    assert error.value.hint.startswith(way)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_or_damaged_file(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[:-20])
    with pytest.raises(DataError, match=f"{name} is damaged"):
        load(folder)
    (folder / name).write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    with pytest.raises(DataError, match=f"{name} is damaged"):
        load(folder)
    (folder / name).unlink()
    with pytest.raises(DataError, match=f"{name} is missing"):
        load(folder)


def test_files_of_two_backtests_do_not_mix(folder: Path, tmp_path: Path) -> None:
    save(stored(played(6, days=2).result), tmp_path / "other")
    (folder / "orders.parquet").write_bytes((tmp_path / "other" / "orders.parquet").read_bytes())
    with pytest.raises(DataError, match=r"orders\.parquet is damaged or not the one"):
        load(folder)


def without(document: dict, *path: str) -> dict:
    """The document without one key."""
    if len(path) == 1:
        return {k: v for k, v in document.items() if k != path[0]}
    return {**document, path[0]: without(document[path[0]], *path[1:])}


@pytest.mark.parametrize(
    "path",
    [("setup",), ("summary",), ("names",), ("marks",), ("notices",), ("setup", "cash"), ("summary", "measures", "sharpe"),
     ("names", "symbols"), ("names", "by_world"), ("names", "days")],
    ids=".".join,
)  # fmt: skip
def test_a_document_that_lacks_something(folder: Path, path: tuple[str, ...]) -> None:
    document = json.loads((folder / DOCUMENT).read_text())
    (folder / DOCUMENT).write_text(json.dumps(without(document, *path)))
    with pytest.raises(DataError, match="do not fit each other"):
        load(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"setup": []}, {"setup": {"cash": "much"}}, {"marks": [1.0]}, {"marks": ["x"]}, {"notices": [1]}, {"names": []},
        {"summary": {"more": 1}}, {"files": []}, {"files": {}},
    ],
    ids=str,
)  # fmt: skip
def test_a_document_that_says_something_else(folder: Path, change: dict) -> None:
    before = json.loads((folder / DOCUMENT).read_text())
    merged = {k: {**before[k], **v} if isinstance(v, dict) and k != "files" else v for k, v in change.items()}
    edit(folder, **merged)
    with pytest.raises(DataError) as error:
        load(folder)
    assert error.value.hint


def test_names_that_do_not_fit_the_columns(folder: Path) -> None:
    document = json.loads((folder / DOCUMENT).read_text())
    document["names"]["symbols"] = ["X" + name for name in document["names"]["symbols"]]
    (folder / DOCUMENT).write_text(json.dumps(document))
    with pytest.raises(DataError, match="stands in no table of names"):
        load(folder)


def test_plain_values_know_numpy_and_refuse_what_json_has_no_word_for() -> None:
    notice = Notice("kind", np.int64(3), 1, "w", "s", "t")
    assert to_plain(notice)["at"] == 3
    assert type(to_plain(notice)["at"]) is int
    assert from_plain(Notice, to_plain(notice)) == notice
    for value in (float("inf"), float("nan"), np.float64("nan"), {1, 2}, b"x"):
        with pytest.raises(ValueError, match="no place in JSON"):
            to_plain((value,))
    assert from_plain(Costs, {**to_plain(Costs()), "fee": 0}).fee == 0.0
    for field in fields(Costs):
        with pytest.raises((TypeError, ValueError, KeyError)):
            from_plain(Costs, {**to_plain(Costs()), field.name: "text"})
    with pytest.raises(TypeError):
        from_plain(Notice, {**to_plain(notice), "at": True})
