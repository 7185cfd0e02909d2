"""The paper account's file: what is damaged is named, what is older than the journal is refused, what was torn is made again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from qmtl.engine.journal.walfile import lost_commits

from .conftest import LONG, SHORT, Said, ask, flip, ticks, unsent_unknown

Run = Callable[..., Said]

STORAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "every page": (lambda p: [flip(p, 4096 * page + n) for page in range(1, p.stat().st_size // 4096) for n in (0, 3, 8)], "damaged"),
    "cut short": (lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 2]), "malformed"),
    "no bytes": (lambda p: p.write_bytes(b""), "is an empty file"),
    "another program's": (lambda p: (p.unlink(), ask(p, "CREATE TABLE mine (x)")), "is not a paper account"),
    "no database": (lambda p: p.write_bytes(b"cash,100000\n" * 5000), "not a database"),
    "a journal": (lambda p: shutil.copy(p.with_name("journal.db"), p), "is not a paper account"),
    "cash that is no number": (lambda p: ask(p, "UPDATE account SET cash = '1O0000'"), "a number that cannot be read"),
    "a quantity that is no number": (lambda p: ask(p, "UPDATE positions SET qty = 'x'"), "a number that cannot be read"),
}  # fmt: skip
OTHERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "another account's": (lambda p: ask(p, "UPDATE account SET id = 'other'"), "holds the paper account 'other', not 'demo'"),
    "gone": (lambda p: p.unlink(), "it is another account"),
    "older than the journal": (lambda p: ask(p, "DELETE FROM events WHERE seq > 2"), "it is another account"),
    "without an order that it accepted": (lambda p: ask(p, "DELETE FROM orders WHERE state = 'ACCEPTED'"), "which it accepted: its file is older"),
}  # fmt: skip


def refused(name: str, cases: dict[str, tuple[Callable[[Path], object], str]], out: Path, run: Run, code: int) -> None:
    damage, message = cases[name]
    damage(out / "paper.db")
    before = (out / "journal.db").read_bytes(), ticks(out)
    said = run(out, code=code)
    assert message in said.err
    assert before == ((out / "journal.db").read_bytes(), ticks(out))


@pytest.mark.parametrize("name", STORAGE)
def test_an_account_file_that_cannot_be_read_is_refused(name: str, out: Path, run: Run) -> None:
    refused(name, STORAGE, out, run, 74)


@pytest.fixture
def working(out: Path, run: Run) -> Path:
    """A run that was stopped while the account had orders that were accepted and not filled."""
    for upto in range(SHORT + 1, LONG + 20):
        if ask(out / "paper.db", "SELECT 1 FROM orders WHERE state = 'ACCEPTED'"):
            return out
        run(out, upto)
    raise AssertionError("no order was working at the end of any tick")


@pytest.mark.parametrize("name", OTHERS)
def test_an_account_that_is_not_the_journals_is_refused(name: str, working: Path, run: Run) -> None:
    refused(name, OTHERS, working, run, 1)


def test_lost_commits_of_the_account_are_refused(dead: Path, run: Run) -> None:
    log = dead / "paper.db-wal"
    flip(log, log.stat().st_size // 3)
    lost = lost_commits(dead / "paper.db")
    assert lost is not None
    data = log.read_bytes()
    said = run(dead, code=74)
    assert "paper account" in said.err
    assert f"{lost.commits} stored commits stand behind that" in said.err
    assert log.read_bytes() == data


def test_a_torn_commit_of_the_account_is_made_again(dead: Path, run: Run) -> None:
    log = dead / "paper.db-wal"
    data = log.read_bytes()
    log.write_bytes(data + data[32 : 32 + 6_000])
    there = ticks(dead)
    run(dead, there + 4)
    assert unsent_unknown(dead) == []
