"""The tape: recorded (or synthetic) market streams as files, as pure functions on bytes.

A tape is a folder: `manifest.json` and one `<session>.tape` file per recorded session. A session is a
run of its own: nothing carries over from one to the next. A tape file is a series of
`daemon.core.records` frames; the first holds a `TapeHeader`, each other one a msgpack array of records.
The first record of a session is `TapeSessionStarted`, the last `TapeSessionEnded`.

Rules: records are what was recorded, in the order in which it was received. Sequence gaps, backward
steps and repeats are kept, and so are both clocks (`received_at` the recorder's, `sent_at` the
exchange's). Unlike a journal a tape is whole or it is refused: a torn or foreign file is an error that
names the file and the offset.

A session is a recorder's, who wrote down books, trades and prices, or it was made of one of the daemon's own
journals: then it also tells, as `TapeTold`, all else that was public (listings, losses, connections, candles)
and, as `TapeDecided`, when decisions were made. What is of the account is on no tape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import msgspec

from daemon.core import events as e
from daemon.core.events import Level
from daemon.core.features.releases import Release
from daemon.core.markets import Fees, MarketResult, MarketSpec, MarketStatus
from daemon.core.records import RecordReader, frame
from daemon.core.reference import ReferenceConfig
from daemon.core.units import Money, Ns, Price, PriceBand, Qty, Side

FORMAT: Final = "kalshid-tape"
VERSION: Final = 2
READABLE: Final = (1, 2)
"""Version 1 has no told records and no settings; it is read as what it is."""
MANIFEST_NAME: Final = "manifest.json"
BATCH_RECORDS_MAX: Final = 4096


class TapeError(ValueError):
    """A tape is torn, damaged, of another format, or doesn't fit its manifest. Names the file."""


