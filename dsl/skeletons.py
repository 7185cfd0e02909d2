"""Parse trees kept by the kinds of their tokens.

In: the tokens of a predicate. Out: its parse tree. An LALR parser looks at nothing but the types of tokens, so two texts
whose tokens have the same types have the same tree, with their own tokens as leaves: `p_chop >= 0.5` and `p_high_vol >=
0.4` are parsed once. People write a few forms of conditions with many numbers, so nearly every predicate is found here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from lark import Token, Tree
from lark.tree import Meta

_MOST_TOKENS: Final = 200
_MOST_KEPT: Final = 2_000


@dataclass(frozen=True, slots=True)
class _Skeleton:
    """A tree whose leaves are indexes of tokens; `first` and `last` are the tokens it covers, -1 when it covers none."""

    data: str
    children: tuple[_Skeleton | int, ...]
    first: int
    last: int


@dataclass(slots=True)
class Skeletons:
    """The trees met so far, a bounded number of bounded size."""

    _kept: dict[tuple[str, ...], _Skeleton] = field(default_factory=dict)

    def tree(self, tokens: Sequence[Token]) -> Tree[Token] | None:
        """The tree of some tokens, if one of the same types was kept."""
        skeleton = self._kept.get(tuple([token.type for token in tokens]))
        return None if skeleton is None else _fleshed(skeleton, tokens)

    def keep(self, tokens: Sequence[Token], tree: Tree[Token]) -> None:
        """Keeps a tree that was parsed from these tokens without a mistake."""
        if len(tokens) > _MOST_TOKENS:
            return
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        starts = {token.start_pos: index for index, token in reversed(list(enumerate(tokens)))}
        ends = {token.end_pos: index for index, token in reversed(list(enumerate(tokens)))}
        leaves = {id(token): index for index, token in enumerate(tokens)}
        self._kept[tuple(token.type for token in tokens)] = _bare(tree, leaves, (starts, ends))


def _bare(
    tree: Tree[Token], leaves: dict[int, int], places: tuple[dict[int | None, int], dict[int | None, int]]
) -> _Skeleton:
    starts, ends = places
    children = tuple(_bare(c, leaves, places) if isinstance(c, Tree) else leaves[id(c)] for c in tree.children)
    meta = tree.meta
    if meta.empty:
        return _Skeleton(str(tree.data), children, -1, -1)
    return _Skeleton(str(tree.data), children, starts[meta.start_pos], ends[meta.end_pos])


def _fleshed(skeleton: _Skeleton, tokens: Sequence[Token]) -> Tree[Token]:
    meta = Meta()  # type: ignore[no-untyped-call]
    if skeleton.first >= 0:
        meta.empty = False
        meta.start_pos = tokens[skeleton.first].start_pos or 0
        meta.end_pos = tokens[skeleton.last].end_pos or 0
    children = [tokens[c] if isinstance(c, int) else _fleshed(c, tokens) for c in skeleton.children]
    return Tree(skeleton.data, children, meta)
