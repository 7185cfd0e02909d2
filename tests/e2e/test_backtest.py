"""`qmtl backtest` as a person uses it: a real process, recorded bars, the folder it leaves, the page in a browser."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ..program.start import call

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
RANGE = ("--from", "2025-11-12", "--to", "2025-11-18")


def backtest(*arguments: object) -> subprocess.CompletedProcess[str]:
    return call(["backtest", *arguments], cwd=ROOT, timeout=300)


def anew(*arguments: object) -> subprocess.CompletedProcess[str]:
    """As a person starts it: a process with a hash seed and imports of its own."""
    return subprocess.run(
        [sys.executable, "-m", "qmtl", "backtest", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's market, with the runs at other costs."""
    out = tmp_path_factory.mktemp("backtest") / "demo"
    done = anew("--config", "demo.yaml", *RANGE, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "fingerprint" in done.stdout
    assert str(out / "report.html") in done.stdout
    return out


@pytest.fixture(scope="module")
def whole_range(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """All 60 symbols of us_15m over their whole range, and the seconds it took."""
    if not (DATA / "us_15m").is_dir():
        pytest.skip("recorded bars are not at hand: ../shared/data/us_15m is missing")
    folder = tmp_path_factory.mktemp("whole")
    symbols = sorted(path.name.split(".")[0] for path in (DATA / "us_15m").glob("*.csv.gz"))
    assert len(symbols) == 60
    base = (ROOT / "worlds" / "us_core.yaml").read_text()
    world = folder / "sixty.yaml"
    world.write_text(_sixty(base, symbols))
    (folder / "us.yaml").write_text("{version: 1, exchange: us, lot_size: 1, min_notional: 1, shorting: true}\n")
    began = time.monotonic()
    done = backtest(
        "--world", world, "--bars", DATA / "us_15m", "--vix", DATA / "vix" / "vix_daily_cboe.csv", "--quick",
        "--out", folder / "out",
    )  # fmt: skip
    seconds = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    return folder / "out", seconds


def _sixty(text: str, symbols: list[str]) -> str:
    """us_core over all symbols: every pair allowed, no sectors, a venue beside it."""
    import yaml

    world = yaml.safe_load(text)
    world |= {"world": "sixty", "universe": symbols, "allowlist": "all", "exchange": "us"}
    for key in ("sectors", "parameters", "description"):
        world.pop(key, None)
    return str(yaml.safe_dump(world, sort_keys=False))


def test_the_sixty_symbols_run_in_seconds(whole_range: tuple[Path, float]) -> None:
    out, seconds = whole_range
    setup = json.loads((out / "result.json").read_text())["setup"]
    assert (setup["end"], len(pq.read_table(out / "orders.parquet")) > 1000) == ("2025-11-28", True)
    assert seconds < 60


def test_the_folder_holds_columns_summary_and_page(made_up: Path) -> None:
    names = {path.name for path in made_up.iterdir()}
    assert names == {
        "result.json", "steps.parquet", "worlds.parquet", "orders.parquet", "trips.parquet", "report.html",
    }  # fmt: skip
    document = json.loads((made_up / "result.json").read_text())
    labels = [variant["label"] for variant in document["summary"]["variants"]]
    assert labels == ["costs x1", "costs x2", "costs x3", "one bar later"]
    x1, x2, x3, late = (variant["measures"]["end_equity"] for variant in document["summary"]["variants"])
    assert x1 > x2 > x3
    assert late != x1
    assert x1 == document["summary"]["measures"]["end_equity"]


def test_the_same_backtest_again_is_the_same_to_the_byte(made_up: Path, tmp_path: Path) -> None:
    out = tmp_path / "again"
    assert anew("--config", "demo.yaml", *RANGE, "--out", out, "--quiet").returncode == 0
    for name in ("result.json", "steps.parquet", "orders.parquet", "report.html"):
        assert (out / name).read_bytes() == (made_up / name).read_bytes(), name


def test_a_former_result_is_moved_aside(made_up: Path) -> None:
    before = (made_up / "result.json").read_bytes()
    assert backtest("--config", "demo.yaml", *RANGE, "--out", made_up, "--quick", "--quiet").returncode == 0
    assert (made_up.with_name("demo.1") / "result.json").read_bytes() == before


def test_two_backtests_are_compared(made_up: Path, tmp_path: Path) -> None:
    dear, page = tmp_path / "dear", tmp_path / "two.html"
    assert backtest("--config", "demo.yaml", *RANGE, "--fee", "20bps", "--quick", "--out", dear).returncode == 0
    done = backtest("--compare", made_up, dear, "--out", page)
    assert done.returncode == 0, done.stderr
    assert "fee" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100 + len(str(page))
    assert page.read_text().startswith("<!doctype html>") or page.read_text().startswith("<!DOCTYPE html>")


def test_json_is_one_object(tmp_path: Path) -> None:
    done = backtest("--config", "demo.yaml", *RANGE, "--quick", "--format", "json", "--out", tmp_path / "out")
    found = json.loads(done.stdout)
    assert set(found) == {"folder", "summary"}


@pytest.mark.parametrize(
    ("arguments", "says", "code"),
    [
        ((), "--world WORLD or --config DEPLOYMENT", 2),
        (("--world", "nowhere"), "--bars", 2),
        (("--world", "nowhere", "--bars", "."), "there is no world `nowhere`", 2),
        (("--config", "demo.yaml", "--from", "soon"), "is not a day", 1),
        (("--config", "demo.yaml", "--from", "2031-01-02"), "has no bars from", 1),
        (("--config", "demo.yaml", "--bars", "."), "synthetic", 1),
        (("--config", "demo.yaml", "--fee", "2"), "write it as `2bps`", 2),
        (("--config", "demo.yaml", "--cash", "much"), "write it as `100_000`", 2),
        (("--compare", "worlds", "worlds"), "holds no backtest", 1),
        (("--config", "demo.yaml", *RANGE, "--walk-forward", "--quick"), "sessions (252 to train", 1),
    ],
)
def test_what_cannot_be_done_is_said_with_a_way_out(
    arguments: tuple[str, ...], says: str, code: int, tmp_path: Path
) -> None:
    more = ("--out", str(tmp_path / "out")) if "--compare" not in arguments and arguments else ()
    done = backtest(*arguments, *more)
    assert says in done.stderr, done.stderr
    assert done.returncode == code
    assert "Traceback" not in done.stderr
