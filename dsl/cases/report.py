"""Outcomes of cases as people and programs read them: text, JSON, JUnit XML.

In: outcomes and coverage, already in places of files. Out: text. It stands in the front end because it needs the sources
and nothing of the engine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from ..cells import harmless
from ..diagnostics import Diagnostic
from ..report.text import render_text
from ..source import Span
from .model import Detail, Why

_COLOURS: Final = {"ok": "\x1b[32m", "FAILED": "\x1b[1;31m"}
_OFF: Final = "\x1b[0m"
#: kinds of rules in numbers; a guard has two answers to exercise
_PLURALS: Final = {"guard": "guard answers", "position policy": "position policies"}
#: characters that XML 1.0 does not have
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that did not come true: its place, what was expected and what came, and why."""

    span: Span
    message: str
    help: str
    why: tuple[Why, ...]
    label: str = ""
    symbol: str = ""
    details: tuple[Detail, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """One case that was run. `group` is the name of its document; `span` its own name in the file. `notes` say what only
    holds because an input is unknown."""

    name: str
    group: str
    world: str
    span: Span
    failures: tuple[Failure, ...]
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def well(self) -> bool:
        """Everything came as expected."""
        return not self.failures

    @property
    def file(self) -> str:
        """File of the case, as the user would type it."""
        return self.span.source.name


@dataclass(frozen=True, slots=True)
class Covered:
    """Coverage of a world: (kind, name, exercised) of every rule."""

    world: str
    file: str
    rules: tuple[tuple[str, str, bool], ...]

    @property
    def share(self) -> float:
        """Exercised rules, from 0 to 1."""
        return sum(seen for *_, seen in self.rules) / len(self.rules) if self.rules else 1.0

    @property
    def missed(self) -> tuple[tuple[str, str, bool], ...]:
        """Rules that no case exercised."""
        return tuple(rule for rule in self.rules if not rule[2])


def text(outcomes: Sequence[Outcome], rules: Sequence[Covered], *, color: bool = False, verbose: bool = False) -> str:
    """A line per case, coverage, the failures with their places, and last the summary: what is read first stands lowest.
    `verbose` lists every rule that no case exercises."""
    lines: list[str] = []
    for file, group in groupby(outcomes, key=lambda outcome: outcome.file):
        lines.append(harmless(file))
        for outcome in group:
            lines.append(f"  {_word(outcome, color)}{harmless(outcome.name)}")
            lines += [f"          note: {harmless(note)}" for note in outcome.notes]
    lines += ["", *(line for one in rules for line in _coverage(one, verbose))] if rules else []
    told: set[tuple[Span, str]] = set()  # what a group says of all its cases fails each of them, and is told once
    for outcome in outcomes:
        if not outcome.well:
            failures = {(failure.span, failure.message) for failure in outcome.failures}
            again = failures <= told
            lines += ["", f"{_word(outcome, color)}{harmless(outcome.name)}{': as above' if again else ''}"]
            lines += [] if again else [f"  {line}".rstrip() for line in _failures(outcome, color)]
            told |= failures
    if outcomes:
        lines += ["", summary(outcomes)]
    return "\n".join(lines) + "\n"


def _word(outcome: Outcome, color: bool) -> str:
    word = "ok" if outcome.well else "FAILED"
    painted = f"{_COLOURS[word]}{word}{_OFF}" if color else word
    return f"{painted}{' ' * (8 - len(word))}"


def _failures(outcome: Outcome, color: bool) -> list[str]:
    """All failures of a case, a blank line between them."""
    lines: list[str] = []
    for failure in outcome.failures:
        lines += ([""] if lines else []) + _failure(failure, color)
    return lines


def summary(outcomes: Sequence[Outcome]) -> str:
    """`12 cases: 11 ok, 1 failed (0.31 s)`."""
    failed = sum(not outcome.well for outcome in outcomes)
    noun = "case" if len(outcomes) == 1 else "cases"
    seconds = sum(outcome.seconds for outcome in outcomes)
    counts = f"{len(outcomes) - failed} ok" + (f", {failed} failed" if failed else "")
    return f"{len(outcomes)} {noun}: {counts} ({seconds:.2f} s)"


def _failure(failure: Failure, color: bool) -> list[str]:
    """The expectation in its line, as diagnostics show places, then every reason that was given."""
    shown = Diagnostic("case", "error", failure.message, failure.span, failure.label, help=failure.help)
    _, *excerpt = takewhile(str.strip, render_text((shown,), color=color).splitlines())
    lines = [harmless(failure.message), *excerpt]
    for symbol, given in groupby(failure.why, key=lambda reason: reason.symbol):
        reasons = list(given)
        width = max(len(reason.step) for reason in reasons)
        lines += ["", f"  reasons{' of ' + symbol if symbol else ''}:"]
        lines += [f"    {reason.step:<{width}}  {reason.code}: {reason.text}" for reason in reasons]
    if failure.symbol and not failure.why:
        lines += ["", f"  no step had anything to say about {failure.symbol}"]
    for detail in failure.details:
        lines += ["", f"  {harmless(detail.title)}:", *(f"    {harmless(line)}" for line in detail.lines)]
    return lines


def _coverage(one: Covered, verbose: bool) -> list[str]:
    seen = sum(rule[2] for rule in one.rules)
    head = f"coverage of {one.world}: {seen} of {len(one.rules)} rules ({one.share:.0%})"
    kinds = [(kind, [name for _, name, _ in group]) for kind, group in groupby(one.missed, key=lambda rule: rule[0])]
    if verbose or not kinds:
        return [head, *(f"  no case exercises {kind}: {', '.join(names)}" for kind, names in kinds)]
    counts = ", ".join(
        f"{len(names)} {_PLURALS.get(kind, f'{kind}s') if len(names) > 1 else kind}" for kind, names in kinds
    )
    return [f"{head}; not exercised: {counts} (--verbose names them)"]


def as_json(outcomes: Iterable[Outcome], rules: Iterable[Covered]) -> str:
    """Format `qmtl.cases.v1`: cases with their failures, and coverage by world."""
    document = {
        "format": "qmtl.cases.v1",
        "cases": [_plain(outcome) for outcome in outcomes],
        "coverage": [
            {
                "world": one.world,
                "file": one.file,
                "share": round(one.share, 4),
                "rules": [{"kind": kind, "name": name, "exercised": seen} for kind, name, seen in one.rules],
            }
            for one in rules
        ],
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _plain(outcome: Outcome) -> dict[str, object]:
    return {
        "name": outcome.name,
        "group": outcome.group,
        "world": outcome.world,
        "file": outcome.file,
        "line": outcome.span.source.position(outcome.span.start)[0],
        "ok": outcome.well,
        "seconds": round(outcome.seconds, 4),
        "notes": list(outcome.notes),
        "failures": [_plain_failure(failure) for failure in outcome.failures],
    }


def _plain_failure(failure: Failure) -> dict[str, object]:
    line, column = failure.span.source.position(failure.span.start)
    return {
        "file": failure.span.source.name,
        "line": line,
        "column": column,
        "message": failure.message,
        "help": failure.help,
        "symbol": failure.symbol,
        "reasons": [
            {"step": reason.step, "code": reason.code, "text": reason.text, "symbol": reason.symbol}
            for reason in failure.why
        ],
        "details": [{"title": detail.title, "lines": list(detail.lines)} for detail in failure.details],
    }


def junit(outcomes: Sequence[Outcome]) -> str:
    """JUnit XML as CI systems read it: a suite per file, a test case per case."""
    files = [(file, list(group)) for file, group in groupby(outcomes, key=lambda outcome: outcome.file)]
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<testsuites {_totals(outcomes)}>"]
    for file, group in files:
        lines.append(f'  <testsuite name={_attribute(file)} errors="0" skipped="0" {_totals(group)}>')
        for outcome in group:
            lines += _test_case(outcome)
        lines.append("  </testsuite>")
    return "\n".join((*lines, "</testsuites>")) + "\n"


def junit_of_mistakes(diagnostics: Sequence[Diagnostic]) -> str:
    """JUnit XML of texts with mistakes, where no case could be run: an errored test case per mistake."""
    total = f'tests="{len(diagnostics)}" failures="0" errors="{len(diagnostics)}" time="0.0000"'
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<testsuites {total}>"]
    for file, group in groupby(diagnostics, key=lambda d: d.span.source.name if d.span else d.file):
        mistakes = list(group)
        counts = f'tests="{len(mistakes)}" failures="0" errors="{len(mistakes)}" skipped="0" time="0.0000"'
        lines.append(f"  <testsuite name={_attribute(file)} {counts}>")
        for mistake in mistakes:
            lines += _mistake(mistake, file)
        lines.append("  </testsuite>")
    return "\n".join((*lines, "</testsuites>")) + "\n"


def _mistake(mistake: Diagnostic, file: str) -> list[str]:
    line = mistake.span.source.position(mistake.span.start)[0] if mistake.span else 0
    place = f'file={_attribute(file)} line="{line}"'
    detail = escape(_NOT_XML.sub("\ufffd", render_text((mistake,)).strip()))
    return [
        f'    <testcase name={_attribute(mistake.code)} classname="qmtl.texts" time="0.0000" {place}>',
        f'      <error type="{mistake.code}" message={_attribute(mistake.message)}>{detail}</error>',
        "    </testcase>",
    ]


def _test_case(outcome: Outcome) -> list[str]:
    head = (
        f"    <testcase name={_attribute(outcome.name)} classname={_attribute(outcome.group)} "
        f'time="{outcome.seconds:.4f}" file={_attribute(outcome.file)} '
        f'line="{outcome.span.source.position(outcome.span.start)[0]}"'
    )
    if outcome.well:
        return [f"{head}/>"]
    lines = [f"{head}>"]
    for failure in outcome.failures:
        detail = "\n".join(_failure(failure, color=False)).strip()
        lines.append(
            f'      <failure type="expectation" message={_attribute(failure.message)}>'
            f"{escape(_NOT_XML.sub('�', detail))}</failure>"
        )
    return [*lines, "    </testcase>"]


def _totals(outcomes: Sequence[Outcome]) -> str:
    failed = sum(not outcome.well for outcome in outcomes)
    seconds = sum(outcome.seconds for outcome in outcomes)
    return f'tests="{len(outcomes)}" failures="{failed}" time="{seconds:.4f}"'


def _attribute(value: str) -> str:
    return quoteattr(_NOT_XML.sub("\ufffd", value))
