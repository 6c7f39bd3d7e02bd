"""One client connection of the WebSocket, without the socket: commands in, frames out.

Rules (protocol sheet 2.2 – 2.5): one sid per channel and connection; a repeated subscribe adds names and
is answered with `ok`; on sequenced channels every message of a sid, `ok`, `unsubscribed` and errors that
name it included, takes the next number; snapshots come before deltas; `get_snapshot` is answered by
snapshots only. A command is carried out whole or refused whole.
"""

from __future__ import annotations

from typing import Any

import msgspec

from daemon.sandbox.stream.commands import (
    ALL,
    ERRORS,
    FILTERED,
    INDEXED,
    Command,
    CommandRefused,
    action_of,
    channels_of,
    decode_command,
    flag_of,
    id_of,
    market_ids_of,
    params_of,
    sid_of,
    sids_of,
    strings_of,
    tickers_of,
)
from daemon.sandbox.stream.frames import frame, snapshot_body
from daemon.sandbox.stream.subscription import Subscription, VenueView

_encode = msgspec.json.Encoder().encode


class ClientSession:
    """The subscriptions of one connection. `account` signed the upgrade."""

    def __init__(self, account: str, view: VenueView) -> None:
        self.account = account
        self.outbox: list[bytes] = []
        """Frames to send, in order, as JSON text."""
        self.subscriptions: dict[int, Subscription] = {}
        self._by_channel: dict[str, Subscription] = {}
        self._sids = 0
        self._second = 0
        self._commands = 0
        """Of this second."""
        self._view = view

    def receive(self, text: str | bytes) -> None:
        """Take in one client message; the answers are in `outbox`."""
        command = decode_command(text)
        id_ = id_of(text) if command is None else command.id
        try:
            self._count_command()
            if command is None:
                raise CommandRefused(1)
            if self._view.command_fault is not None:
                code = self._view.command_fault(command)
                if code is not None:
                    raise CommandRefused(code)
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
            self._refuse(refused, id_)

    def _count_command(self) -> None:
        second = self._view.now_ms // 1000
        if second != self._second:
            self._second, self._commands = second, 0
        self._commands += 1
        if self._commands > self._view.limits.session_commands_per_s:
            raise CommandRefused(27)

    def _check_names(self, *lists: list[str] | None) -> None:
        """Check that the connection may name so many more, be they new to it or not."""
        held = sum(len(found.names or ()) for found in self.subscriptions.values())
        if held + sum(len(names or ()) for names in lists) > self._view.limits.session_names:
            raise CommandRefused(26)

    # --- commands ----------------------------------------------------------------------------

    def _subscribe(self, command: Command) -> None:
        params = params_of(command)
        channels = channels_of(params)
        names = {channel: self._names(params, channel) for channel in channels}
        if "orderbook_delta" in channels and not names["orderbook_delta"]:
            raise CommandRefused(14)
        if market_ids_of(params) is not None and channels != ["ticker"]:
            # Only the ticker channel knows markets by their ids.
            raise CommandRefused(11)
        is_yes_price = flag_of(params, "use_yes_price")
        is_silent = flag_of(params, "skip_ticker_ack")
        with_ticker = flag_of(params, "send_initial_snapshot")
        limits, now_ms = self._view.limits, self._view.now_ms
        self._check_names(*names.values())
        for channel in channels:
            limits.check_size(self._by_channel.get(channel), names[channel])
        for channel in channels:
            if channel in self._by_channel:
                limits.check_rate(self._by_channel[channel], now_ms)
        for channel in channels:
            subscription = self._by_channel.get(channel)
            is_new = subscription is None
            if subscription is None:
                subscription = self._open(channel, command.id)
            subscription.is_yes_price |= is_yes_price
            subscription.is_silent |= is_silent
            added = self._add(subscription, names[channel])
            if not is_new:
                self._ok(subscription, command.id)
            self._greet(subscription, added, with_ticker=with_ticker)
        self._view.changed()

    def _open(self, channel: str, id_: int) -> Subscription:
        self._sids += 1
        subscription = Subscription(self, self._sids, channel)
        self.subscriptions[self._sids] = self._by_channel[channel] = subscription
        body = _encode({"channel": channel, "sid": subscription.sid})
        self._send(frame("subscribed", body, self._view.now_ms, id=id_ or None))
        return subscription

    def _unsubscribe(self, command: Command) -> None:
        sids = sids_of(params_of(command))
        if any(sid not in self.subscriptions for sid in sids):
            raise CommandRefused(7)
        for sid in sids:
            subscription = self.drop(sid)
            head = f'"id":{command.id},' if command.id else ""
            seq = subscription.next_seq()
            number = "" if seq is None else f'"seq":{seq},'
            stamp = f'"sending_ts_ms":{self._view.now_ms}'
            self._send(f'{{{head}"sid":{sid},{number}"type":"unsubscribed",{stamp}}}\n'.encode())
        self._view.changed()

    def _update(self, command: Command) -> None:
        params = params_of(command)
        subscription = self.subscriptions.get(sid_of(params))
        if subscription is None:
            raise CommandRefused(7)
        action = action_of(params)
        self._view.limits.check_rate(subscription, self._view.now_ms)
        if subscription.channel in INDEXED:
            self._update_indices(subscription, action, params, command.id)
        elif subscription.channel in FILTERED:
            self._update_markets(subscription, action, params, command.id)
        else:
            raise CommandRefused(13)
        self._view.changed()

    def _update_markets(
        self, subscription: Subscription, action: str, params: dict[str, Any], id_: int
    ) -> None:
        if action not in {"add_markets", "delete_markets", "get_snapshot"}:
            raise CommandRefused(13)
        if action == "get_snapshot" and subscription.channel != "orderbook_delta":
            raise CommandRefused(13)
        if market_ids_of(params) is not None and subscription.channel != "ticker":
            raise CommandRefused(11)
        tickers = self._names(params, subscription.channel) or []
        if not tickers:
            raise CommandRefused(14)
        if action == "add_markets":
            with_ticker = flag_of(params, "send_initial_snapshot")
            self._view.limits.check_size(subscription, tickers)
            self._check_names(tickers)
            added = self._add(subscription, tickers)
            self._ok(subscription, id_)
            self._greet(subscription, added, with_ticker=with_ticker)
        elif action == "delete_markets":
            for ticker in tickers:
                (subscription.names or {}).pop(ticker, None)
                subscription.awaited.pop(ticker, None)
            self._ok(subscription, id_)
        else:
            # For whatever was asked, and without modifying the subscription.
            for ticker in tickers:
                self._snapshot(subscription, ticker, id_)

    def _update_indices(
        self, subscription: Subscription, action: str, params: dict[str, Any], id_: int
    ) -> None:
        if action == "indexlist":
            body = _encode({"index_ids": self._view.index_ids})
            kind = f"{subscription.channel}_indexlist"
            self._send(subscription.message(kind, body, self._view.now_ms, id_ or None))
            return
        if action not in {"subscribe_indices", "unsubscribe_indices"}:
            raise CommandRefused(13)
        ids = strings_of(params, "index_ids")
        if not ids:
            raise CommandRefused(24)
        if action == "subscribe_indices":
            self._check_names(ids)
            self._add(subscription, None if ALL in ids else ids)
        else:
            kept = self._view.index_ids if subscription.names is None else subscription.names
            subscription.names = {} if ALL in ids else {id_: None for id_ in kept if id_ not in ids}
        self._ok(subscription, id_)

    def _list(self, command: Command) -> None:
        body = [{"channel": found.channel, "sid": found.sid} for found in self.subscriptions.values()]
        head = f'"id":{command.id},' if command.id else ""
        text = f'{{{head}"type":"ok","msg":{_encode(body).decode()},"sending_ts_ms":{self._view.now_ms}}}\n'
        self._send(text.encode())

    # --- what a command names ----------------------------------------------------------------

    def _names(self, params: dict[str, Any], channel: str) -> list[str] | None:
        """Return the names that a command gives a channel; None: all."""
        if channel in INDEXED:
            indices = strings_of(params, "index_ids")
            return None if ALL in indices else indices
        ids = market_ids_of(params)
        tickers = tickers_of(params)
        if channel not in FILTERED:
            return None
        return tickers if ids is None else [self._view.ticker_of(market_id) for market_id in ids]

    # --- answers -----------------------------------------------------------------------------

    def _add(self, subscription: Subscription, names: list[str] | None) -> list[str]:
        """Let a subscription name more; return what is new to it."""
        if names is None:
            is_new = subscription.names is not None
            subscription.names = None
            return self._view.open_tickers() if is_new and subscription.channel == "ticker" else []
        if subscription.names is None:
            return []
        added = [name for name in names if name not in subscription.names]
        subscription.names.update(dict.fromkeys(added))
        return added

    def _greet(self, subscription: Subscription, tickers: list[str], *, with_ticker: bool) -> None:
        for ticker in tickers:
            if subscription.channel == "orderbook_delta":
                self._snapshot(subscription, ticker, 0)
            elif subscription.channel == "ticker" and with_ticker:
                body = self._view.summary(ticker)
                if body is not None:
                    self._send(subscription.message("ticker", body, self._view.now_ms))

    def _snapshot(self, subscription: Subscription, ticker: str, id_: int) -> None:
        levels = self._view.ladders(ticker)
        if levels is None:
            # A tape can't be asked: its next recorded snapshot is the answer.
            if subscription.wants(ticker):
                subscription.awaited.setdefault(ticker, []).append(id_)
            return
        body = snapshot_body(ticker, *levels, is_yes_price=subscription.is_yes_price)
        self._send(subscription.message("orderbook_snapshot", body, self._view.now_ms, id_ or None))

    def _ok(self, subscription: Subscription, id_: int) -> None:
        is_indexed = subscription.channel in INDEXED
        names = list(subscription.names or ())
        if subscription.names is None and is_indexed:
            names = list(self._view.index_ids)
        body = _encode(
            {"index_ids" if is_indexed else "market_tickers": [] if subscription.is_silent else names}
        )
        self._send(subscription.message("ok", body, self._view.now_ms, id_ or None))

    def _refuse(self, refused: CommandRefused, id_: int) -> None:
        body: dict[str, Any] = {"code": refused.code, "msg": ERRORS[refused.code]}
        if refused.ticker is not None:
            body["market_ticker"] = refused.ticker
        subscription = None if refused.sid is None else self.subscriptions.get(refused.sid)
        self._error(body, id_, subscription)

    def _error(self, body: dict[str, Any], id_: int, subscription: Subscription | None) -> None:
        encoded, now_ms = _encode(body), self._view.now_ms
        if subscription is None:
            self._send(frame("error", encoded, now_ms, id=id_ or None))
        else:
            self._send(subscription.message("error", encoded, now_ms, id_ or None))

    def _send(self, payload: bytes) -> None:
        self.outbox.append(payload)

    # --- ends --------------------------------------------------------------------------------

    def drop(self, sid: int) -> Subscription:
        """End a subscription without a word."""
        subscription = self.subscriptions.pop(sid)
        del self._by_channel[subscription.channel]
        return subscription

    def fail(self, sid: int, code: int = 10) -> None:
        """End a subscription with a terminal error: the client must subscribe anew."""
        self._error({"code": code, "msg": ERRORS[code]}, 0, self.drop(sid))
        self._view.changed()

    def overflow(self) -> None:
        """End every subscription with code 25: this client doesn't keep up."""
        self.outbox.clear()
        for sid in list(self.subscriptions):
            self.fail(sid, 25)
