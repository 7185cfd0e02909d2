"""Whether a converted document silences the same warnings as before.

In: a document as it was and as it was written. Out: nothing, or the reason why it cannot be written: a comment of
`# qmtl: allow` speaks of lines, and the lines of the two surfaces differ. On any day both texts must allow the same
warnings, and a comment that silenced something must still do so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..checks.allow import Allowance, covered
from ..diagnostics import Diagnostic
from ..documents import Document
from .comments import Comment, allows

#: a warning, told by its code and by how many of that code stand before it
_Warning = tuple[str, int]


class SilenceError(Exception):
    """The other surface has no place where a comment would silence what it silences now."""


@dataclass(frozen=True, slots=True)
class _Silence:
    """The comments of a document with what each covers."""

    reached: tuple[tuple[Allowance, frozenset[_Warning]], ...]

    def on(self, day: str) -> frozenset[_Warning]:
        """What is allowed on a day."""
        return frozenset(w for allowance, own in self.reached if allowance.until >= day for w in own)


def refuse_other_silence(before: Document, after: Document, listed: Sequence[Comment]) -> None:
    """Raises `SilenceError` when the comments `listed` (those that `after` took over) do not allow what they did."""
    if not allows_any(before):
        return
    old, new = _silence(before), _silence(after)
    starts = {comment.span.start for comment in listed}
    taken = tuple(pair for pair in old.reached if pair[0].span.start in starts)
    same_use = [bool(own) for _, own in taken] == [bool(own) for _, own in new.reached]
    if same_use and all(old.on(allowance.until) == new.on(allowance.until) for allowance, _ in old.reached):
        return
    others = [pair for pair in old.reached if pair not in taken and pair[1]]
    moved = [pair for pair, now in zip(taken, new.reached, strict=False) if pair[1] != now[1]]
    allowance = (*moved, *others, *old.reached)[0][0]
    line = before.source.position(allowance.span.start)[0]
    raise SilenceError(
        f"{before.source.name}:{line}: there is no place in {after.source.name} where this comment would allow the same"
        " warnings as here. Put it above the one line that it is about, or take it out before you convert."
    )


def allows_any(document: Document) -> bool:
    """Whether a text may hold such comments at all."""
    return any(allows(line[line.index("#") :]) for line in document.source.text.splitlines() if "#" in line)


def _silence(document: Document) -> _Silence:
    from ..compile import problems_of

    name = document.source.name
    own = [d for d in problems_of(document) if (d.span.source.name if d.span else d.file) == name]
    names = dict(zip(map(id, own), _numbered(own), strict=True))
    found = covered(document.source, own)
    return _Silence(tuple((allowance, frozenset(names[id(d)] for d in those)) for allowance, those in found))


def _numbered(diagnostics: Sequence[Diagnostic]) -> list[_Warning]:
    seen: Counter[str] = Counter()
    named = []
    for found in diagnostics:
        named.append((found.code, seen[found.code]))
        seen[found.code] += 1
    return named
