"""Texts out of git: the files of a revision in a temporary folder, byte by byte as they were committed.

In: a revision and a folder inside a repository. Out: a folder with every file that a world or a deployment could read.
`git archive` obeys attributes (export-ignore, export-subst) and would hand out other texts than were committed, so
the objects are read themselves.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

#: what the front end reads; everything else of a repository stays where it is
_READ: Final = (".yaml", ".yml", ".qmtl", ".csv", ".onnx")
_LARGEST: Final = 64_000_000


class GitError(Exception):
    """git is not there, or says no."""


def is_revision(name: str) -> bool:
    """Whether git knows the name as a commit, here."""
    if not name or name.startswith("-"):
        return False
    try:
        _git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    except GitError:
        return False
    return True


def unpack(revision: str, into: Path) -> Path:
    """The texts of a revision below `into`; returns the folder there that is the working directory here."""
    prefix = _git("rev-parse", "--show-prefix").decode().strip()
    listed = tuple(_listed(revision))
    for path, data in zip((p for p, _ in listed), _contents([name for _, name in listed]), strict=True):
        target = into / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    inside = into / prefix
    inside.mkdir(parents=True, exist_ok=True)
    return inside


def _listed(revision: str) -> Iterator[tuple[PurePosixPath, str]]:
    """(path from the top, object) of the plain files that may be read; links and submodules are left out."""
    listing = _git("ls-tree", "-r", "-l", "-z", "--full-tree", f"{revision}^{{commit}}")
    for line in listing.split(b"\0"):
        head, _, name = line.partition(b"\t")
        fields = head.split()
        if len(fields) != 4 or not fields[0].startswith(b"100") or int(fields[3]) > _LARGEST:
            continue
        path = PurePosixPath(name.decode(errors="surrogateescape"))
        if path.suffix in _READ and ".." not in path.parts and not path.is_absolute():
            yield path, fields[2].decode()


def _contents(objects: list[str]) -> Iterator[bytes]:
    """The bytes of each object, through one process."""
    out = _git("cat-file", "--batch", data="".join(f"{name}\n" for name in objects).encode())
    at = 0
    for _ in objects:
        end = out.index(b"\n", at)
        size = int(out[at:end].split()[2])
        yield out[end + 1 : end + 1 + size]
        at = end + 2 + size


def _git(*arguments: str, data: bytes = b"") -> bytes:
    try:
        done = subprocess.run(["git", *arguments], input=data, capture_output=True, check=False)  # noqa: S603, S607
    except OSError as error:
        raise GitError("git cannot be started") from error
    if done.returncode:
        raise GitError(done.stderr.decode(errors="replace").strip() or f"git {arguments[0]} failed")
    return done.stdout
