"""Texts that change more than once after the same tick: every edit is stored, and every start goes on."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any as Rig  # the fixture `rig` opens them

import numpy as np
import pytest

from qmtl.cli.wiring import stored_program
from qmtl.engine.journal.digest import digest
from qmtl.engine.journal.reader import JournalReader
from qmtl.engine.record import last_feed, last_programs
from qmtl.engine.standing import standing

from .conftest import SMALL

Open = Callable[..., Rig]
WORLD = "worlds/us_core.yaml"


def edit(texts: Path, old: str, new: str) -> None:
    text = (texts / WORLD).read_text()
    assert old in text
    (texts / WORLD).write_text(text.replace(old, new))


def keys(run: Rig, stream: str) -> list[str]:
    return [stored.entry.key for stored in run.opened.journal.read(stream)]


@pytest.mark.parametrize("ticks", [0, 5])
def test_r54_an_edit_that_is_undone_before_the_next_tick_is_stored_and_goes_on(
    ticks: int, rig: Open, texts: Path
) -> None:
    """Contents come back (A, B, A, B), keys never."""
    run = rig("out")
    run.tick(ticks)
    at = f"us_core@{run.runtime.progress.last}"
    for old, new in (("0.50", "0.60"), ("0.60", "0.50"), ("0.50", "0.60")):
        edit(texts, f"p_chop >= {old}", f"p_chop >= {new}")
        assert run.reload()
    first = [at] if not ticks else [keys(run, "program")[0], at]
    assert keys(run, "program") == [*first, f"{at}+1", f"{at}+2", *([f"{at}+3"] if not ticks else [])]
    program = run.tick(1)[-1].ticks[0].frame.program
    assert last_programs(run.opened.journal, stored_program)["us_core"] == program


def test_r54_starts_with_edits_and_without_a_tick_between_them_go_on(rig: Open, texts: Path) -> None:
    """Also from the very first start, which may be stopped before its first tick."""
    rig("out").stop()
    edit(texts, "p_chop >= 0.50", "p_chop >= 0.60")
    rig("out").stop()
    edit(texts, "p_chop >= 0.60", "p_chop >= 0.50")
    run = rig("out")
    run.tick(5)
    run.stop()
    for old, new in (("0.50", "0.60"), ("0.60", "0.70"), ("0.70", "0.50"), ("0.50", "0.60")):
        edit(texts, f"p_chop >= {old}", f"p_chop >= {new}")
        run = rig("out")
        run.stop()
    assert rig("out").tick(1)[-1].ticks[0].frame.program.program_id == run.runtime.worlds[0].frame.program.program_id


def test_r54_an_edit_that_crashes_the_next_tick_can_be_undone(rig: Open, texts: Path, tmp_path: Path) -> None:
    """As the last words of the crash advise; the run is then the one that was never edited."""
    whole = rig("whole")
    whole.tick(40)
    whole.stop()
    run = rig("edited")
    run.tick(30)
    edit(texts, "p_chop >= 0.50", "p_chop >= 0.60")
    assert run.reload()
    run.crash()
    edit(texts, "p_chop >= 0.60", "p_chop >= 0.50")
    run = rig("edited")
    run.tick(10)
    run.stop()
    with (
        JournalReader(tmp_path / "whole" / "journal.db") as one,
        JournalReader(tmp_path / "edited" / "journal.db") as two,
    ):
        for stream in ("tick:us_core", "intent", "bars"):
            assert [s.entry for s in one.read(stream)] == [s.entry for s in two.read(stream)], stream
    assert digest(tmp_path / "whole" / "journal.db") != digest(
        tmp_path / "edited" / "journal.db"
    )  # it tells of the edit


def test_r54_a_universe_that_changes_twice_after_one_tick_is_stored(rig: Open, texts: Path) -> None:
    run = rig("out")
    symbols = run.runtime.worlds[0].frame.names.symbols
    at = str(run.runtime.progress.last)
    for kept in (symbols[:5], symbols[:7], symbols[:5]):
        (texts / WORLD).write_text(SMALL.format(", ".join(kept)))
        assert run.reload()
    assert keys(run, "feed") == [at, f"{at}+1", f"{at}+2", f"{at}+3"]
    stored = last_feed(run.opened.journal)
    assert stored is not None
    assert stored.symbols == symbols[:5]
    assert run.tick(1)[-1].ticks[0].frame.names.symbols == symbols[:5]


def test_r05_an_edit_that_never_ticked_does_not_misread_the_last_tick(rig: Open, texts: Path, tmp_path: Path) -> None:
    """The columns of the last tick are those of the program that ticked, in the next start and for whoever looks."""
    old = (texts / WORLD).read_text()
    whole = rig("whole")
    last = whole.tick(30)[-1].ticks[0]
    held = [s for s, side in zip(last.frame.names.symbols, last.after.side.tolist(), strict=True) if side]
    assert held
    edited = SMALL.format(", ".join([*held[::-1], *(s for s in last.frame.names.symbols if s not in held)]))
    (texts / WORLD).write_text(edited)
    assert whole.reload()
    expected = whole.runtime.worlds[0].state
    (texts / WORLD).write_text(old)
    run = rig("crashed")
    run.tick(30)
    before = standing(run.opened.journal, stored_program)
    (texts / WORLD).write_text(edited)
    assert run.reload()
    after = standing(run.opened.journal, stored_program)
    assert before is not None
    assert after is not None
    assert repr(before.positions) == repr(after.positions)  # some have no level: NaN
    run.crash()
    state = rig("crashed").runtime.worlds[0].state
    assert state.side.tolist() == expected.side.tolist()
    assert state.side_opened_at.tolist() == expected.side_opened_at.tolist()
    assert state.generation.tolist() == expected.generation.tolist()


def test_r15_a_snapshot_of_before_an_edit_forgets_nothing_that_was_bought_since(
    rig: Open, texts: Path, tmp_path: Path
) -> None:
    """The newest snapshot is damaged, and the one before lacks symbols that are held."""
    whole = rig("whole").runtime.worlds[0].frame.names.symbols
    (texts / WORLD).write_text(SMALL.format(", ".join(whole[:3])))
    run = rig("out")
    (texts / WORLD).write_text(SMALL.format(", ".join(whole[::-1])))
    assert run.reload()
    run.tick(20)
    expected = run.runtime.worlds[0].state
    assert expected.side[:-3].any()
    run.crash()
    path = tmp_path / "out" / "journal.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE snapshots SET payload = x'00' WHERE id = (SELECT max(id) FROM snapshots)")
    again = rig("out")
    assert "is of before an edit of the universe" in again.runtime.progress.remarks[0]
    state = again.runtime.worlds[0].state
    for name in ("side", "owner", "side_opened_at", "generation", "stop_level"):
        np.testing.assert_array_equal(getattr(state, name), getattr(expected, name), err_msg=name)
