"""One WebSocket conversation with the venue, without any I/O: frames in, events out, commands to send.

What it guarantees: a book that it lets through as synced has had its snapshot, and every numbered frame
since: a gap or a reset of a sid's numbers (see `Stream.take`) loses every book of that sid.

A lost book is asked for again with `get_snapshot`, and its deltas are dropped until that comes. A frame
that can't be read may have been a delta of any book: what it concerned is lost too. Everything odd is
counted. The session is told the time and reads no clock. Source: protocol sheet 2.3, 2.5.
"""

from __future__ import annotations

import msgspec

from daemon.core import events as e
from daemon.core.units import MILLISECOND, Ns
from daemon.kalshi import wire
from daemon.kalshi.book_sync import BookSync
from daemon.kalshi.decode import (
    PRICES,
    QTYS,
    decode_fill,
    decode_lifecycle,
    decode_order,
    decode_snapshot,
    decode_trade,
    frame_type,
)
from daemon.kalshi.errors import BadFrame
from daemon.kalshi.refusals import Tally, identify
from daemon.kalshi.subscriptions import BOOKS, LIFECYCLE, PRIVATE, TRADES, Stream, Subscriptions

TERMINAL_ERRORS = frozenset({7, 10, 17, 25})
"""The subscription is dead (10, 25; 17 until June) or unknown to the venue (7): subscribe again."""


