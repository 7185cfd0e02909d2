"""Comments of both surfaces: found where they are, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from qmtl.dsl.source import Source
from qmtl.dsl.surface import comments as module
from qmtl.dsl.surface.comments import comments

YAML = """\
# top
world: a  # behind a value
text: "no # comment"   # after quotes
other: 'it''s # none' #tight
plain: a#b
#   no blanks kept   \t
when: >-   # behind a header
  p_chop > 1
  # this is text
  and b

  # still text
# after a block
list: [a, # inside
  b#c, #
  # alone inside
  d]
keep: |+
   # text

 # less indented
end: 1
  # last"""

FOUND = [
    ("top", True),
    ("behind a value", False),
    ("after quotes", False),
    ("tight", False),
    ("no blanks kept", True),
    ("behind a header", False),
    ("after a block", True),
    ("inside", False),
    ("", False),
    ("alone inside", True),
    ("less indented", True),
    ("last", True),
]

BLOCKS = """\
# top
world w { # behind a brace
  description "no # comment" # after quotes
  description "a \\" # none" ; size 1 # x
  chain a when b >
    # inside
    0.5 { use c }#tight
}"""


def found(name: str, text: str) -> list[tuple[str, bool]]:
    return [(c.text, c.alone) for c in comments(Source(name, text))]


@pytest.mark.parametrize("loader", ["C", "python"])
def test_comments_of_yaml(loader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if loader == "python":
        monkeypatch.setattr(module, "_loader", lambda: yaml.Loader)
    assert found("w.yaml", YAML) == FOUND


def test_comments_of_blocks() -> None:
    assert found("w.qmtl", BLOCKS) == [
        ("top", True),
        ("behind a brace", False),
        ("after quotes", False),
        ("x", False),
        ("inside", True),
        ("tight", False),
    ]


def test_the_span_goes_from_the_hash_to_the_end_of_the_text() -> None:
    source = Source("w.yaml", "이름: 값  # 설명 😀 \r\nb: 1 # x\r\n")
    assert [c.span.text for c in comments(source)] == ["# 설명 😀", "# x"]


@pytest.mark.parametrize(
    "text",
    ["a: [1 # one\nb: 'x # none\n# two\n", 'a: "x\n# no', "\t# tab\na: %b # one", "a: `x # one\n# two", "a: b: c # x"],
)
def test_of_broken_text_what_can_be_found(text: str) -> None:
    comments(Source("w.yaml", text))
    comments(Source("w.qmtl", text))


def test_comments_before_a_mistake_are_found() -> None:
    assert [c.text for c in comments(Source("w.yaml", "# one\na: 1 # two\nb: @x # three\n# four"))] == [
        "one",
        "two",
        "three",
        "four",
    ]


@given(st.text(st.sampled_from("ab:#\"'|>-[]{}, \n\t\\한"), max_size=60), st.sampled_from(["w.yaml", "w.qmtl"]))
def test_every_comment_begins_with_a_hash_and_stays_on_its_line(text: str, name: str) -> None:
    last = 0
    for comment in comments(Source(name, text)):
        assert comment.span.start >= last
        assert comment.span.text.startswith("#")
        assert "\n" not in comment.span.text
        last = comment.span.end


@given(st.lists(st.tuples(st.sampled_from(["a", "'x # y'", '"#"', "3%", "[1, 2]"]), st.text("ab #'\"", max_size=5))))
def test_a_comment_behind_every_value(pairs: list[tuple[str, str]]) -> None:
    text = "".join(f"k{i}: {value} # {comment}\n" for i, (value, comment) in enumerate(pairs))
    assert [c.text for c in comments(Source("w.yaml", text))] == [comment.strip() for _, comment in pairs]


def test_shipped_files(root: Path) -> None:
    path = root / "worlds/us_core.yaml"
    texts = [c.text for c in comments(Source(path.name, path.read_text(encoding="utf-8")))]
    assert texts[0].startswith("yaml-language-server:")
    assert "share of the account" in texts
    assert len(texts) == path.read_text(encoding="utf-8").count("#")
