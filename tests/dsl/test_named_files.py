"""Files of definitions that are named by themselves: only what stands in them and what they read is judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from qmtl.dsl.compile import validate

BAD = 'strategy one {\n  doc "x"\n  style trend\n  long when nothing_such > 1\n  size 50%\n}\n'
TORN = "feature torn = close +\nfeature other = close * 2\n"
GOOD = 'strategy two {\n  doc "x"\n  style trend\n  long when close > READ\n  size 50%\n}\n'
WORLD = """\
world: us
calendar: XNYS
universe: [SPY]
chains:
  - {name: neutral, otherwise: true, strategies: [roc_momentum]}
allowlist: all
"""


@pytest.fixture
def strategies(tmp_path: Path) -> Path:
    folder = tmp_path / "strategies"
    folder.mkdir()
    (folder / "s1.qmtl").write_text(BAD)
    (folder / "s2.qmtl").write_text(GOOD.replace("READ", "sma(close, 20)"))
    return folder


def codes(*paths: Path) -> list[tuple[str, str]]:
    found = validate(paths).diagnostics
    return [(d.code, Path(d.span.source.name).name if d.span else "") for d in found]


def test_a_file_of_definitions_is_judged_by_itself(strategies: Path) -> None:
    assert codes(strategies / "s2.qmtl") == []
    assert codes(strategies / "s1.qmtl") == [("Q0501", "s1.qmtl")]
    assert [c.name for c in validate([strategies / "s2.qmtl"]).documents] == ["two"]


def test_syntax_errors_of_files_beside_it_are_not_its_own(strategies: Path) -> None:
    (strategies / "s3.qmtl").write_text(TORN)
    assert codes(strategies / "s2.qmtl") == []


@pytest.mark.parametrize("feature", ["torn", "other"])
def test_a_broken_file_that_it_reads_is_told(feature: str, strategies: Path) -> None:
    (strategies / "s3.qmtl").write_text(TORN)
    (strategies / "s2.qmtl").write_text(GOOD.replace("READ", feature))
    found = codes(strategies / "s2.qmtl")
    assert ("Q0301", "s3.qmtl") in found
    assert not [name for _, name in found if name == "s1.qmtl"]


def test_a_folder_or_a_world_has_everything_beside_it_judged(strategies: Path) -> None:
    assert codes(strategies) == [("Q0501", "s1.qmtl")]
    (strategies.parent / "us.yaml").write_text(WORLD)
    assert codes(strategies.parent / "us.yaml") == [("Q0501", "s1.qmtl")]
    assert codes(strategies / "s2.qmtl", strategies.parent / "us.yaml") == [("Q0501", "s1.qmtl")]
