"""`extends`: a world that says only what is different, with every value's place kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmtl.dsl.compile import compile_world, validate
from qmtl.dsl.compileworld import Compiled
from qmtl.dsl.diagnostics import Diagnostic
from qmtl.dsl.documents import load_file
from qmtl.dsl.effective import effective
from qmtl.dsl.extends import DEEPEST, extended
from qmtl.dsl.neighbours import Files
from qmtl.dsl.program import Program
from qmtl.dsl.tree import plain

BASE = """\
version: 1
world: base
calendar: XNYS
universe: [SPY, QQQ, XLE]
sectors: {SPY: index, QQQ: index, XLE: energy}
chains:
  - {name: trend, when: p_trend_up >= 0.55, strategies: [roc_momentum, atr_ratchet], exposure: 90%}
  - {name: neutral, otherwise: true, strategies: [roc_momentum], exposure: 65%}
allowlist: {SPY: [roc_momentum], QQQ: [roc_momentum, atr_ratchet], XLE: [roc_momentum]}
parameters:
  roc_momentum: {default: {fast: 12, slow: 48}, by_symbol: {QQQ: {fast: 15}, XLE: {slow: 60}}}
risk: {max_symbol: 20%, max_sector: 40%, position_stop: 4%}
capital: 60%
"""


def world(folder: Path, name: str, text: str) -> Path:
    """A world in a file of its own, called after the file."""
    path = folder / f"{name}.yaml" if "." not in name else folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def child(folder: Path, text: str, base: str = BASE) -> Compiled:
    world(folder, "base", base)
    return compile_world(world(folder, "child", f"world: child\nextends: base\n{text}"))


def program(compiled: Compiled) -> Program:
    assert compiled.program is not None, [d.message for d in compiled.diagnostics]
    return compiled.program


def told(found: tuple[Diagnostic, ...]) -> list[tuple[str, str, str]]:
    """(code, place, message)."""
    return [(d.code, f"{Path(d.span.source.name).name}:{d.span.text}" if d.span else "", d.message) for d in found]


# ---- meaning


def test_a_child_that_says_only_its_name_means_the_base_under_that_name(tmp_path: Path) -> None:
    written_out = compile_world(world(tmp_path / "full", "full", BASE.replace("world: base", "world: child")))
    assert program(child(tmp_path, "")) == program(written_out)


def test_maps_merge_lists_replace_and_a_tilde_deletes(tmp_path: Path) -> None:
    text = """\
universe: [SPY, QQQ]
parameters: {roc_momentum: {by_symbol: {QQQ: {slow: 50}}}, atr_ratchet: {default: {width: 3.5}}}
risk: {max_symbol: 25%, position_stop: ~}
sectors: null
capital: ~
"""
    full = """\
world: child
version: 1
calendar: XNYS
universe: [SPY, QQQ]
chains:
  - {name: trend, when: p_trend_up >= 0.55, strategies: [roc_momentum, atr_ratchet], exposure: 90%}
  - {name: neutral, otherwise: true, strategies: [roc_momentum], exposure: 65%}
allowlist: {SPY: [roc_momentum], QQQ: [roc_momentum, atr_ratchet]}
parameters:
  roc_momentum: {default: {fast: 12, slow: 48}, by_symbol: {QQQ: {fast: 15, slow: 50}}}
  atr_ratchet: {default: {width: 3.5}}
