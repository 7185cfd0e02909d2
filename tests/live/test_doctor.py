"""`qmtl doctor` against a venue: an account on which a run can trade, and each thing that would keep it from that."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from qmtl.cli import cli
from qmtl.cli.alpacachecks import alpaca
from qmtl.cli.doctor import doctor
from qmtl.dsl.compile import compile_deployment

from .market import deployed, moment
from .rig import calls

Build = Callable[..., Any]
ALL = [
    "packages", "sqlite", "time zones", "text", "folder", "disk", "runner", "journal", "calendar",
    "keys", "broker", "clock", "symbols", "calendar there", "market data",
]  # fmt: skip


def said(config: Path, code: int) -> dict[str, dict[str, str]]:
    """The findings of `qmtl doctor` by what they are about; those that are not well have a way out."""
    done = CliRunner().invoke(doctor, ["--config", str(config), "--json"])
    assert done.exit_code == code, done.output
    told = json.loads(done.output)
    assert told["well"] == (code == 0)
    found = {one["about"]: one for one in told["findings"]}
    assert len(found) == len(told["findings"])
    assert all(one["way"] for one in found.values() if one["state"] != "ok"), told
    return found


def states(found: dict[str, dict[str, str]]) -> dict[str, str]:
    """What is not well."""
    return {about: one["state"] for about, one in found.items() if one["state"] != "ok"}


def asked(here: Any, when: str = "09:50") -> dict[str, Any]:
    """What Alpaca's checks find, on the venue's clock."""
    here.venue.move(moment(when))
    config = deployed(here.home, here.venue.url)
    compiled = compile_deployment(config, {})
    assert compiled.deployment is not None
    found = list(alpaca(compiled.deployment, compiled.programs, lambda: float(moment(when))))
    assert all(one.way for one in found if one.state != "ok"), found
    return {one.about: one for one in found}


def test_an_account_on_which_a_run_can_trade_is_well_and_every_check_is_shown(place: Build) -> None:
    here = place(now=None)  # the clock of this machine: the market has no quote now
    found = said(deployed(here.home, here.venue.url), 0)
    assert list(found) == ALL
    assert set(states(found)) <= {"market data", "disk"}
    assert re.fullmatch(r"account \S+, equity 100,000.00, 0 positions", found["broker"]["text"])
    assert found["keys"]["text"] == "there, of a paper account"
    assert found["symbols"]["text"] == "all 4 are tradable there"
    assert found["calendar there"]["text"].startswith("the same ")
    assert set(calls(here.venue)) == set(calls(here.venue, "GET"))


def test_while_the_market_is_open_everything_is_ok(place: Build) -> None:
    found = asked(place(AAA="+"))
    assert {one.state for one in found.values()} == {"ok"}
    assert found["market data"].text.startswith("iex: newest quote of 2025-11-24 14:")


def test_wrong_keys_are_a_finding_of_every_question(place: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    here = place(now=None)
    monkeypatch.setenv("APCA_API_SECRET_KEY", "another-secret")
    found = said(deployed(here.home, here.venue.url), 1)
    assert set(states(found)) - {"disk"} == {"broker", "symbols", "calendar there", "market data"}
    assert found["broker"]["text"].startswith("the keys are not accepted: /account failed: auth: 401")
    assert "APCA_API_SECRET_KEY" in found["broker"]["way"]


def test_no_key_at_all(place: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    here = place(now=None)
    monkeypatch.delenv("APCA_API_KEY_ID")
    found = said(deployed(here.home, here.venue.url), 1)
    assert list(found) == ALL[: ALL.index("keys") + 1]
    assert "APCA_API_KEY_ID is not set" in found["keys"]["text"]


def test_no_network(place: Build) -> None:
    here = place(now=None)
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"http://127.0.0.1:{server.getsockname()[1]}"
    found = said(deployed(here.home, nobody), 1)
    assert list(found) == [about for about in ALL if about != "clock"]  # the broker's clock is not known
    assert found["broker"]["text"] == f"/account failed: connection: {nobody.removeprefix('http://')} refuses it"
    assert found["broker"]["way"].startswith("check the network")


def test_an_account_that_is_down_keeps_no_other_question_from_being_asked(place: Build) -> None:
    here = place(now=None)
    here.venue.fault({"do": "500", "times": 0, "match": {"path": "/v2/account"}})
    found = said(deployed(here.home, here.venue.url), 1)
    assert states(found)["broker"] == "failure"
    assert "status page" in found["broker"]["way"]
    assert [found[about]["state"] for about in ("symbols", "calendar there")] == ["ok", "ok"]


def test_a_clock_that_is_wrong(place: Build) -> None:
    here = place(now=None)
    here.venue.fault({"do": "clock_skew", "seconds": 60})
    found = said(deployed(here.home, here.venue.url), 1)
    assert re.fullmatch(r"ours is -(59|60)\.\d s against the broker's", found["clock"]["text"])
    assert "NTP" in found["clock"]["way"]
    assert list(found) == ALL


def test_a_blocked_account(place: Build) -> None:
    here = place(now=None)
    here.venue.fault({"do": "trading_blocked"})
    found = said(deployed(here.home, here.venue.url), 1)
    assert found["broker"]["text"].endswith(": trading is blocked")
    assert list(found) == ALL
    assert set(states(found)) - {"market data", "disk"} == {"broker"}


def test_a_symbol_that_nobody_knows_and_one_that_is_not_tradable(place: Build) -> None:
    here = place(now=None)
    here.venue.fault({"do": "not_tradable", "match": {"symbol": "AAA"}})
    here.edit("BBB, CCC, DDD", "BBB, CCC, NOSUCH")
    config = deployed(here.home, here.venue.url)
    done = CliRunner().invoke(doctor, ["--config", str(config)])
    assert done.exit_code == 0, done.output
    assert (
        "warn  symbols        no active stock there: NOSUCH\n        = help: see whether they are spelled"
        in done.output
    )
    assert "warn  symbols        not tradable there: AAA\n        = help: take them out" in done.output
    assert "calendar there" in done.output


def test_a_list_of_assets_that_cannot_be_read_is_no_word_about_symbols(place: Build) -> None:
    here = place(AAA="+")
    here.venue.fault({"do": "503", "times": 0, "match": {"path": "/v2/assets"}})
    found = asked(here)
    assert (found["symbols"].state, "tradable" in found["symbols"].text) == ("warning", False)
    assert found["broker"].state == found["market data"].state == "ok"


def test_r31_a_calendar_that_is_not_the_brokers(place: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    from qmtl.engine.calendar import SessionCalendar

    here = place(AAA="+")
    real = SessionCalendar("XNYS", "2000-01-03", "2026-06-30")
    closes = real.closes.copy()
    closes[list(real.opens).index(moment("2025-11-28 09:30"))] += 3 * 3600  # we do not know of the half day
    other = type("Other", (), {"opens": real.opens, "closes": closes})
    monkeypatch.setattr("qmtl.cli.alpacachecks.calendar_of", lambda *_: other)
    found = asked(here)["calendar there"]
    assert (found.state, found.text) == ("failure", "differs on 2025-11-28")


def test_a_start_says_the_same_with_the_same_way_out(place: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    here = place(now=None)
    config = deployed(here.home, here.venue.url)
    monkeypatch.setenv("APCA_API_SECRET_KEY", "another-secret")
    found = said(config, 1)["broker"]
    done = CliRunner().invoke(cli, ["run", "--config", str(config), "--once", "--quiet"])
    assert done.exit_code == 1
    error, way = done.stderr.splitlines()
    assert re.sub(r"request \S+\]", "", error) == "error: " + re.sub(r"request \S+\]", "", found["text"])
    assert way == f"  = help: {found['way']}"
