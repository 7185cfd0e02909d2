"""Tick records on disk, format `qmtl.tick.v1`: a JSON header and named columns, compact and canonical.

In: a header of plain JSON values, numpy columns by name, and optionally the record whose columns this one changes only
in places (a follow-up tick refers to its decision tick). Out: bytes, and the same header and columns again to the bit;
NaN is one bit pattern. The same content gives the same bytes, so that journals of two runs can be compared.

Layout, little-endian: magic, crc32 of the rest, length of the head, the head, the columns' bytes in the order of their
names. The head is JSON {"base": epoch or -1, "columns": [[name, dtype, shape, encoding, entries], ...], "header": ...}.
Encodings of a column of n values:

    raw    the values
    bits   bool only: 8 values a byte
    fill   one value, then `entries` exceptions: indexes (uint16, or uint32 when n > 65536), then values
    base   the base record's column of the same name, dtype and shape, with `entries` exceptions likewise

Compression proper was measured and left out: zlib at level 1 costs ten times the rest of the tick and a day of 1,000
symbols stays far below its bound without it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import wire
from ..errors import JournalError
from ..ports import JournalView, StoredEntry
from .checksum import SEAL as MAGIC
from .checksum import seal_holds

FORMAT = "qmtl.tick.v1"
NO_BASE = -1
#: columns of at most this many values are stored raw
_SMALL = 8

Column = NDArray[Any]
Chunk = bytes | memoryview
#: unsigned integers of the same width, for comparing and storing bits
_BITS: dict[int, np.dtype[Any]] = {size: np.dtype(f"<u{size}") for size in (1, 2, 4, 8)}
_DTYPES: dict[str, np.dtype[Any]] = {
    code: np.dtype("?" if code == "b1" else f"<{code}")
    for code in ("f8", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "b1")
}
_CODES = {kind: code for code, kind in _DTYPES.items()}
_NAN = np.frombuffer(np.array([np.nan]).tobytes(), "<u8")[0] & np.uint64(0x7FFF_FFFF_FFFF_FFFF)
_NAN_BYTES = _NAN.tobytes()
_PREFIX = len(MAGIC) + 8


@dataclass(frozen=True, slots=True)
class Record:
    """A decoded tick. `epoch` names it as a base; `columns` are read-only arrays; `base` is the epoch of the record it
    refers to, -1 when it stands alone."""

    epoch: int
    header: Any
    columns: Mapping[str, Column]
    base: int = NO_BASE


def encode(header: Any, columns: Mapping[str, Column], base: Record | None = None) -> bytes:
    """Bytes of one tick. `header`: what `wire` takes; columns: float64, whole numbers of 1 to 8 bytes or bool, of any
    shape. JournalError for anything else."""
    directory: list[list[Any]] = []
    chunks: list[Chunk] = []
    for name in sorted(columns):
        column = columns[name]
        code = _CODES.get(column.dtype)
        if code is None:
            raise JournalError(f"column {name}: dtype {column.dtype} cannot be journaled")
        former = base.columns.get(name) if base is not None else None
        if former is column and column.size > _SMALL:  # a follow-up tick hands most arrays on as they are
            directory.append([name, code, list(column.shape), "base", 0])
            continue
        if former is not None and (former.dtype != column.dtype or former.shape != column.shape):
            former = None
        if column.size == 1:
            encoding, entries = _encode_number(column, former, code, chunks), 0
        else:
            encoding, entries = _encode_column(_bits(column), None if former is None else _bits(former), code, chunks)
        directory.append([name, code, list(column.shape), encoding, entries])
    head = wire.dump({"base": NO_BASE if base is None else base.epoch, "columns": directory, "header": header})
    body = b"".join((len(head).to_bytes(4, "little"), head, *chunks))
    return b"".join((MAGIC, zlib.crc32(body).to_bytes(4, "little"), body))


def base_epoch(payload: bytes) -> int:
    """Epoch of the record that a payload refers to, -1 when it stands alone."""
    return int(_head(payload)[0]["base"])


def decode(epoch: int, payload: bytes, base: Record | None = None) -> Record:
    """The tick again; JournalError when the bytes are damaged or `base` is not the record they refer to."""
    head, at = _head(payload)
    wanted = int(head["base"])
    if wanted != NO_BASE and (base is None or base.epoch != wanted):
        raise JournalError(f"the tick at {epoch} refers to the tick at {wanted}, which was not given")
    columns = {}
    for name, code, shape, encoding, entries in head["columns"]:
        former = base.columns.get(name) if base is not None and encoding == "base" else None
        columns[name], at = _decode_column(payload, at, _Spec(code, tuple(shape), encoding, entries), former)
    if at != len(payload):
        raise JournalError(f"the tick at {epoch} has {len(payload) - at} bytes too many")
    return Record(epoch, head["header"], columns, wanted)


def decode_all(entries: Iterable[StoredEntry]) -> Iterator[Record]:
    """Records of a stream in order. A base is the newest record that stands alone, or the record just before."""
    alone: Record | None = None
    before: Record | None = None
    for stored in entries:
        payload, epoch = stored.entry.payload, stored.entry.epoch
        wanted = base_epoch(payload)
        base = next((r for r in (before, alone) if r is not None and r.epoch == wanted), None)
        before = decode(epoch, payload, base)
        if wanted == NO_BASE:
            alone = before
        yield before


def last_record(journal: JournalView, stream: str) -> Record | None:
    """The newest record of a stream with its base resolved: what a restarted run goes on from."""
    stored = journal.last(stream)
    if stored is None:
        return None
    first = base_epoch(stored.entry.payload)
    if first == NO_BASE:
        return decode(stored.entry.epoch, stored.entry.payload)
    record = None
    for record in decode_all(journal.read(stream, first - 1)):  # noqa: B007 - the last one is wanted
        pass
    return record


@dataclass(frozen=True, slots=True)
class _Spec:
    code: str
    shape: tuple[int, ...]
    encoding: str
    entries: int


def _bits(column: Column) -> Column:
    """The column flat, as unsigned integers; NaN in its one pattern."""
    flat = column if column.ndim == 1 and column.flags.c_contiguous else np.ascontiguousarray(column).reshape(-1)
    bits: Column = flat.view(_BITS[flat.itemsize])
    if flat.dtype.kind == "f":
        missing = np.count_nonzero(flat != flat)  # noqa: PLR0124 - NaN differs from itself
        if missing and np.count_nonzero(bits == _NAN) != missing:
            bits = np.where(np.isnan(flat), _NAN, bits)
    return bits


def _encode_number(column: Column, former: Column | None, code: str, chunks: list[Chunk]) -> str:
    """What `_encode_column` does with a single value; a tick has many of them."""
    value = column.item()
    if code == "b1":
        if former is not None and former.item() == value:
            return "base"
        chunks.append(b"\x01" if value else b"\x00")
        return "bits"
    chunks.append(_NAN_BYTES if value != value else column.tobytes())  # noqa: PLR0124 - NaN differs from itself
    return "raw"


def _encode_column(bits: Column, former: Column | None, code: str, chunks: list[Chunk]) -> tuple[str, int]:
    """Append the smallest encoding's bytes; returns its name and number of exceptions."""
    size = len(bits)
    if size == 0:
        return "raw", 0
    if size <= _SMALL and code != "b1":  # looking for something shorter costs more than the bytes
        chunks.append(bits.tobytes())
        return "raw", 0
    step = bits.itemsize + (2 if size <= 65536 else 4)
    plain = (size + 7) // 8 if code == "b1" else bits.nbytes
    odd = None if former is None else (bits != former).nonzero()[0]
    if odd is not None and not odd.size:
        return "base", 0
    fill = _common(bits)
    other = None if fill is None else (bits != fill).nonzero()[0]
    best, encoding, lead = odd, "base", b""
    if other is not None and fill is not None and (odd is None or len(other) * step + bits.itemsize < len(odd) * step):
        best, encoding, lead = other, "fill", fill.tobytes()
    if best is not None and len(best) * step + len(lead) < plain:
        chunks.append(lead)
        if best.size:
            chunks.append(best.astype(_index(size)).data)
            chunks.append(bits[best].data)
        return encoding, len(best)
    chunks.append(np.packbits(bits, bitorder="little").tobytes() if code == "b1" else bits.data)
    return ("bits" if code == "b1" else "raw"), 0


