"""`qmtl validate`: check every document below some paths and say what is wrong, where, and what to write instead.

In: paths. Out: diagnostics (text, JSON, SARIF or GitHub annotations) or, when all is well, a line per document with the history each world needs.
Imports no engine and nothing heavy: an editor may run it on every save.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .colour import coloured
from .terminal import columns
from .usual import paths_to_check

if TYPE_CHECKING:
    from qmtl.dsl.compile import Validation
    from qmtl.dsl.diagnostics import Diagnostic

EXIT_ERRORS = 1
EXIT_WARNINGS = 3
#: more than this nobody reads in a terminal; --format json has all
MOST_SHOWN = 200
FORMATS = click.Choice(["text", "json", "sarif", "github"])


@click.command()
@click.argument("paths", nargs=-1, type=click.Path())
@click.option("--format", "form", type=FORMATS, default="text", show_default=True, help="How to print what was found.")
@click.option("--deny-warnings", is_flag=True, help="End with exit code 3 when there are warnings.")
def validate(paths: tuple[str, ...], form: str, deny_warnings: bool) -> None:
    """Check the documents in files and folders (default: worlds/ and the deployments beside it; the current folder when it
    has no worlds/ but documents).

    Exit codes: 0 well, 1 errors, 2 wrong usage, 3 only warnings with --deny-warnings."""
    from qmtl.dsl.compile import validate as check

    found = check(paths or paths_to_check(Path()))
    if form == "text":
        _print(found)
    else:
        click.echo(_for_programs(found.diagnostics, form), nl=False)
    sys.exit(exit_code(found.diagnostics, deny_warnings=deny_warnings))


def exit_code(diagnostics: tuple[Diagnostic, ...], *, deny_warnings: bool = False) -> int:
    """0 well, 1 errors, 3 only warnings where these are denied."""
    if any(d.severity == "error" for d in diagnostics):
        return EXIT_ERRORS
    return EXIT_WARNINGS if diagnostics and deny_warnings else 0


def report(diagnostics: tuple[Diagnostic, ...], form: str = "text", *, err: bool = False) -> None:
    """Prints diagnostics in a form of FORMATS; text is coloured on a terminal, and nothing when there are none. `err`: to
    standard error, for commands whose standard output is a document."""
    if form != "text":
        click.echo(_for_programs(diagnostics, form), nl=False, err=err)
        return
    from qmtl.dsl.report.text import render_text

    color, wide = coloured(sys.stderr if err else sys.stdout), None if err else columns()
    click.echo(render_text(diagnostics, color=color, most=MOST_SHOWN, columns=wide), nl=False, err=err)


def _for_programs(diagnostics: tuple[Diagnostic, ...], form: str) -> str:
    if form == "json":
        from qmtl.dsl.report.json import render_json

        return render_json(diagnostics)
    if form == "sarif":
        from qmtl.dsl.report.sarif import render_sarif

        return render_sarif(diagnostics)
    from qmtl.dsl.report.github import render_github

    return render_github(diagnostics)


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
