"""`qmtl explain`: the page of a diagnostic code, what a reason code means, or the list of all of them.

In: codes as messages, cases and logs print them. Out: the pages of diagnostics (cause, a bad example, a good one); of reasons
the meaning, the step and what to look at: rendered on a terminal, plain Markdown everywhere else, or JSON. The pages ship
with the package, so this works without the repository.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from qmtl.dsl.diagnostics import CODES
from qmtl.dsl.report.pages import GROUPS, page
from qmtl.dsl.similar import nearest

if TYPE_CHECKING:
    from qmtl.engine.reasons import Reason


@click.command()
@click.argument("codes", nargs=-1, metavar="[CODE]...")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="JSON: one object per code with code, severity (of diagnostics), title and page.",
)
def explain(codes: tuple[str, ...], form: str) -> None:
    """Print the page of a diagnostic code (Q0410) or what a reason code means (guard.entry); without a code, list all."""
    known = tuple(_known(code) for code in codes)
    if form == "json":
        records = [_record(code) for code in known or CODES]
        click.echo(json.dumps(records[0] if len(known) == 1 else records, indent=2, ensure_ascii=False))
    elif known:
        _show("\n\n".join(_page(code).strip() for code in known))
    else:
        click.echo(listed(), nl=False)


def listed() -> str:
    """All codes with what they stand for, in their groups: diagnostics first, then reasons."""
    from qmtl.engine.reasons import Reason

    lines: list[str] = []
    for prefix, about in GROUPS.items():
        lines += ["", about.replace("`", "")] if lines else [about.replace("`", "")]
        lines += [f"  {code}  {kind:<7}  {title}" for code, (kind, title) in CODES.items() if code.startswith(prefix)]
    lines += ["", "Reasons: what cases, logs and the journal say of a symbol (docs/reference/reasons.md)"]
    wide = max(len(reason.code) for reason in Reason)
    lines += [f"  {reason.code:<{wide}}  {reason.text}" for reason in Reason]
    return "\n".join((*lines, "", "one of them: qmtl explain CODE", ""))


def _known(word: str) -> str:
    """The code of either kind that a word means."""
    from qmtl.engine.reasons import Reason

    code, reasons = word.upper(), {reason.code for reason in Reason}
    if code in CODES:
        return code
    if word.casefold() in reasons:
        return word.casefold()
    if "." in word or not any(sign.isdigit() for sign in word):
        family = word.casefold().partition(".")[0] + "."
        guess = nearest(word.casefold(), reasons) or next((r.code for r in Reason if r.code.startswith(family)), None)
    else:
        guess = next((known for known in CODES if code and known.startswith(code)), None) or nearest(code, CODES)
    way_out = f"; did you mean {guess}?" if guess else "; `qmtl explain` lists them all"
    raise click.UsageError(f"there is no code {word!r}{way_out}")


def _record(code: str) -> dict[str, str]:
    if code in CODES:
        severity, title = CODES[code]
        return {"code": code, "severity": severity, "title": title, "page": page(code)}
    return {"code": code, "severity": "", "title": _reason(code).text, "page": _page(code)}


def _reason(code: str) -> Reason:
    from qmtl.engine.reasons import Reason

    return next(reason for reason in Reason if reason.code == code)


def _page(code: str) -> str:
    """A page of docs/codes, or the short one of a reason."""
    if code in CODES:
        return page(code)
    from qmtl.engine.reasonhelp import look_at, stage_of

    reason = _reason(code)
    stage = stage_of(reason)
    said_by = [f"* said by: {stage[0].lower()}{stage[1:]}"] if stage else []
    return "\n".join((f"# {code}: {reason.text}", "", *said_by, f"* look at: {look_at(reason)}", ""))


def _show(text: str) -> None:
    if not sys.stdout.isatty():
        click.echo(text)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(text, code_theme="ansi_dark"))
