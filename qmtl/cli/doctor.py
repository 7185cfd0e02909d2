"""`qmtl doctor`: is everything there that a run needs. It trades nothing and changes nothing.

In: a deployment. Out: a line for each thing that was looked at, with the way out where it is not well. It ends with 1 when something
would keep the run from trading.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qmtl.engine.errors import QmtlError

from .exits import EXIT_DATA
from .operate import USUAL

if TYPE_CHECKING:
    from .checkups import Finding

_MARKS = {"ok": "ok  ", "warning": "warn", "failure": "FAIL"}


@click.command()
@click.option(
    "--config",
    "config",
    type=click.Path(path_type=Path),
    default=Path(USUAL),
    show_default=True,
    help="Deployment file.",
)
@click.option("--out", default="", help="The run's folder, instead of the one that the deployment names.")
@click.option("--offline", is_flag=True, help="Ask no broker.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def doctor(config: Path, out: str, offline: bool, as_json: bool) -> None:
    """Check the installation, the text, storage, clock, calendar and broker."""
    findings = []
    for finding in _findings(config, out, offline=offline):
        findings.append(finding)
        if not as_json:
            click.echo(_line(finding))
    failed = any(finding.state == "failure" for finding in findings)
    if as_json:
        click.echo(
            json.dumps(
                {"version": 1, "well": not failed, "findings": [asdict(f) for f in findings]}, ensure_ascii=False
            )
        )
    if failed:
        sys.exit(EXIT_DATA)


def _line(finding: Finding) -> str:
    way = f"\n        = help: {finding.way}" if finding.way else ""
    return f"{_MARKS[finding.state]}  {finding.about:<14} {finding.text}{way}"


def _findings(config: Path, out: str, *, offline: bool) -> Iterator[Finding]:
    from qmtl.dsl.compile import compile_deployment
    from qmtl.dsl.model import AlpacaBroker

    from . import checkups
    from .checkups import Finding
    from .operate import folder_of
    from .wiring import given

    yield from checkups.installation()
    compiled = compile_deployment(config, given("", "", out))
    errors = [d for d in compiled.diagnostics if d.severity == "error"]
    if errors or compiled.deployment is None:
        first = f": {errors[0].message}" if errors else ""
        yield Finding("text", "failure", f"{len(errors)} errors in {config}{first}", f"qmtl validate {config}")
    else:
        warnings = len(compiled.diagnostics) - len(errors)
        names = ", ".join(program.settings.world for program in compiled.programs)
        yield Finding("text", "warning" if warnings else "ok", f"worlds {names}, {warnings} warnings")
    try:
        yield from checkups.storage(folder_of(config, out))
    except QmtlError as error:
        yield Finding("folder", "failure", str(error), error.hint)
    if compiled.deployment is None or errors:
        return
    yield from checkups.sessions(compiled.programs, compiled.deployment)
    yield from checkups.series(compiled.deployment, config.absolute().parent, compiled.programs)
    if isinstance(compiled.deployment.broker, AlpacaBroker) and not offline:
        from .alpacachecks import alpaca

        yield from alpaca(compiled.deployment, compiled.programs)
