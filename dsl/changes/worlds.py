"""Two compiled worlds -> what changed between them, in domain words.

In: two `Compiled`s of the same name without errors. Out: `Change`s, none exactly when the two program ids are equal.
Settings, chains and guards go through the generic walk of `values.py`; the allowlist and the parameters are compared as
they take effect (pairs, values per symbol), because the text may say the same in several ways.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ..compileworld import Compiled
from ..model import AllowRow, World
from ..schema import load_schema
from ..source import Span
from ..syntax import Param
from ..units import spell_duration, spell_ratio
from .change import Change
from .definitions import definition_changes
from .side import Spell
from .values import Walk, compare

DEFAULT: Final = "default"
#: parts of a world that are compared as they take effect instead of field by field
_EFFECTIVE: Final = frozenset({"allowlist", "parameters", "settings"})
_FEW: Final = 6


@dataclass(frozen=True, slots=True)
class Pair:
    """A world before and after, with how places of either side are spelled."""

    before: Compiled
    after: Compiled
    spell: tuple[Spell, Spell]

    @property
    def worlds(self) -> tuple[World, World]:
        """Both meanings; only worlds without errors are compared."""
        assert self.before.world is not None
        assert self.after.world is not None
        return self.before.world, self.after.world

    def where(self, side: int) -> Callable[[str], str]:
        """Places of dotted paths on one side."""
        compiled = self.after if side else self.before
        return lambda path: _place(compiled, path, self.spell[side])

    def symbols(self) -> tuple[str, ...]:
        """Symbols that both universes have, in the new order."""
        before, after = (world.settings.universe for world in self.worlds)
        known = frozenset(before)
        return tuple(symbol for symbol in after if symbol in known)

    def strategies(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Strategies that the chains name, on both sides."""
        before, after = (dict.fromkeys(s for chain in world.chains for s in chain.used) for world in self.worlds)
        return tuple(before), tuple(after)


def world_changes(pair: Pair) -> tuple[Change, ...]:
    """All that changed in a world."""
    programs = pair.before.program, pair.after.program
    assert programs[0] is not None
    assert programs[1] is not None
    if programs[0].program_id == programs[1].program_id:
        return ()
    walk = Walk(pair.where(0), pair.where(1), _schema())
    found = [
        *compare("", programs[0].settings, programs[1].settings, walk),
        *_parts(pair, walk),
        *_allowed(pair),
        *_parameters(pair),
        *definition_changes(pair.before, pair.after, pair.spell),
    ]
    if not found:  # cannot happen as far as we know; if it does, it must not look like no change
        places = walk.before("world"), walk.after("world")
        found.append(
            Change("graph", "changed", "compiled graph", programs[0].program_id, programs[1].program_id, *places)
        )
    return tuple(dict.fromkeys(found))


def _schema() -> Mapping[str, object]:
    """The schema of a world, with that of the exchange in the place of its name."""
    world = dict(load_schema("world"))
    return world | {"properties": {**world["properties"], "exchange": load_schema("exchange")}}


def _parts(pair: Pair, walk: Walk) -> Iterator[Change]:
    """Chains, guards, and whatever else a world gets beside its settings."""
    before, after = pair.worlds
    for name in (n for n in World.__slots__ if n not in _EFFECTIVE and n != "description"):
        yield from compare(name, getattr(before, name), getattr(after, name), walk.inside(name))


def _place(compiled: Compiled, path: str, spell: Spell) -> str:
    """`file:line` of a path, or of the nearest part around it that the text says; `default` where it says nothing."""
    origins = compiled.origins
    derived = path.removesuffix(".stay")
    for candidate in (path, f"{derived}.stay_when" if derived != path else path):
        if candidate in origins:
            return spell(origins[candidate])
    if derived != path:
        span = origins.get("hysteresis") or origins.get(f"{derived}.when")
        return spell(span) if span else DEFAULT
    steps = path.split(".")
    for cut in range(len(steps), 0, -1):
        base = ".".join(steps[:cut])
        span = origins.get(base) or (origins.get(f"{base}.name") if cut > 1 else None)
        if span is not None:
            return spell(span)
    if steps[0] in ("universe", "chains", "entry_guards", "world"):
        span = _first(origins, steps[0])
        return spell(span) if span else compiled.file
    return DEFAULT


def _first(origins: Mapping[str, Span], head: str) -> Span | None:
    """The first place in the text that says something of a part."""
    spans = (span for path, span in origins.items() if path.split(".")[0] == head)
    return min(spans, key=lambda span: span.start, default=None)


# ---- the allowlist


