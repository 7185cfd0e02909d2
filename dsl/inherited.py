"""Mistakes of a world that extends another one: whose they are, and where they are told.

In: the diagnostics of a merged world, its own tree, and what its base says of itself. Out: the diagnostics as a person can mend
them. A mistake that the base has alone is the base's. One that stands in inherited text but is due to this world is told
at the key of this world that causes it, with the way out there: to mend the base would be to break it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from .deletions import EXTENDS
from .diagnostics import Diagnostic, Label, problem
from .documents import Document
from .source import Span
from .tree import Entry, Map, Node, Scalar, Seq

#: code and place of a mistake, as the text that holds it would tell it
Place = tuple[str, Span | None]
#: keys that change nothing of what a world means
_SILENT: Final = frozenset({"version", "world", EXTENDS, "description"})
#: lists of named parts, and what each part must say: one of the keys of every group
_PARTS: Final = {"chains": (("when", "otherwise"), ("strategies",)), "entry_guards": (("when",), ("block",))}
_INCOMPLETE: Final = frozenset({"Q0202", "Q0208", "Q0601"})
_MOST_PLACES: Final = 3
_Paths = dict[str, "str | _Paths"]


@dataclass(frozen=True, slots=True)
class Heir:
    """A merged world with its bases, and the tree of its own text alone."""

    document: Document
    own: Map

    def inherits(self, span: Span | None) -> bool:
        """Whether a place stands in the text of a base."""
        return span is not None and any(
            base.source.name == span.source.name and base.tree.span.start <= span.start <= base.tree.span.end
            for base in self.document.bases
        )


def settled(
    heir: Heir, problems: Sequence[Diagnostic], known: Mapping[Place, Diagnostic]
) -> tuple[tuple[Diagnostic, ...], Mapping[Place, Diagnostic]]:
    """The mistakes of a world with bases, and those among them that are told elsewhere than they stand. `known` is what
    the base tells by itself, by place."""
    told: list[Diagnostic] = []
    groups: dict[tuple[str, Span], list[Diagnostic]] = {}
    for d in problems:
        same = known.get((d.code, d.span))
        if same is not None:
            told.append(same)
        elif heir.inherits(d.span):
            groups.setdefault((d.code, _cause(heir, d).key_span), []).append(d)
        else:
            told.append(d)
    moved: dict[Place, Diagnostic] = dict(known)
    for (_, place), group in groups.items():
        one = _here(heir, place, group)
        told.append(one)
        moved |= {(d.code, d.span): one for d in group}
    return tuple(told), moved


def _cause(heir: Heir, diagnostic: Diagnostic) -> Entry:
    """The key of the world's own text that makes inherited text a mistake; `extends` when nobody can tell."""
    entries = [entry for entry in heir.own if entry.key not in _SILENT]
    for label in diagnostic.labels:
        found = next((entry for entry in entries if _covers(entry, label.span)), None)
        if found is not None:
            return found
    if len(entries) == 1:
        return entries[0]
    chosen = next((entry for entry in entries if entry.key == "chains"), None) or heir.own.entry(EXTENDS)
    assert chosen is not None, "only a world that extends inherits"
    return chosen


def _covers(entry: Entry, span: Span) -> bool:
    return entry.key_span.source.name == span.source.name and entry.key_span.start <= span.start <= entry.value.span.end


def _here(heir: Heir, place: Span, group: Sequence[Diagnostic]) -> Diagnostic:
    """Mistakes of inherited text with one cause as one, at that cause."""
    first, *others = group
    spans = [d.span for d in group if d.span is not None]
    base = next(b for b in heir.document.bases if b.source.name == spans[0].source.name).name
    labels = [Label(spans[0], f"this comes from `{base}`")]
    labels += [Label(span, d.message) for d, span in zip(others, spans[1:], strict=True)][:_MOST_PLACES]
    labels += [label for label in first.labels if label.span != place][: _MOST_PLACES - len(others)]
    key = place.text
    return replace(
        first,
        message=f"{first.message}, and {len(others)} more like it" if others else first.message,
        span=place,
        label="" if key == EXTENDS else f"`{heir.document.name}` has its own `{key}`",
        labels=tuple(labels),
        help=_way_out(heir.document.tree, spans) or first.help,
    )


