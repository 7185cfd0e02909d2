"""Series notation: exactly as many values as it says, and mistakes at their letter."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmtl.dsl.cases.series import MOST, PRICE, PROBABILITY, VALUE, Limit, read_series
from qmtl.dsl.source import Source
from qmtl.dsl.tree import Map, Scalar
from qmtl.dsl.yamltree import read_yaml


def scalar(text: str) -> Scalar:
    """The value of `close:` in a file."""
    tree, problems = read_yaml(Source("c.yaml", f"close: {text}\n"))
    assert not problems
    assert isinstance(tree, Map)
    node = tree.get("close")
    assert isinstance(node, Scalar)
    return node


def values(text: str, limit: Limit = VALUE) -> list[float | None]:
    """The values of a series, None for missing ones."""
    series, problems = read_series(scalar(text), limit)
    assert not problems, problems
    assert series is not None
    return [None if math.isnan(v) else v for v in series.values]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500", [500]),
        ("500x3", [500, 500, 500]),
        ("500+0.5x4", [500, 500.5, 501, 501.5]),
        ("1-0.1x3", [1, 0.9, 0.8]),
        ("0.1+0.1x3", [0.1, 0.2, 0.3]),
        ("70%x2", [0.7, 0.7]),
        ("_x2 5", [None, None, 5]),
        ("1 _ 2x2", [1, None, 2, 2]),
        ("1_000x2", [1000, 1000]),
        ("-2+1x3", [-2, -1, 0]),
    ],
)
def test_a_series_says_its_values(text: str, expected: list[float | None]) -> None:
    assert values(text) == expected


def test_one_number_alone_is_a_constant_and_a_count_makes_it_a_series() -> None:
    constants = [read_series(scalar(text), VALUE)[0] for text in ("500", "70%", "500x1", "500 500", "_")]
    assert [s.constant for s in constants if s] == [True, True, False, False, False]


@given(
    st.lists(
        st.one_of(
            st.integers(1, 40).map(lambda n: (f"_x{n}", n)),
            st.tuples(st.integers(1, 9999), st.integers(1, 40)).map(lambda p: (f"{p[0]}x{p[1]}", p[1])),
            st.tuples(st.integers(1, 9999), st.integers(0, 99), st.integers(1, 40)).map(
                lambda p: (f"{p[0]}+0.{p[1]}x{p[2]}", p[2])
            ),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_n_values_are_n_values(parts: list[tuple[str, int]]) -> None:
    series, problems = read_series(scalar(" ".join(text for text, _ in parts)), VALUE)
    assert not problems
    assert series is not None
    assert len(series.values) == sum(count for _, count in parts)


@given(st.text(alphabet="0123456789.x_+-% ae", max_size=30))
def test_any_text_is_read_or_complained_about_inside_it(text: str) -> None:
    node = Scalar(text, scalar("x" * len(text) or "''").span, tuple(range(7, 8 + len(text))))
    series, problems = read_series(node, VALUE)
    assert (series is None) == bool(problems)
    for problem in problems:
        assert problem.code == "Q0806"
        assert problem.span is not None
        assert 0 <= problem.span.start <= problem.span.end


@pytest.mark.parametrize(
    ("text", "marked", "words", "limit"),
    [
        ("500 50Ox3 7", "Ox3", "`50Ox3` is no part of a series", VALUE),
        ("'500 5+1 7'", "5+1", "`5+1` does not say how many", VALUE),
        ("500x0", "500x0", "a series has 1 to", VALUE),
        (f"500x{MOST + 1}", f"500x{MOST + 1}", "a series has 1 to", VALUE),
        (f"500x{MOST} 3", "3", "a series has 1 to", VALUE),
        ("10-1x11", "10-1x11", "a price is more than 0", PRICE),
        ("0.5 1.2", "1.2", "a probability lies between 0 and 1", PROBABILITY),
        ("0", "0", "a price is more than 0", PRICE),
        ("true", "true", "a series is a number or text", VALUE),
        ("100 * 3", "*", "`*` is no part of a series", VALUE),
    ],
)
def test_a_mistake_is_shown_at_its_letters(text: str, marked: str, words: str, limit: Limit) -> None:
    series, (problem,) = read_series(scalar(text), limit)
    assert series is None
    assert problem.code == "Q0806"
    assert problem.span is not None
    assert problem.span.text == marked
    assert words in problem.message


def test_the_place_is_right_through_escapes() -> None:
    _, (problem,) = read_series(scalar(r'"500\x20\x35OO 7"'), VALUE)
    assert problem.span is not None
    assert problem.span.text == "OO"
