"""`# qmtl: allow Q0603 until 2027-03-31 - reason`: a warning that is meant, silenced for a while and with a reason.

In: diagnostics, the texts they came from, and today's date. Out: the diagnostics less the silenced warnings, plus what is
wrong with the comments themselves (Q0111), has expired (Q0112) or silences nothing (Q0113).

What a comment covers, told from its place:
1. before the first line of text of the file: the whole file
2. on a line of its own: the next line of text, and everything below it that is indented deeper
3. at the end of a line: that line, and everything below it that is indented deeper
A warning is covered where its main place begins. Errors cannot be allowed. The last day is included.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from ..diagnostics import CODES, Diagnostic, Label, in_order, problem
from ..similar import did_you_mean
from ..source import Source, Span
from ..units import day

FORM: Final = "write `# qmtl: allow Q0603 until 2027-03-31 - reason`"
_MARK: Final = re.compile(r"#[ \t]*qmtl[ \t]*(?::|[ \t]allow\b)", re.IGNORECASE)
_OPENING: Final = re.compile(r"#[ \t]*qmtl[ \t]*:?[ \t]*(?P<word>[^\s]*)", re.IGNORECASE)
_PARTS: Final = re.compile(
    r"[ \t]*(?P<code>[^\s,]*)(?P<more>,?)[ \t]*(?:(?P<until>until)\b[ \t]*(?P<day>[^\s]*))?[ \t]*(?P<rest>.*)"
)
_REASON: Final = re.compile("(?:-|\u2013|\u2014)[ \t]*(?P<reason>.*)")
#: about these comments themselves
_OWN: Final = frozenset({"Q0111", "Q0112", "Q0113"})
#: the place of a named part of a comment
_Place = Callable[[str], Span]


@dataclass(frozen=True, slots=True)
class Allowance:
    """One comment that could be read; it covers the lines [first, last] of its file."""

    code: str
    until: str
    until_span: Span
    span: Span
    first: int
    last: int

    def covers(self, diagnostic: Diagnostic) -> bool:
        """True for a warning of this code that begins on one of the lines."""
        if diagnostic.code != self.code:
            return False
        if diagnostic.span is None:
            return self.first == 1 and diagnostic.file == self.span.source.name
        source = diagnostic.span.source
        return (
            source.name == self.span.source.name
            and self.first <= source.position(diagnostic.span.start)[0] <= self.last
        )


def silence(
    diagnostics: Iterable[Diagnostic], sources: Iterable[Source], today: str, *, unused: bool = True
) -> tuple[Diagnostic, ...]:
    """The diagnostics in order, without the warnings that a comment allows until `today` or later.

    `sources` are the texts whose comments are judged; `unused` is False where not all of a file has been looked at, so that
    nobody can say that a comment silences nothing."""
    found = tuple(diagnostics)
    warned = (d.span.source for d in found if d.severity == "warning" and d.span is not None)
    texts = {source.name: source for source in (*sources, *warned) if _MARK.search(source.text)}
    if not texts:
        return in_order(found)
    problems: list[Diagnostic] = []
    allowances = [a for source in texts.values() for a in _allowances(source, problems)]
    kept = [d for d in found if not any(a.until >= today and a.covers(d) for a in allowances)]
    for allowance in allowances:
        problems.extend(_judged(allowance, found, today, unused=unused))
    return in_order((*kept, *problems))


def covered(source: Source, diagnostics: Iterable[Diagnostic]) -> tuple[tuple[Allowance, tuple[Diagnostic, ...]], ...]:
    """Each comment of a text that can be read, with the warnings that it allows, expired or not."""
    found = tuple(diagnostics)
    return tuple((a, tuple(d for d in found if a.covers(d))) for a in _allowances(source, []))


def _judged(allowance: Allowance, found: tuple[Diagnostic, ...], today: str, *, unused: bool) -> Iterator[Diagnostic]:
    covered = [d for d in found if allowance.covers(d)]
    code = allowance.code
    if not covered and (not unused or _unread(allowance, found)):
        return
    if allowance.until < today:
        labels = tuple(Label(d.span, f"{code} is shown again") for d in covered[:1] if d.span is not None)
        help_text = "look at the warning again: mend it, drop the comment, or give it a later day"
        message = f"{code} was allowed until {allowance.until}" + (
            "" if covered else ", and there is none here any more"
        )
        way_out = help_text if covered else "drop the comment"
        yield problem("Q0112", message, allowance.until_span, label="over", labels=labels, help=way_out)
    elif not covered:
        message = f"there is no {code} here to allow"
        help_text = "drop the comment, or put it above the line that the warning is about"
        yield problem("Q0113", message, allowance.span, help=help_text)


def _unread(allowance: Allowance, found: tuple[Diagnostic, ...]) -> bool:
    """True while the file has errors: what it would be warned about is not known yet."""
    name = allowance.span.source.name
    return any(d.severity == "error" and d.span is not None and d.span.source.name == name for d in found)


# ---- reading


def _allowances(source: Source, problems: list[Diagnostic]) -> Iterator[Allowance]:
    lines = source.text.split("\n")  # as `position` counts them
    told = [number for number, line in enumerate(lines, start=1) if _text(line)]
    for span, alone in _marked(source):
        read = _read(span)
        if isinstance(read, Diagnostic):
            problems.append(read)
        else:
            code, until = read
            yield Allowance(
                code, until.text, until, span, *_covered(lines, told, source.position(span.start)[0], alone=alone)
            )


def _marked(source: Source) -> Iterator[tuple[Span, bool]]:
    """Comments that address qmtl, and whether each stands alone on its line."""
    if source.name.endswith(".csv"):
        start = 0
        for line in source.text.splitlines(keepends=True):
            if _MARK.match(line.lstrip()):
                yield Span(source, start + len(line) - len(line.lstrip()), start + len(line.rstrip())), True
            start += len(line)
        return
    from ..surface.comments import comments

    for comment in comments(source):
        if _MARK.match(comment.span.text):
            yield comment.span, comment.alone


def _covered(lines: list[str], told: list[int], number: int, *, alone: bool) -> tuple[int, int]:
    """First and last line (from 1) that a comment on a line speaks about; `told` are the numbers of lines with text."""
    at = bisect_left(told, number)
    if alone:
        if at == 0:
            return 1, len(lines)
        number = told[at] if at < len(told) else number
    depth = _depth(lines[number - 1])
    last = number
    for below in told[bisect_right(told, number) :]:
        if _depth(lines[below - 1]) <= depth:
            break
        last = below
    return number, last


def _text(line: str) -> bool:
    """True when a line holds more than a comment or the start of a YAML document."""
    return bool(line.strip()) and not line.lstrip().startswith("#") and line.rstrip() != "---"


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def _read(span: Span) -> tuple[str, Span] | Diagnostic:
    """Code and place of the last day, or what is wrong first."""
    source, text = span.source, span.text
    opening = _OPENING.match(text)
    assert opening is not None, "what is marked begins like this"
    if opening["word"] != "allow":
        place = Span(source, span.start + opening.start("word"), span.start + opening.end("word"))
        return _wrong("a comment for qmtl says `allow`, nothing else", place if opening["word"] else span)
    if ":" not in text[: opening.start("word")]:
        return _wrong("`qmtl` needs a colon here: `# qmtl: allow ...`", span)
    parts = _PARTS.match(text, opening.end())
    assert parts is not None, "every part may be empty"

    def place_of(name: str) -> Span:
        return Span(source, span.start + parts.start(name), span.start + parts.end(name))

    return _code(parts["code"], place_of("code"), span) or _rest(parts, place_of, span)


def _code(code: str, place: Span, span: Span) -> Diagnostic | None:
    if not code or code == "until" or code.startswith("-"):
        return _wrong("an `allow` comment names the code of a warning", span)
    if code not in CODES:
        return problem("Q0111", f"there is no code `{code}`", place, help=did_you_mean(code, CODES) or FORM)
    if code in _OWN:
        return problem(
            "Q0111", f"{code} is about `allow` comments and cannot be allowed", place, help="drop the comment"
        )
    if CODES[code][0] == "error":
        message = f"{code} is an error: only warnings can be allowed"
        return problem("Q0111", message, place, help="mend the mistake and drop the comment")
    return None


def _rest(parts: re.Match[str], place: _Place, span: Span) -> tuple[str, Span] | Diagnostic:
    if parts["more"]:
        return _wrong("an `allow` comment names one code", place("more"), "write a comment for each")
    if not parts["until"] or not parts["day"]:
        return _wrong("an `allow` comment says until when: `until 2027-03-31`", span)
    if day(parts["day"]) is None:
        return _wrong(f"`{parts['day']}` is not a day", place("day"))
    reason = _REASON.fullmatch(parts["rest"].strip())
    if reason is None or not reason["reason"]:
        return _wrong("an `allow` comment says why: `- reason`", span)
    return parts["code"], place("day")


def _wrong(message: str, place: Span, way_out: str = FORM) -> Diagnostic:
    return problem("Q0111", message, place, help=way_out)
