"""One client connection of the WebSocket, without the socket: commands in, frames out.

Rules (protocol sheet 2.2 – 2.5): one sid per channel and connection; a repeated subscribe adds tickers and
is answered with `ok`; on sequenced channels every message of a sid, `ok` and `unsubscribed` included, takes
the next number; snapshots come before deltas; `get_snapshot` is answered by snapshots only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec

from daemon.core.events import Level
from daemon.sandbox.frames import frame, snapshot_body

SEQUENCED: Final = frozenset({"orderbook_delta", "trade", "market_lifecycle_v2"})
PRIVATE: Final = frozenset({"fill", "user_orders", "market_positions"})
CHANNELS: Final = (*sorted(SEQUENCED), *sorted(PRIVATE), "ticker")
FILTERED: Final = frozenset(CHANNELS) - {"market_lifecycle_v2"}

ERRORS: Final = {
    1: "Unable to process message",
    2: "Params required",
    3: "Channels required",
    4: "Subscription IDs required",
    5: "Unknown command",
    7: "Unknown subscription ID",
    8: "Unknown channel name",
    11: "Invalid parameter",
    12: "Exactly one subscription ID is required",
    13: "Unsupported action",
    14: "Market Ticker required",
    15: "Action required",
    25: "Subscription buffer overflow",
}

Ladders: TypeAlias = tuple[tuple[Level, ...], tuple[Level, ...]]
"""YES and NO levels, each ascending on its own scale."""

_encode = msgspec.json.Encoder().encode


class Command(msgspec.Struct):
    """A command as it arrives. An id of 0 counts as absent."""

    cmd: str | None = None
    id: int = 0
    params: dict[str, Any] | None = None


_decoder = msgspec.json.Decoder(Command)


class CommandRefused(Exception):
    """A command is answered with an error of this code."""

    def __init__(self, code: int) -> None:
        super().__init__(ERRORS[code])
        self.code = code


class Subscription:
    """One channel of one connection."""

    __slots__ = (
        "awaited",
        "channel",
        "is_sequenced",
        "is_silent",
        "is_yes_price",
        "seq",
        "session",
        "sid",
        "tickers",
    )

    def __init__(self, session: ClientSession, sid: int, channel: str) -> None:
        self.session = session
        self.sid = sid
        self.channel = channel
        self.is_sequenced = channel in SEQUENCED
        self.seq = 0
        self.tickers: dict[str, None] | None = {}
        """In the order of their adding; None: all markets."""
        self.is_yes_price = False
        self.is_silent = False
        """Whether `ok` leaves the tickers out."""
        self.awaited: dict[str, list[int]] = {}
        """Tickers whose snapshot was asked for but isn't known yet, and the commands that asked."""

    def wants(self, ticker: str) -> bool:
        """Whether a market belongs to it."""
        return self.tickers is None or ticker in self.tickers

    def next_seq(self) -> int | None:
        """Return the next message's number; None on an unsequenced channel."""
        if not self.is_sequenced:
            return None
        self.seq += 1
        return self.seq

    def message(self, kind: str, body: bytes, sending_ts_ms: int, id: int | None = None) -> bytes:
        """Return a frame of this subscription, which takes the next number."""
        return frame(kind, body, sending_ts_ms, id=id, sid=self.sid, seq=self.next_seq())


