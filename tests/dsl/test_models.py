"""Model documents: the file is the declared one, its features exist, every probability has a place. And worlds that name one."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from qmtl.dsl.compile import compile_world, validate
from qmtl.dsl.compileworld import Run
from qmtl.dsl.documents import load_file
from qmtl.dsl.model import Calibration, ModelDocument, ModelOutput
from qmtl.dsl.neighbours import load_once
from qmtl.dsl.plans import CompiledModel, model_of
from qmtl.dsl.tree import plain

WEIGHTS = b"not really a network, but a file with a hash"
HASH = hashlib.sha256(WEIGHTS).hexdigest()
MODEL = f"""\
version: 1
model: regime_us_v3
file: nets/v3.onnx
sha256: "{HASH}"
features: [ret_4, vol_20, vix_z]
window: 32
outputs:
  p_trend_up: {{output: regime}}
  p_trend_down: {{output: regime, index: 1}}
  p_chop: {{output: regime, index: 2}}
  p_high_vol: {{output: high_vol}}
calibration: {{method: temperature, temperature: 1.4}}
"""
WORLD = """\
version: 1
world: us
calendar: XNYS
universe: [SPY]
regime: {source: ml, model: regime_us_v3}
chains: [{name: rest, otherwise: true, strategies: [roc_momentum]}]
allowlist: all
"""


def modelled(folder: Path, text: str, name: str = "model.yaml") -> CompiledModel:
    """A model document beside its file."""
    (folder / "nets").mkdir(exist_ok=True)
    (folder / "nets" / "v3.onnx").write_bytes(WEIGHTS)
    (folder / name).write_text(text)
    run = Run()
    (document,) = load_once(folder / name, run.files).documents
    return model_of(document, run)


def errors(found: CompiledModel) -> list[tuple[str, str, str]]:
    return [(d.code, d.span.text if d.span else "", d.message) for d in found.diagnostics]


def test_a_model_without_units(tmp_path: Path) -> None:
    found = modelled(tmp_path, MODEL)
    assert found.diagnostics == ()
    assert found.model == ModelDocument(
        name="regime_us_v3",
        file="nets/v3.onnx",
        sha256=HASH,
        features=("ret_4", "vol_20", "vix_z"),
        outputs=(
            ModelOutput("p_trend_up", "regime", 0),
            ModelOutput("p_trend_down", "regime", 1),
            ModelOutput("p_chop", "regime", 2),
            ModelOutput("p_high_vol", "high_vol", 0),
        ),
        window=32,
        calibration=Calibration("temperature", 1.4),
    )
    assert tmp_path / "nets" / "v3.onnx" in found.files


def test_a_block_is_the_same_model(tmp_path: Path) -> None:
    block = f"""\
