"""Exchange policies: what a document says, in both surfaces, what contradicts itself, and what old documents still mean."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from qmtl.dsl.codec import canonical, program_from_json, program_to_json
from qmtl.dsl.compile import compile_world, validate
from qmtl.dsl.exchange import ExchangePolicy, FinerTick, SymbolRules, rules_for
from qmtl.dsl.later import AFTER_V1
from qmtl.dsl.report.text import render_text

WORLD = """\
version: 1
world: here
calendar: XNYS
universe: [SPY, QQQ]
chains:
  - {name: all, otherwise: true, strategies: [roc_momentum], exposure: 65%}
allowlist: all
exchange: venue
"""
FULL = """\
version: 1
exchange: venue
lot_size: 0.001
fractional: true
fractional_shorts: true
tick_size: 0.01
finer_ticks:
  - {below: 10, tick_size: 0.001}
  - {below: 1, tick_size: 0.0001}
min_quantity: 0.002
max_quantity: 1000
min_notional: 5
fractional_min_notional: 6
max_notional: 1000000
market_lot_size: 0.01
market_min_quantity: 0.01
market_max_quantity: 120
closing: bound
shorting: true
reduce_only: true
reduce_only_ioc: true
time_in_force: day
exit_time_in_force: ioc
limit_time_in_force: ioc
allowed_time_in_force: [gtc, day, ioc]
fractional_time_in_force: [day, ioc]
order_type: limit
exit_order_type: market
allowed_order_types: [market, limit]
collar: 0.5%
symbols:
  SPY: {lot_size: 0.1, market_lot_size: 0.1, shorting: false, closing: exempt, finer_ticks: [{below: 5, tick_size: 0.005}]}
  "*Q": {min_notional: 7}
