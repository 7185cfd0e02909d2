"""The journal's digest: one line that says whether two runs decided the same.

In: the path of a journal, also while it is written. Out: a SHA-256 over every entry's stream, key, epoch and payload:
streams in the order of their names, entries of a stream in the order they were appended, every field with its length in
front. Not covered: seq numbers, the `wall` column (wall-clock facts) and snapshots, which depend on when and how often
a run was stopped.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from .reader import JournalReader

FORMAT = b"qmtl.digest.v1"


@dataclass(frozen=True, slots=True)
class StreamDigest:
    """One stream: how many entries, and the SHA-256 over them, in hex."""

    stream: str
    entries: int
    sha256: str


@dataclass(frozen=True, slots=True)
class JournalDigest:
    """The whole journal; `sha256` covers the streams' own digests."""

    sha256: str
    streams: tuple[StreamDigest, ...]


def digest(path: Path) -> str:
    """The journal's digest in hex; JournalError when it cannot be read."""
    return summary(path).sha256


def summary(path: Path) -> JournalDigest:
    """The digest and its parts, for finding the stream in which two runs differ."""
    with JournalReader(path) as reader:
        parts = tuple(_stream(reader, name) for name in reader.streams())
    whole = hashlib.sha256(FORMAT)
    for part in parts:
        _feed(whole, part.stream.encode(), part.entries.to_bytes(8, "big"), bytes.fromhex(part.sha256))
    return JournalDigest(whole.hexdigest(), parts)


def _stream(reader: JournalReader, name: str) -> StreamDigest:
    hasher, count = hashlib.sha256(FORMAT), 0
    for stored in reader.read(name):
        entry = stored.entry
        _feed(hasher, entry.key.encode(), entry.epoch.to_bytes(8, "big", signed=True), entry.payload)
        count += 1
    return StreamDigest(name, count, hasher.hexdigest())


def _feed(hasher: hashlib._Hash, *fields: bytes) -> None:
    for field in fields:
        hasher.update(len(field).to_bytes(8, "big"))
        hasher.update(field)
