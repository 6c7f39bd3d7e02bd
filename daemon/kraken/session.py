"""One conversation with Kraken's WebSocket v2, without any I/O: the reference price from its trades.

A trade is the reference price. The snapshot that opens a subscription tells some trades of before: they
are dated by Kraken's clock, so that windows over the price are warm at once (clocks that differ by some
milliseconds don't matter to windows of seconds). Trades that are told again are dropped by their id.
"""

from __future__ import annotations

import msgspec

from daemon.core.events import Event, Feed, FeedConnected, FeedDropped, ReferencePriceReceived
from daemon.core.units import MONEY_ONE, SECOND, Money, Ns, parse_instant, parse_money
from daemon.kraken.wire import Message, Status, Subscribed, Trade

SOURCE = "kraken"
ACK_PATIENCE: Ns = 10 * SECOND
_PRICE_MAX: Money = 10**9 * MONEY_ONE

_decode_message = msgspec.json.Decoder(Message).decode
_decode_trades = msgspec.json.Decoder(list[Trade]).decode
_decode_status = msgspec.json.Decoder(list[Status]).decode
_decode_subscribed = msgspec.json.Decoder(Subscribed).decode
_encoder = msgspec.json.Encoder()


class Session:
    """The state of the reference feed over all its connections. See the module's head."""

    def __init__(self, symbols: tuple[str, ...] = ("BTC/USD",), feed: Feed = "reference") -> None:
        """Build for these symbols, in Kraken's spelling: upper case with a slash."""
        self.feed = feed
        self.symbols = symbols
        self.is_connected = False
        self.reconnect_reason: str | None = None
        """Set when only a new connection helps; Kraken gives us no such reason yet."""
        self.frames = 0
        """All frames since the start."""
        self.system: str | None = None
        """What Kraken last said of its trading system; None before it did."""
        self._counts = dict.fromkeys(("trades", "repeated", "refused", "errors"), 0)
        self._outgoing: list[bytes] = []
        self._last_trade_ids: dict[str, int] = {}
        self._subscribed: dict[str, None] = {}
        self._asked_at: Ns = 0
        self._last_id = 0

    # --- what the shell tells -------------------------------------------------------------------

    def connected(self, now: Ns) -> list[Event]:
        """Start a new connection: nothing is subscribed."""
        self._forget_connection()
        self.is_connected = True
        self._subscribe(now)
        return [FeedConnected(self.feed, now)]

    def dropped(self, reason: str, now: Ns) -> list[Event]:
        """End the connection: the last price is not vouched for any more."""
        self._forget_connection()
        return [FeedDropped(self.feed, reason, now)]

    def poll(self, now: Ns) -> None:
        """Ask again for what is not confirmed. To be called about once a second."""
        if self.is_connected and now - self._asked_at >= ACK_PATIENCE:
            self._subscribe(now)

    def outgoing(self) -> list[str]:
        """Return the commands to send now, and forget them."""
        commands = [command.decode() for command in self._outgoing]
        self._outgoing.clear()
        return commands

    @property
    def has_outgoing(self) -> bool:
        """Whether commands wait to be sent."""
        return bool(self._outgoing)

    @property
    def counters(self) -> dict[str, int]:
        """Counts since the start: frames, trades, repeated ones, refused frames, errors told by Kraken."""
        return {"frames": self.frames, **self._counts}

    # --- frames ---------------------------------------------------------------------------------

    def receive(self, frame: bytes, received_at: Ns) -> list[Event]:
        """Return what one frame tells. A frame that can't be read is counted and gives nothing."""
        self.frames += 1
        try:
            message = _decode_message(frame)
            match message.channel:
                case "trade":
                    return self._trades(message, received_at)
                case "status":
                    for status in _decode_status(message.data):
                        self.system = status.system
                case None:
                    self._answered(message)
                case "heartbeat" | _:
                    # A heartbeat says that the connection lives, which receiving it showed already;
                    # of other channels we asked for none.
                    pass
        except (msgspec.DecodeError, ValueError):
            self._counts["refused"] += 1
        return []

    def _trades(self, message: Message, received_at: Ns) -> list[Event]:
        is_past = message.type == "snapshot"
        prices: list[Event] = []
        for trade in sorted(_decode_trades(message.data), key=lambda trade: trade.trade_id):
            if not is_past and trade.trade_id <= self._last_trade_ids.get(trade.symbol, -1):
                self._counts["repeated"] += 1
                continue
            prices.append(_price_received(trade, received_at, is_past=is_past))
            self._last_trade_ids[trade.symbol] = max(
                trade.trade_id, self._last_trade_ids.get(trade.symbol, -1)
            )
            self._subscribed[trade.symbol] = None
        self._counts["trades"] += len(prices)
        return prices

    def _answered(self, message: Message) -> None:
        """Take the answer to a subscribe; a refused one is asked again by `poll`."""
        if message.error is not None or message.success is False:
            self._counts["errors"] += 1
        elif message.method is None:
            self._counts["refused"] += 1
        elif message.method == "subscribe":
            self._subscribed[_decode_subscribed(message.result).symbol] = None

    def _subscribe(self, now: Ns) -> None:
        missing = [symbol for symbol in self.symbols if symbol not in self._subscribed]
        if not missing:
            return
        self._asked_at = now
        self._last_id += 1
        params = {"channel": "trade", "symbol": missing, "snapshot": True}
        command = {"method": "subscribe", "params": params, "req_id": self._last_id}
        self._outgoing.append(_encoder.encode(command))

    def _forget_connection(self) -> None:
        self.is_connected = False
        self._outgoing.clear()
        self._subscribed.clear()
        # Ids count on over reconnects, but a server that started anew may count from one.
        self._last_trade_ids.clear()


def _price_received(trade: Trade, received_at: Ns, *, is_past: bool) -> ReferencePriceReceived:
    """Return a trade's event; one of the past is dated by its own stamp, but never in our future.

    Raises:
        ValueError: a price or an instant that isn't one.
    """
    price = parse_money(bytes(trade.price).decode())
    if not 0 < price <= _PRICE_MAX:
        raise ValueError(f"not a price: {price}")
    sent_at = parse_instant(trade.timestamp)
    at = min(received_at, sent_at) if is_past else received_at
    return ReferencePriceReceived(SOURCE, trade.symbol, price, at, sent_at)
