"""Damaged journals, byte by byte on real files: what was acknowledged is read again as it was, or the file is refused by name."""

from __future__ import annotations

import os
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qmtl.engine.errors import JournalError, LockedError
from qmtl.engine.journal import codec
from qmtl.engine.journal.check import copy, damage, soundness
from qmtl.engine.journal.digest import digest
from qmtl.engine.journal.reader import JournalReader
from qmtl.engine.journal.sqlite import SqliteJournal
from qmtl.engine.journal.walfile import lost_commits
from qmtl.engine.ports import LogEntry

from ..thorough import often

COMMITS = 12
STREAMS = ("bars", "event", "intent", "tick:us_core")
FILES = settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])


def commit(number: int) -> list[LogEntry]:
    """Entries of one tick: a record with a checksum of its own, bars, two JSON payloads."""
    epoch = 60 * number
    rows = {"close": np.arange(300.0) * number}
    return [
        LogEntry("tick:us_core", str(epoch), epoch, codec.encode({"number": number}, rows)),
        LogEntry("bars", str(epoch), epoch, codec.encode({"start": epoch}, rows)),
        LogEntry("intent", f"q1-{number:026}", epoch, b'{"qty":"12","symbol":"SPY"}', '{"took":3}'),
        LogEntry("event", str(number), epoch, b'[{"kind":"fill","price":"671.20"}]' * 300),
    ]


ENTRIES = [entry for number in range(1, COMMITS + 1) for entry in commit(number)]


@dataclass(frozen=True)
class Kept:
    """Files of a journal: `closed` after a clean end, `torn` (file and log) as a kill leaves them, and where each commit ended in
    the log."""

    closed: bytes
    torn: bytes
    log: bytes
    ends: tuple[int, ...]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    path = tmp_path_factory.mktemp("kept") / "j"
    journal, log = SqliteJournal(path), path.with_name("j-wal")
    ends = []
    for number in range(1, COMMITS + 1):
        journal.append(commit(number))
        ends.append(log.stat().st_size)
    torn = (path.read_bytes(), log.read_bytes())
    journal.save_snapshot(60, b"first" * 100)
    journal.save_snapshot(120, b"second" * 100)
    journal.close()
    return Kept(path.read_bytes(), *torn, tuple(ends))


def laid(tmp_path: Path, file: bytes | None, log: bytes | None = None) -> Path:
    """A journal's files in a folder that held nothing."""
    folder = tmp_path / "one"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if file is not None:
        (folder / "j").write_bytes(file)
    if log is not None:
        (folder / "j-wal").write_bytes(log)
    return folder / "j"


def opened(path: Path) -> list[LogEntry]:
    """Every entry as a start reads them, streams one after another; records decoded, so that their own checksums count."""
    journal = SqliteJournal(path)
    try:
        found = [stored.entry for stream in STREAMS for stored in journal.read(stream)]
        for entry in found:
            if entry.stream in ("bars", "tick:us_core"):
                codec.decode(entry.epoch, entry.payload)
        journal.load_snapshot()
    finally:
        journal.close()
    return found


def opened_or_refused(path: Path) -> list[LogEntry] | None:
    """The entries, None when the journal is refused; a refusal says the way out."""
    refusals = []
    try:
        return opened(path)
    except JournalError as error:
        refusals.append(error.hint)
    assert all(refusals)
    return None


def upto(commits: int) -> list[LogEntry]:
    """Entries of the first commits, streams one after another."""
    return [e for stream in STREAMS for e in ENTRIES[: 4 * commits] if e.stream == stream]


def flipped(data: bytes, place: int, bit: int) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 1 << bit
    return bytes(changed)


@FILES
@given(st.data())
def test_r05_a_log_cut_at_any_byte_keeps_every_whole_commit(kept: Kept, tmp_path: Path, data: st.DataObject) -> None:
    cut = data.draw(
        st.one_of(
            st.integers(0, len(kept.log)), st.sampled_from(kept.ends), st.sampled_from(kept.ends).map(lambda e: e - 1)
        )
    )
    path = laid(tmp_path, kept.torn, kept.log[:cut])
    assert opened(path) == upto(sum(end <= cut for end in kept.ends))
    journal = SqliteJournal(path)  # and it goes on from there
    journal.append([LogEntry("intent", "next", 9_000, b"{}")])
    journal.close()
    assert "next" in {entry.key for entry in opened(path)}


