"""Mistakes in cases: each is one message at its place, before anything runs."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path

import pytest

from qmtl.dsl.cases.moments import read_moment
from qmtl.dsl.compile import validate
from qmtl.dsl.diagnostics import Diagnostic
from qmtl.dsl.source import Source
from qmtl.dsl.tree import Map, Scalar
from qmtl.dsl.yamltree import read_yaml

BASE = {
    "case": "one that is well",
    "world": "us_core",
    "at": "2026-01-06T10:30-05:00",
    "bars": "{SPY: 500}",
    "regime": "{p_trend_up: 70%, p_chop: 20%}",
    "expect": "{chain: trend}",
}


@pytest.fixture
def project(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped worlds, and room for cases."""
    shutil.copytree(root / "worlds", tmp_path / "worlds", ignore=shutil.ignore_patterns("cases"))
    (tmp_path / "cases").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(text: str, name: str = "cases/c.yaml") -> tuple[Diagnostic, ...]:
    Path(name).write_text(text)
    return validate([name]).diagnostics


def case(**changes: str | None) -> str:
    keys = {**BASE, **changes}
    return "\n".join(f"{key}: {value}" for key, value in keys.items() if value is not None) + "\n"


def test_a_case_finds_its_world_from_a_folder_beside_it(project: Path) -> None:
    assert found(case()) == ()


@pytest.mark.parametrize(
    ("changes", "code", "marked", "words"),
    [
        # names
        ({"world": "us_cor"}, "Q0506", "us_cor", "did you mean `us_core`?"),
        ({"bars": "{SPI: 500}"}, "Q0505", "SPI", "did you mean `SPY`?"),
        ({"expect": "{target: {SPZ: 1%}}"}, "Q0505", "SPZ", "did you mean `SPY`?"),
        ({"expect": "{chain: trent}"}, "Q0501", "trent", "did you mean `trend`?"),
        ({"memory": "{chain: {SPY: choop}}"}, "Q0501", "choop", "did you mean `chop`?"),
        ({"signals": "{SPY: {roc_momentun: long}}"}, "Q0503", "roc_momentun", "did you mean `roc_momentum`?"),
        ({"positions": "{SPY: {size: 5%, owner: roc}}"}, "Q0503", "roc", "unknown strategy"),
        ({"expect": "{because: {SPY: churn.deadbnd}}"}, "Q0204", "churn.deadbnd", "did you mean `churn.deadband`?"),
        ({"expect": "{selected: {SPY: roc_momentu}}"}, "Q0503", "roc_momentu", "did you mean"),
        ({"expect": "{kill: kill.daily}"}, "Q0204", "kill.daily", "must be one of"),
        ({"expect": "{orders: [{symbol: SPX}]}"}, "Q0505", "SPX", "did you mean"),
        ({"expct": "{}"}, "Q0201", "expct", "did you mean `expect`?"),
        # time
        ({"at": "2026-01-06T10:30"}, "Q0206", "2026-01-06T10:30", "offset from UTC or a time zone"),
        ({"at": "half past ten"}, "Q0203", "half past ten", "is not a time"),
        ({"at": "2026-01-06T10:30:20-05:00"}, "Q0807", "2026-01-06T10:30:20-05:00", "whole minutes"),
        ({"at": "0001-01-01T00:00Z"}, "Q0807", "0001-01-01T00:00Z", "between the years"),
        ({"at": None}, "Q0202", "one that is well", "`at` is missing"),
        # series
        ({"bars": "{SPY: 500x0}"}, "Q0806", "500x0", "1 to"),
        ({"bars": "{SPY@15m: {close: 500 5oo}}"}, "Q0806", "oo", "no part of a series"),
        ({"bars": "{SPY: {close: 5, volume: -1}}"}, "Q0806", "-1", "a volume is not negative"),
        ({"regime": "{p_trend_up: 1.7, p_chop: 0}"}, "Q0806", "1.7", "between 0 and 1"),
        # contradictions
        ({"regime": "{p_trend_up: 0.7, p_chop: 0.4}"}, "Q0807", "0.7", "add up to 1.1"),
        ({"regime": "{p_trend_up: 0.7x5, p_chop: 0.1x3 0.4}"}, "Q0807", "0.7x5", "add up to 1.1"),
        ({"regime": "{p_trend_up: 0.7, p_trend_down: 0.1, p_chop: 0.1}"}, "Q0807", "0.7", "not to 1"),
        ({"regime": "{p_trend_up: 0.7}"}, "Q0807", "p_trend_up", "at least two"),
        ({"bars": "{SPY@60m: 500}"}, "Q0405", "SPY@60m", "are 15m bars, not 60m"),
        ({"bars": "{SPY: 500, SPY@15m: 400}"}, "Q0807", "SPY@15m", "has bars twice"),
        ({"positions": "{QQQ: 5%}"}, "Q0807", "QQQ", "has no bars"),
        ({"positions": "{SPY: {size: 5%, qty: 10}}"}, "Q0807", "qty", "said twice"),
        ({"positions": "{SPY: {owner: roc_momentum}}"}, "Q0202", "SPY", "`size` or `qty` is missing"),
        ({"steps": "[{at: 2026-01-06T10:15-05:00}]"}, "Q0807", "2026-01-06T10:15-05:00", "later than"),
        # nothing is expected
        ({"expect": None}, "Q0808", "one that is well", "expects nothing"),
        ({"expect": "{}"}, "Q0808", "expect", "expects nothing"),
        ({"expect": "{target: {}}"}, "Q0808", "target", "expects nothing"),
        ({"bars": None}, "Q0808", "chain", "no symbol of the case has bars"),
        ({"bars": "{}", "expect": "{target: {all: 0%}}"}, "Q0808", "target", "no symbol of the case has bars"),
        # schema
        ({"positions": "{SPY: 20}"}, "Q0203", "20", "must be"),
        ({"signals": "{SPY: {roc_momentum: up}}"}, "Q0204", "up", "must be one of"),
        ({"regime": "none"}, "Q0204", "none", "must be"),
    ],
)
def test_a_mistake_is_one_message_at_its_place(
    project: Path, changes: dict[str, str | None], code: str, marked: str, words: str
) -> None:
    (diagnostic,) = found(case(**changes))
    assert (diagnostic.code, diagnostic.span.text if diagnostic.span else None) == (code, marked)
    assert words in f"{diagnostic.message}\n{diagnostic.help}"


