"""How long each law looks: `@law(40)` means 40 examples in the default profile, ten times as many in `long`."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings

#: examples of hypothesis' own default profile, which the numbers of the laws are meant for
USUAL = 100


def law(examples: int) -> Any:
    """Settings of one law, scaled by the profile in force."""
    scaled = max(1, examples * settings.default.max_examples // USUAL)
    return settings(max_examples=scaled, deadline=None, suppress_health_check=list(HealthCheck))
