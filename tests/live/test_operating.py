"""The commands of people while the program runs in a process of its own: what they say, word by word, and what comes of it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from qmtl.cli import cli

from .market import deployed, moment
from .process import Process
from .rig import held, orders

Build = Callable[..., Any]


class Desk:
    """A person's terminal beside a running program. `script` is everything that was typed and answered."""

    def __init__(self, here: Any, config: Path) -> None:
        self.here, self.config, self.script = here, config, list[str]()
        self.out = here.home / "out"
        self.run: Any = None

    def say(self, *arguments: str, code: int = 0) -> str:
        """`qmtl ...`; its text goes into the script."""
        place = () if "--config" in arguments or "--out" in arguments else ("--config", str(self.config))
        done = CliRunner().invoke(cli, [*arguments, *place])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        assert done.exit_code == code, (arguments, done.output)
        self.script.append(self._plain(f"$ qmtl {' '.join(arguments)}   -> {code}\n{done.output}"))
        return done.output

    def during(self, when: str, *arguments: str, code: int = 0) -> str:
        """The same for a command that waits for the next tick."""
        said: list[str] = []
        waiting = len(list((self.out / "commands").glob("*.json"))) if (self.out / "commands").exists() else 0
        typed = threading.Thread(target=lambda: said.append(self.say(*arguments, "--wait", "30", code=code)))
        typed.start()
        until = time.monotonic() + 20
        while len(list(self.out.glob("commands/*.json"))) <= waiting and time.monotonic() < until:
            time.sleep(0.01)
        self.run.tick(moment(when))
        typed.join(30)
        assert said, self.script
        return said[0]

    def data(self, *arguments: str, code: int = 0) -> Any:
        """`qmtl ... --json`, parsed; it is one line."""
        text = self.say(*arguments, "--json", code=code)
        self.script.pop()
        assert text.count("\n") == 1
        return json.loads(text)

    def _plain(self, text: str) -> str:
        text = text.replace(str(self.here.home), "HOME")
        text = re.sub(r"process \d+ on \S+ since [0-9TZ:-]+", "process 1 on HOST since THEN", text)
        text = re.sub(r"Python \S+, qmtl \S+, alpaca-py \S+", "Python P, qmtl Q, alpaca-py A", text)
        text = re.sub(r"(ok  |warn)  disk", "ok    disk", text)
        text = re.sub(r"SQLite \S+", "SQLite S", text)
        text = re.sub(r"[\d,.]+ (GB free|MB, sound)", r"N \1", text)
        text = re.sub(r"\d+ sessions ahead, the last of \S+ \S+", "N sessions ahead, the last of DAY", text)
        return re.sub(r"http://127.0.0.1:\d+", "URL", text)


@pytest.fixture
def desk(place: Build) -> Iterator[Desk]:
    """AAA and BBB are held from 09:46 on; CCC wants to be bought at 10:30, DDD is left alone."""
    here = place(AAA="++++0", BBB="-", CCC="000+")
    config = deployed(here.home, here.venue.url)
    made = Desk(here, config)
    made.run = Process(config, here.venue)
    yield made
    made.run.kill()


def test_what_people_ask_and_are_told_while_it_runs(desk: Desk, golden: Callable[[str, str], None]) -> None:
    assert desk.data("status", code=1)["wrong"] == ["it has not ticked yet"]
    desk.say("status", code=1)
    desk.say("orders")
    desk.run.tick(moment("09:45"))
    desk.say("status")  # an order that was sent a moment ago is no reason to look
    desk.say("orders")
    desk.run.tick(moment("09:46"))
    desk.say("status")
    desk.say("orders")
    desk.say("orders", "--all")
    desk.say("positions")
    desk.say("doctor", "--offline")
    desk.say("resume", "--who", "ada", "--why", "nothing to lift")
    desk.during("10:00", "kill", "--who", "ada", "--why", "something smells")
    desk.say("status", code=1)
    desk.during("10:01", "resume", "--who", "ada", "--why", "it was lunch")
    desk.say("status")
    golden("live/operating.txt", "\n".join(desk.script))


