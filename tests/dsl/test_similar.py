"""Suggestions: near words only, silence otherwise (language.md, semantics 5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmtl.dsl.similar import did_you_mean, distance, nearest

WORDS = ("roc_momentum", "zscore_reversion", "atr_ratchet", "by_symbol", "default")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("roc_momentun", "roc_momentum"),
        ("roc_mometnum", "roc_momentum"),  # a transposition is one edit
        ("zscore_revers", "zscore_reversion"),
        ("DEFAULT", "default"),
        ("bysymbol", "by_symbol"),
        ("symbol_overrides", None),
        ("x", None),
    ],
)
def test_only_near_words_are_suggested(word: str, expected: str | None) -> None:
    assert nearest(word, WORDS) == expected


def test_the_limit_is_a_third_of_the_word_and_at_least_one() -> None:
    assert nearest("SPI", ["SPY"]) == "SPY"
    assert nearest("SXZ", ["SPY"]) is None
    assert nearest("abcdef", ["abcdxy"]) == "abcdxy"
    assert nearest("abcde", ["abcxy"]) is None


def test_a_suggestion_is_one_sentence_or_nothing() -> None:
    assert did_you_mean("fsat", ["fast", "slow"]) == "did you mean `fast`?"
    assert did_you_mean("quick", ["fast", "slow"]) == ""


def test_of_equally_near_words_the_first_in_the_alphabet_wins() -> None:
    assert nearest("cat", ["rat", "bat", "hat"]) == "bat"


texts = st.text("abcd", max_size=8)


@given(texts, texts)
def test_distance_is_symmetric_and_zero_only_for_equals(a: str, b: str) -> None:
    assert distance(a, b, 9) == distance(b, a, 9)
    assert (distance(a, b, 9) == 0) == (a == b)


@given(texts, texts, st.integers(0, 8))
def test_the_limit_only_cuts_off(a: str, b: str, limit: int) -> None:
    assert distance(a, b, limit) == min(distance(a, b, 99), limit + 1)
