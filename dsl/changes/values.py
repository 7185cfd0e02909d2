"""Any two frozen values of the model, compared by what they mean.

In: two values of the same field, its path, its schema. Out: `Change`s. The walk is over dataclass fields, so a setting
that is added to the model is compared without a word here; a field that the schema gives a unit is written in it.
Expressions are compared by the hash of their meaning, never by their text or place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from typing import Any, Final, get_args

from ..exprtext import spell
from ..model import (
    AlpacaBroker,
    AlpacaFeed,
    ChainOverride,
    EntryGuardSettings,
    FilesFeed,
    PaperBroker,
    RouterAlphas,
    SyntheticFeed,
)
from ..syntax import Expr
from ..units import spell_duration, spell_ratio
from .change import Change
from .predicates import sense, thresholds

#: place of a dotted path on the side before and on the side after
Where = Callable[[str], str]
_EXPR: Final = get_args(Expr)
#: fields that mean nothing: names that the document is found by, and free text
_SILENT: Final = frozenset({"world", "description", "reason"})
#: fields of named things that are part of their path
_KEYS: Final = frozenset({"name", "kind"})
#: values of a field that say nothing when the whole is told
_UNSAID: Final = ("", (), None)
_KIND: Final[Mapping[type, str]] = {
    FilesFeed: "files", SyntheticFeed: "synthetic", AlpacaFeed: "alpaca", PaperBroker: "paper", AlpacaBroker: "alpaca",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Walk:
    """What the comparison of two values needs beside them."""

    before: Where
    after: Where
    schema: Mapping[str, Any]

    def inside(self, key: str) -> Walk:
        """The same walk, one step down the schema, or two for the key of an override."""
        schema = self.schema
        for step in key.split(".", 1) if key.startswith("by_") else (key,):
            schema = below(schema, step)
        return Walk(self.before, self.after, schema)


def below(schema: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The schema of a key or of an item; {} when the schema does not know it."""
    if schema.get("type") == "array":
        items = schema.get("items")
        return items if isinstance(items, dict) else {}
    own = schema.get("properties", {}).get(key)
    extra = schema.get("additionalProperties")
    found = own if own is not None else extra
    return found if isinstance(found, dict) else {}


def compare(path: str, before: Any, after: Any, walk: Walk) -> Iterator[Change]:
    """Changes of one value and of everything in it."""
    if isinstance(before, _EXPR) and isinstance(after, _EXPR):
        yield from _predicate(path, (before, after), walk)
    elif isinstance(before, ChainOverride) and isinstance(after, ChainOverride):
        yield from _override(path, (before, after), walk)
    elif is_dataclass(before) and type(before) is type(after):
        yield from _fields(path, before, after, walk)
    elif _named(before) and _named(after) and (before or after):
        yield from _items(path, keyed(before), keyed(after), walk)
    elif _pairs(before) and _pairs(after):
        yield from _items(path, dict(before), dict(after), walk, ordered=False)
    elif isinstance(before, tuple) and isinstance(after, tuple):
        yield from _list(path, before, after, walk)
    elif type(before) in _KIND and type(after) in _KIND:
        kind = f"{path}.kind"
        yield Change(
            kind, "changed", kind, _KIND[type(before)], _KIND[type(after)], walk.before(kind), walk.after(kind)
        )
        yield from _defaults(path, before, after, walk)
    elif not _same(before, after):
        texts = text_of(before, walk.schema), text_of(after, walk.schema)
        yield Change(path, "changed", path, *texts, walk.before(path), walk.after(path))


def text_of(value: Any, schema: Mapping[str, Any]) -> str:
    """A value as one would write it."""
    if isinstance(value, _EXPR):
        return spell(value)
    if value is None:
        return "otherwise" if schema.get("x-type") == "predicate" else "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    unit = schema.get("x-unit")
    if unit == "ratio" and isinstance(value, float | int):
        return spell_ratio(float(value))
    if unit == "duration" and isinstance(value, float | int):
        return spell_duration(value)
    if unit == "money":
        return f"{value:,} USD".replace(",", "_")
    if is_dataclass(value):
        return _record_text(value, schema)
    if isinstance(value, tuple):
        return ", ".join(_item_text(item, schema) for item in value) or "none"
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return f"{value:g}" if isinstance(value, float) else str(value) or '""'


