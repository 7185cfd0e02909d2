"""World plans: read in full, checked against the worlds near them, never guessed."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from qmtl.dsl.compile import validate
from qmtl.dsl.compileworld import Run
from qmtl.dsl.documents import load_file
from qmtl.dsl.model import Overlay, Plan, ScalingBudget, SharedAccount, WorldShift
from qmtl.dsl.neighbours import load_once
from qmtl.dsl.plans import CompiledPlan, plan_of
from qmtl.dsl.tree import plain

ROOT = Path(__file__).resolve().parents[2]
WORLD = """\
version: 1
world: NAME
calendar: XNYS
universe: [SPY, QQQ]
chains:
  - {name: trend, when: p_trend_up >= 0.55, strategies: [roc_momentum, atr_ratchet]}
  - {name: neutral, otherwise: true, strategies: [roc_momentum]}
allowlist: all
"""
SHORT = "version: 1\nplan: shift\nmethod: scaling\nbefore: {core: 60%, tail: 10%}\nafter: {core: 50%, tail: 20%}\n"


def planned(folder: Path, text: str, name: str = "shift.yaml") -> CompiledPlan:
    """A plan in a folder of its own, beside the worlds `core` and `tail`."""
    for world in ("core", "tail"):
        path = folder / "worlds" / f"{world}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(WORLD.replace("NAME", world))
    path = folder / "plans" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    run = Run()
    (document,) = load_once(path, run.files).documents
    return plan_of(document, run)


def errors(found: CompiledPlan) -> list[tuple[str, str, str]]:
    """(code, what the span covers, message)."""
    return [(d.code, d.span.text if d.span else "", d.message) for d in found.diagnostics]


def said(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


def test_a_short_plan_has_every_default(tmp_path: Path) -> None:
    found = planned(tmp_path, SHORT)
    assert found.diagnostics == ()
    assert found.plan == Plan("shift", "scaling", (WorldShift("core", 0.6, 0.5), WorldShift("tail", 0.1, 0.2)))
    assert [world.name for world in found.worlds] == ["core", "tail"]
    assert {"shift.yaml", "core.yaml", "tail.yaml"} <= {path.name for path in found.files}


FULL = """\
version: 1
plan: shift
description: All there is.
method: hybrid
before: {core: 60%, tail: 10%}
after: {core: 50%, tail: 20%}
strategies:
  before: {core: {roc_momentum: 40%}}
  after: {tail: {roc_momentum: 15%, atr_ratchet: 5%}}
overlay:
  core: {instrument: SH, hedge_ratio: -1, multiplier: 1, base_alloc: 60%}
  tail: {instrument: VIXY, hedge_ratio: 0.5}
