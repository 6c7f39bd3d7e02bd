"""Which channels we want, which we have, and the commands that lead from one to the other. Sans-I/O.

A `Channel` is what we want; a `Stream` is a sid that the venue gave us, with its sequence numbers. The
venue keeps one sid per channel and connection. One rule makes all commands: `sync` asks for what is wanted
and not asked for. It is called after everything that can change either side, so acks, refusals and late
wishes need no paths of their own.

    channel    asked for nothing ─subscribe→ asked ─subscribed→ has a sid ─add/delete_markets→ …
                      ↑──────────── error, ack overdue ──┴───── error 10, 25, 7 ──┘   (with a growing delay)

A market that is being deleted is not asked for again before the delete is acknowledged: otherwise a
snapshot from before the delete could be taken for the one after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

from daemon.core.units import Ns
from daemon.kalshi.channels import (
    ACK_PATIENCE,
    BOOKS,
    INDEX,
    LIFECYCLE,
    PRIVATE,
    TICKERS_PER_COMMAND,
    TRADES,
    Channel,
    Stream,
)
from daemon.kalshi.encode import (
    IS_YES_PRICED,
    encode_list,
    encode_subscribe,
    encode_unsubscribe,
    encode_update,
)
from daemon.kalshi.pace import Pace

PENDING_MAX = 1_000
NO_ENTITLEMENT = frozenset({8, 9, 11, 24})
"""Refusals of the index channel that asking again does not change: unknown, unauthorized, no such index."""
TOO_MANY_MARKETS = 26
TOO_MANY_COMMANDS = 27

CommandKind: TypeAlias = Literal["subscribe", "add", "delete", "snapshot", "unsubscribe"]


class Pending:
    """A command that the venue may still answer."""

    __slots__ = ("channel", "kind", "sid", "tickers")

    def __init__(self, kind: CommandKind, channel: Channel, tickers: Sequence[str]) -> None:
        self.kind = kind
        self.channel = channel
        self.sid = channel.sid
        self.tickers = tickers

    @property
    def is_stale(self) -> bool:
        """Whether it was about a sid that the channel has no more: its answer says nothing of the new one."""
        return self.kind not in ("subscribe", "unsubscribe") and self.sid != self.channel.sid


class Subscriptions:
    """All channels of one connection. Told the time; writes commands into `outgoing`."""

    def __init__(
        self,
        wanted: Mapping[str, object],
        *,
        is_public: bool = True,
        is_private: bool = True,
        is_first: bool = True,
        index_ids: tuple[str, ...] = (),
        is_yes_priced: bool = IS_YES_PRICED,
    ) -> None:
        """Build.

        Args:
            wanted: the markets wanted, as they change; `want` and `unwant` tell of the changes.
            is_public: whether this connection carries books and trades.
            is_private: whether it carries the account's own channels.
            is_first: whether it carries what is told once for the whole exchange.
            index_ids: the settlement indices to ask for; the first connection only.
            is_yes_priced: whether the NO side is asked for on the YES price scale.
        """
        self._is_yes_priced = is_yes_priced
        self.books = Channel(BOOKS, wanted)
        """Kept, without a market, where the connection carries no books."""
        channels = [self.books, Channel(TRADES, wanted)] if is_public else []
        names = (*((LIFECYCLE,) if is_first else ()), *(PRIVATE if is_private else ()))
        channels += [Channel(name) for name in names]
        if index_ids and is_first:
            channels.append(Channel(INDEX, index_ids=index_ids))
        self.channels = {channel.name: channel for channel in channels}
        self.streams: dict[int, Stream] = {}
        self.pace = Pace()
        self.outgoing: list[str] = []
        self._pending: dict[int, Pending] = {}
        self._snapshots_asked: dict[int, Pending] = {}
        """`get_snapshot` has no ack of its own: the last few are kept, in case they are refused."""
        self._last_id = 0
        self._probe_id: int | None = None
        """Of the question whose only purpose is that it is answered."""
        self._overdue: list[Channel] = []

    def reset(self) -> None:
        """Forget everything of the old connection; commands not yet sent are dropped with it."""
        for channel in self.channels.values():
            channel.reset()
            channel.retry_at = 0
            channel.is_broken = False
        self.streams.clear()
        self.pace.reset()
        self._pending.clear()
        self._snapshots_asked.clear()
        self.outgoing.clear()
        self._last_id = 0
        self._probe_id = None

    def break_off(self, names: Iterable[str]) -> None:
        """Take note that these channels have a hole, which ends when they are subscribed again."""
        for name in names:
            if name in self.channels:
                self.channels[name].is_broken = True

    # --- wishes ---------------------------------------------------------------------------------

    def want(self, tickers: Sequence[str]) -> None:
        """Take note of markets that are wanted from now on."""
        for channel in self.channels.values():
            if channel.is_per_market:
                channel.want(tickers)

    def unwant(self, tickers: Sequence[str]) -> None:
        """Take note of markets that are not wanted any more."""
        for channel in self.channels.values():
            if channel.is_per_market:
                channel.unwant(tickers)

    @property
    def unplaced(self) -> list[str]:
        """Markets for which a subscription of this connection has no room, in order, each once."""
        return list(dict.fromkeys(ticker for one in self.channels.values() for ticker in one.unplaced))

    @property
    def capacity(self) -> int | None:
        """How many markets this connection can hold, as far as the venue told; None: as many as we like."""
        told = [one.capacity for one in self.channels.values() if one.capacity is not None]
        return min(told, default=None)

    # --- commands -------------------------------------------------------------------------------

    def sync(self, now: Ns) -> list[str]:
        """Ask for what is wanted and not asked for; return the markets whose book was asked for now."""
        asked: list[str] = []
        for channel in self.channels.values():
            if channel.asked_at is not None:
                if now - channel.asked_at < ACK_PATIENCE:
                    continue  # its ack leads here again
                self._take_back(channel, list(channel.members))
                channel.fail(now)
                self._overdue.append(channel)
            if not channel.is_per_market:
                if channel.sid is None and now >= channel.retry_at:
                    self._subscribe(channel, (), now)
            else:
                new = self._sync_markets(channel, now)
                if channel is self.books:
                    asked = new
        return asked

    def _sync_markets(self, channel: Channel, now: Ns) -> list[str]:
        """Ask for the missing markets of a channel, and delete the ones that are gone."""
        new: list[str] = []
        if channel.missing and now >= channel.retry_at:
            new = self._ask_markets(channel, now)
        if channel.sid is None:
            return new
        if channel.leaving and now - next(iter(channel.leaving.values())) >= ACK_PATIENCE:
            channel.not_left(list(channel.leaving), now)
        if not channel.gone or now < channel.deletes_at:
            return new
        if len(channel.gone) == len(channel.members):
            # Deleting the last market could leave a subscription without a filter, which on some
            # channels means all markets.
            self._send("unsubscribe", channel, ())
            channel.reset()
            return []
        for tickers in _portions(channel.gone, TICKERS_PER_COMMAND):
            self._send("delete", channel, tickers)
            channel.deleted(tickers, now)
        return new

    def _ask_markets(self, channel: Channel, now: Ns) -> list[str]:
        room = channel.room(now)
        new = list(channel.missing) if room is None else list(channel.missing)[:room]
        if not new:
            return []
        if channel.sid is None:
            # The first portion only: the others follow by sid, after the ack.
            new = new[: channel.portion]
            self._subscribe(channel, new, now)
            return new
        if channel.adds_open and now - channel.added_at >= ACK_PATIENCE:
            channel.adds_open = 0
        if channel.portion < TICKERS_PER_COMMAND:
            # We are finding out how many fit: one question at a time.
            new = [] if channel.adds_open else new[: channel.portion]
        for tickers in _portions(new, channel.portion):
            self._send("add", channel, tickers)
            channel.asked(tickers)
            channel.adds_open += 1
            channel.added_at = now
        return new

    def ask_snapshots(self, tickers: Sequence[str]) -> None:
        """Ask for the books of these markets anew; the channel must have its sid."""
        for portion in _portions(tickers, TICKERS_PER_COMMAND):
            self._send("snapshot", self.books, portion)

    def ask_sign_of_life(self) -> None:
        """Ask, before all else, what must be answered by a frame."""
        self._last_id += 1
        self._probe_id = self._last_id
        self.outgoing.insert(0, encode_list(self._last_id))

    def is_sign_of_life(self, command_id: int | None) -> bool:
        """Whether an answer, good or bad, is the one to `ask_sign_of_life`."""
        return command_id is not None and command_id == self._probe_id

    def take_outgoing(self, now: Ns) -> list[str]:
        """Return the commands that may leave now, in order, and forget them."""
        count = self.pace.allowed(len(self.outgoing), now)
        if count:
            self.pace.sent(now)
        commands, self.outgoing = self.outgoing[:count], self.outgoing[count:]
        return commands

    def take_overdue(self) -> list[Channel]:
        """Return, once, the channels whose subscribe was not answered in time."""
        overdue, self._overdue = self._overdue, []
        return overdue

    # --- answers --------------------------------------------------------------------------------

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

    def refused(self, pending: Pending, code: int, now: Ns) -> bool:
        """Take back what was asked for by a command that the venue refused.

        Returns:
            Whether that is the last word for now: False when less is asked for at once instead.
        """
        channel = pending.channel
        if code == TOO_MANY_COMMANDS:
            self.pace.slow_down(now)
        match pending.kind:
            case "subscribe" | "add":
                self._take_back(channel, pending.tickers)
                self._answered_add(pending)
                if code == TOO_MANY_MARKETS and pending.tickers:
                    return channel.is_too_much(len(pending.tickers), now)
                if channel.name == INDEX and code in NO_ENTITLEMENT:
                    channel.give_up(now)
                else:
                    channel.fail(now)
            case "delete":
                channel.not_left(pending.tickers, now)
            case "snapshot" | "unsubscribe":
                pass  # a snapshot is asked for again when it is overdue; a sid that is unknown is gone
        return True

    def acknowledged(self, pending: Pending) -> None:
        """Take note that a command was carried out."""
        if pending.kind == "delete":
            pending.channel.left(pending.tickers)
        self._answered_add(pending)

    def take_pending(self, command_id: int | None) -> Pending | None:
        """Return and forget the command with this id; None when it is none of ours or was answered."""
        if command_id is None:
            return None
        return self._pending.pop(command_id, None) or self._snapshots_asked.pop(command_id, None)

    def channel_of(self, sid: int | None) -> Channel | None:
        """Return our channel with this sid; None when there is none."""
        if sid is None:
            return None
        return next((channel for channel in self.channels.values() if channel.sid == sid), None)

    def _answered_add(self, pending: Pending) -> None:
        if pending.kind == "add":
            pending.channel.adds_open = max(0, pending.channel.adds_open - 1)

    def _take_back(self, channel: Channel, tickers: Sequence[str]) -> None:
        channel.not_asked(tickers)
        channel.asked_at = None

    def _subscribe(self, channel: Channel, tickers: Sequence[str], now: Ns) -> None:
        self._send("subscribe", channel, tickers)
        channel.asked(tickers)
        channel.asked_at = now

    def _send(self, kind: CommandKind, channel: Channel, tickers: Sequence[str]) -> None:
        self._last_id += 1
        command_id = self._last_id
        if kind == "subscribe":
            command = encode_subscribe(
                command_id,
                [channel.name],
                tickers,
                channel.index_ids,
                is_yes_priced=self._is_yes_priced,
            )
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
        kept = self._snapshots_asked if kind == "snapshot" else self._pending
        kept[command_id] = Pending(kind, channel, tickers)
        if len(kept) > PENDING_MAX:
            del kept[next(iter(kept))]


def _portions(tickers: Iterable[str], size: int) -> Iterator[list[str]]:
    """Cut tickers into lists that fit one command."""
    every = list(tickers)
    for start in range(0, len(every), size):
        yield every[start : start + size]
