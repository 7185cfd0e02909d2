"""The published schemas help in an editor: completion, hover and squiggles of yaml-language-server, by the modeline as shipped."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from qmtl.cli import cli

if TYPE_CHECKING:
    from .conftest import LanguageServer

ROOT = Path(__file__).resolve().parents[2]
WORLD = """\
# yaml-language-server: $schema=../schemas/world.v1.json
world: trial
calendar: XNYS
universe: [SPY, ON, NO]
chains:
  - {name: neutral, otherwise: true, strategies: [roc_momentum]}
allowlist: all
"""
STARTER = "qmtl/starter"
SHIPPED = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.yaml", "worlds/**/*.yaml", f"{STARTER}/**/*.yaml")
    for path in ROOT.glob(pattern)
)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `qmtl init` makes: its files name schemas that it lays beside them."""
    folder = tmp_path_factory.mktemp("init") / "mine"
    done = CliRunner().invoke(cli, ["init", str(folder)])
    assert done.exit_code == 0, done.output
    return folder


def shipped(name: str, request: pytest.FixtureRequest) -> Path:
    """The file as a user has it: in the repository, or where `qmtl init` wrote it."""
    if not name.startswith(STARTER):
        return ROOT / name
    folder = request.getfixturevalue("started")
    assert isinstance(folder, Path)
    return folder / Path(name).relative_to(STARTER)


def opened(server: LanguageServer, name: str, more: str) -> tuple[Path, int, int]:
    """A world with these lines behind it, opened; the file, and the place of `|` in the lines."""
    text = WORLD + more
    at = text.index("|")
    file = ROOT / "worlds" / name
    server.open(file, text.replace("|", "", 1))
    return file, text.count("\n", 0, at), at - (text.rfind("\n", 0, at) + 1)


def test_keys_are_offered_inside_a_map(server: LanguageServer) -> None:
    offered = server.completions(*opened(server, "keys.yaml", "churn_guard:\n  |\n"))
    assert {"min_target", "deadband", "side_cooldown", "min_hold", "enabled"} <= set(offered)
    assert "universe" not in offered


def test_keys_of_the_document_are_offered(server: LanguageServer) -> None:
    offered = server.completions(*opened(server, "top.yaml", "|"))
    assert {"risk", "churn_guard", "entry_guards", "parameters"} <= set(offered)
    assert "allowlist" not in offered, "it is there already"


def test_the_values_of_a_choice_are_offered(server: LanguageServer) -> None:
    offered = server.completions(*opened(server, "values.yaml", "select:\n  method: |\n"))
    assert {"single_best", "weighted"} <= set(offered)


def test_hover_shows_the_description(server: LanguageServer) -> None:
    shown = server.hover(*opened(server, "hover.yaml", "churn_guard:\n  dead|band: 2%\n"))
    assert "smaller than this are not made" in shown


@pytest.mark.parametrize(
    ("lines", "line", "said"),
    [
        ("churn_guard:\n  deadbnd: 2%\n", 8, "deadbnd"),
        ("select: {method: best}\n", 7, "single_best"),
        ("hysteresis: 0.9\n", 7, "0.5"),
        ("risk:\n  max_symbol: 15\n", 8, "string"),
    ],
)
def test_a_mistake_is_underlined(server: LanguageServer, lines: str, line: int, said: str) -> None:
    found = server.open(ROOT / "worlds" / f"mistake-{said}.yaml", WORLD + lines)
    assert [d["range"]["start"]["line"] for d in found] == [line], found
    assert said in found[0]["message"]


def test_the_base_of_the_mistakes_is_right(server: LanguageServer) -> None:
    assert server.open(ROOT / "worlds" / "right.yaml", WORLD) == []


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_files_have_no_false_squiggles(
    server: LanguageServer, name: str, request: pytest.FixtureRequest
) -> None:
    path = shipped(name, request)
    assert server.open(path, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", SHIPPED)
def test_modelines_of_shipped_files_name_their_schema(name: str, request: pytest.FixtureRequest) -> None:
    path = shipped(name, request)
    text = path.read_text(encoding="utf-8")
    found = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert found, "the first line names the schema"
    schema = (path.parent / found[1]).resolve()
    assert schema.is_file()
    assert re.search(rf"^{schema.name.split('.')[0]}:", text, re.MULTILINE)