@FILES
@given(st.data())
def test_a_file_cut_at_any_byte_is_refused(kept: Kept, tmp_path: Path, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(kept.closed) - 1))
    path = laid(tmp_path, kept.closed[:cut])
    with pytest.raises(JournalError) as caught:
        opened(path)
    assert str(path) in str(caught.value)
    assert caught.value.hint
    assert path.read_bytes() == kept.closed[:cut]  # left as it was


@settings(FILES, max_examples=often(250))
@given(st.data())
def test_r15_no_flipped_bit_of_a_closed_journal_passes_unnoticed(
    kept: Kept, tmp_path: Path, data: st.DataObject
) -> None:
    """What is read is what was written; a bit in a place that means nothing (free space, a counter) changes nothing."""
    place, bit = data.draw(st.integers(0, len(kept.closed) - 1)), data.draw(st.integers(0, 7))
    path = laid(tmp_path, flipped(kept.closed, place, bit))
    found = opened_or_refused(path)
    assert found is None or found == upto(COMMITS)


@settings(FILES, max_examples=often(200))
@given(st.data())
def test_no_flipped_bit_of_the_log_loses_more_than_the_commit_that_may_have_been_torn(
    kept: Kept, tmp_path: Path, data: st.DataObject
) -> None:
    place, bit = data.draw(st.integers(0, len(kept.log) - 1)), data.draw(st.integers(0, 7))
    log = flipped(kept.log, place, bit)
    path = laid(tmp_path, kept.torn, log)
    found = opened_or_refused(path)
    if found is None:
        assert path.with_name("j-wal").read_bytes() == log  # for whoever wants to look at it
    else:
        assert found == upto(COMMITS - 1 if place >= kept.ends[-2] else COMMITS)


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """File and log of a journal that moved the first half of its commits into the file."""
    path = tmp_path_factory.mktemp("halves") / "j"
    journal = SqliteJournal(path)
    for number in range(1, COMMITS + 1):
        journal.append(commit(number))
        if number == COMMITS // 2:
            journal._checkpoint()
    files = path.read_bytes(), path.with_name("j-wal").read_bytes()
    journal.close()
    return files


@FILES
@given(st.data())
def test_a_damaged_file_beside_a_sound_log_is_refused_or_read_as_it_was(
    halves: tuple[bytes, bytes], tmp_path: Path, data: st.DataObject
) -> None:
    file, log = halves
    place = data.draw(st.integers(1, len(file) - 1))
    cut = data.draw(st.booleans())
    path = laid(tmp_path, file[:place] if cut else flipped(file, place, data.draw(st.integers(0, 7))), log)
    found = opened_or_refused(path)
    assert found is None if cut else found in (None, upto(COMMITS))


def test_commits_behind_a_damaged_frame_are_counted(kept: Kept, tmp_path: Path) -> None:
    middle = (kept.ends[4] + kept.ends[5]) // 2
    path = laid(tmp_path, kept.torn, flipped(kept.log, middle, 3))
    lost = lost_commits(path)
    assert lost is not None
    assert lost.commits == COMMITS - 6
    with pytest.raises(
        JournalError, match=rf"damaged in frame {lost.frame}, and 6 stored commits stand behind"
    ) as caught:
        SqliteJournal(path)
    assert "qmtl journal copy" in caught.value.hint
    assert "6 stored commits" in damage(path)
    copy(path, tmp_path / "rescued")  # what stands before the damage
    assert opened(tmp_path / "rescued") == upto(5)


def test_frames_of_an_earlier_use_of_the_log_are_no_damage(tmp_path: Path) -> None:
    """After a checkpoint the log is written again from its start; what is left of its former use follows behind."""
    path = tmp_path / "one" / "j"
    path.parent.mkdir()
    journal = SqliteJournal(path)
    for number in range(1, COMMITS + 1):
        journal.append(commit(number))
    journal._checkpoint()
    journal.append([LogEntry("intent", "after", 9_000, b"{}")])
    files = path.read_bytes(), path.with_name("j-wal").read_bytes()
    journal.close()
    assert len(files[1]) > 100_000
    path = laid(tmp_path, *files)
    assert lost_commits(path) is None
    assert len(opened(path)) == len(ENTRIES) + 1


