"""Tests of the whole server: every body against the official contract, restarts, signals, loopback only."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from daemon.sandbox.limits import BASIC, COST_DEFAULT
from daemon.sandbox.server import SandboxOptions, check_loopback
from tests.sandbox.contract import Contract
from tests.sandbox.running import running, signed
from tests.sandbox.scripted import OPEN, ScriptedFlow
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


async def test_a_restart_forgets_nothing_of_the_account(tmp_path: Path) -> None:
    """Orders, fills, position, cash, used ids and keys are there again; the resting order rests again."""
    orders = "/portfolio/events/orders"
    async with asyncio.timeout(30):
        async with running(tmp_path) as client:
            terms = order_terms(price="0.3500", client_order_id="resting")
            _, resting = await client.call("POST", orders, terms)
            await client.call("POST", orders, order_terms(price="0.6000", client_order_id="filled"))
            before = [
                await client.call("GET", f"/portfolio/{path}", query=query)
                for path, query in (("orders", ""), ("fills", ""), ("positions", ""))
            ]
            _, balance = await client.call("GET", "/portfolio/balance")
            key_id = client.ready.key_id
        async with running(tmp_path) as client:
            assert key_id == client.ready.key_id
            after = [
                await client.call("GET", f"/portfolio/{path}", query=query)
                for path, query in (("orders", ""), ("fills", ""), ("positions", ""))
            ]
            assert before == after
            _, again = await client.call("GET", "/portfolio/balance")
            assert balance["balance_dollars"] == again["balance_dollars"]
            assert 409 == (await client.call("POST", orders, order_terms(client_order_id="filled")))[0]
            assert 409 == (await client.call("POST", orders, terms))[0]
            _, cancelled = await client.call("DELETE", f"{orders}/{resting['order_id']}")
            assert "10.00" == cancelled["reduced_by"]


def test_only_loopback_is_served(tmp_path: Path) -> None:
    """Any other address is refused before anything is bound."""
    for host in ("127.0.0.1", "localhost", "::1"):
        check_loopback(host)
    for host in ("0.0.0.0", "192.168.1.1", "example.com", ""):
        with pytest.raises(ValueError, match="only listens on loopback"):
            check_loopback(host)


async def test_unknown_paths_are_not_found(tmp_path: Path) -> None:
    """404 in the documented shape."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        expected = (404, {"error": {"code": "not_found", "message": "not found"}})
        assert expected == await client.call("GET", "/nowhere")


async def test_a_signed_public_read_costs_what_any_read_does(tmp_path: Path) -> None:
    """An unsigned one is free, and so is one whose signature is none: it is public."""
    async with asyncio.timeout(20), running(tmp_path, tier=BASIC, speed=None) as client:
        for _ in range(BASIC.read_per_s // COST_DEFAULT):
            assert 200 == (await client.text("GET", f"/markets/{OPEN}"))[0]
        status, body = await client.text("GET", f"/markets/{OPEN}")
        assert (429, '{"error":"too many requests"}\n') == (status, body)
        assert 429 == (await client.text("GET", "/portfolio/balance"))[0]
        forged = {**client.headers("GET", "/markets"), "KALSHI-ACCESS-SIGNATURE": "QQ=="}
        for headers in ({}, forged):
            async with client.http.get(f"{client.ready.rest_url}/markets", headers=headers) as reply:
                assert 200 == reply.status
        await client.admin("/clock/advance", ms=50)
        assert 200 == (await client.text("GET", f"/markets/{OPEN}"))[0]
        assert 429 == (await client.text("GET", f"/markets/{OPEN}"))[0]


async def test_it_ends_when_nobody_was_connected_for_long(tmp_path: Path) -> None:
    """`idle` returns after the time without clients, and not while one is connected."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        async with client.socket():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(client.sandbox.idle(0.2), 0.6)
                pytest.fail("idle although a client is connected")
        await client.sandbox.idle(0.2)


@contextlib.contextmanager
def process_of(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    """Run a sandbox as a process of its own; give it and its ready line."""
    script = (
        "import asyncio, pathlib, sys\n"
        "from daemon.sandbox.server import SandboxOptions, serve\n"
        "from tests.sandbox.scripted import ScriptedFlow\n"
        "asyncio.run(serve(SandboxOptions(pathlib.Path(sys.argv[1]), ScriptedFlow)))\n"
    )
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", script, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=root) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def headers_of(ready: dict[str, Any], method: str, path: str) -> dict[str, str]:
    return signed(ready["key_id"], Path(ready["private_key_path"]).read_bytes(), method, path)


def test_the_process_says_where_it_listens_and_stops_on_sigterm(tmp_path: Path) -> None:
    """One JSON line on stdout; SIGTERM ends it in order with code 0; keys are their owner's only."""
    with process_of(tmp_path / "state") as (process, ready):
        assert (process.pid, "traders", True) == (ready["pid"], ready["mode"], ready["is_paced"])
        assert 0o600 == Path(ready["private_key_path"]).stat().st_mode & 0o777
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(timeout=15)


async def test_an_acknowledged_order_survives_kill_9(tmp_path: Path) -> None:
    """What was answered with 201 is there in the next life, though nothing was closed."""
    path = "/trade-api/v2/portfolio/events/orders"
    async with asyncio.timeout(30):
        with process_of(tmp_path) as (process, ready):
            headers = headers_of(ready, "POST", path)
            url = f"{ready['rest_url']}/portfolio/events/orders"
            async with (
                aiohttp.ClientSession() as http,
                http.post(url, json=order_terms(client_order_id="mine"), headers=headers) as reply,
            ):
                assert 201 == reply.status
                process.kill()
            process.wait(timeout=15)
        async with running(tmp_path) as client:
            _, body = await client.call("GET", "/portfolio/orders")
            found = [(order["client_order_id"], order["status"]) for order in body["orders"]]
            assert [("mine", "resting")] == found


def test_the_default_account_has_its_cash_on_the_crypto_shard(tmp_path: Path) -> None:
    """10,000 $ on shard 2."""
    assert {2: 10_000_000_000} == SandboxOptions(tmp_path, ScriptedFlow).cash
