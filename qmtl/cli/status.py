"""`qmtl status`: is it alive, what may it do, what is wrong. Also for programs that watch from outside (R46).

In: the run's folder. Out: a few lines, or one JSON object. It ends with 1 when somebody should look: no run, a kill or a halt,
an account that cannot be read, a text that took a permission away (under a lesser mode nothing is sent), an order that holds up its
symbol, or a last tick that is too long ago.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qmtl.engine.errors import QmtlError

from .exits import EXIT_DATA, leave
from .live import stamp
from .operate import folder_of, place_options, runner, standing_of

if TYPE_CHECKING:
    from qmtl.engine.ports import Command
    from qmtl.engine.standing import Standing, WorldStanding


@click.command()
@place_options
@click.option(
    "--max-age",
    type=click.FloatRange(min=0),
    default=0.0,
    help="Seconds after which a last tick is too old.  [default: not asked]",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def status(config: Path | None, out: str, max_age: float, as_json: bool) -> None:
    """Whether the run is alive, what it may do and what is wrong."""
    from qmtl.engine.adapters.commands import CommandFiles

    try:
        folder = folder_of(config, out)
        found, alive = standing_of(folder), runner(folder)
        waiting = CommandFiles(folder).take()
    except QmtlError as error:
        leave(error)
    age = time.time() - found.now if found else float("inf")
    wrong = tuple(_wrong(found, alive, age > max_age > 0))
    if as_json:
        click.echo(json.dumps(_plain(found, alive, waiting, wrong), allow_nan=False, ensure_ascii=False))
    else:
        click.echo("\n".join(_lines(found, alive, waiting, wrong)))
    if wrong:
        sys.exit(EXIT_DATA)


def _wrong(found: Standing | None, alive: str, old: bool) -> Iterator[str]:
    """Why somebody should look, one sentence each."""
    if not alive:
        yield "no run is alive here"
    if found is None:
        yield "it has not ticked yet"
        return
    if old:
        yield f"the last tick was at {stamp(found.now)}"
    if not found.readable:
        yield "the account could not be read at the last tick"
    yield from _withdrawn(found)
    if found.blocked:
        yield f"nothing is opened: {found.blocked}"
    for world in found.worlds:
        if world.trading != "active":
            yield f"world {world.world} is {world.trading}: {world.trading_why}"
    for symbol, ours, theirs in found.differs:
        yield f"{symbol}: the account holds {theirs}, and by our fills it is {ours}: somebody else traded there"
    for block in found.blocks:
        yield f"order {block.client_order_id} holds up {block.symbol}: {block.kind}"


def _withdrawn(found: Standing) -> Iterator[str]:
    """What edits took away since the start."""
    if found.withdrawn_mode:
        yield (
            f"NOTHING IS SENT, exits included: the run is {found.mode}, and its text said `mode: {found.withdrawn_mode}` while it ran; "
            f"start it again as {found.mode} to manage what is held"
        )
    elif found.withdrawn_worlds:
        yield f"the text took `allow_live` away: nothing is opened in {', '.join(found.withdrawn_worlds)}, exits go on"


def _lines(found: Standing | None, alive: str, waiting: tuple[Command, ...], wrong: tuple[str, ...]) -> Iterator[str]:
    yield f"run        {alive or 'none is alive'}"
    if found is not None:
        account = f"{found.account.account} at {found.account.broker}, " if found.account else ""
        less = f", withdrawn to {found.withdrawn_mode}" if found.withdrawn_mode else ""
        yield f"account    {account}mode {found.mode}{less}"
        yield f"last tick  {found.tick:,} at {stamp(found.now)}, feed {found.source}"
        if found.equity is not None:
            yield f"money      equity {found.equity:,.2f}, cash {found.cash:,.2f}, buying power {found.buying_power:,.2f}"
        external = sum(position.external for position in found.positions)
        yield f"book       {len(found.positions)} positions ({external} external), {len(found.orders)} orders working"
        yield from (_world(world) for world in found.worlds)
    yield from (f"waiting    {c.kind} by {c.who}{f': {c.why}' if c.why else ''}" for c in waiting)
    yield from (f"look       {sentence}" for sentence in wrong)
    if not wrong:
        yield "all is well"


def _world(world: WorldStanding) -> str:
    why = f" ({world.trading_why})" if world.trading_why else ""
    flat = ", flattening" if world.flatten else ""
    chains = ", ".join(f"{name} {count}" for name, count in world.chains)
    return f"world      {world.world}: {world.trading}{why}{flat}, day {world.day_loss:+.2%}, week {world.week_loss:+.2%}; {chains}"


def _plain(found: Standing | None, alive: str, waiting: tuple[Command, ...], wrong: tuple[str, ...]) -> object:
    from dataclasses import asdict

    from qmtl.engine.projections import plain

    said = asdict(found) if found is not None else {}
    return plain(
        {
            "version": 1,
            "runner": alive,
            **said,
            "waiting": [asdict(c) for c in waiting],
            "wrong": wrong,
            "well": not wrong,
        }
    )
