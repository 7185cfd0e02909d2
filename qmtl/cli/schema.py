"""`qmtl schema`: the JSON Schemas that editors read, for those who installed qmtl without its repository.

In: a kind of document, or a folder. Out: one schema on standard output, or all of them as files. A YAML file then says in its
first line where its schema lies, and yaml-language-server completes and explains its keys.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

import click

from qmtl.schemas import SCHEMAS

#: documents that people write, and what `qmtl validate --format json` prints
PUBLISHED: Final = {**SCHEMAS, "diagnostics": "diagnostics.v1.json"}


@click.command()
@click.argument("kind", required=False, type=click.Choice(tuple(PUBLISHED)))
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Write the schemas of all kinds into a folder."
)
def schema(kind: str | None, out: Path | None) -> None:
    """Print the JSON Schema of a KIND of document, or write all of them for your editor.

    The first line of a YAML file names its schema:

        # yaml-language-server: $schema=../schemas/world.v1.json
    """
    if (kind is None) == (out is None):
        raise click.UsageError("give a KIND to print, or --out FOLDER to write all of them")
    if kind is not None:
        click.echo(text_of(kind), nl=False)
    elif out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for each, name in PUBLISHED.items():
            (out / name).write_text(text_of(each), encoding="utf-8")
            click.echo(f"{each:<12} {out / name}")


def text_of(kind: str) -> str:
    """The schema as it is published."""
    return files("qmtl.schemas").joinpath(PUBLISHED[kind]).read_text(encoding="utf-8")
