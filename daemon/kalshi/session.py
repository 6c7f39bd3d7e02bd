"""One WebSocket conversation with the venue, without any I/O: frames in, events out, commands to send.

What it guarantees: a book that it lets through as synced has had its snapshot, and every numbered frame
since; a hole in anything that it carries is told (see `control`). Deltas of a book that is not synced are
dropped. A frame that can't be read may have been a delta of any book: what it concerned is lost too, and
the refusal is an event. The session is told the time and reads no clock. Source: protocol sheet 2.3 – 2.7.
"""

from __future__ import annotations

import msgspec

from daemon.core import events as e
from daemon.core.probe import Probe
from daemon.core.units import MILLISECOND, SECOND, Ns
from daemon.kalshi import wire
from daemon.kalshi.book_sync import BookSync
from daemon.kalshi.channel_history import ChannelHistory
from daemon.kalshi.channels import BOOKS, INDEX, LIFECYCLE, ORDER_GROUPS, PRIVATE, TRADES
from daemon.kalshi.control import Control
from daemon.kalshi.decode import (
    PRICES,
    QTYS,
    decode_snapshot,
    frame_type,
    no_side_prices,
)
from daemon.kalshi.encode import IS_YES_PRICED
from daemon.kalshi.errors import BadFrame
from daemon.kalshi.lateness import Lateness
from daemon.kalshi.news import News
from daemon.kalshi.refusals import UNREADABLE, Refusals, Suspect, Tally, identify
from daemon.kalshi.subscriptions import Subscriptions

# Type of a frame → the channel that it shows to be alive.
_CHANNEL_OF: dict[type, str] = {
    wire.BookDeltaFrame: BOOKS,
    wire.BookSnapshotFrame: BOOKS,
    wire.TradeFrame: TRADES,
    wire.LifecycleFrame: LIFECYCLE,
    wire.EventLifecycleFrame: LIFECYCLE,
    wire.EventFeeUpdateFrame: LIFECYCLE,
    wire.IndexValueFrame: INDEX,
    wire.FillFrame: "fill",
    wire.UserOrderFrame: "user_orders",
    wire.MarketPositionFrame: "market_positions",
    wire.OrderGroupFrame: ORDER_GROUPS,
}
_PRIVATE_KINDS = ("fill", "user_order", "market_position", ORDER_GROUPS)
_BOOK_KINDS = ("orderbook_delta", "orderbook_snapshot")


class Bounds(msgspec.Struct, frozen=True):
    """What a connection is judged by, as `Session` takes it; here all are known."""

    lag_max: Ns
    silence_max: Ns
    channel_quiet_max: Ns


