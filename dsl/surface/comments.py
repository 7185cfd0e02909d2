"""The comments of a text, on either surface.

In: the `Source` of a YAML or `.qmtl` file. Out: its comments with their places, in the order of the file. Neither reader
keeps them: the tree has values only. Two things need them: `# qmtl: allow ...`, and `qmtl convert`, which loses none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import yaml

from ..source import Source, Span

#: what the lexer of `.qmtl` takes as one token where a `#` could be mistaken for a comment
_BLOCK_TEXT: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"|(?P<comment>#[^\n]*)|"[^"\n]*')
#: the same for YAML that its scanner refuses: quotes on one line, and a comment begins after a blank
_BROKEN_YAML: Final = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\n]|'')*'|(?:(?<=[\s\[{,])|\A)(?P<comment>#[^\n]*)")
_HASH: Final = re.compile(r"#[^\n]*")
_HEADER: Final = re.compile(r"[|>][^\n#]*")
_ALLOWS: Final = re.compile(r"#[ \t]*qmtl[ \t]*:?[ \t]*allow\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Comment:
    """One comment. `text` is without `#` and blanks, `span` goes from the `#` to the end of the text, `alone` says that
    nothing but blanks stands before it on its line."""

    text: str
    span: Span
    alone: bool


def comments(source: Source) -> tuple[Comment, ...]:
    """All comments of a text, in its order. Never raises: of a broken text it finds what it can."""
    text = source.text
    if "#" not in text:
        return ()
    found = _of_blocks(text, 0) if source.name.endswith(".qmtl") else _of_yaml(text)
    return tuple(_comment(source, start, end) for start, end in found)


def allows(text: str) -> bool:
    """Whether a comment (with its `#`) silences warnings: then it matters which lines it stands at."""
    return _ALLOWS.match(text) is not None


def _comment(source: Source, start: int, end: int) -> Comment:
    raw = source.text[start:end].rstrip()
    line = source.text.rfind("\n", 0, start) + 1
    alone = not source.text[line:start].strip()
    return Comment(raw.removeprefix("#").strip(), Span(source, start, start + len(raw)), alone)


def _of_blocks(text: str, start: int) -> Iterator[tuple[int, int]]:
    return (m.span("comment") for m in _BLOCK_TEXT.finditer(text, start) if m["comment"])


def _of_yaml(text: str) -> Iterator[tuple[int, int]]:
    """Between two tokens of YAML stand blanks and comments, nothing else; a block scalar may have one behind its header."""
    end = 0
    try:
        for token in yaml.scan(text, Loader=_loader()):
            start = token.start_mark.index
            yield from (m.span() for m in _HASH.finditer(text, end, start))
            # marks of tokens that stand for nothing (the end of a block) may lie before the last token's end
            end = max(end, token.end_mark.index)
            if isinstance(token, yaml.ScalarToken) and token.style in {"|", ">"}:
                yield from _of_header(text, start)
    except yaml.YAMLError:
        yield from (m.span("comment") for m in _BROKEN_YAML.finditer(text, end) if m["comment"])


def _of_header(text: str, start: int) -> Iterator[tuple[int, int]]:
    header = _HEADER.match(text, start)
    found = _HASH.match(text, header.end()) if header else None
    if found:
        yield found.span()


def _loader() -> type[yaml.Loader]:
    loader: type[yaml.Loader] = getattr(yaml, "CLoader", yaml.Loader)
    return loader
