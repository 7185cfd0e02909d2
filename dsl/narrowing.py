"""A world that extends another with fewer symbols: what the base says of the others goes with them.

In: a merged tree and the two it was made of. Out: the tree without inherited entries of symbols that the new `universe` left
out. Without this rule a smaller universe would need a `~` for each of them in every section. What the world itself says of
such a symbol stays, and is a mistake as everywhere.
"""

from __future__ import annotations

from typing import Final

from .tree import Entry, Map, Node, Scalar, Seq

#: where a world speaks of single symbols; `*` stands for any key or item
_BY_SYMBOL: Final = (
    ("sectors",),
    ("allowlist",),
    ("parameters", "*", "by_symbol"),
    ("chains", "*", "overrides", "by_symbol"),
)


def narrowed(tree: Map, base: Map, child: Map) -> Map:
    """The tree without what it inherits about symbols that the child's own universe does not have."""
    own = _symbols(child)
    gone = _symbols(base) - own if own else frozenset()
    if not gone:
        return tree
    for path in _BY_SYMBOL:
        found = _less(tree, child, path, gone)
        assert isinstance(found, Map)
        tree = found
    return tree


def _symbols(tree: Map) -> frozenset[str]:
    listed = tree.get("universe")
    items = listed.items if isinstance(listed, Seq) else ()
    return frozenset(str(item.value) for item in items if isinstance(item, Scalar))


def _less(node: Node, said: Node | None, path: tuple[str, ...], gone: frozenset[str]) -> Node:
    """The node without the symbols below a path, unless the child says (`said`) them itself."""
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
