"""A tape's session as the core would have been told it live: records in, events and decision instants out.

A journal's session has all that the core was told; it passes through as it is. A recorder's session lacks
what our own connections and lists would have said, so that is told here, each at the instant at which it
could have been known:

- the connection is up when the session begins; a market is listed when it opens (or at the session's begin)
  and dropped when it closes; its strike is told when the recorder first saw it, or half a second after the
  open, where that was not noted. Nothing of a market's end is ever told;
- a number that doesn't follow its connection's last one means that frames are missing: all books of that
  connection are lost until their next snapshots. A snapshot numbered 1 begins a new subscription, and says
  nothing of the others. A delta over another connection than its market's last snapshot is no news;
- until the session's first trade nobody knows that trades were recorded at all, so they stay unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Final, TypeAlias

import msgspec

from daemon.core import events as e
from daemon.core.connections import FIRST_FEED
from daemon.core.units import MILLISECOND, Ns
from daemon.exchange.tape import (
    TapeDecided,
    TapeDelta,
    TapeMarket,
    TapeRecord,
    TapeSession,
    TapeSessionStarted,
    TapeSnapshot,
    TapeSpot,
    TapeTold,
    TapeTrade,
)

Happening: TypeAlias = e.Event | TapeDecided

STRIKE_DELAY: Final[Ns] = 500 * MILLISECOND
"""How long after the open the venue tells the strike of a recurring market."""
SPOT_AS: Final = ("kraken", "BTC/USD")
"""What a recorder's price of the underlying stands for, whatever venue it was recorded at."""


def events_of(
    session: TapeSession, markets: Mapping[str, TapeMarket], records: Iterable[TapeRecord]
) -> Iterator[Happening]:
    """Yield what the core is told of a session, in order.

    Args:
        session: the session's entry in its tape's manifest.
        markets: the tape's markets by ticker.
        records: the session's records.

    Raises:
        KeyError: a record names a market that the manifest doesn't.
    """
    if session.settings is None:
        return _Recorded(markets).events(records)
    return _journalled(records)


def _journalled(records: Iterable[TapeRecord]) -> Iterator[Happening]:
    """Yield a journal's session: each record is one thing that the core took in."""
    for record in records:
        match record:
            case TapeDelta():
                yield _delta(record)
            case TapeSnapshot():
                yield _snapshot(record)
            case TapeTrade():
                yield _trade(record)
            case TapeSpot():
                yield e.ReferencePriceReceived(
                    record.source, record.symbol, record.price, record.received_at, record.sent_at
                )
            case TapeTold():
                yield record.event
            case TapeDecided():
                yield record
            case _:
                pass  # the marks of begin and end


class _Recorded:
    """A recorder's session on its way to the core."""

    def __init__(self, markets: Mapping[str, TapeMarket]) -> None:
        self._markets = markets
        self._due: list[tuple[Ns, int, e.Event]] = []
        """What time alone brings, the last one first."""
        self._listed: dict[str, None] = {}
        self._seqs: dict[int, int] = {}
        self._conns: dict[str, int] = {}
        """Over which connection each market's last snapshot came."""
        self._has_traded = False
        self._now: Ns = 0

    def events(self, records: Iterable[TapeRecord]) -> Iterator[e.Event]:
        """Yield the session's events. A record that was written late is told when the later one was."""
        for record in records:
            now = self._now = max(self._now, record.received_at)
            due = self._due
            while due and due[-1][0] <= now:
                yield from self._arrive(due.pop())
            match record:
                case TapeDelta():
                    yield from self._follow(record)
                    if self._conns.get(record.ticker) == record.conn:
                        yield _delta(record)
                case TapeSpot():
                    source, symbol = SPOT_AS
                    yield e.ReferencePriceReceived(
                        source, symbol, record.price, record.received_at, record.sent_at
                    )
                case TapeSnapshot():
                    yield from self._resync(record)
                case TapeTrade():
                    yield from self._mention(record.ticker)
                    self._has_traded = True
                    yield _trade(record)
                case TapeSessionStarted():
                    yield from self._begin(record.received_at)
                case _:
                    pass  # summaries are nothing that the core reads

    def _begin(self, at: Ns) -> Iterator[e.Event]:
        yield e.FeedConnected(FIRST_FEED, at)
        due: list[tuple[Ns, int, e.Event]] = []
        for number, market in enumerate(self._markets.values()):
            if market.close_at <= at:
                continue
            listed_at = max(at, market.open_at)
            listing = msgspec.structs.replace(market.spec("active"), strike=None)
            due.append((listed_at, number, e.MarketListed(listing, listed_at)))
            if market.strike is not None:
                known_at = market.strike_known_at
                known_at = market.open_at + STRIKE_DELAY if known_at is None else known_at
                told_at = max(listed_at, known_at)
                due.append((told_at, number, e.MarketStrikeSet(market.ticker, market.strike, told_at)))
            due.append((market.close_at, number, e.MarketDropped(market.ticker, market.close_at)))
        due.sort(key=itemgetter(0, 1))  # stable: a market is listed before its strike is told
        due.reverse()
        self._due = due
        while due and due[-1][0] <= at:
            yield from self._arrive(due.pop())

    def _arrive(self, due: tuple[Ns, int, e.Event]) -> Iterator[e.Event]:
        event = due[2]
        match event:
            case e.MarketListed():
                if event.spec.ticker in self._listed:
                    return
                self._listed[event.spec.ticker] = None
            case e.MarketDropped():
                self._conns.pop(event.ticker, None)
            case _:
                pass
        yield event

    def _mention(self, ticker: str) -> Iterator[e.Event]:
        """List a market that is recorded before it opens, as soon as it is seen."""
        if ticker not in self._listed:
            market = self._markets[ticker]
            self._listed[ticker] = None
            if market.close_at > self._now:
                yield e.MarketListed(msgspec.structs.replace(market.spec("active"), strike=None), self._now)

    def _follow(self, record: TapeDelta | TapeSnapshot) -> Iterator[e.Event]:
        """Lose a connection's books where a number doesn't follow the last one."""
        conn, seq = record.conn, record.seq
        last = self._seqs.get(conn)
        self._seqs[conn] = seq
        if last is None or seq == last + 1 or (seq == 1 and isinstance(record, TapeSnapshot)):
            return
        reason = f"seq {seq} after {last}"
        for ticker in [ticker for ticker, its in self._conns.items() if its == conn]:
            del self._conns[ticker]
            yield e.BookLost(ticker, reason, record.received_at)

    def _resync(self, record: TapeSnapshot) -> Iterator[e.Event]:
        yield from self._follow(record)
        yield from self._mention(record.ticker)
        self._conns[record.ticker] = record.conn
        yield _snapshot(record)
        if not self._has_traded:
            yield e.TradesLost(FIRST_FEED, "no trade was recorded so far", record.received_at)


def _delta(record: TapeDelta) -> e.BookDeltaReceived:
    return e.BookDeltaReceived(
        record.ticker, record.side, record.price, record.delta, record.received_at, record.sent_at
    )


def _snapshot(record: TapeSnapshot) -> e.BookSnapshotReceived:
    return e.BookSnapshotReceived(record.ticker, record.yes, record.no, record.received_at, record.sent_at)


def _trade(record: TapeTrade) -> e.TradePrinted:
    return e.TradePrinted(
        record.ticker, record.trade_id, record.price, record.qty, record.taker_side,
        record.received_at, record.sent_at,
    )  # fmt: skip
