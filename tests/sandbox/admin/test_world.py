"""The operator's calls on the venue as a whole, seen by a client."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from daemon.core.units import HOUR, MILLISECOND, MINUTE
from daemon.sandbox.flows.still import StillFlow
from daemon.sandbox.flows.traders import TradersFlow
from tests.sandbox.running import receive_until, running
from tests.sandbox.scripted import OPEN, ScriptedFlow
from tests.sandbox.wire import order_terms, subscribe

ORDERS = "/portfolio/events/orders"


async def test_a_virtual_clock_brings_about_what_falls_due_in_order(tmp_path: Path) -> None:
    """Nothing moves by itself; then expiry, close and cancel happen on the way, told before the answer."""
    async with asyncio.timeout(30), running(tmp_path, StillFlow, speed=None) as client:
        clock = client.sandbox.venue.clock
        began = clock.now()
        await client.admin("/markets", ticker="KXA", closes_in_ms=2 * 3_600_000)
        expiry = began // 1_000_000_000 + 3600
        await client.call("POST", ORDERS, order_terms(ticker="KXA", expiration_time=expiry))
        await client.call("POST", ORDERS, order_terms(ticker="KXA"))
        async with client.socket() as socket:
            await socket.send_json(subscribe(1, "user_orders"))
            await receive_until(socket, lambda frame: frame["type"] == "subscribed")
            await asyncio.sleep(0.15)
            assert began == clock.now()
            found = await client.admin("/clock/advance", ms=3 * 3_600_000, step_ms=1000)
            assert ((began + 3 * HOUR) // MILLISECOND) == found["now_ms"] == clock.now() // MILLISECOND
            # Written before the answer: it is all there.
            told = [json.loads(await socket.receive_str(timeout=1))["msg"] for _ in range(2)]
        reasons = [(order["last_update_reason"], order["last_updated_ts_ms"]) for order in told]
        assert ["ExpiryCancel", "CloseCancel"] == [reason for reason, _ in reasons]
        due = [expiry * 1000, (began + 2 * HOUR) // MILLISECOND]
        assert all(0 <= at - expected < 1000 for (_, at), expected in zip(reasons, due, strict=True))
        assert "closed" == client.sandbox.venue.exchange.markets["KXA"].status


async def test_traders_live_under_a_virtual_clock(tmp_path: Path) -> None:
    """A quarter of an hour in a moment: a market closed, was settled, and the next one trades."""
    async with asyncio.timeout(60), running(tmp_path, TradersFlow, speed=None) as client:
        exchange = client.sandbox.venue.exchange
        before = [ticker for ticker, market in exchange.markets.items() if market.status == "active"]
        await client.admin("/clock/advance", ms=16 * 60_000, step_ms=10_000)
        quarter = [ticker for ticker in before if ticker.startswith("KXBTC15M")]
        assert ["finalized"] == [exchange.markets[ticker].status for ticker in quarter]
        now = client.sandbox.venue.clock.now()
        assert any(
            market.is_open(now) and ticker.startswith("KXBTC15M")
            for ticker, market in exchange.markets.items()
        )


async def test_a_clock_that_runs_is_not_moved(tmp_path: Path) -> None:
    """409, and how to get one that is."""
    async with asyncio.timeout(20), running(tmp_path, StillFlow) as client:
        status, answer = await client.admin_call("POST", "/clock/advance", {"ms": 1})
        assert (409, True) == (status, "--speed manual" in answer["error"])


async def test_time_runs_n_times_as_fast(tmp_path: Path) -> None:
    """With traders too: at 60 times, half a second is half a minute."""
    async with asyncio.timeout(20), running(tmp_path, ScriptedFlow, speed=60.0) as client:
        clock = client.sandbox.venue.clock
        began = clock.now()
        await asyncio.sleep(0.5)
        assert MINUTE // 2 <= clock.now() - began < 10 * MINUTE
        assert 201 == (await client.call("POST", ORDERS, order_terms()))[0]


async def test_a_pause_shows_and_ends(tmp_path: Path) -> None:
    """Trading: orders are refused, cancels are not. Exchange: nothing. By shard, or on all of them."""
    async with asyncio.timeout(20), running(tmp_path, ScriptedFlow) as client:
        _, placed = await client.call("POST", ORDERS, order_terms())
        await client.admin("/exchange/pause", exchange_index=2)
        status, body = await client.call("POST", ORDERS, order_terms())
        assert (409, "trading_is_paused") == (status, body["error"]["code"])
        assert 409 == (await client.admin_call("POST", "/book", {"ticker": OPEN}))[0]
        assert 200 == (await client.call("DELETE", f"{ORDERS}/{placed['order_id']}"))[0]
        await client.admin("/exchange/resume", exchange_index=2)
        assert 201 == (await client.call("POST", ORDERS, order_terms()))[0]
        await client.admin("/exchange/pause", what="exchange")
        status, body = await client.call("POST", ORDERS, order_terms())
        assert (409, "exchange_is_paused") == (status, body["error"]["code"])
        assert 200 == (await client.admin_call("POST", "/exchange/resume"))[0]
        assert 201 == (await client.call("POST", ORDERS, order_terms()))[0]


async def test_maintenance_begins_and_ends_by_the_clock(tmp_path: Path) -> None:
    """A window an hour ahead, ten minutes long."""
    async with asyncio.timeout(30), running(tmp_path, StillFlow, speed=None) as client:
        await client.admin("/markets", ticker="KXA", closes_in_ms=10 * 3_600_000)
        await client.admin("/exchange/maintenance", in_ms=3_600_000, for_ms=600_000)
        found = []
        for minutes in (59, 2, 10):
            await client.admin("/clock/advance", ms=minutes * 60_000, step_ms=1000)
            found.append((await client.call("POST", ORDERS, order_terms(ticker="KXA")))[0])
        assert [201, 409, 201] == found


async def test_the_account_is_given_cash_and_a_tier(tmp_path: Path) -> None:
    """As its own GETs show; the new bucket is a full one."""
    async with asyncio.timeout(20), running(tmp_path, StillFlow) as client:
        await client.admin("/account/deposit", dollars="123.45", exchange_index=2)
        assert 10_123_450_000 == client.sandbox.venue.account.cash[2]
        _, before = await client.call("GET", "/account/limits")
        await client.admin("/account/tier", tier="basic")
        _, after = await client.call("GET", "/account/limits")
        assert ("premier", "basic") == (before["usage_tier"], after["usage_tier"])
        assert {"bucket_capacity": 200, "refill_rate": 200} == after["read"]


async def test_reads_lag_behind(tmp_path: Path) -> None:
    """An order that was just placed is not listed yet; the state says why."""
    async with asyncio.timeout(20), running(tmp_path, ScriptedFlow) as client:
        await client.admin("/read_lag", ms=400)
        assert 400 == (await client.admin("/state"))["read_lag_ms"]
        await client.call("POST", ORDERS, order_terms())
        assert [] == (await client.call("GET", "/portfolio/orders"))[1]["orders"]
        await asyncio.sleep(0.45)
        assert 1 == len((await client.call("GET", "/portfolio/orders"))[1]["orders"])


async def test_the_price_of_a_still_world_is_set(tmp_path: Path) -> None:
    """Told to who follows the reference from the next second on; a living price isn't."""
    async with asyncio.timeout(20), running(tmp_path / "still", StillFlow, speed=None) as client:
        await client.admin("/spot", price="90000.00")
        await client.admin("/clock/advance", ms=1000)
        assert 90_000_000_000 == client.sandbox.venue.spots[-1].price
        assert 400 == (await client.admin_call("POST", "/spot", {"price": "high"}))[0]
    async with asyncio.timeout(20), running(tmp_path / "alive", ScriptedFlow) as client:
        assert 409 == (await client.admin_call("POST", "/spot", {"price": "1.00"}))[0]


