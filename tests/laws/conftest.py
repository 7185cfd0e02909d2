"""Profiles of the laws: how long to look.

`pytest tests/laws` takes the default profile, about a minute. `pytest tests/laws --hypothesis-profile=full` looks at twice as many
examples, `=long` at twenty times as many; QMTL_LAWS=long in the environment does it for a run of all tests, too.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("full", max_examples=200, deadline=None, print_blob=True)
settings.register_profile("long", max_examples=2000, deadline=None, print_blob=True)
if os.environ.get("QMTL_LAWS"):
    settings.load_profile(os.environ["QMTL_LAWS"])
