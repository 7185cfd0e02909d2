"""`qmtl orders` and `qmtl positions`: what works and what is held, as of the run's last tick, while it runs or not.

In: the run's folder. Out: a table, or one JSON object. It is read from the journal, so that looking takes none of the broker's
requests.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qmtl.engine.errors import QmtlError

from .exits import leave
from .live import stamp
from .operate import folder_of, journal_of, place_options

if TYPE_CHECKING:
    from qmtl.engine.standing import OrderStanding, PositionStanding, Standing

_DAY = 86_400


@click.command()
@place_options
@click.option("--all", "everything", is_flag=True, help="Also orders of the last 24 hours that have ended.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def orders(config: Path | None, out: str, everything: bool, as_json: bool) -> None:
    """Orders of the run that work, and why each was sent."""
    from qmtl.engine.standing import orders_since, standing

    from .wiring import stored_program

    try:
        with journal_of(folder_of(config, out)) as journal:
            found = standing(journal, stored_program)
            rows: Sequence[OrderStanding] = found.orders if found else ()
            if everything and found is not None:
                rows = orders_since(journal, found.now - _DAY, rows)
    except QmtlError as error:
        leave(error)
    _show(found, "orders", [asdict(row) for row in rows], _order_table(rows), as_json=as_json)


@click.command()
@place_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def positions(config: Path | None, out: str, as_json: bool) -> None:
    """Positions of the account, whose they are and what they are worth."""
    from .operate import standing_of

    try:
        found = standing_of(folder_of(config, out))
    except QmtlError as error:
        leave(error)
    rows = found.positions if found else ()
    _show(found, "positions", [asdict(row) for row in rows], _position_table(rows), as_json=as_json)


def _show(found: Standing | None, what: str, rows: list[dict[str, Any]], table: str, *, as_json: bool) -> None:
    from qmtl.engine.projections import plain

    if as_json:
        told = plain({"version": 1, "at": found.now if found else 0, what: rows})
        click.echo(json.dumps(told, allow_nan=False, ensure_ascii=False))
    elif not rows:
        click.echo(f"no {what}" + (f" as of {stamp(found.now)}" if found else ": it has not ticked yet"))
    else:
        click.echo(f"{table}as of {stamp(found.now if found else 0)}")


def _order_table(rows: Sequence[OrderStanding]) -> str:
    head = ("sent", "symbol", "side", "leg", "quantity", "filled", "state", "why", "strategy", "id")
    body = [
        (stamp(o.sent_at), o.symbol, o.side, o.leg, f"{o.qty:f}", f"{o.filled:f}", f"{o.state}{f' ({o.block})' if o.block else ''}",
         o.reason, f"{o.world}/{o.strategy}", o.client_order_id)
        for o in rows
    ]  # fmt: skip
    return _aligned((head, *body), right=(4, 5))


def _position_table(rows: Sequence[PositionStanding]) -> str:
    head = ("symbol", "quantity", "ours", "average", "mark", "value", "profit", "phase", "owner", "policy")
    body = [
        (p.symbol, f"{p.qty:f}", f"{p.ours:f}", _money(p.average), _money(p.mark), _money(p.value), _money(p.profit), p.phase,
         _whose(p), p.policy)
        for p in rows
    ]  # fmt: skip
    return _aligned((head, *body), right=(1, 2, 3, 4, 5, 6))


def _whose(p: PositionStanding) -> str:
    """Whose a position is, where others hold a part of it too: both."""
    own = f"{p.world}/{p.owner}"
    if not p.external:
        return own
    return f"{own} and external" if p.ours else "external"


def _money(value: float) -> str:
    return f"{round(value, 2) + 0.0:,.2f}" if math.isfinite(value) else "-"  # and no -0.00


def _aligned(rows: Sequence[Sequence[str]], right: Sequence[int]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = (
        "  ".join(
            cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "".join(f"{line.rstrip()}\n" for line in lines)
