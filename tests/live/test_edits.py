"""Editing the text of a run that trades (R53, R54): what cannot change while it runs is refused, and a permission that the text takes
back ends at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from qmtl.cli.edits import NOTHING, check_edit, withdrawn
from qmtl.dsl.compile import compile_deployment

from .rig import Rig, calls, held, orders

Build = Callable[..., Any]
LIVE = {"key": "AKLIVE7Q4W9Z2X8C6V1B", "secret": "l1ve-Zk7mQ2pX9vB4nL6tR1wY8uH5jG0fD3sA"}
ALLOWED = ("exchange:", "allow_live: true\nexchange:")


def deployed(run: Rig, old: str, new: str) -> None:
    """Change the deployment's text."""
    text = run.config.read_text()
    assert old in text
    run.config.write_text(text.replace(old, new))


def traded(place: Any) -> dict[str, str]:
    """Symbol and side of every order of ours at the venue."""
    return {o["symbol"]: o["side"] for o in orders(place.venue)}


def live(place: Build, **letters: str) -> tuple[Any, Rig]:
    """A run that trades real money."""
    here = place(**letters, **LIVE)
    here.edit(*ALLOWED)
    run = here.rig(mode="live", acknowledged=here.venue.account_number)
    run.tick("09:45", times=2)
    return here, run


@pytest.mark.parametrize("lesser", ["mode: paper", "mode: dry", ""])
def test_r53_a_live_run_whose_text_says_less_sends_nothing_any_more(place: Build, lesser: str) -> None:
    """Neither an entry nor an exit, with another edit beside it or not, and it is told again and again."""
    here, run = live(place, AAA="+00", BBB="0++", CCC="0+0")
    assert traded(here) == {"AAA": "buy"}
    sent = calls(here.venue, "POST")
    deployed(run, "mode: live", lesser)
    lesser = lesser.removeprefix("mode: ") or "dry"  # which a text without a mode is
    here.edit("allow_live: true\n", "")
    here.edit("max_symbol: 20%", "max_symbol: 19%")
    run.tick("10:00", times=6)
    said = "\n".join(run.told.said)
    assert f"`mode`: live -> {lesser}" in said
    assert "stop it (Ctrl-C) and start again, or undo it" in said
    assert f"NOTHING IS SENT any more, exits included: the run is live, and its text says `mode: {lesser}`" in said
    assert "in force from the next tick on" not in said
    assert run.world.frame.program.settings.risk.max_symbol == 0.20
    run.tick("10:15", times=2)
    assert calls(here.venue, "POST") == sent
    assert traded(here) == {"AAA": "buy"}
    run.tick("11:05")
    assert sum("NOTHING IS SENT" in line for line in run.told.said) == 2
    assert not run.world.gate.kill


def test_r53_what_was_taken_back_is_given_back_by_a_start_only(place: Build) -> None:
    here, run = live(place, AAA="+0", BBB="0+")
    deployed(run, "mode: live", "mode: dry")
    run.tick("09:50")
    deployed(run, "mode: dry", "mode: live")
    run.tick("10:00", times=3)
    assert "`allow_live: true` of the world tiny does not take effect while it runs" in "\n".join(run.told.said)
    assert traded(here) == {"AAA": "buy"}
    run.stop()
    again = here.rig(mode="live", acknowledged=here.venue.account_number)
    again.tick("10:15", times=3)
    assert set(held(here.venue)) == {"BBB"}
    assert again.ledger() == held(here.venue)


def test_r53_a_world_whose_allow_live_is_taken_away_opens_nothing_and_closes(place: Build) -> None:
    here, run = live(place, AAA="+0", BBB="0+")
    here.edit("allow_live: true\n", "")
    run.tick("10:00", times=4)
    said = "\n".join(run.told.said)
    assert "the world `tiny` may not trade real money" in said
    assert "the text of the world tiny no longer has `allow_live: true`: nothing is opened in it any more" in said
    assert held(here.venue) == {}
    assert {o["symbol"] for o in orders(here.venue)} == {"AAA"}
    assert run.intents().keys() == {o["client_order_id"] for o in orders(here.venue)}  # it wishes nothing either
    here.edit(*ALLOWED)
    run.tick("10:15", times=2)
    assert "does not take effect while it runs" in run.told.said[-1]
    assert {o["symbol"] for o in orders(here.venue)} == {"AAA"}