model regime_us_v3 {{
  version 1
  file "nets/v3.onnx"
  sha256 "{HASH}"
  features ret_4, vol_20, vix_z
  window 32
  outputs {{
    p_trend_up {{ output regime }}
    p_trend_down {{ output regime; index 1 }}
    p_chop {{ output regime; index 2 }}
    p_high_vol {{ output high_vol }}
  }}
  calibration {{ method temperature; temperature 1.4 }}
}}
"""
    assert modelled(tmp_path, block, "model.qmtl").model == modelled(tmp_path, MODEL).model
    trees = [plain(load_file(tmp_path / f"model.{end}").documents[0].tree) for end in ("yaml", "qmtl")]
    assert trees[0] == trees[1]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("nets/v3.onnx", "nets/v4.onnx", ("Q0101", "nets/v4.onnx", "`nets/v4.onnx` does not exist")),
        ("nets/v3.onnx", "nets", ("Q0101", "nets", "`nets` does not exist")),
        (f'"{HASH}"', "a" * 64, ("Q0805", "a" * 64, "`nets/v3.onnx` is not the file that was declared")),
        (f'"{HASH}"', "abc", ("Q0203", "abc", "`sha256` must be a SHA-256: 64 hexadecimal digits, lower case")),
        ("vix_z]", "vix_zz]", ("Q0804", "vix_zz", "unknown feature `vix_zz`")),
        ("vix_z]", "roc_momentum]", ("Q0804", "roc_momentum", "unknown feature `roc_momentum`")),
        ("vix_z]", "ret_4]", ("Q0804", "ret_4", "the feature `ret_4` is listed twice")),
        ("[ret_4, vol_20, vix_z]", "[]", ("Q0208", "features", "`features` needs at least 1 entry")),
        ("window: 32", "window: 0", ("Q0205", "0", "`window` must be at least 1")),
        ("window: 32", "window: 5000", ("Q0205", "5000", "`window` must be at most 1,024")),
        ("index: 2", "index: 1", ("Q0809", "p_chop", "`p_chop` and `p_trend_down` are read from the same number of the model")),
        ("  p_chop: {output: regime, index: 2}\n", "", ("Q0202", "outputs", "`p_chop` is missing in `outputs`")),
        (", temperature: 1.4", "", ("Q0202", "calibration", "`temperature` is missing in `calibration`")),
        ("method: temperature, ", "", ("Q0201", "temperature", "`temperature` cannot stand here")),
    ],
)  # fmt: skip
def test_each_mistake_has_one_message_at_its_place(
    tmp_path: Path, old: str, new: str, expected: tuple[str, str, str]
) -> None:
    assert old in MODEL
    found = modelled(tmp_path, MODEL.replace(old, new))
    assert errors(found) == [expected]
    assert found.model is None


def test_the_real_hash_is_the_way_out(tmp_path: Path) -> None:
    (found,) = modelled(tmp_path, MODEL.replace(HASH, "a" * 64)).diagnostics
    assert found.help == f'if this is the file you mean, write `sha256: "{HASH}"`'


def test_a_feature_of_the_users_own_is_known(tmp_path: Path) -> None:
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies" / "own.qmtl").write_text(
        'feature gap {\n  doc "x"\n  value close / sma(close, 20) - 1\n}\n'
    )
    assert errors(modelled(tmp_path, MODEL.replace("vix_z]", "gap]"))) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    assert [e[0] for e in errors(modelled(tmp_path, MODEL.replace("nets/v3.onnx", "pipe.onnx")))] == ["Q0101"]


# ---- worlds that name a model


def world(folder: Path, text: str) -> list[tuple[str, str, str]]:
    (folder / "us.yaml").write_text(text)
    found = compile_world(folder / "us.yaml")
    assert found.program is None
    return [(d.code, d.span.text if d.span else "", d.message) for d in found.diagnostics]


@pytest.mark.parametrize(
    ("source", "what"), [("ml", "a regime of source `ml` cannot be used"), ("shadow", "a model cannot be the shadow")]
)
def test_a_world_may_name_a_model_but_not_run_it(tmp_path: Path, source: str, what: str) -> None:
    modelled(tmp_path, MODEL)
    message = f"{what} yet: this version runs heuristics only"
    assert world(tmp_path, WORLD.replace("source: ml", f"source: {source}")) == [("Q0617", source, message)]
    assert {d.code for d in validate([tmp_path]).diagnostics} == {"Q0617"}


def test_an_unknown_model_is_another_mistake(tmp_path: Path) -> None:
    modelled(tmp_path, MODEL)
    found = world(tmp_path, WORLD.replace("model: regime_us_v3", "model: regime_us_v2"))
    assert [(code, text) for code, text, _ in found] == [("Q0617", "ml"), ("Q0506", "regime_us_v2")]
    assert compile_world(tmp_path / "us.yaml").diagnostics[1].help == "did you mean `regime_us_v3`?"


@pytest.mark.parametrize(
    ("regime", "expected"),
    [
        ("{source: ml}", ("Q0202", "regime", "`model` is missing in `regime`")),
        ("{source: heuristic, model: regime_us_v3}", ("Q0201", "model", "`model` cannot stand here")),
        ("{model: regime_us_v3}", ("Q0201", "model", "`model` cannot stand here")),
        ("{source: onnx, model: regime_us_v3}", ("Q0204", "onnx", "`source` must be one of `heuristic`, `ml` or `shadow`")),
    ],
)  # fmt: skip
def test_model_belongs_to_ml_and_shadow(tmp_path: Path, regime: str, expected: tuple[str, str, str]) -> None:
    modelled(tmp_path, MODEL)
    found = world(tmp_path, WORLD.replace("{source: ml, model: regime_us_v3}", regime))
    assert [d for d in found if d[0] != "Q0617"] == [expected]
