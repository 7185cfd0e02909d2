"""Comments that silence warnings speak of lines: on the other surface they silence the same ones, or nothing is written."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qmtl.cli.convert import convert
from qmtl.dsl.compile import validate
from qmtl.dsl.documents import load_file
from qmtl.dsl.surface.convert import to_qmtl, to_yaml_files
from qmtl.dsl.surface.silenced import SilenceError

ALLOW = "# qmtl: allow {} until 2099-03-31 - meant"
FADE = ALLOW.format("Q0612")
ROW = ALLOW.format("Q0615")

BLOCK = """\
world w {
  version 1
  calendar XNYS
  universe IWM,
    SPY
  chain a when p_chop >= 0.6 {
    use roc_momentum,
      atr_ratchet
    exposure 40%
  }
  chain b when p_chop >= 0.5
      and p_chop > 0.1 {
    use [
      roc_momentum,
      atr_ratchet
    ]
    exposure 30%
  }
  otherwise n { use roc_momentum }
  allow IWM: roc_momentum, atr_ratchet, zscore_reversion
  allow SPY: roc_momentum, atr_ratchet
}
"""
YAML = """\
version: 1
world: w
calendar: XNYS
universe:
  - IWM
  - SPY
chains:
- name: a
  when: p_chop >= 0.6
  strategies: [roc_momentum,
    atr_ratchet]
  exposure: 40%
- exposure: 30%
  name: b
  when: >-
    p_chop >= 0.5
    and p_chop > 0.1
  strategies:
    - roc_momentum
    - atr_ratchet
- name: n
  otherwise: true
  strategies: [roc_momentum]
allowlist:
  IWM: [roc_momentum, atr_ratchet, zscore_reversion]
  SPY: [roc_momentum, atr_ratchet]
