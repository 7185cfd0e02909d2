"""Single values as both surfaces write them.

In: values of the tree. Out: their text, without quotes wherever that reads back as the same value: by YAML 1.2 core *and*
by the YAML 1.1 of other tools (`"ON"`, `"16:00"`), or by the lexer of blocks.
"""

from __future__ import annotations

import re
from typing import Final

import yaml

from ..exprtext import in_quotes
from ..lexing import DEFINITIONS, RESERVED
from ..tree import Scalar
from ..yamlscalars import resolve

WIDTH: Final = 120
#: a condition is easier to read when it is broken earlier
WIDTH_OF_CONDITION: Final = 100
#: a number that every reader takes for the same one
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?")
#: plain by YAML in a list or map on one line; a `:` or `#` in the middle needs a letter on its one side
_PLAIN: Final = re.compile(
    r"(?:[^\s\-?:,\[\]{}#&*!|>'\"%@`=~<]|-(?=[^\s,\[\]{}]))"
    r"(?:[^\s:#]|:(?=[^\s,\[\]{}])|(?<=\S)#| (?=[^\s#]))*"
)
#: ... where some readers stumble over a `?` too, and a `(` makes a comma look like one of a call
_IN_FLOW: Final = frozenset(",[]{}?()")
#: what YAML 1.1 takes for something else beyond what PyYAML's own rules say
_OTHER_11: Final = re.compile(
    r"[yYnN]|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*|[-+]?[0-9][0-9_]*|0[0-9_]+|[-+]?[0-9]+(:[0-9]+)+.*"
)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DOTTED: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_WITH_UNIT: Final = re.compile(r"-?[0-9][0-9_]*(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?(?: ?USD|%|(?:bps|s|m|h|d))?", re.ASCII)
#: words that mean something else where a word of a block stands
_TAKEN: Final = RESERVED | {"null", "most", "above", "below"}
_VISIBLE: Final = re.compile(
    "[\x20-\x7e\xa1-\u1fff\u2010-\u2027\u2030-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*"
)


def number(value: Scalar) -> str:
    """A number as it was written, where both surfaces read that as the same number."""
    raw = value.span.text
    if _NUMBER.fullmatch(raw):
        read = resolve(raw)
        if read == value.value and type(read) is type(value.value):
            return raw
    return repr(value.value)


def yaml_word(value: Scalar, *, flow: bool) -> str:
    """A scalar on one line of YAML."""
    if isinstance(value.value, str):
        return yaml_text(value.value, flow=flow)
    return number(value) if _is_number(value) else _plain_word(value)


def yaml_text(text: str, *, flow: bool) -> str:
    """A text on one line of YAML, in quotes where a reader would take it for something else."""
    return text if _is_plain(text) and not (flow and _IN_FLOW & set(text)) else in_quotes(text)


def _is_plain(text: str) -> bool:
    if not _PLAIN.fullmatch(text) or not _VISIBLE.fullmatch(text) or _OTHER_11.fullmatch(text):
        return False
    try:
        same = resolve(text) == text
    except ValueError:
        return False
    return same and _tag_11(text) == "tag:yaml.org,2002:str"


def _tag_11(text: str) -> str:
    """What the YAML 1.1 rules of PyYAML make of a plain word."""
    rules = yaml.SafeLoader.yaml_implicit_resolvers
    found = (tag for tag, pattern in rules.get(text[0], []) if pattern.match(text))
    return str(next(found, "tag:yaml.org,2002:str"))


def block_word(value: Scalar) -> str:
    """A scalar in a block."""
    if not isinstance(value.value, str):
        return number(value) if _is_number(value) else _plain_word(value)
    text = value.value
    if _NAME.fullmatch(text) and text not in _TAKEN:
        return text
    if _WITH_UNIT.fullmatch(text) and not _reads_as_number(text):
        return text
    return in_quotes(text)


def block_key(text: str) -> str:
    """A key or name in a block."""
    return text if _DOTTED.fullmatch(text) and text not in _TAKEN else in_quotes(text)


def block_head(key: str) -> str:
    """The word of a block with a name: `strategy x {` would define a strategy."""
    return in_quotes(key) if key in DEFINITIONS else block_key(key)


def _reads_as_number(text: str) -> bool:
    return set(text) <= set("0123456789.e+-")


def _is_number(value: Scalar) -> bool:
    return isinstance(value.value, int | float) and not isinstance(value.value, bool)


def _plain_word(value: Scalar) -> str:
    return "~" if value.value is None else "true" if value.value is True else "false"
