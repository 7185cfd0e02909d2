"""Fixtures for all tests.

Golden files hold, word by word, what people read. After a wanted change run `pytest --update-golden` and read the diff.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"

# how long an example takes says more about the machine than about the code
settings.register_profile("qmtl", deadline=None)
settings.load_profile("qmtl")

Golden = Callable[[str, str], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write the golden files instead of comparing with them"
    )


#: what takes longest stands first for each of two workers, so that none of it is left when all else is done
LONGEST = (
    "tests/crash/",
    "tests/e2e/test_real_bars.py",
    "tests/docs/test_snippets.py::test_shell_snippets_run_one_after_another",
    "tests/noise/",
    "tests/runtime/test_start.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two halves, each with its share of what is long at its head; the rest stays as it was."""
    heads: list[list[pytest.Item]] = [[], []]
    for item in items:
        place = next((i for i, prefix in enumerate(LONGEST) if item.nodeid.startswith(prefix)), None)
        if place is not None:
            heads[place % 2].append(item)
    long = {item.nodeid for head in heads for item in head}
    rest = [item for item in items if item.nodeid not in long]
    middle = max(0, len(items) // 2 - len(heads[0]))
    items[:] = [*heads[0], *rest[:middle], *heads[1], *rest[middle:]]


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository, made the working directory, so that messages show the paths a user would type there."""
    monkeypatch.chdir(ROOT)
    return ROOT


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """`golden("diagnostics/x.txt", text)` compares a text with a golden file, or writes it with --update-golden."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        assert path.exists(), f"{path} is missing: run pytest --update-golden"
        assert text == path.read_bytes().decode(), f"differs from {path}: run pytest --update-golden and read the diff"

    return compare
