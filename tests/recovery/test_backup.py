"""A journal that was restored from a backup on an account that went on: what happened since is nobody's, and nothing is doubled."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qmtl.engine.adapters.paper import PaperAccount
from qmtl.engine.errors import BrokerError

from ..crash.campaign import Nursery, Plan, _deployment, _life, _opening, nursery
from ..crash.markets import made_up
from ..crash.points import new_counts
from ..venue.start import started as venue_started
from .conftest import LONG, SHORT, Said, ask, ticks

Run = Callable[..., Said]


def opened(out: Path) -> list[str]:
    """Ids of the journaled orders that open something."""
    rows = ask(out / "journal.db", "SELECT key, payload FROM entries WHERE stream = 'intent'")
    return [key for key, payload in rows if json.loads(payload)["leg"] == "open"]


def positions(qmtl: Run, out: Path) -> dict[str, Any]:
    return {row["symbol"]: row for row in json.loads(qmtl("positions", "--out", out, "--json").out)["positions"]}


def restored(out: Path, backup: Path) -> None:
    """What the person does: put the copy in the place of all files of the journal."""
    for file in out.glob("journal.db*"):
        file.unlink()
    shutil.copy(backup, out / "journal.db")


def test_an_older_journal_on_an_account_that_went_on_is_halted(out: Path, run: Run, qmtl: Run) -> None:
    qmtl("journal", "copy", out, out / "backup.db")
    run(out, LONG + 30)
    restored(out, out / "backup.db")
    there = opened(out)
    said = run(out, SHORT + 1)
    assert "world us_core is killed: kill.other_runner" in said.out
    assert "which this journal never sent" in said.out
    assert opened(out) == there
    found = positions(qmtl, out)
    moved = [symbol for symbol, row in found.items() if row["qty"] != row["ours"]]
    assert {symbol for symbol, row in found.items() if row["external"]} == set(moved)
    assert moved
    # a person looked at it: the run goes on, and leaves alone what is not its own
    qmtl("resume", "--out", out, "--who", "ada", "--why", "restored a backup", "--wait", "0")
    run(out, SHORT + 20)
    intents = [
        json.loads(row[0]) for row in ask(out / "journal.db", "SELECT payload FROM entries WHERE stream = 'intent'")
    ]
    external = {symbol for symbol, row in positions(qmtl, out).items() if row["external"]}
    after = [
        one
        for one in intents
        if one["symbol"] in external
        and one["epoch"] > max(o["epoch"] for o in intents if o["client_order_id"] in there)
    ]
    assert [one for one in after if one["leg"] == "open"] == []
    assert ask(out / "paper.db", "SELECT count(*) FROM orders GROUP BY client_order_id HAVING count(*) > 1") == []


def test_the_account_and_the_journal_of_one_moment_go_on_as_if_nothing_had_happened(
    out: Path, run: Run, whole: str, qmtl: Run
) -> None:
    for name in ("journal.db", "paper.db"):
        shutil.copy(out / name, out / f"{name}.kept")
    run(out, SHORT + 9)
    for name in ("journal.db", "paper.db"):
        for file in out.glob(f"{name}-*"):
            file.unlink()
        (out / f"{name}.kept").replace(out / name)
    run(out)
    assert qmtl("journal", "digest", out).out.split()[-2] == whole


def test_r15_without_a_snapshot_nothing_is_sent_before_the_account_was_read(
    out: Path, run: Run, qmtl: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qmtl.cli import run as runs

    ask(out / "journal.db", "UPDATE snapshots SET payload = x'00'")
    before = ask(out / "journal.db", "SELECT count(*) FROM entries WHERE stream = 'intent'")
    orders = ask(out / "paper.db", "SELECT count(*) FROM orders")
    inner = runs.begin

    def begin(*arguments: Any) -> Any:
        begun = inner(*arguments)  # the start asks whether it is the same account; from then on it is silent

        def silent(*_: Any) -> Any:
            raise BrokerError("no answer")

        patch.setattr(PaperAccount, "hear", silent)
        return begun

    with monkeypatch.context() as patch:
        patch.setattr(runs, "begin", begin)
        said = qmtl("run", "--config", "demo.yaml", "--ticks", 12, "--quiet", "--out", out)
    assert "warning: no snapshot of the indicators can be read" in said.out
    assert ask(out / "journal.db", "SELECT count(*) FROM entries WHERE stream = 'intent'") == before
    assert ask(out / "paper.db", "SELECT count(*) FROM orders") == orders
    run(out, ticks(out) + 30)
    assert ask(out / "journal.db", "SELECT count(*) FROM entries WHERE stream = 'intent'") > before


@pytest.fixture(scope="module")
def lives() -> Iterator[Nursery]:
    with nursery() as found:
        yield found


def test_an_older_journal_at_a_real_venue_opens_nothing_in_what_happened_since(
    lives: Nursery, tmp_path: Path, qmtl: Run
) -> None:
    """The wall clock never goes back: after the restore the next session is traded, its ids are all new."""
    bars, vix = made_up(tmp_path / "market", "2025-11-12", "2025-11-13", 7)
    plan = Plan(bars, vix, "2025-11-12", "2025-11-12", 7)
    home = tmp_path / "home"
    home.mkdir()
    with venue_started(
        bars=bars, book=home / "venue.db", now=_opening(plan.start), seed=7, rate_limit=1_000_000
    ) as venue:
        config = _deployment(home, plan, venue.url, venue.url)
        new_counts(home / "points.bin")
        life, out = _life(plan, config, venue, {}), home / "out"
        assert lives.live(replace(life, deaths={"before the clock moves": 7}))["killed"]
        qmtl("journal", "copy", out, home / "backup.db")
        assert lives.live(life)["code"] == 0
        before = venue.book()
        restored(out, home / "backup.db")
        ours = {key for (key,) in ask(out / "journal.db", "SELECT key FROM entries WHERE stream = 'intent'")}
        assert lives.live(replace(life, start="2025-11-13", end="2025-11-13"))["code"] == 0, Path(life.log).read_text()
        book = venue.book()
    since = [o for o in before["orders"] if o["client_order_id"] not in ours]
    held = {o["symbol"] for o in since} & before["positions"].keys()
    assert held
    ids = [o["client_order_id"] for o in book["orders"]]
    assert len(set(ids)) == len(ids)
    assert all(o["posts"] == 1 for o in book["orders"])
    new = [o for o in book["orders"] if o["client_order_id"] not in {b["client_order_id"] for b in before["orders"]}]
    assert new  # it goes on in everything else
    assert {o["symbol"] for o in new} & held == set()
    assert {symbol: book["positions"][symbol] for symbol in held} == {s: before["positions"][s] for s in held}
    assert {symbol for symbol, row in positions(qmtl, out).items() if row["external"]} == held