def test_the_same_as_json(desk: Desk) -> None:
    desk.run.tick(moment("09:45"))
    (first, second) = desk.data("orders")["orders"]
    assert {first["symbol"], second["symbol"]} == {"AAA", "BBB"}
    assert first["state"] == "INTENDED"  # the answer is stored with the next tick
    desk.run.tick(moment("09:46"))
    status = desk.data("status")
    assert (status["version"], status["well"], status["wrong"], status["mode"]) == (1, True, [], "paper")
    assert status["account"][
        "broker"
    ] == desk.here.venue.account_number or desk.here.venue.account_number in json.dumps(status)
    assert str(desk.run.process.pid) in status["runner"]
    positions = {p["symbol"]: p for p in desk.data("positions")["positions"]}
    assert {s: float(p["qty"]) for s, p in positions.items()} == {s: float(q) for s, q in held(desk.here.venue).items()}
    assert {p["owner"].partition("@")[0] for p in positions.values()} == {"level"}
    assert {o["state"] for o in desk.data("orders", "--all")["orders"]} == {"FILLED"}
    report = desk.data("doctor", "--offline")
    assert report["well"], report
    told = json.loads(desk.during("10:00", "kill", "--who", "ada", "--json"))
    assert (told["obeyed"], told["flatten"]) == (True, False)
    status = desk.data("status", code=1)
    assert status["worlds"][0]["kill"] == "kill.operator"
    told = json.loads(desk.during("10:01", "resume", "--who", "ada", "--why", "x", "--json"))
    assert (told["stored"], told["obeyed"], told["lifted"]) == (True, True, ["tiny: kill.operator"])


def test_kill_and_flatten_while_it_runs_ends_flat_and_stays_so(desk: Desk) -> None:
    desk.run.tick(moment("09:45"))
    desk.run.tick(moment("09:46"))
    assert len(held(desk.here.venue)) == 2
    said = desk.during("10:00", "kill", "--flatten", "--who", "ada")
    assert "closes everything of its own until `qmtl resume`" in said
    desk.run.tick(moment("10:01"))
    assert held(desk.here.venue) == {}
    for when in ("10:30", "10:31", "10:45"):  # CCC would be bought
        desk.run.tick(moment(when))
    assert orders(desk.here.venue, "CCC") == []
    assert "flattening" in desk.say("status", code=1)
    assert desk.say("positions").startswith("no positions as of")


def test_a_kill_works_with_a_broken_text_and_without_a_text(desk: Desk) -> None:
    """A half-edited world keeps nobody from stopping it, and the run goes on with the former text."""
    desk.run.tick(moment("09:45"))
    desk.run.tick(moment("09:46"))
    world = desk.here.home / "worlds" / "tiny.yaml"
    world.write_text(world.read_text() + "  - {broken: [\n")
    said = desk.during("10:00", "kill", "--who", "ada")
    assert said.startswith("killed: the run")
    assert any("the edit is not in force" in line for line in desk.run.said)
    desk.say("status", code=1)
    world.unlink()
    assert "lifted by ada" in desk.during("10:01", "resume", "--who", "ada", "--why", "x")
    desk.config.write_text("no: deployment\n")
    assert "is no deployment that can be read" in desk.say("kill", code=1)
    CliRunner().invoke(cli, ["kill", "--out", str(desk.out), "--wait", "0"])  # by its folder
    desk.run.tick(moment("10:15"))
    assert desk.data("status", "--out", str(desk.out), code=1)["worlds"][0]["kill"] == "kill.operator"


def test_a_kill_without_a_run_waits_for_the_next_start_and_can_be_taken_back(desk: Desk) -> None:
    desk.run.tick(moment("09:45"))
    desk.run.tick(moment("09:46"))
    assert desk.run.stop() == 0
    assert "No run is alive here" in desk.say("kill", "--who", "ada", code=1)
    assert [c["kind"] for c in desk.data("status", code=1)["waiting"]] == ["kill"]
    said = desk.say("resume", "--who", "bob", "--why", "changed our minds")
    assert said == "a kill that waits lifted by bob; the next start applies it\n"
    desk.run = Process(desk.config, desk.here.venue)
    desk.run.tick(moment("10:00"))
    assert desk.data("status")["well"]
    assert desk.run.stop() == 0
    desk.say("kill", "--flatten", "--who", "ada", code=1)
    desk.run = Process(desk.config, desk.here.venue)
    desk.run.tick(moment("10:15"))
    desk.run.tick(moment("10:16"))
    assert desk.data("status", code=1)["worlds"][0]["kill"] == "kill.operator"
    assert held(desk.here.venue) == {}


