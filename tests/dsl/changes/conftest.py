"""Edits of the shipped texts: a copy before, a copy after, and what `qmtl diff` makes of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from qmtl.dsl.changes.change import Difference
from qmtl.dsl.changes.compare import differences
from qmtl.dsl.changes.side import Side, read_side

ROOT = Path(__file__).resolve().parents[3]
DAY = "2026-06-01"
WORLD = "worlds/us_core.yaml"


@dataclass(frozen=True)
class Edited:
    """Both sides, and the differences between them."""

    before: Side
    after: Side
    found: tuple[Difference, ...]

    def ids(self) -> tuple[dict[str, str], dict[str, str]]:
        """Program ids by world."""
        sides = []
        for side in (self.before, self.after):
            programs = {name: compiled.program for name, compiled in side.worlds.items()}
            sides.append({name: program.program_id for name, program in programs.items() if program})
        return sides[0], sides[1]


#: one edit: file, text that stands there exactly once or more, text to put there ("" file part: append)
Edit = tuple[str, str, str]
Edits = Callable[..., Edited]


def apply(home: Path, edits: tuple[Edit, ...]) -> None:
    """Makes the edits; an edit that finds nothing to change is a mistake in the test."""
    for name, old, new in edits:
        file = home / name
        text = file.read_text() if file.exists() else ""
        assert old in text, f"{name} does not hold {old!r}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace(old, new, 1) if old else text + new)


def copy(home: Path) -> Path:
    """The shipped worlds (without cases) and strategies."""
    quiet = shutil.ignore_patterns("__pycache__", "cases")
    for name in ("worlds", "strategies"):
        shutil.copytree(ROOT / name, home / name, ignore=quiet)
    return home


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Side]:
    """The texts as they are shipped."""
    home = copy(tmp_path_factory.mktemp("before"))
    return home, read_side((home / "worlds",))


@pytest.fixture
def edits(tmp_path: Path, shipped: tuple[Path, Side]) -> Edits:
    """`edits(*edits)`: what they change of the shipped texts."""
    count = iter(range(10_000))

    def make(*made: Edit) -> Edited:
        home = copy(tmp_path / f"after{next(count)}")
        apply(home, made)
        after = read_side((home / "worlds",))
        assert not after.broken, [d.message for d in after.diagnostics if d.severity == "error"]
        return Edited(shipped[1], after, differences(shipped[1], after, DAY))

    return make
