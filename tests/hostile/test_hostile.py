"""Input made to hurt: checking it ends soon, in bounded memory, with a message or a result, and never with a traceback.

Each case runs `qmtl validate` in a process of its own with an address space and a time on the processor that cannot grow beyond
limits.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from ..program.start import call

ROOT: Final = Path(__file__).resolve().parents[2]
GIGABYTE: Final = 1 << 30
SECONDS: Final = 60
#: seconds on the processor: what is too slow fails on a busy machine no sooner than on a quiet one
CPU: Final = 15
US_CORE: Final = (ROOT / "worlds" / "us_core.yaml").read_text()
WORLD: Final = """\
world: w
calendar: XNYS
universe: {universe}
allowlist: {allowlist}
chains:
  - {{name: first, when: {when}, stay_when: p_chop > 0.1, strategies: [{strategies}], exposure: 50%}}
  - {{name: rest, otherwise: true, strategies: [{strategies}]}}
"""


def world(
    *, universe: str = "[SPY]", allowlist: str = "all", when: str = "p_chop > 0.5", strategies: str = "roc_momentum"
) -> str:
    return WORLD.format(universe=universe, allowlist=allowlist, when=when, strategies=strategies)


def checked(folder: Path, *paths: str, most: int = GIGABYTE, seconds: float = SECONDS) -> tuple[int, str]:
    """Exit code and output of a check with bounded memory and time; a bug or a traceback fails the test."""

    limits = [(resource.RLIMIT_AS, most), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_CPU, CPU)]
    done = call(["validate", *(paths or (".",))], cwd=folder, timeout=seconds, limits=limits, kind="text")
    output = done.stdout + done.stderr
    assert done.returncode in {0, 1}, (done.returncode, output[-3000:])
    assert "Traceback" not in output
    assert "bug in qmtl" not in output
    assert not (folder / "qmtl-bug.txt").exists()
    return done.returncode, output


def bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    return "world: w\n" + "\n".join(lines) + "\n"


def features(count: int, *, circle: bool = False) -> str:
    """A chain of features, each reading the one before."""
    first = f"f{count - 1}" if circle else "close"
    lines = [f"feature f0 {{ value {first} + close }}" if circle else "feature f0 { value roc(close, 1) }"]
    lines += [f"feature f{i} {{ value f{i - 1} + 1 }}" for i in range(1, count)]
    return "\n".join(lines) + "\n"


#: name -> (files, code that must be among the messages, or "" when the text is well or any message will do)
TEXTS: Final[dict[str, tuple[Callable[[], dict[str, str | bytes]], str]]] = {
    "alias bomb": (lambda: {"w.yaml": bomb()}, "Q0107"),
    "merge bomb": (lambda: {"w.yaml": "world: w\na: &a {x: 1}\nb:\n  <<: [*a, *a, *a]\n"}, "Q0107"),
    "deep yaml lists": (lambda: {"w.yaml": "world: w\nuniverse: " + "[" * 200_000 + "]" * 200_000}, "Q0104"),
    "deep yaml lists without an end": (lambda: {"w.yaml": "world: w\nuniverse: " + "[" * 400_000}, "Q0104"),
    "deep yaml maps": (lambda: {"w.yaml": "world: w\nuniverse: " + "{a: " * 100_000}, "Q0104"),
    "deep yaml by indentation": (
        lambda: {"w.yaml": "world: w\nuniverse:\n" + "".join(" " * i + "- \n" if i % 2 else " " * i + "a:\n" for i in range(1, 1200))},
        "",
    ),
    "deep yaml by dashes": (lambda: {"w.yaml": "world: w\nuniverse:\n  " + "- " * 300_000}, "Q0104"),
    "deep explicit keys": (lambda: {"w.yaml": "? " * 300_000}, ""),
    "deep blocks": (lambda: {"w.qmtl": "world w { " + "a { " * 200_000}, "Q0104"),
    "deep block lists": (lambda: {"w.qmtl": "world w {\n universe " + "[" * 300_000 + "\n}"}, "Q0104"),
    "deep block maps": (lambda: {"w.qmtl": "world w {\n universe: " + "{a: " * 100_000 + "\n}"}, "Q0104"),
    "deep brackets": (lambda: {"w.yaml": world(when="(" * 4000 + "p_chop > 0.5" + ")" * 4000)}, "Q0104"),
    "deep brackets within limits": (lambda: {"w.yaml": world(when="(" * 90 + "p_chop > 0.5" + ")" * 90)}, ""),
    "brackets without an end": (lambda: {"w.yaml": world(when="'" + "(" * 9000 + "'")}, "Q0104"),
    "many nots": (lambda: {"w.yaml": world(when="not " * 2400 + "p_chop > 0.5")}, "Q0104"),
    "many minuses": (lambda: {"w.yaml": world(when="p_chop > " + "-" * 5000 + "1")}, "Q0104"),
    "many sums": (lambda: {"w.yaml": world(when="p_chop > 0" + "+1" * 4000)}, "Q0104"),
    "many ands": (lambda: {"w.yaml": world(when=" and ".join(["p_chop > 0.5"] * 580))}, "Q0104"),
    "many ands within limits": (lambda: {"w.yaml": world(when=" and ".join(["p_chop > 0.5"] * 90))}, ""),
    "many ors of ands": (
        lambda: {"w.yaml": world(when=" and ".join(f"(p_chop > 0.{i:03} or p_trend_up > 0.{i:03})" for i in range(100, 180)))},
        "",
    ),
    "long condition": (lambda: {"w.yaml": world(when="p_chop > 0.5 or " * 3000 + "true")}, "Q0104"),
    "nots in a strategy": (
        lambda: {"s.qmtl": "strategy s { style trend\n size 1\n long when " + "not " * 100_000 + "true\n}"},
        "Q0104",
    ),
    "calls in calls": (lambda: {"s.qmtl": "feature f { value " + "abs(" * 50_000 + "close" + ")" * 50_000 + " }"}, "Q0104"),
    "histories": (lambda: {"s.qmtl": "feature f { value close" + "[1]" * 100_000 + " }"}, "Q0104"),
    "rates": (lambda: {"s.qmtl": "feature f { value close" + "@60m" * 100_000 + " }"}, "Q0104"),
    "huge history": (lambda: {"s.qmtl": "feature f { value close[" + "9" * 5000 + "] }"}, "Q0205"),
    "huge exponent": (lambda: {"s.qmtl": "feature f { value close * 1e999999999 }"}, "Q0205"),
    "tiny exponent": (lambda: {"s.qmtl": "feature f { value close * 1e-999999999 }"}, ""),
    "huge window": (lambda: {"s.qmtl": "feature f { value sma(close, 999999999) }"}, "Q0205"),
    "huge scalar": (lambda: {"w.yaml": world() + "description: " + "x" * 900_000}, ""),
    "huge quoted scalar": (lambda: {"w.yaml": world() + 'description: "' + "\\u0041" * 150_000 + '"'}, ""),
    "huge folded scalar": (lambda: {"w.yaml": world() + "description: >\n" + "  a b\n\n" * 120_000}, ""),
    "huge block string": (lambda: {"w.qmtl": 'world w {\n description "' + "x" * 900_000 + '"\n}'}, ""),
    "huge key": (lambda: {"w.yaml": "x" * 900_000 + ": 1\nworld: w\n"}, "Q0105"),
    "huge explicit key": (lambda: {"w.yaml": "world: w\n? " + "x" * 900_000 + "\n: 1\n"}, "Q0201"),
    "huge int": (lambda: {"w.yaml": world() + "capital: " + "9" * 900_000}, "Q0205"),
    "huge int in a block": (lambda: {"w.qmtl": "world w {\n capital " + "9" * 900_000 + "\n}"}, ""),
    "huge float": (lambda: {"w.yaml": world() + "hysteresis: 1e999999"}, "Q0205"),
    "huge ratio": (lambda: {"w.yaml": world() + "capital: " + "9" * 500_000 + "%"}, "Q0206"),
    "huge duration": (lambda: {"w.yaml": world() + "orders: {open_delay: " + "9" * 300_000 + "d}"}, "Q0206"),
    "hundred thousand keys": (lambda: {"w.yaml": "world: w\n" + "".join(f"k{i}: 1\n" for i in range(90_000))}, ""),
    "hundred thousand entries in a flow map": (
        lambda: {"w.yaml": world(allowlist="{" + ",".join(f"S{i}: []" for i in range(70_000)) + "}")},
        "",
    ),
    "hundred thousand equal keys": (lambda: {"w.yaml": "world: w\n" + "k: 1\n" * 100_000}, "Q0106"),
    "hundred thousand symbols": (lambda: {"w.yaml": world(universe="[" + ",".join(f"S{i}" for i in range(100_000)) + "]")}, "Q0208"),
    "many documents": (lambda: {"w.yaml": world() + "---\na: 1\n" * 50_000}, "Q0108"),
    "many broken lines": (lambda: {"s.qmtl": "strategy s {\n" + "= = =\n" * 100_000 + "}"}, "Q0301"),
    "many bad characters": (lambda: {"s.qmtl": "\u00a7" * 300_000}, "Q0302"),
    "many unclosed strings": (lambda: {"s.qmtl": '"\n' * 200_000}, ""),
    "quotes in a pattern of escapes": (lambda: {"s.qmtl": 'doc "' + "\\" * 400_000}, ""),
    "many definitions": (lambda: {"s.qmtl": features(6_000)}, ""),
    "features in a circle": (lambda: {"s.qmtl": features(3_000, circle=True)}, "Q0508"),
    "a feature that reads itself": (lambda: {"s.qmtl": "feature f { value f + close }"}, "Q0508"),
    "features that double": (
        lambda: {"s.qmtl": "feature f0 { value roc(close, 1) }\n" + "".join(f"feature f{i} {{ value f{i - 1} * f{i - 1} }}\n" for i in range(1, 200))},
        "",
    ),
    "lets that double": (
        lambda: {"s.qmtl": "feature f {\n a0 = close / close[1]\n" + "".join(f" a{i} = a{i - 1} + a{i - 1}\n" for i in range(1, 500)) + " value a499\n}"},
        "",
    ),
    "nul": (lambda: {"w.yaml": b"world: w\n\0"}, "Q0102"),
    "utf-16": (lambda: {"w.yaml": "world: w\n".encode("utf-16")}, "Q0102"),
    "latin-1": (lambda: {"w.yaml": "world: w # \xe9".encode("latin-1")}, "Q0102"),
    "surrogates": (lambda: {"w.yaml": b"world: \xed\xa0\x80"}, "Q0102"),
    "only a byte order mark": (lambda: {"w.yaml": b"\xef\xbb\xbf"}, "Q0103"),
    "two byte order marks": (lambda: {"w.yaml": "\ufeff\ufeffworld: w"}, "Q0105"),
    "right to left": (lambda: {"w.yaml": world(when="'p_chop \u202e> 0.5'")}, ""),
    "combining marks": (lambda: {"w.yaml": world(strategies="roc_momentum" + "\u0301" * 50_000)}, ""),
    "line separators": (lambda: {"w.yaml": world() + "description: a\u2028b\u2029c\x85d"}, ""),
    "lone carriage returns": (lambda: {"w.yaml": world().replace("\n", "\r")}, "Q0105"),
    "megabytes of blanks": (lambda: {"w.yaml": " " * 999_000 + "\n"}, "Q0103"),
    "megabytes of line breaks": (lambda: {"w.yaml": "world: w\n" + "\n" * 990_000}, ""),
    "megabytes of comments": (lambda: {"w.yaml": "world: w\n" + "# qmtl: allow Q0603 until 2027-01-01 - x\n" * 20_000}, ""),
    "too large": (lambda: {"w.yaml": "world: w\n" + "#" * 1_000_000}, "Q0104"),
    "tags": (lambda: {"w.yaml": "world: !!python/object/apply:os.system ['touch pwned']\n"}, "Q0107"),
    "directives": (lambda: {"w.yaml": "%YAML 9.9\n%TAG ! tag:x,2000:\n---\nworld: w\n"}, ""),
    "many strategies of one name": (lambda: {"s.qmtl": "strategy s { style trend; size 1; long when true }\n" * 7_000}, "Q0507"),
    "many parameters": (
        lambda: {"s.qmtl": "strategy s { style trend; size 1; long when true\n" + "".join(f"param p{i}: num = 1 in 0..2\n" for i in range(8_000)) + "}"},
        "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_made_to_hurt(tmp_path: Path, name: str) -> None:
    made, code = TEXTS[name]
    for file, text in made().items():
        (tmp_path / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    result, output = checked(tmp_path)
    if code:
        assert result == 1
        assert code in output, output[:2000]
    assert not (tmp_path / "pwned").exists()
    assert len(output) < 5_000_000, "a message shows a place, not the whole file"


def test_a_long_line_of_worlds_that_extend_each_other(tmp_path: Path) -> None:
    (tmp_path / "w0.yaml").write_text(world().replace("world: w\n", "world: w0\n"))
    for i in range(1, 300):
        (tmp_path / f"w{i}.yaml").write_text(f"world: w{i}\nextends: w{i - 1}\n")
    checked(tmp_path)


def test_worlds_that_extend_each_other_in_a_circle(tmp_path: Path) -> None:
    for i in range(50):
        (tmp_path / f"w{i}.yaml").write_text(f"world: w{i}\nextends: w{(i + 1) % 50}\n")
    result, _ = checked(tmp_path)
    assert result == 1


def test_a_universe_of_5000_with_many_strategies_and_parameters(tmp_path: Path) -> None:
    names = [f"S{i:04}" for i in range(5000)]
    (tmp_path / "strategies").mkdir()
    strategies = [f"s{i}" for i in range(40)]
    for name in strategies:
        text = f"strategy {name} {{\n style trend\n param n: bars = 5 in 2..400\n size 1\n long when close > sma(close, n)\n}}\n"
        (tmp_path / "strategies" / f"{name}.qmtl").write_text(text)
    by_symbol = "".join(
        f"  {name}:\n    by_symbol:\n"
        + "".join(f"      {s}: {{n: {2 + i % 200}}}\n" for i, s in enumerate(names[:500]))
        for name in strategies[:20]
    )
    rows = "{" + ", ".join(f"{name}: [{strategies[i % 40]}]" for i, name in enumerate(names)) + "}"
    text = world(universe=f"[{', '.join(names)}]", strategies=", ".join(strategies), allowlist=rows)
    (tmp_path / "w.yaml").write_text(text + "parameters:\n" + by_symbol)
    result, output = checked(tmp_path, "w.yaml")
    assert result == 0, output[:2000]


def test_more_lanes_than_are_possible(tmp_path: Path) -> None:
    names = [f"S{i:04}" for i in range(3000)]
    rows = "".join(f"      {name}: {{threshold: {i / 1000}%}}\n" for i, name in enumerate(names))
    text = world(universe=f"[{', '.join(names)}]") + f"parameters:\n  roc_momentum:\n    by_symbol:\n{rows}"
    (tmp_path / "w.yaml").write_text(text)
    result, output = checked(tmp_path)
    assert result == 1
    assert "Q0605" in output


@pytest.mark.parametrize("size", [15_900_000, 17_000_000])
def test_a_large_csv(tmp_path: Path, size: int) -> None:
    row = "SPY,index,a row as long as those that are exported with everything in them\n"
    (tmp_path / "sectors.csv").write_text("symbol,sector,note\n" + row * (size // len(row)))
    (tmp_path / "w.yaml").write_text(world() + "sectors: sectors.csv\n")
    result, output = checked(tmp_path, most=2 * GIGABYTE)
    assert (result == 0) is (size < 16_000_000), output[:2000]


@pytest.mark.parametrize(
    "text",
    [
        "symbol,strategy\n" + "SPY,roc_momentum\n" * 120_000,
        "symbol,strategy\n" + '"' * 2_000_000,
        "symbol,strategy\n" + "," * 800_000,
        "symbol,strategy\n" + "".join(f"S{i},strategy_{i}\n" for i in range(50_000)),
        "symbol,strategy\n" + 'SPY,"' + "x\n" * 500_000,
        "x" * 3_000_000,
    ],
    ids=["equal rows", "quotes", "commas", "unknown names", "a cell without an end", "a header without an end"],
)
def test_csv_files_made_to_hurt(tmp_path: Path, text: str) -> None:
    (tmp_path / "list.csv").write_text(text)
    (tmp_path / "list.yaml").write_text("allowlist: list\ncsv: list.csv\n")
    (tmp_path / "w.yaml").write_text(world(allowlist="list"))
    checked(tmp_path, most=2 * GIGABYTE)


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text(world())
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "a.yaml").symlink_to(tmp_path / "b.yaml")
    (tmp_path / "b.yaml").symlink_to(tmp_path / "a.yaml")
    (tmp_path / "nothing.yaml").symlink_to(tmp_path / "missing")
    (tmp_path / "strategies").symlink_to(tmp_path / "strategies")
    result, output = checked(tmp_path)
    assert result == 1
    assert "ok  world w" not in output or "Q0101" in output
    checked(tmp_path, "a.yaml")
    checked(tmp_path, "loop/loop/loop/w.yaml")
    checked(tmp_path, "strategies")


@pytest.mark.parametrize("name", ["w.yaml", "w.qmtl", "list.csv", "strategies/s.qmtl", "venue.yaml"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)
    (tmp_path / "list.yaml").write_text("allowlist: list\ncsv: list.csv\n")
    (tmp_path / "x.yaml").write_text(
        world(allowlist="list") + "exchange: venue\nstrategy_files: [strategies/s.qmtl]\nsectors: list.csv\n"
    )
    result, _ = checked(tmp_path, seconds=20)
    assert result == 1
    result, output = checked(tmp_path, str(path), seconds=20)
    assert result == 1
    assert "Q0101" in output


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/dev/stdin", "/proc/self/mem", "/dev/tty", "", "\udcff.yaml", "x" * 5000, "a/" * 3000 + "b.yaml", "~", "-"])  # fmt: skip
def test_a_path_that_is_no_file(tmp_path: Path, path: str) -> None:
    checked(tmp_path, "--", path, seconds=20)


@pytest.mark.parametrize("path", ["/dev/zero", "/proc/self/mem", "../../../../../../../../dev/zero", ".", "\\0"])
def test_a_document_that_names_what_is_no_file(tmp_path: Path, path: str) -> None:
    (tmp_path / "w.yaml").write_text(world() + f"sectors: '{path}'\nstrategy_files: ['{path}']\n")
    (tmp_path / "list.yaml").write_text(f"allowlist: list\ncsv: '{path}'\n")
    (tmp_path / "d.yaml").write_text(f"deployment: d\nworlds: ['{path}']\nfeed: {{source: files, folder: '{path}'}}\n")
    result, _ = checked(tmp_path, seconds=20)
    assert result == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_and_folders_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text(world())
    (tmp_path / "secret.yaml").write_text(world())
    (tmp_path / "secret.yaml").chmod(0)
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed").chmod(0)
    result, output = checked(tmp_path)
    (tmp_path / "closed").chmod(0o700)
    assert result == 1
    assert "Q0101" in output


def test_a_folder_that_is_named_like_a_file(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").mkdir()
    (tmp_path / "w.yaml" / "x.yaml").write_text(world())
    (tmp_path / "strategies").write_text("not a folder")
    checked(tmp_path)


def test_a_deep_folder(tmp_path: Path) -> None:
    here = tmp_path
    for _ in range(300):
        here = here / "d"
    here.mkdir(parents=True)
    (here / "w.yaml").write_text(world())
    result, output = checked(tmp_path)
    assert result == 0, output[-500:]


def test_many_files(tmp_path: Path) -> None:
    for i in range(3000):
        (tmp_path / f"f{i}.yaml").write_text(f"exchange: e{i}\nlot_size: 1\n")
    (tmp_path / "w.yaml").write_text(world() + "exchange: e7\n")
    checked(tmp_path)


def test_errors_in_a_thousand_files_are_told_in_linear_time(tmp_path: Path) -> None:
    text = (
        US_CORE.replace("p_chop >= 0.50", "p_chopp >= 0.50")
        .replace("fast: 10", "fats: 10")
        .replace("SPY, QQQ", "SPY, SPY")
    )
    for i in range(300):
        (tmp_path / f"w{i}.yaml").write_text(text.replace("world: us_core", f"world: w{i}"))
    result, output = checked(tmp_path)
    assert result == 1
    assert "more:" in output


def test_memory_is_really_bounded(tmp_path: Path) -> None:
    """The limit works at all: a process that takes more memory than it may is refused it."""
    took = subprocess.run(
        [sys.executable, "-c", "x = bytearray(2 << 30)"],
        cwd=tmp_path,
        capture_output=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (GIGABYTE, GIGABYTE)),
        check=False,
    )
    assert b"MemoryError" in took.stderr