aliases: {SPDR: SPY}
"""


def compiled(folder: Path, policy: str, world: str = WORLD, suffix: str = "yaml") -> Any:
    (folder / "here.yaml").write_text(world)
    (folder / f"venue.{suffix}").write_text(policy)
    return compile_world(folder / "here.yaml")


def policy_in(folder: Path, text: str) -> ExchangePolicy:
    found = compiled(folder, text)
    assert found.program is not None, render_text(found.diagnostics)
    policy: ExchangePolicy = found.program.settings.exchange
    return policy


def test_everything_that_a_policy_says(tmp_path: Path) -> None:
    policy = policy_in(tmp_path, FULL)
    assert policy == ExchangePolicy(
        "venue",
        lot_size=Decimal("0.001"),
        fractional=True,
        fractional_shorts=True,
        finer_ticks=(FinerTick(Decimal(1), Decimal("0.0001")), FinerTick(Decimal(10), Decimal("0.001"))),
        min_quantity=Decimal("0.002"),
        max_quantity=Decimal(1000),
        min_notional=Decimal(5),
        fractional_min_notional=Decimal(6),
        max_notional=Decimal(1_000_000),
        market_lot_size=Decimal("0.01"),
        market_min_quantity=Decimal("0.01"),
        market_max_quantity=Decimal(120),
        closing="bound",
        reduce_only=True,
        reduce_only_ioc=True,
        exit_time_in_force="ioc",
        limit_time_in_force="ioc",
        allowed_time_in_force=("day", "gtc", "ioc"),
        fractional_time_in_force=("day", "ioc"),
        order_type="limit",
        allowed_order_types=("limit", "market"),
        collar=0.005,
        symbols=(
            SymbolRules("*Q", min_notional=Decimal(7)),
            SymbolRules(
                "SPY", lot_size=Decimal("0.1"), market_lot_size=Decimal("0.1"), shorting=False, closing="exempt",
                finer_ticks=(FinerTick(Decimal(5), Decimal("0.005")),),
            ),
        ),
        aliases=(("SPDR", "SPY"),),
    )  # fmt: skip
    assert rules_for(policy, "SPDR").lot_size == Decimal("0.1")
    assert rules_for(policy, "QQQ").min_notional == 7


def test_both_surfaces_say_the_same(tmp_path: Path) -> None:
    from qmtl.dsl.documents import load_file
    from qmtl.dsl.surface.convert import to_qmtl

    (tmp_path / "yaml").mkdir()
    (tmp_path / "qmtl").mkdir()
    one = compiled(tmp_path / "yaml", FULL)
    (written,) = to_qmtl(load_file(tmp_path / "yaml" / "venue.yaml"))
    other = compiled(tmp_path / "qmtl", written.text, suffix="qmtl")
    assert other.program is not None, render_text(other.diagnostics)
    assert one.program.settings.exchange == other.program.settings.exchange
    assert one.program.program_id == other.program.program_id


def test_the_order_of_symbols_and_lists_means_nothing(tmp_path: Path) -> None:
    one = policy_in(
        tmp_path, "version: 1\nexchange: venue\nsymbols: {'*Y': {min_notional: 3}, SPY: {min_notional: 4}}\n"
    )
    other = policy_in(
        tmp_path, "version: 1\nexchange: venue\nsymbols: {SPY: {min_notional: 4}, '*Y': {min_notional: 3}}\n"
    )
    assert one == other


OLD = "version: 1\nexchange: venue\nlot_size: 5\nfractional: false\ntick_size: 0.05\nmin_notional: 2\nshorting: false\n"


def test_ids_survive_the_upgrade(tmp_path: Path) -> None:
    """A document of the old keys gives the canonical bytes of version 1, so its program id is what it was."""
    found = compiled(tmp_path, OLD).program
    assert canonical(found.settings.exchange) == (
        b'{"fractional":false,"lot_size":"5","min_notional":"2","name":"venue","order_type":"market","shorting":false,'
        b'"tick_size":"0.05","time_in_force":"day"}'
    )
    assert b"max_notional" not in program_to_json(found)
    assert program_from_json(program_to_json(found)) == found
    assert not found.features or "orders.average_volume" not in dict(found.features)
    assert AFTER_V1


def test_a_new_policy_goes_through_the_journal_and_back(tmp_path: Path) -> None:
    found = compiled(tmp_path, FULL).program
    assert program_from_json(program_to_json(found)) == found


def test_the_average_volume_is_in_the_program_only_where_an_order_is_limited_by_it(tmp_path: Path) -> None:
    limited = compiled(tmp_path, OLD, WORLD + "orders: {max_volume: 5%}\n")
    plain = compiled(tmp_path, OLD)
    assert "orders.average_volume" in dict(limited.program.features)
    assert "orders.average_volume" not in dict(plain.program.features)
    assert dict(limited.needs.warmup) == dict(limited.program.warmup)
    ops = {node.op for node in limited.program.nodes if dict(node.warmup).get("60m") == 140}
    assert "sma" in ops


MISTAKES = {
    "min_quantity: 5\nmax_quantity: 2": ("Q0626", "`min_quantity` of 5 is above `max_quantity` of 2: no order fits"),
    "min_notional: 50\nmax_notional: 20": ("Q0626", "`min_notional` of 50 is above `max_notional` of 20: no order fits"),
    "lot_size: 10\nmarket_max_quantity: 5": (
        "Q0626", "`market_lot_size` of 10 is above `market_max_quantity` of 5: no order fits",
    ),
    "lot_size: 10\nmarket_lot_size: 25": ("Q0626", "`market_lot_size` of 25 is no multiple of 10"),
    "order_type: limit": ("Q0626", "`order_type: limit` needs a `collar`"),
    "exit_order_type: limit": ("Q0626", "`exit_order_type: limit` needs a `collar`"),
    "collar: 1%": ("Q0626", "`collar` without a limit order"),
    "allowed_order_types: [limit]": ("Q0626", "`order_type` is `market`, and `allowed_order_types` does not have it"),
    "time_in_force: ioc\nallowed_time_in_force: [day, gtc]": (
        "Q0626", "`time_in_force` is `ioc`, and `allowed_time_in_force` does not have it",
    ),
    "allowed_time_in_force: [day]\nfractional_time_in_force: [gtc]": (
        "Q0626", "`fractional_time_in_force` is `gtc`, and `allowed_time_in_force` does not have it",
    ),
    "fractional: true\nlot_size: 0.1\ntime_in_force: ioc\nfractional_time_in_force: [day]": (
        "Q0626", "`time_in_force` is `ioc`, and `fractional_time_in_force` does not have it",
    ),
    "reduce_only_ioc: true": ("Q0626", "`reduce_only_ioc` without `reduce_only: true`"),
    "finer_ticks: [{below: 1, tick_size: 0.5}]": (
        "Q0626", "the step under 1 is 0.5, and `tick_size` is only 0.01",
    ),
    "finer_ticks: [{below: 1, tick_size: 0.001}, {below: 1, tick_size: 0.0001}]": (
        "Q0626", "two steps say `below` the same price",
    ),
    "aliases: {A: B, B: C}": ("Q0626", "`A` stands for `B`, which stands for `C`"),
    "aliases: {A: A}": ("Q0626", "`A` stands for `A`, which stands for `A`"),
    "symbols: {SPY: {min_quantity: 9, max_quantity: 3}}": (
        "Q0626", "`min_quantity` of 9 is above `max_quantity` of 3 for `SPY`: no order fits",
    ),
    "fractional: true": ("Q0629", "`fractional: true`, and the smallest part is 1: only whole shares are traded"),
    "lot_size: 0.5": ("Q0629", "a `lot_size` of 0.5 without `fractional: true`"),
    "min_qty: 1": ("Q0201", "unknown key `min_qty`"),
    "symbols: {SPY: {lot_sise: 1}}": ("Q0201", "unknown key `lot_sise` in `SPY`"),
    "time_in_force: gtc": ("Q0204", "`time_in_force` must be one of `day` or `ioc`"),
    "closing: never": ("Q0204", "`closing` must be one of `exempt` or `bound`"),
    "collar: 0.5\norder_type: limit": ("Q0206", "`collar` must be a ratio, not a bare number"),
}  # fmt: skip


@pytest.mark.parametrize("text", MISTAKES)
def test_planted_mistakes_are_told_once_and_nothing_else(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside a world that names the policy, which reads it too: no cascade, and no second telling."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.yaml").write_text(WORLD)
    (tmp_path / "venue.yaml").write_text(f"version: 1\nexchange: venue\n{text}\n")
    found = validate([tmp_path])
    assert [(d.code, d.message) for d in found.diagnostics] == [MISTAKES[text]], render_text(found.diagnostics)
    assert all(d.span and d.span.source.name.endswith("venue.yaml") for d in found.diagnostics)


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ("SYP: {min_notional: 9}", "did you mean `SPY`?"),
        ("QQ: {min_notional: 9}", "did you mean `QQQ`?"),
        ("SPY: {min_notional: 9}", ""),
        ("SPX: {min_notional: 9}, SPY: {min_notional: 8}", ""),  # not a misspelt SPY, which has rules of its own
        ("BTCUSDT: {min_notional: 9}", ""),
        ("'SP*': {min_notional: 9}", ""),
    ],
)
def test_rules_of_a_symbol_that_is_nearly_one_of_a_world(rules: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "here.yaml").write_text(WORLD)
    (tmp_path / "venue.yaml").write_text(f"version: 1\nexchange: venue\nsymbols: {{{rules}}}\n")
    found = validate([tmp_path]).diagnostics
    assert [(d.code, d.help) for d in found] == ([("Q0627", told)] if told else [])


@pytest.mark.parametrize(
    ("orders", "told"),
    [
        ("max_notional: 0.5 USD", "Q0205"),
        ("max_notional: 1 USD", ""),
        ("max_turnover: 2%", "Q0628"),
        ("max_per_tick: 9, max_per_day: 5", "Q0628"),
        ("max_per_day: 0", "Q0205"),
        ("max_volume: 5%, max_per_tick: 5, max_per_day: 9, max_turnover: 3%", ""),
    ],
)
def test_limits_of_orders(orders: str, told: str, tmp_path: Path) -> None:
    found = compiled(tmp_path, "version: 1\nexchange: venue\n", f"{WORLD}orders: {{{orders}}}\n").diagnostics
    assert [d.code for d in found] == ([told] if told else []), render_text(found)
