"""The reference pages: `python -m qmtl.dsl.reference docs/reference` writes fields.md and functions.md.

In: a folder. Out: the pages, from the schemas and the table of builtins; a test fails when those that are committed differ.
Stands in `dsl` because everything that it tells is decided here.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from .check import Checks
from .fieldtable import field_reference
from .functiontable import function_reference
from .infer import Scope, infer
from .library import Library
from .parser import parse_predicate
from .schema import KINDS, load_schema
from .source import Source, Span
from .tree import Scalar

_RATES: Final = {"": "constant", "1d": "daily series", "15m": "15m series", "60m": "60m series"}


def pages() -> Mapping[str, str]:
    """File name -> text of every page that is made here."""
    return {
        "fields.md": field_reference({kind: load_schema(kind) for kind in KINDS}),
        "functions.md": function_reference(typed),
    }


def typed(text: str) -> str:
    """The type of an expression in words, with rate and reach. Raises `ValueError` when it does not compile."""
    source = Source("example", text)
    expr, problems = parse_predicate(Scalar(text, Span(source, 0, len(text))))
    if expr is None:
        raise ValueError(f"{text}: {problems[0].message}")
    scope = Scope({}, Checks(Library()).feature, (), regime=True)
    kind = infer(scope, expr)
    if scope.problems:
        raise ValueError(f"{text}: {scope.problems[0].message}")
    if kind.constant:
        return f"constant {kind.name}"
    return f"{kind.name}, {_RATES[kind.rate]}{' for all symbols' if kind.market else ''}"


def main(folder: Path) -> None:
    """Writes the pages."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
