"""The flow of a tape: recorded sessions, one after another, through shadow books.

The recorder's clock is the sandbox's time. Each session is a run of its own: when it ends, its books are
emptied and all connections are cut; time goes on where the next session begins. What was recorded is
passed on as it was: a sequence number that didn't follow the last one is told as `SequenceJumped`.

Markets are listed when the first session begins that mentions them. They open and close by the clock,
are determined about a second after their close and settled some seconds later, as the manifest says they
ended; a market whose outcome the tape doesn't know stays closed, unsettled (`unsettled` names them).
A session that ends before its markets closed is followed by their determination when time has got
there, which is after the cut; behind the last session time jumps to where all is settled and stays for
some seconds, so that a client can still read how it ended. What the public is told of a recorded change
carries the exchange's own stamp, so that its lag behind the recorder's clock is the recorded one; our
fills carry the sandbox's time. Sessions without a single delta are left out unless asked for: there is
nothing to trade against.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from daemon.core.units import MILLISECOND, PRICE_ONE, SECOND, Ns
from daemon.exchange.exchange import Exchange
from daemon.exchange.facts import BookReplaced, Fact, LevelChanged, TickerTold
from daemon.exchange.tape import (
    MANIFEST_NAME,
    TapeDecided,
    TapeDelta,
    TapeError,
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
)
from daemon.sandbox.flow import ConnectionCut, Ended, History, MakeFlow, SequenceJumped, SpotPrinted, Telling

SYMBOL: Final = "BTC/USD"
"""What our reference feed calls the price, whatever the recorder's venue called it."""

_DETERMINED_AFTER: Final[Ns] = 1_100 * MILLISECOND
_SETTLED_AFTER: Final[Ns] = 7 * SECOND
_TAIL: Final[Ns] = 10 * SECOND
"""How long a session goes on after its last record, so that a market closing there is settled."""


