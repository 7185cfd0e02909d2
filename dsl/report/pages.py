"""The pages of the diagnostic codes: docs/codes/Qxxxx.md, which ship with the package.

In: a code. Out: its page as Markdown text, read when somebody asks. Printed by `qmtl explain` and carried by SARIF, so
that all readers see one text.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Final

#: block of codes -> what its codes are about, in the order of the table in diagnostics.py
GROUPS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Q01": "Files and YAML",
        "Q02": "Keys and values",
        "Q03": "Syntax of `.qmtl` and of conditions",
        "Q04": "Types, units and rates",
        "Q05": "Names",
        "Q06": "What a world means",
        "Q07": "Deployments",
        "Q08": "Plans, models and cases",
    }
)


def page(code: str) -> str:
    """The page of a code as Markdown; its first line is `# CODE: what it stands for`."""
    return files("qmtl.codes").joinpath(f"{code}.md").read_text(encoding="utf-8")
