"""Which documents a world may name: found once per run, however many worlds ask."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qmtl.dsl import neighbours as module
from qmtl.dsl.compile import validate
from qmtl.dsl.documents import Document
from qmtl.dsl.neighbours import Files, load_once, neighbours

EXCHANGE = "exchange: {name}\nlot_size: {lot}\n"
WORLD = (
    "world: {name}\ncalendar: XNYS\nuniverse: [SPY]\nexchange: venue\nallowlist: all\n"
    "chains: [{{name: rest, otherwise: true, strategies: [roc_momentum]}}]\n"
)


def world(path: Path, name: str) -> Document:
    path.write_text(WORLD.format(name=name))
    (document,) = load_once(path, Files()).documents
    return document


def test_the_first_by_path_of_two_with_one_name(tmp_path: Path) -> None:
    for folder, lot in (("b", 2), ("a", 1)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "venue.yaml").write_text(EXCHANGE.format(name="venue", lot=lot))
    near = neighbours(world(tmp_path / "w.yaml", "w"), Files())
    assert near.documents["exchange", "venue"].source.path == tmp_path / "a" / "venue.yaml"


def test_kinds_can_be_asked_for(tmp_path: Path) -> None:
    (tmp_path / "venue.yaml").write_text(EXCHANGE.format(name="venue", lot=1))
    first = world(tmp_path / "one.yaml", "one")
    world(tmp_path / "two.yaml", "two")
    files = Files()
    assert list(neighbours(first, files).documents) == [("exchange", "venue")]
    assert list(neighbours(first, files, ("world",)).documents) == [("world", "one"), ("world", "two")]


def test_a_folder_is_walked_once_and_a_file_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "venue.yaml").write_text(EXCHANGE.format(name="venue", lot=1))
    documents = [world(tmp_path / f"w{i}.yaml", f"w{i}") for i in range(5)]
    walks, reads = [], []
    below, load = module.below, module.load_file
    monkeypatch.setattr(module, "below", lambda *a: (walks.append(a), below(*a))[1])
    monkeypatch.setattr(module, "load_file", lambda p: (reads.append(p), load(p))[1])
    files = Files()
    for document in documents:
        assert ("exchange", "venue") in neighbours(document, files).documents
    assert len(walks) == 1
    assert reads == [tmp_path / "venue.yaml"]  # worlds say that they are worlds and are not parsed


def test_links_and_dots_lead_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    world(path, "w")
    (tmp_path / "link.yaml").symlink_to(path)
    files = Files()
    one = load_once(path, files)
    assert load_once(tmp_path / "link.yaml", files) is one
    assert load_once(tmp_path / "x" / ".." / "w.yaml", files) is one
    found = validate([path, tmp_path / "link.yaml"])
    assert [document.name for document in found.documents] == []  # no exchange `venue` here: one error, not two
    assert len([d for d in found.diagnostics if d.code == "Q0506"]) == 1


def test_a_pipe_beside_a_world_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    near = neighbours(world(tmp_path / "w.yaml", "w"), Files())
    assert [d.code for d in near.diagnostics] == ["Q0101"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("exchange venue { lot_size 1 }", True),
        ("feature f { value close / close[1] }; exchange venue { lot_size 1 }", True),
        ('feature f { doc "x"; value close / close[1] }\n  exchange\nvenue { lot_size 1 }', False),
        ("feature f { value close / close[1] }\n\texchange venue { lot_size 1 }", True),
    ],
)
def test_blocks_are_found_wherever_they_begin(tmp_path: Path, text: str, found: bool) -> None:
    (tmp_path / "v.qmtl").write_text(text)
    near = neighbours(world(tmp_path / "w.yaml", "w"), Files())
    assert (("exchange", "venue") in near.documents) is found


def test_a_file_of_other_blocks_is_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "venue.yaml").write_text(EXCHANGE.format(name="venue", lot=1))
    (tmp_path / "s.qmtl").write_text("strategy s { style trend; size 1; long when close > 1 }\n")
    document = world(tmp_path / "w.yaml", "w")
    reads, load = [], module.load_file
    monkeypatch.setattr(module, "load_file", lambda p: (reads.append(p.name), load(p))[1])
    assert neighbours(document, Files()).documents
    assert reads == ["venue.yaml"]
