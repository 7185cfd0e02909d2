"""Carets stand under exactly the wrong characters, however YAML wraps them and whatever stands beside them.

Two readers are checked: a person, who sees the excerpt in a terminal, and a program, which takes line and columns of the
JSON output and cuts them out of the file.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from qmtl.dsl.compile import validate
from qmtl.dsl.report.json import render_json
from qmtl.dsl.report.text import render_text

Golden = Callable[[str, str], None]
WORLD = """\
version: 1
world: us
calendar: XNYS
universe: [SPY, QQQ]
chains: [{name: n, otherwise: true, strategies: [roc_momentum]}]
allowlist: all
"""
HEAD = WORLD + "entry_guards:\n  - name: fear\n    block: long_entries\n    on_missing: block\n    when: "
FLOW = WORLD + "entry_guards:\n  - {block: long_entries, on_missing: block, name: fear, when: "
SECTOR = WORLD + "sectors: {QQQ: "
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
LONG = " or ".join(["vix.close > 99"] * 20)

#: case -> (bytes of the file, code, the wrong characters)
CASES: dict[str, tuple[bytes, str, str]] = {
    name: (text.encode(), code, wrong)
    for name, (text, code, wrong) in {
        "plain": (HEAD + "vix.close < 30m\n", "Q0410", "<"),
        "plain over two lines": (HEAD + "vix.close > 20\n      or vix.close < 30m\n", "Q0410", "<"),
        "double quoted with escapes": (HEAD + '"\\x76ix\\u002Eclose\\t< 30m"\n', "Q0410", "<"),
        "an escape is the mistake": (HEAD + '"vix.close \\u0026\\x26 20"\n', "Q0302", "\\u0026"),
        "double quoted over two lines": (HEAD + '"vix.close > 20 \\\n      or vix.close < 30m"\n', "Q0410", "<"),
        "single quoted": (HEAD + "'vix.close < 30m'\n", "Q0410", "<"),
        "single quoted with a doubled quote": (HEAD + "'vix.close ''< 30m'\n", "Q0302", "''"),
        "a doubled quote before the mistake": (HEAD + "'it''s '\n", "Q0302", "''"),
        "literal block": (HEAD + "|\n      vix.close > 20\n      or vix.close < 30m\n", "Q0410", "<"),
        "folded block": (HEAD + ">-\n      vix.close > 20\n      or\n\n        vix.close < 30m\n", "Q0410", "<"),
        "block with an indentation hint": (HEAD + "|2-\n        vix.close < 30m\n", "Q0410", "<"),
        "flow map": (FLOW + "vix.close < 30m}\n", "Q0410", "<"),
        "quoted in a flow map": (FLOW + "'vix.close < 30m'}\n", "Q0410", "<"),
        "a tab before a comment": (HEAD + "vix.close < 30m\t# fear\n", "Q0410", "<"),
        "tabs inside the condition": (HEAD + "vix.close\t\t< 30m\n", "Q0410", "<"),
        "byte order mark": ("\ufeff" + HEAD + "vix.close < 30m\n", "Q0410", "<"),
        "byte order mark before the mistake": ("\ufeffwrld: us\n", "Q0207", "wrld"),
        "CRLF": ((HEAD + "vix.close < 30m\n").replace("\n", "\r\n"), "Q0410", "<"),
        "CRLF in a folded block": (
            (HEAD + ">-\n      vix.close > 20\n      or vix.close < 30m\n").replace("\n", "\r\n"), "Q0410", "<",
        ),
        "beside Hangul": (SECTOR + '"반도체", OM: x}\n', "Q0505", "OM"),
        "beside decomposed Hangul": (SECTOR + f'"{unicodedata.normalize("NFD", "반도체")}", OM: x}}\n', "Q0505", "OM"),
        "beside accents that combine": (SECTOR + '"cafe\u0301", OM: x}\n', "Q0505", "OM"),
        "beside an emoji": (SECTOR + '"🎉", OM: x}\n', "Q0505", "OM"),
        "beside a joined emoji": (SECTOR + f'"{FAMILY}", OM: x}}\n', "Q0505", "OM"),
        "beside a flag": (SECTOR + '"🇰🇷", OM: x}\n', "Q0505", "OM"),
        "beside a heart with a variation selector": (SECTOR + '"\u2764\ufe0f", OM: x}\n', "Q0505", "OM"),
        "beside a hand with a skin tone": (SECTOR + '"\U0001f44d\U0001f3fd", OM: x}\n', "Q0505", "OM"),
        "wide characters are the mistake": (WORLD + "select: {method: 최고}\n", "Q0204", "최고"),
        "a very long line": (HEAD + f"{LONG} or vix.close < 30m or {LONG}\n", "Q0410", "<"),
    }.items()
}  # fmt: skip


def terminal(line: str) -> list[str]:
    """The cells of a line as a terminal fills them: a wide character takes two, a mark that combines none.

    Written from the Unicode tables, not with the code under test; joined emoji do not occur in what is printed."""
    cells: list[str] = []
    for char in line:
        assert char not in "\u200d\ufe0f\ufe0e", "a sign whose width depends on the terminal"
        assert not 0x1F3FB <= ord(char) <= 0x1F3FF
        if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me") or 0x1160 <= ord(char) <= 0x11FF:
            cells[-1] += char
        else:
            cells.append(char)
            cells += [""] * (unicodedata.east_asian_width(char) in ("W", "F"))
    return cells


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("case", CASES)
def test_carets_are_under_the_wrong_characters(case: str, here: Path, golden: Golden) -> None:
    content, code, wrong = CASES[case]
    (here / "us.yaml").write_bytes(content)
    (found,) = validate(["us.yaml"]).diagnostics
    shown = render_text([found])
    golden(f"carets/{case.replace(' ', '_')}.txt", shown)
    assert found.code == code

    lines = shown.splitlines()
    at = next(i for i, line in enumerate(lines) if set(line.partition("|")[2]) >= {"^"} and "`" not in line)
    carets = terminal(lines[at])
    cells = terminal(lines[at - 1])
    under = "".join(cells[i] for i, cell in enumerate(carets) if cell == "^" and i < len(cells))
    assert under == wrong


@pytest.mark.parametrize("case", CASES)
def test_line_and_columns_cut_the_wrong_characters_out_of_the_file(case: str, here: Path) -> None:
    content, _, wrong = CASES[case]
    (here / "us.yaml").write_bytes(content)
    (record,) = json.loads(render_json(validate(["us.yaml"]).diagnostics))["diagnostics"]
    lines = content.decode("utf-8-sig").split("\n")
    assert record["line"] == record["end_line"]
    assert lines[record["line"] - 1][record["column"] - 1 : record["end_column"] - 1] == wrong
