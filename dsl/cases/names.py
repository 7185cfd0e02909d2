"""Names in cases: which symbols, strategies and chains the world under test has, and what `all` stands for.

In: the world (None when it has mistakes of its own: then no name is called unknown) and a map by symbol. Out: pairs of
symbol and value. A name nobody knows is noted once, with a suggestion.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from ..model import World
from ..section import Findings
from ..source import Span
from ..tree import Entry, Map, Node, Scalar

#: stands for every symbol that a map does not name
ALL: Final = "all"


@dataclass(frozen=True, slots=True)
class Names:
    """What may be named. `present` are the symbols that a case gives bars; `barless` says that it names none at all (bars
    with mistakes have been named)."""

    world: World | None
    found: Findings
    present: tuple[str, ...] = ()
    barless: bool = False

    @property
    def universe(self) -> tuple[str, ...]:
        """Symbols of the world."""
        return self.world.settings.universe if self.world else ()

    @property
    def strategies(self) -> tuple[str, ...]:
        """Strategies that the chains of the world name."""
        if self.world is None:
            return ()
        return tuple(dict.fromkeys(name for chain in self.world.chains for name in chain.used))

    @property
    def chains(self) -> tuple[str, ...]:
        """Chains of the world."""
        return tuple(chain.name for chain in self.world.chains) if self.world else ()

    @property
    def guards(self) -> tuple[str, ...]:
        """Entry guards of the world."""
        return tuple(guard.settings.name for guard in self.world.entry_guards) if self.world else ()

    def with_bars(self, symbols: tuple[str, ...], bars: Node | None) -> Names:
        """The same for a case that gives these symbols bars, by this map."""
        return replace(self, present=symbols, barless=not (isinstance(bars, Map) and bars.entries))

    def symbol(self, name: str, span: Span) -> bool:
        """Whether the world has this symbol; noted when not."""
        return self._known("Q0505", "symbol", name, (span, self.universe))

    def strategy(self, name: str, span: Span) -> bool:
        """Whether a chain of the world names this strategy; noted when not."""
        return self._known("Q0503", "strategy", name, (span, self.strategies))

    def chain(self, name: str, span: Span) -> bool:
        """Whether the world has this chain; noted when not."""
        return self._known("Q0501", "chain", name, (span, self.chains))

    def guard(self, name: str, span: Span) -> bool:
        """Whether the world has this entry guard; noted when not."""
        return self._known("Q0501", "entry guard", name, (span, self.guards))

    def _known(self, code: str, noun: str, name: str, where: tuple[Span, tuple[str, ...]]) -> bool:
        span, names = where
        if self.world is None or name in names:
            return True
        self.found.unknown(code, noun, name, span)
        return False

    def candidates(self) -> Mapping[str, list[str]]:
        """Known names by noun, for suggestions."""
        return {
            "symbol": [*self.universe, ALL],
            "strategy": list(self.strategies),
            "chain": list(self.chains),
            "entry guard": list(self.guards),
        }


def by_symbol(node: Node | None, names: Names) -> Iterator[tuple[str, Entry]]:
    """(symbol, entry) of a map by symbol, `all` spread over the symbols with bars that the map does not name."""
    entries = node.entries if isinstance(node, Map) else ()
    named = {entry.key for entry in entries}
    for entry in entries:
        if entry.key == ALL:
            yield from ((symbol, entry) for symbol in names.present if symbol not in named)
        elif names.symbol(entry.key, entry.key_span):
            yield entry.key, entry


def place_of(entry: Entry) -> Span:
    """Where people look for an entry: its value when that stands on one place, else its key."""
    return entry.value.span if isinstance(entry.value, Scalar) else entry.key_span
