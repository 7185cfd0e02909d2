"""The SQLite journal: what is acknowledged stays, twice is refused, one writer, readers beside it, faults are named."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.engine.errors import DuplicateEntry, JournalError, LockedError
from qmtl.engine.journal.codec import Record, encode, last_record
from qmtl.engine.journal.digest import digest, summary
from qmtl.engine.journal.reader import JournalReader
from qmtl.engine.journal.sqlite import APPLICATION_ID, FORMAT, SqliteJournal
from qmtl.engine.ports import Journal, LogEntry


def entry(key: object, payload: bytes = b"x", stream: str = "tick", epoch: int = 0, wall: str = "") -> LogEntry:
    return LogEntry(stream, str(key), epoch, payload, wall)


def refused(call: Any, *arguments: Any) -> tuple[str, str]:
    with pytest.raises(JournalError) as caught:
        call(*arguments)
    return str(caught.value), caught.value.hint


def test_it_is_a_journal(tmp_path: Path) -> None:
    journal: Journal = SqliteJournal(tmp_path / "j")
    assert journal.append([entry(1), entry(2)]) == 2
    assert journal.append([entry(3)]) == 3
    journal.close()


def test_entries_come_back_as_they_went_in(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j")
    sent = [entry(i, bytes([i % 256]) * i, "ab"[i % 2], i * 10, f"w{i}") for i in range(200)]
    for one in sent:
        journal.append([one])
    assert [s.entry for s in journal.read("a")] == sent[::2]
    assert [s.entry.epoch for s in journal.read("b", 1900)] == [1910, 1930, 1950, 1970, 1990]
    last = journal.last("a")
    assert last is not None
    assert (last.seq, last.entry) == (199, sent[198])
    assert journal.last("nothing") is None
    assert list(journal.read("nothing")) == []
    journal.close()


def test_appending_while_reading_is_allowed(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j")
    journal.append([entry(i) for i in range(100)])
    for stored in journal.read("tick"):
        if stored.seq <= 100:
            journal.append([entry(f"again {stored.seq}", stream="other")])
    assert len(list(journal.read("other"))) == 100
    journal.close()


def test_R01_a_key_exists_once_and_a_refused_append_writes_nothing(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j")
    journal.append([entry("a")])
    with pytest.raises(DuplicateEntry, match="has tick/a already"):
        journal.append([entry("b"), entry("a", b"other")])
    assert [s.entry.key for s in journal.read("tick")] == ["a"]
    journal.append([entry("b"), entry("a", stream="intent")])
    journal.close()


def test_an_empty_append_is_an_error(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j")
    assert "at least one entry" in refused(journal.append, [])[0]
    journal.close()


def test_durability_settings_are_in_force(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j")
    pragma = {
        name: journal._db.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "wal_autocheckpoint", "application_id", "user_version")
    }
    assert pragma == {
        "journal_mode": "wal",
        "synchronous": 2,
        "wal_autocheckpoint": 0,
        "application_id": APPLICATION_ID,
        "user_version": FORMAT,
    }
    journal.close()


def test_snapshots_keep_two_and_pass_over_a_torn_one(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j")
    assert journal.load_snapshot() is None
    for epoch in range(5):
        journal.save_snapshot(epoch, bytes([epoch]) * 9000)
    assert journal.load_snapshot() == (4, b"\4" * 9000)
    assert journal._db.execute("SELECT count(*) FROM snapshots").fetchone()[0] == 2
    journal._db.execute("UPDATE snapshots SET payload = substr(payload, 1, 4000) WHERE epoch = 4")
    assert journal.load_snapshot() == (3, b"\3" * 9000)
    journal._db.execute("UPDATE snapshots SET payload = x'00'")
    assert journal.load_snapshot() is None
    journal.close()


def test_R08_a_second_writer_is_refused_and_a_reader_is_not(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j")
    journal.append([entry(1)])
    with pytest.raises(LockedError, match=rf"in use by process {os.getpid()} on "):
        SqliteJournal(tmp_path / "j")
    with JournalReader(tmp_path / "j") as reader:
        journal.append([entry(2)])
        assert [s.entry.key for s in reader.read("tick")] == ["1"]  # of the moment it was opened
    with JournalReader(tmp_path / "j") as reader:
        assert [s.entry.key for s in reader.read("tick")] == ["1", "2"]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader._db.execute("DELETE FROM entries")
    journal.close()
    SqliteJournal(tmp_path / "j").close()


def test_the_write_ahead_log_moves_into_the_file_when_idle_and_at_the_end(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j")
    wal = tmp_path / "j-wal"
    for i in range(20):
        journal.append([entry(i, bytes(1_000_000))])
    before = (tmp_path / "j").stat().st_size
    journal.idle()
    assert (tmp_path / "j").stat().st_size > before + 19_000_000
    size = wal.stat().st_size
    for i in range(20, 30):
        journal.append([entry(i, bytes(1_000_000))])
    assert wal.stat().st_size == size  # used again from the start
    journal.close()
    assert not wal.exists()


def test_a_long_run_without_a_pause_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qmtl.engine.journal.sqlite.MOST_PAGES", 250)
    journal = SqliteJournal(tmp_path / "j")
    for i in range(40):
        journal.append([entry(i, bytes(500_000))])
    assert (tmp_path / "j-wal").stat().st_size < 8_000_000
    journal.close()


CHILD = """
import sys
from pathlib import Path
from qmtl.engine.journal.sqlite import SqliteJournal
from qmtl.engine.ports import LogEntry
journal = SqliteJournal(Path(sys.argv[1]))
start = sum(1 for _ in journal.read("tick"))
for i in range(start, 10**9):
    journal.append([LogEntry("tick", str(i), i, bytes(i % 50_000)), LogEntry("intent", str(i), i, b"x" * 10)])
    if i % 7 == 0:
        journal.save_snapshot(i, bytes(20_000))
    print(i, flush=True)
