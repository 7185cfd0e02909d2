"""How long each law looks: `@law(40)` means 40 examples in the default profile, ten times as many in `long`.

The default profile draws the same examples every time, so that a commit is judged by what it changed; `long` looks where
nobody has looked yet.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings

#: examples of hypothesis' own default profile, which the numbers of the laws are meant for
USUAL = 100


def law(examples: int) -> Any:
    """Settings of one law, scaled by the profile in force."""
    profile = settings.default
    scaled = max(1, examples * profile.max_examples // USUAL)
    fixed = profile.max_examples <= USUAL
    health = list(HealthCheck)
    return settings(max_examples=scaled, deadline=None, suppress_health_check=health, derandomize=fixed)
