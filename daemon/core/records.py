"""Append-only files that survive a crash: length- and checksum-framed records, as pure functions on bytes.

    record = length u32 LE | crc32(payload) u32 LE | payload

The journal and the tape are files of such records. A crash can tear the last record; it can't forge
one, so a reader takes the whole records from the front and reports where they end. What follows a bad
record is never read: corrupt data is worse than no data.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

_HEADER = struct.Struct("<II")
HEADER_BYTES = _HEADER.size
PAYLOAD_BYTES_MAX = 64 * 1024 * 1024


def frame(payload: bytes) -> bytes:
    """Return the payload as one record."""
    assert 0 < len(payload) <= PAYLOAD_BYTES_MAX, f"record of {len(payload)} bytes"
    return _HEADER.pack(len(payload), zlib.crc32(payload)) + payload


def frame_at(buffer: memoryview, offset: int) -> tuple[int, int]:
    """Return the length and the checksum that a record at this offset would claim for its payload."""
    length, checksum = _HEADER.unpack_from(buffer, offset)
    return length, checksum


class RecordReader:
    """Iterates over the payloads of whole records at the front of a buffer.

    After the iteration `end` is the offset behind the last whole record; `is_torn` says that bytes
    follow it that are no whole record.
    """

    def __init__(self, buffer: bytes | memoryview, start: int = 0) -> None:
        self._view = memoryview(buffer)
        self.end = start

    @property
    def is_torn(self) -> bool:
        """Whether something other than whole records follows `end`."""
        return self.end < len(self._view)

    def __iter__(self) -> Iterator[memoryview]:
        view, size = self._view, len(self._view)
        while self.end + HEADER_BYTES <= size:
            length, checksum = _HEADER.unpack_from(view, self.end)
            begin = self.end + HEADER_BYTES
            if not 0 < length <= PAYLOAD_BYTES_MAX or begin + length > size:
                return
            payload = view[begin : begin + length]
            if zlib.crc32(payload) != checksum:
                return
            self.end = begin + length
            yield payload
