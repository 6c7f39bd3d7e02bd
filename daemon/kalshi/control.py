"""What the venue's answers and numbers do to what we have: sids, numbers, the books that are vouched for.

The session reads frames; this decides what a number, an ack or an error means: a gap or a reset of a sid's
numbers (see `Stream.take`) loses what came over that sid, and asks again for exactly that.

    books       every book of the sid is lost, and asked for with `get_snapshot`, in portions
    trades      `TradesLost`: trades of any market may be missing
    lifecycle   the listing is doubted: markets are listed again over REST
    private     the account is doubted: it is reconciled over REST
    index       nothing: the next value replaces the last

Source: protocol sheet 2.3, 2.4, 2.5.
"""

from __future__ import annotations

from daemon.core import events as e
from daemon.core.units import MILLISECOND, Ns
from daemon.kalshi import wire
from daemon.kalshi.book_sync import BookSync
from daemon.kalshi.channels import BOOKS, LIFECYCLE, PRIVATE, TRADES, Stream
from daemon.kalshi.refusals import Tally
from daemon.kalshi.subscriptions import TOO_MANY_COMMANDS, Subscriptions

TERMINAL_ERRORS = frozenset({7, 10, 17, 25})
"""The subscription is dead (10, 25; 17 until June) or unknown to the venue (7): subscribe again."""
KNOWN_ERRORS = range(1, 100)
"""Codes that are counted each by itself: the sheet knows 1 to 28. They come from outside and name metrics."""


