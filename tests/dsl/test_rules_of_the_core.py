"""Keys of the decision core from text to Program: the shadow regime, router alphas, `risk.trading` and `risk.on_kill`."""

from __future__ import annotations

from pathlib import Path

import pytest

from qmtl.dsl.changes.compare import differences
from qmtl.dsl.changes.side import read_side
from qmtl.dsl.codec import program_from_json, program_to_json
from qmtl.dsl.compile import compile_world, validate
from qmtl.dsl.compileworld import Compiled
from qmtl.dsl.effective import effective
from qmtl.dsl.model import Regime, RouterAlphas, Select
from qmtl.dsl.program import Program

HEAD = "version: 1\nworld: us\ncalendar: XNYS\nuniverse: [SPY, QQQ]\nallowlist: all\n"
CHAINS = "chains: [{name: rest, otherwise: true, strategies: [roc_momentum, atr_ratchet], exposure: 80%}]\n"
SECOND = "regime second {\n  score trend_up 20 * roc(close, 8)\n  score trend_down 0\n  score chop slope(close, 700) / close\n  high_vol 0.1\n}\n"
MODEL = """\
version: 1
model: net
file: net.onnx
sha256: "a6d4c25bbdc42daca426c19c34e1b91ca715cc5506a330a0f4512617d6253de8"
features: [ret_4]
outputs:
  p_trend_up: {output: regime, index: 0}
  p_trend_down: {output: regime, index: 1}
  p_chop: {output: regime, index: 2}
  p_high_vol: {output: high_vol}
"""


def compiled(folder: Path, *lines: str, head: str = HEAD + CHAINS) -> Compiled:
    (folder / "strategies").mkdir(exist_ok=True)
    (folder / "strategies" / "second.qmtl").write_text(SECOND)
    (folder / "us.yaml").write_text(head + "\n".join(lines) + "\n")
    return compile_world(folder / "us.yaml")


def program(of: Compiled) -> Program:
    assert of.program is not None, [d.message for d in of.diagnostics]
    return of.program


def said(of: Compiled) -> list[tuple[str, str, str, str]]:
    """(code, what the span covers, message, help)."""
    return [(d.code, d.span.text if d.span else "", d.message, d.help) for d in of.diagnostics]


# ---- ids survive


@pytest.mark.parametrize(
    "line",
    [
        "regime: {source: heuristic}",
        "select: {alphas: {}}",
        "select: {alphas: {roc_momentum: {}}}",
        "select: {alphas: {roc_momentum: {p_chop: 0, p_trend_up: 0.0}}}",
        "risk: {trading: active, on_kill: hold}",
    ],
)
def test_a_default_that_is_written_out_is_no_other_program(tmp_path: Path, line: str) -> None:
    assert program(compiled(tmp_path, line)) == program(compiled(tmp_path))
    text = program_to_json(program(compiled(tmp_path, line))).decode()
    assert not any(f'"{key}"' in text for key in ("shadow", "alphas", "trading", "on_kill"))


@pytest.mark.parametrize(
    "line",
    [
        "regime: {source: shadow, shadow: second}",
        "select: {alphas: {roc_momentum: {p_chop: -0.2}}}",
        "risk: {trading: reducing}",
        "risk: {trading: halted}",
        "risk: {on_kill: flatten}",
    ],
)
def test_each_is_part_of_the_program_and_of_no_generation(tmp_path: Path, line: str) -> None:
    before, after = program(compiled(tmp_path)), program(compiled(tmp_path, line))
    assert before.program_id != after.program_id
    assert before.generations == after.generations
    assert program_from_json(program_to_json(after)) == after


# ---- the shadow regime


def test_a_shadow_adds_its_own_outputs_and_moves_none(tmp_path: Path) -> None:
    before = program(compiled(tmp_path))
    after = program(compiled(tmp_path, "regime: {source: shadow, shadow: second}"))
    assert after.settings.regime == Regime(source="shadow", shadow="second")
    ids = {node.id for node in before.nodes}
    assert ids < {node.id for node in after.nodes}
    for name in ("p_trend_up", "p_trend_down", "p_chop", "p_high_vol", "confidence"):
        one, other = (getattr(p.regime, name) for p in (before, after))
        assert before.nodes[one].id == after.nodes[other].id
    assert before.regime.shadow == ()
    assert len(after.regime.shadow) == 5
    assert not {after.nodes[i].id for i in after.regime.shadow[:3]} & ids


