"""Q0209: a name that could mean two documents is told where it is said, with the places of both."""

from __future__ import annotations

from pathlib import Path

import pytest

from qmtl.dsl.compile import compile_world, validate

WORLD = """\
world: NAME
calendar: XNYS
universe: [SPY]
chains:
  - {name: neutral, otherwise: true, strategies: [roc_momentum]}
"""
VENUE = "exchange: venue\nlot_size: 5\n"
ROWS = "allowlist: q\nrows: [{symbol: SPY, strategy: roc_momentum}]\n"
PLAN = "plan: shift\nmethod: scaling\nbefore: {base: 60%}\nafter: {base: 50%}\n"
CASE = "case: one\nworld: base\nprices: {SPY: 100}\n"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def base(more: str = "allowlist: all\n") -> str:
    return WORLD.replace("NAME", "base") + more


CASES = [
    ("child.yaml", "world: child\nextends: base\n", base(), "base"),
    ("us.yaml", base("allowlist: all\nexchange: venue\n"), VENUE, "venue"),
    ("us.yaml", base("allowlist: q\n"), ROWS, "q"),
    ("plan.yaml", PLAN, base(), "base"),
    ("case.yaml", CASE, base(), "base"),
]


@pytest.mark.parametrize(
    ("file", "text", "twin", "name"), CASES, ids=["extends", "exchange", "allowlist", "plan", "case"]
)
def test_a_name_that_could_mean_two_documents(file: str, text: str, twin: str, name: str, tmp_path: Path) -> None:
    write(tmp_path / "x" / "one.yaml", twin)
    write(tmp_path / "y" / "two.yaml", twin)
    write(tmp_path / file, text)
    found = [d for d in validate([tmp_path / file]).diagnostics if d.code == "Q0209"]
    assert [(d.span.text, Path(d.span.source.name).name) for d in found if d.span] == [(name, file)]
    assert [Path(label.span.source.name).name for label in found[0].labels] == ["one.yaml", "two.yaml"]
    (tmp_path / "y" / "two.yaml").unlink()
    assert not [d for d in validate([tmp_path / file]).diagnostics if d.code == "Q0209"]


def test_such_a_world_does_not_run(tmp_path: Path) -> None:
    write(tmp_path / "x" / "one.yaml", base())
    write(tmp_path / "y" / "two.yaml", base())
    write(tmp_path / "child.yaml", "world: child\nextends: base\n")
    assert compile_world(tmp_path / "child.yaml").program is None


def test_two_documents_that_are_both_checked_are_one_mistake(tmp_path: Path) -> None:
    write(tmp_path / "x" / "one.yaml", base())
    write(tmp_path / "y" / "two.yaml", base())
    write(tmp_path / "child.yaml", "world: child\nextends: base\n")
    assert [d.code for d in validate([tmp_path]).diagnostics] == ["Q0209"]


def test_two_models_of_one_name(tmp_path: Path) -> None:
    model = "model: m\nkind: onnx\n"
    write(tmp_path / "x" / "one.yaml", model)
    write(tmp_path / "y" / "two.yaml", model)
    write(tmp_path / "us.yaml", base("allowlist: all\nregime: {source: ml, model: m}\n"))
    found = [d for d in validate([tmp_path / "us.yaml"]).diagnostics if d.code == "Q0209"]
    assert [d.span.text for d in found if d.span] == ["m"]


def test_two_links_to_one_file_are_one_document(tmp_path: Path) -> None:
    write(tmp_path / "x" / "one.yaml", base())
    (tmp_path / "y.yaml").symlink_to(tmp_path / "x" / "one.yaml")
    write(tmp_path / "child.yaml", "world: child\nextends: base\n")
    assert compile_world(tmp_path / "child.yaml").diagnostics == ()
