"""Which comment belongs to which entry of a document.

In: the tree of a document and the comments of its text. Out: `Notes` by the path of the entry (`("chains", 0, "when")`),
which is the same on both surfaces. A comment belongs to the entry it stands above, or on whose line it stands, else to the
end of the map or list it stands in. Blank lines are kept as comments without text, one for any number of them.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ..tree import Map, Node, Scalar, Seq
from .comments import Comment, allows

Path = tuple[str | int, ...]
ROOT: Final[Path] = ()
BLANK: Final = ""
#: blank lines are kept above sections and their items
_PARTED: Final = 2


@dataclass(slots=True)
class Notes:
    """`above` and `end` are whole lines (`# text`, or "" for a blank one); `behind` stands on the entry's own line."""

    above: list[str] = field(default_factory=list)
    behind: str = ""
    end: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Anchor:
    """An entry or item in the text. `start` is that of its key, `end` that of its value."""

    path: Path
    start: int
    end: int
    value: Node


@dataclass(frozen=True, slots=True)
class Attached:
    """The notes of one document."""

    notes: Mapping[Path, Notes]
    _around: frozenset[Path] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        around = {path[:size] for path, notes in self.notes.items() if _says(notes) for size in range(len(path))}
        around.update(path for path, notes in self.notes.items() if notes.end)
        object.__setattr__(self, "_around", frozenset(around))

    def of(self, path: Path) -> Notes:
        """The notes of an entry; empty ones where there are none."""
        return self.notes.get(path) or Notes()

    def below(self, path: Path) -> bool:
        """Whether there is a comment on anything inside an entry or at its end, or a blank line between two parts of it."""
        return path in self._around


def _says(notes: Notes) -> bool:
    return bool(notes.behind or notes.above or notes.end)


@dataclass(slots=True)
class _Attaching:
    """`anchors` are sorted by their start, the outer before the inner; `ending` are the same by their end."""

    text: str
    root: Map
    anchors: list[_Anchor]
    bracketed: bool
    starts: list[int]
    ending: list[_Anchor]
    ends: list[int]
    places: dict[Path, _Anchor]
    wide: list[_Anchor]
    notes: dict[Path, Notes] = field(default_factory=dict)
    #: what the last comment on its own line stood before, and what it closed
    gap: tuple[int, Path | None] = (-2, None)

    @classmethod
    def over(cls, tree: Map, *, bracketed: bool) -> _Attaching:
        text = tree.span.source.text
        anchors = sorted(_anchors(ROOT, tree), key=lambda a: (a.start, len(a.path)))
        ending = sorted(anchors, key=lambda a: a.end)
        return cls(
            text=text,
            root=tree,
            anchors=anchors,
            bracketed=bracketed,
            starts=[a.start for a in anchors],
            ending=ending,
            ends=[a.end for a in ending],
            places={a.path: a for a in anchors},
            wide=[
                a for a in anchors if "\n" in text[a.value.span.start : a.value.span.end] or "#" in a.value.span.text
            ],
        )

    def following(self, at: int) -> _Anchor | None:
        """The first entry that begins behind an offset."""
        index = bisect_right(self.starts, at)
        return self.anchors[index] if index < len(self.anchors) else None

    def of(self, path: Path) -> Notes:
        return self.notes.setdefault(path, Notes())

    def column(self, offset: int) -> int:
        return offset - self.line(offset)

    def line(self, offset: int) -> int:
        """Offset at which the line of an offset begins."""
        return self.text.rfind("\n", 0, offset) + 1


def attach(tree: Map, found: Iterable[Comment], *, bracketed: bool) -> Attached:
    """The notes of a document, from the comments that stand in, above and below it. `bracketed`: the text is blocks,
    where a brace ends what indentation ends in YAML."""
    state = _Attaching.over(tree, bracketed=bracketed)
    for comment in found:
        if comment.alone and _inside_scalar(state, comment.span.start) is None:
            _above(state, comment)
        else:
            _behind(state, comment)
    _blank_lines(state)
    _less_opening_blanks(state, ROOT, tree)
    return Attached(state.notes)


def _anchors(path: Path, node: Node) -> Iterable[_Anchor]:
    if isinstance(node, Map):
        for entry in node.entries:
            inner = (*path, entry.key)
            start = min(entry.key_span.start, entry.value.span.start)
            yield _Anchor(inner, start, max(entry.key_span.end, entry.value.span.end), entry.value)
            yield from _anchors(inner, entry.value)
    elif isinstance(node, Seq):
        for index, item in enumerate(node.items):
            yield _Anchor((*path, index), item.span.start, item.span.end, item)
            yield from _anchors((*path, index), item)


# ---- comments on the line of an entry