"""


def test_R05_kill_9_loses_nothing_acknowledged(tmp_path: Path) -> None:
    path, acknowledged = tmp_path / "j", -1
    for round_ in range(3):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        for _ in range(30 + 17 * round_):
            acknowledged = int(child.stdout.readline())
        os.kill(child.pid, signal.SIGKILL)
        acknowledged = max([acknowledged, *(int(text) for text in child.stdout if text.endswith("\n"))])
        child.wait()
        child.stdout.close()
        with JournalReader(path) as reader:
            ticks = [int(s.entry.key) for s in reader.read("tick")]
            intents = [int(s.entry.key) for s in reader.read("intent")]
            snapshot = reader.load_snapshot()
        assert ticks == intents == list(range(len(ticks)))  # both of an append or none
        assert acknowledged <= ticks[-1] <= acknowledged + 1
        assert snapshot is not None
        assert snapshot[0] >= acknowledged // 7 * 7


def test_missing_folder(tmp_path: Path) -> None:
    message, hint = refused(SqliteJournal, tmp_path / "nowhere" / "j")
    assert message.endswith("its folder does not exist")
    assert "create the folder" in hint


def test_folder_that_cannot_be_written() -> None:
    """As root only the kernel's own folders refuse."""
    message, hint = refused(SqliteJournal, Path("/proc/self/j"))
    assert "cannot be made" in message
    assert "may be written" in hint


def test_path_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "j").mkdir()
    message, hint = refused(SqliteJournal, tmp_path / "j")
    assert "unable to open" in message
    assert hint


def test_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "j").write_bytes(b"timestamp,open,high\n" * 500)
    message, hint = refused(SqliteJournal, tmp_path / "j")
    assert "not a database" in message
    assert "this is not a journal" in hint
    assert (tmp_path / "j").read_bytes().startswith(b"timestamp")


def test_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "j")
    db.execute("CREATE TABLE mine (x)")
    db.commit()
    db.close()
    before = (tmp_path / "j").read_bytes()
    assert "a database of another program" in refused(SqliteJournal, tmp_path / "j")[0]
    assert "a database of another program" in refused(JournalReader, tmp_path / "j")[0]
    assert (tmp_path / "j").read_bytes() == before


def test_a_newer_format_is_refused_with_the_way_out(tmp_path: Path) -> None:
    SqliteJournal(tmp_path / "j").close()
    db = sqlite3.connect(tmp_path / "j")
    db.execute("PRAGMA user_version = 2")
    db.close()
    message, hint = refused(SqliteJournal, tmp_path / "j")
    assert "is a journal of format 2; this qmtl writes format 1" in message
    assert "the qmtl version that wrote it" in hint
    SqliteJournal(tmp_path / "other").close()  # the lock of the refused one is not held


def test_damaged_file_is_named_not_a_traceback(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j")
    for i in range(30):
        journal.append([entry(i, os.urandom(20_000))])
    journal.close()
    with (tmp_path / "j").open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(60_000))
    message, hint = refused(digest, tmp_path / "j")
    assert "malformed" in message
    assert "keep a copy" in hint


def test_no_journal_to_read(tmp_path: Path) -> None:
    assert "there is no journal" in refused(digest, tmp_path / "j")[0]


