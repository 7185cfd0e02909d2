"""A journal in a list: what the runtime and `record` need of one, without a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qmtl.engine.ports import LogEntry, StoredEntry


class Shelf:
    """Implements `ports.Journal`."""

    def __init__(self) -> None:
        self.entries: list[LogEntry] = []
        self.saved: tuple[int, bytes] | None = None

    def append(self, entries: Sequence[LogEntry]) -> int:
        known = {(entry.stream, entry.key) for entry in self.entries}
        assert not known & {(entry.stream, entry.key) for entry in entries}, "an entry was stored twice"
        self.entries += entries
        return len(self.entries)

    def read(self, stream: str, after_epoch: int = -1) -> Iterator[StoredEntry]:
        for seq, entry in enumerate(self.entries):
            if entry.stream == stream and entry.epoch > after_epoch:
                yield StoredEntry(seq, entry)

    def last(self, stream: str) -> StoredEntry | None:
        return max(self.read(stream), key=lambda stored: stored.seq, default=None)

    def save_snapshot(self, epoch: int, payload: bytes) -> None:
        self.saved = (epoch, payload)

    def load_snapshot(self) -> tuple[int, bytes] | None:
        return self.saved

    def idle(self) -> None:
        """Nothing to tidy up."""

    def close(self) -> None:
        """Nothing to let go of."""
