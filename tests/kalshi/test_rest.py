"""The typed calls, against a real HTTP server on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from daemon.core.commands import AmendOrder, CancelOrder, PlaceOrder
from daemon.core.events import CandleBackfilled, OrderAccepted
from daemon.core.units import MILLISECOND, MINUTE, SECOND
from daemon.kalshi.errors import BadFrame, Refused, Transient, Unknown
from daemon.kalshi.rest import Rest
from tests.kalshi.venue import Venue, serving

NOW = 1_790_366_080_909 * MILLISECOND
ORDERS = "/portfolio/events/orders"
PLACE = PlaceOrder("id-1", "KX-A", "bid", 3500, 1000, "good_till_canceled", True, 2, "s", "why", 0, 1, None)
AMEND = AmendOrder("id-1", "o-1", "KX-A", "bid", 3600, 500, 2, "s", "why", 0, 1, None)
CANCEL = CancelOrder("id-1", "o-1", "KX-A", 2, "why", 0)


@asynccontextmanager
async def calling() -> AsyncIterator[tuple[Venue, Rest]]:
    """A venue and a client of it, bounded in time."""
    async with asyncio.timeout(20), serving() as venue, Rest(venue.url, None, lambda: NOW) as rest:
        yield venue, rest


def _market(ticker: str, event: str = "KXBTC15M-E", **change: object) -> dict[str, object]:
    return {
        "ticker": ticker,
        "event_ticker": event,
        "open_time": "2026-09-25T19:00:00Z",
        "close_time": "2026-09-25T19:15:00Z",
        "status": "active",
        "title": "BTC up?",
        "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
        "strike_type": "greater_or_equal",
        "floor_strike": 83950.62,
        "exchange_index": 2,
        **change,
    }


def _listing(venue: Venue, *markets: dict[str, object]) -> None:
    venue.answer("GET", "/markets", 200, json.dumps({"cursor": "", "markets": markets}))
    event = {"event": {"event_ticker": "KXBTC15M-E", "series_ticker": "KXBTC15M"}, "markets": []}
    venue.answer("GET", "/events/KXBTC15M-E", 200, json.dumps(event))
    series = {"series": {"ticker": "KXBTC15M", "fee_type": "quadratic", "fee_multiplier": 1}}
    venue.answer("GET", "/series/KXBTC15M", 200, json.dumps(series))


async def test_markets_come_with_their_fees_and_series_are_read_once() -> None:
    """Two markets of one event: one read of the event, one of the series; again after `forget_fees`."""
    async with calling() as (venue, rest):
        _listing(venue, _market("A"), _market("B"))
        specs = await rest.markets(series_ticker="KXBTC15M", status="open")
        assert [(spec.ticker, spec.series_ticker, spec.fees.multiplier_ppm) for spec in specs] == [
            ("A", "KXBTC15M", 1_000_000),
            ("B", "KXBTC15M", 1_000_000),
        ]
        await rest.markets(tickers=["A", "B"])
        assert len(venue.requests) == 4
        assert venue.requests[0][1].endswith("?series_ticker=KXBTC15M&status=open&limit=1000")
        assert "tickers=A%2CB" in venue.requests[3][1]
        rest.forget_fees()
        await rest.markets()
        assert len(venue.requests) == 7


async def test_one_strange_market_does_not_hide_the_others() -> None:
    """A market of a new shape, without a known fee, or of an unknown event stands aside by name."""
    async with calling() as (venue, rest):
        _listing(
            venue,
            _market("A"),
            _market("B", status="exploded"),
            _market("C", price_ranges=[]),
            _market("D", event="UNKNOWN"),
        )
        assert [spec.ticker for spec in await rest.markets()] == ["A"]
        assert len(rest.markets_refused) == 3
        assert "UNKNOWN" not in rest.markets_refused
        assert "not_found" in rest.markets_refused["D"]


async def test_one_market_is_listed_or_refused() -> None:
    """A market by name, and the reason why one can't be traded."""
    async with calling() as (venue, rest):
        _listing(venue)
        venue.answer("GET", "/markets/A", 200, json.dumps({"market": _market("A")}))
        venue.answer("GET", "/markets/B", 200, json.dumps({"market": _market("B", close_time="?")}))
        assert (await rest.market("A")).strike == 83_950_620_000
        with pytest.raises(BadFrame, match="B"):
            await rest.market("B")
        with pytest.raises(Refused, match="not_found"):
            await rest.market("C")


