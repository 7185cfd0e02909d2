"""`qmtl journal check` and `qmtl journal copy`, as a person types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from qmtl.engine.journal.digest import digest

from .conftest import Said, ask

Run = Callable[..., Said]


@pytest.mark.parametrize("of", ["folder", "file"])
def test_a_sound_journal(of: str, out: Path, qmtl: Run) -> None:
    path = out if of == "folder" else out / "journal.db"
    entries = ask(out / "journal.db", "SELECT count(*), max(seq) FROM entries")[0]
    assert (
        qmtl("journal", "check", path).out == f"sound: {entries[0]:,} entries, 2 snapshots, last entry {entries[1]:,}\n"
    )
    told = json.loads(qmtl("journal", "check", path, "--json").out)
    assert told == {
        "entries": entries[0],
        "last": entries[1],
        "snapshots": 2,
        "unmarked": 0,
        "wrong": [],
        "sound": True,
    }


def test_many_damaged_entries_are_counted(out: Path, qmtl: Run) -> None:
    ask(out / "journal.db", "UPDATE entries SET epoch = epoch + 1 WHERE stream = 'bars'")
    said = qmtl("journal", "check", out, code=74).out.splitlines()
    assert sum(line.startswith("damaged: journal ") for line in said) == 5
    assert any("damaged entries more" in line for line in said)
    assert said[-1].startswith("damaged: ")
    assert json.loads(qmtl("journal", "check", out, "--json", code=74).out)["sound"] is False


def test_a_copy_has_the_same_digest(out: Path, tmp_path: Path, qmtl: Run) -> None:
    (tmp_path / "backups").mkdir()
    qmtl("journal", "copy", out, tmp_path / "backups")
    said = qmtl("journal", "copy", out, tmp_path / "one.db")
    assert said.out.startswith(f"{tmp_path / 'one.db'}: ")
    assert digest(tmp_path / "one.db") == digest(tmp_path / "backups" / "journal.db") == digest(out / "journal.db")
    refused = qmtl("journal", "copy", out, tmp_path / "one.db", code=74)
    assert "is there already" in refused.err
    assert "nothing is overwritten" in refused.err


def test_a_copy_of_what_is_damaged_is_made_and_told(out: Path, tmp_path: Path, qmtl: Run) -> None:
    ask(out / "journal.db", "UPDATE entries SET wall = 'x' WHERE seq = 3")
    said = qmtl("journal", "copy", out, tmp_path / "one.db", code=74)
    assert "entry 3 " in said.err
    assert (tmp_path / "one.db").is_file()


@pytest.mark.parametrize("command", ["check", "digest"])
def test_what_is_no_journal(command: str, tmp_path: Path, qmtl: Run) -> None:
    assert "there is no journal" in qmtl("journal", command, tmp_path, code=74).err
    (tmp_path / "text").write_text("x" * 9000)
    assert "not a database" in qmtl("journal", command, tmp_path / "text", code=74).err
