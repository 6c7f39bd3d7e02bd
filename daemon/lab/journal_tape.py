"""The importer of the daemon's own journals: what was public in them becomes a tape, one session a journal.

Books, trades and prices become the records that a recorder writes; all other public facts are told as they
were journalled, and the instants of the decisions are kept. What is of our account (orders, fills, positions,
cash, the operator's words) stays in the journal.

A journal has no sequence numbers: they are counted anew for each life of a connection, and where a book was
lost one number is left out, so that whoever plays the tape meets a gap there too.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final, TypeAlias, get_args

import msgspec

from daemon.core import events as e
from daemon.core.commands import Command, Decided
from daemon.core.connections import FIRST_FEED
from daemon.core.engine_config import EngineConfig
from daemon.core.markets import MarketSpec
from daemon.core.units import Ns
from daemon.exchange.tape import (
    TapeDecided,
    TapeDelta,
    TapeManifest,
    TapeMarket,
    TapeRecord,
    TapeSettings,
    TapeSnapshot,
    TapeSpot,
    TapeTold,
    TapeTrade,
    Told,
)
from daemon.lab.tape_writer import TapeWriter
from daemon.shell.journal import JournalFile, JournalUnreadable, Record, newest_first, read_journal

NO_TRADE_ID: Final = ""
"""A journal keeps the price of the underlying and not which trade of its venue it was."""
_TOLD: Final = frozenset(get_args(Told))
_WITHOUT_A_MARKET: Final = (
    e.VenueAnswered, e.VenueFailed, e.FrameRefused, e.ChannelQuieted, e.QueuePlacesRead,
)  # fmt: skip
"""What makes the core look at no market."""
_Listing: TypeAlias = (
    e.MarketListed | e.MarketStrikeSet | e.MarketCloseMoved | e.MarketGridChanged | e.MarketDetermined
)


class _Setup(msgspec.Struct, frozen=True):
    """The part of a journal's header that features depend on."""

    engine: EngineConfig


def settings_of(file: JournalFile) -> TapeSettings:
    """Return what the daemon that wrote a journal was configured with.

    Raises:
        JournalUnreadable: its header holds no engine configuration that this version knows.
    """
    try:
        engine = msgspec.msgpack.decode(file.header.engine, type=_Setup).engine
    except msgspec.DecodeError as error:
        raise JournalUnreadable(f"{file.path}: the engine's configuration in the header: {error}") from error
    return TapeSettings(engine.reference, engine.releases, engine.audit_differences_max, engine.heartbeat)


class _Lives:
    """The venue's connections: each time that one is up it is another, with sequence numbers of its own."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        """What the session's `conns` lists, with the place in it."""
        self._lives: dict[e.Feed, int] = {}
        self._routes: dict[str, e.Feed] = {}
        self._seqs: dict[int, int] = {}
        self._has_hole: dict[int, None] = {}

    def apply(self, event: Told) -> None:
        """Take what changes a connection, a route, or the trust in a book."""
        match event:
            case e.FeedConnected():
                self._lives[event.feed] = self._lives.get(event.feed, 0) + 1
            case e.MarketRouted():
                self._routes[event.ticker] = event.feed
            case e.MarketDropped():
                self._routes.pop(event.ticker, None)
            case e.BookLost():
                self._has_hole[self.of(event.ticker)] = None
            case _:
                pass

    def of(self, ticker: str) -> int:
        """Return the place of the connection over which a market comes now."""
        feed = self._routes.get(ticker, FIRST_FEED)
        name = f"{feed}#{self._lives.get(feed, 0)}"
        return self.names.setdefault(name, len(self.names))

    def count(self, conn: int) -> int:
        """Return the next sequence number of a connection; one is left out after a loss."""
        skipped = 2 if conn in self._has_hole else 1
        self._has_hole.pop(conn, None)
        seq = self._seqs[conn] = self._seqs.get(conn, 0) + skipped
        return seq


class _Own:
    """What our own account made the daemon look at between two decisions: rather too many than too few."""

    def __init__(self) -> None:
        self._tickers: dict[str, str] = {}
        """The market of each of our orders."""
        self._touched: dict[str, None] = {}
        self._is_all = False

    def apply(self, record: Command | e.Event) -> None:
        """Take a command, or an event that is not on the tape."""
        if isinstance(record, _WITHOUT_A_MARKET):
            return
        order_id = getattr(record, "client_order_id", None)
        ticker = getattr(record, "ticker", None) or self._tickers.get(order_id or "")
        if ticker is None or isinstance(record, e.OrderRejected):
            # A command without a market is a question or a word to the venue.
            self._is_all |= not isinstance(record, Command)
            return
        if order_id is not None:
            self._tickers[order_id] = ticker
        self._touched[ticker] = None

    def decide(self, now: Ns) -> TapeDecided:
        """Return the mark of a decision, and begin anew."""
        decided = TapeDecided(now, tuple(self._touched), self._is_all)
        self._touched, self._is_all = {}, False
        return decided


