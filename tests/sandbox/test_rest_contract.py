"""Every REST body holds what the official SDK requires of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.sandbox.contract import Contract
from tests.sandbox.running import running
from tests.sandbox.scripted import OPEN
from tests.sandbox.wire import order_terms

EVENT = OPEN.rpartition("-")[0]
SPAN = "start_ts=0&end_ts=2000000000&period_interval=1"


async def test_every_body_holds_what_the_sdk_requires(tmp_path: Path) -> None:
    """Reads and writes alike: required fields, types, enums, alphabetical keys."""
    contract = Contract()
    async with asyncio.timeout(30), running(tmp_path) as client:

        async def check(schema: str, method: str, path: str, body: object = None, query: str = "") -> str:
            status, found = await client.call(method, path, body, query)
            assert status in {200, 201}, f"{path}: {status} {found}"
            contract.check(schema, found)
            return str(found.get("order_id", ""))

        orders = "/portfolio/events/orders"
        resting = await check("CreateOrderV2Response", "POST", orders, order_terms())
        await check("CreateOrderV2Response", "POST", orders, order_terms(price="0.6000"))
        amend = {"ticker": OPEN, "side": "bid", "price": "0.3600", "count": "8.00"}
        await check("AmendOrderV2Response", "POST", f"{orders}/{resting}/amend", amend)
        await check("DecreaseOrderV2Response", "POST", f"{orders}/{resting}/decrease", {"reduce_to": "5"})
        for schema, path, query in (
            ("ExchangeStatus", "/exchange/status", ""),
            ("GetExchangeScheduleResponse", "/exchange/schedule", ""),
            ("GetUserDataTimestampResponse", "/exchange/user_data_timestamp", ""),
            ("GetSeriesListResponse", "/series", ""),
            ("GetSeriesResponse", "/series/KXBTC15M", ""),
            ("GetEventsResponse", "/events", "?with_nested_markets=true"),
            ("GetEventResponse", f"/events/{EVENT}", "?with_nested_markets=true"),
            ("GetMarketsResponse", "/markets", ""),
            ("GetMarketResponse", f"/markets/{OPEN}", ""),
            ("GetMarketOrderbookResponse", f"/markets/{OPEN}/orderbook", ""),
            ("GetMarketOrderbooksResponse", "/markets/orderbooks", f"?tickers={OPEN}"),
            ("GetTradesResponse", "/markets/trades", ""),
            ("GetMarketCandlesticksResponse", f"/series/KXBTC15M/markets/{OPEN}/candlesticks", f"?{SPAN}"),
            (
                "BatchGetMarketCandlesticksResponse",
                "/markets/candlesticks",
                f"?market_tickers={OPEN}&{SPAN}",
            ),
            ("GetBalanceResponse", "/portfolio/balance", ""),
            ("GetPositionsResponse", "/portfolio/positions", ""),
            ("GetOrdersResponse", "/portfolio/orders", ""),
            ("GetOrderResponse", f"/portfolio/orders/{resting}", ""),
            ("GetOrderQueuePositionResponse", f"/portfolio/orders/{resting}/queue_position", ""),
            (
                "GetOrderQueuePositionsResponse",
                "/portfolio/orders/queue_positions",
                f"?market_tickers={OPEN}",
            ),
            ("GetFillsResponse", "/portfolio/fills", ""),
            ("GetSettlementsResponse", "/portfolio/settlements", ""),
            ("GetAccountApiLimitsResponse", "/account/limits", ""),
            ("GetAccountEndpointCostsResponse", "/account/endpoint_costs", ""),
        ):
            await check(schema, "GET", path, None, query)
        await check("CancelOrderV2Response", "DELETE", f"{orders}/{resting}")
