"""How a damaged entry is found: the checksum beside each entry of the journal.

In: an entry. Out: a number that is stored in its row, and whether a payload's own checksum holds. It covers stream, key, epoch,
wall and payload. Tick records carry a checksum of their own in their first bytes (`SEAL`), which every reader of one checks; of
them only these first bytes are covered, so that a large record is not summed twice within one append.
"""

from __future__ import annotations

import zlib
from typing import Final

from ..ports import LogEntry

#: what a payload begins with that holds its own checksum: these bytes, then the CRC-32 (little-endian) of all that follow it
SEAL: Final = b"qmtl.tick.v1\n"
SEALED: Final = len(SEAL) + 4


def checksum(entry: LogEntry) -> int:
    """CRC-32 of an entry's fields, each with its length in front."""
    total = 0
    payload = entry.payload[:SEALED] if entry.payload[: len(SEAL)] == SEAL else entry.payload
    epoch = entry.epoch.to_bytes(8, "big", signed=True)
    for field in (entry.stream.encode(), entry.key.encode(), epoch, entry.wall.encode(), payload):
        total = zlib.crc32(field, zlib.crc32(len(field).to_bytes(8, "big"), total))
    return total


def seal_holds(payload: bytes) -> bool:
    """Whether a payload's own checksum holds; True where it has none."""
    if payload[: len(SEAL)] != SEAL:
        return True
    return zlib.crc32(memoryview(payload)[SEALED:]) == int.from_bytes(payload[len(SEAL) : SEALED], "little")