class Session:
    """The state of the venue's feed over all its connections. See the module's head."""

    def __init__(self, feed: e.Feed = "kalshi", *, is_private: bool = True) -> None:
        """Build.

        Args:
            feed: the name that the events carry.
            is_private: whether to subscribe to the account's fills, orders and positions.
        """
        self.feed = feed
        self.is_connected = False
        self.reconnect_reason: str | None = None
        """Set when only a new connection helps; the shell drops this one."""
        self._subscriptions = Subscriptions(is_private=is_private)
        self._channel = self._subscriptions.books
        self._books = BookSync()
        self._synced = self._books.synced
        self._is_listing_doubted = False
        self._now: Ns = 0
        self._decode = msgspec.json.Decoder(wire.Frame).decode
        self.frames = 0
        """All frames since the start."""
        self._tally = Tally("gaps", "duplicates", "resets")

    # --- what the shell tells -------------------------------------------------------------------

    def connected(self, now: Ns) -> list[e.Event]:
        """Start a new connection from nothing: new sids, numbers from the start, all books unsynced."""
        self._forget_connection(now)
        self.is_connected = True
        self._sync(now)
        return [e.FeedConnected(self.feed, now)]

    def dropped(self, reason: str, now: Ns) -> list[e.Event]:
        """End the connection: no book is vouched for any more."""
        self._forget_connection(now)
        return [e.FeedDropped(self.feed, reason, now)]

    def watch(self, tickers: list[str] | tuple[str, ...]) -> None:
        """Want these markets' books and trades too. The commands come with `poll` or `outgoing`."""
        self._books.watch(tickers)

    def unwatch(self, tickers: list[str] | tuple[str, ...]) -> None:
        """Want these markets no more: from now on their frames give no events."""
        self._books.unwatch(tickers)

    def resnapshot(self, tickers: list[str] | tuple[str, ...], reason: str, now: Ns) -> list[e.Event]:
        """Give up these books and ask for them again: someone found them impossible."""
        events = self._books.lose(tickers, reason, now)
        self._ask_snapshots(now)
        return events

    def poll(self, now: Ns) -> None:
        """Ask for what is overdue. To be called about once a second, and after `watch` or `unwatch`."""
        self._now = now
        if self.is_connected:
            self._sync(now)
            self._ask_snapshots(now)

    def outgoing(self) -> list[str]:
        """Return the commands to send now, in order, and forget them."""
        if self.is_connected:
            self._sync(self._now)
        commands = self._subscriptions.outgoing
        self._subscriptions.outgoing = []
        return commands

    @property
    def has_outgoing(self) -> bool:
        """Whether commands wait to be sent."""
        return bool(self._subscriptions.outgoing)

    def take_listing_doubt(self) -> bool:
        """Return, once, whether markets or fees may have changed unseen: list them again over REST."""
        is_doubted, self._is_listing_doubted = self._is_listing_doubted, False
        return is_doubted

    @property
    def counters(self) -> dict[str, int]:
        """Counts since the start: frames, gaps, duplicates, resets, refused; each shape and error code."""
        return {"frames": self.frames, **self._tally.counts}

    @property
    def watched(self) -> tuple[str, ...]:
        """The markets wanted, in the order in which they were named."""
        return tuple(self._books.watched)

    def is_synced(self, ticker: str) -> bool:
        """Whether the market's book had its snapshot and every frame since."""
        return ticker in self._synced

    # --- frames ---------------------------------------------------------------------------------

    def receive(self, frame: bytes, received_at: Ns) -> list[e.Event]:
        """Return what one frame tells. This is the hot path: a delta in its order takes the short way.

        Never raises for what the venue sends: a frame that can't be read is counted, and what it may
        have concerned is no longer vouched for.
        """
        self.frames += 1
        try:
            message = self._decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return self._refuse(frame, str(error), received_at)
        if type(message) is wire.BookDeltaFrame:
            stream = self._channel.stream
            if stream is not None and message.sid == stream.sid and message.seq == stream.last_seq + 1:
                stream.last_seq = message.seq
                return self._delta(message, received_at)
        return self._receive_other(message, received_at)

    def _delta(self, message: wire.BookDeltaFrame, received_at: Ns) -> list[e.Event]:
        msg = message.msg
        ticker = msg.market_ticker
        if ticker not in self._synced:
            return []
        ts_ms = msg.ts_ms
        if ts_ms is None:
            ts_ms = message.sending_ts_ms
        try:
            return [
                e.BookDeltaReceived(
                    ticker,
                    msg.side,
                    PRICES[msg.price_dollars],
                    QTYS[msg.delta_fp],
                    received_at,
                    None if ts_ms is None else ts_ms * MILLISECOND,
                )
            ]
        except ValueError as error:
            return self._lose_refused(BadFrame("orderbook_delta", str(error)), ticker, received_at)

    def _receive_other(self, message: wire.Frame, now: Ns) -> list[e.Event]:
        """Take any frame but a delta in its order."""
        self._now = now
        match message:
            case wire.BookDeltaFrame() | wire.BookSnapshotFrame():
                return self._book(message, now)
            case wire.TradeFrame() | wire.LifecycleFrame():
                return self._public(message, now)
            case wire.FillFrame() | wire.UserOrderFrame():
                return self._private(message, now)
            case wire.SubscribedFrame():
                return self._subscribed(message, now)
            case wire.OkFrame() | wire.UnsubscribedFrame():
                return self._acknowledged(message, now)
            case wire.ErrorFrame():
                return self._failed(message, now)
            case wire.EventFeeUpdateFrame() | wire.EventLifecycleFrame():
                if isinstance(message, wire.EventFeeUpdateFrame):
                    self._is_listing_doubted = True
                return self._number(message.sid, message.seq, now)[0]
            case wire.TickerFrame() | wire.MarketPositionFrame():
                self._tally.count(f"{frame_type(message)}_frames")
                return []

    def _book(self, message: wire.BookDeltaFrame | wire.BookSnapshotFrame, now: Ns) -> list[e.Event]:
        events = self._adopt(BOOKS, message.sid, now)
        losses, is_news = self._number(message.sid, message.seq, now)
        events += losses
        if is_news and message.sid == self._channel.sid:
            if isinstance(message, wire.BookSnapshotFrame):
                events += self._snapshot(message, now)
            else:
                events += self._delta(message, now)
        self._ask_snapshots(now)
        return events

    def _snapshot(self, message: wire.BookSnapshotFrame, now: Ns) -> list[e.Event]:
        ticker = message.msg.market_ticker
        if ticker not in self._books.watched or ticker in self._channel.leaving:
            return []
        try:
            event = decode_snapshot(message, now)
        except BadFrame as error:
            return self._lose_refused(error, ticker, now)
        self._books.snapshot(ticker)
        return [event]

    def _public(self, message: wire.TradeFrame | wire.LifecycleFrame, now: Ns) -> list[e.Event]:
        if isinstance(message, wire.TradeFrame):
            self._adopt(TRADES, message.sid, now)
        events, is_news = self._number(message.sid, message.seq, now)
        # Numbers first, then the filter: the lifecycle channel carries the whole exchange.
        if not is_news or message.msg.market_ticker not in self._books.watched:
            return events
        try:
            if isinstance(message, wire.TradeFrame):
                events.append(decode_trade(message, now))
            elif (event := decode_lifecycle(message, now)) is not None:
                events.append(event)
        except BadFrame as error:
            if isinstance(message, wire.LifecycleFrame):
                self._is_listing_doubted = True
            self._tally.refuse(error.shape)
        return events

    def _private(self, message: wire.FillFrame | wire.UserOrderFrame, now: Ns) -> list[e.Event]:
        try:
            if isinstance(message, wire.FillFrame):
                return [decode_fill(message, now)]
            return [decode_order(message, now)]
        except BadFrame as error:
            self._tally.refuse(error.shape)
            return [e.AccountDoubted(f"refused {error}", now)]

    # --- numbers --------------------------------------------------------------------------------

    def _number(self, sid: int, seq: int | None, now: Ns) -> tuple[list[e.Event], bool]:
        """Take a frame's number; return the losses it shows, and whether the frame is news."""
        stream = self._subscriptions.streams.get(sid)
        if stream is None:
            self._tally.count("frames_of_unknown_sid")
            return [], False
        if seq is None:
            return [], True
        last = stream.last_seq
        number = stream.take(seq)
        if number == "next":
            return [], True
        self._tally.count(f"{number}s")
        if number == "duplicate":
            return [], False
        reason = f"{number}: {seq} after {last}"
        return self._doubt_stream(stream, reason, now), True

    def _doubt_stream(self, stream: Stream, reason: str, now: Ns) -> list[e.Event]:
        """Vouch no more for what came over a sid."""
        if stream is self._channel.stream:
            return self._books.lose(list(self._books.watched), reason, now)
        if stream.channel == LIFECYCLE:
            self._is_listing_doubted = True
        elif stream.channel in PRIVATE:
            return [e.AccountDoubted(f"{stream.channel}: {reason}", now)]
        return []

    def _ask_snapshots(self, now: Ns) -> None:
        """Ask for the books that are lost, once the frame at hand is taken: it may be a snapshot."""
        if self._channel.stream is not None:
            self._subscriptions.ask_snapshots(self._books.due(self._channel.members, now))

    # --- subscriptions --------------------------------------------------------------------------

    def _sync(self, now: Ns) -> None:
        # A subscription brings its first snapshots by itself.
        self._books.asked(self._subscriptions.sync(self._books.watched, now), now)

    def _subscribed(self, message: wire.SubscribedFrame, now: Ns) -> list[e.Event]:
        self._subscriptions.take_pending(message.id)
        events = self._join(message.msg.channel, message.msg.sid, now)
        self._sync(now)
        return events

    def _join(self, name: str, sid: int, now: Ns) -> list[e.Event]:
        """Give a channel its sid."""
        old = self._channel.stream
        channel = self._subscriptions.subscribed(name, sid)
        if channel is None:
            return []
        if channel.failures and channel.name in PRIVATE:
            # What happened while it was dead was not told.
            return [e.AccountDoubted(f"{channel.name}: subscribed again", now)]
        if channel.failures and channel.name == LIFECYCLE:
            self._is_listing_doubted = True
        if self._channel.stream is not old:
            # Whatever was synced was so by frames of another sid.
            return self._books.lose(list(self._synced), "a new subscription", now)
        return []

    def _adopt(self, name: str, sid: int, now: Ns) -> list[e.Event]:
        """Take a sid from its first frame if that overtook the ack."""
        channel = self._subscriptions.channels[name]
        if channel.stream is None and channel.asked_at is not None and sid not in self._subscriptions.streams:
            return self._join(name, sid, now)
        return []

    def _acknowledged(self, message: wire.OkFrame | wire.UnsubscribedFrame, now: Ns) -> list[e.Event]:
        events: list[e.Event] = []
        pending = self._subscriptions.take_pending(message.id)
        if message.sid is not None:
            if pending is not None and pending.kind == "subscribe":
                # A repeated subscribe is answered by `ok` with the sid that the channel has.
                events = self._join(pending.channel.name, message.sid, now)
            events += self._number(message.sid, message.seq, now)[0]
        if isinstance(message, wire.UnsubscribedFrame):
            self._subscriptions.unsubscribed(message.sid)
        if pending is not None:
            self._subscriptions.acknowledged(pending)
        self._sync(now)
        self._ask_snapshots(now)
        return events

    def _failed(self, message: wire.ErrorFrame, now: Ns) -> list[e.Event]:
        error = message.msg
        self._tally.count(f"error_{error.code}")
        reason = f"error {error.code}: {error.msg}"
        events: list[e.Event] = []
        if message.sid is not None and message.seq is not None:
            events, _ = self._number(message.sid, message.seq, now)
        pending = self._subscriptions.take_pending(message.id)
        channel = self._subscriptions.channel_of(message.sid)
        if channel is None and pending is not None:
            channel = pending.channel
        if error.code in TERMINAL_ERRORS:
            if channel is None:
                self.reconnect_reason = f"{reason}, without saying of what"
            elif pending is None or pending.kind != "unsubscribe":
                if channel.name == BOOKS:
                    events += self._books.lose(list(channel.members), reason, now)
                self._subscriptions.died(channel, now)
        elif pending is not None:
            self._subscriptions.refused(pending, now)
            if pending.channel.name == BOOKS and pending.kind in ("subscribe", "add"):
                events += self._books.lose(list(pending.tickers), reason, now)
        self._sync(now)
        self._ask_snapshots(now)
        return events

    def _forget_connection(self, now: Ns) -> None:
        self._now = now
        self.is_connected = False
        self.reconnect_reason = None
        self._subscriptions.reset()
        self._books.restart()

    # --- what can't be read ---------------------------------------------------------------------

    def _refuse(self, frame: bytes, detail: str, now: Ns) -> list[e.Event]:
        """Count a frame that can't be read, and stop vouching for what it may have concerned."""
        self._now = now
        suspect = identify(frame)
        if suspect is None:
            # It may have been anything of any sid.
            self._tally.refuse("unreadable")
            self._is_listing_doubted = True
            events = self._books.lose(list(self._books.watched), "unreadable frame", now)
            events.append(e.AccountDoubted("unreadable frame", now))
            self._ask_snapshots(now)
            return events
        self._tally.refuse(f"{suspect.kind}: {detail}")
        if suspect.kind in ("fill", "user_order", "market_position"):
            return [e.AccountDoubted(f"refused {suspect.kind}", now)]
        stream = self._subscriptions.streams.get(-1 if suspect.sid is None else suspect.sid)
        if stream is None and suspect.kind in ("orderbook_delta", "orderbook_snapshot"):
            stream = self._channel.stream
        if stream is None:
            return []
        events, is_news = self._number(stream.sid, suspect.seq, now)
        if is_news:
            reason = f"refused {suspect.kind}"
            if stream is self._channel.stream and suspect.ticker is not None and suspect.seq is not None:
                events += self._books.lose([suspect.ticker], reason, now)
            else:
                events += self._doubt_stream(stream, reason, now)
        self._ask_snapshots(now)
        return events

    def _lose_refused(self, error: BadFrame, ticker: str, now: Ns) -> list[e.Event]:
        self._tally.refuse(error.shape)
        events = self._books.lose([ticker], f"refused {error}", now)
        self._ask_snapshots(now)
        return events
