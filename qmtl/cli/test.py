"""`qmtl test`: run the case files, say what the worlds decide against what is expected, and which rules nothing tests.

In: paths. Out: a line per case and, where one failed, the expectation at its place in the file, what came instead and
why; coverage of each world; text, JSON or JUnit. Exit codes: 0 all well, 1 a case failed or a text is wrong, 2 usage.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .colour import coloured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qmtl.cli.casefiles import Suite
    from qmtl.dsl.cases.report import Outcome
    from qmtl.dsl.diagnostics import Diagnostic

FAILED = 1
#: seconds between two looks at the files
LOOK = 0.5


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for."""

    paths: tuple[str, ...]
    form: str
    junit: str
    filter: str
    coverage_min: float | None
    verbose: bool = False


def _share(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """`80%` -> 0.8."""
    from qmtl.dsl.units import ratio

    if value is None:
        return None
    share = ratio(value)
    if share is None or not 0 <= share <= 1:
        raise click.BadParameter("a share is written `80%`")
    return share


@click.command()
@click.argument("paths", nargs=-1, type=click.Path())
@click.option("--format", "form", type=click.Choice(["text", "json", "junit"]), default="text", show_default=True)
@click.option("--junit", type=click.Path(dir_okay=False), default="", help="Write a JUnit report to this file as well.")
@click.option("-k", "--filter", "only", default="", help="Only cases whose name or file contains this text.")
@click.option("--coverage-min", callback=_share, help="Fail when a world's cases exercise less than this, e.g. 80%.")
@click.option("-v", "--verbose", is_flag=True, help="Name every rule that no case exercises.")
@click.option("--watch", is_flag=True, help="Run again whenever a case, world or strategy changes.")
def test(
    paths: tuple[str, ...], form: str, junit: str, only: str, coverage_min: float | None, verbose: bool, watch: bool
) -> None:
    """Run the cases in files and folders (default: worlds/).

    Exit codes: 0 all well, 1 a case failed or a text is wrong, 2 wrong usage."""
    wanted = Wanted(paths or ("worlds",), form, junit, only, coverage_min, verbose or coverage_min is not None)
    if watch:
        _watch(wanted)
    code, _ = once(wanted)
    sys.exit(code)


def once(wanted: Wanted) -> tuple[int, tuple[Path, ...]]:
    """Exit code of one run, and the files that it read."""
    from qmtl.cli.casefiles import load_suite
    from qmtl.cli.exits import leave
    from qmtl.engine.errors import QmtlError

    suite = load_suite(wanted.paths)
    if not suite.well:
        _broken(wanted, tuple(d for d in suite.diagnostics if d.severity == "error"))
        return FAILED, suite.files
    try:
        return _run(wanted, suite), suite.files
    except QmtlError as error:
        leave(error)


def _broken(wanted: Wanted, errors: tuple[Diagnostic, ...]) -> None:
    """Mistakes in the texts, in the form that was asked for: nothing was run."""
    from qmtl.dsl.cases.report import junit_of_mistakes

    from .validate import report

    if wanted.junit:
        _write(wanted.junit, junit_of_mistakes(errors))
    if wanted.form == "junit":
        click.echo(junit_of_mistakes(errors), nl=False)
    else:
        report(errors, wanted.form)


def _run(wanted: Wanted, suite: Suite) -> int:
    from qmtl.cli.casefiles import worlds_under_test
    from qmtl.cli.caserun import covered, outcomes
    from qmtl.dsl.cases import report

    ready = worlds_under_test(suite)
    done, played = outcomes(suite, ready, wanted.filter)
    rules = () if wanted.filter else covered(suite, ready, played, everywhere=wanted.coverage_min is not None)
    if wanted.junit:
        _write(wanted.junit, report.junit(done))
    if wanted.form == "text":
        click.echo(report.text(done, rules, color=coloured(sys.stdout), verbose=wanted.verbose), nl=False)
    elif wanted.form == "json":
        click.echo(report.as_json(done, rules), nl=False)
    else:
        click.echo(report.junit(done), nl=False)
    return _code(wanted, done, [(one.world, one.share) for one in rules])


def _code(wanted: Wanted, done: Sequence[Outcome], shares: Sequence[tuple[str, float]]) -> int:
    if not done:
        which = f" that matches `{wanted.filter}`" if wanted.filter else ""
        click.echo(f"error: no case was found{which} below {', '.join(wanted.paths)}", err=True)
        return FAILED
    least = wanted.coverage_min
    low = [(world, share) for world, share in shares if least is not None and share < least]
    for world, share in low:
        click.echo(f"error: the cases of {world} exercise {share:.0%} of its rules, not {least:.0%}", err=True)
    return FAILED if low or not all(outcome.well for outcome in done) else 0


def _write(path: str, text: str) -> None:
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from error


def _watch(wanted: Wanted) -> None:
    """Runs at every change, until interrupted."""
    from .watch import signature

    while True:
        _, files = once(wanted)
        seen = signature(files)
        click.echo("\nwaiting for changes, Ctrl-C to stop")
        while signature(files) == seen:
            time.sleep(LOOK)
        click.echo()
