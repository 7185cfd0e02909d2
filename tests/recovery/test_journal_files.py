"""Damaged journals and the program that starts on them: it goes on to the same book, or it refuses and leaves everything as it was."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from qmtl.engine.journal.digest import digest
from qmtl.engine.journal.walfile import lost_commits
from qmtl.engine.record import resume_entry

from .conftest import LONG, SHORT, Said, ask, flip, ticks, unsent_unknown

Run = Callable[..., Said]


def files(out: Path) -> dict[str, bytes]:
    """What a refused start must leave as it was."""
    kept = ("journal.db", "journal.db-wal", "paper.db", "live_log.csv", "live_log_events.csv", "state.json")
    return {name: (out / name).read_bytes() for name in kept if (out / name).exists()}


def payload(out: Path, where: str) -> tuple[int, bytes]:
    """(seq, payload) of one entry."""
    seq, data = ask(out / "journal.db", f"SELECT seq, payload FROM entries WHERE {where} LIMIT 1")[0]
    return int(seq), bytes(data)


def spoil(out: Path, seq: int, data: bytes) -> None:
    """One bit of an entry's payload, on disk."""
    place = len(data) // 2
    spoiled = data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]
    ask(out / "journal.db", "UPDATE entries SET payload = ? WHERE seq = ?", spoiled, seq)


def test_r05_a_killed_run_goes_on_to_the_book_of_one_that_was_not(dead: Path, run: Run, whole: str) -> None:
    """The lock file of the dead process is there and holds nobody back (R08)."""
    assert '"pid"' in (dead / "journal.db.lock").read_text()
    run(dead)
    assert digest(dead / "journal.db") == whole
    assert unsent_unknown(dead) == []


def test_r05_a_commit_that_was_torn_is_forgotten_and_made_again(out: Path, run: Run, whole: str, killed: Path) -> None:
    """What stands behind the last whole commit was never acknowledged, so nothing was sent on it."""
    copy = Path(shutil.copytree(killed, out.with_name("torn")))
    log = copy / "journal.db-wal"
    data = log.read_bytes()
    with log.open("ab") as file:
        file.write(data[32 : 32 + 30_000])  # frames of this log, at a place where their checksums do not hold
    run(copy)
    assert digest(copy / "journal.db") == whole
    assert unsent_unknown(copy) == []


