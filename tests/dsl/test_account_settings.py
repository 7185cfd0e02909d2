"""`max_gap`, `collar` and `external`: from text of both surfaces to the Program, and no new id for a text without them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qmtl.dsl.changes.compare import differences
from qmtl.dsl.changes.side import read_side
from qmtl.dsl.codec import program_from_json, program_to_json
from qmtl.dsl.compile import compile_world
from qmtl.dsl.compileworld import Compiled
from qmtl.dsl.effective import effective
from qmtl.dsl.program import Program

PLAIN = """\
version: 1
world: us
calendar: XNYS
universe: [SPY, QQQ]
chains:
  - {name: neutral, otherwise: true, strategies: [roc_momentum], exposure: 65%}
allowlist: all
"""
BLOCKS = """\
world us {
  calendar XNYS
  universe SPY, QQQ
  otherwise neutral { use roc_momentum; exposure 65% }
  allowlist all
  freshness { max_gap 25% }
  orders { collar 1.5% }
  position_policy { external unwind_only }
}
"""


def compiled(folder: Path, text: str, name: str = "us.yaml") -> Compiled:
    (folder / name).write_text(text)
    return compile_world(folder / name)


def program(of: Compiled) -> Program:
    assert of.program is not None, [d.message for d in of.diagnostics]
    return of.program


def test_a_text_without_them_keeps_its_id_and_its_bytes(tmp_path: Path) -> None:
    plain = program(compiled(tmp_path, PLAIN))
    assert (plain.settings.freshness.max_gap, plain.settings.orders.collar) == (0.4, 0.02)
    said = json.loads(program_to_json(plain))
    assert "max_gap" not in said["settings"]["freshness"]
    assert "collar" not in said["settings"]["orders"]
    written = program(compiled(tmp_path, PLAIN + "freshness: {max_gap: 40%}\norders: {collar: 2%}\n"))
    assert written.program_id == plain.program_id
    assert program_from_json(program_to_json(plain)) == plain


@pytest.mark.parametrize(
    "line", ["freshness: {max_gap: 25%}", "orders: {collar: 1.5%}", "position_policy: {external: unwind_only}"]
)
def test_another_value_is_another_program_and_freezes_no_position(line: str, tmp_path: Path) -> None:
    plain, other = program(compiled(tmp_path, PLAIN)), program(compiled(tmp_path, PLAIN + line + "\n"))
    assert other.program_id != plain.program_id
    assert other.generations == plain.generations
    assert program_from_json(program_to_json(other)) == other


def test_both_surfaces_say_the_same(tmp_path: Path) -> None:
    lines = "freshness: {max_gap: 25%}\norders: {collar: 1.5%}\nposition_policy: {external: unwind_only}\n"
    (tmp_path / "blocks").mkdir()
    one, two = compiled(tmp_path, PLAIN + lines), compiled(tmp_path / "blocks", BLOCKS, "us.qmtl")
    assert program(one).program_id == program(two).program_id
    shown = {value.path: value.text for value in effective(one).settings}
    assert shown["freshness.max_gap"] == "25%"
    assert shown["orders.collar"] == "1.5%"
    assert shown["position_policy.external"] == "unwind_only"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("freshness: {max_gap: 0.4}", "Q0206"),
        ("freshness: {max_gap: 5%}", "Q0205"),  # a position stop would never be reached
        ("orders: {collar: 0%}", "Q0205"),  # every order would be refused
        ("position_policy: {external: unwind}", "Q0204"),
        ("freshness: {max_gaps: 40%}", "Q0201"),
    ],
)
def test_mistakes_are_said(line: str, code: str, tmp_path: Path) -> None:
    found = compiled(tmp_path, PLAIN + line + "\n")
    assert [d.code for d in found.diagnostics if d.severity == "error"] == [code]


def test_a_diff_names_them_in_their_units(tmp_path: Path) -> None:
    sides = []
    for folder, lines in (("before", ""), ("after", "freshness: {max_gap: 25%}\norders: {collar: 1.5%}\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "us.yaml").write_text(PLAIN + lines)
        sides.append(read_side([tmp_path / folder]))
    changes = {c.path: (c.before, c.after) for d in differences(*sides, "2026-06-01") for c in d.changes}
    assert changes == {"freshness.max_gap": ("40%", "25%"), "orders.collar": ("2%", "1.5%")}
