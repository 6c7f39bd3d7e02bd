"""Tests of the WebSocket over the wire."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from daemon.core.units import BookSide, Ns
from daemon.exchange.exchange import Exchange
from daemon.exchange.facts import Fact
from daemon.exchange.requests import NewOrder
from daemon.sandbox.stream.ws import CONNECTIONS_MAX
from tests.sandbox.running import Client, receive_until, running, until
from tests.sandbox.scripted import MAKER, OPEN, ScriptedFlow
from tests.sandbox.wire import order_terms, subscribe

ORDERS = "/portfolio/events/orders"


def act(client: Client, side: BookSide, price: int, qty: int) -> None:
    """Let the flow place an order of the house in its next step."""

    def placing(exchange: Exchange, now: Ns) -> list[Fact]:
        return exchange.place(NewOrder(MAKER, OPEN, side, price, qty), now)[1]

    flow = client.flow
    assert isinstance(flow, ScriptedFlow)
    flow.acts.append(placing)


async def test_an_unsigned_upgrade_is_401(tmp_path: Path) -> None:
    """No 101 without a signature, and not with one over another path."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.http.ws_connect(client.ready.ws_url)
        assert 401 == refused.value.status


async def test_a_book_is_a_snapshot_and_then_deltas(tmp_path: Path) -> None:
    """subscribed, then seq 1 the snapshot, then deltas without a gap; every frame is stamped last."""
    async with asyncio.timeout(20), running(tmp_path) as client, client.socket() as socket:
        await socket.send_json(subscribe(1, "orderbook_delta", market_tickers=[OPEN], use_yes_price=False))
        frames = await receive_until(socket, lambda frame: frame["type"] == "orderbook_snapshot")
        assert {"type": "subscribed", "id": 1, "msg": {"channel": "orderbook_delta", "sid": 1}} == {
            name: value for name, value in frames[0].items() if name != "sending_ts_ms"
        }
        assert [["0.3800", "100.00"], ["0.3900", "100.00"], ["0.4000", "100.00"]] == frames[-1]["msg"][
            "no_dollars_fp"
        ]
        act(client, "bid", 4500, 1_000)
        [delta] = await receive_until(socket, lambda frame: frame["type"] == "orderbook_delta")
        assert ["type", "sid", "seq", "msg", "sending_ts_ms"] == list(delta)
        assert ["market_ticker", "market_id", "price_dollars", "delta_fp", "side", "ts", "ts_ms"] == list(
            delta["msg"]
        )
        assert (2, "0.4500", "10.00", "yes") == (
            delta["seq"],
            delta["msg"]["price_dollars"],
            delta["msg"]["delta_fp"],
            delta["msg"]["side"],
        )


async def test_raw_frames_end_with_a_line_break(tmp_path: Path) -> None:
    """One compact JSON object and a newline."""
    async with asyncio.timeout(20), running(tmp_path) as client, client.socket() as socket:
        await socket.send_json({"id": 3, "cmd": "list_subscriptions"})
        text = await socket.receive_str(timeout=5)
        assert text.startswith('{"id":3,"type":"ok","msg":[],"sending_ts_ms":')
        assert text.endswith("}\n")


async def test_an_own_order_is_told_on_every_private_channel(tmp_path: Path) -> None:
    """user_order before fill before market_position before delta before trade; the own delta is marked."""
    async with asyncio.timeout(20), running(tmp_path) as client, client.socket() as socket:
        channels = ("user_orders", "fill", "market_positions", "orderbook_delta", "trade")
        await socket.send_json(subscribe(1, *channels, market_tickers=[OPEN], use_yes_price=True))
        await receive_until(socket, lambda frame: frame["type"] == "orderbook_snapshot")
        await client.call("POST", ORDERS, order_terms(client_order_id="mine", price="0.6000", count="120"))
        frames = await receive_until(socket, lambda frame: frame["type"] == "trade")
        kinds = [frame["type"] for frame in frames if frame["type"] != "subscribed"]
        assert ["user_order", "fill", "market_position"] == kinds[:3]
        by_kind: dict[str, dict[str, Any]] = {frame["type"]: frame["msg"] for frame in frames}
        assert ("mine", "20.00", "Trade") == (
            by_kind["user_order"]["client_order_id"],
            by_kind["user_order"]["remaining_count_fp"],
            by_kind["user_order"]["last_update_reason"],
        )
        assert ("100.00", "100.00", True) == (
            by_kind["fill"]["count_fp"],
            by_kind["fill"]["post_position_fp"],
            by_kind["fill"]["is_taker"],
        )
        own = [
            frame["msg"]
            for frame in frames
            if frame["type"] == "orderbook_delta" and "client_order_id" in frame["msg"]
        ]
        if not own:
            [*_, last] = await receive_until(socket, lambda frame: "client_order_id" in frame["msg"])
            own = [last["msg"]]
        assert [("mine", "20.00", "0.6000")] == [
            (found["client_order_id"], found["delta_fp"], found["price_dollars"]) for found in own
        ]