def test_r07_a_process_that_hangs_does_not_keep_the_kill_from_being_stored(desk: Desk) -> None:
    desk.run.tick(moment("09:45"))
    desk.run.process.send_signal(signal.SIGSTOP)
    said = desk.say("kill", "--who", "ada", "--wait", "0.3", code=1)
    assert "the kill is stored and no new order leaves, but the run" in said
    desk.run.process.send_signal(signal.SIGCONT)
    desk.run.tick(moment("09:46"))
    assert desk.data("status", code=1)["worlds"][0]["kill"] == "kill.operator"


# ---- `qmtl run` itself, on the wall clock


@pytest.fixture
def walled(place: Build) -> Iterator[tuple[Any, Path, Callable[..., subprocess.Popen[str]]]]:
    """A venue on the wall clock, a deployment that ticks each second, and how to start it."""
    here = place(now=None)
    config = deployed(here.home, here.venue.url, interval=1)
    started: list[subprocess.Popen[str]] = []

    def start(*more: str, where: Path = config) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "qmtl", "run", "--config", str(where), "--quiet", *more]
        environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, cwd=here.home, env=environment, stdout=pipe, stderr=pipe, text=True))
        return started[-1]

    yield here, config, start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=20)


def _until(check: Callable[[], bool], seconds: float = 40.0) -> None:
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.1)


def _status(out: Path, *more: str) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(cli, ["status", "--out", str(out), "--json", *more])
    return done.exit_code, json.loads(done.output) if done.output.startswith("{") else {}


def test_r08_r46_a_second_process_ends_with_75_and_the_lock_of_a_dead_one_is_taken_over(walled: Any) -> None:
    here, config, start = walled
    out = here.home / "out"
    first = start()
    _until(lambda: _status(out, "--max-age", "60")[0] == 0)
    other = deployed(here.home, here.venue.url, interval=1, name="other", out="elsewhere")
    for more, where in (((), config), (("--out", str(here.home / "third")), config), ((), other)):
        second = start("--once", *more, where=where)
        _, said = second.communicate(timeout=60)
        assert second.returncode == 75, said
        assert re.search(rf"error: .* is in use by process {first.pid} on \S+ since", said), said
        assert "only one may run" in said
    first.kill()
    first.communicate(timeout=20)
    code, told = _status(out)
    assert (code, "no run is alive here" in told["wrong"]) == (1, True)
    again = start("--once")
    _, said = again.communicate(timeout=60)
    assert again.returncode == 0, said
    assert here.venue.book()["orders"] == []


def test_a_real_run_on_a_wall_clock_hears_kill_and_resume_and_stops(walled: Any) -> None:
    here, _, start = walled
    out = here.home / "out"
    run = start()
    _until(lambda: _status(out)[0] == 0)
    killed = CliRunner().invoke(cli, ["kill", "--out", str(out), "--who", "ada", "--wait", "30"])
    assert (killed.exit_code, killed.output.startswith("killed: the run")) == (0, True)
    assert _status(out)[1]["worlds"][0]["kill"] == "kill.operator"
    lifted = CliRunner().invoke(cli, ["resume", "--out", str(out), "--who", "ada", "--why", "x", "--wait", "30"])
    assert lifted.output == "tiny: kill.operator lifted by ada; done\n"
    _until(lambda: _status(out)[0] == 0)
    run.send_signal(signal.SIGTERM)
    said, errors = run.communicate(timeout=30)
    assert run.returncode == 0, errors
    assert "stopped; start again to continue" in said
    assert "is killed: kill.operator" in said
