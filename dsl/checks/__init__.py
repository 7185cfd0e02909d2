"""What is allowed to be written but cannot be meant: the semantic checks, one file each, run from one tuple.

In: a `Subject`, a world without errors, or a definition without mistakes. Out: warnings (and reserved names, and settings under which nothing
trades, which are errors). The name of a file is the name of its check; its code and page stand
in the first line. Nothing is said that is not certain: where a proof would take too long, nothing is said at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from ..diagnostics import Diagnostic
from ..syntax import Definition
from .always_same import always_same
from .dead_pairs import dead_pairs
from .dead_rows import dead_rows
from .idle_caps import idle_caps
from .idle_hysteresis import idle_hysteresis
from .lone_sector import lone_sector
from .loss_limits import loss_limits
from .never_holds import never_holds
from .nobody_allows import nobody_allows
from .nothing_trades import nothing_trades
from .order_limits import order_limits
from .reserved import reserved
from .rules import dead_rules
from .shadowed import shadowed
from .sizes import slipped
from .staying import staying
from .style import style
from .subject import Stage, Subject, stages
from .unread import unread

__all__ = ["CHECKS", "DEFINITION_CHECKS", "Check", "Subject", "check_definition", "check_world"]

Check = Callable[[Subject, tuple[Stage, ...]], Iterable[Diagnostic]]

CHECKS: Final[tuple[Check, ...]] = (
    never_holds,
    shadowed,
    always_same,
    staying,
    style,
    nobody_allows,
    dead_rows,
    dead_pairs,
    idle_hysteresis,
    nothing_trades,
    loss_limits,
    idle_caps,
    lone_sector,
    order_limits,
    reserved,
)

#: what is asked of a strategy, a regime or a feature by itself
DEFINITION_CHECKS: Final[tuple[Callable[[Definition], Iterable[Diagnostic]], ...]] = (dead_rules, slipped, unread)


def check_definition(definition: Definition) -> tuple[Diagnostic, ...]:
    """Everything that the checks find in a definition that has no mistakes."""
    return tuple(found for check in DEFINITION_CHECKS for found in check(definition))


def check_world(subject: Subject) -> tuple[Diagnostic, ...]:
    """Everything that the checks find in a world."""
    surveyed = stages(subject)
    return tuple(found for check in CHECKS for found in check(subject, surveyed))