async def test_status_is_read_even_from_an_error() -> None:
    """During maintenance the status comes with 503, and is a status all the same."""
    async with calling() as (venue, rest):
        venue.answer("GET", "/exchange/status", 503, b'{"exchange_active":false,"trading_active":false}')
        assert not (await rest.exchange_status()).is_trading(2)
        venue.answer("GET", "/exchange/status", 502, b"<html>")
        with pytest.raises(Transient):
            await rest.exchange_status()


async def test_candles_and_trades_come_oldest_first() -> None:
    """History in the order in which it happened."""
    async with calling() as (venue, rest):
        side = {"close_dollars": "0.4000"}
        candles = [
            {
                "end_period_ts": end,
                "yes_bid": side,
                "yes_ask": {"close_dollars": "1.0000"},
                "volume_fp": "1.00",
            }
            for end in (120, 60)
        ]
        venue.answer("GET", "/series/S/markets/A/candlesticks", 200, json.dumps({"candlesticks": candles}))
        assert await rest.candles("S", "A", 0, 120, 1) == [
            CandleBackfilled("A", MINUTE, end * SECOND, 4000, None, 100, NOW) for end in (60, 120)
        ]
        trades = [
            {
                "trade_id": str(number),
                "ticker": "A",
                "count_fp": "1.00",
                "yes_price_dollars": "0.5000",
                "taker_outcome_side": "yes",
                "created_time": f"2026-06-15T15:48:4{number}Z",
            }
            for number in (2, 1)
        ]
        venue.answer("GET", "/markets/trades", 200, json.dumps({"cursor": "", "trades": trades}))
        assert [trade.trade_id for trade in await rest.trades("A", min_ts=5)] == ["1", "2"]
        assert venue.requests[-1][1].endswith("?ticker=A&min_ts=5&limit=1000")


async def test_the_account_is_read_exactly_or_not_at_all() -> None:
    """Balance, positions, orders and fills; one number that is none refuses the whole list."""
    async with calling() as (venue, rest):
        venue.answer("GET", "/portfolio/balance", 200, b'{"balance":1,"balance_dollars":"98.0186"}')
        assert await rest.balance(2) == 98_018_600
        assert venue.requests[-1][1].endswith("?exchange_index=2")
        position = {
            "ticker": "A",
            "position_fp": "-3.00",
            "market_exposure_dollars": "2.500000",
            "realized_pnl_dollars": "-0.100000",
            "fees_paid_dollars": "0.018900",
        }
        venue.answer("GET", "/portfolio/positions", 200, json.dumps({"market_positions": [position]}))
        assert [(one.qty, one.realized_pnl) for one in await rest.positions()] == [(-300, -100_000)]
        order = {
            "order_id": "o",
            "client_order_id": "c",
            "ticker": "A",
            "book_side": "ask",
            "status": "resting",
            "yes_price_dollars": "0.9600",
            "fill_count_fp": "1.00",
            "remaining_count_fp": "2.00",
        }
        venue.answer("GET", "/portfolio/orders", 200, json.dumps({"orders": [order], "cursor": ""}))
        assert [(one.price, one.filled, one.remaining) for one in await rest.orders()] == [(9600, 100, 200)]
        assert "status=resting" in venue.requests[-1][1]
        fill = {
            "trade_id": "t",
            "order_id": "o",
            "ticker": "A",
            "book_side": "ask",
            "count_fp": "1.00",
            "yes_price_dollars": "0.9600",
            "is_taker": False,
            "fee_cost": "0.000000",
            "ts": 7,
        }
        venue.answer("GET", "/portfolio/fills", 200, json.dumps({"fills": [fill], "cursor": ""}))
        assert [(one.trade_id, one.sent_at) for one in await rest.fills(1)] == [("t", 7 * SECOND)]
        bad = {**order, "remaining_count_fp": "-2.00"}
        venue.answer("GET", "/portfolio/orders", 200, json.dumps({"orders": [order, bad], "cursor": ""}))
        with pytest.raises(Transient):
            await rest.orders()


