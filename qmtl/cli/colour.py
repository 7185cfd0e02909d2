"""Whether output is coloured: on a terminal, unless the user asked for none (https://no-color.org)."""

from __future__ import annotations

import os
from typing import TextIO


def coloured(stream: TextIO) -> bool:
    """True where colours are seen and wanted."""
    return stream.isatty() and not os.environ.get("NO_COLOR")