async def test_the_state_is_shown(tmp_path: Path) -> None:
    """Clock, markets with their best prices, cash, pauses, faults."""
    async with asyncio.timeout(20), running(tmp_path, ScriptedFlow) as client:
        await client.admin("/faults", kind="stall", channel="nothing")
        async with client.socket():
            state = await client.admin("/state")
        assert ("traders", 1.0, 1) == (state["mode"], state["speed"], state["connections"])
        market = state["markets"][OPEN]
        assert ("active", "0.4000", "0.6000") == (market["status"], market["bid"], market["ask"])
        assert ["stall"] == [counted["rule"]["kind"] for counted in state["faults"]]
        assert {"2": "10000.00"} == {shard: cash[:8] for shard, cash in state["cash"].items() if shard == "2"}


async def test_the_reference_venue_goes_into_maintenance(tmp_path: Path) -> None:
    """Told to who is connected."""
    async with (
        asyncio.timeout(20),
        running(tmp_path, ScriptedFlow) as client,
        client.http.ws_connect(client.ready.reference_ws_url) as socket,
    ):
        await client.admin("/reference/system", system="maintenance")
        frames = await receive_until(
            socket, lambda frame: frame.get("channel") == "status" and frame["data"][0]["system"] != "online"
        )
        assert "maintenance" == frames[-1]["data"][0]["system"]


async def test_streams_are_limited(tmp_path: Path) -> None:
    """Error 26 for more markets than one subscription may have; without a limit again, none."""
    async with (
        asyncio.timeout(20),
        running(tmp_path, StillFlow) as client,
        client.socket() as socket,
    ):
        made = await client.admin("/markets", count=3)
        command = subscribe(1, "orderbook_delta", market_tickers=made["tickers"])
        await client.admin("/stream/limits", markets_per_subscription=2)
        await socket.send_json(command)
        (error,) = await receive_until(socket, lambda _: True)
        assert 26 == error["msg"]["code"]
        assert 200 == (await client.admin_call("POST", "/stream/limits", {}))[0]
        await socket.send_json(command)
        (answer,) = await receive_until(socket, lambda _: True)
        assert "subscribed" == answer["type"]
