"""Editing while it runs: notices changed files, compiles them, and swaps worlds between two ticks.

In: the deployment's path and what its last compilation read. Out: new programs for the runtime, or the diagnostics of a
broken edit, once per edit; the old generation then keeps running (R54).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from qmtl.dsl.compile import CompiledDeployment, compile_deployment

Signature = tuple[tuple[str, int, int], ...]


def signature(files: Iterable[Path]) -> Signature:
    """(path, modification time, size) of each file and of each folder that holds one; a missing file counts as such."""
    paths = set(files)
    paths |= {path.parent for path in paths}
    return tuple(_one(path) for path in sorted(paths))


def _one(path: Path) -> tuple[str, int, int]:
    try:
        facts = path.stat()
    except OSError:
        return str(path), -1, -1
    return str(path), facts.st_mtime_ns, facts.st_size if path.is_file() else 0


@dataclass(slots=True)
class Watch:
    """Compares signatures; compiles again when one differs."""

    path: Path
    compiled: CompiledDeployment
    given: Mapping[str, str]
    seen: Signature

    @classmethod
    def on(cls, path: Path, compiled: CompiledDeployment, given: Mapping[str, str]) -> Watch:
        """Watch what this compilation read; `given` are the flags it was made with."""
        return cls(path, compiled, given, signature(compiled.files))

    def changed(self) -> CompiledDeployment | None:
        """A new compilation when a file changed since the last look, else None."""
        now = signature(self.compiled.files)
        if now == self.seen:
            return None
        again = compile_deployment(self.path, self.given)
        # a broken edit may name fewer files; what was watched before stays watched
        files = tuple(dict.fromkeys((*again.files, *self.compiled.files)))
        # an edit made while this one was compiled must be seen next time
        self.seen = now if set(files) == set(self.compiled.files) else signature(files)
        self.compiled = replace(again, files=files)
        return self.compiled