def test_both_places_of_a_contradiction_are_shown(project: Path) -> None:
    (diagnostic,) = found(case(regime="{p_trend_up: 0.7, p_chop: 0.4}"))
    assert [label.span.text for label in diagnostic.labels] == ["0.4"]
    (diagnostic,) = found(case(bars="{SPY: 500, SPY@15m: 400}"))
    assert [label.span.text for label in diagnostic.labels] == ["SPY"]


def test_a_broken_world_is_reported_once_and_no_name_of_it_is_called_unknown(project: Path) -> None:
    world = project / "worlds" / "us_core.yaml"
    world.write_text(world.read_text().replace("p_chop >= 0.50", "p_chopp >= 0.50"))
    (diagnostic,) = found(case(expect="{chain: sideways}"))
    assert diagnostic.code == "Q0501"
    assert "p_chopp" in diagnostic.message


def test_ninety_reason_codes_are_not_listed(project: Path) -> None:
    (diagnostic,) = found(case(expect="{because: {SPY: churn.deadbnd}}"))
    assert diagnostic.message == "`SPY` cannot be `churn.deadbnd`"


def test_a_group_shares_its_keys_and_says_mistakes_of_them_once(project: Path) -> None:
    text = textwrap.dedent("""\
        case: group
        world: us_core
        at: 2026-01-06T10:30-05:00
        bars: {SPI: 500}
        cases:
          - {name: first rule, expect: {orders: []}}
          - {name: second rule, expect: {orders: []}}
    """)
    (diagnostic,) = found(text)
    assert (diagnostic.code, diagnostic.span and diagnostic.span.text) == ("Q0505", "SPI")


def test_two_cases_of_a_group_have_two_names(project: Path) -> None:
    text = (
        "case: g\nworld: us_core\nat: 2026-01-06T10:30-05:00\ncases:\n" + "  - {name: same, expect: {orders: []}}\n" * 2
    )
    (diagnostic,) = found(text)
    assert (diagnostic.code, diagnostic.span and diagnostic.span.text) == ("Q0209", "same")


def test_expectations_of_a_group_belong_into_its_cases(project: Path) -> None:
    text = case() + "cases: [{name: a rule, expect: {orders: []}}]\n"
    (diagnostic,) = found(text)
    assert (diagnostic.code, diagnostic.span and diagnostic.span.text) == ("Q0807", "expect")


def test_blocks_say_the_same_as_yaml(project: Path) -> None:
    block = """case "one" {
      world us_core
      at "2026-01-06T10:30-05:00"
      bars { "SPY@15m" { close "500x3 50O" } }
      expect { because { SPY "churn.deadbnd" } }
    }"""
    assert [(d.code, d.span and d.span.text) for d in found(block, "cases/c.qmtl")] == [
        ("Q0806", "O"),
        ("Q0204", '"churn.deadbnd"'),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-06T15:30-05:00", 1767731400),
        ("2026-01-06T20:30Z", 1767731400),
        ("2026-01-06T15:30[America/New_York]", 1767731400),
        ("2026-07-06T15:30[America/New_York]", 1783366200),
        ("2026-03-08T02:30[America/New_York]", "Q0807"),
        ("2025-11-02T01:30[America/New_York]", "Q0807"),
        ("2026-01-06T15:30[Mars/Olympus]", "Q0206"),
        ("2026-02-30T15:30Z", "Q0203"),
        ("0001-01-01T00:00[Asia/Tokyo]", "Q0807"),
    ],
)
def test_a_moment_is_exact(text: str, expected: int | str) -> None:
    tree, _ = read_yaml(Source("c.yaml", f"at: {text}\n"))
    assert isinstance(tree, Map)
    node = tree.get("at")
    assert isinstance(node, Scalar)
    moment, problems = read_moment(node)
    assert (problems[0].code if problems else moment) == expected
