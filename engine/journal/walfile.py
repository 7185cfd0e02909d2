"""Is something lost in a write-ahead log: what SQLite passes over without a word.

In: the path of a database that nobody has open for writing. Out: what is damaged, or nothing. After a crash SQLite takes the log up
to its last whole commit and forgets the rest, which is right for a commit that was torn while it was written: nobody was told
that it is durable. A damaged byte further up looks the same to it, and commits that were acknowledged would be gone. A commit begins
only when the one before it is durable, so a second commit after the first bad frame shows that something acknowledged was lost.

Format (sqlite.org/fileformat2.html, "The Write-Ahead Log"): a header of 32 bytes, then frames: 24 bytes of head and one page.
Both checksums go on from frame to frame; frames of an earlier use of the file have other salts.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import JournalError

_HEADER: Final = struct.Struct(">8I")
_FRAME: Final = struct.Struct(">6I")
#: the two kinds of logs: words of checksums little-endian or big-endian
_KINDS: Final = {0x377F0682: "<u4", 0x377F0683: ">u4"}

Words = NDArray[np.uint32]
Sums = tuple[int, int]


#: sizes of pages that SQLite knows
_PAGES: Final = frozenset(2**n for n in range(9, 17))


@dataclass(frozen=True, slots=True)
class LostCommits:
    """`frame` is the first one that is damaged (from 1; 0 = the head of the log), `commits` those that were acknowledged and that
    SQLite would not read."""

    frame: int
    commits: int


@dataclass(frozen=True, slots=True)
class _Log:
    """What the header says: salts (None: it is damaged), size of a page, byte order of checksums, the checksums up to here."""

    salts: tuple[int, int] | None
    page: int
    words: str
    sums: Sums


def check_files(path: Path, what: str) -> None:
    """JournalError when opening the database would lose something: a log without its file (SQLite would delete it), a file that is
    empty, acknowledged commits behind a damaged place of the log. Call it under the lock, before SQLite opens the file."""
    log = path.with_name(path.name + "-wal")
    try:
        waits = log.is_file() and log.stat().st_size > 0
        if waits and not path.exists():
            raise JournalError(
                f"{what}: its write-ahead log {log.name} is there, and the file itself is not",
                "put the file back beside its log, or restore a backup; starting anew would delete the log",
            )
        if path.is_file() and not path.stat().st_size:
            raise JournalError(
                f"{what} is an empty file: what it held is lost",
                "restore it from a backup; or move it away, which starts anew",
            )
        lost = lost_commits(path) if waits else None
    except OSError as error:
        raise JournalError(f"{what} cannot be read: {error.strerror}", "check the disk and the owner") from error
    if lost is not None:
        where = f"frame {lost.frame}" if lost.frame else "its head"
        raise JournalError(
            f"{what}: its write-ahead log is damaged in {where}, and {lost.commits} stored commits stand behind that",
            "restore a backup; or keep all files, and `qmtl journal copy` makes a journal of what stands before the damage",
        )


def lost_commits(path: Path) -> LostCommits | None:
    """What of acknowledged commits the log of this database has lost, None when nothing. OSError as it comes."""
    log = path.with_name(path.name + "-wal")
    if not log.is_file() or log.stat().st_size <= _HEADER.size:
        return None
    with log.open("rb") as file:
        return _walk(file, _header(file.read(_HEADER.size), path))


def _header(data: bytes, path: Path) -> _Log:
    magic, _version, page, _number, salt1, salt2, sum1, sum2 = _HEADER.unpack(data)
    words = _KINDS.get(magic)
    if words is not None and page in _PAGES:
        sums = _summed((0, 0), np.frombuffer(data[:24], words).astype(np.uint32))
        if sums == (sum1, sum2):
            return _Log((salt1, salt2), page, words, sums)
    with path.open("rb") as file:  # the size of a page stands in the database too
        size = int.from_bytes(file.read(18)[16:], "big")
    return _Log(None, 65536 if size == 1 else max(size, 512), "<u4", (0, 0))


def _walk(file: BinaryIO, log: _Log) -> LostCommits | None:
    """Frames up to the first that does not hold; then commits by their heads alone. Behind a damaged head of the log nothing is
    read, so all commits with the salts of the first frame count; else the first of them is the one that may have been torn."""
    sums, salts, number, bad, commits = log.sums, log.salts, 0, log.salts is None, 0
    first = 0
    while len(data := file.read(_FRAME.size + log.page)) == _FRAME.size + log.page:
        number += 1
        _page, size, salt1, salt2, sum1, sum2 = _FRAME.unpack_from(data)
        salts = salts or (salt1, salt2)
        if not bad:
            sums = _summed(sums, np.frombuffer(data[:8] + data[_FRAME.size :], log.words).astype(np.uint32))
            if (salt1, salt2) == salts and sums == (sum1, sum2):
                continue
            bad, first = True, number
        # a damaged head may have lost its salts or its mark of a commit, so this counts too few rather than too many
        commits += bool(size) and (salt1, salt2) == salts
    return LostCommits(first, commits - bool(first)) if commits > 1 else None


def _summed(before: Sums, words: Words) -> Sums:
    """The checksums after these words: s0 += x0 + s1; s1 += x1 + s0 for each pair, modulo 2**32."""
    pairs = len(words) // 2
    weights = _weights(pairs)
    first, second = words[0::2], words[1::2]
    sums = [int((first * a).sum(dtype=np.uint32)) + int((second * b).sum(dtype=np.uint32)) for a, b in weights[:2]]
    start = weights[2]
    return (
        (sums[0] + start[0][0] * before[0] + start[0][1] * before[1]) % 2**32,
        (sums[1] + start[1][0] * before[0] + start[1][1] * before[1]) % 2**32,
    )


@cache
def _weights(pairs: int) -> tuple[tuple[Words, Words], tuple[Words, Words], tuple[Sums, Sums]]:
    """How much each word and the former sums count in the two sums after so many pairs. One pair is a linear step:
    (s0, s1) -> (s0 + s1 + x0, s0 + 2 s1 + x0 + x1); a pair that n pairs follow counts by the n-th power of that."""
    counts = np.zeros((4, pairs), np.uint32)
    a, b, c, d = 1, 0, 0, 1  # the step's power so far, by rows
    for at in range(pairs - 1, -1, -1):
        counts[:, at] = ((a + b) % 2**32, b, (c + d) % 2**32, d)  # x0 enters both sums, x1 the second alone
        a, b, c, d = (a + b) % 2**32, (a + 2 * b) % 2**32, (c + d) % 2**32, (c + 2 * d) % 2**32
    return (counts[0], counts[1]), (counts[2], counts[3]), ((a, b), (c, d))
