"""The paths that a command looks at when none is named: `worlds/` and the deployments beside it.

In: a folder. Out: paths. One rule for `qmtl validate` and `qmtl diff`. Files are only looked into, not parsed: a deployment
with a mistake is one too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from qmtl.dsl.documents import ENDINGS
from qmtl.dsl.textfiles import peek
from qmtl.schemas import SCHEMAS

WORLDS: Final = Path("worlds")
_KINDS: Final = "|".join(SCHEMAS).encode()
_DEPLOYMENT: Final = re.compile(rb"^[\"']?deployment[\"']?[ \t]*:|^deployment[ \t]+\w", re.MULTILINE)
_DOCUMENT: Final = re.compile(
    rb"^[\"']?(?:%b)[\"']?[ \t]*:|^(?:%b|strategy|regime|feature)[ \t]+[\w\"]" % (_KINDS, _KINDS),
    re.MULTILINE,
)


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
    return (p for p in sorted(folder.iterdir()) if p.suffix in ENDINGS and p.is_file() and p.name[0] != ".")


def _head(path: Path) -> bytes:
    return peek(path) or b""
