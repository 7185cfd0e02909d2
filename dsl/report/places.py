"""Where a diagnostic points, in the numbers that editors and programs use.

In: spans. Out: 1-based lines and columns; columns count characters (Unicode code points), the end is exclusive.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..source import Span


@dataclass(frozen=True, slots=True)
class Region:
    """A range of a file: 1-based, `end_column` is the first column that does not belong to it."""

    line: int
    column: int
    end_line: int
    end_column: int


def region(span: Span) -> Region:
    """The range that a span covers."""
    return Region(*span.source.position(span.start), *span.source.position(span.end))
