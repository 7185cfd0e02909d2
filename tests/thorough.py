"""How many examples a costly law draws.

In: the number for a long look. Out: that number when QMTL_LAWS is set (`full` or `long`, see tests/laws/conftest.py), else a part of
it that keeps `make test` short.
"""

from __future__ import annotations

import os

#: what a law draws at least, unless a long look is shorter
LEAST = 25


def often(most: int) -> int:
    """`most`, or two fifths of it in a usual run."""
    return most if os.environ.get("QMTL_LAWS") else max(min(most, LEAST), most * 2 // 5)