async def test_a_book_over_rest() -> None:
    """Bids of both sides, each on its own scale; no stamp of the exchange's."""
    async with calling() as (venue, rest):
        venue.answer(
            "GET", "/markets/A/orderbook", 200, b'{"orderbook_fp":{"no_dollars":[["0.7000","11.00"]]}}'
        )
        book = await rest.orderbook("A")
        assert (book.yes, book.no, book.sent_at) == ((), ((7000, 1100),), None)


@pytest.mark.parametrize("status", [200, 201])
async def test_an_accepted_order_says_what_is_filled_and_left(status: int) -> None:
    """201 is documented and 200 was seen: both are a yes."""
    async with calling() as (venue, rest):
        body = b'{"order_id":"o-1","fill_count":"1.00","remaining_count":"9.00","ts_ms":5}'
        venue.answer("POST", ORDERS, status, body)
        venue.answer("POST", f"{ORDERS}/o-1/amend", status, body)
        expected = OrderAccepted("place", "id-1", "o-1", 100, 900, NOW, 5 * MILLISECOND)
        assert await rest.place(PLACE) == expected
        assert json.loads(venue.requests[-1][2])["price"] == "0.3500"
        assert (await rest.amend(AMEND)).action == "amend"


async def test_a_cancel_names_shard_and_market() -> None:
    """The answer doesn't tell what was filled: None, not 0; it tells how much was taken out."""
    async with calling() as (venue, rest):
        venue.answer("DELETE", f"{ORDERS}/o-1", 200, b'{"order_id":"o-1","reduced_by":"1.00","ts_ms":5}')
        venue.answer("DELETE", ORDERS, 204, b"")
        assert await rest.cancel(CANCEL) == OrderAccepted(
            "cancel", "id-1", "o-1", None, 0, NOW, 5 * MILLISECOND, 100
        )
        assert venue.requests[-1][1].endswith("/o-1?exchange_index=2&market_ticker=KX-A")
        await rest.cancel_all()


def _answers() -> Iterator[tuple[int, bytes, type[Exception]]]:
    yield 409, b'{"error":{"code":"order_already_exists","message":"order already exists"}}', Refused
    yield 400, b'{"code":"bad_request","message":"bad request","details":"json"}', Refused
    yield 429, b'{"error":"too many requests"}', Transient
    yield 500, b"", Unknown
    yield 503, b'{"error":{"code":"service_unavailable"}}', Unknown
    yield 201, b"not json", Unknown
    yield 201, b'{"order_id":"o-1"}', Unknown
    yield 201, b'{"order_id":"o-1","fill_count":"x","remaining_count":"1.00"}', Unknown
    yield 0, b"", Unknown


@pytest.mark.parametrize(("status", "body", "error"), list(_answers()))
async def test_a_write_that_failed_says_how(status: int, body: bytes, error: type[Exception]) -> None:
    """Refused, never happened, or may have happened: the three must not be mixed up."""
    async with calling() as (venue, rest):
        venue.answer("POST", ORDERS, status, body)
        venue.answer("DELETE", f"{ORDERS}/o-1", status, body)
        with pytest.raises(error):
            await rest.place(PLACE)
        if status not in (0, 201):
            with pytest.raises(error):
                await rest.cancel(CANCEL)