budget: {turnover: 5%, cost: 500 USD}
min_trade_notional: 50 USD
lot_sizes: {GDX: 1, BTC/USD: 0.001}
target: true
scope: global
shared_account: {max_gross: 90%, max_net: 60%, margin_headroom: 20%}
submit: false
run_id: 2026-01-shift
"""
BLOCK = """\
plan shift {
  version 1
  description "All there is."
  method hybrid
  before { core 60%; tail 10% }
  after { core 50%; tail 20% }
  strategies {
    before core { roc_momentum 40% }
    after tail { roc_momentum 15%; atr_ratchet 5% }
  }
  overlay core { instrument SH; hedge_ratio -1; multiplier 1; base_alloc 60% }
  overlay tail { instrument VIXY; hedge_ratio 0.5 }
  budget { turnover 5%; cost 500 USD }
  min_trade_notional 50 USD
  lot_sizes { GDX 1; "BTC/USD" 0.001 }
  target true
  scope global
  shared_account { max_gross 90%; max_net 60%; margin_headroom 20% }
  submit false
  run_id "2026-01-shift"
}
"""


def test_a_full_plan_without_units(tmp_path: Path) -> None:
    found = planned(tmp_path, FULL)
    assert found.diagnostics == ()
    assert found.plan == Plan(
        name="shift",
        method="hybrid",
        worlds=(
            WorldShift("core", 0.6, 0.5, strategies_before=(("roc_momentum", 0.4),)),
            WorldShift("tail", 0.1, 0.2, strategies_after=(("roc_momentum", 0.15), ("atr_ratchet", 0.05))),
        ),
        overlays=(
            Overlay("core", "SH", Decimal(-1), Decimal(1), 0.6),
            Overlay("tail", "VIXY", Decimal("0.5")),
        ),
        budget=ScalingBudget(0.05, Decimal(500)),
        min_trade_notional=Decimal(50),
        lot_sizes=(("GDX", Decimal(1)), ("BTC/USD", Decimal("0.001"))),
        target=True,
        scope="global",
        shared_account=SharedAccount(0.9, 0.6, 0.2),
        run_id="2026-01-shift",
        description="All there is.",
    )


def test_a_block_is_the_same_plan(tmp_path: Path) -> None:
    yaml = planned(tmp_path, FULL)
    block = planned(tmp_path, BLOCK, "shift.qmtl")
    trees = [plain(load_file(tmp_path / "plans" / f"shift.{end}").documents[0].tree) for end in ("yaml", "qmtl")]
    assert trees[0] == trees[1]
    assert block.plan == yaml.plan


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("after: {core: 50%, tail: 20%}", "after: {core: 85%, tail: 20%}",
         ("Q0801", "20%", "the shares `after` add up to 105% with `tail`")),
        ("core: 60%", "core: 160%", ("Q0801", "160%", "the share of `core` is 160%")),
        ("core: 50%", "core: -5%", ("Q0801", "-5%", "the share of `core` is -5%")),
        ("after: {core: 50%, tail: 20%}", "after: {core: 50%}",
         ("Q0802", "tail", "`tail` stands in `before`, but not in `after`")),
        ("before: {core: 60%, tail: 10%}", "before: {core: 60%}",
         ("Q0802", "tail", "`tail` stands in `after`, but not in `before`")),
        ("before: {core: 60%, tail: 10%}\nafter: {core: 50%, tail: 20%}", "before: {cor: 60%}\nafter: {cor: 50%}",
         ("Q0802", "cor", "unknown world `cor`")),
        ("before: {core: 60%", "before: {coree: 60%", ("Q0802", "coree", "unknown world `coree`")),
        ("tail: 20%}\n", "tail: 20%}\nstrategies: {after: {tail: {roc_momentum: 15%, atr_ratchet: 10%}}}\n",
         ("Q0801", "tail", "the strategies of `tail` add up to 25%, its own share is 20%")),
        ("tail: 20%}\n", "tail: 20%}\nstrategies: {after: {tail: {roc_momentum: 20%}}}\n",
         ("Q0802", "tail", "the shares after the shift leave out `atr_ratchet` of world `tail`")),
        ("tail: 20%}\n", "tail: 20%}\nstrategies: {before: {tail: {roc_momentun: 10%}}}\n",
         ("Q0802", "roc_momentun", "world `tail` has no strategy `roc_momentun`")),
        ("tail: 20%}\n", "tail: 20%}\nstrategies: {before: {tial: {roc_momentum: 10%}}}\n",
         ("Q0802", "tial", "`tial` is not a world of this plan")),
        ("tail: 20%}\n", "tail: 20%}\nsubmit: true\n",
         ("Q0803", "true", "a plan cannot be submitted yet: this version checks plans and executes none")),
        ("tail: 20%}\n", "tail: 20%}\noverlay: {core: {instrument: SH}}\n", ("Q0201", "overlay", "`overlay` cannot stand here")),
        ("tail: 20%}\n", "tail: 20%}\nbudget: {turnover: 5%}\n", ("Q0201", "budget", "`budget` cannot stand here")),
        ("tail: 20%}\n", "tail: 20%}\nscope: global\n", ("Q0202", "plan", "`shared_account` is missing")),
        ("before: {core: 60%, tail: 10%}\nafter: {core: 50%, tail: 20%}", "before: {}\nafter: {core: 50%}",
         ("Q0208", "before", "`before` needs at least 1 entry")),
        ("core: 60%", "core: 0.6", ("Q0206", "0.6", "`core` must be a ratio, not a bare number")),
        ("method: scaling", "method: hedge", ("Q0204", "hedge", "`method` must be one of `scaling`, `overlay` or `hybrid`")),
    ],
)  # fmt: skip
def test_each_mistake_has_one_message_at_its_place(
    tmp_path: Path, old: str, new: str, expected: tuple[str, str, str]
) -> None:
    found = planned(tmp_path, said(SHORT, old, new))
    assert errors(found) == [expected]
    assert found.plan is None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("  tail: {instrument: VIXY, hedge_ratio: 0.5}\n", "",
         ("Q0802", "tail", "the share of `tail` changes, but it has no overlay instrument")),
        ("VIXY", "SH", ("Q0802", "SH", "`SH` hedges two worlds: nobody could tell whose position it is")),
        ("  tail: {instrument: VIXY, hedge_ratio: 0.5}\n", "  tail: {instrument: VIXY}\n  rest: {instrument: PSQ}\n",
         ("Q0802", "rest", "`rest` is not a world of this plan")),
        ("budget: {turnover: 5%, cost: 500 USD}\n", "", ("Q0202", "plan", "`budget` is missing")),
        ("budget: {turnover: 5%, cost: 500 USD}\n", "budget: {}\n", ("Q0208", "budget", "`budget` needs at least 1 entry")),
        ("instrument: VIXY, ", "", ("Q0202", "hedge_ratio", "`instrument` is missing in `tail`")),
        ("multiplier: 1", "multiplier: 0", ("Q0205", "0", "`multiplier` must be more than 0")),
    ],
)  # fmt: skip
def test_mistakes_of_overlays(tmp_path: Path, old: str, new: str, expected: tuple[str, str, str]) -> None:
    found = errors(planned(tmp_path, said(FULL, old, new)))
    assert [(code, message) for code, _, message in found] == [(expected[0], expected[2])]


def test_both_places_of_a_conflict_are_shown(tmp_path: Path) -> None:
    text = said(
        SHORT, "tail: 20%}\n", "tail: 20%}\nstrategies: {after: {tail: {roc_momentum: 15%, atr_ratchet: 10%}}}\n"
    )
    (wrong,) = planned(tmp_path, text).diagnostics
    assert [(label.span.text, label.text) for label in wrong.labels] == [("20%", "the share of the world")]
    (twice,) = planned(tmp_path, said(FULL, "VIXY", "SH")).diagnostics
    assert [(label.span.text, label.text) for label in twice.labels] == [("SH", "first here")]


def test_an_unknown_world_has_a_suggestion_and_is_told_once(tmp_path: Path) -> None:
    text = SHORT.replace("core", "coer")
    (found,) = planned(tmp_path, text).diagnostics
    assert found.help == "did you mean `core`?"
    assert [label.text for label in found.labels] == ["also here"]


def test_a_world_with_mistakes_is_told_by_itself_and_its_strategies_are_not_guessed(tmp_path: Path) -> None:
    text = said(SHORT, "tail: 20%}\n", "tail: 20%}\nstrategies: {before: {tail: {whatever: 10%}}}\n")
    planned(tmp_path, text)
    (tmp_path / "worlds" / "tail.yaml").write_text(WORLD.replace("NAME", "tail").replace("0.55", "0.55 and"))
    run = Run()
    (document,) = load_once(tmp_path / "plans" / "shift.yaml", run.files).documents
    assert [d.code for d in plan_of(document, run).diagnostics] == ["Q0301"]
    (tmp_path / "worlds" / "tail.yaml").write_text("world: tail\nchains: [\n")
    run = Run()
    (document,) = load_once(tmp_path / "plans" / "shift.yaml", run.files).documents
    assert {d.code for d in plan_of(document, run).diagnostics} == {"Q0105"}


def test_rounding_of_fractions_is_no_mistake(tmp_path: Path) -> None:
    text = "version: 1\nplan: shift\nmethod: scaling\nbefore: {core: 90%, tail: 10%}\nafter: {core: 70%, tail: 30%}\n"
    strategies = "strategies: {after: {tail: {roc_momentum: 10%, atr_ratchet: 20%}}}\n"
    assert planned(tmp_path, text + strategies).diagnostics == ()


def test_the_shipped_plan_moves_a_tenth_from_us_core_to_tail_hedge() -> None:
    run = Run()
    (document,) = load_once(ROOT / "worlds" / "plans" / "shift_to_tail.yaml", run.files).documents
    found = plan_of(document, run)
    assert found.diagnostics == ()
    assert found.plan is not None
    shifts = {world.world: (world.before, world.after) for world in found.plan.worlds}
    assert shifts == {"us_core": (0.6, 0.5), "tail_hedge": (0.1, 0.2)}
    assert {world.name for world in found.worlds} == set(shifts)


def test_validate_checks_plans(tmp_path: Path) -> None:
    planned(tmp_path, said(SHORT, "tail: 20%}\n", "tail: 20%}\nsubmit: true\n"))
    assert [d.code for d in validate([tmp_path]).diagnostics] == ["Q0803"]