async def test_the_ticker_follows_the_top_of_the_book(tmp_path: Path) -> None:
    """An initial summary on request, then one when the best price changes; no seq."""
    async with asyncio.timeout(20), running(tmp_path) as client, client.socket() as socket:
        await socket.send_json(subscribe(1, "ticker", market_tickers=[OPEN], send_initial_snapshot=True))
        [*_, first] = await receive_until(socket, lambda frame: frame["type"] == "ticker")
        assert ("0.4000", "0.6000", False) == (
            first["msg"]["yes_bid_dollars"],
            first["msg"]["yes_ask_dollars"],
            "seq" in first,
        )
        act(client, "bid", 4500, 1_000)
        [*_, then] = await receive_until(
            socket, lambda frame: frame["type"] == "ticker" and frame["msg"]["yes_bid_dollars"] == "0.4500"
        )
        assert "10.00" == then["msg"]["yes_bid_size_fp"]


async def test_a_groups_trigger_is_told_before_its_cancels(tmp_path: Path) -> None:
    """The group's message comes first, then the orders' with the same instant."""
    async with asyncio.timeout(20), running(tmp_path) as client, client.socket() as socket:
        await socket.send_json(subscribe(1, "order_group_updates", "user_orders"))
        groups = "/portfolio/order_groups"
        terms = {"contracts_limit": 5, "exchange_index": 2}
        _, made = await client.call("POST", f"{groups}/create", terms)
        group = made["order_group_id"]
        await client.call("POST", ORDERS, order_terms(order_group_id=group))
        await client.call("PUT", f"{groups}/{group}/trigger", {})
        frames = await receive_until(socket, lambda frame: frame["msg"].get("status") == "canceled")
        told = [
            (frame["type"], frame["msg"].get("event_type") or frame["msg"]["status"])
            for frame in frames
            if frame["type"] != "subscribed"
        ]
        assert [
            ("order_group_updates", "created"),
            ("user_order", "resting"),
            ("order_group_updates", "triggered"),
            ("user_order", "canceled"),
        ] == told
        triggered, canceled = (frame["msg"] for frame in frames[-2:])
        assert (triggered["ts_ms"], group) == (canceled["last_updated_ts_ms"], canceled["order_group_id"])


async def test_a_subaccounts_orders_are_told_with_its_number(tmp_path: Path) -> None:
    """The primary's key sees them on every private channel, and its own mark on the book's deltas."""
    async with asyncio.timeout(20), running(tmp_path) as client, client.socket() as socket:
        channels = ("user_orders", "fill", "market_positions", "orderbook_delta")
        await socket.send_json(subscribe(1, *channels, market_tickers=[OPEN], use_yes_price=True))
        await receive_until(socket, lambda frame: frame["type"] == "orderbook_snapshot")
        _, made = await client.call("POST", "/portfolio/subaccounts", {})
        number = made["subaccount_number"]
        transfer = {
            "client_transfer_id": "7c1f0e0a-31f4-4b0e-9d2f-0f4c8a1d5b11",
            "from_subaccount": 0,
            "to_subaccount": number,
            "amount_cents": 10_000,
            "exchange_index": 2,
        }
        assert 200 == (await client.call("POST", "/portfolio/subaccounts/transfer", transfer))[0]
        terms = order_terms(price="0.6000", count="120", subaccount=number)
        assert 201 == (await client.call("POST", ORDERS, terms))[0]
        frames = await receive_until(
            socket, lambda frame: frame["type"] == "orderbook_delta" and "subaccount" in frame["msg"]
        )
        numbers = {
            frame["type"]: frame["msg"].get("subaccount", frame["msg"].get("subaccount_number"))
            for frame in frames
        }
        kinds = ("user_order", "fill", "market_position", "orderbook_delta")
        assert dict.fromkeys(kinds, number) == {kind: numbers[kind] for kind in kinds}


async def test_a_stop_closes_with_1001(tmp_path: Path) -> None:
    """Going away: the client is told so."""
    async with asyncio.timeout(20), running(tmp_path) as client, client.socket() as socket:
        await client.sandbox.stop()
        message = await socket.receive(timeout=5)
        assert (aiohttp.WSMsgType.CLOSE, 1001) == (message.type, message.data)


async def test_two_hundred_connections_are_served_and_one_more_is_refused(tmp_path: Path) -> None:
    """Each gets its book and its trades; the next one 429, until somebody leaves."""
    async with asyncio.timeout(60), running(tmp_path) as client, AsyncExitStack() as stack:
        unlimited = aiohttp.TCPConnector(limit=0)
        client.http = await stack.enter_async_context(aiohttp.ClientSession(connector=unlimited))
        found = [await stack.enter_async_context(client.socket()) for _ in range(CONNECTIONS_MAX)]
        for socket in found:
            await socket.send_json(subscribe(1, "orderbook_delta", "trade", market_tickers=[OPEN]))
        for socket in found:
            await receive_until(socket, lambda frame: frame["type"] == "orderbook_snapshot")
        assert 201 == (await client.call("POST", ORDERS, order_terms(price="0.6000")))[0]
        for socket in found:
            [*_, trade] = await receive_until(socket, lambda frame: frame["type"] == "trade")
            assert 1 == trade["seq"]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await stack.enter_async_context(client.socket())
        assert 429 == refused.value.status
        await found.pop().close()
        await until(lambda: client.sandbox._ws.count < CONNECTIONS_MAX)
        await stack.enter_async_context(client.socket())