def _record_text(value: Any, schema: Mapping[str, Any]) -> str:
    said = (("strategies", value.strategies), ("exposure", value.exposure)) if isinstance(value, ChainOverride) else ()
    unsaid = (0.0,) if isinstance(value, RouterAlphas) else _UNSAID
    return ", ".join(
        f"{name} {text_of(item, below(schema, name))}" for name, item in said or members(value) if item not in unsaid
    )


def _item_text(item: Any, schema: Mapping[str, Any]) -> str:
    """An item of a list; one of overrides says for whom it is."""
    if isinstance(item, ChainOverride):
        return f"of {_whose(item)} ({_record_text(item, _inside(schema, item))})"
    return text_of(item, below(schema, ""))


def _whose(override: ChainOverride) -> str:
    return override.name if override.kind == "symbol" else f"sector {override.name}"


def _inside(schema: Mapping[str, Any], override: ChainOverride) -> Mapping[str, Any]:
    return below(below(schema, f"by_{override.kind}"), override.name)


def _override(path: str, both: tuple[ChainOverride, ChainOverride], walk: Walk) -> Iterator[Change]:
    """The same override on both sides. What one of them does not say is said further out, and not nothing."""
    outside = "as the chain says" if both[0].kind == "sector" else "as its sector or the chain says"
    for name in ("strategies", "exposure"):
        old, new = (getattr(side, name) for side in both)
        inner, place = walk.inside(name), f"{path}.{name}"
        if old is not None and new is not None:
            yield from compare(place, old, new, inner)
        elif old is not new:
            before, after = (outside if value is None else text_of(value, inner.schema) for value in (old, new))
            yield Change(place, "changed", place, before, after, walk.before(place), walk.after(place))


def members(value: Any) -> Iterator[tuple[str, Any]]:
    """The fields that mean something, by the names that the schema knows; a field called `settings` is not a step."""
    if isinstance(value, EntryGuardSettings):
        yield "block", value.block
        yield "on_missing", value.value if value.on_missing == "value" else value.on_missing
        return
    for field in fields(value):
        inner = getattr(value, field.name)
        if field.name == "settings":
            yield from members(inner)
        elif isinstance(value, RouterAlphas) and field.name == "strategy":
            continue  # it is part of the path
        elif field.name not in _SILENT and not (field.name in _KEYS and hasattr(value, "name")):
            yield field.name, inner


def keyed(items: tuple[Any, ...]) -> dict[str, Any]:
    """Items of a list by their names; by their position where they have none."""
    return {_called(item) or str(index): item for index, item in enumerate(items)}


def _called(item: Any) -> str:
    name = getattr(item, "name", None) or getattr(getattr(item, "settings", None), "name", None)
    kind = getattr(item, "kind", None)  # overrides are called by what they are for, as the text writes them
    if isinstance(name, str):
        return f"by_{kind}.{name}" if isinstance(kind, str) else name
    key = [value for field in ("symbol", "world", "strategy") if isinstance(value := getattr(item, field, None), str)]
    return ".".join(key)


def _named(value: Any) -> bool:
    return isinstance(value, tuple) and all(is_dataclass(item) and not isinstance(item, _EXPR) for item in value)


def _pairs(value: Any) -> bool:
    return isinstance(value, tuple) and all(
        isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str) for item in value
    )


def _same(before: Any, after: Any) -> bool:
    return type(before) is type(after) and bool(before == after)


def _fields(path: str, before: Any, after: Any, walk: Walk) -> Iterator[Change]:
    if isinstance(getattr(before, "name", ""), str) and path and not _within_list(path, before):
        names = getattr(before, "name", ""), getattr(after, "name", "")
        if names[0] != names[1]:
            yield Change(path, "changed", path, *names, walk.before(path), walk.after(path))
    others = dict(members(after))
    for name, value in members(before):
        inner = f"{path}.{name}" if path else name
        yield from compare(inner, value, others[name], walk.inside(name))


