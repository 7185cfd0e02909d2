"""Profiles of the laws: how long to look.

`pytest tests/laws` takes the default profile, about a minute. `pytest tests/laws --hypothesis-profile=long`, or
QMTL_LAWS=long in the environment (which also works for a run of all tests), looks at ten times as many examples.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("long", max_examples=1000, deadline=None, print_blob=True)
if os.environ.get("QMTL_LAWS"):
    settings.load_profile(os.environ["QMTL_LAWS"])
