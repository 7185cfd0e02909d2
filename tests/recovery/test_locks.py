"""Who may run: one process on an account and on a journal; a lock that is taken away stops the run before its next order."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from qmtl.engine.journal.digest import digest
from qmtl.engine.projections import Projections

from .conftest import DEMO, SHORT, Said, ask, logged, started, ticks, unsent_unknown, until

Run = Callable[..., Said]


def after(number: int, what: Callable[[], object], patch: pytest.MonkeyPatch) -> None:
    """Do something once, after so many ticks, between two steps of a run."""
    inner, passed = Projections.flush, [0]

    def flush(self: Projections) -> None:
        inner(self)
        passed[0] += 1
        if passed[0] == number:
            what()

    patch.setattr(Projections, "flush", flush)


@pytest.mark.parametrize("lock", ["journal.db.lock", "demo-paper.lock"])
@pytest.mark.parametrize("how", ["deleted", "another file in its place"])
def test_r08_a_lock_that_is_taken_away_ends_the_run(
    lock: str, how: str, out: Path, qmtl: Run, whole: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take() -> None:
        (out / lock).unlink()
        if how != "deleted":
            (out / lock).write_text("")

    with monkeypatch.context() as patch:
        after(3, take, patch)
        said = qmtl("run", "--config", DEMO, "--ticks", 10, "--quiet", "--out", out, code=75)
    assert f"the lock {out / lock} was taken away while this run held it" in said.err
    assert ticks(out) == SHORT + 3
    run(out)
    assert digest(out / "journal.db") == whole


def test_r08_a_lock_that_goes_within_a_tick_keeps_its_orders_back(
    out: Path, qmtl: Run, run: Run, whole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Committed, and not sent: the next start sends them, as after a kill."""
    from qmtl.engine.journal.sqlite import SqliteJournal

    inner = SqliteJournal.append

    def append(self: SqliteJournal, entries: list[object]) -> int:
        done = inner(self, entries)  # type: ignore[arg-type]
        if any(entry.stream == "intent" for entry in entries):  # type: ignore[attr-defined]
            (out / "demo-paper.lock").unlink(missing_ok=True)
        return done

    with monkeypatch.context() as patch:
        patch.setattr(SqliteJournal, "append", append)
        qmtl("run", "--config", DEMO, "--ticks", 20, "--quiet", "--out", out, code=75)
    assert ticks(out) < SHORT + 20
    last = "(SELECT max(epoch) FROM entries WHERE stream = 'intent')"
    waiting = {
        row[0] for row in ask(out / "journal.db", f"SELECT key FROM entries WHERE stream = 'intent' AND epoch = {last}")
    }
    assert waiting
    assert not waiting & {row[0] for row in ask(out / "paper.db", "SELECT client_order_id FROM orders")}
    assert unsent_unknown(out) == []
    run(out)
    assert digest(out / "journal.db") == whole


def test_a_folder_that_is_moved_away_ends_the_run_and_can_be_put_back(
    out: Path, qmtl: Run, run: Run, whole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        after(3, lambda: out.rename(out.with_name("moved")), patch)
        said = qmtl("run", "--config", DEMO, "--ticks", 10, "--quiet", "--out", out, code=75)
    assert "put the folder back if it was moved" in said.err
    assert not out.exists()
    out.with_name("moved").rename(out)
    run(out)
    assert digest(out / "journal.db") == whole


def test_a_folder_that_is_deleted_ends_the_run(out: Path, qmtl: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        after(3, lambda: shutil.rmtree(out), patch)
        qmtl("run", "--config", DEMO, "--ticks", 10, "--quiet", "--out", out, code=75)
    assert not out.exists()


def test_r08_a_second_process_and_another_account_on_the_same_folder_are_refused(tmp_path: Path, qmtl: Run) -> None:
    """And a lock that a killed process left behind holds nobody back."""
    out, texts = tmp_path / "out", tmp_path / "texts"
    for name in ("worlds", "strategies"):
        shutil.copytree(DEMO.parent / name, texts / name, ignore=shutil.ignore_patterns("__pycache__"))
    (texts / "other.yaml").write_text(re.sub("account: demo", "account: other", DEMO.read_text()))
    child = started(out)
    try:
        until(lambda: logged(out) > 2, child)
        for config in (DEMO, texts / "other.yaml"):
            said = qmtl("run", "--config", config, "--once", "--out", out, code=75)
            assert f"in use by process {child.pid} on " in said.err
        # whoever only reads is no second runner
        assert qmtl("journal", "check", out).out.startswith("sound: ")
        qmtl("journal", "copy", out, tmp_path / "copy.db")
        assert str(child.pid) in qmtl("status", "--out", out).out
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    assert f'"pid": {child.pid}' in (out / "journal.db.lock").read_text()
    assert qmtl("journal", "check", tmp_path / "copy.db").out.startswith("sound: ")
    refused = qmtl("run", "--config", texts / "other.yaml", "--once", "--out", out, code=1)
    assert "of account" in refused.err or "holds the paper account 'demo', not 'other'" in refused.err
    there = ticks(out)
    qmtl("run", "--config", DEMO, "--end", "2026-06-30", "--once", "--quiet", "--out", out)
    assert ticks(out) == there + 1


@pytest.mark.parametrize("lock", ["journal.db.lock", "demo-paper.lock"])
def test_a_lock_that_cannot_be_made_is_named(lock: str, out: Path, run: Run) -> None:
    (out / lock).unlink(missing_ok=True)
    (out / lock).mkdir()
    said = run(out, code=74)
    assert f"the lock {out / lock} cannot be made" in said.err
    (out / lock).rmdir()
    run(out, SHORT + 1)
