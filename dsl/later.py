"""Fields that came after version 1 of the Program.

In: nothing. Out: the metadata that marks such a field. It stands apart because every part of the model uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

#: metadata of a field that came after version 1 of the Program: it is left out of the canonical JSON while it has its
#: default, so that ids of programs and the bytes of old journals stay what they are
AFTER_V1: Final[Mapping[str, bool]] = MappingProxyType({"after_v1": True})
