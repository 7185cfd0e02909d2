"""What a backtest is asked to do, beside programs and data.

In: the command line, or a test. Out: read by `run.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from .result import Costs


@dataclass(frozen=True, slots=True)
class Plan:
    """`start` and `end` are exchange days, both inclusive, "" = all the feed has; `cash` in the account's currency; `delay`
    seconds from a bar's end until it is known; `interval` seconds between grid times; `version` of qmtl, for the record."""

    name: str
    start: str = ""
    end: str = ""
    cash: Decimal = Decimal(100_000)
    costs: Costs = field(default_factory=Costs)
    delay: int = 0
    interval: int = 60
    version: str = ""
