"""The official Python SDK drives the sandbox: it parses every body into its models and raises nothing."""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.running import Client, running
from tests.sandbox.scripted import OPEN, SETTLED

SDK = "kalshi-python-async"
VERSION = "3.34.0"

if importlib.util.find_spec("kalshi_python_async") is None:
    pytest.skip(f"PACKAGE ABSENT: {SDK} {VERSION} is not installed", allow_module_level=True)

SERIES = "KXBTC15M"
EVENT = OPEN.rpartition("-")[0]

pytestmark = pytest.mark.filterwarnings("default")  # the SDK's own warnings are not ours to fix


def sdk_of(client: Client, *, with_rsa: bool = False) -> Any:
    import kalshi_python_async as sdk

    ready = client.ready
    configuration = sdk.Configuration(host=ready.rest_url)
    configuration.api_key_id = ready.rsa_key_id if with_rsa else ready.key_id
    path = ready.rsa_private_key_path if with_rsa else ready.private_key_path
    configuration.private_key_pem = Path(path).read_text()
    return sdk.KalshiClient(configuration)


def terms(**changed: Any) -> dict[str, Any]:
    return {
        "ticker": OPEN,
        "side": "bid",
        "count": "10.00",
        "price": "0.3500",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
        "exchange_index": 2,
        **changed,
    }


def test_the_sdk_is_the_one_that_the_protocol_sheet_describes() -> None:
    """A plain install on Python 3.11 silently takes a year-old SDK; this is the right one."""
    assert VERSION == importlib.metadata.version(SDK)


async def test_the_sdk_reads_markets_books_trades_and_candles(tmp_path: Path) -> None:
    """Every public read that the daemon uses parses into the SDK's models."""
    async with asyncio.timeout(30), running(tmp_path) as client, sdk_of(client) as sdk:
        assert (await sdk.get_exchange_status()).trading_active
        await sdk.get_exchange_schedule()
        await sdk.get_user_data_timestamp()
        listed = await sdk.get_markets(series_ticker=SERIES, status="open")
        assert [OPEN] == [market.ticker for market in listed.markets]
        settled = await sdk.get_markets(series_ticker=SERIES, status="settled")
        assert [(SETTLED, "yes")] == [(market.ticker, market.result) for market in settled.markets]
        assert OPEN == (await sdk.get_market(OPEN)).market.ticker
        book = (await sdk.get_market_orderbook(OPEN, depth=1)).orderbook_fp
        assert ([["0.4000", "100.00"]], [["0.4000", "100.00"]]) == (book.yes_dollars, book.no_dollars)
        books = await sdk.get_market_orderbooks([OPEN])
        assert [OPEN] == [found.ticker for found in books.orderbooks]
        trades = await sdk.get_trades(ticker=OPEN)
        assert ["past-trade"] == [trade.trade_id for trade in trades.trades]
        candles = await sdk.get_market_candlesticks(SERIES, OPEN, 0, 2_000_000_000, 1)
        assert "5.00" == candles.candlesticks[0].volume_fp
        many = await sdk.batch_get_market_candlesticks(OPEN, 0, 2_000_000_000, 60)
        assert [OPEN] == [found.market_ticker for found in many.markets]
        assert SERIES == (await sdk.get_series(SERIES)).series.ticker
        assert [SERIES] == [found.ticker for found in (await sdk.get_series_list()).series]
        events = await sdk.get_events(series_ticker=SERIES, with_nested_markets=True)
        assert EVENT in {event.event_ticker for event in events.events}
        assert EVENT == (await sdk.get_event(EVENT)).event.event_ticker


async def test_the_sdk_places_amends_decreases_and_cancels(tmp_path: Path) -> None:
    """The life of a resting order through the SDK, singly and in batches."""
    import kalshi_python_async as package

    async with asyncio.timeout(30), running(tmp_path) as client, sdk_of(client) as sdk:
        placed = await sdk.create_order_v2(**terms(client_order_id="mine"))
        assert ("0.00", "10.00") == (placed.fill_count, placed.remaining_count)
        amended = await sdk.amend_order_v2(
            placed.order_id, ticker=OPEN, side="bid", price="0.3600", count="8.00", exchange_index=2
        )
        assert "8.00" == amended.remaining_count
        decreased = await sdk.decrease_order_v2(placed.order_id, reduce_by="3.00", exchange_index=2)
        assert "5.00" == decreased.remaining_count
        order = (await sdk.get_order(placed.order_id)).order
        assert ("mine", "resting", "0.3600") == (
            order.client_order_id,
            order.status,
            order.yes_price_dollars,
        )
        assert [placed.order_id] == [
            found.order_id for found in (await sdk.get_orders(status="resting")).orders
        ]
        assert "0.00" == (await sdk.get_order_queue_position(placed.order_id)).queue_position_fp
        queue = await sdk.get_order_queue_positions(market_tickers=OPEN)
        assert [placed.order_id] == [found.order_id for found in queue.queue_positions]
        cancelled = await sdk.cancel_order_v2(placed.order_id, exchange_index=2)
        assert "5.00" == cancelled.reduced_by
        with pytest.raises(package.exceptions.NotFoundException):
            await sdk.cancel_order_v2(placed.order_id, exchange_index=2)
        batch = await sdk.batch_create_orders_v2(
            orders=[terms(price="0.3000"), terms(price="0.3005"), terms(price="0.3100")]
        )
        assert [True, False, True] == [found.error is None for found in batch.orders]
        wanted = [{"order_id": batch.orders[0].order_id, "exchange_index": 2}, {"order_id": "nothing"}]
        ended = await sdk.batch_cancel_orders_v2(orders=wanted)
        assert ["10.00", "0.00"] == [found.reduced_by for found in ended.orders]


async def test_the_sdk_trades_and_reads_its_account(tmp_path: Path) -> None:
    """A taken order shows in fills, positions and balance, and after the result in settlements."""
    async with asyncio.timeout(30), running(tmp_path) as client, sdk_of(client, with_rsa=True) as sdk:
        taken = await sdk.create_order_v2(
            **terms(price="0.6000", count="10.00", time_in_force="immediate_or_cancel")
        )
        assert ("10.00", "0.6000", "0.0168") == (
            taken.fill_count,
            taken.average_fill_price,
            taken.average_fee_paid,
        )
        fills = (await sdk.get_fills()).fills
        assert [("0.168000", True)] == [(fill.fee_cost, fill.is_taker) for fill in fills]
        positions = await sdk.get_positions()
        assert ["10.00"] == [found.position_fp for found in positions.market_positions]
        assert [EVENT] == [found.event_ticker for found in positions.event_positions]
        balance = await sdk.get_balance()
        assert ("9993.8320", 999_383) == (balance.balance_dollars, balance.balance)
        assert 1200 == (await sdk.get_account_api_limits()).read.refill_rate
        assert 10 == (await sdk.get_account_endpoint_costs()).default_cost
        venue = client.sandbox.venue
        now = venue.clock.now()
        venue.exchange.move_close(OPEN, now, now)
        told = venue.exchange.advance(now)
        told += venue.exchange.determine(OPEN, "yes", 10_000, now)
        told += venue.exchange.settle(OPEN, now)
        venue.tell([*told])
        settlements = (await sdk.get_settlements()).settlements
        assert [("yes", 1000)] == [(found.market_result, found.revenue) for found in settlements]
        assert [] == (await sdk.get_positions()).market_positions
