"""`qmtl backtest`: the compiled graph over recorded bars, what it would have done, and a report to look at.

In: a world or a deployment, bars and costs. Out: a folder with the columns (Parquet), the summary (JSON) and the report
(HTML), and the summary on the terminal. `--compare A B` reads two such folders. Exit codes: 0 done, 1 errors in text or
data, 2 wrong usage, 74 the folder cannot be written.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from qmtl.dsl.model import Deployment
    from qmtl.dsl.program import Program
    from qmtl.engine.backtest.summary import Stored


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for, beside worlds and data; None where the deployment or the default decides."""

    out: str
    form: str
    cash: str | None
    fee: float | None
    slippage: float | None
    borrow: float | None
    quick: bool
    quiet: bool
    pairs: bool
    walk_forward: bool


def _share(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """`2bps` or `0.5%` -> a fraction."""
    from qmtl.dsl.units import ratio

    if value is None:
        return None
    share = ratio(value)
    if share is None or not 0 <= share < 1:
        raise click.BadParameter("write it as `2bps` or `0.5%`")
    return share


def _money(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    from decimal import Decimal, InvalidOperation

    try:
        if value is not None and not Decimal(value.replace("_", "")) > 0:
            raise click.BadParameter("it has to be more than 0")
    except InvalidOperation as error:
        raise click.BadParameter("write it as `100_000`") from error
    return value


@click.command()
@click.option("--world", "world", default="", help="A world: its file, or its name below worlds/.")
@click.option(
    "--config", "config", type=click.Path(path_type=Path), help="A deployment: all its worlds on one account."
)
@click.option("--bars", default="", help="Folder of bars, one file per symbol.")
@click.option("--vix", default="", help="File of daily VIX values.")
@click.option("--rate", type=click.Choice(["15m", "5m", "1m"]), help="Rate of the files.  [default: 15m]")
@click.option("--from", "start", default="", metavar="DAY", help="First exchange day (YYYY-MM-DD).")
@click.option("--to", "end", default="", metavar="DAY", help="Last exchange day.")
@click.option("--cash", callback=_money, help="Money at the start.  [default: 100_000]")
@click.option("--fee", callback=_share, help="Per side, of the notional.  [default: 2bps]")
@click.option("--slippage", callback=_share, help="Per side, of the price.  [default: 1bps]")
@click.option("--borrow", callback=_share, help="Per year, of what shorts are worth.  [default: 0.5%]")
@click.option("--quick", is_flag=True, help="Leave out the runs with other costs and later fills.")
@click.option("--pairs", is_flag=True, help="Judge every (symbol, strategy) pair by the pair gate.")
@click.option("--walk-forward", is_flag=True, help="252 sessions to choose pairs, 63 to test them, and on (needs 315).")
@click.option("--out", default="", help="Folder of the results.  [default: out/backtest/NAME]")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--quiet", is_flag=True, help="Print only where the results are.")
@click.option("--compare", nargs=2, type=click.Path(path_type=Path), help="Two folders of results, side by side.")
def backtest(
    world: str,
    config: Path | None,
    rate: str | None,
    start: str,
    end: str,
    compare: tuple[Path, Path] | None,
    **rest: str,
) -> None:
    """Run a world (or the worlds of a deployment) over recorded bars.

    \b
    qmtl backtest --world worlds/us_core.yaml --bars DIR --vix FILE --from 2025-10-01 --to 2025-11-28
    qmtl backtest --config prod.yaml --bars DIR --vix FILE
    qmtl backtest --compare out/backtest/A out/backtest/B

    The graph, the rules and the fills are those of `qmtl run` on a paper account: over the same bars both send the same
    orders. Results go to a folder of their own; a former one of that name is moved aside."""
    from qmtl.cli.exits import leave
    from qmtl.engine.errors import QmtlError

    bars, vix = rest.pop("bars"), rest.pop("vix")
    wanted = Wanted(**rest)  # type: ignore[arg-type]
    try:
        if compare:
            _compare(compare, wanted)
            return
        if bool(world) == bool(config):
            raise click.UsageError("say what to run: --world WORLD or --config DEPLOYMENT")
        deployment, programs = _of_config(config, bars, vix) if config else _of_world(world, bars, vix)
        _run(_adjusted(deployment, rate, start, end), programs, wanted)
    except QmtlError as error:
        leave(error)


def _of_config(config: Path, bars: str, vix: str) -> tuple[Deployment, tuple[Program, ...]]:
    from dataclasses import replace

    from qmtl.cli.exits import EXIT_DATA
    from qmtl.cli.wiring import effective, given, recorded
    from qmtl.dsl.compile import compile_deployment
    from qmtl.dsl.diagnostics import has_errors

    compiled = compile_deployment(config, given(bars, vix, ""))
    _tell(compiled.diagnostics)
    if compiled.deployment is None or has_errors(compiled.diagnostics):
        sys.exit(EXIT_DATA)
    home, paths = config.absolute().parent, given(bars, vix, "")
    deployment = recorded(compiled.deployment, paths.get("feed.bars", ""), paths.get("feed.vix", ""))
    deployment = replace(deployment, clock=replace(deployment.clock, kind="replay"))
    return effective(deployment, home, given_paths=bool(bars or vix)), compiled.programs


def _of_world(world: str, bars: str, vix: str) -> tuple[Deployment, tuple[Program, ...]]:
    """A world by itself, as if a deployment named nothing else."""
    from qmtl.cli.exits import EXIT_DATA
    from qmtl.dsl.compile import compile_world
    from qmtl.dsl.model import Clock, Deployment, FilesFeed, PaperBroker

    if not bars:
        raise click.UsageError("give the folder of bars with --bars, or a deployment that has a feed with --config")
    compiled = compile_world(_file_of(world))
    _tell(compiled.diagnostics)
    if compiled.program is None:
        sys.exit(EXIT_DATA)
    name = compiled.program.settings.world
    feed = FilesFeed(str(Path(bars).absolute()), vix=str(Path(vix).absolute()) if vix else "")
    account = PaperBroker()
    return Deployment(name, "paper", (name,), "backtest", feed, account, Clock(), "out"), (compiled.program,)


def _file_of(world: str) -> Path:
    """The file of a world that was named by path or by name."""
    from qmtl.cli.usual import WORLDS
    from qmtl.dsl.documents import ENDINGS

    if Path(world).exists():
        return Path(world)
    named = [WORLDS / f"{world}{ending}" for ending in ENDINGS]
    found = [path for path in named if path.is_file()]
    if not found:
        raise click.UsageError(f"there is no world `{world}`: neither a file nor {named[0]}")
    return found[0]


def _adjusted(deployment: Deployment, rate: str | None, start: str, end: str) -> Deployment:
    """The deployment with what the flags say of data and days."""
    from dataclasses import replace

    from qmtl.cli.wiring import effective
    from qmtl.dsl.model import FilesFeed

    feed = deployment.feed
    if rate is not None:
        if not isinstance(feed, FilesFeed):
            raise click.UsageError("--rate is for files of bars, and this deployment has a synthetic market")
        feed = replace(feed, rate=rate)  # type: ignore[arg-type]
    clock = replace(deployment.clock, kind="replay")
    return effective(replace(deployment, feed=feed, clock=clock), Path(), start=start, end=end)


def _tell(diagnostics: tuple[object, ...]) -> None:
    from qmtl.cli.colour import coloured
    from qmtl.dsl.report.text import render_text

    if diagnostics:
        click.echo(render_text(diagnostics, color=coloured(sys.stderr)), err=True)  # type: ignore[arg-type]


def _run(deployment: Deployment, programs: tuple[Program, ...], wanted: Wanted) -> None:
    from qmtl.cli.backtestrun import stored_run

    folder = Path(wanted.out or Path("out") / "backtest" / deployment.name).absolute()
    stored = stored_run(deployment, programs, wanted, folder)
    _print(stored, folder, wanted)


def _print(stored: Stored, folder: Path, wanted: Wanted) -> None:
    from qmtl.engine.adapters.plainjson import to_plain
    from qmtl.engine.backtest.summary import summary_text

    if wanted.form == "json":
        import json

        click.echo(json.dumps({"folder": str(folder), "summary": to_plain(stored.summary)}, allow_nan=False))
        return
    if not wanted.quiet:
        result = stored.result
        click.echo(summary_text(result.setup, stored.summary, result.notices, result.switches))
    if wanted.pairs:
        click.echo(_pairs(stored))
    if wanted.walk_forward:
        click.echo(_walk_forward(stored))
    click.echo(f"results  {folder}\nreport   {folder / 'report.html'}")


def _pairs(stored: Stored) -> str:
    from qmtl.engine.backtest.gates import all_trials, pair_gate
    from qmtl.engine.backtest.gatetext import pairs_text
    from qmtl.engine.backtest.pairs import pair_history
    from qmtl.engine.backtest.roundtrips import trace

    result = stored.result
    return pairs_text(pair_gate(result, pair_history(result, trace(result))), all_trials(result))


def _walk_forward(stored: Stored) -> str:
    from qmtl.engine.backtest.gates import passing
    from qmtl.engine.backtest.gatetext import walkforward_text
    from qmtl.engine.backtest.walkforward import stitched

    return walkforward_text(stitched(stored.result, passing), gated=True)


def _compare(folders: tuple[Path, Path], wanted: Wanted) -> None:
    from qmtl.engine.adapters.plainjson import to_plain
    from qmtl.engine.adapters.results import load
    from qmtl.engine.backtest.compare import compare, compare_text

    before, after = (load(folder) for folder in folders)
    found = compare(before, after)
    if wanted.form == "json":
        import json

        click.echo(json.dumps(to_plain(found), allow_nan=False))
        return
    click.echo(compare_text(found))
    if wanted.out:
        from qmtl.cli.backtestrun import write_page
        from qmtl.engine.report.page import comparison

        sides = [(stored.result, stored.summary) for stored in (before, after)]
        write_page(Path(wanted.out), comparison(sides[0], sides[1]))
        click.echo(f"report   {Path(wanted.out).absolute()}")