def _within_list(path: str, item: Any) -> bool:
    """Whether the name of an item is its key, which is part of the path already."""
    return path.endswith(f".{getattr(item, 'name', None)}")


def _defaults(path: str, before: Any, after: Any, walk: Walk) -> Iterator[Change]:
    """What one kind of a thing said, and what another kind says instead."""
    for value, sign in ((before, "removed"), (after, "added")):
        for name, item in members(value):
            place = f"{path}.{name}"
            text = text_of(item, below(walk.schema, name))
            if sign == "removed":
                yield Change(place, "removed", place, text, "", walk.before(place))
            else:
                yield Change(place, "added", place, "", text, "", walk.after(place))


def _items(
    path: str, before: dict[str, Any], after: dict[str, Any], walk: Walk, *, ordered: bool = True
) -> Iterator[Change]:
    """Named items: renamed, removed, added, changed inside, in another order."""
    renamed = dict(_renamed(before, after, walk))
    for old, new in renamed.items():
        yield Change(
            f"{path}.{new}",
            "changed",
            f"{path} renamed",
            old,
            new,
            walk.before(f"{path}.{old}"),
            walk.after(f"{path}.{new}"),
        )
    for name, item in before.items():
        place, inner = f"{path}.{name}", walk.inside(name)
        if name in after:
            yield from compare(place, item, after[name], inner)
        elif name not in renamed:
            yield Change(place, "removed", place, text_of(item, inner.schema), "", walk.before(place))
    for name, item in after.items():
        place, inner = f"{path}.{name}", walk.inside(name)
        if name not in before and name not in renamed.values():
            yield Change(place, "added", place, "", text_of(item, inner.schema), "", walk.after(place))
    common = [renamed.get(name, name) for name in before if name in after or name in renamed]
    if ordered and common != [name for name in after if name in common]:
        yield _order(path, (tuple(before), tuple(after)), walk)


def _renamed(before: dict[str, Any], after: dict[str, Any], walk: Walk) -> Iterator[tuple[str, str]]:
    """Items that kept all but their name."""
    taken: set[str] = set()
    for old, item in before.items():
        if old in after or not is_dataclass(item) or isinstance(item, ChainOverride):
            continue
        for new, other in after.items():
            if new not in before and new not in taken and not any(compare("", item, other, walk.inside(new))):
                taken.add(new)
                yield old, new
                break


def _list(path: str, before: tuple[Any, ...], after: tuple[Any, ...], walk: Walk) -> Iterator[Change]:
    old, new = _texts(before, walk), _texts(after, walk)
    for item in old:
        if item not in new:
            yield Change(f"{path}.{item}", "removed", path, item, "", walk.before(f"{path}.{item}"))
    for item in new:
        if item not in old:
            yield Change(f"{path}.{item}", "added", path, "", item, "", walk.after(f"{path}.{item}"))
    if [item for item in old if item in new] != [item for item in new if item in old]:
        yield _order(path, (tuple(old), tuple(new)), walk)


def _texts(items: tuple[Any, ...], walk: Walk) -> dict[str, None]:
    return dict.fromkeys(text_of(item, below(walk.schema, "")) for item in items)


def _order(path: str, names: tuple[tuple[str, ...], tuple[str, ...]], walk: Walk) -> Change:
    before, after = (", ".join(side) for side in names)
    return Change(path, "changed", f"{path} order", before, after, walk.before(path), walk.after(path))


def _predicate(path: str, both: tuple[Expr, Expr], walk: Walk) -> Iterator[Change]:
    before, after = both
    if sense(before) == sense(after):
        return
    places = walk.before(path), walk.after(path)
    for left, old, new in thresholds(before, after):
        yield Change(path, "changed", path, f"{left} {old}".strip(), new, *places)
