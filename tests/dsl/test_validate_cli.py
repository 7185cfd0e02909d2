"""`qmtl validate` and `qmtl show` as a person or an editor calls them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.cli.show import show
from qmtl.cli.validate import validate

Golden = Callable[[str, str], None]
ROOT = Path(__file__).resolve().parents[2]
SAMPLES = "tests/golden/worlds"
WORLD = """\
world: us
calendar: XNYS
universe: [SPY, QQQ]
chains:
  - {name: trend, when: p_trend_up >= 0.55, strategies: [roc_momentum]}
  - {name: neutral, otherwise: true, strategies: [roc_momentum], exposure: 65%}
allowlist: all
parameters: {roc_momentum: {default: {fast: 12}, by_symbol: {QQQ: {fast: 15}}}}
"""


def call(*args: str) -> Result:
    return CliRunner().invoke(validate, args)


def world(folder: Path, text: str = WORLD, name: str = "us.yaml") -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return str(path)


# ---- validate


def test_the_sample_texts_of_the_language_are_well_in_both_surfaces(root: Path, golden: Golden) -> None:
    result = call(SAMPLES)
    assert result.exit_code == 0
    golden("diagnostics/samples.txt", re.sub(r"\d+ x", "N x", result.output))


def test_what_is_shipped_is_well(root: Path) -> None:
    result = call("worlds/", "demo.yaml", "prod.yaml", "recorded.yaml")
    assert result.exit_code == 0, result.output
    assert "ok  world us_core" in result.output
    assert "warm-up:" in result.output
    assert "holds at most:" in result.output


def test_without_paths_worlds_and_the_deployments_beside_it_are_checked(root: Path) -> None:
    assert call().output == call("worlds", "demo.yaml", "prod.yaml", "recorded.yaml").output


@pytest.mark.parametrize(
    "text", ["deployment: d\nworlds: [worlds/us.yaml]\n", "deployment d {\n", '"deployment" : d\n']
)
def test_a_broken_deployment_beside_worlds_is_told(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    world(tmp_path, name="worlds/us.yaml")
    world(tmp_path, "services: {}\n", "compose.yaml")
    name = "run.qmtl" if "{" in text else "run.yaml"
    world(tmp_path, text, name)
    result = call("--format", "json")
    assert result.exit_code == 1
    assert {d["file"] for d in json.loads(result.output)["diagnostics"]} == {name}


def test_without_a_folder_worlds_the_current_one_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world(tmp_path, name="worlds/us.yaml")
    world(tmp_path, "exchange: e\n", "worlds/exchanges/e.yaml")
    monkeypatch.chdir(tmp_path / "worlds")
    result = call()
    assert result.exit_code == 0, result.output
    assert [line.split()[1:] for line in result.output.splitlines() if line.startswith("ok")] == [
        ["world", "us", "us.yaml"],
        ["exchange", "e", "exchanges/e.yaml"],
    ]


def test_a_folder_without_documents_is_not_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world(tmp_path, "services: {}\n", "compose.yaml")
    monkeypatch.chdir(tmp_path)
    result = call()
    assert result.exit_code == 1
    assert "worlds" in result.output
    assert "compose" not in result.output


def test_a_folder_a_file_and_both_surfaces(tmp_path: Path) -> None:
    world(tmp_path, name="a/us.yaml")
    world(tmp_path, WORLD.replace("world: us", "world: eu"), "a/b/eu.yml")
    world(tmp_path, "exchange: e\n", "a/e.yaml")
    assert call(str(tmp_path)).output.count("ok  ") == 3
    assert call(str(tmp_path / "a" / "e.yaml")).output.startswith("ok  exchange e")


def test_errors_of_all_files_in_one_run_sorted_by_file_and_place(tmp_path: Path) -> None:
    world(tmp_path, WORLD.replace("roc_momentum", "roc_momentun") + "capitl: 5%\n", "b.yaml")
    world(tmp_path, "exchange: e\nlot_size: -1\n", "a.yaml")
    world(tmp_path, "a: [1\n", "c.yaml")
    result = call(str(tmp_path), "--format", "json")
    assert result.exit_code == 1
    found = [(Path(r["file"]).name, r["line"], r["code"]) for r in json.loads(result.output)["diagnostics"]]
    assert found == [("a.yaml", 2, "Q0205"), ("b.yaml", 5, "Q0503"), ("b.yaml", 9, "Q0201"), ("c.yaml", 2, "Q0105")]


def test_exit_codes(tmp_path: Path) -> None:
    well = world(tmp_path)
    wide = world(tmp_path, WORLD.replace("SPY, QQQ", ", ".join(f"S{i}" for i in range(30)) + ", QQQ"), "wide.yaml")
    wrong = world(tmp_path, "world: us\n", "wrong.yaml")
    assert call(well).exit_code == 0
    assert call(well, "--deny-warnings").exit_code == 0
    assert call(wide).exit_code == 0
    assert call(wide, "--deny-warnings").exit_code == 3
    assert call(wrong, "--deny-warnings").exit_code == 1
    assert call("--no-such-flag").exit_code == 2
    assert call(str(tmp_path / "none.yaml")).exit_code == 1
    assert "1 warning" in call(wide).output
    assert "ok  world us" in call(wide).output, "a warning does not hide what was validated"


def test_json_has_its_shape_also_when_all_is_well(tmp_path: Path) -> None:
    assert json.loads(call(world(tmp_path), "--format", "json").output) == {
        "version": 1,
        "summary": {"errors": 0, "warnings": 0},
        "diagnostics": [],
    }


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "Q0103"), (bytes(range(256)) * 40, "Q0102"), (b"[" * 5_000_000, "Q0104"), (b"[" * 800_000, "Q0104"), (b"{a: " * 200_000, "Q0104"), (b"x: 1\n", "Q0207")],
)  # fmt: skip
def test_bad_files_are_answered_and_never_with_a_traceback(tmp_path: Path, content: bytes, code: str) -> None:
    (tmp_path / "w.yaml").write_bytes(content)
    result = call(str(tmp_path))
    assert result.exit_code == 1
    assert f"error[{code}]" in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_an_empty_folder_is_not_a_success(tmp_path: Path) -> None:
    result = call(str(tmp_path))
    assert result.exit_code == 1
    assert "Q0109" in result.output


def test_a_file_in_the_allowlists_folder_is_checked_against_the_strategies(tmp_path: Path) -> None:
    world(tmp_path, "allowlist: q\nrows:\n- {symbol: SPY, strategy: roc_momentun}\n", "q.yaml")
    result = call(str(tmp_path))
    assert "error[Q0503]" in result.output
    assert "did you mean `roc_momentum`?" in result.output


def test_mistakes_in_a_qmtl_block_are_found_like_those_in_yaml(tmp_path: Path) -> None:
    text = (
        "world us {\n  calendar XNYS\n  universe SPY, ON\n  chain trend when p_trend_up >= 30m {\n    use roc_momentun\n  }\n"
        "  otherwise neutral { use roc_momentum; exposure 65 }\n  allow SPY: roc_momentum\n  allow ON: roc_momentum\n  churn_gard { min_target 3% }\n}\n"
    )
    result = call(world(tmp_path, text, "us.qmtl"), "--format", "json")
    found = {(r["code"], r["line"]) for r in json.loads(result.output)["diagnostics"]}
    assert found == {("Q0410", 4), ("Q0503", 5), ("Q0206", 7), ("Q0201", 10)}


def test_every_kind_can_be_written_as_a_block(tmp_path: Path) -> None:
    world(tmp_path, WORLD)
    text = (
        "exchange venue { lot_size 0.5; fractional true }\n"
        'allowlist q4 {\n  row SPY { strategy roc_momentum; until "2026-12-31" }\n  row QQQ { strategy roc_momentum; enabled false }\n}\n'
        'deployment demo {\n  worlds "us.yaml"\n  feed { kind synthetic; seed 3 }\n  broker { cash 100_000 USD; fee 2bps }\n}\n'
    )
    result = call(world(tmp_path, text, "all.qmtl"))
    assert result.exit_code == 0, result.output
    assert [line.split()[1:3] for line in result.output.splitlines()] == [
        ["exchange", "venue"],
        ["allowlist", "q4"],
        ["deployment", "demo"],
    ]


FRAGMENTS = [
    "[",
    "]",
    "{",
    "}",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "'",
    '"',
    "null",
    "5",
    "3%",
    "60m",
    ">",
    "and",
    "when",
    "|",
    ">-",
    "#",
    "ON",
    "&a ",
    "*a",
    "한",
    "🎉",
    "\t",
    "",
]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["sample.yaml", "sample.qmtl"]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 20), st.sampled_from(FRAGMENTS)), min_size=1, max_size=4),
)
def test_whatever_is_typed_into_a_world_there_is_an_answer(name: str, edits: list[tuple[float, int, str]]) -> None:
    text = (ROOT / SAMPLES / name).read_text(encoding="utf-8")
    for where, length, fragment in edits:
        at = int(where * len(text))
        text = text[:at] + fragment + text[at + length :]
    with tempfile.TemporaryDirectory() as folder:
        result = call(world(Path(folder), text, name))
    assert result.exit_code in (0, 1)
    assert result.exception is None or isinstance(result.exception, SystemExit), text


def test_strategies_are_checked_whether_a_world_uses_them_or_not(root: Path, tmp_path: Path) -> None:
    shipped = call("strategies")
    assert shipped.exit_code == 0
    assert "ok  strategy roc_momentum" in shipped.output
    assert "ok  regime us_heuristic" in shipped.output
    text = "strategy mine {\n  style trend\n  long when close > 30m\n  size 1\n}\n"
    broken = call(world(tmp_path, text, "mine.qmtl"))
    assert broken.exit_code == 1
    assert "error[Q0410]" in broken.output


def test_of_very_many_mistakes_a_terminal_shows_the_first(tmp_path: Path) -> None:
    path = world(tmp_path, "world: us\nuniverse: [" + ", ".join(str(i) for i in range(900)) + "]\n")
    lines = call(path).output.splitlines()
    assert lines[-2] == "... and 703 more: 903 errors"
    assert lines[-1].startswith("for more: qmtl explain ")
    assert json.loads(call(path, "--format", "json").output)["summary"] == {"errors": 903, "warnings": 0}


def test_colour_is_for_terminals_only(tmp_path: Path) -> None:
    assert "\x1b" not in call(world(tmp_path, "world: us\n")).output


HEAVY = ("numpy", "pandas", "onnxruntime", "alpaca", "exchange_calendars", "rich", "pyarrow", "qmtl.engine")


@pytest.mark.parametrize("command", ["validate", "show"])
def test_nothing_heavy_is_imported(root: Path, command: str) -> None:
    code = (
        "import sys\nfrom qmtl.cli import main\nsys.argv = ['qmtl', *sys.argv[1:]]\ntry:\n    main()\nexcept SystemExit as e:\n    assert not e.code, e.code\n"
        f"loaded = [m for m in {HEAVY!r} if m in sys.modules]\nassert not loaded, loaded\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, command, f"{SAMPLES}/sample.yaml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


# ---- show


def test_show_prints_effective_values_with_their_origins(root: Path, golden: Golden) -> None:
    result = CliRunner().invoke(show, [f"{SAMPLES}/sample.yaml"])
    assert result.exit_code == 0
    golden("diagnostics/show.txt", result.output)


def test_show_for_one_symbol_and_strategy(tmp_path: Path) -> None:
    path = world(tmp_path)

    def fast(symbol: str) -> tuple[str, str]:
        result = CliRunner().invoke(show, [path, "--symbol", symbol, "--strategy", "roc_momentum", "--format", "json"])
        rows = [row for row in json.loads(result.output)["parameters"] if row["name"] == "fast"]
        assert [row["symbols"] for row in rows] == [[symbol]]
        return rows[0]["text"], rows[0]["origin"].rpartition("us.yaml")[2]

    assert fast("SPY") == ("12", ":8 (default)")
    assert fast("QQQ") == ("15", ":8 (by_symbol)")


def test_show_refuses_names_the_world_does_not_use(tmp_path: Path) -> None:
    path = world(tmp_path)
    for option, name, near in (("--symbol", "QQ", "QQQ"), ("--strategy", "roc_momentun", "roc_momentum")):
        result = CliRunner().invoke(show, [path, option, name])
        assert result.exit_code == 2
        assert f"did you mean `{near}`?" in result.output


def test_show_of_a_broken_world_prints_its_mistakes(tmp_path: Path) -> None:
    result = CliRunner().invoke(show, [world(tmp_path, WORLD + "capitl: 1\n")])
    assert result.exit_code == 1
    assert "error[Q0201]" in result.output
    assert CliRunner().invoke(show, [str(tmp_path / "none.yaml")]).exit_code == 1
