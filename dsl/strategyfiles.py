"""Where definitions are looked for, and which of them are broken rather than unknown.

In: the folder of a document and the paths it names. Out: paths for `library.load_library`, in the order of precedence
(later wins): the built-in strategies, the nearest `strategies` folder above the document, the paths it names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import qmtl.strategies

from .diagnostics import Diagnostic, Label
from .similar import nearest
from .textfiles import display

_DEFINED: Final = re.compile(r"^\s*(?:strategy|regime|feature)\s+([A-Za-z_][A-Za-z0-9_]*)", re.MULTILINE)
FOLDER: Final = "strategies"
_NONE: Final = "beside the built-in strategies no `.qmtl` file was found"
#: folders upwards in which a folder of another name may hold the strategies
_LEVELS: Final = 4
_MOST_PLACES: Final = 3


def library_paths(folder: Path, named: Iterable[str]) -> tuple[Path, ...]:
    """Folders and files with definitions for documents of a folder; of those named, what exists (read.py reports the rest)."""
    builtin = Path(qmtl.strategies.__file__).parent
    near = nearest_folder(folder)
    own = (near,) if near and os.path.realpath(near) != os.path.realpath(builtin) else ()
    return (builtin, *own, *(path for path in (folder / name for name in named) if path.exists()))


def nearest_folder(folder: Path, name: str = FOLDER) -> Path | None:
    """The folder of a name in the folder itself or the nearest one above it."""
    start = folder.absolute()
    found = next((parent / name for parent in (start, *start.parents) if (parent / name).is_dir()), None)
    if found and found.is_relative_to(Path.cwd()):
        return found.relative_to(Path.cwd())
    return found


def broken_names(problems: Iterable[Diagnostic]) -> frozenset[str]:
    """Names that files with errors define: using one of them is not another mistake."""
    sources = {d.span.source for d in problems if d.severity == "error" and d.span is not None}
    return frozenset(name for source in sources for name in _DEFINED.findall(source.text))


def where_looked(folder: Path, files: Iterable[Path]) -> str:
    """Where definitions for documents of a folder are looked for, when only built-in `files` were found; else nothing."""
    builtin = os.path.realpath(Path(qmtl.strategies.__file__).parent)
    if any(os.path.realpath(file.parent) != builtin for file in files):
        return ""
    near = nearest_folder(folder)
    if near is not None and os.path.realpath(near) == builtin:
        return ""
    shown = display(folder)
    looked = (
        f"{_NONE}: they are looked for in `{FOLDER}`, the nearest one in `{shown}` or above it, and in `strategy_files`"
    )
    named = next(_named_alike(folder), None)
    return f"{looked}; is `{display(named)}` meant to be that folder?" if named else looked


def _named_alike(folder: Path) -> Iterator[Path]:
    """Folders with `.qmtl` files whose name is nearly the one looked for."""
    here = folder.absolute()
    for parent in (here, *here.parents)[:_LEVELS]:
        try:
            folders = sorted(path for path in parent.iterdir() if path.is_dir() and nearest(path.name, (FOLDER,)))
            yield from (path for path in folders if any(path.glob("*.qmtl")))
        except OSError:  # a folder above that may not be read
            return


def not_found_once(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Strategies that are unknown because no definitions were found at all: one mistake, wherever they stand."""
    diagnostics = tuple(diagnostics)
    missing = [d for d in diagnostics if d.code == "Q0503" and d.help.startswith(_NONE)]
    if len(missing) < 2:
        return diagnostics
    first, *others = missing
    names = dict.fromkeys(d.span.text for d in missing if d.span)
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    labels = tuple(Label(d.span, "also here" if d.message == first.message else d.message) for d in others if d.span)
    one = replace(first, message=f"{first.message}{more}", labels=labels[:_MOST_PLACES])
    gone = {id(d) for d in others}
    return tuple(one if d is first else d for d in diagnostics if id(d) not in gone)