def test_a_shadow_reaches_as_far_back_as_its_formulas(tmp_path: Path) -> None:
    world = compiled(tmp_path, "regime: {source: shadow, shadow: second}")
    assert dict(program(world).warmup)["15m"] == 700
    assert world.needs.warmup == program(world).warmup
    assert dict(program(compiled(tmp_path)).warmup)["15m"] < 700


def test_mistakes_in_the_shadow_are_the_worlds(tmp_path: Path) -> None:
    of = compiled(tmp_path)
    (tmp_path / "strategies" / "second.qmtl").write_text(SECOND.replace("roc(close, 8)", "rok(close, 8)"))
    (tmp_path / "us.yaml").write_text(HEAD + CHAINS + "regime: {source: shadow, shadow: second}\n")
    assert [d.code for d in compile_world(tmp_path / "us.yaml").diagnostics] == ["Q0502"]
    assert of.program is not None


@pytest.mark.parametrize(
    ("regime", "expected"),
    [
        ("{source: shadow}", ("Q0202", "regime", "`shadow` is missing in `regime`", "")),
        ("{source: shadow, shadow: secnd}", ("Q0501", "secnd", "unknown regime `secnd`", "did you mean `second`?")),
        ("{source: shadow, shadow: roc_momentum}", ("Q0501", "roc_momentum", "unknown regime `roc_momentum`", "it is the name of a `regime` block of a `.qmtl` file")),
        ("{shadow: second}", ("Q0201", "shadow", "`shadow` cannot stand here", "it belongs to `source: shadow`")),
        ("{source: shadow, shadow: us_heuristic}", ("Q0609", "us_heuristic", "`us_heuristic` is its own shadow, so both never differ", "name another `regime` block, or drop it here")),
        ("{source: shadow, shadow: second, model: net}", ("Q0201", "model", "`model` cannot stand here", "`shadow` names the second regime already")),
        ("{source: shadow, shadow: net}", ("Q0617", "net", "the model `net` cannot be the shadow yet: this version runs heuristics only", "name a `regime` block as `shadow`; the model document may stay, it is checked by itself")),
        ("{source: shadow, model: net}", ("Q0617", "shadow", "a model cannot be the shadow yet: this version runs heuristics only", "name a `regime` block as `shadow`; the model document may stay, it is checked by itself")),
        ("{source: ml, model: net}", ("Q0617", "ml", "a regime of source `ml` cannot be used yet: this version runs heuristics only", "write `source: heuristic` and take `model` out; the model document may stay, it is checked by itself")),
    ],
)  # fmt: skip
def test_what_cannot_be_a_shadow(tmp_path: Path, regime: str, expected: tuple[str, str, str, str]) -> None:
    (tmp_path / "net.yaml").write_text(MODEL)
    (tmp_path / "net.onnx").write_text("stands for a network")
    found = [d for d in said(compiled(tmp_path, f"regime: {regime}")) if d[0] != "Q0603"]
    assert expected in found
    assert len(found) <= 2  # `model` and `source` of one mistake


def test_an_edited_shadow_is_named_by_diff(tmp_path: Path) -> None:
    for label in ("before", "after"):
        (tmp_path / label).mkdir()
        compiled(tmp_path / label, "regime: {source: shadow, shadow: second}")
    (tmp_path / "after" / "strategies" / "second.qmtl").write_text(SECOND.replace("20 * roc", "30 * roc"))
    sides = [read_side((tmp_path / label,)) for label in ("before", "after")]
    ((change,),) = [one.changes for one in differences(*sides, "2026-06-01")]
    assert (change.what, change.before, change.after) == (
        "regime second", "score trend_up 20 * roc(close, 8)", "score trend_up 30 * roc(close, 8)",
    )  # fmt: skip


# ---- router alphas


def test_alphas_by_strategy_in_one_order(tmp_path: Path) -> None:
    one = "select: {alphas: {roc_momentum: {p_trend_up: 0.1, p_chop: -0.2}, atr_ratchet: {p_high_vol: 1}}}"
    other = "select: {alphas: {atr_ratchet: {p_high_vol: 1}, roc_momentum: {p_chop: -0.2, p_trend_up: 0.1}}}"
    found = program(compiled(tmp_path, one))
    assert found.settings.select == Select(
        alphas=(RouterAlphas("atr_ratchet", p_high_vol=1.0), RouterAlphas("roc_momentum", p_trend_up=0.1, p_chop=-0.2))
    )
    assert found == program(compiled(tmp_path, other))