risk: {max_symbol: 25%, max_sector: 40%}
"""
    assert program(child(tmp_path, text)) == program(compile_world(world(tmp_path / "full", "full", full)))


def test_both_surfaces_extend_each_other(tmp_path: Path) -> None:
    world(tmp_path / "blocks", "base", BASE)
    block = "world child {\n  extends base\n  risk { max_symbol 25%; position_stop ~ }\n  capital ~\n}\n"
    path = world(tmp_path / "blocks", "child.qmtl", block)
    same = world(
        tmp_path / "yaml",
        "child",
        "world: child\nextends: base\nrisk: {max_symbol: 25%, position_stop: ~}\ncapital: ~\n",
    )
    world(tmp_path / "yaml", "base", BASE)
    grandchild = world(tmp_path / "blocks", "grandchild", "world: grandchild\nextends: child\ncapital: 5%\n")
    assert program(compile_world(path)).program_id == program(compile_world(same)).program_id
    assert program(compile_world(grandchild)).settings.capital == 0.05
    assert program(compile_world(grandchild)).settings.risk.max_symbol == 0.25


def test_a_chain_of_worlds_applies_from_the_root_to_the_leaf(tmp_path: Path) -> None:
    world(tmp_path, "base", BASE)
    world(tmp_path, "middle", "world: middle\nextends: base\ncapital: 30%\nrisk: {max_total: 50%}\n")
    leaf = compile_world(
        world(tmp_path, "leaf", "world: leaf\nextends: middle\nrisk: {max_total: ~, max_symbol: 10%}\n")
    )
    settings = program(leaf).settings
    assert (settings.capital, settings.risk.max_total, settings.risk.max_symbol) == (0.30, 0.60, 0.10)


Trees = st.recursive(
    st.integers(0, 3) | st.lists(st.integers(0, 3), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=12,
)
Maps = st.dictionaries(st.sampled_from("abcd"), Trees, max_size=4)
DELETED = "deleted"


def merged(base: Any, child: Any) -> Any:
    """What `extends` says about two maps, in plain Python."""
    if not isinstance(child, dict):
        return child
    result = dict(base) if isinstance(base, dict) else {}
    for key, value in child.items():
        if value == DELETED:
            result.pop(key)
        else:
            result[key] = merged(result.get(key), value)
    return result


@given(base=Maps, over=Maps, data=st.data())
def test_merging_is_that_of_plain_maps(
    base: dict[str, Any], over: dict[str, Any], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "merging"
    deleted = data.draw(st.sets(st.sampled_from(sorted(base)))) if base else set()
    over = {**over, **dict.fromkeys(deleted, DELETED)}
    world(folder, "base", "world: base\nrisk: " + json.dumps(base) + "\n")
    text = "world: child\nextends: base\nrisk: " + json.dumps(over).replace(f'"{DELETED}"', "~") + "\n"
    (document,) = load_file(world(folder, "child", text)).documents
    found = extended(document, Files())
    assert found.problems == ()
    values = plain(found.document.tree)
    assert isinstance(values, dict)
    assert values["risk"] == merged(base, over)
    assert values["world"] == "child"
    assert "extends" not in values


# ---- fewer symbols


def test_what_the_base_says_of_symbols_that_are_left_out_goes_with_them(tmp_path: Path) -> None:
    base = BASE.replace("exposure: 90%}", "exposure: 90%, overrides: {by_symbol: {XLE: {exposure: 20%}}}}")
    compiled = child(tmp_path, "universe: [SPY, QQQ]\n", base)
    assert [d for d in compiled.diagnostics if d.severity == "error"] == []
    assert program(compiled).settings.sectors == (("QQQ", "index"), ("SPY", "index"))
    assert program(compiled).chains[0].overrides == ()


def test_a_child_that_speaks_of_a_symbol_it_left_out_is_told(tmp_path: Path) -> None:
    compiled = child(tmp_path, "universe: [SPY, QQQ]\nallowlist: {XLE: []}\n")
    errors = tuple(d for d in compiled.diagnostics if d.severity == "error")
    assert told(errors) == [("Q0505", "child.yaml:XLE", "unknown symbol `XLE`")]


# ---- places


def test_values_say_in_which_file_they_were_said(tmp_path: Path) -> None:
    compiled = child(tmp_path, "risk: {max_symbol: 25%}\n")
    origins = {value.path: Path(value.origin.partition(":")[0]).name for value in effective(compiled).settings}
    assert origins["risk.max_symbol"] == "child.yaml"
    assert origins["risk.max_sector"] == "base.yaml"
    assert origins["risk.max_total"] == "default"


def test_the_files_of_all_bases_are_watched(tmp_path: Path) -> None:
    world(tmp_path, "base", BASE)
    world(tmp_path, "middle", "world: middle\nextends: base\n")
    leaf = compile_world(world(tmp_path, "leaf", "world: leaf\nextends: middle\n"))
    assert {"leaf.yaml", "middle.yaml", "base.yaml"} <= {path.name for path in leaf.files}


def test_inherited_paths_are_relative_to_the_file_that_said_them(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "sectors.csv").write_text("symbol,sector\nSPY,index\nXLE,energy\n")
    (tmp_path / "shared" / "own.qmtl").write_text(
        'strategy own {\n  doc "x"\n  style trend\n  long when close > sma(close, 20)\n  size 50%\n}\n'
    )
    base = BASE.replace("{SPY: index, QQQ: index, XLE: energy}", "sectors.csv").replace(
        "allowlist:", "strategy_files: [own.qmtl]\nallowlist:"
    )
    world(
        tmp_path / "shared", "base", base.replace("[roc_momentum], exposure: 65%", "[roc_momentum, own], exposure: 65%")
    )
    compiled = compile_world(world(tmp_path, "child", "world: child\nextends: base\n"))
    assert program(compiled).settings.sectors == (("SPY", "index"), ("XLE", "energy"))
    assert "own" in {plan.name for plan in program(compiled).strategies}
    assert tmp_path / "shared" / "sectors.csv" in compiled.files


def test_definitions_and_documents_near_the_base_are_the_childs_too(tmp_path: Path) -> None:
    shared = tmp_path / "worlds"
    (shared / "strategies").mkdir(parents=True)
    (shared / "strategies" / "own.qmtl").write_text(
        'strategy own {\n  doc "x"\n  style trend\n  long when close > sma(close, 20)\n  size 50%\n}\n'
    )
    world(shared, "venue", "version: 1\nexchange: venue\nlot_size: 5\n")
    world(
        shared,
        "base",
        BASE.replace("[roc_momentum], exposure: 65%", "[roc_momentum, own], exposure: 65%") + "exchange: venue\n",
    )
    compiled = compile_world(world(tmp_path / "variants", "child", "world: child\nextends: base\n"))
    assert program(compiled).settings.exchange.lot_size == 5
    assert "own" in {plan.name for plan in program(compiled).strategies}


# ---- mistakes


def test_an_unknown_world_is_one_mistake_with_a_suggestion(tmp_path: Path) -> None:
    world(tmp_path, "base", BASE)
    compiled = compile_world(world(tmp_path, "child", "world: child\nextends: bse\nrisk: {max_symbol: ~}\n"))
    assert told(compiled.diagnostics) == [("Q0506", "child.yaml:bse", "unknown world `bse`")]
    assert compiled.diagnostics[0].help == "did you mean `base`?"


def test_the_rest_of_a_world_with_an_unknown_base_is_still_checked(tmp_path: Path) -> None:
    compiled = compile_world(world(tmp_path, "child", "world: child\nextends: none_such\ncapital: 5\nrisk:\n"))
    assert [d.code for d in compiled.diagnostics] == ["Q0506", "Q0206", "Q0203"]


def test_a_base_that_cannot_be_read_is_not_also_unknown(tmp_path: Path) -> None:
    world(tmp_path, "base", BASE + "risk: {\n")
    compiled = compile_world(world(tmp_path, "child", "world: child\nextends: base\n"))
    assert {d.code for d in compiled.diagnostics} == {"Q0105"}


def test_a_base_with_a_doubled_key_does_not_run(tmp_path: Path) -> None:
    compiled = child(tmp_path, "", BASE + "capital: 10%\n")
    assert [d.code for d in compiled.diagnostics] == ["Q0106"]
    assert compiled.world is None


def test_a_circle_is_told_once_with_all_places(tmp_path: Path) -> None:
    for name, base in (("a", "b"), ("b", "c"), ("c", "a"), ("d", "b")):
        world(tmp_path, name, f"world: {name}\nextends: {base}\n")
    (found,) = validate([tmp_path]).diagnostics
    assert found.code == "Q0508"
    assert found.message == "worlds extend each other in a circle: `a` -> `b` -> `c` -> `a`"
    assert [label.span.source.name[-6:] for label in found.labels] == ["b.yaml", "c.yaml"]


def test_a_world_that_extends_itself(tmp_path: Path) -> None:
    compiled = compile_world(world(tmp_path, "a", "world: a\nextends: a\n"))
    assert told(compiled.diagnostics) == [("Q0508", "a.yaml:a", "`a` extends itself")]


def test_a_long_line_of_worlds_ends(tmp_path: Path) -> None:
    world(tmp_path, "w0", BASE.replace("world: base", "world: w0"))
    for n in range(1, DEEPEST + 3):
        world(tmp_path, f"w{n}", f"world: w{n}\nextends: w{n - 1}\n")
    assert program(compile_world(tmp_path / f"w{DEEPEST}.yaml"))
    assert {d.code for d in compile_world(tmp_path / f"w{DEEPEST + 1}.yaml").diagnostics} == {"Q0104"}


@pytest.mark.parametrize(
    ("text", "key", "help_text"),
    [
        ("risk: {position_stp: ~}", "position_stp", "did you mean `position_stop`?"),
        ("orders: ~", "orders", "leave the line out"),
        ("orders: {min_delta: null}", "min_delta", "leave the line out"),
        ("parameters: {roc_momentum: {by_symbol: {SPY: {fast: ~}}}}", "fast", "leave the line out"),
    ],
)
def test_a_tilde_that_deletes_nothing(tmp_path: Path, text: str, key: str, help_text: str) -> None:
    (found,) = child(tmp_path, text + "\n").diagnostics
    assert (found.code, found.message) == ("Q0509", f"`~` deletes nothing: world `base` has no `{key}` here")
    assert found.span is not None
    assert found.span.text in ("~", "null")
    assert found.help == help_text


def test_an_empty_value_deletes_nothing_and_is_told(tmp_path: Path) -> None:
    """A section whose lines were commented out must not switch off what the base says."""
    assert told(child(tmp_path, "risk:\n").diagnostics) == [
        ("Q0203", "child.yaml:risk", "`risk` must be a map of keys, not empty")
    ]


def test_a_tilde_in_a_world_that_extends_nothing_is_a_wrong_type(tmp_path: Path) -> None:
    compiled = compile_world(world(tmp_path, "base", BASE + "orders: ~\n"))
    assert told(compiled.diagnostics) == [("Q0203", "base.yaml:~", "`orders` must be a map of keys, not empty")]


def test_deleting_what_a_world_needs_is_told_in_the_child(tmp_path: Path) -> None:
    (found,) = child(tmp_path, "calendar: ~\n").diagnostics
    assert (found.code, found.message) == ("Q0202", "`calendar` is missing")
    assert found.span is not None
    assert Path(found.span.source.name).name == "child.yaml"
    assert found.help.startswith("`calendar`: Trading calendar")


def test_a_mistake_of_the_base_is_told_once_however_many_extend_it(tmp_path: Path) -> None:
    world(tmp_path, "base", BASE.replace("fast: 12", "fsat: 12"))
    for n in range(3):
        world(tmp_path, f"a{n}", f"world: a{n}\nextends: base\ncapital: {n + 1}%\n")
    found = validate([tmp_path]).diagnostics
    assert told(found) == [("Q0504", "base.yaml:fsat", "strategy `roc_momentum` has no parameter `fsat`")]
    assert found[0].labels == ()
    alone = compile_world(tmp_path / "a1.yaml").diagnostics
    assert told(alone) == told(found)


def test_a_mistake_in_the_base_that_only_the_child_causes_is_told_at_the_child(tmp_path: Path) -> None:
    compiled = child(tmp_path, "allowlist: {QQQ: [roc_momentum]}\n")
    (found,) = compiled.diagnostics
    assert told((found,)) == [
        ("Q0616", "child.yaml:allowlist", "no symbol allows `atr_ratchet`, so no chain can use it")
    ]
    assert (found.labels[0].text, found.labels[0].span.text) == ("this comes from `base`", "atr_ratchet")


def test_extends_must_be_a_name(tmp_path: Path) -> None:
    world(tmp_path, "base", BASE)
    compiled = compile_world(world(tmp_path, "child", BASE.replace("world: base", "world: child\nextends: [base]")))
    assert told(compiled.diagnostics) == [("Q0203", "child.yaml:extends", "`extends` must be text, not a list")]


def test_a_name_is_found_in_the_own_folder_first_then_below_the_nearest_worlds(tmp_path: Path) -> None:
    worlds = tmp_path / "worlds"
    world(worlds / "shared", "base", BASE)
    world(tmp_path / "near", "base", BASE.replace("capital: 60%", "capital: 5%"))
    near = compile_world(world(tmp_path / "near", "child", "world: child\nextends: base\n"))
    other = compile_world(world(worlds, "child", "world: child\nextends: base\n"))
    outside = compile_world(world(tmp_path / "research", "child", "world: child\nextends: base\n"))
    assert [program(c).settings.capital for c in (near, other, outside)] == [0.05, 0.60, 0.60]


def test_a_generation_is_that_of_the_world_written_out(tmp_path: Path) -> None:
    """Moving values into a base freezes no position."""
    full = program(compile_world(world(tmp_path / "full", "child", BASE.replace("world: base", "world: child"))))
    assert program(child(tmp_path, "")).generations == full.generations
    assert replace(program(child(tmp_path, "capital: 10%\n")), settings=full.settings, program_id="") == replace(
        full, program_id=""
    )


FEWER = "chains: [{name: rest, otherwise: true, strategies: [atr_ratchet], exposure: 50%}]\n"


def test_what_a_child_makes_idle_in_the_base_is_one_warning_per_kind_at_the_child(tmp_path: Path) -> None:
    found = child(tmp_path, FEWER).diagnostics
    assert [(d.code, d.span and d.span.text) for d in found] == [("Q0609", "chains"), ("Q0615", "chains")]
    assert all(d.span and d.span.source.name.endswith("child.yaml") for d in found)
    assert found[0].label == "`child` has its own `chains`"
    assert found[0].help == "say it otherwise here: `parameters: ~` (`~` takes away)"
    assert "`allowlist: {SPY: [...]}`" in found[1].help


def test_the_way_out_of_an_inherited_mistake_is_one(tmp_path: Path) -> None:
    assert [d.code for d in child(tmp_path, FEWER + "parameters: ~\n").diagnostics] == ["Q0615"]


def test_a_grandchild_does_not_tell_again_what_its_base_causes(tmp_path: Path) -> None:
    child(tmp_path, FEWER)
    once = validate([tmp_path]).diagnostics
    world(tmp_path, "grand", "world: grand\nextends: child\ncapital: 10%\n")
    assert validate([tmp_path]).diagnostics == once
    assert len(once) == 2


def test_a_part_of_a_list_that_was_meant_as_a_change_is_one_mistake(tmp_path: Path) -> None:
    (found,) = child(tmp_path, "chains: [{name: trend, exposure: 10%}]\n").diagnostics
    assert told((found,)) == [
        (
            "Q0202",
            "child.yaml:trend",
            "`chains` replaces the whole list of `base`, so `trend` needs `when` or `otherwise` and `strategies` here",
        )
    ]
    assert found.help == "maps merge, lists replace: write all of `chains` out here, as `base` has it"


def test_a_guard_of_the_base_cannot_be_patched_either(tmp_path: Path) -> None:
    base = BASE + "entry_guards: [{name: fear, block: entries, when: vix.close > 30}]\n"
    (found,) = child(tmp_path, "entry_guards: [{name: fear, on_missing: hold}]\n", base).diagnostics
    assert found.code == "Q0202"
    assert "`entry_guards` replaces the whole list of `base`" in found.message


def test_a_new_chain_without_a_condition_is_told_as_everywhere(tmp_path: Path) -> None:
    found = child(tmp_path, FEWER.replace("[{", "[{name: calm, strategies: [roc_momentum]}, {")).diagnostics
    assert [(d.code, d.message) for d in found] == [("Q0202", "chain `calm` needs a condition: `when` is missing")]


def test_extends_takes_a_name_and_not_a_file(tmp_path: Path) -> None:
    world(tmp_path, "base", BASE)
    (found,) = compile_world(world(tmp_path, "base_calm", "world: base_calm\nextends: base.yaml\n")).diagnostics
    assert (found.code, found.message) == ("Q0506", "`base.yaml` is no name of a world")
    assert found.help.endswith("write `base`")


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        (BASE.replace("world: base", "wrold: base").encode(), "Q0207"),
        (BASE.encode() + b"# \xe9\n", "Q0102"),
        (BASE.replace("world: base", "world: us-base").encode(), "Q0203"),
        (BASE.replace("world: base", "world: 1base").encode(), "Q0203"),
    ],
)
def test_a_base_that_is_misnamed_or_unreadable_is_one_mistake(tmp_path: Path, broken: bytes, code: str) -> None:
    (tmp_path / "base.yaml").write_bytes(broken)
    path = world(tmp_path, "child", "world: child\nextends: base\n")
    assert [d.code for d in validate([tmp_path]).diagnostics] == [code]
    assert [d.code for d in compile_world(path).diagnostics] == [code]


def test_a_world_of_another_name_is_not_taken_for_the_base(tmp_path: Path) -> None:
    world(tmp_path, "far", BASE.replace("world: base", "wrld: far"))
    found = compile_world(world(tmp_path, "child", "world: child\nextends: base\n")).diagnostics
    assert [d.code for d in found] == ["Q0506"]
