"""A permission that the text took back while it ran (R53), and gave back, as a person sees it: the edit is stored once, the run goes on,
and whoever looks is told that nothing is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from qmtl.cli import cli
from qmtl.engine.errors import StateError

from .rig import Rig, held

Build = Callable[..., Any]
ALLOWED = ("exchange:", "allow_live: true\nexchange:")
LIVE = {"key": "AKLIVE7Q4W9Z2X8C6V1B", "secret": "l1ve-Zk7mQ2pX9vB4nL6tR1wY8uH5jG0fD3sA"}


def say(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


def programs(run: Rig) -> list[str]:
    return [stored.entry.key for stored in run.opened.journal.read("program")]


def edited(run: Rig, old: str, new: str) -> None:
    text = run.config.read_text()
    assert old in text
    run.config.write_text(text.replace(old, new))


def test_r54_an_edit_before_the_first_tick_is_in_force(place: Build) -> None:
    here = place(AAA="+")
    run = here.rig()
    here.edit("max_symbol: 20%", "max_symbol: 10%")
    run.tick("09:45")
    assert run.world.frame.program.settings.risk.max_symbol == 0.10
    assert len(programs(run)) == 2


def test_r53_a_mode_that_is_taken_back_and_given_back_does_not_end_the_run(place: Build) -> None:
    """The world runs on without entries, under one program, until a start."""
    here = place(AAA="+0", BBB="0+")
    run = here.rig()
    run.tick("09:45", times=2)
    edited(run, "mode: paper", "mode: dry")
    run.tick("09:47", times=2)
    assert len(programs(run)) == 2
    edited(run, "mode: dry", "mode: paper")
    run.tick("10:00", times=3)
    assert len(programs(run)) == 2
    assert "the text was edited; it asked for `mode: dry` while it ran: nothing is sent until it is stopped and started again" in "\n".join(run.told.said)  # fmt: skip
    assert set(held(here.venue)) == {"AAA"}
    run.stop()
    again = here.rig()
    again.tick("10:15", times=3)
    assert set(held(here.venue)) == {"BBB"}


def test_r54_an_edit_under_a_withdrawn_mode_is_one_swap(place: Build) -> None:
    here = place(AAA="+0")
    run = here.rig()
    edited(run, "mode: paper", "mode: dry")
    run.tick("09:45")
    edited(run, "mode: dry", "mode: paper")
    here.edit("max_symbol: 20%", "max_symbol: 10%")
    run.tick("09:46")
    assert len(programs(run)) == 3
    settings = run.world.frame.program.settings
    assert (settings.risk.max_symbol, settings.risk.trading) == (0.10, "reducing")
    assert "is in force from the next tick on; it asked for `mode: dry` while it ran" in "\n".join(run.told.said)
    assert not held(here.venue)


def test_r53_whoever_looks_is_told_that_a_world_lost_its_permission(place: Build) -> None:
    here = place(AAA="+0", **LIVE)
    here.edit(*ALLOWED)
    run = here.rig(mode="live", acknowledged=here.venue.account_number)
    run.tick("09:45")
    here.edit("allow_live: true\n", "")
    run.tick("09:46")
    looked = say("status", "--out", run.out)
    assert looked.exit_code == 1
    assert "look       the text took `allow_live` away: nothing is opened in tiny, exits go on" in looked.output


def test_r53_whoever_looks_is_told_that_nothing_is_sent(place: Build) -> None:
    """From the edit on, also after it was undone, until the next start."""
    here = place(AAA="+0")
    run = here.rig()
    run.tick("09:45")
    assert say("status", "--out", run.out).exit_code == 0
    for old, new in (("mode: paper", "mode: dry"), ("mode: dry", "mode: paper")):
        edited(run, old, new)
        run.tick()
        looked = say("status", "--out", run.out)
        assert looked.exit_code == 1
        assert "mode paper, withdrawn to dry" in looked.output
        assert (
            "look       NOTHING IS SENT, exits included: the run is paper, and its text said `mode: dry`"
            in looked.output
        )
    found = json.loads(say("status", "--json", "--out", run.out).output)
    assert (found["mode"], found["withdrawn_mode"], found["well"]) == ("paper", "dry", False)
    assert any("NOTHING IS SENT" in sentence for sentence in found["wrong"])
    run.stop()
    run = here.rig()
    run.tick("09:50")
    looked = say("status", "--out", run.out)
    assert (looked.exit_code, "withdrawn" in looked.output) == (0, False)
    assert json.loads(say("status", "--json", "--out", run.out).output)["withdrawn_mode"] == ""


def test_fresh_is_refused_while_a_brokers_account_holds_something_of_ours(place: Build) -> None:
    here = place(AAA="+0")
    run = here.rig()
    run.tick("09:45", times=2)
    run.stop()
    files = {path.name for path in run.out.iterdir()}
    done = say("run", "--config", run.config, "--fresh", "--once", "--quiet")
    assert done.exit_code == 1, done.output
    assert "holds positions or working orders at alpaca" in done.output
    assert "AAA; without it nobody would watch their stops" in done.output
    assert "start without --fresh" in done.output
    assert {path.name for path in run.out.iterdir()} >= files
    assert not run.out.with_name("out.1").exists()


def test_fresh_is_allowed_when_a_brokers_account_is_flat(place: Build) -> None:
    from qmtl.cli.fresh import move_aside

    here = place(AAA="+0")
    run = here.rig()
    run.tick("09:45", times=2)
    with pytest.raises(Exception, match="is in use by"):
        move_aside(run.out)
    run.tick("10:00", times=3)
    assert not held(here.venue)
    run.stop()
    move_aside(run.out)
    assert not run.out.exists()
    assert Path(f"{run.out}.1").exists()


def test_fresh_moves_a_journal_aside_that_cannot_be_read(place: Build) -> None:
    """There is no other way out of a journal that is lost."""
    from qmtl.cli.fresh import move_aside

    here = place(AAA="+")
    run = here.rig()
    run.tick("09:45", times=2)
    run.stop()
    with pytest.raises(StateError):
        move_aside(run.out)
    (run.out / "journal.db").write_bytes(b"not a journal" * 1000)
    move_aside(run.out)
    assert not run.out.exists()
