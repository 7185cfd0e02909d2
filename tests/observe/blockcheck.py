"""Feeding two observers the same rows, one by one and in blocks, and demanding the same of both: what the tests of blocks
share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from qmtl.dsl.program import Program
from qmtl.engine.bars import BarRow, MacroRow
from qmtl.engine.blockobserver import BlockObserver
from qmtl.engine.blocks import stacked
from qmtl.engine.calendar import SessionCalendar
from qmtl.engine.market import Market
from qmtl.engine.observe import Observer


def bits(cells: Any) -> Any:
    """As integers, every NaN alike."""
    if not isinstance(cells, np.ndarray) or cells.dtype.kind != "f":
        return cells
    return np.where(np.isnan(cells), np.nan, cells).view(np.uint64)


def differing(expected: Market, got: Market) -> list[str]:
    """Fields in which two markets differ, in type, shape or any bit."""
    found = []
    for field in fields(Market):
        left, right = getattr(expected, field.name), getattr(got, field.name)
        if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
            same = left.dtype == right.dtype and left.shape == right.shape and np.array_equal(bits(left), bits(right))
            same = same and right.flags.c_contiguous and not right.flags.writeable
        else:
            same = left == right
        if not same:
            found.append(field.name)
    return found


@dataclass(slots=True)
class Pair:
    """The same program observed row by row and in blocks."""

    program: Program
    calendar: SessionCalendar
    delay: int
    stepped: Observer
    blocks: BlockObserver
    #: kinds of rows seen, so that a test can demand that it was not empty
    unknown: int = 0
    known: int = 0

    @classmethod
    def of(cls, program: Program, calendar: SessionCalendar, delay: int = 0, rows: int | None = None) -> Pair:
        observer = Observer(program, calendar, delay)
        blocks = BlockObserver(observer, features=True, rows=rows)
        return cls(program, calendar, delay, Observer(program, calendar, delay), blocks)

    def feed(self, rows: Sequence[BarRow], macros: Sequence[MacroRow]) -> None:
        """Both ways; every row's market and the state after the last one must be equal."""
        waiting, at = list(macros), 0
        for block in self.blocks.feed(stacked(rows), macros):
            for index in range(len(block)):
                expected = self._step(rows[at], waiting)
                where = differing(expected, block.market(index, self.calendar))
                assert not where, (at, index, where)
                some = expected.signal_known.all() and not np.isnan(expected.p).any()
                self.known, self.unknown = self.known + bool(some), self.unknown + (not some)
                at += 1
        assert at == len(rows)
        for macro in waiting:
            self.stepped.feed_macro(macro)
        self.agree()

    def step(self, rows: Sequence[BarRow], macros: Sequence[MacroRow]) -> None:
        """Row by row into both."""
        for observer in (self.stepped, self.blocks.observer):
            waiting = list(macros)
            for row in rows:
                while waiting and waiting[0].known_at <= row.known_at:
                    observer.feed_macro(waiting.pop(0))
                observer.feed(row)
            for macro in waiting:
                observer.feed_macro(macro)
        self.agree()

    def agree(self) -> None:
        """Equal memory is equal bytes."""
        assert self.blocks.observer.snapshot() == self.stepped.snapshot()

    def _step(self, row: BarRow, waiting: list[MacroRow]) -> Market:
        while waiting and waiting[0].known_at <= row.known_at:
            self.stepped.feed_macro(waiting.pop(0))
        self.stepped.feed(row)
        return self.stepped.market(row.known_at, decision=True)


def until(rows: Sequence[MacroRow], after: int, known_at: int) -> list[MacroRow]:
    """Daily rows that become known after one moment and by another."""
    return [row for row in rows if after < row.known_at <= known_at]
