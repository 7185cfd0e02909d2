"""On a terminal a source line and its carets take one row each, with the carets under the same letters as on a wide one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qmtl.dsl.cells import width, wrapped
from qmtl.dsl.diagnostics import Label, problem
from qmtl.dsl.report.text import render_text
from qmtl.dsl.source import Source, Span

LETTERS = st.text(st.sampled_from("abcdef xyz가나😀é"), max_size=250)


def rows(text: str, span: tuple[int, int], other: tuple[int, int] | None, columns: int) -> tuple[str, str]:
    """The source line and the caret row as they are printed."""
    source = Source("w.yaml", text + "\n")
    labels = (Label(Span(source, *other), ""),) if other else ()
    found = problem("Q0205", "wrong", Span(source, *span), labels=labels)
    lines = render_text([found], columns=columns).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("1 |"))
    return lines[at], lines[at + 1]


def under(line: str, carets: str, sign: str = "^") -> str:
    """The characters of the line that stand over the carets."""
    first, last = carets.index(sign), carets.rindex(sign)
    found, cell = "", 0
    for char in line:
        if first <= cell <= last:
            found += char
        cell += width(char)
    return found


@given(before=LETTERS, after=LETTERS, columns=st.integers(30, 120))
def test_line_and_carets_fit_on_one_row_and_meet(before: str, after: str, columns: int) -> None:
    text = f"{before}WRONG{after}"
    line, carets = rows(text, (len(before), len(before) + 5), None, columns)
    assert width(line) <= columns
    assert width(carets) <= columns
    assert under(line, carets) == "WRONG"


@given(between=st.integers(0, 300), columns=st.integers(40, 100))
def test_of_two_places_the_mistake_itself_is_always_seen(between: int, columns: int) -> None:
    text = "first" + "." * between + "WRONG" + "." * 200
    at = len("first") + between
    line, carets = rows(text, (at, at + 5), (0, 5), columns)
    assert max(width(line), width(carets)) <= columns
    assert under(line, carets) == "WRONG"
    if between < columns // 2 - 15:
        assert under(line, carets, "-") == "first"


def test_a_mistake_that_is_wider_than_the_terminal_is_underlined_as_far_as_it_is_seen() -> None:
    line, carets = rows("x" * 500, (0, 500), None, 60)
    assert max(width(line), width(carets)) <= 60
    assert carets.count("^") >= 50


def test_a_file_has_wide_lines_as_before() -> None:
    text = "a: " + "x" * 150
    source = Source("w.yaml", text)
    assert text in render_text([problem("Q0205", "wrong", Span(source, 0, 1))])
    assert text not in render_text([problem("Q0205", "wrong", Span(source, 0, 1))], columns=80)


@given(text=LETTERS, most=st.integers(4, 60))
def test_wrapped_text_keeps_its_letters_and_its_width(text: str, most: int) -> None:
    lines = wrapped(text, most)
    assert max(map(width, lines)) <= most
    assert "".join("".join(lines).split()) == "".join(text.split())
