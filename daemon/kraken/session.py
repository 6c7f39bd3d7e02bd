"""One conversation with Kraken's WebSocket v2, without any I/O: reference prices, candles, its status.

A trade is the reference price. The snapshot that opens a subscription tells some trades of before: they
are dated by Kraken's clock, so that windows over the price are warm at once (clocks that differ by some
milliseconds don't matter to windows of seconds). Trades that are told again are dropped by their id.

Candles of 1 and 5 minutes are told when they are final (see `candles`); who holds the session asks REST for
what `past_wanted` names and hands it to `backfilled`. The ticker is a witness: when it knows of trades that
the trade channel has kept from us, the connection is given up.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from daemon.core.events import (
    Event,
    Feed,
    FeedConnected,
    FeedDropped,
    FeedHeard,
    FrameRefused,
    ReferenceCandleClosed,
    ReferencePriceReceived,
    ReferenceStatusTold,
)
from daemon.core.probe import Probe
from daemon.core.units import MINUTE, SECOND, Money, Ns, parse_instant
from daemon.kraken.candles import Candle, CandleSeries, Past, candle_of_row
from daemon.kraken.wire import Message, Ohlc, Status, Subscribed, Ticker, Trade, decode_price, raw_text

SOURCE = "kraken"
PERIODS: tuple[Ns, ...] = (MINUTE, 5 * MINUTE)
ACK_PATIENCE: Ns = 10 * SECOND
TRADES_LATE_MAX: Ns = 10 * SECOND
"""How long a trade that the ticker knows of may be on its way, and how far their stamps may differ."""
REFUSALS_TOLD_EVERY: Ns = SECOND
ERRORS_KEPT = 20

Topic: TypeAlias = tuple[str, int | None]
"""A channel, and the minutes of its candles; None for other channels."""
TOPICS: tuple[Topic, ...] = (
    ("trade", None),
    ("ticker", None),
    *(("ohlc", period // MINUTE) for period in PERIODS),
)

_decode_message = msgspec.json.Decoder(Message).decode
_decode_trades = msgspec.json.Decoder(list[Trade]).decode
_decode_tickers = msgspec.json.Decoder(list[Ticker]).decode
_decode_candles = msgspec.json.Decoder(list[Ohlc]).decode
_decode_status = msgspec.json.Decoder(list[Status]).decode
_decode_subscribed = msgspec.json.Decoder(Subscribed).decode
_encoder = msgspec.json.Encoder()


class PastWanted(msgspec.Struct, frozen=True):
    """What REST is to be asked for: candles that begin at `since` or later; None: all that it has."""

    symbol: str
    period: Ns
    since: Ns | None


class Session:
    """The state of the reference feed over all its connections. See the module's head."""

    def __init__(
        self,
        symbols: tuple[str, ...] = ("BTC/USD",),
        *,
        silence_max: Ns | None = None,
    ) -> None:
        """Build.

        Args:
            symbols: in Kraken's spelling: upper case with a slash.
            silence_max: a connection that brings no frame for so long, not even a heartbeat or the answer to
                a ping in the stream, is given up; None: never.
        """
        self.feed: Feed = SOURCE
        self.symbols = symbols
        self.is_connected = False
        self.reconnect_reason: str | None = None
        """Set when only a new connection helps."""
        self.frames = 0
        """All frames since the start."""
        self.frame_bytes = 0
        """Bytes of all frames."""
        self.system: str | None = None
        """What Kraken last said of its trading system on this connection; None before it did."""
        names = ("trades", "repeated", "candles", "refused", "errors", "trades_behind")
        self._counts = dict.fromkeys(names, 0)
        self._errors: list[str] = []
        self._outgoing: list[bytes] = []
        self._last_trade_ids: dict[str, int] = {}
        self._last_traded: dict[str, tuple[Ns, Money]] = {}
        """Of each symbol, when Kraken saw its newest trade, and at what price."""
        self._behind: dict[str, tuple[Ns, Ns]] = {}
        """Of each symbol, the time of a ticker that is ahead of the trades, and when it came."""
        self._series = {(symbol, period): CandleSeries(period) for symbol in symbols for period in PERIODS}
        self._subscribed: dict[tuple[Topic, str], None] = {}
        self._refusals_told: dict[str, Ns] = {}
        self._asked_at: Ns = 0
        self._last_id = 0
        self._probe = Probe(silence_max)

    # --- what the shell tells -------------------------------------------------------------------

    def bound_silence(self, silence_max: Ns) -> None:
        """From now on give a connection up after another silence."""
        self._probe.silence_max = silence_max

    def connected(self, now: Ns) -> list[Event]:
        """Start a new connection: nothing is subscribed, and no candle of the stream is believed."""
        self._forget_connection()
        self._probe.restart(self.frames, now)
        self.is_connected = True
        self._subscribe(now)
        return [FeedConnected(self.feed, now)]

    def dropped(self, reason: str, now: Ns) -> list[Event]:
        """End the connection: the last price is not vouched for any more."""
        self._forget_connection()
        return [FeedDropped(self.feed, reason, now)]

    def poll(self, now: Ns) -> list[Event]:
        """Ask again for what is not confirmed; return the candles that are final because their time is over.

        To be called about once a second.
        """
        if self.is_connected and now - self._asked_at >= ACK_PATIENCE:
            self._subscribe(now)
        self._check_silence(now)
        self._check_witness(now)
        told: list[Event] = []
        for (symbol, period), series in self._series.items():
            told += self._told(symbol, period, series.pass_time(now), now)
        return told

    def past_wanted(self, now: Ns) -> list[PastWanted]:
        """Return what REST should be asked for now, shortest candles first."""
        return [
            PastWanted(symbol, period, series.since)
            for (symbol, period), series in sorted(self._series.items(), key=lambda entry: entry[0][1])
            if series.is_past_wanted(now)
        ]

    def backfilled(self, symbol: str, period: Ns, past: Past, now: Ns) -> list[Event]:
        """Take what REST told of one series; return the candles that are final and have not been told."""
        return self._told(symbol, period, self._series[symbol, period].backfill(past, now), now)

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
        """Counts since the start: frames, trades, repeated ones, candles, refusals and errors."""
        late = sum(series.late for series in self._series.values())
        return {"frames": self.frames, **self._counts, "candles_late": late}

    def take_errors(self) -> list[str]:
        """Return, once, what Kraken refused of our requests, in its words."""
        errors, self._errors = self._errors, []
        return errors

    # --- frames ---------------------------------------------------------------------------------

    def receive(self, frame: bytes, received_at: Ns) -> list[Event]:
        """Return what one frame tells. A frame that can't be read is counted and refused."""
        self.frames += 1
        self.frame_bytes += len(frame)
        shape = "unreadable"
        try:
            message = _decode_message(frame)
            shape = message.channel or message.method or shape
            match message.channel:
                case "trade":
                    return self._trades(message, received_at)
                case "ohlc":
                    return self._candles(message, received_at)
                case "ticker":
                    self._witness(message, received_at)
                case "status":
                    return self._told_status(message, received_at)
                case None:
                    return self._answered(message, received_at)
                case "heartbeat":
                    # It says that the connection lives, which receiving it showed already.
                    pass
                case _:
                    raise ValueError("a channel that we did not ask for")
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError):
            return self._refused(shape[:64], received_at)
        return []

    def _refused(self, shape: str, received_at: Ns) -> list[Event]:
        """Count a frame; tell of it at most once a second for each shape."""
        self._counts["refused"] += 1
        told_at = self._refusals_told.get(shape)
        if told_at is not None and received_at - told_at < REFUSALS_TOLD_EVERY:
            return []
        if len(self._refusals_told) >= 64:  # shapes come from outside
            self._refusals_told.clear()
        self._refusals_told[shape] = received_at
        return [FrameRefused(self.feed, shape, received_at)]

    def _trades(self, message: Message, received_at: Ns) -> list[Event]:
        is_past = message.type == "snapshot"
        prices: list[Event] = []
        trades = sorted(_decode_trades(message.data), key=lambda trade: trade.trade_id)
        told = [_price_received(trade, received_at, is_past=is_past) for trade in trades]
        for trade, price in zip(trades, told, strict=True):
            symbol = trade.symbol
            last_id = self._last_trade_ids.get(symbol, -1)
            if not is_past and trade.trade_id <= last_id:
                self._counts["repeated"] += 1
                continue
            prices.append(price)
            self._last_trade_ids[symbol] = max(trade.trade_id, last_id)
            assert price.sent_at is not None, "trades carry their time"
            self._last_traded[symbol] = max(
                (price.sent_at, price.price), self._last_traded.get(symbol, (0, 0))
            )
        self._counts["trades"] += len(prices)
        return prices

    def _candles(self, message: Message, received_at: Ns) -> list[Event]:
        told: list[Event] = []
        # All are read before one is taken: what a row closes would be lost with a row that can't be read.
        rows = [
            (key, candle_of_row(row, parse_instant(row.interval_begin), key[1]))
            for row in _decode_candles(message.data)
            if (key := self._asked_for(row)) and row.trades
        ]
        for (symbol, period), candle in sorted(rows, key=lambda entry: entry[1].began_at):
            observed = self._series[symbol, period].observe(candle)
            told += self._told(symbol, period, observed, received_at)
        return told

    def _asked_for(self, row: Ohlc) -> tuple[str, Ns]:
        key = (row.symbol, row.interval * MINUTE)
        if key not in self._series:
            raise ValueError(f"candles that we did not ask for: {row.symbol}, {row.interval} min")
        return key

    def _told(self, symbol: str, period: Ns, candles: list[Candle], received_at: Ns) -> list[Event]:
        self._counts["candles"] += len(candles)
        return [
            ReferenceCandleClosed(
                SOURCE,
                symbol,
                period,
                candle.began_at,
                candle.open,
                candle.high,
                candle.low,
                candle.close,
                candle.volume_e8,
                received_at,
            )
            for candle in candles
        ]

    def _witness(self, message: Message, received_at: Ns) -> None:
        """Remember a ticker that knows more than our trades; `_check_witness` gives the trade time."""
        for ticker in _decode_tickers(message.data):
            price = decode_price(raw_text(ticker.last))
            last = self._last_traded.get(ticker.symbol)
            if message.type != "update" or ticker.timestamp is None or last is None or price == last[1]:
                continue
            at = parse_instant(ticker.timestamp)
            if at > last[0] and ticker.symbol not in self._behind:
                self._behind[ticker.symbol] = (at, received_at)

    def _check_silence(self, now: Ns) -> None:
        if not self.is_connected:
            return
        match self._probe.look(self.frames, now):
            case "ask":
                self._last_id += 1
                self._outgoing.append(_encoder.encode({"method": "ping", "req_id": self._last_id}))
            case "stalled":
                self.reconnect_reason = "stalled: no frame comes, neither heartbeat nor answer"
            case "well":
                pass

    def _check_witness(self, now: Ns) -> None:
        for symbol, (told_at, received_at) in list(self._behind.items()):
            if now - received_at < TRADES_LATE_MAX:
                continue
            del self._behind[symbol]
            if told_at - self._last_traded[symbol][0] > TRADES_LATE_MAX:
                self._counts["trades_behind"] += 1
                self.reconnect_reason = f"{symbol}: the ticker moves and no trade comes"

    def _told_status(self, message: Message, received_at: Ns) -> list[Event]:
        told: list[Event] = []
        for status in _decode_status(message.data):
            self.system = status.system
            is_trading = status.system == "online"
            told.append(ReferenceStatusTold(SOURCE, status.system, is_trading, received_at))
        return told

    def _answered(self, message: Message, received_at: Ns) -> list[Event]:
        """Take the answer to a request; a subscribe that was refused is asked again by `poll`."""
        if message.method == "pong":
            return [FeedHeard(self.feed, received_at)]
        if message.error is not None or message.success is False:
            self._counts["errors"] += 1
            if len(self._errors) < ERRORS_KEPT:
                self._errors.append(f"{message.method or 'request'}: {message.error or 'no reason'}")
        elif message.method is None:
            raise ValueError("neither a channel's message nor an answer")
        elif message.method == "subscribe":
            granted = _decode_subscribed(message.result)
            self._subscribed[(granted.channel, granted.interval), granted.symbol] = None
            series = self._series.get((granted.symbol, (granted.interval or 0) * MINUTE))
            if granted.channel == "ohlc" and series is not None:
                # By Kraken's clock, which dates the candles; by ours where it isn't told.
                series.subscribed(parse_instant(message.time_out) if message.time_out else received_at)
        return []

    def _subscribe(self, now: Ns) -> None:
        for channel, minutes in TOPICS:
            missing = [
                symbol for symbol in self.symbols if ((channel, minutes), symbol) not in self._subscribed
            ]
            if not missing:
                continue
            self._asked_at = now
            self._last_id += 1
            params: dict[str, object] = {"channel": channel, "symbol": missing, "snapshot": channel != "ohlc"}
            if minutes is not None:
                params["interval"] = minutes
            if channel == "ticker":
                params["event_trigger"] = "trades"
            command = {"method": "subscribe", "params": params, "req_id": self._last_id}
            self._outgoing.append(_encoder.encode(command))

    def _forget_connection(self) -> None:
        self.is_connected = False
        self.reconnect_reason = None
        self.system = None
        self._outgoing.clear()
        self._subscribed.clear()
        # Ids count on over reconnects, but a server that started anew may count from one.
        self._last_trade_ids.clear()
        self._last_traded.clear()
        self._behind.clear()
        for series in self._series.values():
            series.lost()


def _price_received(trade: Trade, received_at: Ns, *, is_past: bool) -> ReferencePriceReceived:
    """Return a trade's event; one of the past is dated by its own stamp, but never in our future.

    Raises:
        ValueError: a price or an instant that isn't one.
    """
    price = decode_price(raw_text(trade.price))
    sent_at = parse_instant(trade.timestamp)
    at = min(received_at, sent_at) if is_past else received_at
    return ReferencePriceReceived(SOURCE, trade.symbol, price, at, sent_at)
