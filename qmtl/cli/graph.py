"""`qmtl graph`: the compiled stage graph of a world as a picture in text.

In: a world file. Out: mermaid, dot or JSON on standard output or in a file. A world with errors is answered with its
diagnostics.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .validate import EXIT_ERRORS, report


@click.command()
@click.argument("path", type=click.Path())
@click.option("--format", "form", type=click.Choice(["mermaid", "dot", "json"]), default="mermaid", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@click.option("--nodes", is_flag=True, help="Every compiled node instead of the thirteen steps.")
def graph(path: str, form: str, output: Path | None, nodes: bool) -> None:
    """Draw the compiled stage graph of a world."""
    from qmtl.dsl.compile import compile_world
    from qmtl.dsl.draw import draw

    compiled = compile_world(path)
    if compiled.program is None:
        # a picture is often piped into a file: only JSON has a place for mistakes
        report(compiled.diagnostics, "json" if form == "json" else "text", err=form != "json")
        sys.exit(EXIT_ERRORS)
    text = draw(compiled.program, form, nodes=nodes)  # type: ignore[arg-type]
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"cannot write {output}: {(error.strerror or str(error)).lower()}") from error
