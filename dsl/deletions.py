"""`~` in a world that extends another: what deletes, and what such a tree says for itself.

In: a tree. Out: whether a value deletes; the tree without its deletions. Apart from `extends.py`, so that those who only
look at a tree need no other documents.
"""

from __future__ import annotations

from typing import Final

from .tree import Entry, Map, Node, Scalar

EXTENDS: Final = "extends"
#: keys of the top that cannot be deleted
KEPT: Final = frozenset({"world", EXTENDS})


def deletes(node: Node) -> bool:
    """Whether a value is a written `~` or `null`. A key with nothing behind it is a mistake, not a deletion: a section whose
    lines were all commented out must not switch off what the base says."""
    return isinstance(node, Scalar) and node.value is None and bool(node.span.text.strip())


def without_deletions(tree: Map) -> Map:
    """The tree less every key that it deletes."""
    kept = (entry for entry in tree if entry.key in KEPT or not deletes(entry.value))
    return Map(tuple(_inside(entry) for entry in kept), tree.span)


def _inside(entry: Entry) -> Entry:
    if not isinstance(entry.value, Map):
        return entry
    return Entry(entry.key, entry.key_span, without_deletions(entry.value))
