"""How long each law looks: `@law(120)` means 120 examples in the profile `full`, half as many in the default profile (but not
fewer than LEAST where there are more), ten times as many in `long`.

The default profile draws the same examples every time, so that a commit is judged by what it changed; `long` looks where
nobody has looked yet.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings

#: examples of hypothesis' own default profile; the numbers of the laws are meant for twice as many
USUAL = 100
#: what a law is looked for at least
LEAST = 25


def law(examples: int) -> Any:
    """Settings of one law, scaled by the profile in force."""
    profile = settings.default
    scaled = max(1, min(examples, LEAST), examples * profile.max_examples // USUAL // 2)
    fixed = profile.max_examples <= USUAL
    health = list(HealthCheck)
    return settings(max_examples=scaled, deadline=None, suppress_health_check=health, derandomize=fixed)
