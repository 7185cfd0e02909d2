"""One file on one surface -> the same documents on the other one.

In: a file that was read without errors. Out: the text of each new file, with a name to suggest. What was written is read
again and compared, values and comments, before anybody gets it: a conversion that lost something would be a bug, and says
so, rather than a file that means something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ..buildblocks import one_line
from ..documents import Document, Loaded
from ..schema import load_schema
from ..schemashape import alternative, below, is_condition, resolved
from ..source import Source, Span
from ..tree import Entry, Map, Node, Scalar, Seq, plain
from .attach import Attached, Notes, attach
from .blockwriter import to_block
from .comments import Comment, allows, comments
from .silenced import refuse_other_silence
from .yamlwriter import to_yaml

MODELINE: Final = "# yaml-language-server: $schema="


@dataclass(frozen=True, slots=True)
class Converted:
    """One new file: a name to suggest, its text, and the document it holds."""

    name: str
    text: str
    kind: str
    document: str


class ConversionError(Exception):
    """What was written does not read back as what was there."""


def to_qmtl(loaded: Loaded) -> tuple[Converted, ...]:
    """The `.qmtl` text of a YAML file."""
    return tuple(_as_block(document) for document in loaded.documents)


def to_yaml_files(loaded: Loaded) -> tuple[Converted, ...]:
    """A YAML text for each document of a `.qmtl` file."""
    shares = zip(loaded.documents, _shares(loaded.documents), strict=True)
    return tuple(_as_yaml(document, listed) for document, listed in shares)


def _as_block(document: Document) -> Converted:
    source = document.source
    listed = list(comments(source))
    if listed and listed[0].span.text.startswith(MODELINE):
        # the editor's line, and the empty one that sets it apart, are YAML's own
        del listed[: 2 if len(listed) > 1 and not listed[1].text and listed[1].alone else 1]
    attached = attach(document.tree, listed, bracketed=False)
    text = to_block(document.tree, document.kind, load_schema(document.kind), attached)
    made = Converted(f"{Path(source.name).stem}.qmtl", text, document.kind, document.name)
    return _checked(document, listed, made)


def _as_yaml(document: Document, listed: Sequence[Comment]) -> Converted:
    attached = attach(document.tree, listed, bracketed=True)
    tree, attached = _version_first(document, attached)
    text = to_yaml(tree, load_schema(document.kind), attached)
    made = _checked(document, listed, Converted(f"{_file_name(document)}.yaml", text, document.kind, document.name))
    schema = _schema_beside(document)
    if not schema:
        return made
    modeline = f"{MODELINE}{schema}\n" + ("#\n" if text.startswith("#") else "")
    return replace(made, text=modeline + text)


def _file_name(document: Document) -> str:
    safe = "".join(c if c.isalnum() or c in "_-" else "_" for c in document.name)
    return safe.strip("_") or document.kind


def _version_first(document: Document, attached: Attached) -> tuple[Map, Attached]:
    """YAML files begin with their version; a block begins with its kind."""
    kind, *rest = document.tree.entries
    own = attached.of((kind.key,))
    if allows(own.behind):  # what the whole block allows is said above the first line
        own = Notes([*own.above, own.behind], "", own.end)
        attached = Attached({**attached.notes, (kind.key,): own})
    if any(allows(line) for line in attached.of(("version",)).above):
        return document.tree, attached
    if not rest or rest[0].key != "version" or own.behind:
        return document.tree, attached
    version = attached.of(("version",))
    above = [*own.above, *version.above]
    notes = {**attached.notes, (kind.key,): Notes(), ("version",): Notes(above, version.behind)}
    return Map((rest[0], kind, *rest[1:]), document.tree.span), Attached(notes)


def _schema_beside(document: Document) -> str:
    """The way from the file's folder to the published schema of its kind, when a folder above has it."""
    from qmtl.schemas import SCHEMAS

    folder = document.folder.resolve()
    for steps, above in enumerate((folder, *folder.parents)):
        if (above / "schemas" / SCHEMAS[document.kind]).is_file():
            return f"{'../' * steps}schemas/{SCHEMAS[document.kind]}"
    return ""


def _shares(documents: Sequence[Document]) -> list[list[Comment]]:
    """The comments of a file with several blocks: those inside a block and above it are its own, the last ones the last's."""
    shares: list[list[Comment]] = [[] for _ in documents]
    for comment in comments(documents[0].source) if documents else ():
        ends = [d.tree.span.source.text.find("\n", d.tree.span.end) % (len(d.source.text) + 1) for d in documents]
        owner = next((i for i, end in enumerate(ends) if comment.span.start < end), len(documents) - 1)
        shares[owner].append(comment)
    return shares


# ---- nothing is lost


def _checked(document: Document, listed: Sequence[Comment], made: Converted) -> Converted:
    """The conversion itself, when reading it gives the same values and comments."""
    again = read_text(made.text, made.name, document.folder)
    kept = [c.text for c in comments(Source(made.name, made.text))] == [c.text for c in listed]
    if again is None or not kept or _meaning(again) != _meaning(document):
        raise ConversionError(
            f"{document.source.name}: {document.kind} {document.name} reads differently as {made.name}"
        )
    refuse_other_silence(document, again, listed)
    return made


def _meaning(document: Document) -> object:
    schema = load_schema(document.kind)
    return plain(_one_line_conditions(document.tree, schema, resolved(schema, schema)))


def _one_line_conditions(node: Node, root: object, schema: object) -> Node:
    """The tree with every condition on one line: line breaks mean nothing in a condition."""
    assert isinstance(root, dict)
    assert isinstance(schema, dict)
    if isinstance(node, Map):
        inner = alternative(root, schema, "object")
        entries = [
            Entry(e.key, e.key_span, _one_line_conditions(e.value, root, below(root, inner, e.key))) for e in node
        ]
        return Map(tuple(entries), node.span)
    if isinstance(node, Seq):
        items = resolved(root, alternative(root, schema, "array").get("items"))
        return Seq(tuple(_one_line_conditions(item, root, items) for item in node.items), node.span)
    if isinstance(node.value, str) and is_condition(root, schema):
        return Scalar(one_line(node.value)[0].strip(), node.span)
    return node


def read_text(text: str, name: str, folder: Path | None = None) -> Document | None:
    """The first document in a text that stands in a folder, or None when it cannot be read without a mistake."""
    from ..blocks import block_to_tree
    from ..documents import identify
    from ..parser import parse_file
    from ..yamltree import read_yaml

    source = Source(name, text, folder / name if folder else None)
    if not name.endswith(".qmtl"):
        tree, problems = read_yaml(source)
        document, more = identify(tree, source) if isinstance(tree, Map) else (None, ())
        return None if problems or more else document
    _, blocks, problems = parse_file(source)
    if problems or not blocks:
        return None
    kind, tree, more = block_to_tree(blocks[0], load_schema(blocks[0].key.value))
    entry = tree.entry(kind)
    if more or entry is None or not isinstance(entry.value, Scalar):
        return None
    return Document(kind, str(entry.value.value), tree, source, Span(source, 0, 0))
