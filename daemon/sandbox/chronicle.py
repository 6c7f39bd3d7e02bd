"""The public past: one-minute candles and trades per market, seeded by the flow's history.

Candles follow the quotes as they stood when the facts of a step were told. A market without news carries
its quotes forward, so its minutes have no holes while it is open.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

import msgspec

from daemon.core.units import MINUTE, PRICE_ONE, Money, Ns, Price, Qty
from daemon.exchange.facts import EventFeesChanged, Traded
from daemon.exchange.market import Market
from daemon.sandbox.cutoff import CutoffRule
from daemon.sandbox.flow import Archive, Candle, History, Ohlc

TRADES_MAX = 20_000
"""Kept per market and over all markets: the oldest go first."""


class _Range:
    __slots__ = ("close", "high", "low", "open")

    def __init__(self, price: Price) -> None:
        self.open = self.high = self.low = self.close = price

    def add(self, price: Price) -> None:
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.close = price

    def ohlc(self) -> Ohlc:
        return Ohlc(self.open, self.high, self.low, self.close)


class _Minute:
    """The candle that is being made."""

    __slots__ = ("ask", "bid", "ended_at", "price", "turnover", "volume")

    def __init__(self, ended_at: Ns, bid: Price, ask: Price) -> None:
        self.ended_at = ended_at
        self.bid = _Range(bid)
        self.ask = _Range(ask)
        self.price: _Range | None = None
        self.volume: Qty = 0
        self.turnover: Money = 0

    def candle(self, open_interest: Qty) -> Candle:
        price = self.price.ohlc() if self.price is not None else None
        return Candle(
            self.ended_at,
            self.bid.ohlc(),
            self.ask.ohlc(),
            price,
            self.volume,
            open_interest,
            self.turnover,
        )


def minute_end(at: Ns) -> Ns:
    """Return the inclusive end of the minute that an instant lies in."""
    return -(-at // MINUTE) * MINUTE


class Chronicle:
    """Candles and trades of every market."""

    def __init__(self) -> None:
        self._candles: dict[str, list[Candle]] = {}
        self._minutes: dict[str, _Minute] = {}
        self.trades: deque[Traded] = deque(maxlen=TRADES_MAX)
        self._trades_of: dict[str, deque[Traded]] = {}
        self.event_fees: list[EventFeesChanged] = []
        """Every change of an event's own fees, oldest first."""
        self.cutoff = CutoffRule()
        """What of the past is old enough to live in the historical tier only."""
        self.archive: Archive | None = None
        """Markets that were over before the flow began; their trades are in no list but their own."""

    def seed(self, history: History) -> None:
        """Take the past from before the flow began."""
        self.archive = history.archive
        for ticker, candles in history.candles.items():
            self._candles[ticker] = list(candles)
        for trade in history.trades:
            self._keep(trade)

    def trades_of(self, ticker: str) -> Sequence[Traded]:
        """Return a market's trades, oldest first."""
        archived = None if self.archive is None else self.archive.trades_of(ticker)
        return self._trades_of.get(ticker, deque()) if archived is None else archived

    def _keep(self, trade: Traded) -> None:
        self.trades.append(trade)
        self._trades_of.setdefault(trade.ticker, deque(maxlen=TRADES_MAX)).append(trade)

    def observe_trade(self, trade: Traded, market: Market) -> None:
        """Take in a trade."""
        self._keep(trade)
        minute = self._minute(market, trade.at)
        if minute.price is None:
            minute.price = _Range(trade.price)
        else:
            minute.price.add(trade.price)
        minute.volume += trade.qty
        minute.turnover += trade.price * trade.qty

    def observe_fees(self, changed: EventFeesChanged) -> None:
        """Take in a change of an event's own fees."""
        self.event_fees.append(changed)

    def observe_quotes(self, market: Market, at: Ns) -> None:
        """Take in the best prices of a market as they stand."""
        minute = self._minute(market, at)
        bid, ask = market.book.bid, market.book.ask
        minute.bid.add(bid if bid is not None else 0)
        minute.ask.add(ask if ask is not None else PRICE_ONE)

    def roll(self, market: Market, now: Ns) -> None:
        """Finish the minutes that are over."""
        if market.ticker in self._minutes:
            self._minute(market, now)

    def _minute(self, market: Market, at: Ns) -> _Minute:
        end = minute_end(at)
        minute = self._minutes.get(market.ticker)
        if minute is None:
            bid, ask = market.book.bid, market.book.ask
            minute = _Minute(end, bid if bid is not None else 0, ask if ask is not None else PRICE_ONE)
            self._minutes[market.ticker] = minute
        while minute.ended_at < end:
            self._candles.setdefault(market.ticker, []).append(minute.candle(market.open_interest))
            minute = _Minute(minute.ended_at + MINUTE, minute.bid.close, minute.ask.close)
            self._minutes[market.ticker] = minute
        return minute

    def finish(self, market: Market) -> None:
        """End a market's last minute: it is closed."""
        minute = self._minutes.pop(market.ticker, None)
        if minute is not None:
            self._candles.setdefault(market.ticker, []).append(minute.candle(market.open_interest))

    def forget(self, tickers: Iterable[str]) -> None:
        """Drop the past of markets that are long over, but for what of it is in the list of all trades."""
        for ticker in tickers:
            self._candles.pop(ticker, None)
            self._trades_of.pop(ticker, None)

    def candles(self, market: Market, start_at: Ns, end_at: Ns, period: Ns) -> list[Candle]:
        """Return the candles that end within [start_at, end_at], oldest first, the running one last."""
        if self.archive is not None and self._is_archived(market.ticker):
            return self.archive.candles(market.ticker, start_at, end_at, period)
        found = list(self._candles.get(market.ticker, ()))
        running = self._minutes.get(market.ticker)
        if running is not None:
            found.append(running.candle(market.open_interest))
        if period > MINUTE:
            found = merge(found, period)
        return [candle for candle in found if start_at <= candle.ended_at <= end_at]

    def _is_archived(self, ticker: str) -> bool:
        return self.archive is not None and self.archive.trades_of(ticker) is not None

    def volume_before(self, ticker: str, at: Ns) -> Qty:
        """Return what was traded before an instant, of the trades that are kept."""
        total = 0
        for trade in self.trades_of(ticker):
            if trade.at >= at:
                break
            total += trade.qty
        return total

    def latest_before(self, ticker: str, at: Ns) -> Candle | None:
        """Return the last finished minute that ended before an instant; None if there is none."""
        if self.archive is not None and self._is_archived(ticker):
            return self.archive.latest_before(ticker, at)
        for candle in reversed(self._candles.get(ticker, [])):
            if candle.ended_at < at:
                return candle
        return None

    def last_price_before(self, ticker: str, at: Ns) -> Price | None:
        """Return the close of the last candle with trades that ended before an instant; None if none did."""
        if self.archive is not None and self._is_archived(ticker):
            return self.archive.last_price_before(ticker, at)
        for candle in reversed(self._candles.get(ticker, [])):
            if candle.ended_at < at and candle.price is not None:
                return candle.price.close
        return None


def _joined(first: Ohlc, then: Ohlc) -> Ohlc:
    return Ohlc(first.open, max(first.high, then.high), min(first.low, then.low), then.close)


def merge(candles: list[Candle], period: Ns) -> list[Candle]:
    """Return minutes merged into longer candles, whose ends are multiples of `period`."""
    merged: list[Candle] = []
    for candle in candles:
        end = -(-candle.ended_at // period) * period
        if not merged or merged[-1].ended_at != end:
            merged.append(msgspec.structs.replace(candle, ended_at=end))
            continue
        last = merged[-1]
        price = last.price
        if candle.price is not None:
            price = candle.price if price is None else _joined(price, candle.price)
        merged[-1] = Candle(
            end,
            _joined(last.bid, candle.bid),
            _joined(last.ask, candle.ask),
            price,
            last.volume + candle.volume,
            candle.open_interest,
            last.turnover + candle.turnover,
        )
    return merged