def _behind(state: _Attaching, comment: Comment) -> None:
    at = comment.span.start
    inside = _inside_scalar(state, at)
    anchor = inside or _before(state, at)
    if anchor is None:
        after = at >= state.root.span.end or not state.anchors
        # beside a dash with nothing behind it: above what the dash begins
        following = None if after else state.following(at) or state.anchors[0]
        (state.of(following.path).above if following else state.of(ROOT).end).append(comment.span.text)
        return
    anchor = (
        anchor if inside else _opened_block(state, comment, anchor) or _last_on_line(state, comment, anchor) or anchor
    )
    notes = state.of(anchor.path)
    closes = inside is None and isinstance(anchor.value, Map | Seq) and _spans_lines(state, anchor) and anchor.end <= at
    if closes:
        notes.end.append(comment.span.text)
    elif notes.behind or inside is not None:
        # a line has room for one comment: what stands in the middle of a value goes above it
        notes.above.append(comment.span.text)
    else:
        notes.behind = comment.span.text


def _opened_block(state: _Attaching, comment: Comment, anchor: _Anchor) -> _Anchor | None:
    """`chain a when x { # qmtl: allow ...`: what silences warnings speaks of the whole block, not of its head's last value."""
    item = anchor.path[:-1]
    between = state.text[anchor.end : comment.span.start].strip()
    if not item or between != "{" or not state.bracketed or not allows(comment.span.text):
        return None
    block, line = state.places[item], state.line(comment.span.start)
    # below the first line of a head it speaks of the head alone, for the body is indented less
    noted = any(path[: len(item)] == item for path in state.notes)
    return block if block.start >= line and not noted else None


def _last_on_line(state: _Attaching, comment: Comment, anchor: _Anchor) -> _Anchor | None:
    """`b]  # about b`: the last item of a list over several lines, when it stands on the line of the bracket."""
    value, line = anchor.value, state.line(comment.span.start)
    if not isinstance(value, Seq) or not value.items or anchor.start >= line or anchor.end > comment.span.start:
        return None
    last = state.places[(*anchor.path, len(value.items) - 1)]
    alone = isinstance(last.value, Scalar) and last.start >= line and not state.of(last.path).behind
    return last if alone and state.text[last.end : comment.span.start].strip().startswith("]") else None


def _inside_scalar(state: _Attaching, at: int) -> _Anchor | None:
    """The entry with a value of several lines in which a comment stands: conditions of blocks, headers of YAML blocks."""
    return next(
        (a for a in state.wide if isinstance(a.value, Scalar) and a.value.span.start < at < a.value.span.end), None
    )


def _spans_lines(state: _Attaching, anchor: _Anchor) -> bool:
    return "\n" in state.text[anchor.start : anchor.end]


def _before(state: _Attaching, at: int) -> _Anchor | None:
    """What a comment on the same line speaks of: what ended last before it, else what begins on its line."""
    line = state.line(at)
    ended = state.ending[bisect_right(state.ends, line) : bisect_right(state.ends, at)]
    if ended:
        last = max(a.end for a in ended)
        those = [a for a in ended if a.end == last]
        here = [a for a in those if a.start >= line]
        # of those that begin here the outermost, of those that began earlier the innermost
        # ... and a key that several statements add to has no line of its own: its only item has
        own = [a for a in here if isinstance(a.path[-1], int) or a.value.span.start > a.start] or here
        return min(own, key=lambda a: len(a.path)) if own else max(those, key=lambda a: len(a.path))
    begun = state.anchors[bisect_left(state.starts, line) : bisect_left(state.starts, at)]
    return max(begun, key=lambda a: len(a.path), default=None)


# ---- comments on lines of their own


def _above(state: _Attaching, comment: Comment) -> None:
    """Above the next entry, unless a map or list ends before it."""
    at = comment.span.start
    following = state.following(at)
    closed = _closed_by_bracket(state, at, following)
    if closed is None and not state.bracketed:
        closed = _closed_by_indent(state, at, following)
    closed = _not_back_in(state, following, closed)
    text = comment.span.text
    if closed is not None:
        _with_blank(state, state.of(closed).end, at, text)
    elif following is not None:
        first = _first_of_several(state, following, text)
        if first is None:
            _with_blank(state, state.of(following.path).above, at, text)
            return
        lines = state.of(first.path).above
        if _blank_before(state, at) and not lines:
            state.of(following.path).above.append(BLANK)
        lines.append(text)
    else:
        _with_blank(state, state.of(ROOT).end, at, text)


