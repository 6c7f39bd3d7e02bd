"""The venue as the ingest reads it: the daemon's own client and read gate, and what research alone asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import msgspec

from daemon.core.units import SECOND, Ns, parse_instant
from daemon.kalshi import bodies
from daemon.kalshi.auth import Signer
from daemon.kalshi.costs import Costs
from daemon.kalshi.decode import decode_count, decode_price
from daemon.kalshi.rest import ReadingRest
from daemon.kalshi.rest.calls import CACHED_MAX, part, query
from daemon.lab.ingest.candle_bodies import ManyCandlesReply, PastCandlesReply, candle_row
from daemon.lab.ingest.coverage import Span
from daemon.shell.read_gate import gate_for

PAGE_TRADES = 1000
"""In one answer: as many as the venue gives."""
READ_TIMEOUT_S = 30.0
"""Long lists take their time; nothing waits for them."""
MARKETS_AT_ONCE = 2_000
"""Markets that are read together: fewer than the client remembers events, each of which has one market."""


class ListedMarket(msgspec.Struct, frozen=True):
    """A market with its end, as far as it is known, and its event's title."""

    market: bodies.MarketOutcome
    event_title: str


class _Lifetime(msgspec.Struct, frozen=True):
    open_time: str
    close_time: str


class TradesPage(msgspec.Struct, frozen=True):
    """One page of public trades, newest first, and the cursor of the next; empty on the last."""

    trades: list[bodies.PublicTrade]
    cursor: str = ""


class ResearchRest(ReadingRest):
    """The venue over REST, to read from alone, with whole candles and lists page by page."""

    async def markets_within(
        self, series: str, since: Ns, until: Ns, *, is_historical: bool
    ) -> list[ListedMarket]:
        """Return the markets of one tier that were open at some time within [since, until).

        A market that can't be priced or read is left out, and stands in `markets_refused`.

        Raises:
            Transient | Refused: as any read.
        """
        if is_historical:
            raws = await self._listed("/historical/markets", query(series_ticker=series), None)
        else:
            params = query(series_ticker=series, min_close_ts=since // SECOND)
            raws = await self._listed("/markets", params, None)
        # Years of markets are listed: only of those that are wanted the events are asked for.
        wanted = [raw for raw in raws if _is_within(raw, since, until)]
        found: list[ListedMarket] = []
        for start in range(0, len(wanted), MARKETS_AT_ONCE):
            if len(self._events) + MARKETS_AT_ONCE > CACHED_MAX:
                self._events.clear()
            some = wanted[start : start + MARKETS_AT_ONCE]
            read = await self._read(some, bodies.SettledMarket, bodies.market_outcome)
            found += [ListedMarket(one, (await self.event(one.spec.event_ticker)).title) for one in read]
        return found

    async def candle_rows(
        self, series: str, tickers: Sequence[str], span: Span, period_min: int
    ) -> dict[str, list[dict[str, Any]]]:
        """Return live markets' candles that end within a span, as rows of the store, by market.

        A market that the venue's live tier doesn't know is missing.

        Raises:
            Transient | Refused: as any read; the venue refuses what is too much.
        """
        path = "/markets/candlesticks"
        params = {"market_tickers": ",".join(tickers), **_asked(span, period_min)}
        reply = await self._http.get(path, ManyCandlesReply, params)
        return {
            one.market_ticker: self._convert(
                path, one.candlesticks, partial(candle_row, series, one.market_ticker, period_min)
            )
            for one in reply.markets
        }

    async def past_candle_rows(
        self, series: str, ticker: str, span: Span, period_min: int
    ) -> list[dict[str, Any]]:
        """Return an archived market's candles that end within a span, as rows of the store."""
        path = f"/historical/markets/{part(ticker)}/candlesticks"
        reply = await self._http.get(path, PastCandlesReply, _asked(span, period_min))
        return self._convert(path, reply.candlesticks, partial(candle_row, series, ticker, period_min))

    async def trade_rows(
        self, series: str, ticker: str, span: Span, cursor: str, *, is_historical: bool
    ) -> tuple[list[dict[str, Any]], str]:
        """Return one page of a market's trades within a span, newest first, and the next page's cursor.

        The rows are the store's; the cursor is empty on the last page.
        """
        path = "/historical/trades" if is_historical else "/markets/trades"
        asked = query(ticker=ticker, min_ts=span[0], max_ts=span[1], limit=PAGE_TRADES, cursor=cursor or None)
        reply = await self._http.get(path, TradesPage, asked)
        return self._convert(path, reply.trades, partial(_trade_row, series)), reply.cursor


@asynccontextmanager
async def reading(rest_url: str, signer: Signer, now: Callable[[], Ns]) -> AsyncIterator[ResearchRest]:
    """Give a client whose reads keep within the account's budget, as the daemon's do.

    Raises:
        VenueError: the budget can't be read.
    """
    async with ResearchRest(rest_url, signer, now, read_timeout_s=READ_TIMEOUT_S) as venue:
        gate = gate_for(await venue.account_limits(), Costs(await venue.endpoint_costs()), now=now)
        venue.gate = gate
        letting = asyncio.create_task(gate.run())
        try:
            yield venue
        finally:
            letting.cancel()
            await asyncio.gather(letting, return_exceptions=True)


def _is_within(raw: msgspec.Raw, since: Ns, until: Ns) -> bool:
    """Whether a market was open within a span; one that can't be read is, so that its refusal is told."""
    try:
        times = _decode_lifetime(raw)
        return parse_instant(times.open_time) < until and parse_instant(times.close_time) > since
    except ValueError:
        return True


_decode_lifetime = msgspec.json.Decoder(_Lifetime).decode


def _trade_row(series: str, trade: bodies.PublicTrade) -> dict[str, Any]:
    traded_at = parse_instant(trade.created_time)
    return {
        "series_ticker": series,
        "ticker": trade.ticker,
        "trade_id": trade.trade_id,
        "traded_at": traded_at,
        "price": decode_price(trade.yes_price_dollars),
        "qty": decode_count(trade.count_fp),
        "taker_side": trade.taker_outcome_side,
        "known_at": traded_at,
    }


def _asked(span: Span, period_min: int) -> dict[str, str | int]:
    return {"start_ts": span[0], "end_ts": span[1], "period_interval": period_min}
