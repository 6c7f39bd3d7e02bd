"""The operator's calls on markets, seen by a client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from daemon.sandbox.flows.still import StillFlow
from tests.sandbox.running import Client, receive_until, running
from tests.sandbox.wire import order_terms, subscribe

TICKER = "KXTEST-OPERATOR-M0"
ORDERS = "/portfolio/events/orders"


@asynccontextmanager
async def world(folder: Path, **options: Any) -> AsyncIterator[Client]:
    """Run a still world with one market."""
    async with asyncio.timeout(30), running(folder, StillFlow, **options) as client:
        await client.admin("/markets", count=1)
        yield client


async def market(client: Client) -> dict[str, Any]:
    """Return the market as a client sees it."""
    _, body = await client.call("GET", f"/markets/{TICKER}")
    found: dict[str, Any] = body["market"]
    return found


async def test_markets_are_made_with_event_and_series(tmp_path: Path) -> None:
    """Many at once, numbered on; a named one once; all are found like any other."""
    async with world(tmp_path) as client:
        made = await client.admin("/markets", count=1000, closes_in_ms=60_000, grid="tapered_deci_cent")
        assert (1000, "KXTEST-OPERATOR-M1") == (len(made["tickers"]), made["tickers"][0])
        _, listed = await client.call("GET", "/markets", query="?event_ticker=KXTEST-OPERATOR&limit=1000")
        assert 1000 == len(listed["markets"])
        assert 200 == (await client.call("GET", "/events/KXTEST-OPERATOR"))[0]
        await client.admin("/series", ticker="KXTEST", title="Tests", category="Science")
        _, found = await client.call("GET", "/series/KXTEST")
        assert ("Tests", "Science") == (found["series"]["title"], found["series"]["category"])
        assert 409 == (await client.admin_call("POST", "/markets", {"ticker": TICKER}))[0]


async def test_a_quoted_book_replaces_the_one_before(tmp_path: Path) -> None:
    """The operator's orders only: a client's stays."""
    async with world(tmp_path) as client:
        await client.admin("/book", ticker=TICKER, bids=[["0.4000", "5.00"]], asks=[["0.6000", "7.00"]])
        await client.call("POST", ORDERS, order_terms(ticker=TICKER))
        await client.admin("/book", ticker=TICKER, bids=[["0.4100", "1.00"]])
        _, book = await client.call("GET", f"/markets/{TICKER}/orderbook")
        expected = {"yes_dollars": [["0.3500", "10.00"], ["0.4100", "1.00"]], "no_dollars": []}
        assert expected == book["orderbook_fp"]
        bad = {"ticker": TICKER, "bids": [["0.4001", "5.00"]]}
        status, answer = await client.admin_call("POST", "/book", bad)
        assert (400, True) == (status, "grid" in answer["error"])


async def test_the_operator_trades_with_the_client(tmp_path: Path) -> None:
    """An order of the operator's takes what the client has resting, and what it quotes itself."""
    async with world(tmp_path) as client:
        _, placed = await client.call("POST", ORDERS, order_terms(ticker=TICKER))
        await client.admin("/book", ticker=TICKER, bids=[["0.3600", "1.00"]])
        sold = await client.admin("/orders", ticker=TICKER, side="ask", price="0.3500", count="5.00")
        assert ("5.00", "0.00") == (sold["filled"], sold["resting"])
        _, body = await client.call("GET", f"/portfolio/orders/{placed['order_id']}")
        assert "4.00" == body["order"]["fill_count_fp"]


