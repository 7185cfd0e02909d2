"""What an edit does to positions that are held while it comes in force: the position policy, asked in advance.

In: two compiled worlds, the day. Out: `Effect`s, computed from the generations and allowlists of the two programs by the
rules of the engine (engine/stages/policy.py, select.py and the hot reload), never guessed from the text:

1. refused                       the symbol leaves the universe
2. unwind_only/disabled_symbol   no row of any strategy of the chains enables it that day
3. legacy_hold/pre_cutover_position   the generation of its owner is another one, or its owner is gone
4. legacy_hold/owner_mismatch    the owner may not speak any more and somebody else does
5. exit_only                     the owner may not speak any more and nobody else can

A position is one that a strategy opened under the program before, on a pair that was enabled; what the policy had set
aside already stays so and is not mentioned. Tests ask `decide` itself whether these labels are true.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ..program import ChainPlan, Program
from .change import Effect
from .worlds import Pair, effective_values

REFUSED: Final = "refused"
UNWIND: Final = "unwind_only/disabled_symbol"
PRE_CUTOVER: Final = "legacy_hold/pre_cutover_position"
MISMATCH: Final = "legacy_hold/owner_mismatch"
EXIT_ONLY: Final = "exit_only"
#: owner of positions that `select.method: weighted` opened
MIX: Final = "@mix"


@dataclass(frozen=True, slots=True)
class Rules:
    """A program as far as the position policy reads it. `day` is today (ISO); symbols and strategies by name, `own` has
    the strategies of chains that give a symbol others than they say in general."""

    program: Program
    day: str
    universe: Mapping[str, int]
    strategies: Mapping[str, int]
    own: Mapping[tuple[str, int], tuple[int, ...]]

    @property
    def weighted(self) -> bool:
        """Whether positions belong to the mix."""
        return self.program.settings.select.method == "weighted"

    def open(self, row: int, column: int) -> bool:
        """Whether a pair is enabled; the day of `until` is the last one."""
        until = self.program.allowed_until[row][column]
        return self.program.allowed[row][column] and (not until or until >= self.day)

    def named(self, chain: ChainPlan, column: int) -> tuple[int, ...]:
        """The strategies that a chain gives a symbol."""
        return self.own.get((chain.name, column), chain.strategies)

    def tradable(self, column: int) -> frozenset[int]:
        """The strategies that may trade the symbol in any chain."""
        rows = {row for chain in self.program.chains for row in self.named(chain, column)}
        return frozenset(row for row in rows if self.open(row, column))

    def mixed(self, column: int) -> tuple[tuple[str, str], ...]:
        """What the generation of the mix is made of: the strategies that are enabled, with their own generations."""
        plans = zip(self.program.strategies, self.program.generations, self.program.allowed, strict=True)
        return tuple(sorted((plan.name, texts[column]) for plan, texts, allowed in plans if allowed[column]))


def rules_of(program: Program, day: str) -> Rules:
    """The rules of a program on a day."""
    universe = {symbol: column for column, symbol in enumerate(program.settings.universe)}
    strategies = {plan.name: row for row, plan in enumerate(program.strategies)}
    own = {(chain.name, other.column): other.strategies for chain in program.chains for other in chain.overrides}
    return Rules(program, day, universe, strategies, own)


def position_effects(pair: Pair, day: str) -> tuple[Effect, ...]:
    """What happens to the positions of a world, alike ones together."""
    assert pair.before.program is not None
    assert pair.after.program is not None
    before, after = rules_of(pair.before.program, day), rules_of(pair.after.program, day)
    if before.program.program_id == after.program.program_id:
        return ()
    groups: dict[tuple[str, str, str, str], list[str]] = {}
    for symbol, effect in _every(pair, before, after):
        groups.setdefault(effect, []).append(symbol)
    return tuple(
        Effect(tuple(symbols), owner, label, because, when) for (label, owner, because, when), symbols in groups.items()
    )


#: (label, owner, because, when)
_Fate = tuple[str, str, str, str]
_Values = dict[tuple[str, str], dict[str, float]]


def _every(pair: Pair, before: Rules, after: Rules) -> Iterator[tuple[str, _Fate]]:
    worlds = pair.worlds
    causes = _Causes(before, after, (effective_values(worlds[0]), effective_values(worlds[1])))
    columns, owners = after.universe, _owners(before)
    for symbol, column in before.universe.items():
        tradable = before.tradable(column)
        held = [owner for owner, row in owners.items() if row is None or row in tradable]
        if not tradable or not held:
            continue
        if symbol not in columns:
            yield symbol, (REFUSED, "", "it leaves the universe", "")
        elif not after.tradable(columns[symbol]):
            yield symbol, (UNWIND, "", "no row enables it in any chain", "")
        elif _cutover(before) != _cutover(after):
            yield symbol, (PRE_CUTOVER, "", "the cutover label changed", "")
        else:
            for owner in held:
                yield from ((symbol, fate) for fate in _owned(causes, owner, symbol))
            yield from ((symbol, fate) for fate in _ending(before, after, (column, columns[symbol])))


def _cutover(rules: Rules) -> str:
    return rules.program.settings.position_policy.cutover


def _owners(before: Rules) -> dict[str, int | None]:
    """Who can own positions of a program: its strategies, or the mix of them."""
    return {MIX: None} if before.weighted else dict(before.strategies)


def _ending(before: Rules, after: Rules, columns: tuple[int, int]) -> Iterator[_Fate]:
    """A last day that is new: from the day after on nothing enables the symbol."""
    old, new = _last_day(before, columns[0]), _last_day(after, columns[1])
    if new and new != old:
        yield UNWIND, "", "no row enables it any more", f"after {new}"


def _last_day(rules: Rules, column: int) -> str:
    """The last day on which any row enables the symbol; "" when one of them has no end."""
    days = [rules.program.allowed_until[row][column] for row in rules.tradable(column)]
    return "" if not days or "" in days else max(days)


@dataclass(frozen=True, slots=True)
class _Causes:
    """Both sides, and why a generation is another one."""

    before: Rules
    after: Rules
    values: tuple[_Values, _Values]

    def of(self, owner: str, symbol: str) -> str:
        """Why the generation of this owner changed for a symbol, in the order in which people ask."""
        old, new = self.before, self.after
        if owner == MIX:
            return "the strategies it is mixed of changed"
        if owner not in new.strategies:
            return "no chain uses it any more"
        places = [(r.strategies[owner], r.universe[symbol]) for r in (old, new)]
        allowed = [r.program.allowed[row][column] for r, (row, column) in zip((old, new), places, strict=True)]
        if allowed[0] != allowed[1]:
            return "its allowlist row is gone or off"
        until = [r.program.allowed_until[row][column] for r, (row, column) in zip((old, new), places, strict=True)]
        if until[0] != until[1]:
            return "the last day of its allowlist row changed"
        values, others = (side.get((owner, symbol), {}) for side in self.values)
        if any(others.get(name, value) != value for name, value in values.items()):
            return "its parameters changed"
        return "its definition, or a feature it reads, changed"


def _owned(causes: _Causes, owner: str, symbol: str) -> Iterator[_Fate]:
    """What happens to a position of one owner in a symbol that stays enabled."""
    before, after = causes.before, causes.after
    old, new = before.universe[symbol], after.universe[symbol]
    if owner == MIX:
        same = before.mixed(old) == after.mixed(new)
    else:
        row = after.strategies.get(owner)
        same = (
            row is not None
            and before.program.generations[before.strategies[owner]][old] == after.program.generations[row][new]
        )
    if not same:
        yield PRE_CUTOVER, owner, causes.of(owner, symbol), ""
    elif after.weighted:
        return
    elif owner == MIX:
        yield MISMATCH, owner, "one strategy is selected now", ""
    else:
        yield from _left_out(causes, owner, symbol)


def _left_out(causes: _Causes, owner: str, symbol: str) -> Iterator[_Fate]:
    """Chains that named the owner and no longer do: while the symbol is in one, others speak for it, or nobody."""
    before, after = causes.before, causes.after
    rows = before.strategies[owner], after.strategies[owner]
    column = before.universe[symbol]
    former = {chain.name for chain in before.program.chains if rows[0] in before.named(chain, column)}
    for chain in after.program.chains:
        now = after.named(chain, after.universe[symbol])
        if rows[1] in now or chain.name not in former:
            continue
        others = any(after.open(row, after.universe[symbol]) for row in now)
        label = MISMATCH if others else EXIT_ONLY
        because = "it no longer belongs to the chain" + ("" if others else ", and no other strategy there may trade")
        yield label, owner, because, f"in chain {chain.name}"
