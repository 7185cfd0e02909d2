"""Finding and loading documents: kinds, surfaces, and every way in which a file can be unreadable."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from qmtl.dsl.diagnostics import Diagnostic, problem
from qmtl.dsl.documents import Loaded, doubled, find_files, load_file, without_cascades
from qmtl.dsl.source import Source, Span
from qmtl.dsl.textfiles import display, read_source
from qmtl.dsl.tree import plain


def written(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def codes(loaded: Loaded) -> list[str]:
    return [d.code for d in loaded.diagnostics]


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"", "Q0103", "the file is empty"),
        (b"  \n\n", "Q0103", "the file is empty"),
        (b"\xef\xbb\xbf", "Q0103", "the file is empty"),
        (b"world: a\nx: \xff\xfe\n", "Q0102", "line 2"),
        ("world: 한글".encode("utf-16"), "Q0102", "not UTF-8"),
        (b"world: a\n\0\0\0", "Q0102", "NUL"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "Q0102", "not UTF-8"),
        (b"[" * 5_000_000, "Q0104", "larger than 1 MB"),
        (b"[" * 900_000, "Q0104", "nested deeper than 64"),
        (b"- a\n- b\n", "Q0203", "must be a map"),
        (b"just words\n", "Q0203", "must be a map"),
        (b"a: 1\n", "Q0207", "does not say which kind"),
        (b"{}\n", "Q0207", "does not say which kind"),
    ],
)
def test_bad_files_have_a_clear_reason_and_no_traceback(tmp_path: Path, content: bytes, code: str, words: str) -> None:
    started = time.perf_counter()
    loaded = load_file(written(tmp_path, "w.yaml", content))
    assert time.perf_counter() - started < 2
    assert codes(loaded) == [code]
    assert words in loaded.diagnostics[0].message
    assert not loaded.documents


def test_missing_files_folders_and_other_names(tmp_path: Path) -> None:
    missing = load_file(tmp_path / "none.yaml")
    assert codes(missing) == ["Q0101"]
    assert "does not exist" in missing.diagnostics[0].message
    assert codes(load_file(tmp_path)) == ["Q0101"]
    assert codes(load_file(written(tmp_path, "w.txt", "world: a\n"))) == ["Q0101"]
    assert codes(load_file(tmp_path / ("x" * 5000 + ".yaml"))) == ["Q0101"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_or_device_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "w.yaml")
    assert codes(load_file(tmp_path / "w.yaml")) == ["Q0101"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = written(tmp_path, "w.yaml", "world: a\n")
    path.chmod(0)
    assert codes(load_file(path)) == ["Q0101"]


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("world: us\nexchange: alpaca\nallowlist: q4\n", "world", "us"),
        ("exchange: alpaca\n", "exchange", "alpaca"),
        ("allowlist: q4\nrows: []\n", "allowlist", "q4"),
        ("deployment: prod\nworlds: [a.yaml]\n", "deployment", "prod"),
    ],
)
def test_one_key_says_what_a_file_is(tmp_path: Path, text: str, kind: str, name: str) -> None:
    (document,) = load_file(written(tmp_path, "d.yml", text)).documents
    assert (document.kind, document.name) == (kind, name)
    assert document.place.text == kind
    assert document.folder == tmp_path


def test_a_misspelt_kind_is_suggested(tmp_path: Path) -> None:
    (found,) = load_file(written(tmp_path, "d.yaml", "version: 1\nwolrd: us\n")).diagnostics
    assert found.code == "Q0207"
    assert found.help == "did you mean `world`?"
    assert found.span is not None
    assert found.span.text == "wolrd"


def test_both_surfaces_give_the_same_tree(tmp_path: Path) -> None:
    yaml = load_file(
        written(
            tmp_path,
            "a.yaml",
            "version: 1\nworld: us\ncalendar: XNYS\nuniverse: [SPY, 'ON']\nchains:\n"
            "- {name: trend, when: p_trend_up >= 0.55, strategies: [roc_momentum], exposure: 90%}\n"
            "- {name: neutral, otherwise: true, strategies: [roc_momentum]}\n"
            "allowlist: {SPY: [roc_momentum]}\nchurn_guard: {min_target: 3%, min_hold: 60m}\n",
        )
    )
    block = load_file(
        written(
            tmp_path,
            "a.qmtl",
            "world us {\n  version 1\n  calendar XNYS\n  universe SPY, ON\n  chain trend when p_trend_up >= 0.55 {\n    use roc_momentum\n    exposure 90%\n  }\n"
            "  otherwise neutral { use roc_momentum }\n  allow SPY: roc_momentum\n  churn_guard { min_target 3%; min_hold 60m }\n}\n",
        )
    )
    assert not yaml.diagnostics
    assert not block.diagnostics
    assert plain(block.documents[0].tree) == plain(yaml.documents[0].tree)


def test_folders_are_read_in_order_without_hidden_files(tmp_path: Path) -> None:
    for name in (
        "b.yaml",
        "a.yml",
        "sub/c.yaml",
        "sub/d.qmtl",
        ".hidden.yaml",
        ".git/e.yaml",
        "__pycache__/f.yaml",
        "notes.txt",
    ):
        written(tmp_path, name, "world: x\n")
    files, problems = find_files([tmp_path, tmp_path / "b.yaml"])
    assert [path.relative_to(tmp_path).as_posix() for path in files] == ["a.yml", "b.yaml", "sub/c.yaml", "sub/d.qmtl"]
    assert not problems


def test_an_empty_folder_is_an_error_and_not_a_success(tmp_path: Path) -> None:
    files, problems = find_files([tmp_path])
    assert not files
    assert [d.code for d in problems] == ["Q0109"]


def test_names_are_shown_as_a_user_would_type_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert display(tmp_path / "worlds" / "a.yaml") == "worlds/a.yaml"
    assert display(Path("worlds/a.yaml")) == "worlds/a.yaml"
    assert display(Path("/elsewhere/a.yaml")) == "/elsewhere/a.yaml"


def test_a_byte_order_mark_and_crlf_are_read(tmp_path: Path) -> None:
    source, problems = read_source(written(tmp_path, "w.yaml", b"\xef\xbb\xbfworld: a\r\n"))
    assert not problems
    assert source is not None
    assert source.text == "world: a\r\n"


def test_two_documents_of_one_name_are_refused_with_both_places(tmp_path: Path) -> None:
    documents = [
        d for name in ("a.yaml", "b.yaml") for d in load_file(written(tmp_path, name, "world: us\n")).documents
    ]
    (found,) = doubled(documents)
    assert found.code == "Q0209"
    assert found.labels[0].span.source.name.endswith("a.yaml")
    assert not doubled((*load_file(written(tmp_path, "c.yaml", "exchange: us\n")).documents, documents[0]))


def test_one_mistake_is_one_message() -> None:
    source = Source("f", "abcdef")

    def at(start: int, end: int, code: str = "Q0203") -> Diagnostic:
        return problem(code, "m", Span(source, start, end))

    assert without_cascades([at(0, 2)], [at(0, 2, "Q0204"), at(0, 3)]) == (at(0, 3),)
    assert without_cascades([at(0, 2, "Q0603")], [at(0, 2)]) == (at(0, 2),), "a warning hides nothing"