class Session:
    """The state of one of the venue's feeds over all its connections. See the module's head."""

    def __init__(
        self,
        feed: e.Feed = "kalshi",
        *,
        is_public: bool = True,
        is_private: bool = True,
        is_first: bool = True,
        index_ids: tuple[str, ...] = (),
        lag_max: Ns | None = None,
        channel_quiet_max: Ns | None = None,
        silence_max: Ns | None = None,
        is_yes_priced: bool = IS_YES_PRICED,
    ) -> None:
        """Build.

        Args:
            feed: the name that the events carry.
            is_public: whether to carry books and trades of the markets watched.
            is_private: whether to subscribe to the account's fills, orders and positions.
            is_first: whether to carry what is told once for the whole exchange: lifecycle, index values.
            index_ids: the settlement indices to ask for, such as "BRTI"; on the first connection only.
            lag_max: a connection that brings messages later than this for long is dropped; None: never.
            channel_quiet_max: a channel silent for longer, against its habit, is told; None: never.
            silence_max: a connection that brings no frame for so long, though one was asked for, is dropped:
                its pings may go on while its stream stands still; None: never.
            is_yes_priced: whether the NO side is asked for and read on the YES price scale.
        """
        self.feed = feed
        self.is_connected = False
        self.reconnect_reason: str | None = None
        """Set when only a new connection helps; the shell drops this one."""
        self._books = BookSync()
        self._subscriptions = Subscriptions(
            self._books.watched,
            is_public=is_public,
            is_private=is_private,
            is_first=is_first,
            index_ids=index_ids,
            is_yes_priced=is_yes_priced,
        )
        self._tally = Tally("gaps", "duplicates", "resets")
        self._refusals = Refusals(feed, self._tally)
        self._control = Control(feed, self._books, self._subscriptions, self._tally)
        self._news = News(feed, self._books, self._control, self._refusals)
        self._history = ChannelHistory(feed, channel_quiet_max)
        self._lateness = Lateness(lag_max)
        self._probe = Probe(silence_max)
        self._told_at: Ns = 0
        self._channel = self._subscriptions.books
        self._synced = self._books.synced
        self._was_connected = False
        self._now: Ns = 0
        self._delta: wire.BookDeltaFrame | None = None
        """The last delta since the last look, for what is judged once a second."""
        self._delta_at: Ns = 0
        self._decode = msgspec.json.Decoder(wire.Frame).decode
        no_prices = no_side_prices(is_yes_priced=is_yes_priced)
        self._no_prices = no_prices
        self._prices = {"yes": PRICES, "no": no_prices}
        self.frames = 0
        """All frames since the start."""
        self.frame_bytes = 0
        """Bytes of all frames."""

    # --- what the shell tells -------------------------------------------------------------------

    def bound(self, bounds: Bounds) -> None:
        """Judge by these from now on; channels only where they were judged before."""
        self._lateness.lag_max = bounds.lag_max
        self._probe.silence_max = bounds.silence_max
        if self._history.quiet_max is not None:
            self._history.quiet_max = bounds.channel_quiet_max

    def connected(self, now: Ns) -> list[e.Event]:
        """Start a new connection from nothing: new sids, numbers from the start, all books unsynced."""
        self._forget_connection(now)
        self.is_connected = True
        if self._was_connected:
            # Until their acks come nobody tells us of a fill or of a market's end, as nobody did meanwhile.
            self._subscriptions.break_off((LIFECYCLE, *PRIVATE))
        self._was_connected = True
        self._history.restarted(now)
        self._control.sync(now)
        return [e.FeedConnected(self.feed, now)]

    def dropped(self, reason: str, now: Ns) -> list[e.Event]:
        """End the connection: no book is vouched for any more."""
        self._forget_connection(now)
        return [e.FeedDropped(self.feed, reason, now)]

    def watch(self, tickers: list[str] | tuple[str, ...]) -> None:
        """Want these markets' books and trades too. The commands come with `poll` or `outgoing`."""
        new = [ticker for ticker in tickers if ticker not in self._books.watched]
        self._books.watch(new)
        self._subscriptions.want(new)

    def unwatch(self, tickers: list[str] | tuple[str, ...]) -> None:
        """Want these markets no more: from now on their frames give no events."""
        self._books.unwatch(tickers)
        self._subscriptions.unwant(tickers)
        if not self._books.watched:
            self._history.forget(BOOKS)
            self._history.forget(TRADES)

    def resnapshot(self, tickers: list[str] | tuple[str, ...], reason: str, now: Ns) -> list[e.Event]:
        """Give up these books and ask for them again: someone found them impossible."""
        events = self._books.lose(tickers, reason, now)
        self._control.ask_snapshots(now)
        return events

    def poll(self, now: Ns) -> list[e.Event]:
        """Ask for what is overdue, and judge the connection; return what the time alone tells.

        To be called about once a second, and after `watch` or `unwatch`.
        """
        self._now = now
        if not self.is_connected:
            return []
        match self._probe.look(self.frames, now):
            case "ask":
                self._subscriptions.ask_sign_of_life()
            case "stalled":
                self.reconnect_reason = self.reconnect_reason or "stalled: no frame comes, not even an answer"
            case "well":
                pass
        events = self._control.settle(now)
        delta, self._delta = self._delta, None
        if delta is not None:
            events += self._history.heard(BOOKS, self._delta_at)
            self._look(delta.sending_ts_ms or delta.msg.ts_ms, self._delta_at)
        return events + self._history.check(now)

    def outgoing(self) -> list[str]:
        """Return the commands that may leave now, in order, and forget them."""
        if self.is_connected:
            self._control.sync(self._now)
        return self._subscriptions.take_outgoing(self._now)

    @property
    def has_outgoing(self) -> bool:
        """Whether the shell should look at once: commands may leave, or a doubt waits to be taken."""
        subscriptions = self._subscriptions
        if subscriptions.outgoing and subscriptions.pace.allowed(1, self._now) > 0:
            return True
        return self._control.is_listing_doubted or self._news.has_new_series

    def take_listing_doubt(self) -> bool:
        """Return, once, whether markets or fees may have changed unseen: list them again over REST."""
        control = self._control
        is_doubted, control.is_listing_doubted = control.is_listing_doubted, False
        return is_doubted

    def take_new_series(self) -> tuple[str, ...]:
        """Return, once, the series in which a market or an event was made, anywhere on the exchange."""
        return self._news.take_new_series()

    @property
    def counters(self) -> dict[str, int]:
        """Counts since the start: frames, gaps, duplicates, resets, refused; each shape and error code."""
        return {"frames": self.frames, **self._tally.counts}

    @property
    def watched(self) -> tuple[str, ...]:
        """The markets wanted, in the order in which they were named."""
        return tuple(self._books.watched)

    @property
    def watched_count(self) -> int:
        """How many markets are wanted."""
        return len(self._books.watched)

    @property
    def unplaced(self) -> list[str]:
        """Watched markets that the venue has no room for on this connection (code 26)."""
        return self._subscriptions.unplaced

    @property
    def capacity(self) -> int | None:
        """How many markets the venue lets this connection have; None: it did not say."""
        return self._subscriptions.capacity

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
        self.frame_bytes += len(frame)
        try:
            message = self._decode(frame)
        except UNREADABLE as error:
            return self._refuse(identify(frame), str(error), received_at)
        if type(message) is wire.BookDeltaFrame:
            stream = self._channel.stream
            if stream is not None and message.sid == stream.sid and message.seq == stream.last_seq + 1:
                stream.last_seq = message.seq
                return self._take_delta(message, received_at)
        return self._receive_other(message, received_at)

    def _take_delta(self, message: wire.BookDeltaFrame, received_at: Ns) -> list[e.Event]:
        self._delta = message
        self._delta_at = received_at
        msg = message.msg
        ticker = msg.market_ticker
        if ticker not in self._synced:
            return []
        side, ts_ms = msg.side, msg.ts_ms
        if ts_ms is None:
            ts_ms = message.sending_ts_ms
        sent_at = None if ts_ms is None else ts_ms * MILLISECOND
        try:
            price, delta = self._prices[side][msg.price_dollars], QTYS[msg.delta_fp]
            return [e.BookDeltaReceived(ticker, side, price, delta, received_at, sent_at)]
        except ValueError as error:
            return self._lose_refused(BadFrame("orderbook_delta", str(error)), ticker, received_at)

    def _receive_other(self, message: wire.Frame, now: Ns) -> list[e.Event]:
        """Take any frame but a delta in its order."""
        self._now = now
        events = self._apply(message, now)
        if self._control.reconnect_reason is not None:
            self.reconnect_reason = self._control.reconnect_reason
        self._look(message.sending_ts_ms, now)
        if message.sending_ts_ms is not None and now - self._told_at >= SECOND:
            # A quiet stream's lag is told too: one that was late once must not look late for ever.
            self._told_at = now
            if not any(type(event) is e.FeedHeard for event in events):
                events.append(e.FeedHeard(self.feed, now, message.sending_ts_ms * MILLISECOND))
        channel = _CHANNEL_OF.get(type(message))
        return events if channel is None else self._history.heard(channel, now) + events

    def _apply(self, message: wire.Frame, now: Ns) -> list[e.Event]:
        control = self._control
        match message:
            case wire.BookDeltaFrame() | wire.BookSnapshotFrame():
                return self._book(message, now)
            case wire.SubscribedFrame():
                return control.subscribed(message, now)
            case wire.OkFrame() | wire.UnsubscribedFrame():
                return control.acknowledged(message, now)
            case wire.ErrorFrame():
                return control.failed(message, now)
            case wire.TickerFrame() | wire.MarketPositionFrame():
                self._tally.count(f"{frame_type(message)}_frames")
                return []
            case _:
                return self._news.apply(message, now)

    def _book(self, message: wire.BookDeltaFrame | wire.BookSnapshotFrame, now: Ns) -> list[e.Event]:
        events = self._control.adopt(BOOKS, message.sid, now)
        losses, is_news = self._control.number(message.sid, message.seq, now)
        events += losses
        if is_news and message.sid == self._channel.sid:
            if isinstance(message, wire.BookSnapshotFrame):
                events += self._snapshot(message, now)
            else:
                events += self._take_delta(message, now)
        self._control.ask_snapshots(now)
        return events

    def _snapshot(self, message: wire.BookSnapshotFrame, now: Ns) -> list[e.Event]:
        ticker = message.msg.market_ticker
        if ticker not in self._books.watched or ticker in self._channel.leaving:
            return []
        try:
            event = decode_snapshot(message, now, self._no_prices)
        except BadFrame as error:
            return self._lose_refused(error, ticker, now)
        self._books.snapshot(ticker)
        return [event]

    def _look(self, sent_ms: int | None, received_at: Ns) -> None:
        if sent_ms is not None and self.reconnect_reason is None:
            self.reconnect_reason = self._lateness.look(received_at, sent_ms * MILLISECOND)

    def _forget_connection(self, now: Ns) -> None:
        self._now = now
        self.is_connected = False
        self.reconnect_reason = None
        self._delta = None
        self._lateness.reset()
        self._probe.restart(self.frames, now)
        self._control.restart()

    # --- what can't be read ---------------------------------------------------------------------

    def _refuse(self, suspect: Suspect | None, detail: str, now: Ns) -> list[e.Event]:
        """Tell of a frame that can't be read, and stop vouching for what it may have concerned."""
        self._now = now
        control = self._control
        if suspect is None:
            events = self._refusals.refuse("unreadable", now) + control.doubt_all("unreadable frame", now)
            control.ask_snapshots(now)
            return events
        stream = control.subscriptions.streams.get(-1 if suspect.sid is None else suspect.sid)
        is_elsewhere = (
            stream is not None
            and stream.channel == LIFECYCLE
            and suspect.ticker is not None
            and suspect.ticker not in self._books.watched
        )
        events = self._refusals.refuse(f"{suspect.kind}: {detail}", now, is_ours=not is_elsewhere)
        if suspect.kind in _PRIVATE_KINDS:
            return [*events, e.AccountDoubted(f"refused {suspect.kind}", now)]
        if stream is None and suspect.kind in _BOOK_KINDS:
            stream = self._channel.stream
        if stream is None:
            return events
        losses, is_news = control.number(stream.sid, suspect.seq, now)
        events += losses
        if is_news and not is_elsewhere:
            reason = f"refused {suspect.kind}"
            if stream is self._channel.stream and suspect.ticker is not None and suspect.seq is not None:
                events += self._books.lose([suspect.ticker], reason, now)
            else:
                events += control.doubt(stream, reason, now)
        control.ask_snapshots(now)
        return events

    def _lose_refused(self, error: BadFrame, ticker: str, now: Ns) -> list[e.Event]:
        events = self._refusals.refuse(error.shape, now)
        events += self._books.lose([ticker], f"refused {error}", now)
        self._control.ask_snapshots(now)
        return events
