"""The venue's REST calls that the daemon makes, typed: core structs in, core structs out.

Reads raise `Transient` or `Refused`; writes also `Unknown`, when they may have happened. A task that is
cancelled during a write must be reported as `Unknown` by whoever cancelled it (see `http`). Nothing here
retries: the caller knows its budget of tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import NoReturn, Self, TypeVar
from urllib.parse import quote

import msgspec

from daemon.core.commands import AmendOrder, CancelOrder, PlaceOrder
from daemon.core.events import (
    BookSnapshotReceived,
    CandleBackfilled,
    OrderAccepted,
    OrderAction,
    OrderFilled,
    OrderSnapshot,
    PositionSnapshot,
    TradePrinted,
)
from daemon.core.markets import MarketSpec
from daemon.core.units import MILLISECOND, MINUTE, Money, Ns
from daemon.kalshi import bodies
from daemon.kalshi.auth import Signer
from daemon.kalshi.decode import decode_count, decode_levels, decode_money
from daemon.kalshi.encode import encode_amend, encode_place
from daemon.kalshi.errors import BadFrame, Refused, Reply, Transient, Unknown, classify
from daemon.kalshi.http import Http, Observer, Params

_ORDERS = "/portfolio/events/orders"
_CACHED_MAX = 10_000
_In = TypeVar("_In")
_Out = TypeVar("_Out")


class Rest:
    """The venue over REST, on one kept-alive connection pool. Use as an async context manager."""

    def __init__(
        self,
        base_url: str,
        signer: Signer | None,
        clock: Callable[[], Ns],
        observe: Observer | None = None,
        *,
        read_timeout_s: float = 10.0,
        write_timeout_s: float = 5.0,
    ) -> None:
        """Build; see `Http` for the arguments."""
        self._http = Http(
            base_url,
            signer,
            clock,
            observe=observe,
            read_timeout_s=read_timeout_s,
            write_timeout_s=write_timeout_s,
        )
        self._clock = clock
        self._series: dict[str, bodies.Series] = {}
        self._events: dict[str, bodies.EventBody] = {}
        self.markets_refused: dict[str, str] = {}
        """Markets of the last listings that can't be traded, with the reason."""

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def close(self) -> None:
        """Close the connections. Safe to call twice."""
        await self._http.close()

    # --- the venue ------------------------------------------------------------------------------

    async def exchange_status(self) -> bodies.ExchangeStatus:
        """Return whether the venue trades. Answers with 500, 503 and 504 carry the same body."""
        reply = await self._http.request("GET", "/exchange/status")
        try:
            return msgspec.json.decode(reply.body, type=bodies.ExchangeStatus)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise classify(reply, is_write=False) from None

    async def account_limits(self) -> bodies.AccountLimits:
        """Return the account's token buckets."""
        return await self._http.get("/account/limits", bodies.AccountLimits)

    async def endpoint_costs(self) -> bodies.EndpointCosts:
        """Return what requests cost in tokens."""
        return await self._http.get("/account/endpoint_costs", bodies.EndpointCosts)

    # --- markets --------------------------------------------------------------------------------

    async def series(self, ticker: str) -> bodies.Series:
        """Return a series with its fee rule; cached until `forget_fees`."""
        known = self._series.get(ticker)
        if known is None:
            reply = await self._http.get(f"/series/{_part(ticker)}", bodies.SeriesBody)
            known = _remember(self._series, ticker, reply.series)
        return known

    async def event(self, ticker: str) -> bodies.EventBody:
        """Return an event with its series and fee override; cached until `forget_fees`."""
        known = self._events.get(ticker)
        if known is None:
            reply = await self._http.get(f"/events/{_part(ticker)}", bodies.EventReply)
            known = _remember(self._events, ticker, reply.event)
        return known

    def forget_fees(self) -> None:
        """Read series and events anew at their next use: the venue said that fees changed."""
        self._series.clear()
        self._events.clear()

    async def markets(
        self,
        series_ticker: str | None = None,
        status: str | None = None,
        tickers: Sequence[str] | None = None,
    ) -> list[MarketSpec]:
        """Return the listed markets with the fees in force.

        A market that can't be priced or read is left out, and stands in `markets_refused`.

        Args:
            series_ticker: only this series.
            status: the filter's word: unopened, open, paused, closed, settled.
            tickers: only these.

        Raises:
            Transient | Refused: the list itself, or a series or event that it needs, can't be read.
        """
        params: dict[str, str | int] = {}
        if series_ticker is not None:
            params["series_ticker"] = series_ticker
        if status is not None:
            params["status"] = status
        if tickers is not None:
            params["tickers"] = ",".join(tickers)
        # Read one by one: a single market of a new shape must not hide all the others.
        listed = await self._http.pages("/markets", params, "markets", msgspec.Raw)
        specs: list[MarketSpec] = []
        for raw in listed:
            try:
                market = msgspec.json.decode(raw, type=bodies.Market)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                self._refuse(bytes(raw)[:80].decode(errors="replace"), str(error))
                continue
            try:
                specs.append(await self._spec(market))
            except (BadFrame, Refused) as error:
                self._refuse(market.ticker, str(error))
        return specs

    async def market(self, ticker: str) -> MarketSpec:
        """Return one market with the fees in force.

        Raises:
            BadFrame: it can't be priced or read.
            Transient | Refused: as any read; a market just created may be `not_found` for a while.
        """
        reply = await self._http.get(f"/markets/{_part(ticker)}", bodies.MarketReply)
        return await self._spec(reply.market)

    async def _spec(self, market: bodies.Market) -> MarketSpec:
        event = await self.event(market.event_ticker)
        spec = bodies.market_spec(market, await self.series(event.series_ticker), event)
        self.markets_refused.pop(market.ticker, None)
        return spec

    def _refuse(self, ticker: str, reason: str) -> None:
        _remember(self.markets_refused, ticker, reason)

    async def candles(
        self, series: str, ticker: str, start_s: int, end_s: int, period_min: int
    ) -> list[CandleBackfilled]:
        """Return the market's quote candles that end in [start_s, end_s], oldest first.

        `period_min` is 1, 60 or 1440.
        """
        reply = await self._http.get(
            f"/series/{_part(series)}/markets/{_part(ticker)}/candlesticks",
            bodies.CandlesReply,
            {"start_ts": start_s, "end_ts": end_s, "period_interval": period_min},
        )
        now, period = self._clock(), period_min * MINUTE
        candles = _convert(
            reply.candlesticks, lambda one: bodies.candle_backfilled(ticker, one, period, now), "candles"
        )
        return sorted(candles, key=lambda candle: candle.ended_at)

    async def trades(
        self, ticker: str, min_ts: int | None = None, max_ts: int | None = None
    ) -> list[TradePrinted]:
        """Return the market's public trades since `min_ts` (Unix seconds), oldest first."""
        params = _with_times({"ticker": ticker}, min_ts, max_ts)
        listed = await self._http.pages("/markets/trades", params, "trades", bodies.PublicTrade)
        now = self._clock()
        return _convert(reversed(listed), lambda one: bodies.trade_printed(one, now), "trades")

    async def orderbook(self, ticker: str) -> BookSnapshotReceived:
        """Return the market's whole book. It passes a cache and may be old: live books come by WebSocket."""
        reply = await self._http.get(f"/markets/{_part(ticker)}/orderbook", bodies.OrderbookReply)
        book = reply.orderbook_fp
        try:
            yes, no = decode_levels(book.yes_dollars), decode_levels(book.no_dollars)
        except ValueError as error:
            raise Transient(f"orderbook of {ticker}: {error}") from error
        return BookSnapshotReceived(ticker, yes, no, self._clock(), None)

    # --- the account ----------------------------------------------------------------------------

    async def balance(self, exchange_index: int | None = None) -> Money:
        """Return the cash of all shards, or of one: an order can only use its own shard's."""
        params: Params = {} if exchange_index is None else {"exchange_index": exchange_index}
        reply = await self._http.get("/portfolio/balance", bodies.BalanceReply, params)
        try:
            return decode_money(reply.balance_dollars)
        except ValueError as error:
            raise Transient(f"balance: {error}") from error

    async def positions(self) -> tuple[PositionSnapshot, ...]:
        """Return all positions in markets that are not settled, closed-out ones included."""
        listed = await self._http.pages("/portfolio/positions", {}, "market_positions", bodies.Position)
        return tuple(_convert(listed, bodies.position_snapshot, "positions"))

    async def orders(self, status: str = "resting") -> tuple[OrderSnapshot, ...]:
        """Return our orders with this status. The list may lag some 0.4 s behind a confirmed write."""
        listed = await self._http.pages("/portfolio/orders", {"status": status}, "orders", bodies.Order)
        return tuple(_convert(listed, bodies.order_snapshot, "orders"))

    async def fills(self, min_ts: int | None = None) -> tuple[OrderFilled, ...]:
        """Return our fills since `min_ts` (Unix seconds), oldest first."""
        listed = await self._http.pages("/portfolio/fills", _with_times({}, min_ts), "fills", bodies.Fill)
        now = self._clock()
        return tuple(_convert(reversed(listed), lambda one: bodies.order_filled(one, now), "fills"))

    # --- writes ---------------------------------------------------------------------------------

    async def place(self, order: PlaceOrder) -> OrderAccepted:
        """Send a new order.

        An immediate order that filled nothing is accepted too, with nothing filled and nothing left.

        Raises:
            Refused: the venue said no; `order_already_exists` says that this id arrived before.
            Transient: it was not sent, or met an empty bucket. Unknown: it may have happened.
        """
        reply = await self._write("POST", _ORDERS, body=encode_place(order))
        return self._accepted("place", order.client_order_id, reply)

    async def amend(self, order: AmendOrder) -> OrderAccepted:
        """Change price and total count of a resting order. Raises as `place`."""
        path = f"{_ORDERS}/{_part(order.order_id)}/amend"
        reply = await self._write("POST", path, body=encode_amend(order))
        return self._accepted("amend", order.client_order_id, reply)

    async def cancel(self, order: CancelOrder) -> OrderAccepted:
        """Take a resting order out.

        Raises:
            Refused: `not_found` is the same for unknown, cancelled and filled orders. Others as `place`.
        """
        params: Params = {"exchange_index": order.exchange_index, "market_ticker": order.ticker}
        reply = await self._write("DELETE", f"{_ORDERS}/{_part(order.order_id)}", params)
        try:
            answer = msgspec.json.decode(reply.body, type=bodies.CancelReply)
            reduced_by = decode_count(answer.reduced_by)
        except (msgspec.DecodeError, ValueError):
            raise classify(reply, is_write=True) from None
        return OrderAccepted(
            action="cancel",
            client_order_id=order.client_order_id,
            order_id=answer.order_id,
            filled=None,
            remaining=0,
            received_at=self._clock(),
            sent_at=_millis(answer.ts_ms),
            reduced_by=reduced_by,
        )

    async def cancel_all(self) -> None:
        """Take all resting orders of the account out; some placed within the next minute may go too."""
        await self._write("DELETE", _ORDERS)

    async def _write(
        self, method: str, path: str, params: Params | None = None, body: bytes | None = None
    ) -> Reply:
        reply = await self._http.request(method, path, params, body)
        # 201 for create and 200 for the others is documented; 200 for create was seen (sheet 4.6).
        if reply.status not in (200, 201, 204):
            raise classify(reply, is_write=True)
        return reply

    def _accepted(self, action: OrderAction, client_order_id: str, reply: Reply) -> OrderAccepted:
        """Return the answer to a place or an amend; one that lacks the counts is as good as none."""
        try:
            answer = msgspec.json.decode(reply.body, type=bodies.OrderReply)
            if answer.fill_count is None or answer.remaining_count is None:
                _unreadable(reply, "without counts")
            filled, remaining = decode_count(answer.fill_count), decode_count(answer.remaining_count)
        except (msgspec.DecodeError, ValueError):
            raise classify(reply, is_write=True) from None
        return OrderAccepted(
            action=action,
            client_order_id=client_order_id,
            order_id=answer.order_id,
            filled=filled,
            remaining=remaining,
            received_at=self._clock(),
            sent_at=_millis(answer.ts_ms),
        )


def _unreadable(reply: Reply, reason: str) -> NoReturn:
    raise Unknown(f"HTTP {reply.status}: unreadable answer, {reason}")


def _part(text: str) -> str:
    """Return one part of a path as it stands on the wire."""
    return quote(text, safe="")


def _millis(ts_ms: int | None) -> Ns | None:
    return None if ts_ms is None else ts_ms * MILLISECOND


def _with_times(params: Params, min_ts: int | None, max_ts: int | None = None) -> Params:
    times = {"min_ts": min_ts, "max_ts": max_ts}
    return {**params, **{name: ts for name, ts in times.items() if ts is not None}}


def _convert(listed: Iterable[_In], convert: Callable[[_In], _Out], what: str) -> list[_Out]:
    """Convert a whole list. One bad entry refuses all: half an account is worse than none."""
    try:
        return [convert(one) for one in listed]
    except ValueError as error:
        raise Transient(f"{what}: {error}") from error


def _remember(known: dict[str, _Out], key: str, value: _Out) -> _Out:
    """Put a value into a cache that never grows beyond its bound."""
    if len(known) >= _CACHED_MAX:
        known.clear()
    known[key] = value
    return value
