"""The venue as the tests believe it to be: true books, and connections that number what they tell.

Pure: commands in, frames out. Used under Hypothesis, and behind a real server on loopback.
"""

from __future__ import annotations

import json
from typing import Any, TypeAlias

from daemon.core.units import Side
from tests.kalshi.frames import delta, frame, snapshot, subscribed

Ladders: TypeAlias = dict[Side, dict[int, int]]
BOOKS = "orderbook_delta"


class Subscription:
    """One sid."""

    def __init__(self, sid: int, channel: str) -> None:
        self.sid = sid
        self.channel = channel
        self.seq = 0
        self.tickers: dict[str, None] = {}

    def next_seq(self) -> int:
        self.seq += 1
        return self.seq


class ModelVenue:
    """The true books, by market."""

    def __init__(self) -> None:
        self.books: dict[str, Ladders] = {}
        self.trades = 0

    def book(self, ticker: str) -> Ladders:
        return self.books.setdefault(ticker, {"yes": {}, "no": {}})


class ModelConnection:
    """One client's connection. `outbox` takes the frames in order."""

    def __init__(self, venue: ModelVenue, capacity: int | None = None) -> None:
        self.venue = venue
        self.capacity = capacity
        """How many markets a subscription may have; more is error 26."""
        self.outbox: list[bytes] = []
        self.subscriptions: dict[str, Subscription] = {}
        self.sids = 0
        self.commands: list[dict[str, Any]] = []
        self.history: dict[tuple[int, int], dict[str, Ladders]] = {}
        """The true books as each numbered frame of a book's sid left them; kept if `keeps_history`."""
        self.keeps_history = False
        self.traded: dict[tuple[int, int], str] = {}
        """The trade in each numbered frame of a trades' sid; kept if `keeps_history`."""

    # --- commands ------------------------------------------------------------------------------

    def receive(self, text: str) -> None:
        command = json.loads(text)
        self.commands.append(command)
        params = command.get("params", {})
        match command["cmd"]:
            case "list_subscriptions":
                sids = [{"channel": one.channel, "sid": one.sid} for one in self.subscriptions.values()]
                self.outbox.append(frame("ok", sids, id=command["id"]))
            case "subscribe":
                for channel in params["channels"]:
                    self._subscribe(command["id"], channel, params.get("market_tickers", []))
            case "unsubscribe":
                for sid in params["sids"]:
                    self._unsubscribe(command["id"], sid)
            case _:
                self._update(command["id"], params)

    def _subscribe(self, command_id: int, channel: str, tickers: list[str]) -> None:
        subscription = self.subscriptions.get(channel)
        if subscription is not None:
            self._add(command_id, subscription, tickers)
            return
        if self.capacity is not None and len(tickers) > self.capacity:
            self._refuse(command_id, 26, None)
            return
        self.sids += 1
        subscription = self.subscriptions[channel] = Subscription(self.sids, channel)
        self.outbox.append(subscribed(channel, self.sids, command_id))
        subscription.tickers.update(dict.fromkeys(tickers))
        self._snapshots(subscription, tickers)

    def _unsubscribe(self, command_id: int, sid: int) -> None:
        subscription = self._by_sid(sid)
        if subscription is None:
            self._refuse(command_id, 7, None)
            return
        del self.subscriptions[subscription.channel]
        seq = self._number(subscription)
        self.outbox.append(frame("unsubscribed", id=command_id, sid=sid, seq=seq))

    def _update(self, command_id: int, params: dict[str, Any]) -> None:
        subscription = self._by_sid(params["sid"])
        tickers = params["market_tickers"]
        if subscription is None:
            self._refuse(command_id, 7, None)
        elif params["action"] == "add_markets":
            self._add(command_id, subscription, tickers)
        elif params["action"] == "delete_markets":
            for ticker in tickers:
                subscription.tickers.pop(ticker, None)
            self._ok(command_id, subscription)
        else:
            self._snapshots(subscription, [ticker for ticker in tickers if ticker in subscription.tickers])

    def _add(self, command_id: int, subscription: Subscription, tickers: list[str]) -> None:
        new = [ticker for ticker in tickers if ticker not in subscription.tickers]
        if self.capacity is not None and len(subscription.tickers) + len(new) > self.capacity:
            self._refuse(command_id, 26, subscription)
            return
        subscription.tickers.update(dict.fromkeys(new))
        self._ok(command_id, subscription)
        self._snapshots(subscription, new)

    # --- what is told --------------------------------------------------------------------------

    def changed(self, ticker: str, side: Side, price: int, change: int) -> None:
        """Tell of a level that changed, if the market is subscribed."""
        subscription = self.subscriptions.get(BOOKS)
        if subscription is not None and ticker in subscription.tickers:
            seq = self._number(subscription)
            self.outbox.append(delta(ticker, seq, side, price, change, subscription.sid))

    def trade(self, ticker: str) -> None:
        """Tell of a trade, if the market is subscribed."""
        subscription = self.subscriptions.get("trade")
        if subscription is None or ticker not in subscription.tickers:
            return
        self.venue.trades += 1
        seq = self._number(subscription)
        msg = {"trade_id": f"t{self.venue.trades}", "market_ticker": ticker, "yes_price_dollars": "0.5000",
               "count_fp": "1.00", "taker_outcome_side": "yes"}  # fmt: skip
        if self.keeps_history:
            self.traded[subscription.sid, seq] = f"t{self.venue.trades}"
        self.outbox.append(frame("trade", msg, sid=subscription.sid, seq=seq))

    def die(self, channel: str, code: int) -> bool:
        """End a subscription with an error; False when there is none."""
        subscription = self.subscriptions.pop(channel, None)
        if subscription is None:
            return False
        msg = {"code": code, "msg": "the model says so"}
        self.outbox.append(frame("error", msg, sid=subscription.sid, seq=self._number(subscription)))
        return True

    def start_over(self, ticker: str) -> bool:
        """Count a book's sid from one again, with a snapshot first; False when there is none."""
        subscription = self.subscriptions.get(BOOKS)
        if subscription is None or ticker not in subscription.tickers:
            return False
        subscription.seq = 0
        self.history.clear()
        self._snapshots(subscription, [ticker])
        return True

    def _snapshots(self, subscription: Subscription, tickers: list[str]) -> None:
        if subscription.channel != BOOKS:
            return
        for ticker in tickers:
            ladders = self.venue.book(ticker)
            seq = self._number(subscription)
            yes, no = sorted(ladders["yes"].items()), sorted(ladders["no"].items())
            self.outbox.append(snapshot(ticker, seq, yes, no, subscription.sid))

    def _ok(self, command_id: int, subscription: Subscription) -> None:
        msg = {"market_tickers": list(subscription.tickers)[:3]}
        is_numbered = subscription.channel in (BOOKS, "trade", "market_lifecycle_v2")
        number = {"seq": self._number(subscription)} if is_numbered else {}
        self.outbox.append(frame("ok", msg, id=command_id, sid=subscription.sid, **number))

    def _refuse(self, command_id: int, code: int, subscription: Subscription | None) -> None:
        envelope: dict[str, object] = {"id": command_id}
        if subscription is not None:
            envelope |= {"sid": subscription.sid, "seq": self._number(subscription)}
        self.outbox.append(frame("error", {"code": code, "msg": "the model says so"}, **envelope))

    def _number(self, subscription: Subscription) -> int:
        seq = subscription.next_seq()
        if self.keeps_history and subscription.channel == BOOKS:
            self.history[subscription.sid, seq] = {
                ticker: {"yes": dict(ladders["yes"]), "no": dict(ladders["no"])}
                for ticker, ladders in self.venue.books.items()
            }
        return seq

    def _by_sid(self, sid: int) -> Subscription | None:
        return next((one for one in self.subscriptions.values() if one.sid == sid), None)