class _Record(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """What all records share: how they are built and encoded. Holds scalars only unless said."""


class TapeSessionStarted(_Record, frozen=True, tag="started"):
    """The first record of a session."""

    session: str
    received_at: Ns


class TapeSessionEnded(_Record, frozen=True, tag="ended"):
    """The last record of a session: without it a file was cut."""

    session: str
    received_at: Ns


class TapeSnapshot(_Record, frozen=True, tag="snapshot", gc=True):
    """The whole book of one market. Each side is on its own price scale; levels ascend in price.

    `conn` is the index of the recorder's connection in the session's list; `seq` is its own count.
    """

    ticker: str
    yes: tuple[Level, ...]
    no: tuple[Level, ...]
    seq: int
    conn: int
    received_at: Ns
    sent_at: Ns | None


class TapeDelta(_Record, frozen=True, tag="delta"):
    """One level's total changed by `delta`."""

    ticker: str
    side: Side
    price: Price
    delta: Qty
    seq: int
    conn: int
    received_at: Ns
    sent_at: Ns | None


class TapeTrade(_Record, frozen=True, tag="trade"):
    """A public trade at a YES price; `taker_side` is the outcome that the taker bought."""

    ticker: str
    trade_id: str
    price: Price
    qty: Qty
    taker_side: Side
    conn: int
    received_at: Ns
    sent_at: Ns | None


class TapeTicker(_Record, frozen=True, tag="ticker"):
    """The venue's conflated summary: top of book in YES prices, last trade, volume since the open.

    `bid` is None where the venue said 0 and `ask` where it said 1: there is none.
    """

    ticker: str
    bid: Price | None
    ask: Price | None
    bid_size: Qty
    ask_size: Qty
    last: Price | None
    last_qty: Qty | None
    volume: Qty
    open_interest: Qty
    conn: int
    received_at: Ns
    sent_at: Ns | None


class TapeSpot(_Record, frozen=True, tag="spot"):
    """A trade of the underlying on its own venue, in Money per unit."""

    source: str
    symbol: str
    price: Money
    trade_id: str
    received_at: Ns
    sent_at: Ns | None


Told: TypeAlias = (
    e.MarketRouted
    | e.BookLost
    | e.BookAudited
    | e.CandleBackfilled
    | e.TradesBackfilled
    | e.MarketBackfilled
    | e.DailyBarRead
    | e.ReferenceCandleClosed
    | e.ReferenceStatusTold
    | e.FeedHeard
    | e.FeedConnected
    | e.FeedDropped
    | e.TradesLost
    | e.MarketListed
    | e.MarketStatusChanged
    | e.MarketCloseMoved
    | e.MarketGridChanged
    | e.MarketStrikeSet
    | e.MarketDetermined
    | e.MarketSettled
    | e.MarketDropped
)
"""The public facts of a journal that have no record of their own."""


class TapeTold(_Record, frozen=True, tag="told", gc=True):
    """A public fact that the daemon took in, as it was journalled."""

    event: Told

    @property
    def received_at(self) -> Ns:
        """When it came, by the recorder's clock."""
        return self.event.received_at


class TapeDecided(_Record, frozen=True, tag="decided", gc=True):
    """The daemon decided at this instant, on all that stands before.

    `touched` are markets that it may have looked at for its own account's sake, and not for what is on the
    tape; `is_all_touched` says that these may be all that it watched.
    """

    received_at: Ns
    touched: tuple[str, ...] = ()
    is_all_touched: bool = False


TapeRecord: TypeAlias = (
    TapeDelta
    | TapeTicker
    | TapeSpot
    | TapeTrade
    | TapeSnapshot
    | TapeSessionStarted
    | TapeSessionEnded
    | TapeTold
    | TapeDecided
)


class TapeHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first frame of a tape file: what it is, and the connections that `conn` counts."""

    format: str
    version: int
    session: str
    conns: tuple[str, ...]


class TapeCounts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows of a session by kind, and how often a stream's `seq` didn't rise by one.

    `jumps` forward by more than one, `backward_steps`, and `repeats`, each within one connection.
    """

    snapshots: int = 0
    deltas: int = 0
    trades: int = 0
    tickers: int = 0
    spots: int = 0
    told: int = 0
    decided: int = 0
    jumps: int = 0
    backward_steps: int = 0
    repeats: int = 0


class TapeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the daemon whose journal it was was configured with, as far as features depend on it."""

    reference: ReferenceConfig
    releases: tuple[Release, ...]
    audit_differences_max: int
    heartbeat: Ns


class TapeSession(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One recorded session, its file, and what is in it. `settings` is None where a recorder made it."""

    session: str
    file: str
    sha256: str
    conns: tuple[str, ...]
    started_at: Ns
    ended_at: Ns
    counts: TapeCounts
    settings: TapeSettings | None = None


class TapeMarket(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One market of a tape: what `MarketSpec` says in the end, and how it ended; `outcome` None is unknown.

    `strike_known_at` is when the recorder first saw the strike, None where that was not noted.
    """

    ticker: str
    event_ticker: str
    series_ticker: str
    title: str
    open_at: Ns
    close_at: Ns
    strike: Money | None
    strike_type: str | None
    bands: tuple[PriceBand, ...]
    fees: Fees
    exchange_index: int
    outcome: MarketResult | None
    strike_known_at: Ns | None = None

    def spec(self, status: MarketStatus) -> MarketSpec:
        """Return the market as the venue lists it, with this status."""
        return MarketSpec(
            ticker=self.ticker,
            event_ticker=self.event_ticker,
            series_ticker=self.series_ticker,
            title=self.title,
            status=status,
            open_at=self.open_at,
            close_at=self.close_at,
            strike=self.strike,
            strike_type=self.strike_type,
            bands=self.bands,
            fees=self.fees,
            exchange_index=self.exchange_index,
        )


class TapeManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a tape folder holds. Sessions in the order of their start, markets in the order of their close."""

    format: str
    version: int
    origin: str
    sessions: tuple[TapeSession, ...]
    markets: tuple[TapeMarket, ...]


_encoder = msgspec.msgpack.Encoder()
_header_decoder = msgspec.msgpack.Decoder(TapeHeader)
_batch_decoder = msgspec.msgpack.Decoder(list[TapeRecord])
_manifest_decoder = msgspec.json.Decoder(TapeManifest)


def encode_header(session: str, conns: tuple[str, ...]) -> bytes:
    """Return the first frame of a session's file."""
    return frame(_encoder.encode(TapeHeader(FORMAT, VERSION, session, conns)))


def encode_batch(records: Sequence[TapeRecord]) -> bytes:
    """Return records as one frame; at least one, best no more than BATCH_RECORDS_MAX."""
    assert records, "an empty batch"
    return frame(_encoder.encode(records))


def _check_format(file: str, found: str, version: int) -> None:
    if found != FORMAT or version not in READABLE:
        raise TapeError(
            f"{file}: {found!r} version {version}, but this reads {FORMAT!r} version 1 to {VERSION}"
        )


def _decode_header(payload: memoryview, file: str) -> TapeHeader:
    try:
        header = _header_decoder.decode(payload)
    except msgspec.MsgspecError as exc:
        raise TapeError(f"{file}: not a tape file (byte 0: {exc})") from exc
    _check_format(file, header.format, header.version)
    return header


class TapeReader:
    """Iterates over the records of one tape file, given whole as bytes.

    Raises:
        TapeError: at the first byte that is no tape, naming file and offset; also when the file ends
            before its session does, or goes on after it.
    """

    def __init__(self, buffer: bytes | memoryview, file: str) -> None:
        self._buffer = buffer
        self._file = file
        payload = next(iter(RecordReader(buffer)), None)
        if payload is None:
            raise TapeError(f"{file}: not a tape file (no whole record at byte 0)")
        self.header = _decode_header(payload, file)

    def __iter__(self) -> Iterator[TapeRecord]:
        reader = RecordReader(self._buffer)
        frames = iter(reader)
        next(frames)
        last: TapeRecord | None = None
        begin = reader.end
        for payload in frames:
            try:
                batch = _batch_decoder.decode(payload)
            except msgspec.MsgspecError as exc:
                raise TapeError(f"{self._file}: unreadable batch at byte {begin}: {exc}") from exc
            if not batch or isinstance(last, TapeSessionEnded):
                raise TapeError(f"{self._file}: a batch that doesn't belong there at byte {begin}")
            if last is None and not isinstance(batch[0], TapeSessionStarted):
                raise TapeError(f"{self._file}: the session doesn't start at byte {begin}")
            yield from batch
            last = batch[-1]
            begin = reader.end
        if reader.is_torn:
            raise TapeError(f"{self._file}: torn or damaged record at byte {reader.end}")
        if not isinstance(last, TapeSessionEnded):
            raise TapeError(f"{self._file}: cut at byte {reader.end}: the session doesn't end")


def encode_manifest(manifest: TapeManifest) -> bytes:
    """Return the manifest as indented JSON, which ends with a line break."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def decode_manifest(text: bytes, file: str) -> TapeManifest:
    """Return the manifest.

    Raises:
        TapeError: it isn't one, or is of another format or version; names the file.
    """
    try:
        manifest = _manifest_decoder.decode(text)
    except msgspec.MsgspecError as exc:
        raise TapeError(f"{file}: not a tape manifest: {exc}") from exc
    _check_format(file, manifest.format, manifest.version)
    return manifest
