"""The calls that say what is traded: series with their fees, events, and markets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TypedDict, TypeVar, Unpack

import msgspec
from msgspec import Raw

from daemon.core.markets import MarketSpec
from daemon.kalshi import bodies
from daemon.kalshi.errors import BadFrame, Refused, Transient, Unreadable
from daemon.kalshi.http import Http, Params
from daemon.kalshi.rest.calls import Calls, chunks, part, query, remember

_AT_ONCE = 100
"""Markets that are read before others have their turn in the loop."""
_EVENTS_LISTED_FROM = 4
"""From so many unknown events on, one list is asked for instead of each by itself."""
_M = TypeVar("_M", bound=bodies.Market)
_Out = TypeVar("_Out")


class MarketTimes(TypedDict, total=False):
    """Filters by time, in Unix seconds. The venue takes one family at a time, each with its own statuses."""

    min_created_ts: int
    max_created_ts: int
    min_updated_ts: int
    max_updated_ts: int
    min_close_ts: int
    max_close_ts: int
    min_settled_ts: int
    max_settled_ts: int


class MarketCalls(Calls):
    """Series, events and markets. Series and events are cached, for each market needs both."""

    def __init__(self, http: Http) -> None:
        super().__init__(http)
        self._series: dict[str, bodies.Series] = {}
        self._events: dict[str, bodies.EventBody] = {}
        self.markets_refused: dict[str, str] = {}
        """Markets of the last listings that can't be traded, with the reason."""

    # --- series and events ----------------------------------------------------------------------

    async def series(self, ticker: str) -> bodies.Series:
        """Return a series with its fee rule; cached until `forget_fees`."""
        known = self._series.get(ticker)
        if known is None:
            reply = await self._http.get(f"/series/{part(ticker)}", bodies.SeriesBody)
            known = remember(self._series, ticker, reply.series)
        return known

    async def series_in(self, category: str) -> list[bodies.Series]:
        """Return all series of a category, such as "Crypto"; always read anew."""
        reply = await self._http.get("/series", bodies.SeriesListReply, {"category": category})
        for series in reply.series:
            remember(self._series, series.ticker, series)
        return reply.series

    async def fee_changes(
        self, series_ticker: str | None = None, *, with_past: bool = False
    ) -> list[bodies.FeeChange]:
        """Return the scheduled changes of series' fees, earliest first; past ones too if asked for."""
        params = dict(query(series_ticker=series_ticker))
        if with_past:
            params["show_historical"] = "true"
        path = "/series/fee_changes"
        reply = await self._http.get(path, bodies.FeeChangesReply, params)
        changes = self._convert(path, reply.series_fee_change_arr, bodies.fee_change)
        return sorted(changes, key=lambda change: (change.at, change.series_ticker))

    async def event(self, ticker: str) -> bodies.EventBody:
        """Return an event with its series and fee override; cached until `forget_fees`."""
        known = self._events.get(ticker)
        if known is None:
            reply = await self._http.get(f"/events/{part(ticker)}", bodies.EventReply)
            known = remember(self._events, ticker, reply.event)
        return known

    async def events(
        self, series_ticker: str | None = None, status: str | None = None
    ) -> list[bodies.EventBody]:
        """Return the events of a series, or of all, by the status of their markets; always read anew."""
        params = query(series_ticker=series_ticker, status=status)
        listed = await self._http.pages("/events", params, "events", bodies.EventBody, limit=200)
        for event in listed:
            remember(self._events, event.event_ticker, event)
        return listed

    def forget_fees(self) -> None:
        """Read series and events anew at their next use: the venue said that fees changed."""
        self._series.clear()
        self._events.clear()

    # --- markets --------------------------------------------------------------------------------

    async def markets(
        self,
        series_ticker: str | None = None,
        status: str | None = None,
        tickers: Sequence[str] | None = None,
        *,
        event_ticker: str | None = None,
        **times: Unpack[MarketTimes],
    ) -> list[MarketSpec]:
        """Return the listed markets with the fees in force.

        A market that can't be priced or read is left out, and stands in `markets_refused`.

        Args:
            series_ticker: only this series.
            status: the filter's word: unopened, open, paused, closed, settled.
            tickers: only these; none of them is no market.
            event_ticker: only this event.
            times: filters by time.

        Raises:
            Transient | Refused: the list itself, or a series or event that it needs, can't be read.
        """
        params = query(series_ticker=series_ticker, event_ticker=event_ticker, status=status, **times)
        raws = await self._listed("/markets", params, tickers)
        return await self._read(raws, bodies.Market, lambda _market, spec: spec)

    async def listings(
        self,
        *,
        series_ticker: str | None = None,
        event_ticker: str | None = None,
        tickers: Sequence[str] | None = None,
        status: str | None = None,
        **times: Unpack[MarketTimes],
    ) -> list[bodies.Listing]:
        """Return the listed markets with their quotes, which may be some 15 s old. All else as `markets`."""
        params = query(series_ticker=series_ticker, event_ticker=event_ticker, status=status, **times)
        raws = await self._listed("/markets", params, tickers)
        return await self._read(raws, bodies.QuotedMarket, bodies.listing)

    async def outcomes(
        self,
        *,
        series_ticker: str | None = None,
        event_ticker: str | None = None,
        tickers: Sequence[str] | None = None,
        status: str | None = "settled",
        is_historical: bool = False,
        **times: Unpack[MarketTimes],
    ) -> list[bodies.MarketOutcome]:
        """Return settled markets with their results, or those of any status as far as they are known.

        Args:
            series_ticker: only this series.
            event_ticker: only this event.
            tickers: only these.
            status: the filter's word, "settled" being those that are paid out; None for any.
            is_historical: of the historical tier, for what settled before `historical_cutoff`.
            times: filters by time; the historical tier has none.
        """
        if is_historical:
            params = query(series_ticker=series_ticker, event_ticker=event_ticker)
            raws = await self._listed("/historical/markets", params, tickers)
        else:
            params = query(series_ticker=series_ticker, event_ticker=event_ticker, status=status, **times)
            raws = await self._listed("/markets", params, tickers)
        return await self._read(raws, bodies.SettledMarket, bodies.market_outcome)

    async def market(self, ticker: str) -> MarketSpec:
        """Return one market with the fees in force.

        Raises:
            BadFrame: it can't be priced or read.
            Transient | Refused: as any read; a market just created may be `not_found` for a while.
        """
        reply = await self._http.get(f"/markets/{part(ticker)}", bodies.MarketReply)
        return await self._spec(reply.market)

    async def outcome(self, ticker: str, *, is_historical: bool = False) -> bodies.MarketOutcome:
        """Return one market with its result, if it has one. Raises as `market`."""
        folder = "/historical/markets" if is_historical else "/markets"
        reply = await self._http.get(f"{folder}/{part(ticker)}", bodies.SettledMarketReply)
        return bodies.market_outcome(reply.market, await self._spec(reply.market))

    # --- the way from a list to specs -----------------------------------------------------------

    async def _listed(self, path: str, params: Params, tickers: Sequence[str] | None) -> list[Raw]:
        """Return the markets unread: a single one of a new shape must not hide all the others."""
        if tickers is None:
            return await self._http.pages(path, params, "markets", Raw)
        listed: list[Raw] = []
        for some in chunks(tickers):  # no tickers is no request: the venue takes an empty list for all
            listed += await self._http.pages(path, {**params, "tickers": ",".join(some)}, "markets", Raw)
        return listed

    async def _read(
        self, raws: Sequence[Raw], kind: type[_M], make: Callable[[_M, MarketSpec], _Out]
    ) -> list[_Out]:
        """Make something of every listed market that can be read; the others stand aside by name."""
        markets: list[_M] = []
        for number, raw in enumerate(raws, 1):
            try:
                markets.append(self._http.decode(raw, kind, "/markets"))
            except Unreadable as error:
                self._refuse(_name_in(raw), error.reason)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        await self._learn_events(market.event_ticker for market in markets)
        made: list[_Out] = []
        for number, market in enumerate(markets, 1):
            try:
                made.append(make(market, await self._spec(market)))
            except (BadFrame, Refused) as error:
                self._refuse(market.ticker, str(error))
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        return made

    async def _learn_events(self, tickers: Iterable[str]) -> None:
        """Read many events that we don't know in few requests; what this doesn't bring is read singly."""
        unknown = [ticker for ticker in dict.fromkeys(tickers) if ticker not in self._events]
        if len(unknown) < _EVENTS_LISTED_FROM:
            return
        for some in chunks(unknown):
            try:
                reply = await self._http.get(
                    "/events", bodies.EventsReply, {"tickers": ",".join(some), "limit": 200}
                )
            except (Refused, Transient):
                return
            for event in reply.events:
                remember(self._events, event.event_ticker, event)

    async def _spec(self, market: bodies.Market) -> MarketSpec:
        event = await self.event(market.event_ticker)
        spec = bodies.market_spec(market, await self.series(event.series_ticker), event)
        self.markets_refused.pop(market.ticker, None)
        return spec

    def _refuse(self, ticker: str, reason: str) -> None:
        remember(self.markets_refused, ticker, reason)


def _name_in(raw: Raw) -> str:
    """Return what names a market that can't be read: its ticker if it says one, else how it begins."""
    try:
        return _decode_named(raw).ticker
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return bytes(raw)[:80].decode(errors="replace")


class _Named(msgspec.Struct, frozen=True):
    ticker: str


_decode_named = msgspec.json.Decoder(_Named).decode
