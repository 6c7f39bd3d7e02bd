"""The tape format: what was written is read, and what isn't a whole tape is refused."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.events import BookLost
from daemon.core.markets import Fees
from daemon.core.records import frame
from daemon.exchange.tape import (
    TapeCounts,
    TapeDecided,
    TapeDelta,
    TapeError,
    TapeHeader,
    TapeManifest,
    TapeMarket,
    TapeReader,
    TapeRecord,
    TapeSession,
    TapeSessionEnded,
    TapeSessionStarted,
    TapeSnapshot,
    TapeSpot,
    TapeTicker,
    TapeTold,
    TapeTrade,
    decode_manifest,
    encode_batch,
    encode_header,
    encode_manifest,
)
from daemon.exchange.tick_tables import TAPERED_DECI_CENT

RECORDS: list[TapeRecord] = [
    TapeSessionStarted("s", 1),
    TapeSnapshot("M", ((4000, 100), (4100, 250)), (), 1, 0, 2, None),
    TapeDelta("M", "no", 5500, -300, 2, 0, 3, 4),
    TapeTrade("M", "t-1", 4500, 100, "yes", 0, 4, 5),
    TapeTicker("M", None, 4500, 0, 100, 4500, None, 100, 100, 0, 5, 6),
    TapeSpot("elsewhere", "BTC-USD", 85_000_120_000, "77", 6, None),
    TapeTold(BookLost("M", "a gap", 6)),
    TapeDecided(7),
    TapeSessionEnded("s", 7),
]
FILE = encode_header("s", ("c",)) + encode_batch(RECORDS[:3]) + encode_batch(RECORDS[3:])
MARKET = TapeMarket(
    "M", "E", "S", "title", 0, 900, 85_000_000_000, "greater_or_equal", TAPERED_DECI_CENT,
    Fees("quadratic", 1_000_000), 2, "yes",
)  # fmt: skip
MANIFEST = TapeManifest(
    "kalshid-tape", 2, "here", (TapeSession("s", "s.tape", "00", ("c",), 1, 7, TapeCounts()),), (MARKET,)
)


def test_a_file_gives_back_its_records_in_order() -> None:
    """What was encoded in batches is read as one series, after the header."""
    reader = TapeReader(FILE, "s.tape")

    assert TapeHeader("kalshid-tape", 2, "s", ("c",)) == reader.header
    assert list(reader) == RECORDS


@given(st.integers(0, len(FILE) - 1))
def test_every_cut_is_noticed(length: int) -> None:
    """A file cut anywhere, even between two records, is refused with its name and an offset."""
    with pytest.raises(TapeError, match=r"s\.tape.*byte \d+"):
        list(TapeReader(FILE[:length], "s.tape"))


@given(st.integers(0, len(FILE) - 1), st.integers(1, 255))
def test_every_flipped_byte_is_noticed(place: int, flip: int) -> None:
    """One changed byte anywhere makes the file no tape; never another tape."""
    damaged = bytearray(FILE)
    damaged[place] ^= flip
    with pytest.raises(TapeError, match=r"s\.tape.*byte \d+"):
        list(TapeReader(bytes(damaged), "s.tape"))


def test_a_foreign_file_is_refused() -> None:
    """Whole records that hold something else are named as no tape."""
    with pytest.raises(TapeError, match=r"x\.journal: not a tape file"):
        TapeReader(frame(b"\x93\x01\x02\x03"), "x.journal")


def test_another_version_is_refused_by_number() -> None:
    """A future format says which version it is and which one this reads."""
    other = frame(msgspec.msgpack.encode(TapeHeader("kalshid-tape", 3, "s", ())))
    with pytest.raises(
        TapeError, match=r"s\.tape: 'kalshid-tape' version 3, but this reads .* version 1 to 2"
    ):
        TapeReader(other, "s.tape")


def test_an_unknown_record_is_refused_with_its_offset() -> None:
    """A batch with a record of no known kind isn't skipped."""
    start = encode_header("s", ()) + encode_batch(RECORDS[:1])
    with pytest.raises(TapeError, match=rf"unreadable batch at byte {len(start)}"):
        list(TapeReader(start + frame(msgspec.msgpack.encode([["rumour", 1]])), "s.tape"))


@pytest.mark.parametrize(
    "batches",
    [
        pytest.param([RECORDS[1:]], id="doesn't start"),
        pytest.param([RECORDS, RECORDS], id="goes on behind its end"),
        pytest.param([RECORDS[:-1]], id="doesn't end"),
    ],
)
def test_a_session_starts_once_and_ends_once(batches: list[list[TapeRecord]]) -> None:
    """Whole batches in an impossible order are refused."""
    content = encode_header("s", ()) + b"".join(encode_batch(batch) for batch in batches)
    with pytest.raises(TapeError, match=r"s\.tape"):
        list(TapeReader(content, "s.tape"))


def test_manifest_is_read_as_written() -> None:
    """The manifest survives its JSON."""
    assert decode_manifest(encode_manifest(MANIFEST), "manifest.json") == MANIFEST


def test_a_tape_of_the_first_version_is_read() -> None:
    """It has no settings and no instant at which a strike was known: both are unknown."""
    text = (
        b'{"format":"kalshid-tape","version":1,"origin":"here","sessions":[{"session":"s","file":"s.tape",'
        b'"sha256":"00","conns":["c"],"started_at":1,"ended_at":7,"counts":{}}],"markets":[]}'
    )
    entry = decode_manifest(text, "manifest.json").sessions[0]

    assert (TapeCounts(), None) == (entry.counts, entry.settings)


@pytest.mark.parametrize("text", [b"", b"{}", b'{"format":"other"}'])
def test_a_manifest_of_another_shape_is_refused(text: bytes) -> None:
    """The error names the file."""
    with pytest.raises(TapeError, match=r"t/manifest\.json"):
        decode_manifest(text, "t/manifest.json")


def test_an_unknown_manifest_version_is_refused() -> None:
    """Another version of the format isn't guessed at."""
    other = encode_manifest(msgspec.structs.replace(MANIFEST, version=9))
    with pytest.raises(TapeError, match=r"version 9, but this reads"):
        decode_manifest(other, "manifest.json")


def test_market_becomes_a_listing_with_the_status_given() -> None:
    """A tape's market has no status of its own: the replay's clock gives it."""
    spec = MARKET.spec("initialized")

    assert ("M", "initialized", 900, MARKET.bands) == (spec.ticker, spec.status, spec.close_at, spec.bands)
