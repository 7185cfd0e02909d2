"""`# qmtl: allow CODE until DAY - reason`: what it covers, when it ends, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from qmtl.dsl.checks.allow import silence
from qmtl.dsl.compile import compile_deployment, compile_world, validate
from qmtl.dsl.diagnostics import CODES, Diagnostic, problem
from qmtl.dsl.source import Source, Span

from .conftest import TODAY, told

ALLOW = "# qmtl: allow Q0610 until 2026-12-31 - kept for the autumn"

WORLD = """\
# a comment that says nothing to qmtl
version: 1
world: us
calendar: XNYS
universe: [SPY, QQQ]
chains:
  - name: wide
    when: p_chop >= 0.4
    strategies: [zscore_reversion]
  - name: narrow
    when: >-
      p_chop >= 0.6
    strategies: [zscore_reversion]
  - {name: neutral, otherwise: true, strategies: [roc_momentum]}
allowlist: all
"""


def judged(tmp_path: Path, text: str, today: str = TODAY) -> tuple[Diagnostic, ...]:
    (tmp_path / "us.yaml").write_text(text)
    return validate([tmp_path], today=today).diagnostics


def test_without_a_comment_the_warning_is_shown(tmp_path: Path) -> None:
    assert told(judged(tmp_path, WORLD)) == [("Q0610", "p_chop >= 0.6")]


@pytest.mark.parametrize(
    ("line", "replacement"),
    [
        ("    when: >-\n", f"    {ALLOW}\n    when: >-\n"),  # the line below, and what is indented deeper
        ("    when: >-\n", f"    when: >-   {ALLOW}\n"),
        ("  - name: narrow\n", f"  {ALLOW}\n  - name: narrow\n"),  # the whole chain
        ("  - name: narrow\n", f"  {ALLOW}\n  # more words\n\n  - name: narrow\n"),
        ("chains:\n", f"chains:   {ALLOW}\n"),  # all chains
        ("# a comment", f"{ALLOW}\n# a comment"),  # the whole file
        ("version: 1\n", f"\n{ALLOW}\nversion: 1\n"),
        ("# a comment", f"# yaml-language-server: $schema=x\n---\n{ALLOW}\n# a comment"),
    ],
)
def test_where_a_comment_may_stand(line: str, replacement: str, tmp_path: Path) -> None:
    assert judged(tmp_path, WORLD.replace(line, replacement, 1)) == ()


@pytest.mark.parametrize(
    ("line", "replacement"),
    [
        ("  - name: wide\n", f"  {ALLOW}\n  - name: wide\n"),
        ("allowlist: all\n", f"{ALLOW}\nallowlist: all\n"),
        ("allowlist: all\n", f"allowlist: all\n{ALLOW}\n"),
        ("world: us\n", f"{ALLOW}\nworld: us\n"),  # behind the first key: for this line only
    ],
)
def test_elsewhere_it_silences_nothing_and_says_so(line: str, replacement: str, tmp_path: Path) -> None:
    found = judged(tmp_path, WORLD.replace(line, replacement, 1))
    assert sorted(told(found)) == [("Q0113", ALLOW), ("Q0610", "p_chop >= 0.6")]


def test_the_last_day_is_included_and_then_the_warning_comes_back(tmp_path: Path) -> None:
    text = WORLD.replace("version: 1", f"{ALLOW}\nversion: 1", 1)
    assert judged(tmp_path, text, "2026-12-31") == ()
    over = judged(tmp_path, text, "2027-01-01")
    assert told(over) == [("Q0112", "2026-12-31"), ("Q0610", "p_chop >= 0.6")]
    assert [label.span.text for label in over[0].labels] == ["p_chop >= 0.6"]


def test_expired_and_of_no_use_is_one_mistake(tmp_path: Path) -> None:
    text = WORLD.replace("Q0610", "Q0603").replace("version: 1", f"{ALLOW.replace('Q0610', 'Q0603')}\nversion: 1", 1)
    assert [d.code for d in judged(tmp_path, text, "2027-01-01")] == ["Q0112", "Q0610"]


@pytest.mark.parametrize(
    ("comment", "place", "words"),
    [
        ("# qmtl: allow Q0610 until 2026-12-31", "", "says why"),
        ("# qmtl: allow Q0610 until 2026-12-31 -", "", "says why"),
        ("# qmtl: allow Q0610 until 2026-12-31 because", "", "says why"),
        ("# qmtl: allow Q0610 - forever", "", "until when"),
        ("# qmtl: allow Q0610", "", "until when"),
        ("# qmtl: allow Q0610 until soon - x", "soon", "not a day"),
        ("# qmtl: allow Q0610 until 2026-02-30 - x", "2026-02-30", "not a day"),
        ("# qmtl: allow", "", "names the code"),
        ("# qmtl: allow until 2026-12-31 - x", "", "names the code"),
        ("# qmtl: allow Q0699 until 2026-12-31 - x", "Q0699", "no code"),
        ("# qmtl: allow q0610 until 2026-12-31 - x", "q0610", "no code"),
        ("# qmtl: allow Q0503 until 2026-12-31 - x", "Q0503", "only warnings"),
        ("# qmtl: allow Q0113 until 2026-12-31 - x", "Q0113", "cannot be allowed"),
        ("# qmtl: allow Q0610, Q0603 until 2026-12-31 - x", ",", "names one code"),
        ("# qmtl: alow Q0610 until 2026-12-31 - x", "alow", "nothing else"),
        ("# qmtl allow Q0610 until 2026-12-31 - x", "", "colon"),
    ],
)
def test_q0111_a_comment_that_cannot_be_read(comment: str, place: str, words: str, tmp_path: Path) -> None:
    found = judged(tmp_path, WORLD.replace("version: 1", f"{comment}\nversion: 1", 1))
    wrong = found[0]
    assert [d.code for d in found] == ["Q0111", "Q0610"]
    assert wrong.span
    assert wrong.span.text == (place or comment)
    assert words in wrong.message
    assert wrong.help


def test_comments_of_people_are_left_alone(tmp_path: Path) -> None:
    text = WORLD.replace("version: 1", "# `qmtl validate` says what is wrong\n# the qmtl way\nversion: 1", 1)
    assert [d.code for d in judged(tmp_path, text)] == ["Q0610"]


def test_a_text_that_only_looks_like_a_comment_is_none(tmp_path: Path) -> None:
    text = WORLD.replace("calendar", f'description: "{ALLOW}"\ncalendar', 1)
    assert [d.code for d in judged(tmp_path, text)] == ["Q0610"]


def test_errors_stay_and_a_comment_is_not_judged_before_they_are_gone(tmp_path: Path) -> None:
    text = WORLD.replace("roc_momentum", "roc_momentun").replace("version: 1", f"{ALLOW}\nversion: 1", 1)
    assert [d.code for d in judged(tmp_path, text)] == ["Q0503"]


def test_it_works_in_block_syntax(tmp_path: Path) -> None:
    text = (
        "world us {\n  calendar XNYS\n  universe SPY\n  allowlist all\n"
        "  chain wide when p_chop >= 0.4 { use zscore_reversion }\n"
        f"  {ALLOW}\n  chain narrow when p_chop >= 0.6 {{ use zscore_reversion }}\n"
        "  otherwise neutral { use roc_momentum }\n}\n"
    )
    (tmp_path / "us.qmtl").write_text(text)
    assert validate([tmp_path], today=TODAY).diagnostics == ()
    assert [d.code for d in validate([tmp_path], today="2027-01-01").diagnostics] == ["Q0112", "Q0610"]


def test_it_works_in_csv_files(tmp_path: Path) -> None:
    (tmp_path / "q4.yaml").write_text("allowlist: q4\ncsv: q4.csv\n")
    row = "QQQ,roc_momentum,2026-01-01\n"
    comment = "# qmtl: allow Q0615 until 2026-12-31 - comes back\n"
    (tmp_path / "q4.csv").write_text(f"symbol,strategy,until\nSPY,roc_momentum,\n{comment}{row}")
    assert validate([tmp_path], today=TODAY).diagnostics == ()
    (tmp_path / "q4.csv").write_text(f"{comment}symbol,strategy,until\nSPY,roc_momentum,\n{row}")
    assert validate([tmp_path], today=TODAY).diagnostics == ()


def test_a_run_honours_it_and_refuses_a_broken_one(tmp_path: Path) -> None:
    path = tmp_path / "us.yaml"
    path.write_text(WORLD.replace("version: 1", f"{ALLOW}\nversion: 1", 1))
    assert compile_world(path, today=TODAY).diagnostics == ()
    assert compile_world(path, today=TODAY).program is not None
    (tmp_path / "run.yaml").write_text("deployment: run\nworlds: [us.yaml]\nfeed: {kind: synthetic}\n")
    assert compile_deployment(tmp_path / "run.yaml", today=TODAY).diagnostics == ()
    late = compile_deployment(tmp_path / "run.yaml", today="2027-01-01")
    assert [d.code for d in late.diagnostics] == ["Q0112", "Q0610"]
    assert late.deployment is not None  # warnings stop no run
    path.write_text(WORLD.replace("version: 1", "# qmtl: allow Q0610\nversion: 1", 1))
    broken = compile_deployment(tmp_path / "run.yaml", today=TODAY)
    assert [d.code for d in broken.diagnostics] == ["Q0111", "Q0610"]
    assert (broken.deployment, broken.programs) == (None, ())
    assert compile_world(path, today=TODAY).program is None


def test_a_run_does_not_call_a_comment_useless(tmp_path: Path) -> None:
    """It reads one world of a file; the comment may be about another."""
    path = tmp_path / "us.yaml"
    path.write_text(WORLD.replace("version: 1", f"{ALLOW.replace('Q0610', 'Q0603')}\nversion: 1", 1))
    assert [d.code for d in compile_world(path, today=TODAY).diagnostics] == ["Q0610"]


@pytest.mark.parametrize("code", sorted(code for code, (severity, _) in CODES.items() if severity == "warning"))
def test_every_warning_but_those_about_comments_can_be_allowed(code: str) -> None:
    source = Source("x.yaml", f"a: 1\n# qmtl: allow {code} until 2026-12-31 - meant\nb: 2\n")
    warning = problem(code, "x", Span(source, source.text.index("b"), source.text.index("b") + 1))
    found = [d.code for d in silence([warning], [source], TODAY)]
    assert found == ([] if code not in {"Q0112", "Q0113"} else ["Q0111", code])