@pytest.mark.parametrize(
    "shm", [None, b"", bytes(32768), b"\xa5" * 32768], ids=["missing", "empty", "zeros", "of another"]
)
def test_the_shared_memory_file_is_never_needed(shm: bytes | None, kept: Kept, tmp_path: Path) -> None:
    path = laid(tmp_path, kept.torn, kept.log)
    if shm is not None:
        path.with_name("j-shm").write_bytes(shm)
    assert opened(path) == upto(COMMITS)


@pytest.mark.parametrize("file", [None, b""], ids=["without its file", "with an empty file"])
def test_a_log_without_its_file_is_kept(file: bytes | None, kept: Kept, tmp_path: Path) -> None:
    """SQLite would delete the log."""
    path = laid(tmp_path, file, kept.log)
    with pytest.raises(JournalError) as caught:
        SqliteJournal(path)
    assert "the file itself is not" in str(caught.value) or "empty file" in str(caught.value)
    assert caught.value.hint
    assert path.with_name("j-wal").read_bytes() == kept.log
    path.write_bytes(kept.torn)
    assert opened(path) == upto(COMMITS)


def test_an_empty_file_is_no_new_journal(tmp_path: Path) -> None:
    path = laid(tmp_path, b"")
    with pytest.raises(JournalError, match="is an empty file: what it held is lost"):
        SqliteJournal(path)
    assert path.read_bytes() == b""


@pytest.mark.parametrize("leftover", [b"", b"SQLite format 3\0 half of it"])
def test_a_journal_that_was_being_made_is_made_again(leftover: bytes, tmp_path: Path) -> None:
    (tmp_path / "j.new").write_bytes(leftover)
    (tmp_path / "j.new-journal").write_bytes(b"half")
    journal = SqliteJournal(tmp_path / "j")
    journal.append(commit(1))
    journal.close()
    assert {file.name for file in tmp_path.iterdir()} == {"j", "j.lock"}


@pytest.mark.parametrize("column", ["stream", "key", "epoch", "payload", "wall"])
def test_each_field_of_an_entry_is_covered(column: str, kept: Kept, tmp_path: Path) -> None:
    path = laid(tmp_path, kept.closed)
    value = {"epoch": 61, "payload": b'{"qty":"13","symbol":"SPY"}'}.get(
        column, "intent" if column == "stream" else "x"
    )
    db = sqlite3.connect(path)
    row = db.execute(
        "SELECT max(seq) FROM entries WHERE stream = 'event'"
        if column == "stream"
        else "SELECT max(seq) FROM entries WHERE stream = 'intent'"
    ).fetchone()[0]
    db.execute(f"UPDATE entries SET {column} = ? WHERE seq = ?", (value, row))
    db.commit()
    db.close()
    with pytest.raises(
        JournalError, match=rf"entry {row} \(intent/.*\) is damaged: its checksum does not hold"
    ) as caught:
        opened(path)
    assert "restore the journal from a backup" in caught.value.hint
    found = soundness(path)
    assert [sentence for sentence in found.wrong if f"entry {row} " in sentence]
    assert found.entries == len(ENTRIES)


def test_old_entries_that_only_a_replay_needs_stop_no_start_and_are_named(kept: Kept, tmp_path: Path) -> None:
    path = laid(tmp_path, kept.closed)
    db = sqlite3.connect(path)
    (payload,) = db.execute("SELECT payload FROM entries WHERE stream = 'bars' AND epoch = 60").fetchone()
    db.execute("UPDATE entries SET payload = ? WHERE stream = 'bars' AND epoch = 60", (flipped(payload, 900, 2),))
    db.commit()
    db.close()
    journal = SqliteJournal(path)
    assert len(list(journal.read("bars", 60))) == COMMITS - 1
    last = codec.last_record(journal, "tick:us_core")
    assert last is not None
    assert last.epoch == 60 * COMMITS
    journal.close()
    assert soundness(path).wrong == (f"journal {path}: entry 2 (bars/60) is damaged: its checksum does not hold",)


