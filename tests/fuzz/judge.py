"""What must be true of the messages about any text: places that exist, one for what is known to be broken, no exception.

In: a folder with a project, a mutant. Out: `Verdict`s: traceback, wrong span, undetected. Nothing is a matter of taste here.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from qmtl.dsl.compile import Validation, validate
from qmtl.dsl.diagnostics import Diagnostic
from qmtl.dsl.report.github import render_github
from qmtl.dsl.report.json import render_json
from qmtl.dsl.report.sarif import render_sarif
from qmtl.dsl.report.text import render_text
from qmtl.dsl.source import Span

from .mutants import Mutant, mutant
from .words import Word, words_of

ENDINGS = (".yaml", ".yml", ".qmtl", ".csv")
TODAY = "2026-01-05"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`kind`: traceback, wrong span or undetected."""

    kind: str
    mutant: Mutant
    what: str


@dataclass(slots=True)
class Project:
    """A copy of the shipped project in a folder of its own; one file at a time is broken and mended again."""

    folder: Path
    texts: dict[str, str] = field(default_factory=dict)
    words: dict[str, list[Word]] = field(default_factory=dict)
    known: frozenset[str] = frozenset()

    def load(self) -> None:
        """Reads the files, and what words they hold."""
        files = sorted(p for p in self.folder.rglob("*") if p.suffix in ENDINGS and p.is_file())
        self.texts = {str(p.relative_to(self.folder)): p.read_bytes().decode() for p in files}
        self.words = {file: words_of(self.folder, file) for file in self.texts if not file.endswith(".csv")}
        self.known = frozenset(self.texts[w.file][w.start : w.end] for words in self.words.values() for w in words)

    def mutant(self, rng: Random) -> Mutant:
        """One broken file."""
        file = rng.choice(sorted(self.texts))
        return mutant(rng, file, self.texts[file], self.words.get(file, []), self.known)

    def judged(self, broken: Mutant) -> tuple[Verdict, ...]:
        """What is wrong with the messages about a mutant."""
        path = self.folder / broken.file
        path.write_bytes(broken.text.encode())
        try:
            return tuple(_judged(broken, self.folder, self._asked(broken.file)))
        finally:
            path.write_bytes(self.texts[broken.file].encode())

    def _asked(self, file: str) -> list[Path]:
        """What is checked when this file is broken: itself; with a list, the document that names it."""
        if file.endswith(".csv"):
            return sorted(self.folder.glob(f"{Path(file).parent}/*.yaml"))
        return [self.folder / file]


def _judged(broken: Mutant, folder: Path, asked: list[Path]) -> Iterator[Verdict]:
    try:
        found = validate(asked, today=TODAY)
        rendered = render_json(found.diagnostics)
        for render in (render_text, render_github, render_sarif):
            render(found.diagnostics)
    except Exception:  # noqa: BLE001 - whatever escapes is what is looked for
        yield Verdict("traceback", broken, traceback.format_exc(limit=-6))
        return
    for diagnostic in found.diagnostics:
        for what in (*_astray(diagnostic), *_off(diagnostic, rendered)):
            yield Verdict("wrong span", broken, f"{diagnostic.code} {diagnostic.message}: {what}")
    yield from _shapes(broken, rendered, folder)
    yield from _blamed(broken, found)


def _astray(diagnostic: Diagnostic) -> Iterator[str]:
    """Spans that do not lie in their text, or whose lines and columns do not lead back to them."""
    for span in (diagnostic.span, *(label.span for label in diagnostic.labels)):
        if span is None:
            continue
        text = span.source.text
        if not 0 <= span.start <= span.end <= len(text):
            yield f"[{span.start}, {span.end}) of {len(text)} characters"
            continue
        for offset in (span.start, span.end):
            line, column = span.source.position(offset)
            lines = text.split("\n")
            if sum(len(one) + 1 for one in lines[: line - 1]) + column - 1 != offset:
                yield f"{line}:{column} is not offset {offset}"


def _off(diagnostic: Diagnostic, _rendered: str) -> Iterator[str]:
    if diagnostic.span is None and not diagnostic.file:
        yield "neither a place nor a file"


def _shapes(broken: Mutant, rendered: str, folder: Path) -> Iterator[Verdict]:
    """Lines and columns of the JSON select text of the file on disk."""
    for record in json.loads(rendered)["diagnostics"]:
        for place in (record, *record["labels"]):
            if place["line"] is None:
                continue
            path = Path(place["file"])
            path = path if path.is_absolute() else Path.cwd() / path
            lines = path.read_bytes().decode("utf-8-sig").split("\n")
            first, last = place["line"], place["end_line"]
            if not (1 <= first <= last <= len(lines)):
                yield Verdict("wrong span", broken, f"{record['code']}: lines {first}-{last} of {len(lines)}")
            elif not (
                1 <= place["column"] <= len(lines[first - 1]) + 1
                and 1 <= place["end_column"] <= len(lines[last - 1]) + 1
            ):
                yield Verdict(
                    "wrong span", broken, f"{record['code']}: {first}:{place['column']}-{last}:{place['end_column']}"
                )
    del folder


def _blamed(broken: Mutant, found: Validation) -> Iterator[Verdict]:
    """A word that is known to be wrong is found, and marked exactly."""
    if not broken.blamed:
        return
    errors = [d for d in found.diagnostics if d.severity == "error"]
    if not errors:
        yield Verdict("undetected", broken, f"{broken.how}: `{_word(broken)}` passes")
        return
    spans = [span for d in errors for span in (d.span, *(label.span for label in d.labels)) if span is not None]
    if not any(_covers(span, broken) for span in spans):
        places = ", ".join(f"{d.code} {d.span} `{d.span.text[:40] if d.span else ''}`" for d in errors[:4])
        yield Verdict("wrong span", broken, f"{broken.how} `{_word(broken)}`: {places}")


def _word(broken: Mutant) -> str:
    return broken.text[slice(*broken.blamed[0])]


def _covers(span: Span, broken: Mutant) -> bool:
    """The range itself, or with its quotes."""
    if span.source.text != broken.text.removeprefix("\ufeff"):
        return False
    at = (span.start, span.end)
    return any(at in {(start, end), (start - 1, end + 1)} for start, end in broken.blamed)
