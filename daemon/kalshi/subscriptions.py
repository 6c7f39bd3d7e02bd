"""Which channels we want, which we have, and the commands that lead from one to the other. Sans-I/O.

A `Channel` is what we want; a `Stream` is a sid that the venue gave us, with its sequence numbers. The
venue keeps one sid per channel and connection. One rule makes all commands: `sync` compares the markets
wanted with the markets asked for, and asks for the difference. It is called after everything that can
change either side, so acks, refusals and late wishes need no paths of their own.

    channel    asked for nothing ─subscribe→ asked ─subscribed→ has a sid ─add/delete_markets→ …
                      ↑──────────── error, ack overdue ──┴───── error 10, 25, 7 ──┘   (with a growing delay)

A market that is being deleted is not asked for again before the delete is acknowledged: otherwise a
snapshot from before the delete could be taken for the one after it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Literal, TypeAlias

from daemon.core.units import SECOND, Ns
from daemon.kalshi.encode import encode_subscribe, encode_unsubscribe, encode_update

BOOKS = "orderbook_delta"
TRADES = "trade"
LIFECYCLE = "market_lifecycle_v2"
PRIVATE = ("fill", "user_orders", "market_positions")

TICKERS_PER_COMMAND = 100
"""400 in one subscription were used without an error (sheet 2.4, code 26)."""
ACK_PATIENCE: Ns = 10 * SECOND
DELAY_MAX: Ns = 30 * SECOND
FORGIVEN_AFTER: Ns = 60 * SECOND
PENDING_MAX = 1_000

CommandKind: TypeAlias = Literal["subscribe", "add", "delete", "snapshot", "unsubscribe"]


class Channel:
    """One channel: what we asked of it, and the sid that it has if it is ours."""

    __slots__ = (
        "asked_at",
        "failed_at",
        "failures",
        "is_per_market",
        "leaving",
        "members",
        "name",
        "retry_at",
        "stream",
    )

    def __init__(self, name: str, *, is_per_market: bool) -> None:
        self.name = name
        self.is_per_market = is_per_market
        self.failures = 0
        self.failed_at: Ns = 0
        self.reset()

    def reset(self) -> None:
        """Forget the connection: nothing is asked for, nothing is ours."""
        self.stream: Stream | None = None
        """The sid that is ours, and its numbers; None while there is none."""
        self.asked_at: Ns | None = None
        """When a subscribe was sent that is not answered yet."""
        self.retry_at: Ns = 0
        self.members: dict[str, None] = {}
        """Markets asked for, in order."""
        self.leaving: dict[str, None] = {}
        """Markets whose delete is not acknowledged yet."""

    @property
    def sid(self) -> int | None:
        """The channel's sid; None while it has none."""
        return None if self.stream is None else self.stream.sid

    def fail(self, now: Ns) -> None:
        """Put the next attempt off: at once after the first failure in a minute, then 1 s, 2 s, … 30 s."""
        if now - self.failed_at > FORGIVEN_AFTER:
            self.failures = 0
        self.failures += 1
        self.failed_at = now
        delay = 0 if self.failures == 1 else min(SECOND << min(self.failures - 2, 8), DELAY_MAX)
        self.retry_at = now + delay


Number: TypeAlias = Literal["next", "duplicate", "gap", "reset"]


class Stream:
    """A sid of this connection and the last sequence number seen on it; 0 before the first."""

    __slots__ = ("channel", "last_seq", "sid")

    def __init__(self, sid: int, channel: str) -> None:
        self.sid = sid
        self.channel = channel
        self.last_seq = 0

    def take(self, seq: int) -> Number:
        """Take the number of a frame and return what it says.

        Numbers count up by one per sid, over all markets and message types of that sid:

            number    = last + 1   next
                      = last       a duplicate: the frame was seen
                      > last + 1   a gap: frames are missing
                      < last       a reset: the count started over
                      first one    the start, whatever it is: nothing came over this sid before it
        """
        last = self.last_seq
        if seq == last:
            return "duplicate"
        self.last_seq = seq
        if last == 0 or seq == last + 1:
            return "next"
        return "gap" if seq > last else "reset"


class Pending:
    """A command that the venue may still answer."""

    __slots__ = ("channel", "kind", "tickers")

    def __init__(self, kind: CommandKind, channel: Channel, tickers: Sequence[str]) -> None:
        self.kind = kind
        self.channel = channel
        self.tickers = tickers