async def test_a_life_from_close_to_the_second_settlement(tmp_path: Path) -> None:
    """Closed, determined, disputed, amended, settled and told again; each in its turn only."""
    async with world(tmp_path) as client:
        await client.admin("/book", ticker=TICKER, asks=[["0.4000", "10.00"]])
        await client.call("POST", ORDERS, order_terms(ticker=TICKER, price="0.4000"))
        cash = client.sandbox.venue.account.cash[2]
        async with client.socket() as socket:
            await socket.send_json(subscribe(1, "market_lifecycle_v2"))
            result = {"ticker": TICKER, "result": "no"}
            assert 409 == (await client.admin_call("POST", "/markets/determine", result))[0]
            assert "closed" == (await client.admin("/markets/close", ticker=TICKER))["status"]
            assert 409 == (await client.admin_call("POST", "/markets/settle", {"ticker": TICKER}))[0]
            assert "determined" == (await client.admin("/markets/determine", **result))["status"]
            assert "disputed" == (await client.admin("/markets/dispute", ticker=TICKER))["status"]
            assert 409 == (await client.admin_call("POST", "/markets/settle", {"ticker": TICKER}))[0]
            amended = await client.admin("/markets/amend", ticker=TICKER, result="yes")
            assert "amended" == amended["status"]
            for again in (False, True):
                settled = await client.admin("/markets/settle", ticker=TICKER, again=again)
                assert "finalized" == settled["status"]
            frames = await receive_until(
                socket, lambda frame: frame.get("msg", {}).get("event_type") == "settled"
            )
            frames += await receive_until(
                socket, lambda frame: frame.get("msg", {}).get("event_type") == "settled"
            )
        told = [frame["msg"]["event_type"] for frame in frames if "event_type" in frame["msg"]]
        assert ["close_date_updated", "determined", "settled", "settled"] == [
            kind for kind in told if kind != "event_lifecycle"
        ][:1] + [kind for kind in told if kind in {"determined", "settled"}][-3:]
        assert cash + 10_000_000 == client.sandbox.venue.account.cash[2]


async def test_a_suspended_market_loses_its_orders_when_it_goes_on(tmp_path: Path) -> None:
    """Deactivated, orders stay; activated, they are cancelled."""
    async with world(tmp_path) as client:
        await client.call("POST", ORDERS, order_terms(ticker=TICKER))
        orders = client.sandbox.venue.account.resting
        assert "inactive" == (await client.admin("/markets/deactivate", ticker=TICKER))["status"]
        assert 409 == (await client.admin_call("POST", "/markets/deactivate", {"ticker": TICKER}))[0]
        assert 1 == len(orders)
        assert "active" == (await client.admin("/markets/activate", ticker=TICKER))["status"]
        assert 0 == len(orders)


async def test_a_listing_changes_in_mid_life(tmp_path: Path) -> None:
    """Close, grid, strike and fees, as a client's next look shows."""
    async with world(tmp_path) as client:
        before = await market(client)
        await client.admin("/markets/close", ticker=TICKER, in_ms=7_200_000)
        await client.admin("/markets/grid", ticker=TICKER, grid="deci_cent")
        await client.admin("/markets/strike", ticker=TICKER, strike="85000.00")
        await client.admin(
            "/events/fees", event_ticker="KXTEST-OPERATOR", fee_type="quadratic", multiplier="2"
        )
        after = await market(client)
        assert before["close_time"] < after["close_time"]
        assert [{"start": "0.0000", "end": "1.0000", "step": "0.0010"}] == after["price_ranges"]
        assert 85_000 == after["floor_strike"]
        assert 2_000_000 == client.sandbox.venue.exchange.markets[TICKER].spec.fees.multiplier_ppm
        await client.admin("/events/fees", event_ticker="KXTEST-OPERATOR")
        assert 1_000_000 == client.sandbox.venue.exchange.markets[TICKER].spec.fees.multiplier_ppm
        assert 404 == (await client.admin_call("POST", "/events/fees", {"event_ticker": "KXNONE"}))[0]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"result": "scalar"}, "value"),
        ({"result": "scalar", "value": "much"}, "value"),
        ({"result": "yes", "value": "0.5000"}, "value"),
    ],
)
async def test_a_result_has_a_value_where_it_needs_one(
    tmp_path: Path, body: dict[str, str], word: str
) -> None:
    """Scalar ones only."""
    async with world(tmp_path) as client:
        await client.admin("/markets/close", ticker=TICKER)
        status, answer = await client.admin_call("POST", "/markets/determine", {"ticker": TICKER, **body})
        assert (400, True) == (status, answer["error"].startswith(word))
        assert "closed" == client.sandbox.venue.exchange.markets[TICKER].status