def test_r53_a_broken_text_takes_away_what_it_plainly_says(place: Build) -> None:
    here, run = live(place, AAA="+0", BBB="0+")
    deployed(run, "mode: live", "mode: dry\nmood: calm")
    run.tick("10:00", times=2)
    said = "\n".join(run.told.said)
    assert "the former programs keep running" in said
    assert "NOTHING IS SENT" in said
    assert traded(here) == {"AAA": "buy"}


@pytest.mark.parametrize(
    ("old", "new"),
    [("mode: live\n", ""), ("mode: live", "mode: [live"), ("mode: live", "mode: lice"), ("worlds:", "wor")],
)
def test_r54_a_deployment_that_is_broken_leaves_the_former_text_in_force(place: Build, old: str, new: str) -> None:
    """A line that is missing in a text with mistakes takes nothing away: nobody said it."""
    here, run = live(place, AAA="+0", BBB="0+")
    deployed(run, "account:", "mood: calm\naccount:")
    deployed(run, old, new)
    run.tick("10:00", times=3)
    said = "\n".join(run.told.said)
    assert "the former programs keep running" in said
    assert "NOTHING IS SENT" not in said
    assert set(held(here.venue)) == {"BBB"}


def test_r54_a_deployment_that_is_gone_leaves_the_former_text_in_force(place: Build) -> None:
    here, run = live(place, AAA="+0", BBB="0+")
    run.config.unlink()
    run.tick("10:00", times=3)
    assert "the former programs keep running" in run.told.said[0]
    assert set(held(here.venue)) == {"BBB"}


@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize("mode", ["dry", "paper"])
def test_r53_more_than_what_runs_never_takes_effect_without_a_start(place: Build, mode: str, allowed: bool) -> None:
    here = place(AAA="+")
    run = here.rig(mode=mode)
    run.tick("09:40")
    if allowed:
        here.edit(*ALLOWED)
    deployed(run, f"mode: {mode}", "mode: live")
    here.edit("max_symbol: 20%", "max_symbol: 19%")
    run.tick("09:45", times=2)
    said = "\n".join(run.told.said)
    assert "the edit is not in force" in said
    assert "start again with --acknowledge-live ACCOUNT" in said
    assert "NOTHING IS SENT" not in said
    assert run.world.frame.program.settings.risk.max_symbol == 0.20
    assert bool(held(here.venue)) == (mode == "paper")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("account: tiny", "account: other", "`account`: tiny -> other"),
        ("interval: 60s", "interval: 30s", "`clock.interval`: 60 -> 30"),
        ("out: out", "out: elsewhere", "`out`: out -> elsewhere"),
        ("snapshot_every: 4", "snapshot_every: 8", "`snapshot_every`: 4 -> 8"),
        ("timeout: 2s", "timeout: 3s", "`broker.timeout`: 2 -> 3"),
        ("kind: alpaca, delay: 0s", "kind: alpaca, delay: 5s, quotes: false", "`feed.delay`: 0 -> 5; `feed.quotes`: True -> False"),
        ('broker: {kind: alpaca, url: "http://', 'broker: {kind: alpaca, url: "http://me:word@', "-> http://***@"),
    ],
)  # fmt: skip
def test_r54_what_cannot_change_while_it_runs_refuses_the_whole_edit(
    place: Build, old: str, new: str, line: str
) -> None:
    here = place(AAA="0+")
    run = here.rig()
    run.tick("09:45")
    deployed(run, old, new)
    here.edit("max_symbol: 20%", "max_symbol: 10%")
    run.tick("10:00", times=2)
    assert "the edit is not in force: what cannot change while it runs differs" in run.told.said[0]
    assert line in run.told.said[0]
    assert "word" not in run.told.said[0]
    assert run.world.frame.program.settings.risk.max_symbol == 0.20
    assert set(held(here.venue)) == {"AAA"}
    deployed(run, new, old)
    run.tick("10:05")
    assert "in force from the next tick on" in run.told.said[-1]
    assert run.world.frame.program.settings.risk.max_symbol == 0.10


def test_r53_a_run_that_a_flag_made_dry_has_lost_nothing(place: Build) -> None:
    """The text says paper as it did when the run was started with `--dry`."""
    here = place(AAA="+")
    compiled = compile_deployment(here.rig().config, {})
    assert compiled.mode == "paper"
    assert compiled.deployment is not None
    assert withdrawn(NOTHING, compiled, "dry", compiled.programs) == NOTHING
    check_edit(compiled.deployment, compiled.deployment, compiled.programs, compiled.programs)