class Subscriptions:
    """All channels of one connection. Told the time; writes commands into `outgoing`."""

    def __init__(self, *, is_private: bool) -> None:
        """Build. Without `is_private` the account's own channels are left out."""
        self.books = Channel(BOOKS, is_per_market=True)
        names = (LIFECYCLE, *(PRIVATE if is_private else ()))
        others = [Channel(name, is_per_market=False) for name in names]
        self.channels: dict[str, Channel] = {
            channel.name: channel for channel in (self.books, Channel(TRADES, is_per_market=True), *others)
        }
        self.streams: dict[int, Stream] = {}
        self.outgoing: list[str] = []
        self._pending: dict[int, Pending] = {}
        self._last_id = 0

    def reset(self) -> None:
        """Forget everything of the old connection; commands not yet sent are dropped with it."""
        for channel in self.channels.values():
            channel.reset()
        self.streams.clear()
        self._pending.clear()
        self.outgoing.clear()
        self._last_id = 0

    def sync(self, watched: Collection[str], now: Ns) -> list[str]:
        """Ask for what is wanted and not asked for; return the markets whose book was asked for now."""
        asked: list[str] = []
        for channel in self.channels.values():
            if channel.asked_at is not None:
                if now - channel.asked_at < ACK_PATIENCE:
                    continue  # its ack leads here again
                channel.asked_at = None
                channel.members.clear()
                channel.fail(now)
            if not channel.is_per_market:
                if channel.sid is None and now >= channel.retry_at:
                    self._subscribe(channel, (), now)
            else:
                new = self._sync_markets(channel, watched, now)
                if channel is self.books:
                    asked = new
        return asked

    def _sync_markets(self, channel: Channel, watched: Collection[str], now: Ns) -> list[str]:
        new = [
            ticker for ticker in watched if ticker not in channel.members and ticker not in channel.leaving
        ]
        if now < channel.retry_at:
            new = []
        if channel.sid is None:
            # The first portion only: the others follow by sid, after the ack.
            new = new[:TICKERS_PER_COMMAND]
            if new:
                self._subscribe(channel, new, now)
            return new
        for tickers in _portions(new):
            self._send("add", channel, tickers)
            channel.members.update(dict.fromkeys(tickers))
        gone = [ticker for ticker in channel.members if ticker not in watched]
        if gone and len(gone) == len(channel.members):
            # Deleting the last market could leave a subscription without a filter, which on some
            # channels means all markets.
            self._send("unsubscribe", channel, ())
            channel.reset()
            return []
        for tickers in _portions(gone):
            self._send("delete", channel, tickers)
            for ticker in tickers:
                del channel.members[ticker]
                channel.leaving[ticker] = None
        return new

    def ask_snapshots(self, tickers: Sequence[str]) -> None:
        """Ask for the books of these markets anew; the channel must have its sid."""
        for portion in _portions(tickers):
            self._send("snapshot", self.books, portion)

    def subscribed(self, name: str, sid: int) -> Channel | None:
        """Take a sid as a channel's; None when the channel is none of ours."""
        stream = self.streams.setdefault(sid, Stream(sid, name))
        channel = self.channels.get(name)
        if channel is not None:
            channel.stream = stream
            channel.asked_at = None
        return channel

    def unsubscribed(self, sid: int) -> None:
        """Forget a sid."""
        self.streams.pop(sid, None)
        for channel in self.channels.values():
            if channel.sid == sid:
                channel.reset()

    def died(self, channel: Channel, now: Ns) -> None:
        """Forget a channel's sid because the venue ended it; `sync` subscribes again after a delay."""
        if channel.sid is not None:
            self.streams.pop(channel.sid, None)
        channel.reset()
        channel.fail(now)

    def refused(self, pending: Pending, now: Ns) -> None:
        """Take back what was asked for by a command that the venue refused."""
        channel = pending.channel
        match pending.kind:
            case "subscribe" | "add":
                for ticker in pending.tickers:
                    channel.members.pop(ticker, None)
                channel.asked_at = None
                channel.fail(now)
            case "delete":
                for ticker in pending.tickers:
                    channel.leaving.pop(ticker, None)
            case "snapshot" | "unsubscribe":
                pass  # a snapshot is asked for again when it is overdue; a sid that is unknown is gone

    def acknowledged(self, pending: Pending) -> None:
        """Take note that a command was carried out."""
        if pending.kind == "delete":
            for ticker in pending.tickers:
                pending.channel.leaving.pop(ticker, None)

    def take_pending(self, command_id: int | None) -> Pending | None:
        """Return and forget the command with this id; None when it is none of ours or was answered."""
        return None if command_id is None else self._pending.pop(command_id, None)

    def channel_of(self, sid: int | None) -> Channel | None:
        """Return our channel with this sid; None when there is none."""
        if sid is None:
            return None
        return next((channel for channel in self.channels.values() if channel.sid == sid), None)

    def _subscribe(self, channel: Channel, tickers: Sequence[str], now: Ns) -> None:
        self._send("subscribe", channel, tickers)
        channel.members.update(dict.fromkeys(tickers))
        channel.asked_at = now

    def _send(self, kind: CommandKind, channel: Channel, tickers: Sequence[str]) -> None:
        self._last_id += 1
        command_id = self._last_id
        if kind == "subscribe":
            command = encode_subscribe(command_id, [channel.name], tickers)
        else:
            assert channel.sid is not None, f"{kind} on {channel.name} without a sid"
            if kind == "unsubscribe":
                command = encode_unsubscribe(command_id, channel.sid)
            elif kind == "add":
                command = encode_update(command_id, channel.sid, "add_markets", tickers)
            elif kind == "delete":
                command = encode_update(command_id, channel.sid, "delete_markets", tickers)
            else:
                command = encode_update(command_id, channel.sid, "get_snapshot", tickers)
        self.outgoing.append(command)
        self._pending[command_id] = Pending(kind, channel, tickers)
        if len(self._pending) > PENDING_MAX:
            # get_snapshot has no ack of its own, so answered ones stay: the oldest goes.
            del self._pending[next(iter(self._pending))]


def _portions(tickers: Iterable[str]) -> Iterator[list[str]]:
    """Cut tickers into lists that fit one command."""
    every = list(tickers)
    for start in range(0, len(every), TICKERS_PER_COMMAND):
        yield every[start : start + TICKERS_PER_COMMAND]