def test_lost_commits_are_refused_and_a_copy_holds_what_stands_before_them(dead: Path, run: Run, qmtl: Run) -> None:
    flip(dead / "journal.db-wal", (dead / "journal.db-wal").stat().st_size * 4 // 5)
    lost = lost_commits(dead / "journal.db")
    assert lost is not None
    before = files(dead)
    said = run(dead, code=74)
    assert f"{lost.commits} stored commits stand behind that" in said.err
    assert files(dead) == before
    assert "damaged: " in qmtl("journal", "check", dead, code=74).out
    qmtl("journal", "copy", dead, dead / "rescued.db")
    assert qmtl("journal", "check", dead / "rescued.db").out.startswith("sound: ")
    # with the rescued journal in its place the account knows more than the journal: nothing is opened until somebody says so
    for file in dead.glob("journal.db*"):
        file.unlink()
    (dead / "rescued.db").rename(dead / "journal.db")
    there, intents = (
        ticks(dead),
        "SELECT count(*) FROM entries WHERE stream = 'intent' AND payload LIKE '%\"leg\":\"open\"%'",
    )
    opened = ask(dead / "journal.db", intents)
    run(dead, there + 8)
    assert ticks(dead) == there + 8
    assert ask(dead / "journal.db", intents) == opened


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "a page in the middle": (lambda j: [flip(j, 16384 * page + n) for page in range(1, j.stat().st_size // 16384) for n in (0, 3, 8)], "malformed"),
    "cut short": (lambda j: j.write_bytes(j.read_bytes()[: j.stat().st_size // 2]), "malformed"),
    "no bytes": (lambda j: j.write_bytes(b""), "is an empty file"),
    "gone": (lambda j: j.unlink(), "its journal journal.db is gone"),
    "another program's": (lambda j: (j.unlink(), ask(j, "CREATE TABLE mine (x)")), "a database of another program"),
    "a newer format": (lambda j: ask(j, "PRAGMA user_version = 2"), "is a journal of format 2"),
    "no database": (lambda j: j.write_bytes(b"time,equity\n" * 5000), "not a database"),
    "a folder": (lambda j: (j.unlink(), j.mkdir()), "unable to open"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_a_journal_that_cannot_be_trusted_is_refused_and_left_alone(name: str, out: Path, run: Run, qmtl: Run) -> None:
    damage, message = DAMAGE[name]
    damage(out / "journal.db")
    before = files(out) if name != "a folder" else {}
    said = run(out, code=74)
    assert message in said.err
    assert str(out) in said.err
    if before:
        assert files(out) == before
    assert qmtl("journal", "check", out, code=74)
    qmtl(
        "run", "--config", "demo.yaml", "--once", "--quiet", "--fresh", "--out", out
    )  # the way out that is always there
    assert out.with_name("out.1").is_dir()


@pytest.mark.parametrize(
    "where",
    [
        "stream = 'tick:us_core' ORDER BY seq DESC",
        "stream = 'intent' ORDER BY seq DESC",
        "stream = 'event' ORDER BY seq",
        "stream = 'program' ORDER BY seq",
        "stream = 'feed' ORDER BY seq",
        "stream = 'account' ORDER BY seq",
        "stream = 'bars' ORDER BY seq DESC",
    ],
)  # fmt: skip
def test_r15_a_flipped_bit_in_what_a_start_needs_is_named(where: str, out: Path, run: Run, qmtl: Run) -> None:
    seq, data = payload(out, where)
    if "bars" in where:  # those before the snapshot are not needed any more; a start after a kill needs them
        ask(out / "journal.db", "DELETE FROM snapshots WHERE id = (SELECT max(id) FROM snapshots)")
    spoil(out, seq, data)
    said = run(out, code=74)
    assert f"entry {seq} (" in said.err
    assert "is damaged: its checksum does not hold" in said.err
    assert "restore the journal from a backup" in said.err
    assert f"entry {seq} " in qmtl("journal", "check", out, code=74).out


def test_old_entries_that_only_a_replay_needs_stop_nothing(out: Path, run: Run, qmtl: Run) -> None:
    seq, data = payload(out, "stream = 'tick:us_core' ORDER BY seq")
    spoil(out, seq, data)
    run(out)
    assert ticks(out) == LONG
    said = qmtl("journal", "check", out, "--json", code=74)
    assert f"entry {seq} (tick:us_core/" in said.out


def test_an_index_that_hides_the_newest_entries_is_found_at_the_start(out: Path, run: Run) -> None:
    """Without the check of the whole file the run would go on from an older tick."""
    root = ask(out / "journal.db", "SELECT rootpage FROM sqlite_master WHERE name = 'entries_by_stream'")[0][0]
    data = bytearray((out / "journal.db").read_bytes())
    page = slice((root - 1) * 16384, root * 16384)
    data[page] = data[page].replace(b"tick:us_core", b"tjck:us_core", 1)
    (out / "journal.db").write_bytes(data)
    assert "malformed" in run(out, code=74).err


@pytest.mark.parametrize("shm", [None, bytes(32768), b"\xa5" * 32768], ids=["missing", "zeros", "of another"])
def test_the_shared_memory_file_does_not_matter(shm: bytes | None, dead: Path, run: Run) -> None:
    (dead / "journal.db-shm").unlink(missing_ok=True)
    (dead / "paper.db-shm").unlink(missing_ok=True)
    if shm is not None:
        (dead / "journal.db-shm").write_bytes(shm)
        (dead / "paper.db-shm").write_bytes(shm)
    there = ticks(Path(shutil.copytree(dead, dead.with_name("count"))))
    run(dead, there + 2)
    assert ticks(dead) == there + 2


def test_a_log_without_its_file_is_kept(dead: Path, qmtl: Run) -> None:
    log = (dead / "journal.db-wal").read_bytes()
    (dead / "journal.db").unlink()
    said = qmtl("run", "--config", "demo.yaml", "--once", "--quiet", "--out", dead, code=74)
    assert "journal" in said.err
    assert (dead / "journal.db-wal").read_bytes() == log


def test_both_snapshots_gone_is_told_and_nothing_else_is_forgotten(out: Path, run: Run, qmtl: Run) -> None:
    """R15: none valid: the indicators are warmed up anew, positions and limits stand with the last tick."""
    positions = qmtl("positions", "--out", out).out
    ask(out / "journal.db", "UPDATE snapshots SET payload = substr(payload, 1, 5000)")
    assert "a start warms up anew" in qmtl("doctor", "--config", "demo.yaml", "--out", out, code=None).out
    said = run(out, SHORT + 1)
    assert "warning: no snapshot of the indicators can be read" in said.out
    assert "nothing is sent before the account was compared with the journal" in said.out
    assert "warning" not in run(out, SHORT + 2).out  # a new snapshot was stored
    symbols = {line.split()[0] for line in positions.splitlines()[1:-1]}
    after = {line.split()[0] for line in qmtl("positions", "--out", out).out.splitlines()[1:-1]}
    assert symbols
    assert symbols & after


@pytest.mark.parametrize("content", [b"not one of ours", b"\x05\0\0\0\0\0\0\0{}{}{"])
def test_a_snapshot_of_another_program_is_not_used(content: bytes, out: Path, run: Run) -> None:
    import hashlib

    ask(out / "journal.db", "UPDATE snapshots SET payload = ?, checksum = ?", content, hashlib.sha256(content).digest())
    said = run(out, SHORT + 1)
    assert "warning: no snapshot of the indicators can be read (the state snapshot" in said.out


def test_the_entry_of_a_resume_is_read_after_a_restart(out: Path) -> None:
    """The checksum covers what other commands write, too."""
    from qmtl.engine.journal.sqlite import SqliteJournal

    journal = SqliteJournal(out / "journal.db")
    journal.append([resume_entry("us_core", 1, "ada", "looked at it")])
    assert [s.entry.key for s in journal.read("resume")] == ["us_core@1"]
    journal.close()