def _way_out(tree: Map, spans: Iterable[Span]) -> str:
    """What the world can say to be rid of inherited text: `hysteresis: {chop: ~}`; nothing for a whole top-level key."""
    wanted: _Paths = {}
    for span in spans:
        way = _way(tree, span)
        if way is None or len(way[0]) < 2:
            return ""
        keys, whole = way
        inner = wanted
        for key in keys[:-1]:
            below = inner.setdefault(key, {})
            if isinstance(below, str):
                break
            inner = below
        else:
            inner[keys[-1]] = "[...]" if whole else "~"
    parts = " and ".join(f"`{key}: {_flow(_shortened(tree.get(key), value))}`" for key, value in wanted.items())
    return f"say it otherwise here: {parts}{' (`~` takes away)' if '~' in parts else ''}"


def _shortened(node: Node | None, wanted: str | _Paths) -> str | _Paths:
    """`~` for a map of which everything would be taken away."""
    if isinstance(wanted, str) or not isinstance(node, Map):
        return wanted
    inner = {key: _shortened(node.get(key), value) for key, value in wanted.items()}
    everything = len(inner) == len(node.entries) and all(value == "~" for value in inner.values())
    return "~" if everything else inner


def _flow(wanted: str | _Paths) -> str:
    if isinstance(wanted, str):
        return wanted
    return f"{{{', '.join(f'{key}: {_flow(value)}' for key, value in wanted.items())}}}"


def _way(node: Node, span: Span) -> tuple[tuple[str, ...], bool] | None:
    """The keys that lead to a place, as far as maps go, and whether a list stands behind the last."""
    if isinstance(node, Seq):
        return ((), True) if any(_way(item, span) for item in node.items) else None
    if isinstance(node, Scalar):
        inside = (
            node.span.source.name == span.source.name and node.span.start <= span.start <= span.end <= node.span.end
        )
        return ((), False) if inside else None
    for entry in node:
        if entry.key_span == span:
            return (entry.key,), False
        below = _way(entry.value, span)
        if below is not None:
            return (entry.key, *below[0]), below[1]
    return None


def written_out(heir: Heir, problems: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
    """A part that names one of the base and says only what is different: told once as what it is, a list that replaces."""
    found: list[Diagnostic] = []
    for key, groups in _PARTS.items():
        own = heir.own.get(key)
        if isinstance(own, Seq):
            partial = tuple(_partial(heir, own, key, groups))
            if partial:
                problems = tuple(d for d in problems if not _follows(heir, d, own))
                found += partial
    return (*found, *problems)


def _partial(heir: Heir, own: Seq, key: str, groups: tuple[tuple[str, ...], ...]) -> Iterator[Diagnostic]:
    bases = {name: base for base in reversed(heir.document.bases) for name in _names(base.tree.get(key))}
    for item in own.items:
        name = item.get("name") if isinstance(item, Map) else None
        if not isinstance(item, Map) or not isinstance(name, Scalar) or str(name.value) not in bases:
            continue
        missing = [" or ".join(f"`{k}`" for k in group) for group in groups if not any(item.entry(k) for k in group)]
        if missing:
            base = bases[str(name.value)]
            message = f"`{key}` replaces the whole list of `{base.name}`, so `{name.value}` needs {' and '.join(missing)} here"
            help_text = f"maps merge, lists replace: write all of `{key}` out here, as `{base.name}` has it"
            entry = base.tree.entry(key)
            labels = (Label(entry.key_span, "the list that is replaced"),) if entry else ()
            yield problem("Q0202", message, name.span, labels=labels, help=help_text)
            return


def _names(node: Node | None) -> Iterator[str]:
    for item in node.items if isinstance(node, Seq) else ():
        name = item.get("name") if isinstance(item, Map) else None
        if isinstance(name, Scalar):
            yield str(name.value)


def _follows(heir: Heir, diagnostic: Diagnostic, own: Seq) -> bool:
    """Whether a mistake only follows from parts that were meant as changes."""
    span = diagnostic.span
    if span is None:
        return False
    if span.source.name == own.span.source.name and own.span.start <= span.start <= own.span.end:
        return diagnostic.code in _INCOMPLETE
    way = _way(heir.document.tree, span)
    return heir.inherits(span) and way is not None and way[0][:1] == ("hysteresis",)
