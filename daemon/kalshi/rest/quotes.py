"""The calls for what was and is quoted and traded: books, public trades, candles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from daemon.core.events import BookSnapshotReceived, CandleBackfilled, TradePrinted
from daemon.core.units import MINUTE, Ns
from daemon.kalshi import bodies
from daemon.kalshi.errors import Unreadable
from daemon.kalshi.http import PAGES_MAX
from daemon.kalshi.rest.calls import TICKERS_MAX, Calls, chunks, part, query
from daemon.kalshi.strict import endpoint_of

CANDLES_MAX = 10_000
"""Candles in one answer for many markets."""


class QuoteCalls(Calls):
    """Books, public trades and candles."""

    # --- books ----------------------------------------------------------------------------------

    async def orderbook(self, ticker: str) -> BookSnapshotReceived:
        """Return the market's whole book. It passes a cache and may be old: live books come by WebSocket."""
        path = f"/markets/{part(ticker)}/orderbook"
        reply = await self._http.get(path, bodies.OrderbookReply)
        now = self._clock()
        return self._convert_one(path, lambda: bodies.book_snapshot(ticker, reply.orderbook_fp, now))

    async def orderbooks(self, tickers: Sequence[str]) -> list[BookSnapshotReceived]:
        """Return the whole books of many markets, as `orderbook`; unknown ones are missing."""
        path = "/markets/orderbooks"
        books: list[BookSnapshotReceived] = []
        for some in chunks(tickers):
            reply = await self._http.get(path, bodies.OrderbooksReply, {"tickers": some})
            books += self._convert(path, reply.orderbooks, partial(_book, now=self._clock()))
        return books

    # --- trades ---------------------------------------------------------------------------------

    async def trades(
        self,
        ticker: str | None = None,
        min_ts: int | None = None,
        max_ts: int | None = None,
        *,
        is_historical: bool = False,
        pages_max: int = PAGES_MAX,
    ) -> list[TradePrinted]:
        """Return public trades, oldest first.

        Args:
            ticker: of this market; None for all.
            min_ts: from this second (Unix) on, itself included.
            max_ts: up to this second.
            is_historical: of the historical tier, for what is older than `historical_cutoff`.
            pages_max: so many requests at most; a list that is longer is Transient.
        """
        path = "/historical/trades" if is_historical else "/markets/trades"
        params = query(ticker=ticker, min_ts=min_ts, max_ts=max_ts)
        listed = await self._http.pages(path, params, "trades", bodies.PublicTrade, pages_max=pages_max)
        now = self._clock()
        return self._convert(path, reversed(listed), lambda one: bodies.trade_printed(one, now))

    # --- candles --------------------------------------------------------------------------------

    async def candles(
        self, series: str, ticker: str, start_s: int, end_s: int, period_min: int
    ) -> list[CandleBackfilled]:
        """Return the market's quote candles that end in [start_s, end_s], oldest first.

        `period_min` is 1, 60 or 1440.
        """
        path = f"/series/{part(series)}/markets/{part(ticker)}/candlesticks"
        reply = await self._http.get(path, bodies.CandlesReply, _span(start_s, end_s, period_min))
        return self._candles(path, ticker, reply.candlesticks, period_min)

    async def candles_of(
        self, tickers: Sequence[str], start_s: int, end_s: int, period_min: int
    ) -> dict[str, list[CandleBackfilled]]:
        """Return the candles of many markets, as `candles`, in as few requests as the venue's bounds allow.

        Every ticker asked for is a key; one that the venue doesn't know has an empty list.
        """
        path = "/markets/candlesticks"
        each = (end_s - start_s) // (period_min * 60) + 2
        size = max(1, min(TICKERS_MAX, CANDLES_MAX // each))
        found: dict[str, list[CandleBackfilled]] = {ticker: [] for ticker in tickers}
        for some in chunks(tickers, size):
            params = {"market_tickers": ",".join(some), **_span(start_s, end_s, period_min)}
            reply = await self._http.get(path, bodies.ManyCandlesReply, params)
            for market in reply.markets:
                found[market.market_ticker] = self._candles(
                    path, market.market_ticker, market.candlesticks, period_min
                )
        return found

    async def event_candles(
        self, series: str, event: str, start_s: int, end_s: int, period_min: int
    ) -> dict[str, list[CandleBackfilled]]:
        """Return the candles of all markets of an event, as `candles`.

        The venue cuts an answer that would be too long; it is asked again from there.
        """
        path = f"/series/{part(series)}/events/{part(event)}/candlesticks"
        found: dict[str, list[CandleBackfilled]] = {}
        while start_s <= end_s:
            reply = await self._http.get(path, bodies.EventCandlesReply, _span(start_s, end_s, period_min))
            if len(reply.market_tickers) != len(reply.market_candlesticks):
                self._http.refuse(path, "lists of different length")
                raise Unreadable(endpoint_of(path), "market_tickers and market_candlesticks differ in length")
            for ticker, candles in zip(reply.market_tickers, reply.market_candlesticks, strict=True):
                found.setdefault(ticker, []).extend(self._candles(path, ticker, candles, period_min))
            if not start_s <= reply.adjusted_end_ts < end_s:
                break
            start_s = reply.adjusted_end_ts + 1
        return found

    async def historical_candles(
        self, ticker: str, start_s: int, end_s: int, period_min: int
    ) -> list[CandleBackfilled]:
        """Return a market's candles from the historical tier, as `candles`."""
        path = f"/historical/markets/{part(ticker)}/candlesticks"
        reply = await self._http.get(path, bodies.PastCandlesReply, _span(start_s, end_s, period_min))
        return self._candles(path, ticker, reply.candlesticks, period_min)

    def _candles(
        self,
        path: str,
        ticker: str,
        listed: Iterable[bodies.Candle | bodies.PastCandle],
        period_min: int,
    ) -> list[CandleBackfilled]:
        now, period = self._clock(), period_min * MINUTE
        candles = self._convert(path, listed, lambda one: bodies.candle_backfilled(ticker, one, period, now))
        return sorted(candles, key=lambda candle: candle.ended_at)


def _book(one: bodies.NamedOrderbook, now: Ns) -> BookSnapshotReceived:
    return bodies.book_snapshot(one.ticker, one.orderbook_fp, now)


def _span(start_s: int, end_s: int, period_min: int) -> dict[str, str | int]:
    assert period_min in (1, 60, 1440), f"the venue has no candles of {period_min} minutes"
    return {"start_ts": start_s, "end_ts": end_s, "period_interval": period_min}
