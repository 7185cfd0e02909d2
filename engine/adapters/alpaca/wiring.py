"""Opening the lines to Alpaca: what the command line needs to know of this package.

In: the environment that holds the keys, the run mode, addresses that a text may give. Out: one line for the account and one for
market data; each has its own limit of requests, as Alpaca counts them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .budget import Budget
from .keys import endpoints, read_keys
from .transport import Limits, Line


@dataclass(frozen=True, slots=True)
class Lines:
    """The two ways to Alpaca, and what kind of account the key belongs to ("paper", "live", "" = it does not say)."""

    trading: Line
    data: Line
    kind: str

    def close(self) -> None:
        """Let go of both."""
        self.trading.close()
        self.data.close()


def open_lines(
    environment: Mapping[str, str],
    mode: str,
    *,
    url: str = "",
    data_url: str = "",
    a_minute: int = 200,
    limits: Limits | None = None,
    wall: Callable[[], float] = time.time,
    clock: Callable[[], float] = time.monotonic,
) -> Lines:
    """Lines for a run in `mode` ("dry" only reads). Nothing is sent yet. `wall` is compared with the broker's clock, and requests
    are counted by `clock`: give both where time is not the real one. BrokerError when keys are missing, or key, mode and address
    do not belong together."""
    keys = read_keys(environment)
    where = endpoints(keys, mode, url, data_url)
    dry = mode not in ("paper", "live")
    trading = Line(
        "trading", where.trading, keys, budget=Budget(a_minute, clock=clock), limits=limits, read_only=dry, wall=wall
    )
    data = Line(
        "data",
        where.data,
        keys,
        budget=Budget(a_minute, reserve=0, clock=clock),
        limits=limits,
        read_only=True,
        wall=wall,
    )
    return Lines(trading, data, keys.kind)
