"""`qmtl kill` and `qmtl resume` say what is so: a typo stores nothing, what is only stored is no success, and what a resume cannot
lift it does not claim to lift."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from qmtl.cli import cli
from qmtl.engine.adapters.commands import CommandFiles
from qmtl.engine.journal.sqlite import SqliteJournal
from qmtl.engine.lock import hold
from qmtl.engine.ports import LogEntry

ROOT = Path(__file__).resolve().parents[2]
WHO = ("--who", "ada", "--why", "a test")
Say = Callable[..., Result]


@pytest.fixture(scope="module")
def ticked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the demo that has ticked and stopped. Copy it before use."""
    home = tmp_path_factory.mktemp("home")
    for name in ("worlds", "strategies"):
        shutil.copytree(ROOT / name, home / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "demo.yaml", home / "demo.yaml")
    done = CliRunner().invoke(
        cli, ["run", "--config", str(home / "demo.yaml"), "--ticks", "2", "--quiet", "--out", str(home / "run")]
    )
    assert done.exit_code == 0, done.output
    return home


@pytest.fixture
def out(ticked: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ticked / "run", tmp_path / "run"))


@pytest.fixture
def say(out: Path) -> Say:
    """`qmtl ... --out OUT`; the exit code must be the one that is expected."""

    def typed(*arguments: str, code: int = 0, where: Path = out) -> Result:
        more = ("--wait", "0.3") if arguments[0] in ("kill", "resume") else ()
        done = CliRunner().invoke(cli, [*arguments, "--out", str(where), *more])
        assert done.exit_code == code, done.output
        return done

    return typed


def again(ticked: Path, out: Path) -> None:
    """The next start: two more ticks."""
    arguments = ["run", "--config", str(ticked / "demo.yaml"), "--ticks", "2", "--quiet", "--out", str(out)]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output


def killed(say: Say) -> str:
    """The kill of the one world by `qmtl status`, which ends with 1: no run is alive."""
    return str(json.loads(say("status", "--json", code=1).output)["worlds"][0]["kill"])


def waiting(out: Path) -> list[str]:
    return [command.kind for command in CommandFiles(out).take()]


def test_a_kill_of_a_folder_that_does_not_exist_is_refused_as_by_orders(say: Say, tmp_path: Path) -> None:
    typo = tmp_path / "rnu"
    told = say("kill", where=typo, code=74).stderr
    assert told == say("orders", where=typo, code=74).stderr
    assert "name the run's folder with --out" in told
    assert not typo.exists()


def test_a_kill_of_a_folder_in_which_nothing_ran_leaves_it_as_it_is(say: Say, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_text("nothing of a run")
    assert "there is no journal" in say("kill", where=other, code=74).stderr
    assert [path.name for path in other.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("left", ["journal.db", "journal.db.lock", "paper.db", "state.json"])
def test_whatever_a_run_left_is_enough_to_kill_it(say: Say, tmp_path: Path, left: str) -> None:
    """A journal may be lost while its run goes on."""
    folder = tmp_path / "lost"
    folder.mkdir()
    (folder / left).touch()
    say("kill", where=folder, code=1)
    assert waiting(folder) == ["kill"]


def test_a_kill_that_is_only_stored_ends_with_1(say: Say, out: Path) -> None:
    assert "No run is alive here, so nothing is cancelled or closed now" in say("kill", code=1).output
    told = json.loads(say("kill", "--flatten", "--json", code=1).output)
    assert told.pop("command").endswith("-kill")
    assert told == {"version": 1, "stored": True, "runner": None, "obeyed": False, "flatten": True, "unread": ""}
    assert waiting(out) == ["kill", "kill"]


def test_a_kill_tells_programs_who_runs(say: Say, out: Path) -> None:
    with hold(out / "journal.db.lock", "the journal"):
        told = json.loads(say("kill", "--json", code=1).output)
    assert set(told["runner"]) == {"pid", "host", "since"}
    assert isinstance(told["runner"]["pid"], int)
    assert (told["version"], told["obeyed"], told["unread"]) == (1, False, "")


@pytest.mark.parametrize("damage", ["no database at all", None])
def test_a_journal_that_cannot_be_read_does_not_make_a_stored_kill_fail(
    say: Say, out: Path, damage: str | None
) -> None:
    for name in ("journal.db-wal", "journal.db-shm"):
        (out / name).unlink(missing_ok=True)
    if damage is None:
        (out / "journal.db").unlink()
    else:
        (out / "journal.db").write_text(damage * 500)
    with hold(out / "journal.db.lock", "the journal"):
        said = say("kill", code=1)
        told = json.loads(say("kill", "--json", code=1).output)
    assert said.output.startswith(
        "the kill is stored and no new order leaves, but it is not confirmed that the run (process "
    )
    assert "journal.db" in told["unread"]
    assert waiting(out) == ["kill", "kill"]


def test_a_kill_that_was_heard_by_a_run_that_ended_is_confirmed(
    out: Path, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run carries it out and ends between two looks."""
    from qmtl.cli import kill, operate

    def heard(folder: Path, wish: operate.Wish) -> object:
        command = operate.leave_command(folder, wish)
        with closing(SqliteJournal(folder / "journal.db")) as journal:
            journal.append([LogEntry("command", command.name, 1, b"{}")])
        return command

    monkeypatch.setattr(kill, "leave_command", heard)
    assert "the run heard it and has ended since" in say("kill").output


def test_a_resume_of_an_unknown_world_is_refused_with_the_worlds(say: Say, ticked: Path, out: Path) -> None:
    say("kill", code=1)
    for state in ("waits", "carried out"):
        told = say("resume", "--world", "nosuch", *WHO, code=1).stderr
        assert "error: this run has no world nosuch\n  = help: its worlds are us_core\n" in told, state
        again(ticked, out)
    assert waiting(out) == []
    assert killed(say) == "kill.operator"


def test_a_kill_of_all_that_waits_is_not_lifted_for_one_world(say: Say, ticked: Path, out: Path) -> None:
    say("kill", code=1)
    told = say("resume", "--world", "us_core", *WHO, code=1).stderr
    assert "a kill of all worlds waits" in told
    assert "`qmtl resume` without --world" in told
    assert waiting(out) == ["kill"]
    said = say("resume", *WHO).output
    assert said == "a kill that waits lifted by ada; the next start applies it\n"
    again(ticked, out)
    assert killed(say) == ""


def test_a_kill_that_was_carried_out_is_lifted_for_one_world(say: Say, ticked: Path, out: Path) -> None:
    say("kill", code=1)
    again(ticked, out)
    said = say("resume", "--world", "us_core", *WHO).output
    assert said == "us_core: kill.operator lifted by ada; the next start applies it\n"
    again(ticked, out)
    assert killed(say) == ""
    assert say("resume", "--world", "us_core", *WHO).output == "us_core is not killed\n"


def test_a_kill_after_a_resume_is_lifted_by_another_resume_only(say: Say, ticked: Path, out: Path) -> None:
    say("kill", code=1)
    say("resume", *WHO)
    say("kill", code=1)
    assert say("resume", *WHO).output == "a kill that waits lifted by ada; the next start applies it\n"
    assert waiting(out) == ["kill", "resume", "kill", "resume"]
    assert say("resume", *WHO).output == "no world is killed\n"
    again(ticked, out)
    assert killed(say) == ""


def test_a_resume_tells_programs_its_version_and_who_runs(say: Say) -> None:
    told = json.loads(say("resume", "--json", *WHO).output)
    assert told == {"version": 1, "lifted": [], "stored": False, "runner": None, "obeyed": False, "unread": ""}
