"""YAML and blocks say the same: two texts, one case."""

from __future__ import annotations

from pathlib import Path

import pytest

from qmtl.dsl.cases.check import checked_cases
from qmtl.dsl.cases.model import Case
from qmtl.dsl.compileworld import Run
from qmtl.dsl.documents import load_file
from qmtl.dsl.schema import load_schema

YAML = """\
version: 1
case: everything that a case can say
world: us_core
at: 2026-01-06T10:30-05:00
bars: {SPY@15m: {close: 500+0.5x20 _x2 510, volume: 1_000}, QQQ: 400}
regime: {p_trend_up: 0.70x20, p_chop: 20%, QQQ: missing}
market: {vix.close: 18x30}
chart: {trend60: 0.01, SPY: {overext: 1}}
signals: {SPY: {roc_momentum: {side: long, size: 80%, stop: 5, take: 9}}, QQQ: {roc_momentum: flat}}
positions: {SPY: {size: 12%, owner: roc_momentum, opened: 90m, entry: 499.5}, QQQ: -3%}
account:
  equity: 1_000_000 USD
  working: [{symbol: QQQ, qty: -10, leg: open, since: 60s}]
  answers: [{symbol: SPY, error: business, count: 2}]
  flows: -5_000 USD
  marks: {SPY: {price: 505, age: 5m}, QQQ: 399.5}
quotes: {SPY: 511, all: 400}
memory:
  chain: trend
  selected: {SPY: roc_momentum}
  latched: {SPY: {roc_momentum: short}}
  last_side: {QQQ: {side: short, opened: 30m}}
  kill: {reason: kill.failures, since: 5m, recovers: 5m}
expect:
  chain: {SPY: trend}
  target: {SPY: 12%, all: 0%}
  because: {SPY: [churn.deadband, cap.symbol]}
  orders: [{symbol: SPY, side: sell, qty: 10}]
  kill: none
steps:
  - at: 2026-01-06T10:31-05:00
    tick: follow_up
    expect: {orders: []}
"""

BLOCKS = """\
case "everything that a case can say" {
  world us_core
  at "2026-01-06T10:30-05:00"
  bars { "SPY@15m" { close "500+0.5x20 _x2 510"; volume 1_000 }; QQQ 400 }
  regime { p_trend_up "0.70x20"; p_chop 20%; QQQ missing }
  market { vix.close "18x30" }
  chart { trend60 0.01; SPY { overext 1 } }
  signals { SPY { roc_momentum { side long; size 80%; stop 5; take 9 } }; QQQ { roc_momentum flat } }
  positions { SPY { size 12%; owner roc_momentum; opened 90m; entry 499.5 }; QQQ -3% }
  account {
    equity 1_000_000 USD
    working QQQ { qty -10; leg open; since 60s }
    answer SPY { error business; count 2 }
    flows -5_000 USD
    marks { SPY { price 505; age 5m }; QQQ 399.5 }
  }
  quotes { SPY 511; all 400 }
  memory {
    chain trend
    selected { SPY roc_momentum }
    latched { SPY { roc_momentum short } }
    last_side { QQQ { side short; opened 30m } }
    kill { reason "kill.failures"; since 5m; recovers 5m }
  }
  expect {
    chain { SPY trend }
    target { SPY 12%; all 0% }
    because { SPY "churn.deadband", "cap.symbol" }
    order SPY { side sell; qty 10 }
    kill none
  }
  step "2026-01-06T10:31-05:00" {
    tick follow_up
    expect { orders [] }
  }
}
"""


@pytest.fixture
def here(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "worlds").symlink_to(root / "worlds")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(path: Path) -> Case:
    (document,) = load_file(path).documents
    checked = checked_cases(document, Run())
    assert not checked.diagnostics, checked.diagnostics
    (case,) = checked.cases
    return case


def test_both_surfaces_give_the_same_case(here: Path) -> None:
    (here / "one.yaml").write_text(YAML)
    (here / "two.qmtl").write_text(BLOCKS)
    # NaN differs from itself, so the texts of the values are compared
    assert repr(read(here / "one.yaml")) == repr(read(here / "two.qmtl"))


def test_this_case_says_nearly_every_key() -> None:
    """The comparison above is worth as much as the keys that it uses."""
    schema = load_schema("case")["properties"]
    for part in ("account", "expect", "memory"):
        assert schema[part]["properties"]
    missing = [key for key in schema if f"{key}:" not in YAML]
    assert missing == ["tick", "cases"] or missing == ["cases"]


def test_a_group_in_blocks_is_a_group_in_yaml(here: Path) -> None:
    top = "world: us_core\nat: 2026-01-06T10:30-05:00\nbars: {SPY: 500}\n"
    (here / "one.yaml").write_text(
        f"case: group\n{top}cases:\n- {{name: first, expect: {{orders: []}}}}\n- {{name: second, positions: {{SPY: 5%}}, expect: {{kill: none}}}}\n"
    )
    (here / "two.qmtl").write_text(
        'case group {\n  world us_core; at "2026-01-06T10:30-05:00"; bars { SPY 500 }\n'
        "  case first { expect { orders [] } }\n  case second { positions { SPY 5% }; expect { kill none } }\n}\n"
    )
    cases = [checked_cases(load_file(here / name).documents[0], Run()).cases for name in ("one.yaml", "two.qmtl")]
    assert repr(cases[0]) == repr(cases[1])
    assert [case.name for case in cases[0]] == ["first", "second"]
