"""Suggestions for misspelt words.

In: a word and the words that would have been right. Out: the nearest of them, or nothing: a far-fetched suggestion is
worse than silence. Stands alone so that keys, names, symbols and strategies all suggest by the same measure.
"""

from __future__ import annotations

from collections.abc import Iterable


def distance(a: str, b: str, limit: int) -> int:
    """Damerau-Levenshtein distance (adjacent transpositions count 1, optimal string alignment), or limit + 1 when larger."""
    if abs(len(a) - len(b)) > limit:
        return limit + 1
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        row = [i]
        for j, y in enumerate(b, start=1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
        before, last = last, row
    return min(last[-1], limit + 1)


def nearest(word: str, candidates: Iterable[str], *, most: int = 0) -> str | None:
    """The candidate within max(1, len(word) / 3) edits (or `most`, where that is given), case ignored (a plural is one edit from its singular); the closest, then the first in alphabetical order."""
    limit = most or max(1, len(word) // 3)
    best: tuple[int, str] | None = None
    for candidate in sorted(set(candidates)):
        if candidate == word:
            continue
        same = _singular(word.casefold()) == _singular(candidate.casefold())
        edits = 1 if same else distance(word.casefold(), candidate.casefold(), limit)
        if edits <= limit and (best is None or edits < best[0]):
            best = (edits, candidate)
    return best[1] if best else None


def _singular(word: str) -> str:
    """`strategies` and `strategy` are one edit apart for whoever types them, whatever the letters say."""
    return f"{word[:-3]}y" if word.endswith("ies") else word.removesuffix("s")


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """A help line that offers the nearest candidate, or "" when none is near."""
    found = nearest(word, candidates)
    return f"did you mean `{found}`?" if found else ""
