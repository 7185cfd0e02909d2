"""A journal in a list: what the runtime and `record` need of one, without a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qmtl.engine.ports import LogEntry, StoredEntry


class Shelf:
    """Implements `ports.Journal`."""

    def __init__(self) -> None:
        self.entries: list[LogEntry] = []
        self.places: dict[tuple[str, str], int] = {}
        self.saved: tuple[int, bytes] | None = None

    def append(self, entries: Sequence[LogEntry]) -> int:
        for entry in entries:
            assert (entry.stream, entry.key) not in self.places, "an entry was stored twice"
            self.places[entry.stream, entry.key] = len(self.entries)
            self.entries.append(entry)
        return len(self.entries)

    def read(self, stream: str, after_epoch: int = -1) -> Iterator[StoredEntry]:
        for seq, entry in enumerate(self.entries):
            if entry.stream == stream and entry.epoch > after_epoch:
                yield StoredEntry(seq, entry)

    def last(self, stream: str) -> StoredEntry | None:
        return max(self.read(stream), key=lambda stored: stored.seq, default=None)

    def find(self, stream: str, key: str) -> StoredEntry | None:
        at = self.places.get((stream, key))
        return None if at is None else StoredEntry(at, self.entries[at])

    def save_snapshot(self, epoch: int, payload: bytes) -> None:
        self.saved = (epoch, payload)

    def load_snapshot(self) -> tuple[int, bytes] | None:
        return self.saved

    def idle(self) -> None:
        """Nothing to tidy up."""

    def close(self) -> None:
        """Nothing to let go of."""
