"""A server, and lines to it with keys whose texts are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from qmtl.engine.adapters.alpaca.transport import Limits, Line
from qmtl.engine.adapters.alpaca.wiring import Lines, open_lines

from .memory import Account
from .wire import Wire, listening

#: what no output may hold
KEY, SECRET = "PKTEST7Q4W9Z2X8C6V1B", "s3cr3t-Zk7mQ2pX9vB4nL6tR1wY8uH5jG0fD3sA"
ENVIRONMENT = {"APCA_API_KEY_ID": KEY, "APCA_API_SECRET_KEY": SECRET}
Open = Callable[..., Lines]


@pytest.fixture
def wire() -> Iterator[Wire]:
    with listening() as server:
        yield server


@pytest.fixture
def lines(wire: Wire) -> Iterator[Open]:
    """Opens lines to the server; what is still open at the end is closed."""
    made: list[Lines] = []

    def opened(mode: str = "paper", *, deadline: float = 3.0, **options: Any) -> Lines:
        options = {"url": wire.url, "data_url": wire.url, "limits": Limits(deadline, deadline), **options}
        made.append(open_lines(ENVIRONMENT, mode, **options))
        return made[-1]

    yield opened
    for one in made:
        one.close()


@pytest.fixture
def trading(lines: Open) -> Line:
    return lines().trading


@pytest.fixture
def venue(wire: Wire) -> Account:
    return Account(wire)