def _first_of_several(state: _Attaching, outer: _Anchor, text: str) -> _Anchor | None:
    """The first of several blocks (or `allow` lines), when a comment above it silences warnings: those of this one alone.
    What else stands there is said of all of them, unless it follows such a comment."""
    found = _first_inside_of_several(state, outer)
    return found if found and (allows(text) or state.of(found.path).above) else None


def _first_inside_of_several(state: _Attaching, outer: _Anchor) -> _Anchor | None:
    value = outer.value
    if not state.bracketed or not isinstance(value, Map | Seq):
        return None
    if isinstance(value, Seq):
        inner = state.places[(*outer.path, 0)] if value.items else None
        return inner if inner and isinstance(inner.value, Map) and inner.start == outer.start else None
    if not value.entries or value.span.start != outer.start:
        return None
    first = state.places[(*outer.path, value.entries[0].key)]
    word = re.match(r"\S+", state.text[outer.start : first.start])
    return first if word and not state.text[outer.start + word.end() : first.start].strip() else None


def _not_back_in(state: _Attaching, following: _Anchor | None, closed: Path | None) -> Path | None:
    """Of comments that follow each other none goes back into what an earlier one has left."""
    gap = following.start if following else -1
    if state.gap[0] == gap:
        before = state.gap[1]
        if before is None or (closed is not None and len(closed) > len(before)):
            closed = before
    state.gap = (gap, closed)
    return closed


def _with_blank(state: _Attaching, lines: list[str], at: int, text: str) -> None:
    if _blank_before(state, at):
        lines.append(BLANK)
    lines.append(text)


def _blank_before(state: _Attaching, at: int) -> bool:
    line = state.line(at)
    return line > 1 and not state.text[state.line(line - 1) : line].strip()


def _closed_by_bracket(state: _Attaching, at: int, following: _Anchor | None) -> Path | None:
    """The innermost list or map in brackets around a comment, when nothing more follows in it."""
    around = [a for a in state.anchors if isinstance(a.value, Map | Seq) and a.value.span.start < at < a.value.span.end]
    inner = max(around, key=lambda a: len(a.path), default=None)
    if inner is None:
        inside = state.root.span.start < at < state.root.span.end
        after = following is None or following.start >= state.root.span.end
        return ROOT if inside and after else None
    return inner.path if following is None or following.start >= inner.end else None


def _closed_by_indent(state: _Attaching, at: int, following: _Anchor | None) -> Path | None:
    """The block collection of YAML that a comment still belongs to: it is indented deeper than what follows."""
    column = state.column(at)
    least = -1 if following is None else _column_of(state, following)
    index = bisect_left(state.starts, at)
    last = state.anchors[index - 1] if index else None
    if last is None or last.end > at or column <= max(least, 0):
        return None
    path = last.path
    for size in range(len(path) - 1, 0, -1):
        parent = state.places[path[:size]]
        own = _column_of(state, _first_inside(state, parent))
        in_flow = state.text[parent.value.span.start : parent.value.span.start + 1] in {"[", "{"}
        if not in_flow and least < own <= column:
            return parent.path
    return None


def _first_inside(state: _Attaching, parent: _Anchor) -> _Anchor:
    value = parent.value
    step = value.entries[0].key if isinstance(value, Map) else 0
    return state.places[(*parent.path, step)]


def _column_of(state: _Attaching, anchor: _Anchor) -> int:
    """Column of an entry; of an item of a list that of its dash."""
    line = state.line(anchor.start)
    if isinstance(anchor.path[-1], int):
        indent = state.text[line : anchor.start]
        if indent.strip() == "-":
            return indent.index("-")
    return anchor.start - line


def _blank_lines(state: _Attaching) -> None:
    """A blank line directly before an entry that begins its line."""
    seen: set[int] = set()
    for anchor in state.anchors:
        line = state.line(anchor.start)
        if line in seen:
            continue
        seen.add(line)
        if line > 1 and _blank_before(state, anchor.start):
            state.of(anchor.path).above.append(BLANK)


def _less_opening_blanks(state: _Attaching, path: Path, node: Node) -> None:
    """No blank line opens a file, a map or a list; they part sections and items, not what is smaller."""
    inner = [((*path, e.key), e.value) for e in node] if isinstance(node, Map) else []
    if isinstance(node, Seq):
        inner = [((*path, index), item) for index, item in enumerate(node.items)]
    for index, (place, value) in enumerate(inner):
        _less_opening_blanks(state, place, value)
        notes = state.notes.get(place)
        if notes is None:
            continue
        if len(place) > _PARTED or (isinstance(node, Seq) and isinstance(value, Scalar)):
            notes.above[:] = [line for line in notes.above if line != BLANK]
            notes.end[:] = [line for line in notes.end if line != BLANK]
        while index == 0 and notes.above and notes.above[0] == BLANK:
            del notes.above[0]
