"""The JSON Schemas (draft-07) of every document that can be written, for `qmtl validate` and for editors.

In: nothing. Out: the file names by kind; each file stands beside this one. In YAML, the first line of a document names its
schema: `# yaml-language-server: $schema=../schemas/world.v1.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

#: kind of document -> file name of its schema
SCHEMAS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "world": "world.v1.json",
        "deployment": "deployment.v1.json",
        "exchange": "exchange.v1.json",
        "allowlist": "allowlist.v1.json",
        "plan": "plan.v1.json",
        "model": "model.v1.json",
        "case": "case.v1.json",
    }
)
