"""The tree of a model -> `ModelDocument`, and whether its file is the one that was declared.

In: a model document and the features that exist. Out: the model, and what is wrong with it. The ONNX file is hashed, never
loaded: what stands in it is checked by those who run it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from .diagnostics import Label, problem
from .documents import Document
from .model import Calibration, ModelDocument, ModelOutput
from .section import Convert, Findings, Section, number, whole, word
from .similar import did_you_mean
from .source import Span
from .tree import Scalar

_CALIBRATION: Final[Mapping[str, Convert]] = {"method": word, "temperature": number}


def read_model(document: Document, features: Iterable[str], found: Findings) -> ModelDocument:
    """The meaning of a model document; `features` are the names of all definitions of features."""
    root = Section(document.tree, "", found)
    _features(root, list(features))
    _file(root, document)
    return ModelDocument(
        name=document.name,
        file=root.value("file", word, ""),
        sha256=root.value("sha256", word, ""),
        features=tuple(str(item.value) for item in root.words("features")),
        outputs=_outputs(root),
        window=root.value("window", whole, 32),
        calibration=root.section("calibration").fill(Calibration(), _CALIBRATION),
        description=root.value("description", word, ""),
    )


def _features(root: Section, known: list[str]) -> None:
    """Every feature exists and stands once; the order is that of the model's input."""
    first: dict[str, Span] = {}
    for item in root.words("features"):
        name = str(item.value)
        before = first.setdefault(name, item.span)
        if before is not item.span:
            message = f"the feature `{name}` is listed twice"
            labels = (Label(before, "first here"),)
            root.found.problems.append(problem("Q0804", message, item.span, label="again", labels=labels))
        elif name not in known:
            help_text = did_you_mean(name, known) or "a feature is defined in a `.qmtl` file: `feature NAME { ... }`"
            root.found.problems.append(problem("Q0804", f"unknown feature `{name}`", item.span, help=help_text))


def _outputs(root: Section) -> tuple[ModelOutput, ...]:
    """The outputs in the order of the text; one number is one probability."""
    section = root.section("outputs")
    first: dict[tuple[str, int], tuple[str, Span]] = {}
    outputs = []
    for entry in section.node:
        own = section.section(entry.key)
        output = ModelOutput(entry.key, own.value("output", word, ""), own.value("index", whole, 0))
        name, place = first.setdefault((output.output, output.index), (entry.key, entry.key_span))
        if place is not entry.key_span and output.output:
            message = f"`{entry.key}` and `{name}` are read from the same number of the model"
            labels = (Label(place, f"`{output.output}`, index {output.index}"),)
            help_text = "`index` counts from 0 within an output"
            root.found.problems.append(problem("Q0809", message, entry.key_span, labels=labels, help=help_text))
        outputs.append(output)
    return tuple(outputs)


def _file(root: Section, document: Document) -> None:
    """The file is there, and its hash is the declared one."""
    written, declared = root.scalar("file"), root.scalar("sha256")
    if written is None or not isinstance(written.value, str) or not written.value:
        return
    path = document.folder / written.value
    root.found.files.append(path)
    found = _sha256(path)
    if found is None:
        message = f"`{written.value}` {'cannot be read' if path.is_file() else 'does not exist'}"
        root.found.problems.append(problem("Q0101", message, written.span, help="paths are relative to this file"))
    elif isinstance(declared, Scalar) and declared.value != found:
        message = f"`{written.value}` is not the file that was declared"
        labels = (Label(written.span, "this file"),)
        help_text = f'if this is the file you mean, write `sha256: "{found}"`'
        root.found.problems.append(problem("Q0805", message, declared.span, labels=labels, help=help_text))


def _sha256(path: Path) -> str | None:
    """Hash of a file of any size, read in pieces; None when there is nothing to read."""
    try:
        if not path.is_file():  # opening a pipe would wait for its writer
            return None
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return None
