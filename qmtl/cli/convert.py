"""`qmtl convert`: documents from YAML to `.qmtl` blocks and back, with their comments.

In: files. Out: the same documents on the other surface, on standard output or in new files. Nothing is ever overwritten or
deleted, and a file with errors is answered with its diagnostics: what it means is not known.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from .validate import EXIT_ERRORS, report

if TYPE_CHECKING:
    from qmtl.dsl.documents import Loaded
    from qmtl.dsl.surface.convert import Converted

_SURFACES: Final = {"yaml": "YAML", "qmtl": "blocks"}


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--to", type=click.Choice(list(_SURFACES)), help="The surface to write; the other one by default.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to this new file.")
@click.option("--write", is_flag=True, help="Write new files beside the old ones.")
def convert(files: tuple[Path, ...], to: str | None, out: Path | None, write: bool) -> None:
    """Rewrite documents as YAML or as .qmtl blocks, without loss of meaning or comments.

    Prints to standard output. Files are never overwritten or deleted."""
    if out and write:
        raise click.UsageError("--out and --write exclude each other")
    _refuse_errors(files)
    made = [(file, _said_elsewhere(file, to)) for file in files]
    whole = [(file, one) for file, ones in made for one in ones]
    if out and len(whole) != 1:
        raise click.UsageError(f"--out takes one document, here are {len(whole)}: use --write")
    if out:
        _write([(files[0], out, whole[0][1])])
    elif write:
        _write([(file, file.with_name(one.name), one) for file, one in whole])
    else:
        _print([one for _, one in whole])


def _refuse_errors(files: tuple[Path, ...]) -> None:
    from qmtl.dsl.compile import validate

    found = [d for d in validate(files).diagnostics if d.severity == "error"]
    if found:
        report(tuple(found), err=True)
        sys.exit(EXIT_ERRORS)


def _said_elsewhere(file: Path, to: str | None) -> tuple[Converted, ...]:
    from qmtl.dsl.surface.silenced import SilenceError

    try:
        return _converted(file, to)
    except SilenceError as error:
        raise click.UsageError(str(error)) from error


def _converted(file: Path, to: str | None) -> tuple[Converted, ...]:
    from qmtl.dsl.documents import load_file
    from qmtl.dsl.surface.convert import to_qmtl, to_yaml_files

    loaded = load_file(file)
    surface = "qmtl" if file.suffix == ".qmtl" else "yaml"
    if to == surface:
        raise click.UsageError(f"{file} is {_SURFACES[surface]} already")
    if surface == "yaml":
        return to_qmtl(loaded)
    _refuse_definitions(file, loaded)
    return to_yaml_files(loaded)


def _refuse_definitions(file: Path, loaded: Loaded) -> None:
    """Formulas have no YAML form."""
    if loaded.definitions:
        names = ", ".join(f"{d.kind} {d.name.name}" for d in loaded.definitions)
        message = f"{file} defines {names}: what computes has no YAML form, and stays a .qmtl file."
        if loaded.documents:
            message += f" Move {'it' if len(loaded.definitions) == 1 else 'them'} to a .qmtl file of its own first."
        raise click.UsageError(message)


def _print(made: list[Converted]) -> None:
    for index, one in enumerate(made):
        if len(made) > 1:
            click.echo(("\n" if index else "") + f"# file: {one.name}")
        click.echo(one.text, nl=False)


def _write(planned: list[tuple[Path, Path, Converted]]) -> None:
    """Writes all files or none: each target must be new."""
    targets = [target for _, target, _ in planned]
    for index, target in enumerate(targets):
        if target.exists():
            raise click.UsageError(f"{target} exists already, and is not overwritten")
        if target in targets[:index]:
            raise click.UsageError(f"two documents would be written to {target}")
    for source, target, one in planned:
        try:
            with target.open("x", encoding="utf-8", newline="\n") as file:
                file.write(one.text)
        except OSError as error:
            raise click.UsageError(f"cannot write {target}: {(error.strerror or str(error)).lower()}") from error
        click.echo(f"wrote {target}")
        click.echo(f"  {one.kind} {one.document} now stands in {source} too: keep one of the two files")