class TapeFolder:
    """A tape on disk: its manifest, and its sessions' records, verified before any of them is used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / MANIFEST_NAME
        try:
            text = path.read_bytes()
        except OSError as exc:
            raise TapeError(f"{path}: no tape here: {exc.strerror}") from exc
        self.manifest: TapeManifest = decode_manifest(text, str(path))

    def records(self, session: TapeSession) -> Iterator[TapeRecord]:
        """Return the records of one session, in recorded order.

        Raises:
            TapeError: the file is missing, or isn't the one that the manifest was written for.
        """
        path = self.folder / session.file
        if path.parent != self.folder:
            raise TapeError(f"{self.folder / MANIFEST_NAME}: {session.file!r} lies outside the tape")
        try:
            block = path.read_bytes()
        except OSError as exc:
            raise TapeError(f"{path}: {exc.strerror}") from exc
        reader = TapeReader(block, str(path))
        if hashlib.sha256(block).hexdigest() != session.sha256:
            # Damage says where it is; a whole file of another tape says only that it is another.
            for _ in reader:
                pass
            raise TapeError(f"{path}: not the file that the manifest describes (sha256 differs)")
        return iter(reader)


class TapeFlow:
    """See the module's head; the protocol is `daemon.sandbox.flow.Flow`."""

    def __init__(
        self,
        folder: TapeFolder,
        speed: float | None = 1.0,
        sessions: tuple[str, ...] | None = None,
    ) -> None:
        """Choose sessions of a tape; None for all that have deltas.

        Raises:
            TapeError: there is no such session, or none with deltas.
        """
        self.mode = "tape"
        self.speed = speed
        self._folder = folder
        self._sessions = self._chosen(sessions)
        self._markets = {market.ticker: market for market in folder.manifest.markets}
        self.start_at: Ns = self._sessions[0].started_at
        self._place = 0
        self._records: Iterator[TapeRecord] = iter(())
        self._pending: TapeRecord | None = None
        self._session_tickers: dict[str, None] = {}
        """The markets that the session's rows have named so far."""
        self._is_listed = False
        self._session_end_at: Ns | None = None
        self._seqs: dict[int, int] = {}
        self._open: dict[str, TapeMarket] = {}
        self._due_at: Ns | None = None
        """When the next of the open markets closes, or closed without being settled yet."""
        self._spot_id = 0
        self._is_over = False
        self._epilogue_end_at: Ns | None = None
        self.unsettled: list[str] = []
        """Markets that closed with an outcome that the tape doesn't know."""
        self.records_total = 0
        self.jumps_total = 0
        self._begin_session()

    def _chosen(self, names: tuple[str, ...] | None) -> tuple[TapeSession, ...]:
        manifest = self._folder.manifest
        if names is None:
            found = tuple(entry for entry in manifest.sessions if entry.counts.deltas)
        else:
            known = {entry.session for entry in manifest.sessions}
            absent = [name for name in names if name not in known]
            if absent:
                raise TapeError(f"{self._folder.folder}: no such session: {', '.join(absent)}")
            found = tuple(entry for entry in manifest.sessions if entry.session in names)
        if not found:
            raise TapeError(f"{self._folder.folder}: no session to replay")
        return found

    def history(self) -> History:
        """Return the past up to `start_at`: a tape tells none, the session's lead warms features up."""
        return History(candles={}, trades=(), markets=(), spot=())

    def advance(self, exchange: Exchange, now: Ns) -> list[Telling]:
        """Let happen what was recorded up to `now`, and return what to publish, in order."""
        told: list[Telling] = []
        if not self._is_listed and not self._is_over:
            self._list_session(exchange, now, told)
        while not self._is_over:
            record, end_at = self._pending, self._session_end_at
            if record is not None and record.received_at <= now:
                self._pending = next(self._records, None)
                self._live(exchange, record.received_at, told)
                self._apply(exchange, record, told)
            elif record is None and end_at is not None and end_at <= now:
                self._live(exchange, end_at, told)
                self._end_session(exchange, end_at, told)
            else:
                break
        self._live(exchange, now, told)
        if self._epilogue_end_at is not None and self._epilogue_end_at <= now:
            self._epilogue_end_at = None
            told.append(Ended(now))
        return told

    # --- sessions ----------------------------------------------------------------------------

    def _begin_session(self) -> None:
        self._records = self._folder.records(self._sessions[self._place])
        self._pending = next(self._records, None)
        self._session_tickers = {}
        self._is_listed = False
        self._session_end_at = None
        self._seqs = {}

    def _end_session(self, exchange: Exchange, at: Ns, told: list[Telling]) -> None:
        ended = self._sessions[self._place]
        for ticker in self._session_tickers:
            told += exchange.apply_snapshot(ticker, (), (), at)
        self._place += 1
        if self._place < len(self._sessions):
            resume_at = max(at, self._sessions[self._place].started_at)
            told.append(ConnectionCut(f"recorded session {ended.session} ended", resume_at, at))
            self._begin_session()
            return
        self._is_over = True
        waits = [market.close_at for market in self._open.values() if market.outcome is not None]
        if not waits:
            told += [ConnectionCut(f"recorded session {ended.session} ended", None, at), Ended(at)]
            return
        settled_at = max(waits) + _SETTLED_AFTER
        self._epilogue_end_at = settled_at + _TAIL
        told.append(ConnectionCut(f"recorded session {ended.session} ended", settled_at, at))

    # --- records -----------------------------------------------------------------------------

    def _apply(self, exchange: Exchange, record: TapeRecord, told: list[Telling]) -> None:
        self.records_total += 1
        at = record.received_at
        match record:
            case TapeDelta():
                self._sequence(record, told)
                self._list(exchange, record.ticker, at, told)
                facts = exchange.apply_delta(record.ticker, record.side, record.price, record.delta, at)
                told += _stamped(facts, record.sent_at)
            case TapeTicker():
                self._list(exchange, record.ticker, at, told)
                told += exchange.apply_ticker(_ticker_told(record))
            case TapeSpot():
                told.append(self._spot(record))
            case TapeSnapshot():
                self._sequence(record, told)
                self._list(exchange, record.ticker, at, told)
                facts = exchange.apply_snapshot(record.ticker, record.yes, record.no, at)
                told += _stamped(facts, record.sent_at)
            case TapeTrade():
                self._list(exchange, record.ticker, at, told)
                told += exchange.apply_print(
                    record.ticker, record.trade_id, record.price, record.qty, record.taker_side, at
                )
            case TapeSessionStarted() | TapeTold() | TapeDecided():
                pass  # listings and losses are made anew here; decisions are the client's own
            case TapeSessionEnded():
                self._session_end_at = self._end_of_session(at)

    def _end_of_session(self, at: Ns) -> Ns:
        """Return when the cut comes: with the last record, or some seconds later as the next one allows."""
        following = self._place + 1
        if following == len(self._sessions):
            return at + _TAIL
        return max(at, min(at + _TAIL, self._sessions[following].started_at))

    def _sequence(self, record: TapeDelta | TapeSnapshot, told: list[Telling]) -> None:
        last = self._seqs.get(record.conn)
        self._seqs[record.conn] = record.seq
        # A stream's first number says nothing about what came before: subscribers start at their own.
        if last is not None and record.seq != last + 1:
            self.jumps_total += 1
            told.append(SequenceJumped(record.seq - last - 1, record.received_at))

    def _spot(self, record: TapeSpot) -> SpotPrinted:
        # The recorder kept price and id of a trade; its size and direction are unknown, and nothing of
        # ours reads them: one unit of the smallest size stands for them on the wire.
        self._spot_id += 1
        is_number = record.trade_id.isascii() and record.trade_id.isdigit()
        trade_id = int(record.trade_id) if is_number else self._spot_id
        return SpotPrinted(SYMBOL, record.price, 1, True, trade_id, record.received_at)

    # --- markets -----------------------------------------------------------------------------

    def _list_session(self, exchange: Exchange, now: Ns, told: list[Telling]) -> None:
        """List what is open during a session at its start, so that clients can find it before it moves."""
        session = self._sessions[self._place]
        for ticker, market in self._markets.items():
            if market.open_at < session.ended_at and market.close_at > session.started_at:
                self._list_market(exchange, ticker, now, told)
        self._is_listed = True

    def _list(self, exchange: Exchange, ticker: str, at: Ns, told: list[Telling]) -> None:
        """Make sure that a market is listed that the recording mentions."""
        if ticker in self._session_tickers:
            return
        self._session_tickers[ticker] = None
        self._list_market(exchange, ticker, at, told)

    def _list_market(self, exchange: Exchange, ticker: str, at: Ns, told: list[Telling]) -> None:
        if ticker in exchange.markets:
            return
        market = self._markets.get(ticker)
        if market is None:
            raise TapeError(f"{self._folder.folder / MANIFEST_NAME}: no market {ticker}, but rows of it")
        told += exchange.list_market(market.spec("initialized"), at, is_shadow=True)
        self._open[ticker] = market
        if self._due_at is None or market.close_at < self._due_at:
            self._due_at = market.close_at

    def _live(self, exchange: Exchange, now: Ns, told: list[Telling]) -> None:
        """Close, determine and settle what is due."""
        if self._due_at is None or self._due_at > now:
            return
        told += exchange.advance(now)
        over: list[str] = []
        for ticker, market in self._open.items():
            if market.close_at > now:
                continue
            if market.outcome is None:
                self.unsettled.append(ticker)
                over.append(ticker)
                continue
            if now >= market.close_at + _DETERMINED_AFTER:
                price = PRICE_ONE if market.outcome == "yes" else 0
                told += exchange.determine(ticker, market.outcome, price, now)
            if now >= market.close_at + _SETTLED_AFTER:
                told += exchange.settle(ticker, now)
                over.append(ticker)
        for ticker in over:
            del self._open[ticker]
        self._due_at = min((market.close_at for market in self._open.values()), default=None)


def _ticker_told(record: TapeTicker) -> TickerTold:
    return TickerTold(
        record.ticker,
        record.bid,
        record.ask,
        record.bid_size,
        record.ask_size,
        record.last,
        record.last_qty,
        record.volume,
        record.open_interest,
        record.received_at if record.sent_at is None else record.sent_at,
    )


def _stamped(facts: list[Fact], sent_at: Ns | None) -> list[Fact]:
    """Give the recorded change, always the first fact of its call, the exchange's own stamp."""
    if sent_at is not None and facts and isinstance(facts[0], (LevelChanged, BookReplaced)):
        facts[0] = msgspec.structs.replace(facts[0], at=sent_at)
    return facts


def tape_flow(folder: Path, speed: float | None, sessions: tuple[str, ...] | None = None) -> MakeFlow:
    """Return what makes the flow of a tape folder; nothing of an earlier life is resumed.

    Raises:
        TapeError: at once, if the folder isn't a tape or lacks a session.
    """
    flow = TapeFlow(TapeFolder(folder), speed, sessions)
    return lambda _resumed: flow
