"""A cursor on a map of the tree: values with defaults, units removed, places remembered.

In: a `Map` and the place to report to. Out: plain values. A value of the wrong shape counts as absent here, because the
schema check has already said so; readers never report the same value twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

from .diagnostics import Diagnostic, Label, problem
from .similar import did_you_mean
from .source import Span
from .tree import Entry, Map, Node, Scalar, Seq

T = TypeVar("T")
#: unknown names of one document that are listed one by one
_MANY: Final = 200
#: a value in base units, or None when it is not of that type
Convert = Callable[[object], Any]


@dataclass(slots=True)
class Findings:
    """What a reader learns beside the values: where each came from, what is wrong, and which files were read."""

    origins: dict[str, Span] = field(default_factory=dict)
    problems: list[Diagnostic] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    _unknown: dict[tuple[str, str], tuple[str, list[Span]]] = field(default_factory=dict)

    def unknown(self, code: str, noun: str, name: str, span: Span) -> None:
        """Notes a name that nobody knows; the same name is one mistake however often it stands."""
        self._unknown.setdefault((code, name), (noun, []))[1].append(span)

    def unknown_names(self, known: Mapping[str, list[str]], nowhere: Callable[[], str] = str) -> Iterator[Diagnostic]:
        """One diagnostic per unknown name; `known` has the candidates for a suggestion by noun, `nowhere` is the way out for a
        strategy that is like none."""
        for (code, name), (noun, spans) in islice(self._unknown.items(), _MANY):
            more = tuple(Label(span, "also here") for span in spans[1:4])
            help_text = did_you_mean(name, known.get(noun, [])) or (nowhere() if code == "Q0503" else "")
            yield problem(code, f"unknown {noun} `{name}`", spans[0], labels=more, help=help_text)


@dataclass(frozen=True, slots=True)
class Section:
    """A map at a dotted path of the document."""

    node: Map
    path: str
    found: Findings

    def at(self, key: str) -> str:
        """Dotted path of a key."""
        return f"{self.path}.{key}" if self.path else key

    def scalar(self, key: str) -> Scalar | None:
        """The scalar of a key, its place noted as the origin."""
        node = self.node.get(key)
        if not isinstance(node, Scalar):
            return None
        self.found.origins[self.at(key)] = node.span
        return node

    def value(self, key: str, convert: Convert, default: T) -> T:
        """The converted value of a key, or the default when it is absent or of another type."""
        scalar = self.scalar(key)
        value = None if scalar is None else convert(scalar.value)
        return default if value is None else value

    def section(self, key: str) -> Section:
        """The map of a key; an empty one when it is absent."""
        node = self.node.get(key)
        return Section(node if isinstance(node, Map) else Map((), self.node.span), self.at(key), self.found)

    def child(self, entry: Entry) -> Section:
        """The map of an entry of this map (found already, so that large maps are not searched again)."""
        assert isinstance(entry.value, Map)
        return Section(entry.value, self.at(entry.key), self.found)

    def scalars(self, key: str) -> tuple[Scalar, ...]:
        """The scalars of a list, its place noted as the origin."""
        node = self.node.get(key)
        if not isinstance(node, Seq):
            return ()
        self.found.origins[self.at(key)] = node.span
        return tuple(item for item in node.items if isinstance(item, Scalar))

    def words(self, key: str) -> tuple[Scalar, ...]:
        """The text items of a list."""
        return tuple(item for item in self.scalars(key) if isinstance(item.value, str))

    def sections(self, key: str) -> tuple[Section, ...]:
        """The maps of a list; each is called after its `name`, or its index."""
        node = self.node.get(key)
        items = node.items if isinstance(node, Seq) else ()
        return tuple(
            Section(item, self.at(f"{key}.{_called(item, i)}"), self.found)
            for i, item in enumerate(items)
            if isinstance(item, Map)
        )

    def fill(self, default: T, converts: Mapping[str, Convert]) -> T:
        """A frozen dataclass with the fields that this map sets replaced."""
        values = {key: self.value(key, convert, None) for key, convert in converts.items() if self.node.entry(key)}
        return replace(default, **{key: value for key, value in values.items() if value is not None})  # type: ignore[type-var]


def _called(node: Node, index: int) -> str:
    name = node.get("name") if isinstance(node, Map) else None
    return name.value if isinstance(name, Scalar) and isinstance(name.value, str) else str(index)


def word(value: object) -> str | None:
    """Text."""
    return value if isinstance(value, str) else None


def flag(value: object) -> bool | None:
    """A boolean."""
    return value if isinstance(value, bool) else None


def whole(value: object) -> int | None:
    """A whole number; booleans are none."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def number(value: object) -> float | None:
    """A number; booleans are none."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def decimal(value: object) -> Decimal | None:
    """A number as it is written, without the rounding of binary fractions."""
    return Decimal(str(value)) if isinstance(value, int | float) and not isinstance(value, bool) else None