class ClientSession:
    """The subscriptions of one connection.

    Args:
        account: who signed the upgrade.
        book: a market's levels; None while a tape hasn't told them.
        ticker: a market's current ticker body; None for an unknown market.
        now_ms: the sandbox's clock in ms.
        on_change: called after the set of subscriptions, or their tickers, changed.
    """

    def __init__(
        self,
        account: str,
        *,
        book: Callable[[str], Ladders | None],
        ticker: Callable[[str], bytes | None],
        now_ms: Callable[[], int],
        on_change: Callable[[], None],
    ) -> None:
        self.account = account
        self.outbox: list[bytes] = []
        """Frames to send, in order, as JSON text."""
        self.subscriptions: dict[int, Subscription] = {}
        self._by_channel: dict[str, Subscription] = {}
        self._sids = 0
        self._book = book
        self._ticker = ticker
        self._now_ms = now_ms
        self._on_change = on_change

    def receive(self, text: str | bytes) -> None:
        """Take in one client message; the answers are in `outbox`."""
        id_ = 0
        try:
            try:
                command = _decoder.decode(text)
            except msgspec.MsgspecError:
                raise CommandRefused(1) from None
            id_ = command.id
            match command.cmd:
                case "subscribe":
                    self._subscribe(command)
                case "unsubscribe":
                    self._unsubscribe(command)
                case "update_subscription":
                    self._update(command)
                case "list_subscriptions":
                    self._list(command)
                case _:
                    raise CommandRefused(5)
        except CommandRefused as refused:
            self._error(refused.code, id_)

    # --- commands ----------------------------------------------------------------------------

    def _subscribe(self, command: Command) -> None:
        params = _params(command)
        channels = _strings(params, "channels")
        if not channels:
            raise CommandRefused(3)
        if any(channel not in CHANNELS for channel in channels):
            raise CommandRefused(8)
        tickers = _tickers(params)
        if "orderbook_delta" in channels and not tickers:
            raise CommandRefused(14)
        is_yes_price = _flag(params, "use_yes_price")
        is_silent = _flag(params, "skip_ticker_ack")
        with_ticker = _flag(params, "send_initial_snapshot")
        for channel in dict.fromkeys(channels):
            subscription = self._by_channel.get(channel)
            wanted = tickers if channel in FILTERED else None
            if subscription is None:
                self._sids += 1
                subscription = Subscription(self, self._sids, channel)
                self.subscriptions[self._sids] = subscription
                self._by_channel[channel] = subscription
                body = _encode({"channel": channel, "sid": subscription.sid})
                self._send(frame("subscribed", body, self._now_ms(), id=command.id or None))
                is_new = True
            else:
                is_new = False
            subscription.is_yes_price |= is_yes_price
            subscription.is_silent |= is_silent
            added = self._add(subscription, wanted)
            if not is_new:
                self._ok(subscription, command.id)
            self._greet(subscription, added, with_ticker=with_ticker)
        self._on_change()

    def _unsubscribe(self, command: Command) -> None:
        sids = _params(command).get("sids")
        if not isinstance(sids, list) or not sids:
            raise CommandRefused(4)
        if any(type(sid) is not int for sid in sids):
            raise CommandRefused(1)
        if any(sid not in self.subscriptions for sid in sids):
            raise CommandRefused(7)
        for sid in dict.fromkeys(sids):
            subscription = self.drop(sid)
            head = f'"id":{command.id},' if command.id else ""
            seq = subscription.next_seq()
            number = "" if seq is None else f'"seq":{seq},'
            text = f'{{{head}"sid":{sid},{number}"type":"unsubscribed","sending_ts_ms":{self._now_ms()}}}\n'
            self._send(text.encode())
        self._on_change()

    def _update(self, command: Command) -> None:
        params = _params(command)
        sids = params.get("sids", [params["sid"]] if "sid" in params else None)
        if not isinstance(sids, list) or len(sids) != 1:
            raise CommandRefused(12)
        subscription = self.subscriptions.get(sids[0]) if type(sids[0]) is int else None
        if subscription is None:
            raise CommandRefused(7)
        action = params.get("action")
        if not action:
            raise CommandRefused(15)
        tickers = _tickers(params)
        if not tickers:
            raise CommandRefused(14)
        match action:
            case "add_markets" if subscription.channel in FILTERED:
                added = self._add(subscription, tickers)
                self._ok(subscription, command.id)
                self._greet(subscription, added, with_ticker=_flag(params, "send_initial_snapshot"))
            case "delete_markets" if subscription.channel in FILTERED:
                for ticker in tickers:
                    (subscription.tickers or {}).pop(ticker, None)
                    subscription.awaited.pop(ticker, None)
                self._ok(subscription, command.id)
            case "get_snapshot" if subscription.channel == "orderbook_delta":
                for ticker in tickers:
                    if subscription.wants(ticker):
                        self._snapshot(subscription, ticker, command.id)
            case _:
                raise CommandRefused(13)
        self._on_change()

    def _list(self, command: Command) -> None:
        body = [{"channel": found.channel, "sid": found.sid} for found in self.subscriptions.values()]
        head = f'"id":{command.id},' if command.id else ""
        text = f'{{{head}"type":"ok","msg":{_encode(body).decode()},"sending_ts_ms":{self._now_ms()}}}\n'
        self._send(text.encode())

    # --- answers -----------------------------------------------------------------------------

    def _add(self, subscription: Subscription, tickers: list[str] | None) -> list[str]:
        if tickers is None:
            subscription.tickers = None
            return []
        if subscription.tickers is None:
            return []
        added = [ticker for ticker in tickers if ticker not in subscription.tickers]
        subscription.tickers.update(dict.fromkeys(added))
        return added

    def _greet(self, subscription: Subscription, tickers: list[str], *, with_ticker: bool) -> None:
        for ticker in tickers:
            if subscription.channel == "orderbook_delta":
                self._snapshot(subscription, ticker, 0)
            elif subscription.channel == "ticker" and with_ticker:
                body = self._ticker(ticker)
                if body is not None:
                    self._send(subscription.message("ticker", body, self._now_ms()))

    def _snapshot(self, subscription: Subscription, ticker: str, id_: int) -> None:
        levels = self._book(ticker)
        if levels is None:
            # A tape can't be asked: its next recorded snapshot is the answer.
            subscription.awaited.setdefault(ticker, []).append(id_)
            return
        body = snapshot_body(ticker, *levels, is_yes_price=subscription.is_yes_price)
        self._send(subscription.message("orderbook_snapshot", body, self._now_ms(), id_ or None))

    def _ok(self, subscription: Subscription, id_: int) -> None:
        tickers = [] if subscription.is_silent or subscription.tickers is None else list(subscription.tickers)
        self._send(
            subscription.message("ok", _encode({"market_tickers": tickers}), self._now_ms(), id_ or None)
        )

    def _error(self, code: int, id_: int, subscription: Subscription | None = None) -> None:
        body = _encode({"code": code, "msg": ERRORS[code]})
        sid = seq = None
        if subscription is not None:
            sid, seq = subscription.sid, subscription.next_seq()
        self._send(frame("error", body, self._now_ms(), id=id_ or None, sid=sid, seq=seq))

    def _send(self, payload: bytes) -> None:
        self.outbox.append(payload)

    # --- ends --------------------------------------------------------------------------------

    def drop(self, sid: int) -> Subscription:
        """End a subscription."""
        subscription = self.subscriptions.pop(sid)
        del self._by_channel[subscription.channel]
        return subscription

    def overflow(self) -> None:
        """End every subscription with code 25: this client doesn't keep up."""
        self.outbox.clear()
        for sid in list(self.subscriptions):
            self._error(25, 0, self.drop(sid))
        self._on_change()


def _params(command: Command) -> dict[str, Any]:
    if not command.params:
        raise CommandRefused(2)
    return command.params


def _strings(params: dict[str, Any], name: str) -> list[str]:
    found = params.get(name, [])
    if not isinstance(found, list) or any(not isinstance(text, str) for text in found):
        raise CommandRefused(1)
    return found


def _flag(params: dict[str, Any], name: str) -> bool:
    found = params.get(name, False)
    if not isinstance(found, bool):
        raise CommandRefused(1)
    return found


def _tickers(params: dict[str, Any]) -> list[str] | None:
    """Return the tickers a command names; None when it names none."""
    if "market_id" in params or "market_ids" in params:
        # Markets are named by ticker here; ids would only be another way to say so.
        raise CommandRefused(11)
    if "market_ticker" in params:
        one = params["market_ticker"]
        if "market_tickers" in params or not isinstance(one, str):
            raise CommandRefused(11)
        return [one]
    return list(dict.fromkeys(_strings(params, "market_tickers"))) or None
