"""`qmtl init`: a folder to start from, that runs as it stands: a world, two strategies, cases, a deployment.

In: a folder. Out: the files of qmtl/starter in it, and the schemas in `.qmtl/schemas/`, because an editor cannot look into
an installed package: the first line of each YAML file names its schema by a relative path, which works in VS Code
without a network. A file that is there already is never replaced by another one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from .validate import EXIT_ERRORS

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

SCHEMAS: Final = Path(".qmtl/schemas")
#: names that packaging would leave out or take for its own
_CALLED: Final = {"gitignore.txt": ".gitignore"}
_CODE: Final = (".py", ".pyc")
#: entries that do not make a folder a used one
_HARMLESS: Final = frozenset({".git", ".qmtl", ".vscode", ".venv"})
_NEXT: Final = ("qmtl validate worlds run.yaml", "qmtl test", "qmtl run --config run.yaml")


@dataclass(frozen=True, slots=True)
class File:
    """A file to write; `ours` says that nobody edits it, so that a newer one may replace it."""

    path: Path
    data: bytes
    ours: bool = False


@click.command()
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Write into a folder that holds files; those that are there are kept.")
def init(folder: Path, force: bool) -> None:
    """Write a world, two strategies, cases and a deployment into FOLDER (default: here).

    Exit codes: 0 written, 1 the folder holds files (without --force) or cannot be written, 2 wrong usage."""
    wanted = tuple(starter())
    try:
        if not force and _used(folder):
            click.echo(f"error: {folder} holds files already", err=True)
            click.echo("  = help: name a new folder, or `--force`, which keeps every file that is there", err=True)
            sys.exit(EXIT_ERRORS)
        for file in wanted:
            said = _write(folder / file.path, file)
            if said and file.path.parent != SCHEMAS:
                click.echo(f"{said}  {(folder / file.path).as_posix()}")
    except OSError as error:
        click.echo(f"error: {error.filename}: {(error.strerror or str(error)).lower()}", err=True)
        sys.exit(EXIT_ERRORS)
    click.echo(f"wrote  {(folder / SCHEMAS).as_posix()}/")
    click.echo("\nnext:")
    steps = _NEXT if folder == Path() else (f"cd {folder}", *_NEXT)
    for step in steps:
        click.echo(f"  {step}")


def starter() -> Iterator[File]:
    """Everything that belongs into a new folder, sorted by path within the starter, then the schemas."""
    for path, source in _below(files("qmtl.starter")):
        yield File(path.with_name(_CALLED.get(path.name, path.name)), source.read_bytes())
    for path, source in _below(files("qmtl.schemas")):
        if path.suffix == ".json":
            yield File(SCHEMAS / path, source.read_bytes(), ours=True)


def _below(folder: Traversable, at: Path = Path()) -> Iterator[tuple[Path, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            if not entry.name.startswith(("__", ".")):
                yield from _below(entry, at / entry.name)
        elif not entry.name.endswith(_CODE):
            yield at / entry.name, entry


def _used(folder: Path) -> bool:
    return folder.is_dir() and any(entry.name not in _HARMLESS for entry in folder.iterdir())


def _write(path: Path, file: File) -> str:
    """Writes one file, and says so; `kept` when another one stands there, "" when it is there as it should be."""
    if path.is_symlink() or path.exists():
        if path.is_file() and path.read_bytes() == file.data:
            return ""
        if not file.ours or path.is_symlink() or not path.is_file():
            return "kept "
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.data)
    return "wrote"
