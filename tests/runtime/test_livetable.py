"""The table of `qmtl run` as it is drawn: numbers are whole at any width, words give way, the screen is never overfull."""

from __future__ import annotations

import math
import re

import pytest
from rich.console import Console

from qmtl.cli.livetable import symbol_table
from qmtl.engine.views import SymbolView

NUMBERS = (0.45, 1.0, 0.07, math.nan)


def view(symbol: str, **more: object) -> SymbolView:
    values = {
        "symbol": symbol, "status": "freshness.outside_rth", "p": NUMBERS, "chain": "defensive", "strategy": "bear_probability",
        "owner": "bear_probability", "target": -0.123, "held": 1.053, "order": -1.176, "why": "policy.pre_cutover_position",
    }  # fmt: skip
    return SymbolView(**{**values, **more})  # type: ignore[arg-type]


VIEWS = [
    view("GOOGL"),
    view("SPY", held=0.0, order=0.051, target=0.051, p=(0.5, 0.25, 0.25, 0.1)),
    view("F", order=0.0),
]


def drawn(columns: int, rows: int = 26, views: list[SymbolView] | None = None) -> list[str]:
    console = Console(width=columns, height=40, color_system=None)
    with console.capture() as captured:
        console.print(symbol_table(views or VIEWS, {}, columns, rows))
    return captured.get().splitlines()


@pytest.mark.parametrize("columns", [40, 60, 70, 80, 90, 100, 120, 160])
def test_no_number_is_cut_at_any_width(columns: int) -> None:
    head, *lines = drawn(columns)
    assert max(map(len, (head, *lines))) <= columns
    shown = head.split()
    assert {"target", "held", "order"} <= set(shown)
    for line, numbers in zip(
        lines, (["-12.3%", "+105.3%", "-117.6%"], ["+5.1%", "+5.1%"], ["-12.3%", "+105.3%"]), strict=True
    ):
        assert re.findall(r"[-+]\d+\.\d%", line) == numbers
        assert not re.search(r"\d…", line)
    if "up" in shown:
        assert re.findall(r"(?<![\d.])(?:0?\.\d\d|1\.0+)(?!\d|%)", lines[0])[:3] in (
            ["0.45", "1.00", "0.07"],
            [".45", "1.0", ".07"],
        )


def test_at_eighty_columns_all_numbers_are_there_and_words_are_short() -> None:
    head, first, *_ = drawn(80)
    assert "target" in head
    assert "vol" in head or len(first) <= 80
    for name in ("up", "target", "held", "order", "chain", "strategy", "why"):
        assert name in head.split()
    assert "GOOGL" in first


def test_at_a_hundred_and_sixty_columns_nothing_is_shortened() -> None:
    _, first, *_ = drawn(160)
    for word in ("outside_rth", "defensive", "bear_probability", "policy.pre_cutover_position", "0.45"):
        assert word in first


def test_rows_that_do_not_fit_are_counted() -> None:
    lines = drawn(80, 2, [view(f"S{i}") for i in range(9)])
    assert "and 7 more" in lines[-1]
    assert len(lines) == 4


def test_what_is_wanted_and_held_comes_first() -> None:
    calm = view("CALM", target=0.0, held=0.0, order=0.0)
    assert [line.split()[0] for line in drawn(120, 26, [calm, *VIEWS])[1:]] == ["GOOGL", "SPY", "F", "CALM"]
