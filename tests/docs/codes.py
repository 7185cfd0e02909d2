"""The pages of the diagnostic codes, taken apart and made into files.

In: docs/codes/Qxxxx.md. Out: for its bad and its good half the files that stand there, laid over a small base world, and
what `qmtl validate` says about them. How a fence becomes a file:

* ```` ```yaml ```` with a kind key first (`case:`, `world:`, `deployment:`, `plan:`, `model:`; `exchange:` and `allowlist:`
  beside `version:`) is a document of its own; any other is a part of the base world, whose keys it replaces;
* ```` ```qmtl ```` is a file in strategies/, or in worlds/ when it starts with a document block;
* a first line `# file: PATH` says the path of a whole file, of any language; ```` ```text ```` without it is a picture.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from qmtl.dsl.compile import Validation, validate

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = ROOT / "docs" / "codes"
#: the day on which pages are read: what they say about dates is said from here
TODAY: Final = "2026-06-01"
BASE_PATH: Final = "worlds/us_core.yaml"
BASE: Final = """\
version: 1
world: us_core
calendar: XNYS
universe: [SPY, QQQ]
chains:
  - {name: trend, when: p_trend_up >= 0.55, strategies: [roc_momentum], exposure: 90%}
  - {name: neutral, otherwise: true, strategies: [roc_momentum], exposure: 65%}
allowlist: all
"""
_KINDS: Final = ("case", "world", "deployment", "plan", "model", "exchange", "allowlist")
_ALSO_PARTS: Final = ("exchange", "allowlist")
_FENCE: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NAMED: Final = re.compile(r"\A#\s*file:\s*(\S+)[ \t]*\n")
_TOP_KEY: Final = re.compile(r"^([A-Za-z_]\w*):", re.MULTILINE)


@dataclass(frozen=True)
class Fence:
    """One example text of a page."""

    language: str
    text: str


@dataclass(frozen=True)
class Page:
    """A page: its title line, its prose, and the fences of both halves."""

    code: str
    title: str
    prose: str
    bad: tuple[Fence, ...]
    good: tuple[Fence, ...]


def read_page(code: str) -> Page:
    """The page of a code; the two sections `## Bad` and `## Good` stand in this order and are the last."""
    text = (PAGES / f"{code}.md").read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    assert parts[1::2] == ["Bad", "Good"], f"{code}: the sections of a page are Bad and Good, not {parts[1::2]}"
    title, _, prose = parts[0].partition("\n")
    return Page(code, title, prose.strip(), _fences(parts[2]), _fences(parts[4]))


def _fences(text: str) -> tuple[Fence, ...]:
    return tuple(Fence(match[1], match[2]) for match in _FENCE.finditer(text))


def files_of(fences: tuple[Fence, ...]) -> dict[str, str]:
    """Path -> text of everything that the fences of one half say; empty when they are only pictures."""
    files: dict[str, str] = {}
    parts: list[str] = []
    for fence in fences:
        path, text = _file(fence)
        if path == "part":
            parts.append(text)
        elif path:
            assert path not in files, f"two examples for {path}: say `# file: PATH`"
            files[path] = text
    if parts:
        files[BASE_PATH] = _merged(files.get(BASE_PATH, BASE), "".join(parts))
    return files


def _file(fence: Fence) -> tuple[str, str]:
    named = _NAMED.match(fence.text)
    if named:
        return named[1], fence.text[named.end() :]
    if fence.language == "text":
        return "", ""
    if fence.language == "qmtl":
        first = re.search(r"^[a-z]\w*", fence.text, re.MULTILINE)
        return ("worlds/example.qmtl" if first and first[0] in _KINDS else "strategies/example.qmtl"), fence.text
    kind = _kind(fence.text)
    if kind is None:
        return "part", fence.text
    found = re.search(rf"^{kind}:[ \t]*([\w-]*)", fence.text, re.MULTILINE)
    assert found
    return (f"worlds/{found[1] or kind}.yaml" if kind == "world" else f"worlds/{kind}.yaml"), fence.text


def _kind(text: str) -> str | None:
    keys = _TOP_KEY.findall(text)
    kind = next((kind for kind in _KINDS if kind in keys), None)
    return None if kind in _ALSO_PARTS and "version" not in keys else kind


def _merged(base: str, part: str) -> str:
    """The base world with the keys of a part in place of its own."""
    for key in _TOP_KEY.findall(part):
        base = re.sub(rf"^{key}:.*\n(?:(?:[ \t#].*)?\n)*", "", base, flags=re.MULTILINE)
    return base + part


def lay_out(folder: Path, files: dict[str, str]) -> None:
    """Writes the base world and, over it, the files."""
    for path, text in {BASE_PATH: BASE, **files}.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def validated(*paths: str) -> Validation:
    """What `qmtl validate` finds below the paths, on the day of the pages."""
    checker: Any = validate
    dated = {"today": TODAY} if "today" in inspect.signature(validate).parameters else {}
    found = checker(paths or (".",), **dated)
    assert isinstance(found, Validation)
    return found


def _missing(_folder: Path) -> str:
    return "worlds/us_cor.yaml"


def _not_text(folder: Path) -> str:
    (folder / "worlds/us_core.yaml").write_bytes(BASE.encode("utf-8").replace(b"us_core", b"caf\xe9"))
    return "worlds"


def _empty(folder: Path) -> str:
    (folder / "worlds/us_core.yaml").write_text("\n")
    return "worlds"


def _nested(folder: Path) -> str:
    (folder / "worlds/us_core.yaml").write_text(BASE + "risk: " + "[" * 80 + "]" * 80 + "\n")
    return "worlds"


def _nothing(folder: Path) -> str:
    (folder / "empty").mkdir()
    return "empty"


def _many_lanes(folder: Path) -> str:
    symbols = [f"A{number:03}" for number in range(1, 301)]
    rows = "".join(
        f"      {symbol}: {{fast: {3 + row % 50}, slow: {60 + row // 50}}}\n" for row, symbol in enumerate(symbols)
    )
    whole = _merged(BASE, f"universe: [{', '.join(symbols)}]\nparameters:\n  roc_momentum:\n    by_symbol:\n{rows}")
    (folder / BASE_PATH).write_text(whole)
    return "worlds"


#: bad examples that no text on a page can show: each spoils the folder and says which path to validate
MADE: Final[dict[str, Callable[[Path], str]]] = {
    "Q0101": _missing,
    "Q0102": _not_text,
    "Q0103": _empty,
    "Q0104": _nested,
    "Q0109": _nothing,
    "Q0605": _many_lanes,
}


def bad_example(page: Page, folder: Path) -> Validation:
    """What validate says about the bad half, in a folder that is the working directory."""
    files = files_of(page.bad)
    lay_out(folder, files)
    if page.code in MADE:
        return validated(MADE[page.code](folder))
    assert files, f"{page.code}: the bad half holds no example that can be run"
    return validated()


def good_example(page: Page, folder: Path) -> Validation:
    """The same of the good half."""
    lay_out(folder, files_of(page.good))
    return validated()
