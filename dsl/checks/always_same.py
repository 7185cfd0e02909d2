"""Q0618: a condition, or a comparison in one, that is the same in every market.

Chains that never hold are Q0608's. `true` and `false` written as words are meant, in a guard as in a part of a condition;
a chain that is always true hides every chain behind it, however it is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from ..builtins import REGIME
from ..diagnostics import Diagnostic, Label, problem
from ..model import EntryGuard
from ..syntax import Binary, Expr, Name, Number
from ..uses import names_in, walk
from .samples import tried, why
from .subject import Stage, Subject

_COMPARISONS: Final = frozenset({">", ">=", "<", "<=", "==", "!="})
_BLOCKS: Final = {"long_entries": "long entries", "short_entries": "short entries", "entries": "entries"}


def always_same(subject: Subject, stages: tuple[Stage, ...]) -> Iterator[Diagnostic]:
    """Chains that always hold, guards that always or never block, and comparisons that decide nothing."""
    for stage, behind in pairwise(stages):  # the last chain has no condition
        if stage.fate == "always":
            yield _chain(stage, behind)
        elif not stage.fate and stage.chain.when is not None:
            yield from _parts(stage.chain.when)
    for guard in subject.world.entry_guards:
        if not isinstance(guard.when, Name):
            found = _guard(guard)
            yield from (found,) if found else _parts(guard.when)


def _chain(stage: Stage, behind: Stage) -> Diagnostic:
    message = f"the condition of the chain `{stage.chain.name}` is always true, so no chain behind it ever holds"
    help_text = "make it the last chain, with `otherwise: true`; or change the thresholds"
    labels = (Label(behind.place, f"`{behind.chain.name}` is never reached"),)
    return problem("Q0618", message, stage.place, label="true in every market", labels=labels, help=help_text)


def _guard(guard: EntryGuard) -> Diagnostic | None:
    settings, same = guard.settings, _same(guard.when)
    if same is None:
        return None
    what, missing = _BLOCKS[settings.block], settings.on_missing
    blocks_unknown = bool(names_in([guard.when])) and (missing == "block" or (missing == "value" and settings.value))
    if same:
        message = f"the guard `{settings.name}` always blocks {what}"
        help_text = "if that is meant, say `when: true`"
    else:
        unless = ", except while what it reads is missing" if blocks_unknown else ""
        message = f"the guard `{settings.name}` never blocks {what}{unless}"
        help_text = f"{_known(guard.when)}change the thresholds, or leave the guard out"
    return problem("Q0618", message, guard.when.span, label=_label(same=same), help=help_text)


def _parts(expr: Expr) -> Iterator[Diagnostic]:
    for part in walk(expr):
        compared = isinstance(part, Binary) and part.op in _COMPARISONS and not _plain(part)
        same = _same(part) if compared else None
        if same is not None:
            message = f"this comparison is always {'true' if same else 'false'}, so it decides nothing"
            help_text = f"{'' if same else _known(part)}change the threshold, or leave the comparison out"
            yield problem("Q0618", message, part.span, label=_label(same=same), help=help_text)


def _known(expr: Expr) -> str:
    """What a person has to know about the values in a condition that is never true."""
    known = why(tried(expr, guard=True).formula)
    return f"{known}: " if known else ""


def _label(*, same: bool) -> str:
    return "true in every market" if same else "no market fulfils this"


def _same(expr: Expr) -> bool | None:
    """True for a condition that is never false, False for one that is never true."""
    if tried(expr, guard=True).never:
        return False
    return True if tried(expr, value=False, guard=True).never else None


def _plain(expr: Binary) -> bool:
    """A probability against a threshold between 0 and 1, which is never the same everywhere: nearly all comparisons."""
    left, right = expr.left, expr.right
    return isinstance(left, Name) and left.name in REGIME and isinstance(right, Number) and 0 < right.value < 1
