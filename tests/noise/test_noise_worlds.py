"""R27: the shipped world as a whole - chains, allowlist, selection, caps, guards, orders, fills - earns nothing either."""

from __future__ import annotations

import numpy as np

from . import tables
from .statistic import LIMIT

#: far beyond chance
CAUGHT = 10


def test_r27_the_shipped_world_earns_nothing_on_noise() -> None:
    years = tables.shipped()
    (found,) = tables.of_worlds("us_core", years)
    assert found.units == tables.WORLDS * 50
    assert abs(found.t) < LIMIT, found
    assert min(year.fills for year in years) > 1_000, "it trades"
    # 36 % of the account at most, at 14 % a year: an account that moves less holds next to nothing
    assert all(0.005 < year.pnl.std() * np.sqrt(252) < 0.10 for year in years)


def test_r27_fills_one_bar_early_are_caught_through_orders_and_fills() -> None:
    """A quarter of a year of one probe in place of the strategies, with and without the leak."""
    (honest,), (leaking,) = (tables.of_worlds("probe", tables.one_quarter(early=early)) for early in (False, True))
    assert abs(honest.t) < LIMIT, honest
    assert leaking.t > CAUGHT, leaking
    assert leaking.mean > 0.3, "a third of the account and more in a year, from a third of it at most"
