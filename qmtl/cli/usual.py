"""The paths that a command looks at when none is named: `worlds/` and the deployments beside it.

In: a folder. Out: paths. One rule for `qmtl validate` and `qmtl diff`. Files are only looked into, not parsed: a deployment
with a mistake is one too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

WORLDS: Final = Path("worlds")
_ENDINGS: Final = (".yaml", ".yml", ".qmtl")
_DEPLOYMENT: Final = re.compile(rb"^[\"']?deployment[\"']?[ \t]*:|^deployment[ \t]+\w", re.MULTILINE)
_DOCUMENT: Final = re.compile(
    rb"^[\"']?(?:world|deployment|case|plan|model|exchange|allowlist)[\"']?[ \t]*:"
    rb"|^(?:world|deployment|case|plan|model|exchange|allowlist|strategy|regime|feature)[ \t]+[\w\"]",
    re.MULTILINE,
)
#: bytes of a file that are looked into; a larger one is no text of this language
_HEAD: Final = 1_000_000


def usual_paths(folder: Path) -> tuple[Path, ...]:
    """worlds/ and the deployments beside it."""
    deployments = tuple(path for path in _texts(folder) if _DEPLOYMENT.search(_head(path)))
    worlds = (folder / WORLDS,)
    return (*(worlds if worlds[0].exists() or not deployments else ()), *deployments)


def paths_to_check(folder: Path) -> tuple[Path, ...]:
    """The usual paths; the folder itself when it has no worlds/ but documents, as worlds/ itself."""
    if not (folder / WORLDS).exists() and any(_DOCUMENT.search(_head(path)) for path in _texts(folder)):
        return (folder,)
    return usual_paths(folder)


def _texts(folder: Path) -> Iterator[Path]:
    return (p for p in sorted(folder.iterdir()) if p.suffix in _ENDINGS and p.is_file() and p.name[0] != ".")


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError:  # nobody can say what it is; who names it is told why
        return b""
