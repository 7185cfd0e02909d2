"""Where definitions are looked for, and which of them are broken rather than unknown.

In: the folder of a document and the paths it names. Out: paths for `library.load_library`, in the order of precedence
(later wins): the built-in strategies, the nearest `strategies` folder above the document, the paths it names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Final

from .diagnostics import Diagnostic

_DEFINED: Final = re.compile(r"^\s*(?:strategy|regime|feature)\s+([A-Za-z_][A-Za-z0-9_]*)", re.MULTILINE)
FOLDER: Final = "strategies"


def library_paths(folder: Path, named: Iterable[str]) -> tuple[Path, ...]:
    """Folders and files with definitions for documents of a folder; of those named, what exists (read.py reports the rest)."""
    builtin = Path(str(files("qmtl.strategies")))
    near = nearest_folder(folder)
    own = (near,) if near and near.resolve() != builtin.resolve() else ()
    return (builtin, *own, *(path for path in (folder / name for name in named) if path.exists()))


def nearest_folder(folder: Path) -> Path | None:
    """The `strategies` folder in the folder itself or the nearest one above it."""
    start = folder.absolute()
    found = next((parent / FOLDER for parent in (start, *start.parents) if (parent / FOLDER).is_dir()), None)
    if found and found.is_relative_to(Path.cwd()):
        return found.relative_to(Path.cwd())
    return found


def broken_names(problems: Iterable[Diagnostic]) -> frozenset[str]:
    """Names that files with errors define: using one of them is not another mistake."""
    sources = {d.span.source for d in problems if d.severity == "error" and d.span is not None}
    return frozenset(name for source in sources for name in _DEFINED.findall(source.text))
