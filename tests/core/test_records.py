"""Records: whole ones from the front, whatever a crash or a bad disk did to the file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.records import HEADER_BYTES, PAYLOAD_BYTES_MAX, RecordReader, frame

payload_lists = st.lists(st.binary(min_size=1, max_size=40), max_size=8)


def read(buffer: bytes) -> tuple[list[bytes], int, bool]:
    """Return the payloads, the end and whether the buffer is torn."""
    reader = RecordReader(buffer)
    payloads = [bytes(payload) for payload in reader]
    return payloads, reader.end, reader.is_torn


@given(payload_lists)
def test_what_is_framed_is_read_back(payloads: list[bytes]) -> None:
    """All payloads come back in order, up to the buffer's end, and nothing is torn."""
    buffer = b"".join(map(frame, payloads))
    assert (payloads, len(buffer), False) == read(buffer)


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=5))
def test_a_file_torn_anywhere_gives_its_whole_records(payloads: list[bytes]) -> None:
    """For every length that a crash may leave, the records that are whole are read, and no other."""
    frames = [frame(payload) for payload in payloads]
    buffer = b"".join(frames)
    ends = [sum(map(len, frames[:count])) for count in range(len(frames) + 1)]
    for size in range(len(buffer) + 1):
        whole = sum(end <= size for end in ends) - 1
        assert (payloads[:whole], ends[whole], size > ends[whole]) == read(buffer[:size])


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=4))
def test_a_flipped_bit_never_gives_a_wrong_record(payloads: list[bytes]) -> None:
    """Whichever bit flips, only the records before it are read."""
    frames = [frame(payload) for payload in payloads]
    buffer = b"".join(frames)
    at = 0
    for index, record in enumerate(frames):
        for byte in range(at, at + len(record)):
            for bit in range(8):
                damaged = bytearray(buffer)
                damaged[byte] ^= 1 << bit
                assert (payloads[:index], at, True) == read(bytes(damaged))
        at += len(record)


def test_a_tail_of_zeros_is_torn() -> None:
    """What a file system may leave behind after a power cut is no record."""
    buffer = frame(b"one")
    assert ([b"one"], len(buffer), True) == read(buffer + bytes(64))


def test_reading_can_start_behind_a_record() -> None:
    """`start` skips what was read before."""
    first, second = frame(b"one"), frame(b"two")
    reader = RecordReader(first + second, len(first))
    assert [b"two"] == [bytes(payload) for payload in reader]
    assert len(first) + len(second) == reader.end


def test_an_announced_length_beyond_all_bounds_is_torn() -> None:
    """A length above the limit is not believed, though the bytes may exist."""
    header = (PAYLOAD_BYTES_MAX + 1).to_bytes(4, "little") + bytes(4)
    assert HEADER_BYTES == len(header)
    assert ([], 0, True) == read(header + bytes(100))


def test_an_empty_payload_is_a_programmer_error() -> None:
    """There is no empty record: zeros would be one."""
    with pytest.raises(AssertionError, match="record of 0 bytes"):
        frame(b"")