def _allowed(pair: Pair) -> Iterator[Change]:
    before, after = (world.allowlist for world in pair.worlds)
    where = pair.where(0), pair.where(1)
    if before is None or after is None:
        if before is not after:
            old, new = (_all(rows) for rows in (before, after))
            yield Change("allowlist", "changed", "allowlist", old, new, where[0]("allowlist"), where[1]("allowlist"))
        return
    used = pair.strategies()
    universes = tuple(frozenset(world.settings.universe) for world in pair.worlds)
    sides = {(r.symbol, r.strategy): r for r in before}, {(r.symbol, r.strategy): r for r in after}
    for symbol, strategy in dict.fromkeys((*sides[0], *sides[1])):
        known = [symbol in universes[side] and strategy in used[side] for side in (0, 1)]
        if not known[1]:
            continue  # the universe or the chains say so already
        rows = (sides[0].get((symbol, strategy)) if known[0] else None, sides[1].get((symbol, strategy)))
        yield from _row(rows, (symbol, strategy), where)


def _all(rows: tuple[AllowRow, ...] | None) -> str:
    return "all" if rows is None else f"{sum(row.enabled for row in rows)} pairs"


def _row(
    rows: tuple[AllowRow | None, AllowRow | None],
    pair: tuple[str, str],
    where: tuple[Callable[[str], str], Callable[[str], str]],
) -> Iterator[Change]:
    """One pair: a row that is off means as much as none."""
    old, new = rows
    path, what = f"allowlist.{'.'.join(pair)}", f"allowlist {pair[0]}"
    if old and new and old.enabled and new.enabled:
        if old.until != new.until:
            before, after = (f"{pair[1]} {_state(row) or 'without an end'}" for row in (old, new))
            yield Change(f"{path}.until", "changed", what, before, after, where[0](path), where[1](path))
    elif old and old.enabled:
        if new:
            yield Change(path, "changed", what, f"{pair[1]} enabled", "disabled", where[0](path), where[1](path))
        else:
            yield Change(path, "removed", what, f"{pair[1]} {_state(old)}".strip(), "", where[0](path))
    elif new and new.enabled:
        text = f"{pair[1]} {_state(new)}".strip()
        if old:
            yield Change(path, "changed", what, f"{pair[1]} disabled", "enabled", where[0](path), where[1](path))
        else:
            yield Change(path, "added", what, "", text, "", where[1](path))


def _state(row: AllowRow) -> str:
    return f"until {row.until}" if row.until else ""


# ---- parameters


def _parameters(pair: Pair) -> Iterator[Change]:
    """Effective values: symbols whose value moved alike, from and to the same places, share a change."""
    names = pair.strategies()
    symbols = pair.symbols()
    values = tuple(effective_values(world) for world in pair.worlds)
    for strategy in (name for name in names[1] if name in names[0]):
        before, after = (_declared(compiled, strategy) for compiled in (pair.before, pair.after))
        for name in (n for n in after if n in before):
            groups: dict[tuple[float, float, str, str], list[str]] = {}
            for symbol in symbols:
                old, new = (side[strategy, symbol][name] for side in values)
                if old != new:
                    places = (
                        _said(pair, 0, (strategy, symbol), before[name]),
                        _said(pair, 1, (strategy, symbol), after[name]),
                    )
                    groups.setdefault((old, new, *places), []).append(symbol)
            for (old, new, old_at, new_at), shared in groups.items():
                of = names_of(shared, len(pair.worlds[1].settings.universe))
                path, texts = f"parameters.{strategy}.{name}", (_spelled(old, before[name]), _spelled(new, after[name]))
                yield Change(path, "changed", f"{strategy}.{name} of {of}", *texts, old_at, new_at)


def names_of(symbols: Iterable[str], everyone: int) -> str:
    """`all symbols`, or the first few of them."""
    listed = tuple(symbols)
    if len(listed) == everyone > 1:
        return "all symbols"
    more = f" and {len(listed) - _FEW} more" if len(listed) > _FEW else ""
    return ", ".join(listed[:_FEW]) + more


def effective_values(world: World) -> dict[tuple[str, str], dict[str, float]]:
    """Parameters by (strategy, symbol)."""
    return {(p.strategy, symbol): dict(p.values) for p in world.parameters for symbol in p.symbols}


def _declared(compiled: Compiled, strategy: str) -> dict[str, Param]:
    assert compiled.library is not None
    return {param.name.name: param for param in compiled.library.definitions[strategy].params}


def _said(pair: Pair, side: int, of: tuple[str, str], param: Param) -> str:
    strategy, symbol = of
    origins = (pair.after if side else pair.before).origins
    base = f"parameters.{strategy}"
    for path in (f"{base}.by_symbol.{symbol}.{param.name.name}", f"{base}.default.{param.name.name}"):
        if path in origins:
            return pair.spell[side](origins[path])
    return pair.spell[side](param.span)


def _spelled(value: float, param: Param) -> str:
    if param.type.name == "ratio":
        return spell_ratio(value)
    return spell_duration(value) if param.type.name == "duration" else f"{value:g}"