@pytest.fixture
def before(kept: Kept, tmp_path: Path) -> Path:
    """A journal that was written before there were checksums."""
    path = laid(tmp_path, kept.closed)
    db = sqlite3.connect(path)
    db.execute("ALTER TABLE entries DROP COLUMN checksum")
    db.commit()
    db.close()
    return path


def test_a_journal_of_before_checksums_is_read_and_goes_on_with_them(before: Path, kept: Kept, tmp_path: Path) -> None:
    with JournalReader(before) as reader:
        assert [s.entry for s in reader.read("intent")] == [e for e in ENTRIES if e.stream == "intent"]
    assert soundness(before).unmarked == len(ENTRIES)
    (tmp_path / "now").write_bytes(kept.closed)
    assert digest(before) == digest(tmp_path / "now")
    assert opened(before) == upto(COMMITS)
    journal = SqliteJournal(before)
    journal.append([LogEntry("intent", "new", 9_000, b"{}")])
    journal.close()
    found = soundness(before)
    assert (found.entries, found.unmarked, found.wrong) == (len(ENTRIES) + 1, len(ENTRIES), ())
    # an older qmtl names the columns that it knows
    db = sqlite3.connect(before)
    db.execute("INSERT INTO entries (stream, key, epoch, payload, wall) VALUES ('intent', 'older', 9060, x'00', '')")
    db.commit()
    db.close()
    assert [e.key for e in opened(before) if e.epoch > 9_000] == ["older"]


def test_a_sound_journal_is_told_as_one(kept: Kept, tmp_path: Path) -> None:
    found = soundness(laid(tmp_path, kept.closed))
    assert (found.entries, found.last, found.snapshots, found.unmarked, found.wrong) == (
        len(ENTRIES), len(ENTRIES), 2, 0, (),
    )  # fmt: skip


def test_a_damaged_snapshot_is_named(kept: Kept, tmp_path: Path) -> None:
    path = laid(tmp_path, kept.closed)
    db = sqlite3.connect(path)
    db.execute("UPDATE snapshots SET payload = x'00' WHERE epoch = 120")
    db.commit()
    db.close()
    assert soundness(path).wrong == ("the snapshot of 120 is damaged; a start takes another",)


def test_a_journal_in_use_is_checked_and_copied(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j")
    for number in range(1, 6):
        journal.append(commit(number))
        copy(tmp_path / "j", tmp_path / f"copy{number}")
        assert soundness(tmp_path / "j").wrong == ()
        with pytest.raises(LockedError):
            SqliteJournal(tmp_path / "j")
    journal.close()
    for number in range(1, 6):
        assert not (tmp_path / f"copy{number}-wal").exists()  # whole by itself
        assert opened(tmp_path / f"copy{number}") == upto(number)
    assert not [file.name for file in tmp_path.iterdir() if ".new" in file.name]


def test_a_copy_overwrites_nothing_and_leaves_no_half_of_itself(kept: Kept, tmp_path: Path) -> None:
    path = laid(tmp_path, kept.closed)
    (tmp_path / "there").write_text("mine")
    for target, why in ((tmp_path / "there", "is there already"), (tmp_path / "no" / "where", "does not exist")):
        with pytest.raises(JournalError, match=why) as caught:
            copy(path, target)
        assert caught.value.hint
    with pytest.raises(JournalError, match="there is no journal"):
        copy(tmp_path / "nothing", tmp_path / "to")
    (tmp_path / "text").write_text("x" * 9000)
    with pytest.raises(JournalError, match="not a database"):
        copy(tmp_path / "text", tmp_path / "to")
    assert (tmp_path / "there").read_text() == "mine"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["one", "text", "there"]


def test_r08_a_lock_left_by_a_killed_process_is_taken_over(kept: Kept, tmp_path: Path) -> None:
    path = laid(tmp_path, kept.torn, kept.log)
    path.with_name("j.lock").write_text(f'{{"pid": {os.getpid()}, "since": "2026-01-01T00:00:00Z", "host": "gone"}}\n')
    assert opened(path) == upto(COMMITS)
