"""The arrows of architecture.md: who may import whom, and what `qmtl validate` must not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"numpy", "pandas", "onnxruntime", "alpaca", "exchange_calendars", "pyarrow"}
NET_AND_FILES = {
    "socket",
    "ssl",
    "http",
    "urllib",
    "requests",
    "sqlite3",
    "alpaca",
    "onnxruntime",
    "asyncio",
    "random",
    "time",
}


@cache
def imported(file: Path) -> tuple[ast.Import | ast.ImportFrom, ...]:
    """The import statements of a module, wherever they stand in it."""
    return tuple(
        node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)
    )


def imports(file: Path) -> set[str]:
    """Absolute names of everything a module imports, relative imports resolved against the mapped packages."""
    package = (
        "qmtl." + ".".join(file.relative_to(ROOT).parent.parts) if file.parts[len(ROOT.parts)] != "qmtl" else "qmtl"
    )
    found = set()
    for node in imported(file):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                parts = parts[: len(parts) - node.level + 1]
                base = ".".join([*parts, base]).rstrip(".")
            found.add(base)
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


def files(*tops: str) -> list[Path]:
    """All modules below these folders."""
    return [p for top in tops for p in sorted((ROOT / top).rglob("*.py")) if "__pycache__" not in p.parts]


def label(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", files("dsl"), ids=label)
def test_dsl_imports_neither_the_engine_nor_anything_heavy(file: Path) -> None:
    for name in imports(file):
        assert name.split(".")[0] not in HEAVY, name
        assert not name.startswith(("qmtl.engine", "qmtl.cli")), name


@pytest.mark.parametrize("file", files("engine"), ids=label)
def test_the_engine_takes_a_program_and_never_text(file: Path) -> None:
    allowed = {"qmtl.dsl.program", "qmtl.dsl.model", "qmtl.dsl.exchange", "qmtl.dsl.cases.model"}
    for name in imports(file):
        assert not name.startswith("qmtl.cli"), name
        if name.startswith("qmtl.dsl"):
            assert any(name == a or name.startswith(a + ".") for a in allowed), name


@pytest.mark.parametrize("file", files("qmtl", "dsl", "engine", "schemas", "strategies", "tests", "bench"), ids=label)
def test_nobody_imports_a_second_copy_of_a_module(file: Path) -> None:
    for node in imported(file):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        assert not [n for n in names if n.split(".")[0] in {"dsl", "engine", "schemas", "strategies"}], names


PURE = [
    "decide.py",
    "net.py",
    "tick.py",
    "state.py",
    "frame.py",
    "observe.py",
    "market.py",
    "bars.py",
    "orders.py",
    "reasons.py",
]


@pytest.mark.parametrize(
    "file", [*files("engine/stages", "engine/kernels"), *(ROOT / "engine" / n for n in PURE)], ids=label
)
def test_observe_and_decide_reach_no_clock_network_file_or_chance(file: Path) -> None:
    for name in imports(file):
        assert name.split(".")[0] not in NET_AND_FILES, name
        assert not name.startswith(("qmtl.engine.adapters", "qmtl.engine.journal", "qmtl.engine.ports")), name
    text = file.read_text()
    assert "open(" not in text.replace("_open(", "")
    assert "datetime.now" not in text


@pytest.mark.parametrize(
    "file", [f for f in files("engine") if "adapters" not in f.parts and "journal" not in f.parts], ids=label
)
def test_only_the_command_line_wires_adapters(file: Path) -> None:
    assert not [n for n in imports(file) if n.startswith("qmtl.engine.adapters")]


def test_no_cycles_of_imports() -> None:
    graph: dict[str, set[str]] = {}
    for file in files("qmtl", "dsl", "engine", "schemas", "strategies"):
        parts = file.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts if parts[0] == "qmtl" else ("qmtl", *parts)).removesuffix(".__init__")
        graph[name] = imports(file)
    graph = {n: {t for t in targets if t in graph and t != n} for n, targets in graph.items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name not in done:
            for target in sorted(graph[name]):
                visit(target, (*trail, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["validate", "worlds"],
        ["validate", "demo.yaml"],
        ["graph", "worlds/us_core.yaml"],
        ["show", "worlds/us_core.yaml"],
    ],
)
def test_commands_over_text_load_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys\n"
        "from qmtl.cli import main\n"
        f"sys.argv = ['qmtl', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    code = stop.code\n"
        f"print('LOADED', code, sorted({HEAVY!r} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.rstrip().endswith("LOADED 0 []"), done.stdout[-500:] + done.stderr[-2000:]
