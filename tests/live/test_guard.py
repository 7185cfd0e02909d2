"""Pitfall R53 on the real thing: what is dry sends nothing, what is live was wanted three times, and no key is written anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from qmtl.engine.errors import BrokerError

from ..crash.campaign import Nursery, nursery
from ..crash.child import Life
from ..crash.points import new_counts
from .market import DAY, deployed
from .rig import calls, held, orders

Build = Callable[..., Any]
LIVE = {"key": "AKLIVE7Q4W9Z2X8C6V1B", "secret": "l1ve-Zk7mQ2pX9vB4nL6tR1wY8uH5jG0fD3sA"}
KEY, SECRET = "PKKNOWN4W9Z2X8C6V1B5", "kn0wn-Zk7mQ2pX9vB4nL6tR1wY8uH5jG0fD3sB"
ECHO = f"key {KEY} with {SECRET} has done it"


def qmtl(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the real command to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "qmtl", *map(str, arguments)],
        cwd=cwd, env={**os.environ, "COLUMNS": "200", "PYTHONWARNINGS": "ignore"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    return done


@pytest.fixture(scope="module")
def lives() -> Iterator[Nursery]:
    with nursery() as found:
        yield found


def test_r53_without_a_word_about_it_a_run_is_dry_and_asks_only(place: Build, kill: Build) -> None:
    """Entries, exits, a kill that flattens, a restart, a stop: the venue sees GETs and nothing else."""
    here = place(AAA="+0-", BBB="+-")
    config = deployed(here.home, here.venue.url, name="silent", out="silent", interval=1)
    config.write_text(config.read_text().replace("mode: paper\n", ""))
    run = here.rig(mode="dry")
    for when in ("09:45", "10:00", "10:15"):
        run.tick(when, times=2)
    assert sum(len(report.netted.orders) for report in run.told.reports) >= 3
    kill(run.out, "--flatten")
    run.tick("10:30", times=2)
    assert run.world.gate.kill
    run.crash()
    again = here.rig(mode="dry")
    again.tick("10:45", times=2)
    again.stop()
    assert calls(here.venue) == calls(here.venue, "GET")
    assert here.venue.book()["orders"] == []
    said = qmtl("run", "--config", config, "--once", cwd=here.home)
    assert "mode dry: nothing is sent" in said.stdout + said.stderr, said.stderr


def test_r53_the_flag_makes_a_paper_run_dry(place: Build) -> None:
    here = place(AAA="+")
    config = deployed(here.home, here.venue.url, interval=1)
    said = qmtl("run", "--config", config, "--dry", "--once", cwd=here.home)
    assert said.returncode == 0, said.stderr
    assert "mode dry: nothing is sent" in said.stdout
    assert calls(here.venue) == calls(here.venue, "GET")


@pytest.mark.parametrize(
    ("allowed", "acknowledged", "message"),
    [
        (False, "right", "allow_live"),
        (True, "", "--acknowledge-live was not given, and the keys are of account"),
        (True, "PA0000000000", "--acknowledge-live says PA0000000000, and the keys are of account"),
    ],
)
def test_r53_live_trading_needs_all_of_its_conditions(
    place: Build, allowed: bool, acknowledged: str, message: str
) -> None:
    here = place(AAA="+", **LIVE)
    if allowed:
        here.edit("exchange:", "allow_live: true\nexchange:")
    config = deployed(here.home, here.venue.url, mode="live")
    account = here.venue.account_number if acknowledged == "right" else acknowledged
    flags = ["--acknowledge-live", account] if account else []
    said = qmtl("run", "--config", config, "--once", *flags, cwd=here.home)
    assert said.returncode == 1
    assert message in said.stderr
    assert calls(here.venue) == calls(here.venue, "GET")


@pytest.mark.parametrize(("mode", "keys"), [("live", {}), ("paper", LIVE)])
def test_r53_keys_of_the_other_kind_of_account_are_refused(place: Build, mode: str, keys: dict[str, str]) -> None:
    here = place(AAA="+", **keys)
    here.edit("exchange:", "allow_live: true\nexchange:")
    with pytest.raises(BrokerError, match=f"the run is {mode}, but the key in APCA_API_KEY_ID belongs to a"):
        here.rig(mode=mode, acknowledged=here.venue.account_number)
    assert calls(here.venue) == {}


def test_r53_with_all_conditions_a_live_run_trades(place: Build) -> None:
    here = place(AAA="+", **LIVE)
    here.edit("exchange:", "allow_live: true\nexchange:")
    run = here.rig(mode="live", acknowledged=here.venue.account_number)
    run.tick("09:45", times=2)
    assert [o["status"] for o in orders(here.venue)] == ["filled"]
    assert run.ledger() == held(here.venue)


def test_r53_no_key_is_written_anywhere_whatever_happens(
    place: Build, kill: Build, lives: Nursery, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Paper, dry, failing, killed by a person and by the system, while the broker repeats the keys in its own messages."""
    here = place(AAA="+0+", BBB="0+", CCC="00+", key=KEY, secret=SECRET)
    config, told = deployed(here.home, here.venue.url), []
    echo = {"do": "refuse", "as": "blocked", "words": {"message": ECHO}}
    run = here.rig()
    here.venue.fault({**echo, "match": {"method": "POST", "symbol": "AAA"}})
    run.tick("09:45", times=2)
    here.venue.fault({**echo, "times": 3, "match": {"method": "GET"}})
    run.tick("09:50", times=4)
    here.venue.fault({"do": "unknown_enum", "match": {"method": "GET", "path": "/v2/orders"}})
    run.tick("10:00", times=2)
    kill(run.out, "--flatten", "--why", "a reason")
    kill(run.out)
    run.tick("10:05")
    run.crash()
    dry = here.rig(mode="dry", out="dry")
    dry.tick("10:15", times=2)
    dry.stop()
    told += [*run.told.said, *dry.told.said]
    new_counts(tmp_path / "points.bin")
    files = (str(tmp_path / "life.log"), str(tmp_path / "points.bin"))
    life = Life(
        str(config), here.venue.url, KEY, SECRET, str(tmp_path / "state"), DAY, DAY, *files, {"sent GET orders": 9}
    )
    assert lives.live(life)["killed"]
    kill(run.out, "--why", "still waiting")
    for command in (
        ("status",), ("status", "--json"), ("orders", "--all"), ("orders", "--all", "--json"), ("positions", "--json"),
        ("doctor",), ("doctor", "--json"), ("run", "--once"), ("run", "--dry", "--once", "--out", "dry"),
        ("show", "worlds/tiny.yaml"), ("journal", "digest", "out/journal.db"),
    ):  # fmt: skip
        here.venue.fault({**echo, "match": {"method": "GET", "path": "/v2/account"}})
        where = () if command[0] in ("show", "journal") else ("--config", config)
        done = qmtl(*command, *where, cwd=here.home)
        told += [done.stdout, done.stderr]
        here.venue.heal()
    told += capfd.readouterr()
    whole = "\n".join(told)
    assert "***" in whole  # the broker's words were heard, and cleaned
    assert here.venue.account_number in whole
    files = [path for path in tmp_path.rglob("*") if path.is_file() and not path.name.startswith("venue")]
    assert {"journal.db", "state.json"} <= {path.name for path in files}
    for path in files:
        content = path.read_bytes()
        for secret in (KEY, SECRET):
            assert secret.encode() not in content, path
            assert json.dumps(secret[4:])[1:-1].encode() not in content, path
    for secret in (KEY, SECRET):
        assert secret not in whole
