"""How many names a world can hold at once.

In: the settings and chains of a world. Out: a count. A target below `min_target` becomes 0, so the caps and the exposure
of the chain bound how many names fit (the breadth rule of the target stage drops the weakest until all do).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import floor

from .model import Settings, World

_ROUNDING = 1e-9


def names_held(settings: Settings, exposure: float = 1.0) -> int:
    """Names that fit under the caps at an exposure, each at least `min_target`: the smaller of the total cap's room and the sum
    over sectors; symbols without a sector count one by one."""
    guard, risk = settings.churn_guard, settings.risk
    everything = len(settings.universe)
    if "min_target" not in guard.enabled or guard.min_target <= 0:
        return everything
    if risk.max_symbol * exposure < guard.min_target - _ROUNDING:
        return 0
    sectors = Counter(sector for _, sector in settings.sectors)
    room = floor(risk.max_sector * exposure / guard.min_target + _ROUNDING)
    by_sector = sum(min(room, count) for count in sectors.values()) + everything - sum(sectors.values())
    return min(floor(risk.max_total * exposure / guard.min_target + _ROUNDING), by_sector)


def breadth(world: World) -> Sequence[tuple[str, int]]:
    """(chain, names it can hold) in the order of the chains."""
    return [(chain.name, names_held(world.settings, chain.exposure)) for chain in world.chains]
