"""What a person with a terminal of eighty columns sees: no line of ours is wrapped by the terminal."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pexpect
import pytest

ROOT = Path(__file__).resolve().parents[2]
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def seen(words: list[str], cwd: Path, dimensions: tuple[int, int] = (24, 80)) -> list[str]:
    """The lines that a command prints to a terminal of that size."""
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    screen = pexpect.spawn(
        sys.executable,
        ["-m", "qmtl", *words],
        cwd=cwd,
        env={**environment, "TERM": "xterm-256color", "PYTHONWARNINGS": "ignore"},  # type: ignore[arg-type]
        dimensions=dimensions,
        encoding="utf-8",
        timeout=60,
    )
    screen.expect(pexpect.EOF)
    screen.close()
    return ESCAPES.sub("", screen.before or "").replace("\r", "").splitlines()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("worlds", "strategies"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "cases"))
    return tmp_path


def test_show_wraps_its_cells(home: Path) -> None:
    lines = seen(["show", "worlds/us_core.yaml"], home)
    assert max(map(len, lines)) <= 80
    joined = " ".join(" ".join(lines).split())
    assert "p_high_vol >= 0.40" in joined
    assert any(line.startswith("    stay ") for line in lines)
    wide = seen(["show", "worlds/us_core.yaml"], home, (24, 300))
    assert max(map(len, wide)) > 80


def test_diff_puts_the_places_below(home: Path) -> None:
    shutil.copytree(home / "worlds", home / "edited")
    world = home / "edited" / "us_core.yaml"
    world.write_text(world.read_text().replace("max_sector: 20%", "max_sector: 18%").replace("0.50", "0.60"))
    lines = seen(["diff", "worlds", "edited"], home)
    assert max(map(len, lines)) <= 80
    at = lines.index("  ~ chain chop, to stay: p_chop >= 0.43 -> >= 0.53")
    assert lines[at + 1] == "      worlds/us_core.yaml:50 -> edited/us_core.yaml:50"


def test_validate_keeps_line_and_carets_together(home: Path) -> None:
    world = home / "worlds" / "us_core.yaml"
    text = world.read_text()
    old = "p_high_vol >= 0.40 and p_trend_down >= p_trend_up"
    assert old in text
    long = " or ".join(["p_high_vol >= 0.40 and p_trend_down >= p_trend_up"] * 4)
    world.write_text(text.replace("p_chop >= 0.50", f"{long} or p_chopp >= 0.50 or {long}"))
    lines = seen(["validate", "worlds/us_core.yaml"], home)
    at = next(i for i, line in enumerate(lines) if "p_chopp" in line and "|" in line)
    assert len(lines[at]) <= 80
    assert len(lines[at + 1]) <= 80
    first, last = lines[at + 1].index("^"), lines[at + 1].rindex("^")
    assert lines[at][first : last + 1] == "p_chopp"


@pytest.mark.parametrize("dimensions", [(24, 80), (40, 120)])
def test_the_live_table_has_whole_numbers_and_keeps_within_the_screen(
    tmp_path: Path, dimensions: tuple[int, int]
) -> None:
    words = ["run", "--config", "demo.yaml", "--ticks", "60", "--out", str(tmp_path / "out")]
    lines = seen(words, ROOT, dimensions)
    heads = [i for i, line in enumerate(lines) if line.startswith("sym")]
    assert heads
    assert {"target", "held", "order", "why"} <= set(lines[heads[-1]].split())
    rows = [line for line in lines if re.match(r"[A-Z]{2,5} ", line)]
    assert rows
    assert not [line for line in rows if re.search(r"\d…", line) or len(line) > dimensions[1]]
    assert any(re.search(r"[-+]\d+\.\d%", line) for line in rows)
    ends = [i for i, line in enumerate(lines) if line.endswith("decision ticks")]
    assert ends[-1] - heads[-1] < dimensions[0]  # the bar at the end is seen while the table runs
