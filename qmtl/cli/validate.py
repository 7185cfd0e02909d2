"""`qmtl validate`: check every document below some paths and say what is wrong, where, and what to write instead.

In: paths. Out: diagnostics (text or JSON) or, when all is well, a line per document with the history each world needs.
Imports no engine and nothing heavy: an editor may run it on every save.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from qmtl.dsl.compile import Validation
    from qmtl.dsl.diagnostics import Diagnostic

EXIT_ERRORS = 1
EXIT_WARNINGS = 3
#: more than this nobody reads in a terminal; --format json has all
MOST_SHOWN = 200
FORMATS = click.Choice(["text", "json"])


@click.command()
@click.argument("paths", nargs=-1, type=click.Path())
@click.option("--format", "form", type=FORMATS, default="text", show_default=True, help="How to print what was found.")
@click.option("--deny-warnings", is_flag=True, help="End with exit code 3 when there are warnings.")
def validate(paths: tuple[str, ...], form: str, deny_warnings: bool) -> None:
    """Check the documents in files and folders (default: worlds/).

    Exit codes: 0 well, 1 errors, 2 wrong usage, 3 only warnings with --deny-warnings."""
    from qmtl.dsl.compile import validate as check

    found = check(paths or ("worlds",))
    if form == "json":
        from qmtl.dsl.render import render_json

        click.echo(render_json(found.diagnostics), nl=False)
    else:
        _print(found)
    sys.exit(exit_code(found.diagnostics, deny_warnings=deny_warnings))


def exit_code(diagnostics: tuple[Diagnostic, ...], *, deny_warnings: bool = False) -> int:
    """0 well, 1 errors, 3 only warnings where these are denied."""
    if any(d.severity == "error" for d in diagnostics):
        return EXIT_ERRORS
    return EXIT_WARNINGS if diagnostics and deny_warnings else 0


def report(diagnostics: tuple[Diagnostic, ...]) -> None:
    """Prints diagnostics as text, coloured on a terminal; nothing when there are none."""
    from qmtl.dsl.render import render_text, summary

    shown = diagnostics[:MOST_SHOWN]
    text = render_text(shown, color=sys.stdout.isatty())
    if len(shown) < len(diagnostics):
        text = (
            text.removesuffix(summary(shown) + "\n")
            + f"... and {len(diagnostics) - len(shown):,} more: {summary(diagnostics)}\n"
        )
    click.echo(text, nl=False)


def _print(found: Validation) -> None:
    report(found.diagnostics)
    if any(d.severity == "error" for d in found.diagnostics):
        return
    if found.diagnostics:
        click.echo()
    width = max((len(f"{d.kind} {d.name}") for d in found.documents), default=0)
    for document in found.documents:
        click.echo(f"ok  {f'{document.kind} {document.name}':<{width}}  {document.file}")
        for note in document.notes:
            click.echo(f"      {note}")
