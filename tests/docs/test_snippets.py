"""Every YAML, `.qmtl` and shell snippet of the documents runs as it stands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from ..program.start import call, command

ROOT = Path(__file__).resolve().parents[2]
CODES = ROOT / "docs" / "codes"  # test_codes.py runs their examples, which are half of them wrong on purpose
PAGES = [
    *(ROOT / name for name in ("README.md", "DESIGN.md", "CHANGELOG.md")),
    *(page for page in sorted((ROOT / "docs").glob("**/*.md")) if page.parent != CODES),
]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Snippet:
    page: str
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def snippets(kind: str) -> list[Snippet]:
    """Fences of one language, in the order of the pages."""
    texts = {page: page.read_text() for page in PAGES}
    return [
        Snippet(str(page.relative_to(ROOT)), text[: match.start()].count("\n") + 1, kind, match[2])
        for page, text in texts.items()
        for match in FENCE.finditer(text)
        if match[1] == kind
    ]


def test_only_known_kinds_of_snippets_are_used() -> None:
    """A fence with another language would escape execution; `text` and `mermaid` are pictures."""
    kinds = {match[1] for page in PAGES for match in FENCE.finditer(page.read_text())}
    assert kinds <= {"sh", "yaml", "qmtl", "text", "mermaid"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a user has after cloning, as far as snippets touch it."""
    for name in ("worlds", "strategies", "schemas"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("demo.yaml", "prod.yaml", "recorded.yaml", "Makefile"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def environment(program: Path | None = None) -> dict[str, str]:
    """The snippet's `qmtl` is the one under test: the installed one, or the one in a folder."""
    path = f"{program or Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONWARNINGS": "ignore", "COLUMNS": "160"}


@pytest.mark.parametrize("page", sorted({s.page for s in snippets("sh")}))
def test_shell_snippets_run_one_after_another(
    page: str, checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The README's as a newcomer runs them; those of the other pages with a `qmtl` that starts faster."""
    program = None if page == "README.md" else command(tmp_path_factory.mktemp("bin"))
    for snippet in (s for s in snippets("sh") if s.page == page):
        lines = [line for line in snippet.text.splitlines() if line.strip()]
        targets = [line.split()[1] for line in lines if line.startswith("make ")]
        for target in targets:  # running them here would recurse; that they work is what this very run shows
            assert re.search(rf"^{target}:", (checkout / "Makefile").read_text(), re.MULTILINE), target
        script = "\n".join(line for line in lines if not line.startswith(("make ", "git clone", "cd ")))
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=checkout,
            env=environment(program),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{snippet}\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}"
        assert "Traceback" not in done.stderr


def validate(folder: Path, *paths: str) -> None:
    done = call(["validate", *paths], cwd=folder, env=environment(), timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("snippet", snippets("yaml"), ids=str)
def test_yaml_snippets_are_valid_documents_or_parts_of_a_world(snippet: Snippet, checkout: Path) -> None:
    kinds = ("world:", "exchange:", "allowlist:", "deployment:", "plan:", "model:", "case:")
    if any(re.search(rf"^{kind} ", snippet.text, re.MULTILINE) for kind in kinds) and "version:" in snippet.text:
        name = f"worlds/snippet_{snippet.line}.yaml"
        (checkout / name).write_text(snippet.text)
        validate(checkout, name)
        return
    keys = re.findall(r"^(\w+):", snippet.text, re.MULTILINE)
    base = (checkout / "worlds" / "us_core.yaml").read_text()
    for key in keys:  # the part replaces the same keys of the shipped world
        base = re.sub(rf"^{key}:.*\n(?:(?:[ \t#].*)?\n)*", "", base, flags=re.MULTILINE)
    (checkout / "worlds" / "us_core.yaml").write_text(base + "\n" + snippet.text)
    validate(checkout, "worlds/us_core.yaml")


@pytest.mark.parametrize("snippet", snippets("qmtl"), ids=str)
def test_qmtl_snippets_compile(snippet: Snippet, checkout: Path) -> None:
    names = re.findall(r"^strategy (\w+)", snippet.text, re.MULTILINE)
    kept = re.sub(r"^(strategy|regime|feature) (\w+)", r"\1 \2", snippet.text, flags=re.MULTILINE)
    for file in (checkout / "strategies").glob("*.qmtl"):
        if re.search(rf"^(?:strategy|regime) ({'|'.join(names) or 'x^'})\b", file.read_text(), re.MULTILINE):
            file.unlink()
    (checkout / "strategies" / "snippet.qmtl").write_text(kept)
    validate(checkout, "worlds/us_core.yaml")


def test_the_picture_of_the_graph_is_the_graph() -> None:
    """Refresh it with: qmtl graph worlds/us_core.yaml"""
    done = subprocess.run(
        [sys.executable, "-m", "qmtl", "graph", "worlds/us_core.yaml"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    (picture,) = (s for s in snippets("mermaid") if s.page == "README.md")
    assert picture.text == done.stdout


def test_the_mistakes_of_the_tour_read_as_printed(checkout: Path) -> None:
    world = checkout / "worlds" / "us_core.yaml"
    world.write_text(
        world.read_text().replace("p_chop >= 0.50", "p_chopp >= 0.60").replace("deadband: 2%", "deadbnd: 2")
    )
    done = subprocess.run(
        [sys.executable, "-m", "qmtl", "validate", "worlds/"],
        cwd=checkout,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    (shown,) = (s for s in snippets("text") if s.page == "README.md" and s.text.startswith("error["))
    assert shown.text.strip() in done.stdout + done.stderr


def test_the_diff_of_the_tour_reads_as_printed(checkout: Path) -> None:
    shutil.copytree(checkout / "worlds", checkout / "edited")
    world = checkout / "edited" / "us_core.yaml"
    world.write_text(world.read_text().replace("p_chop >= 0.50", "p_chop >= 0.60"))
    done = subprocess.run(
        [sys.executable, "-m", "qmtl", "diff", "worlds", "edited"],
        cwd=checkout,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    (shown,) = (s for s in snippets("text") if s.page == "README.md" and s.text.startswith("world us_core"))
    assert shown.text == done.stdout
