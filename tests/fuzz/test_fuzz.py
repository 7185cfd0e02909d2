"""Broken texts: no traceback, no wrong place, nothing misspelt that passes. A short run; `python bench/fuzz.py` is the long one."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from qmtl.dsl.compile import validate

from .judge import TODAY, Project
from .project import project

MUTANTS = 500
SEED = 20_260_105


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return project(tmp_path_factory.mktemp("project"))


def test_the_project_is_well_before_it_is_broken(shipped: Project) -> None:
    found = validate([shipped.folder], today=TODAY)
    assert [d.message for d in found.diagnostics if d.severity == "error"] == []


def test_words_of_every_role_are_known(shipped: Project) -> None:
    roles = Counter(word.role for words in shipped.words.values() for word in words)
    wanted = {"key", "symbol", "strategy", "parameter", "name", "function", "document", "word", "unit"}
    assert set(roles) == wanted
    assert min(roles.values()) >= 3, roles
    for words in shipped.words.values():
        for word in words:
            assert shipped.texts[word.file][word.start : word.end].strip(), word


def test_mutants_of_the_shipped_files(shipped: Project) -> None:
    rng = Random(SEED)
    hows: Counter[str] = Counter()
    for _ in range(MUTANTS):
        broken = shipped.mutant(rng)
        hows[broken.how] += 1
        assert shipped.judged(broken) == (), broken.text
    assert len(hows) >= 18, hows


def test_the_same_seed_gives_the_same_mutants(shipped: Project) -> None:
    one, two = Random(5), Random(5)
    assert [shipped.mutant(one) for _ in range(50)] == [shipped.mutant(two) for _ in range(50)]


def test_the_judge_sees_what_it_looks_for(shipped: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fuzzer that finds nothing must be able to find something."""
    from . import judge

    rng = Random(8)
    mutants = [m for m in (shipped.mutant(rng) for _ in range(60)) if m.blamed]
    monkeypatch.setattr(judge, "validate", lambda *_a, **_k: validate([], today=TODAY))
    assert {v.kind for m in mutants for v in shipped.judged(m)} <= {"undetected", "wrong span"}
    assert any(v.kind in {"undetected", "wrong span"} for m in mutants for v in shipped.judged(m))

    def broken(*_a: object, **_k: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(judge, "validate", broken)
    assert {v.kind for m in mutants[:3] for v in shipped.judged(m)} == {"traceback"}