def _common(bits: Column) -> np.unsignedinteger[Any] | None:
    """A value worth filling with, judged by five samples: one that two of them share, else None."""
    last = len(bits) - 1
    places = (0, last // 4, last // 2, 3 * last // 4, last)
    seen: set[int] = set()
    for place in places:
        value = bits.item(place)
        if value in seen:
            found: np.unsignedinteger[Any] = bits[place]
            return found
        seen.add(value)
    return None


def _index(size: int) -> np.dtype[Any]:
    return np.dtype("<u2") if size <= 65536 else np.dtype("<u4")


def _head(payload: bytes) -> tuple[dict[str, Any], int]:
    if payload[: len(MAGIC)] != MAGIC:
        raise JournalError(
            f"this is not a tick record of format {FORMAT}", "read it with the qmtl version that wrote it"
        )
    if len(payload) < _PREFIX or not seal_holds(payload):
        raise JournalError("a tick record is damaged: its checksum does not hold", "restore the journal from a backup")
    size = int.from_bytes(payload[_PREFIX - 4 : _PREFIX], "little")
    head: dict[str, Any] = json.loads(payload[_PREFIX : _PREFIX + size])
    return head, _PREFIX + size


def _decode_column(payload: bytes, at: int, spec: _Spec, former: Column | None) -> tuple[Column, int]:
    dtype = _DTYPES[spec.code]
    kind = _BITS[dtype.itemsize]
    size = int(np.prod(spec.shape, dtype=np.int64))
    if spec.encoding == "raw":
        bits, at = _take(payload, at, kind, size)
    elif spec.encoding == "bits":
        packed, at = _take(payload, at, np.dtype("u1"), (size + 7) // 8)
        bits = np.unpackbits(packed, count=size, bitorder="little")
    else:
        bits, at = _start(payload, at, kind, size, former)
        index, at = _take(payload, at, _index(size), spec.entries)
        values, at = _take(payload, at, kind, spec.entries)
        bits[index] = values
    column = bits.view(dtype).reshape(spec.shape)
    column.flags.writeable = False
    return column, at


def _start(payload: bytes, at: int, kind: np.dtype[Any], size: int, former: Column | None) -> tuple[Column, int]:
    if former is not None:
        return _bits(former).copy(), at
    fill, at = _take(payload, at, kind, 1)
    return np.full(size, fill[0], kind), at


def _take(payload: bytes, at: int, kind: np.dtype[Any], count: int) -> tuple[Column, int]:
    end = at + count * kind.itemsize
    if end > len(payload):
        raise JournalError("a tick record ends too early", "restore the journal from a backup")
    return np.frombuffer(payload, kind, count, at), end