"""


def converted(path: Path) -> Path:
    loaded = load_file(path)
    assert loaded.diagnostics == ()
    (made,) = to_yaml_files(loaded) if path.suffix == ".qmtl" else to_qmtl(loaded)
    target = path.parent / "out" / made.name
    target.parent.mkdir(exist_ok=True)
    target.write_text(made.text, encoding="utf-8")
    return target


def said(path: Path) -> list[str]:
    return [d.code for d in validate([path]).diagnostics]


def both_ways(path: Path, text: str) -> str:
    """The other surface of a text; both say the same, and so does the way back."""
    path.write_text(text, encoding="utf-8")
    there = converted(path)
    back = converted(there)
    assert said(path) == said(there) == said(back), there.read_text()
    return there.read_text(encoding="utf-8")


def with_comment(text: str, line: str, comment: str, *, behind: bool) -> str:
    assert f"{line}\n" in text
    indent = line[: len(line) - len(line.lstrip())]
    return text.replace(f"{line}\n", f"{line}  {comment}\n" if behind else f"{indent}{comment}\n{line}\n", 1)


def test_the_worlds_here_have_warnings_of_both_sorts(tmp_path: Path) -> None:
    for name, text in (("w.qmtl", BLOCK), ("w.yaml", YAML)):
        (tmp_path / name).write_text(text)
        assert sorted(said(tmp_path / name)) == ["Q0612"] * 4 + ["Q0615"]


def test_a_comment_above_the_first_chain_allows_nothing_of_the_others(tmp_path: Path) -> None:
    text = with_comment(BLOCK, "  chain a when p_chop >= 0.6 {", FADE, behind=False)
    made = both_ways(tmp_path / "w.qmtl", text)
    assert f"chains:\n  {FADE}\n  - " in made
    assert said(tmp_path / "w.qmtl") == ["Q0612", "Q0612", "Q0615"]


def test_a_comment_above_the_first_row_allows_nothing_of_the_others(tmp_path: Path) -> None:
    text = with_comment(BLOCK, "  allow IWM: roc_momentum, atr_ratchet, zscore_reversion", ROW, behind=False)
    assert f"allowlist:\n  {ROW}\n  IWM: " in both_ways(tmp_path / "w.qmtl", text)


def test_a_comment_on_the_head_of_a_chain_allows_what_is_in_the_chain(tmp_path: Path) -> None:
    text = with_comment(BLOCK, "  chain a when p_chop >= 0.6 {", FADE, behind=True)
    both_ways(tmp_path / "w.qmtl", text)
    longer = text.replace("    exposure 40%\n", "    # less\n    exposure 40%\n")
    assert f"  {FADE}\n  - name: a\n" in both_ways(tmp_path / "w.qmtl", longer)


def test_a_comment_on_the_head_of_a_document_allows_what_is_in_it(tmp_path: Path) -> None:
    text = with_comment(BLOCK, "world w {", FADE, behind=True)
    assert both_ways(tmp_path / "w.qmtl", text).startswith(f"{FADE}\nversion: 1\nworld: w\n")
    assert said(tmp_path / "w.qmtl") == ["Q0615"]


def test_each_item_of_a_broken_list_keeps_its_own_comment(tmp_path: Path) -> None:
    text = with_comment(YAML, "  strategies: [roc_momentum,", FADE, behind=True)
    text = with_comment(text, "    atr_ratchet]", FADE, behind=True)
    made = both_ways(tmp_path / "w.yaml", text)
    assert f"roc_momentum,  {FADE}\n" in made
    assert f"atr_ratchet  {FADE}\n" in made


def test_a_comment_on_a_line_of_a_chain_does_not_allow_the_whole_chain(tmp_path: Path) -> None:
    text = with_comment(YAML, "  when: p_chop >= 0.6", FADE, behind=True)
    made = both_ways(tmp_path / "w.yaml", text)
    assert f"  chain a {{\n    when p_chop >= 0.6  {FADE}\n" in made
    assert said(tmp_path / "w.yaml").count("Q0612") == 4


def test_a_comment_of_the_whole_allowlist_keeps_a_line_of_its_own(tmp_path: Path) -> None:
    text = with_comment(YAML, "allowlist:", ROW, behind=True)
    made = both_ways(tmp_path / "w.yaml", text)
    assert "  allowlist {" in made
    assert "  allow IWM" not in made


@pytest.mark.parametrize("behind", [True, False])
def test_what_cannot_be_said_is_refused_at_its_place(
    behind: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = with_comment(_indented(), "chains:", FADE, behind=behind)
    Path("w.yaml").write_text(text)
    result = CliRunner().invoke(convert, ["--write", "w.yaml"])
    number = 1 + text[: text.index(FADE)].count("\n")
    assert result.exit_code == 2
    assert f"w.yaml:{number}: there is no place in w.qmtl" in result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w.yaml"]


def _indented() -> str:
    """With chains that stand deeper than their key: then a comment there covers them all."""
    head, _, rest = YAML.partition("chains:\n")
    chains, _, rows = rest.partition("allowlist:\n")
    deeper = "".join(f"  {line}\n" for line in chains.splitlines())
    return f"{head}chains:\n{deeper}allowlist:\n{rows}"


def test_a_comment_over_two_documents_cannot_go_into_one_of_two_files(tmp_path: Path) -> None:
    path = tmp_path / "w.qmtl"
    path.write_text(f"{FADE}\nexchange a {{ lot_size 1 }}\n{BLOCK}")
    with pytest.raises(SilenceError, match=r"w\.qmtl:1: "):
        to_yaml_files(load_file(path))


@pytest.mark.parametrize("comment", ["# i", FADE])
def test_a_comment_beside_a_dash_follows_that_of_its_list(comment: str, tmp_path: Path) -> None:
    text = YAML.replace("chains:\n- name: a\n", f"chains: # h\n-  {comment}\n  name: a\n")
    assert f"  # h\n  {comment}\n  chain a when" in both_ways(tmp_path / "w.yaml", text)


def test_the_reported_order_of_two_comments(tmp_path: Path) -> None:
    text = (
        "world: nn\ncalendar: XNYS\nuniverse: [IWM]\nchains: # h\n  - # i\n    name: n\n    otherwise: true\n"
        "    strategies: [roc_momentum]\n    exposure: 40%\nallowlist: all\n"
    )
    assert "  # h\n  # i\n  otherwise n {" in both_ways(tmp_path / "nn.yaml", text)


COMMENTS = st.tuples(st.integers(0, 25), st.booleans(), st.sampled_from([FADE, FADE, ROW, "# why"]))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    one=st.sampled_from([("w.qmtl", BLOCK), ("w.yaml", YAML)]),
    placed=st.lists(COMMENTS, min_size=1, max_size=3),
)
def test_wherever_comments_stand_the_same_is_allowed_or_nothing_written(
    one: tuple[str, str], placed: list[tuple[int, bool, str]], tmp_path: Path
) -> None:
    name, text = one
    lines = text.splitlines()
    for number, behind, comment in placed:
        at = number % len(lines)
        line = lines[at].partition("\n")[0]
        indent = line[: len(line) - len(line.lstrip())]
        if behind and "#" not in lines[at] and "p_chop >= 0.5" not in line and "and p_chop" not in line:
            lines[at] = f"{line}  {comment}"
        elif "#" not in lines[at] and "and p_chop" not in line:
            lines[at] = f"{indent}{comment}\n{line}"
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n")
    try:
        there = converted(path)
    except SilenceError:
        return
    assert sorted(said(there)) == sorted(said(path))  # a comment may come to stand behind another warning
