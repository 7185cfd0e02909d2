"""Tables that people edit: cells know their place, and a file that is no such table is given up soon."""

from __future__ import annotations

import pytest

from qmtl.dsl import csvrows
from qmtl.dsl.csvrows import read_rows
from qmtl.dsl.source import Source

COLUMNS = {"symbol": ("symbol",), "sector": ("sector",)}


def read(text: str) -> tuple[list[dict[str, str]], list[tuple[str, str]]]:
    rows, problems = read_rows(Source("t.csv", text), COLUMNS, ("symbol", "sector"))
    shown = [{name: cell.span.text for name, cell in row.items()} for row in rows]
    return shown, [(p.code, p.message) for p in problems]


def test_cells_stand_where_they_are() -> None:
    rows, problems = read('symbol,x,sector\nSPY,1, "index, all"\n')
    assert rows == [{"symbol": "SPY", "sector": '"index, all"'}]
    assert problems == []


def test_a_table_of_mistakes_is_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvrows, "_MOST_ERRORS", 5)
    rows, problems = read("symbol,sector\n" + "SPY\n" * 20 + "QQQ,index\n")
    assert rows == []
    assert [code for code, _ in problems] == ["Q0202"] * 5 + ["Q0104"]


def test_a_table_has_a_bounded_number_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvrows, "_MOST_ROWS", 3)
    assert read("symbol,sector\n" + "SPY,index\n" * 3)[1] == []
    rows, problems = read("symbol,sector\n" + "SPY,index\n" * 4)
    assert len(rows) == 3
    assert problems == [("Q0104", "a table has at most 3 rows")]


def test_a_line_break_in_a_cell_is_one_mistake_of_its_own() -> None:
    rows, problems = read('symbol,sector\nSPY,"index\nand more"\nQQQ,tech\n')
    assert rows == [{"symbol": "QQQ", "sector": "tech"}]
    assert problems == [("Q0302", "a cell of these tables cannot hold a line break")]


@pytest.mark.parametrize("cell", ['"index', '"index" all', '"index"" all'])
def test_quotes_that_are_not_closed_spoil_their_line_only(cell: str) -> None:
    rows, problems = read(f'symbol,sector\nSPY,{cell}\nQQQ,"tech"\nIWM,"a, b"\n')
    assert [row["symbol"] for row in rows] == ["QQQ", "IWM"]
    assert problems == [("Q0302", "the quotes of this cell are not closed where it ends")]


def test_a_broken_header_is_one_mistake() -> None:
    assert read('symbol,"sec\ntor"\nSPY,index\n')[1] == [("Q0302", "a cell of these tables cannot hold a line break")]


def test_a_table_that_was_edited_is_read_anew() -> None:
    """The last table is kept; one of the same name with another text is another table."""
    before = read("symbol,sector\nSPY,index\n")
    after = read("symbol,sector\nSPY,tech\n")
    assert before == ([{"symbol": "SPY", "sector": "index"}], [])
    assert after == ([{"symbol": "SPY", "sector": "tech"}], [])
    assert read("symbol,sector\nSPY,index\n") == before