@pytest.mark.parametrize(
    ("alphas", "expected"),
    [
        ("{roc_momentun: {p_chop: 1}}", ("Q0503", "roc_momentun", "unknown strategy `roc_momentun`", "did you mean `roc_momentum`?")),
        ("{roc_momentum: {p_chopp: 1}}", ("Q0201", "p_chopp", "unknown key `p_chopp` in `roc_momentum`", "did you mean `p_chop`?")),
        ("{roc_momentum: {regime_confidence: 1}}", ("Q0201", "regime_confidence", "unknown key `regime_confidence` in `roc_momentum`", "the keys here are `p_trend_up`, `p_trend_down`, `p_chop` and `p_high_vol`")),
        ("{roc_momentum: {p_chop: 10%}}", ("Q0203", "10%", "`p_chop` must be a number, not text", "write `0.1`")),
        ("{roc_momentum: {p_chop: 11}}", ("Q0205", "11", "`p_chop` must be at most 10", "")),
        ("{roc_momentum: 1}", ("Q0203", "1", "`roc_momentum` must be a map of keys, not the number `1`", "")),
        ("{ema_cross_atr: {p_chop: 1}}", ("Q0609", "ema_cross_atr", "no chain uses `ema_cross_atr`, so its alphas do nothing", "")),
    ],
)  # fmt: skip
def test_each_mistake_in_alphas(tmp_path: Path, alphas: str, expected: tuple[str, str, str, str]) -> None:
    assert said(compiled(tmp_path, f"select: {{alphas: {alphas}}}")) == [expected]


def test_a_heir_without_the_strategy_is_told_in_its_own_text(tmp_path: Path) -> None:
    compiled(tmp_path, "select: {alphas: {atr_ratchet: {p_chop: 1}}}")
    (tmp_path / "heir.yaml").write_text(
        "version: 1\nworld: heir\nextends: us\nchains: [{name: rest, otherwise: true, strategies: [roc_momentum]}]\n"
    )
    found = [d for d in compile_world(tmp_path / "heir.yaml").diagnostics if d.code == "Q0609"]
    assert [(d.span.text if d.span else "", d.help) for d in found] == [
        ("chains", "say it otherwise here: `select: ~` (`~` takes away)")
    ]
    (tmp_path / "heir.yaml").write_text((tmp_path / "heir.yaml").read_text() + "select: {alphas: ~}\n")
    assert not compile_world(tmp_path / "heir.yaml").diagnostics


# ---- what people read


def test_show_says_each_with_its_place(tmp_path: Path) -> None:
    of = compiled(
        tmp_path,
        "regime: {source: shadow, shadow: second}",
        "select:",
        "  alphas: {roc_momentum: {p_chop: -0.2, p_trend_up: 0.1}, atr_ratchet: {p_high_vol: 1}}",
        "risk: {trading: reducing}",
    )
    rows = {row.path: (row.text, row.origin.rpartition(":")[2]) for row in effective(of).settings}
    assert rows["regime.shadow"] == ("second", "7")
    assert rows["select.alphas"] == ("atr_ratchet (p_high_vol 1), roc_momentum (p_trend_up 0.1, p_chop -0.2)", "9")
    assert rows["risk.trading"] == ("reducing", "10")
    assert rows["risk.on_kill"] == ("hold", "default")
    plain = {row.path: row.text for row in effective(compiled(tmp_path)).settings}
    assert (plain["select.alphas"], plain["regime.shadow"]) == ("none", '""')


def test_blocks_say_the_same(tmp_path: Path) -> None:
    text = program(
        compiled(
            tmp_path,
            "regime: {source: shadow, shadow: second}",
            "select: {alphas: {roc_momentum: {p_chop: -0.2}}}",
            "risk: {trading: halted, on_kill: flatten}",
        )
    )
    (tmp_path / "us.yaml").unlink()
    (tmp_path / "us.qmtl").write_text("""\
world us {
  calendar XNYS
  universe SPY, QQQ
  allowlist all
  regime { source shadow; shadow second }
  otherwise rest { use roc_momentum, atr_ratchet; exposure 80% }
  select { alphas { roc_momentum { p_chop -0.2 } } }
  risk { trading halted; on_kill flatten }
}
""")
    assert program(compile_world(tmp_path / "us.qmtl")).program_id == text.program_id
    assert {d.code for d in validate([tmp_path]).diagnostics} == set()