class Control:
    """The state of one connection's subscriptions and books. Told the time, no clock."""

    def __init__(self, feed: e.Feed, books: BookSync, subscriptions: Subscriptions, tally: Tally) -> None:
        self.feed = feed
        self.books = books
        self.subscriptions = subscriptions
        self.tally = tally
        self.is_listing_doubted = False
        self.reconnect_reason: str | None = None
        """Set when only a new connection helps."""

    def restart(self) -> None:
        """Start a new connection from nothing: new sids, numbers from the start, all books unsynced."""
        self.reconnect_reason = None
        self.subscriptions.reset()
        self.books.restart()

    # --- what is wanted -------------------------------------------------------------------------

    def settle(self, now: Ns) -> list[e.Event]:
        """Ask for all that is wanted and not under way; return the holes that ended or were found."""
        self.sync(now)
        subscriptions = self.subscriptions
        events: list[e.Event] = []
        for channel in subscriptions.take_overdue():
            events += self._hole(channel.name, "no answer to the subscribe", now)
        for channel in subscriptions.channels.values():
            if channel.is_broken and channel.is_whole:
                # What happened while it was not is told by nobody: whoever reads it must read up on it.
                channel.is_broken = False
                events += self._hole(channel.name, "subscribed again", now)
        self.ask_snapshots(now)
        return events

    def sync(self, now: Ns) -> None:
        """Ask for the subscriptions that are wanted."""
        # A subscription brings its first snapshots by itself.
        self.books.asked(self.subscriptions.sync(now), now)

    def ask_snapshots(self, now: Ns) -> None:
        """Ask for the books that are lost, once the frame at hand is taken: it may be a snapshot."""
        channel = self.subscriptions.books
        if channel.stream is not None:
            self.subscriptions.ask_snapshots(self.books.due(channel.members, now))

    # --- numbers --------------------------------------------------------------------------------

    def number(self, sid: int, seq: int | None, now: Ns) -> tuple[list[e.Event], bool]:
        """Take a frame's number; return the losses it shows, and whether the frame is news."""
        stream = self.subscriptions.streams.get(sid)
        if stream is None:
            self.tally.count("frames_of_unknown_sid")
            return [], False
        if seq is None:
            return [], True
        last = stream.last_seq
        number = stream.take(seq)
        if number == "next":
            return [], True
        self.tally.count(f"{number}s")
        if number == "duplicate":
            return [], False
        return self.doubt(stream, f"{number}: {seq} after {last}", now), True

    def doubt(self, stream: Stream, reason: str, now: Ns) -> list[e.Event]:
        """Vouch no more for what came over a sid."""
        channel = self.subscriptions.channels.get(stream.channel)
        if channel is None or channel.stream is not stream:
            return []
        if stream.channel == BOOKS:
            return self.books.lose(list(self.books.watched), reason, now)
        return self._hole(stream.channel, reason, now)

    def doubt_all(self, reason: str, now: Ns) -> list[e.Event]:
        """Vouch for nothing: a frame came that may have been anything of any sid."""
        events = self.books.lose(list(self.books.watched), reason, now)
        for name, channel in self.subscriptions.channels.items():
            if channel.stream is not None and name not in (BOOKS, *PRIVATE):
                events += self._hole(name, reason, now)
        if any(name in self.subscriptions.channels for name in PRIVATE):
            events.append(e.AccountDoubted(reason, now))
        return events

    def _hole(self, name: str, reason: str, now: Ns) -> list[e.Event]:
        """Return what a hole in a channel means; of the books' each market is told apart."""
        if name == TRADES:
            return [e.TradesLost(self.feed, reason, now)]
        if name in PRIVATE:
            return [e.AccountDoubted(f"{name}: {reason}", now)]
        if name == LIFECYCLE:
            self.is_listing_doubted = True
        return []

    # --- answers --------------------------------------------------------------------------------

    def subscribed(self, message: wire.SubscribedFrame, now: Ns) -> list[e.Event]:
        """Take the ack of a new subscription."""
        self.subscriptions.take_pending(message.id)
        return self._join(message.msg.channel, message.msg.sid, now) + self.settle(now)

    def adopt(self, name: str, sid: int, now: Ns) -> list[e.Event]:
        """Take a sid from its first frame if that overtook the ack."""
        channel = self.subscriptions.channels.get(name)
        if channel is None or channel.stream is not None or channel.asked_at is None:
            return []
        return [] if sid in self.subscriptions.streams else self._join(name, sid, now)

    def acknowledged(self, message: wire.OkFrame | wire.UnsubscribedFrame, now: Ns) -> list[e.Event]:
        """Take the answer to any other command."""
        if self.subscriptions.is_sign_of_life(message.id):
            return self._alive(message, now)
        events: list[e.Event] = []
        pending = self.subscriptions.take_pending(message.id)
        if message.sid is not None:
            if pending is not None and pending.kind == "subscribe":
                # A repeated subscribe is answered by `ok` with the sid that the channel has.
                events = self._join(pending.channel.name, message.sid, now)
            events += self.number(message.sid, message.seq, now)[0]
        if isinstance(message, wire.UnsubscribedFrame):
            self.subscriptions.unsubscribed(message.sid)
        if pending is not None and not pending.is_stale:
            self.subscriptions.acknowledged(pending)
            if pending.kind == "delete" and pending.channel is self.subscriptions.books:
                # So late that the market is wanted again: from here on the venue sends nothing of that book.
                late = [ticker for ticker in pending.tickers if ticker in self.books.synced]
                events += self.books.lose(late, "left", now)
        return events + self.settle(now)

    def failed(self, message: wire.ErrorFrame, now: Ns) -> list[e.Event]:
        """Take an error: a refused command, or the end of a subscription."""
        code = message.msg.code
        self.tally.count(f"error_{code}" if code in KNOWN_ERRORS else "error_of_unknown_code")
        if self.subscriptions.is_sign_of_life(message.id):
            if code == TOO_MANY_COMMANDS:
                self.subscriptions.pace.slow_down(now)
            return self._alive(message, now)
        return self._failed(message, now)

    def _failed(self, message: wire.ErrorFrame, now: Ns) -> list[e.Event]:
        error, subscriptions = message.msg, self.subscriptions
        reason = f"error {error.code}: {error.msg}"
        events: list[e.Event] = []
        if message.sid is not None and message.seq is not None:
            events, _ = self.number(message.sid, message.seq, now)
        pending = subscriptions.take_pending(message.id)
        if pending is not None and pending.is_stale:
            return events + self.settle(now)
        channel = subscriptions.channel_of(message.sid)
        if channel is None and pending is not None:
            channel = pending.channel
        if error.code in TERMINAL_ERRORS:
            if channel is None:
                # A sid that is not ours (any more) is nothing to us; an error of nothing in particular is.
                if message.sid is None:
                    self.reconnect_reason = f"{reason}, without saying of what"
            elif pending is None or pending.kind != "unsubscribe":
                if channel.name == BOOKS:
                    events += self.books.lose(list(self.books.watched), reason, now)
                subscriptions.died(channel, now)
                events += self._hole(channel.name, reason, now)
        elif (
            pending is not None
            and subscriptions.refused(pending, error.code, now)
            and pending.kind in ("subscribe", "add")
        ):
            if pending.channel.name == BOOKS:
                events += self.books.lose(list(pending.tickers), reason, now)
            events += self._hole(pending.channel.name, reason, now)
        return events + self.settle(now)

    def _alive(
        self, answer: wire.OkFrame | wire.UnsubscribedFrame | wire.ErrorFrame, now: Ns
    ) -> list[e.Event]:
        """Tell that the stream flows, and how late: it answered, whatever the answer."""
        sent_at = None if answer.sending_ts_ms is None else answer.sending_ts_ms * MILLISECOND
        return [e.FeedHeard(self.feed, now, sent_at), *self.settle(now)]

    def _join(self, name: str, sid: int, now: Ns) -> list[e.Event]:
        """Give a channel its sid."""
        books = self.subscriptions.books
        old = books.stream
        channel = self.subscriptions.subscribed(name, sid)
        if channel is books and books.stream is not old:
            # Whatever was synced was so by frames of another sid.
            return self.books.lose(list(self.books.synced), "a new subscription", now)
        return []