def _record_of(record: Record, lives: _Lives, own: _Own) -> TapeRecord | None:
    """Return what a tape keeps of a journal's record; None for what is ours."""
    match record:
        case e.BookDeltaReceived():
            conn = lives.of(record.ticker)
            return TapeDelta(
                record.ticker, record.side, record.price, record.delta, lives.count(conn), conn,
                record.received_at, record.sent_at,
            )  # fmt: skip
        case e.BookSnapshotReceived():
            conn = lives.of(record.ticker)
            return TapeSnapshot(
                record.ticker, record.yes, record.no, lives.count(conn), conn,
                record.received_at, record.sent_at,
            )  # fmt: skip
        case e.TradePrinted():
            return TapeTrade(
                record.ticker, record.trade_id, record.price, record.qty, record.taker_side,
                lives.of(record.ticker), record.received_at, record.sent_at,
            )  # fmt: skip
        case e.ReferencePriceReceived():
            return TapeSpot(
                record.source, record.symbol, record.price, NO_TRADE_ID, record.received_at, record.sent_at
            )
        case Decided():
            return own.decide(record.now)
        case _ if type(record) in _TOLD:
            lives.apply(record)  # type: ignore[arg-type]  # one of the union, by the test before
            return TapeTold(record)  # type: ignore[arg-type]
        case _:
            own.apply(record)  # what is no event of the tape's is of the account
            return None


class _Markets:
    """The journals' markets as they stood in the end."""

    def __init__(self) -> None:
        self._specs: dict[str, MarketSpec] = {}
        self._outcomes: dict[str, e.MarketDetermined] = {}
        self._strike_known_at: dict[str, Ns] = {}

    def apply(self, event: _Listing) -> None:
        """Take what is told of a listing; a strike that is known stays known, as in the core."""
        if isinstance(event, e.MarketListed):
            spec = event.spec
            known = self._specs.get(spec.ticker)
            if spec.strike is None and known is not None:
                spec = msgspec.structs.replace(spec, strike=known.strike)
            self._specs[spec.ticker] = spec
            if spec.strike is not None:
                self._strike_known_at.setdefault(spec.ticker, event.received_at)
            return
        found = self._specs.get(event.ticker)
        if found is None:
            return  # the core counts it as a word on a market that it doesn't watch
        match event:
            case e.MarketStrikeSet():
                self._specs[event.ticker] = msgspec.structs.replace(found, strike=event.strike)
                self._strike_known_at.setdefault(event.ticker, event.received_at)
            case e.MarketCloseMoved():
                self._specs[event.ticker] = msgspec.structs.replace(found, close_at=event.close_at)
            case e.MarketGridChanged():
                self._specs[event.ticker] = msgspec.structs.replace(found, bands=event.bands)
            case e.MarketDetermined():
                self._outcomes[event.ticker] = event

    def listed(self) -> tuple[TapeMarket, ...]:
        """Return all markets; their times, strikes and outcomes are the last ones told."""
        return tuple(
            TapeMarket(
                ticker=ticker,
                event_ticker=spec.event_ticker,
                series_ticker=spec.series_ticker,
                title=spec.title,
                open_at=spec.open_at,
                close_at=spec.close_at,
                strike=spec.strike,
                strike_type=spec.strike_type,
                bands=spec.bands,
                fees=spec.fees,
                exchange_index=spec.exchange_index,
                outcome=self._outcomes[ticker].result if ticker in self._outcomes else None,
                strike_known_at=self._strike_known_at.get(ticker),
            )
            for ticker, spec in self._specs.items()
        )


def _first_of(file: JournalFile) -> tuple[tuple[str, ...], Ns | None]:
    """Return the names of all connections of a journal, and its first instant; None if it tells nothing."""
    lives, own, first_at = _Lives(), _Own(), None
    for batch in file:
        for record in batch:
            kept = _record_of(record, lives, own)
            if kept is not None and first_at is None:
                first_at = kept.received_at
    return tuple(lives.names), first_at


def journals_in(source: Path) -> tuple[Path, ...]:
    """Return the journals of a folder, the oldest first, or the one that `source` is.

    Raises:
        JournalUnreadable: there is none.
    """
    found = tuple(reversed(newest_first(source))) if source.is_dir() else (source,)
    if not found:
        raise JournalUnreadable(f"{source}: no journal here (<epoch>.journal)")
    return found


def import_journals(sources: Iterable[Path], target: Path) -> TapeManifest:
    """Turn journals into a tape folder and return its manifest. Read twice: memory holds one batch.

    Args:
        sources: the files; each becomes the session `journal-<epoch>`. A torn end is left out.
        target: the tape folder; made when absent.

    Raises:
        JournalUnreadable: a file isn't a journal that this version reads, or tells nothing public.
        FileExistsError: `target` holds a tape already.
        OSError: a file can't be read or written.
    """
    markets = _Markets()
    with TapeWriter(target, origin="imported from journals") as tape:
        for path in sources:
            file = read_journal(path)
            conns, first_at = _first_of(file)
            if first_at is None:
                raise JournalUnreadable(f"{path}: nothing public happened in it")
            writer = tape.session(f"journal-{file.header.epoch}", conns, first_at, settings_of(file))
            lives, own = _Lives(), _Own()
            for batch in file:
                for record in batch:
                    kept = _record_of(record, lives, own)
                    if kept is None:
                        continue
                    writer.add(kept)
                    if isinstance(kept, TapeTold) and isinstance(kept.event, _Listing):
                        markets.apply(kept.event)
        return tape.finish(markets.listed())
