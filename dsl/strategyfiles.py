"""Where definitions are looked for, and which of them are broken rather than unknown.

In: the folder of a document and the paths it names. Out: paths for `library.load_library`, in the order of precedence
(later wins): the built-in strategies, the nearest `strategies` folder above the document, the paths it names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import qmtl.strategies

from .diagnostics import Diagnostic

_DEFINED: Final = re.compile(r"^\s*(?:strategy|regime|feature)\s+([A-Za-z_][A-Za-z0-9_]*)", re.MULTILINE)
FOLDER: Final = "strategies"


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