def test_a_closed_journal_says_so(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j")
    journal.close()
    message, hint = refused(journal.append, [entry(1)])
    assert "closed" in message
    assert hint == "the journal was closed before"


FULL = """
import resource, sys
from pathlib import Path
from qmtl.engine.errors import JournalError
from qmtl.engine.journal.sqlite import SqliteJournal
from qmtl.engine.ports import LogEntry
journal = SqliteJournal(Path(sys.argv[1]))
for i in range(5):
    journal.append([LogEntry("tick", str(i), i, bytes(10_000))])
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
try:
    for i in range(5, 10_000):
        journal.append([LogEntry("tick", str(i), i, bytes(10_000))])
except JournalError as error:
    print("failed at", i, "|", error, "|", error.hint)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.append([LogEntry("tick", str(i), i, bytes(10_000))])
journal.close()
"""


def test_full_disk_is_named_and_loses_nothing_stored(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path / "j")], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("failed at ")
    failed = int(done.stdout.split()[2])
    assert "disk" in done.stdout
    assert "nothing stored is lost" in done.stdout
    with JournalReader(tmp_path / "j") as reader:
        assert [s.entry.key for s in reader.read("tick")] == [str(i) for i in range(failed + 1)]


def test_a_closed_journal_is_readable_where_nothing_can_be_written(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j")
    journal.append([entry(1)])
    journal.close()
    expected = digest(tmp_path / "j")
    lonely = tmp_path / "copy"
    lonely.mkdir()
    shutil.copy(tmp_path / "j", lonely / "j")
    lonely.chmod(0o555)
    assert digest(lonely / "j") == expected
    lonely.chmod(0o755)


def test_digest_covers_content_and_nothing_else(tmp_path: Path) -> None:
    def write(name: str, entries: list[LogEntry], *, snapshot: bool = False) -> str:
        journal = SqliteJournal(tmp_path / name)
        for one in entries:
            journal.append([one])
        if snapshot:
            journal.save_snapshot(1, b"state")
        journal.close()
        return digest(tmp_path / name)

    plain = [entry(1, b"a", "tick", 10), entry(2, b"b", "tick", 20), entry(1, b"c", "intent", 10)]
    whole = write("a", plain)
    assert write("same", plain) == whole
    assert (
        write(
            "wall and snapshot", [LogEntry(e.stream, e.key, e.epoch, e.payload, "12 ms") for e in plain], snapshot=True
        )
        == whole
    )
    assert write("streams interleaved otherwise", [plain[2], plain[0], plain[1]]) == whole
    others = {
        write("order", [plain[1], plain[0], plain[2]]),
        write("payload", [plain[0], plain[1], entry(1, b"d", "intent", 10)]),
        write("epoch", [plain[0], plain[1], entry(1, b"c", "intent", 11)]),
        write("key", [plain[0], plain[1], entry(3, b"c", "intent", 10)]),
        write("stream", [plain[0], plain[1], entry(1, b"c", "intents", 10)]),
        write("fewer", plain[:2]),
        write("shifted", [entry("1a", b"", "tick", 10), *plain[1:]]),
    }
    assert len(others) == 7
    assert whole not in others
    parts = summary(tmp_path / "a").streams
    assert [(part.stream, part.entries) for part in parts] == [("intent", 1), ("tick", 2)]


def test_the_digest_is_frozen(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j")
    journal.append([entry("a", b"payload", "tick", 60)])
    journal.close()
    assert digest(tmp_path / "j") == "d411bdb927009ab738743580edb61df1db609467ded4deebc212ffcedccc5b31"


def test_digest_works_while_a_writer_runs(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j")
    seen = set()
    for i in range(5):
        journal.append([entry(i)])
        seen.add(digest(tmp_path / "j"))
    assert len(seen) == 5
    journal.close()


def test_last_record_resolves_its_base(tmp_path: Path) -> None:
    import numpy as np

    journal = SqliteJournal(tmp_path / "j")
    assert last_record(journal, "tick") is None
    whole = {"x": np.arange(100.0)}
    journal.append([entry(900, encode("decision", whole), epoch=900)])
    alone = last_record(journal, "tick")
    assert alone is not None
    assert alone.header == "decision"
    for epoch in (960, 1020):
        changed = {"x": np.where(np.arange(100) == epoch % 7, -1.0, whole["x"])}
        journal.append([entry(epoch, encode("follow-up", changed, Record(900, None, whole)), epoch=epoch)])
    last = last_record(journal, "tick")
    assert last is not None
    assert (last.epoch, last.base) == (1020, 900)
    np.testing.assert_array_equal(last.columns["x"], changed["x"])
    journal.close()


KEYS = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz")), min_size=1, max_size=4)


@settings(max_examples=40, deadline=None)
@given(st.lists(KEYS, max_size=8))
def test_law_an_append_is_whole_or_nothing(
    tmp_path_factory: pytest.TempPathFactory, appends: list[list[tuple[str, str]]]
) -> None:
    journal = SqliteJournal(tmp_path_factory.mktemp("law") / "j")
    model: list[tuple[str, str]] = []
    for keys in appends:
        fits = len(set(keys)) == len(keys) and not set(keys) & set(model)
        try:
            journal.append([entry(key, stream=stream) for stream, key in keys])
            assert fits
            model += keys
        except DuplicateEntry:
            assert not fits
    for stream in "ab":
        assert [s.entry.key for s in journal.read(stream)] == [key for name, key in model if name == stream]
    journal.close()
