"""What is allowed to be written but cannot be meant: the semantic checks, one file each, run from one tuple.

In: a `Subject`, a world without errors. Out: warnings (and reserved names, which are errors). The name of a file is the name of its check; its code and page stand
in the first line. Nothing is said that is not certain: where a proof would take too long, nothing is said at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from ..diagnostics import Diagnostic
from .always_same import always_same
from .dead_rows import dead_rows
from .idle_caps import idle_caps
from .never_holds import never_holds
from .nobody_allows import nobody_allows
from .reserved import reserved
from .shadowed import shadowed
from .staying import staying
from .style import style
from .subject import Stage, Subject, stages

__all__ = ["CHECKS", "Check", "Subject", "check_world"]

Check = Callable[[Subject, tuple[Stage, ...]], Iterable[Diagnostic]]

CHECKS: Final[tuple[Check, ...]] = (
    never_holds,
    shadowed,
    always_same,
    staying,
    style,
    nobody_allows,
    dead_rows,
    idle_caps,
    reserved,
)


def check_world(subject: Subject) -> tuple[Diagnostic, ...]:
    """Everything that the checks find in a world."""
    surveyed = stages(subject)
    return tuple(found for check in CHECKS for found in check(subject, surveyed))
