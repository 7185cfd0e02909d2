"""The package list, the wheel and the two install forms (architecture.md: what works editable can be missing from a wheel)."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def folder_of(package: str) -> Path:
    """The folder that package-dir maps a package to."""
    parts = package.split(".")
    for cut in range(len(parts), 0, -1):
        prefix = ".".join(parts[:cut])
        if prefix in SETTINGS["package-dir"]:
            return ROOT.joinpath(SETTINGS["package-dir"][prefix], *parts[cut:])
    raise AssertionError(package)


def modules() -> list[str]:
    """Every importable module of every listed package."""
    names = []
    for package in SETTINGS["packages"]:
        names.append(package)
        names += [
            f"{package}.{p.stem}" for p in folder_of(package).glob("*.py") if p.stem not in ("__init__", "__main__")
        ]
    return sorted(names)


def test_every_folder_with_python_is_a_listed_package() -> None:
    on_disk = {
        p.parent
        for top in SETTINGS["package-dir"].values()
        for p in (ROOT / top).rglob("*.py")
        if "__pycache__" not in p.parts
    }
    assert on_disk == {folder_of(name) for name in SETTINGS["packages"]}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the sdist, as an installer from an index would."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(  # `build` makes the sdist first and the wheel from it
        [sys.executable, "-m", "build", "--outdir", str(out), str(ROOT)],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    (found,) = out.glob("*.whl")
    return found


def test_the_wheel_built_from_the_sdist_holds_every_module_and_data_file(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for package in SETTINGS["packages"]:
        inside = package.replace(".", "/")
        for file in folder_of(package).iterdir():
            if file.is_file():
                assert f"{inside}/{file.name}" in names


def test_everything_imports_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path), str(wheel)],
        check=True,
        capture_output=True,
        timeout=300,
    )
    script = (
        "import importlib, sys\n"
        f"for name in {modules()!r}:\n"
        "    module = importlib.import_module(name)\n"
        f"    assert module.__file__.startswith({str(tmp_path)!r}), module.__file__\n"
        "from qmtl.dsl.library import load_library\n"
        "from qmtl.schemas import SCHEMAS\n"
        "print('all', len(sys.modules))\n"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
