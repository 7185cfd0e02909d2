"""`qmtl explain`: the page of a diagnostic code, or the list of all codes.

In: codes as messages print them. Out: their pages (cause, a bad example, a good one): rendered on a terminal, plain
Markdown everywhere else, or JSON. The pages ship with the package, so this works without the repository.
"""

from __future__ import annotations

import json
import sys

import click

from qmtl.dsl.diagnostics import CODES
from qmtl.dsl.report.pages import GROUPS, page
from qmtl.dsl.similar import nearest


@click.command()
@click.argument("codes", nargs=-1, metavar="[CODE]...")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="JSON: one object per code with code, severity, title and page.",
)
def explain(codes: tuple[str, ...], form: str) -> None:
    """Print the page of a diagnostic code; without a code, list all codes."""
    known = tuple(_known(code) for code in codes)
    if form == "json":
        records = [_record(code) for code in known or CODES]
        click.echo(json.dumps(records[0] if len(known) == 1 else records, indent=2, ensure_ascii=False))
    elif known:
        _show("\n\n".join(page(code).strip() for code in known))
    else:
        click.echo(listed(), nl=False)


def listed() -> str:
    """All codes with what they stand for, in their groups."""
    lines: list[str] = []
    for prefix, about in GROUPS.items():
        lines += ["", about.replace("`", "")] if lines else [about.replace("`", "")]
        lines += [f"  {code}  {kind:<7}  {title}" for code, (kind, title) in CODES.items() if code.startswith(prefix)]
    return "\n".join((*lines, "", "one of them: qmtl explain CODE", ""))


def _known(word: str) -> str:
    code = word.upper()
    if code in CODES:
        return code
    guess = next((known for known in CODES if code and known.startswith(code)), None) or nearest(code, CODES)
    way_out = f"; did you mean {guess}?" if guess else "; `qmtl explain` lists them all"
    raise click.UsageError(f"there is no code {word!r}{way_out}")


def _record(code: str) -> dict[str, str]:
    severity, title = CODES[code]
    return {"code": code, "severity": severity, "title": title, "page": page(code)}


def _show(text: str) -> None:
    if not sys.stdout.isatty():
        click.echo(text)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(text, code_theme="ansi_dark"))
