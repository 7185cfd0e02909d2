"""A snapshot: the observers' state as of one tick, with the programs they belong to. Format "qmtl.snapshot.v1".

Length-prefixed parts: a JSON header, then for each world its program and its observer's state. The journal adds the
checksum. That the program stands inside makes a snapshot complete: whatever text was edited meanwhile, the state can be
read, fed and then moved to the new program.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass

from .errors import StateError

FORMAT = "qmtl.snapshot.v1"
_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class SavedWorld:
    """One world: its name, its program as canonical JSON, its observer's state."""

    world: str
    program: bytes
    observer: bytes


@dataclass(frozen=True, slots=True)
class Saved:
    """All worlds as of the tick at `epoch`; `symbols` are the columns of the feed then."""

    epoch: int
    symbols: tuple[str, ...]
    worlds: tuple[SavedWorld, ...]


def save(saved: Saved) -> bytes:
    """The snapshot as bytes."""
    head = {"format": FORMAT, "epoch": saved.epoch, "symbols": saved.symbols, "worlds": [w.world for w in saved.worlds]}
    parts = [json.dumps(head).encode()]
    for world in saved.worlds:
        parts += [world.program, world.observer]
    return b"".join(_LENGTH.pack(len(part)) + part for part in parts)


def load(data: bytes) -> Saved:
    """The snapshot again; StateError when it is of another format or cut short."""
    parts = _parts(data)
    try:
        head = json.loads(parts[0])
        names = head["worlds"]
        if head["format"] != FORMAT or len(parts) != 1 + 2 * len(names):
            raise StateError("the state snapshot is of another format or incomplete")
        worlds = tuple(SavedWorld(name, parts[2 * i + 1], parts[2 * i + 2]) for i, name in enumerate(names))
        return Saved(head["epoch"], tuple(head["symbols"]), worlds)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise StateError(f"the state snapshot cannot be read: {error}") from error


def _parts(data: bytes) -> list[bytes]:
    parts, place = [], 0
    while place < len(data):
        if place + _LENGTH.size > len(data):
            raise StateError("the state snapshot is cut short")
        (length,) = _LENGTH.unpack_from(data, place)
        place += _LENGTH.size
        if place + length > len(data):
            raise StateError("the state snapshot is cut short")
        parts.append(data[place : place + length])
        place += length
    return parts
