"""`qmtl diff`: what an edit changes, in domain words, and what it does to positions.

In: two sides, each a folder, a file or a git revision. Out: changes with the places of both sides as text or JSON, or
the diagnostics of a side that has errors. Imports no engine: what happens to positions is computed from the compiled
programs. The grammar of the two sides stands in the help of the command.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from .colour import coloured
from .terminal import columns
from .usual import WORLDS, usual_paths
from .validate import EXIT_ERRORS, report

if TYPE_CHECKING:
    from qmtl.dsl.changes.change import Difference
    from qmtl.dsl.changes.side import Side
    from qmtl.dsl.diagnostics import Diagnostic

EXIT_CHANGES: Final = 4


@dataclass(frozen=True, slots=True)
class Asked:
    """One side as the command line named it: a revision or files ("" revision: as they lie), and the paths below it, which
    one of two sides may `lack`."""

    revision: str
    paths: tuple[Path, ...]
    lack: bool = False


@click.command()
@click.argument("sides", nargs=-1, metavar="[A] [B] [PATH]")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to print it."
)
@click.option("--detailed-exitcode", is_flag=True, help="End with 4 when something changed, 0 when nothing did.")
def diff(sides: tuple[str, ...], form: str, detailed_exitcode: bool) -> None:
    """Say what an edit changes, in domain words, and what it does to positions.

    \b
    qmtl diff                      the last commit against the working tree
    qmtl diff REV [PATH]           a revision against the working tree
    qmtl diff REV..REV [PATH]      two revisions; also: REV REV [PATH]
    qmtl diff OLD [NEW]            two folders or files (NEW: worlds/)

    A word is a path when such a file or folder exists (write ./NAME to insist), else a revision. PATH limits both sides;
    without one it is worlds/ and the deployments beside it. Warnings that only the second side has are printed too.

    Exit codes: 0 done, 1 errors on a side, 2 wrong usage, 4 something changed (with --detailed-exitcode)."""
    from qmtl.dsl.changes.compare import differences
    from qmtl.dsl.changes.describe import as_json
    from qmtl.dsl.changes.side import new_warnings

    with ExitStack() as stack:
        before, after = (_read(one, stack) for one in _asked(sides))
        for side in (before, after):
            if side.broken:
                _broken(side, form)
        if not before.documents and not after.documents:
            raise click.UsageError("there are no documents on either side")
        found = differences(before, after, date.today().isoformat())  # noqa: DTZ011 - the operator's own day
        warnings = new_warnings(before, after)
        if form == "json":
            click.echo(as_json(found, warnings), nl=False)
        else:
            _print(found, warnings)
    sys.exit(EXIT_CHANGES if found and detailed_exitcode else 0)


def _print(found: tuple[Difference, ...], warnings: tuple[Diagnostic, ...]) -> None:
    """The differences, and the warnings that `qmtl validate` gives for the side after but not for the side before."""
    from qmtl.dsl.changes.describe import describe

    click.echo(describe(found, color=coloured(sys.stdout), columns=columns()), nl=False)
    if warnings:
        click.echo("\nnew warnings\n")
        report(warnings)


def _broken(side: Side, form: str) -> None:
    """Ends with the diagnostics of a side, as `qmtl validate` prints them."""
    if form == "json":
        from qmtl.dsl.report.json import render_json

        click.echo(render_json(side.diagnostics), nl=False)
    else:
        report(side.diagnostics)
    sys.exit(EXIT_ERRORS)


def _asked(words: tuple[str, ...]) -> tuple[Asked, Asked]:
    """The two sides that the words mean."""
    from .revisions import is_revision

    if len(words) > 3:
        raise click.UsageError("at most two sides and a path")
    first, *rest = words or ("HEAD",)
    if not Path(first).exists():
        pair = _range(first)
        if pair:
            return _both(pair, _limit(rest))
        if not is_revision(first):
            raise click.UsageError(f"`{first}` is neither a file or folder nor a git revision")
        if rest and not Path(rest[0]).exists() and is_revision(rest[0]):
            return _both((first, rest[0]), _limit(rest[1:]))
        return _both((first, ""), _limit(rest))
    if len(rest) > 1:
        raise click.UsageError("two folders or files have no third")
    if rest and not Path(rest[0]).exists():
        if is_revision(rest[0]):
            return Asked("", (Path(first),)), Asked(rest[0], (Path(first),), lack=True)
        raise click.UsageError(f"`{rest[0]}` is neither a file or folder nor a git revision")
    return Asked("", (Path(first),)), Asked("", (Path(rest[0]) if rest else WORLDS,))


def _range(word: str) -> tuple[str, str] | None:
    """The two revisions of `A..B`; an empty end is HEAD."""
    from .revisions import is_revision

    left, dots, right = word.partition("..")
    if not dots or right.startswith("."):
        return None
    pair = left or "HEAD", right or "HEAD"
    return pair if all(is_revision(name) for name in pair) else None


def _limit(rest: list[str]) -> tuple[Path, ...] | None:
    if len(rest) > 1:
        raise click.UsageError(f"`{rest[1]}` is one word too many")
    return (Path(rest[0]),) if rest else None


def _both(revisions: tuple[str, str], paths: tuple[Path, ...] | None) -> tuple[Asked, Asked]:
    for path in paths or ():
        if path.is_absolute() or ".." in path.parts:
            raise click.UsageError(f"`{path}` must lie below the working directory to be compared with a revision")
    before, after = (Asked(revision, paths or (), lack=True) for revision in revisions)
    return before, after


def _read(asked: Asked, stack: ExitStack) -> Side:
    """Compiles one side, out of git when it is a revision."""
    from qmtl.dsl.changes.side import Origin, read_side

    if not asked.revision:
        return read_side(asked.paths or usual_paths(Path()), Origin(lack=asked.lack))
    from .revisions import GitError, unpack

    top = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qmtl-diff-"))).resolve()
    try:
        here = unpack(asked.revision, top)
    except GitError as error:
        raise click.ClickException(str(error)) from error
    paths = tuple(here / path for path in asked.paths) or usual_paths(here)
    return read_side(paths, Origin(asked.revision, here, lack=True))
