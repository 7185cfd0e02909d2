"""A world that extends another with fewer symbols or other chains: what the base says of the others goes with them.

In: a merged tree and the two it was made of. Out: the tree without inherited entries of symbols that the new `universe` left
out, of sectors that have no symbol left, and of chains that the new `chains` do not have. Without this rule a smaller world
would need a `~` for each of them in every section, and could not say it inside `chains`. What the world itself says of such
a symbol, sector or chain stays, and is a mistake as everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .documents import folder_of
from .readsectors import read_sector_file
from .tree import Entry, Map, Node, Scalar, Seq

#: where a world speaks of single symbols, sectors and chains; `*` stands for any key or item
_BY_SYMBOL: Final = (
    ("sectors",),
    ("allowlist",),
    ("parameters", "*", "by_symbol"),
    ("chains", "*", "overrides", "by_symbol"),
)
_BY_SECTOR: Final = (("chains", "*", "overrides", "by_sector"),)
_BY_CHAIN: Final = (("hysteresis",),)


def narrowed(tree: Map, base: Map, child: Map) -> Map:
    """The tree without what it inherits about symbols, sectors and chains that the child does not have."""
    chains = _chains(child)
    if chains:
        tree = _without(tree, child, _BY_CHAIN, _chains(base) - chains)
    own = _symbols(child)
    gone = _symbols(base) - own if own else frozenset()
    if not gone:
        return tree
    tree = _without(tree, child, _BY_SYMBOL, gone)
    if any(_has_sectors(chain) for chain in _maps(base.get("chains"))) and not child.entry("chains"):
        tree = _without(tree, child, _BY_SECTOR, _sectors(base, gone) - _sectors(tree, own))
    return tree


def _without(tree: Map, child: Map, paths: tuple[tuple[str, ...], ...], gone: frozenset[str]) -> Map:
    for path in paths if gone else ():
        found = _less(tree, child, path, gone)
        assert isinstance(found, Map)
        tree = found
    return tree


def _symbols(tree: Map) -> frozenset[str]:
    listed = tree.get("universe")
    items = listed.items if isinstance(listed, Seq) else ()
    return frozenset(str(item.value) for item in items if isinstance(item, Scalar))


def _chains(tree: Map) -> frozenset[str]:
    names = (chain.get("name") for chain in _maps(tree.get("chains")))
    return frozenset(str(name.value) for name in names if isinstance(name, Scalar))


def _maps(node: Node | None) -> tuple[Map, ...]:
    return tuple(item for item in node.items if isinstance(item, Map)) if isinstance(node, Seq) else ()


def _has_sectors(chain: Map) -> bool:
    overrides = chain.get("overrides")
    return isinstance(overrides, Map) and isinstance(overrides.get("by_sector"), Map)


def _sectors(tree: Map, symbols: frozenset[str]) -> frozenset[str]:
    """The sectors of some symbols, from the map or the file that the tree names."""
    return frozenset(sector for symbol, sector in _sector_of(tree.get("sectors")).items() if symbol in symbols)


def _sector_of(node: Node | None) -> Mapping[str, str]:
    if isinstance(node, Map):
        return {entry.key: str(entry.value.value) for entry in node if isinstance(entry.value, Scalar)}
    if not isinstance(node, Scalar) or not isinstance(node.value, str) or node.span.source.path is None:
        return {}
    sectors, _ = read_sector_file(folder_of(node.span, node.span.source.path.parent) / node.value)
    return sectors or {}


def _less(node: Node, said: Node | None, path: tuple[str, ...], gone: frozenset[str]) -> Node:
    """The node without the entries below a path, unless the child says (`said`) them itself."""
    if isinstance(node, Seq):
        if said is not None:  # a list is one party's as a whole
            return node
        return Seq(tuple(_less(item, None, path[1:], gone) for item in node.items), node.span)
    if not isinstance(node, Map):
        return node
    own = said if isinstance(said, Map) else Map((), node.span)
    if not path:
        return Map(tuple(e for e in node if e.key not in gone or own.entry(e.key)), node.span)
    return Map(tuple(_below(entry, own, path, gone) for entry in node), node.span)


def _below(entry: Entry, own: Map, path: tuple[str, ...], gone: frozenset[str]) -> Entry:
    if path[0] not in ("*", entry.key):
        return entry
    return Entry(entry.key, entry.key_span, _less(entry.value, own.get(entry.key), path[1:], gone))
