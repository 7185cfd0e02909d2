"""What an edit changed, as values: the one language between comparing and describing.

In: built by `compare.py` and its neighbours. Out: `describe.py` prints them, `--format json` hands them on. A place is
`file:line`, `default` where the text says nothing, or "" where that side does not have the thing at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Sign = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that means something else now. `path` is its dotted path among the effective values (stable, for
    programs), `what` names it for people; `before` and `after` are texts as one would write them."""

    path: str
    sign: Sign
    what: str
    before: str = ""
    after: str = ""
    before_at: str = ""
    after_at: str = ""


@dataclass(frozen=True, slots=True)
class Effect:
    """What happens to a position that is held while the edit comes in force.

    `owner` is the strategy that holds it, "" for whichever; `label` is the position policy's own text, or `refused`
    (the edit is not taken while the position is there) or `exit_only`; `when` limits it: a chain, or a day."""

    symbols: tuple[str, ...]
    owner: str
    label: str
    because: str
    when: str = ""


@dataclass(frozen=True, slots=True)
class Consequence:
    """What a changed setting does to all that is held, in one sentence; `path` is the setting."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Difference:
    """All changes of one document, and what they do to positions."""

    kind: str
    name: str
    changes: tuple[Change, ...]
    effects: tuple[Effect, ...] = ()
    everyone: int = 0
    consequences: tuple[Consequence, ...] = ()
