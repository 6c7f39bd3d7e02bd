"""The whole client against the exchange that ships with us: what one writes, the other reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import time_ns

import pytest

from daemon.core.commands import AmendOrder, CancelOrder, PlaceOrder
from daemon.core.events import OrderAccepted
from daemon.core.units import MONEY_ONE, SECOND, Ns
from daemon.kalshi.auth import Signer, load_private_key
from daemon.kalshi.errors import ClockRefused, KeyRefused, Refused
from daemon.kalshi.rest import Rest
from tests.sandbox.running import running
from tests.sandbox.scripted import OPEN, SETTLED

TEST_WITHIN_S = 30.0
SERIES, EVENT = "KXBTC15M", OPEN.rpartition("-")[0]


@asynccontextmanager
async def sandbox(
    folder: Path,
    *,
    key_id: Callable[[str, str], str] = lambda mine, _: mine,
    clock: Callable[[], Ns] = time_ns,
) -> AsyncIterator[Rest]:
    """A sandbox, and a client with its Ed25519 key; `key_id` picks from that key's id and the RSA key's."""
    async with asyncio.timeout(TEST_WITHIN_S), running(folder) as client:
        ready = client.ready
        key = load_private_key(Path(ready.private_key_path))
        signer = Signer(key_id(ready.key_id, ready.rsa_key_id), key)
        async with Rest(ready.rest_url, signer, clock) as rest:
            yield rest


def order(name: str, price: int = 3_500, qty: int = 1_000) -> PlaceOrder:
    return PlaceOrder(name, OPEN, "bid", price, qty, "good_till_canceled", True, 2, "s", "why", 0, 1, None)


async def test_the_exchange_is_read(tmp_path: Path) -> None:
    """Status, calendar, ages, budget, and what requests cost."""
    async with sandbox(tmp_path) as rest:
        status = await rest.status()
        assert (True, True) == (status.is_active, status.is_trading)
        assert 2 in {shard.exchange_index for shard in status.shards}
        assert all(start < end for start, end in await rest.schedule())
        assert abs(await rest.account_lists_at() - time_ns()) < 60 * SECOND
        assert (await rest.historical_cutoff()).trades_created_at < time_ns()
        assert (await rest.account_limits()).read.refill_rate > 0
        assert 10 == (await rest.endpoint_costs()).default_cost
        await rest.fee_changes(with_past=True)


async def test_markets_are_read_in_every_way(tmp_path: Path) -> None:
    """Specs, quotes and ends; by series, event, name and category; and events by their series."""
    async with sandbox(tmp_path) as rest:
        (listing,) = await rest.listings(series_ticker=SERIES, status="open")
        assert (OPEN, 4_000, 6_000, 10_000) == (
            listing.spec.ticker,
            listing.bid,
            listing.ask,
            listing.bid_qty,
        )
        (spec,) = await rest.markets(tickers=[OPEN])
        assert listing.spec == spec == await rest.market(OPEN)
        assert [OPEN] == [one.spec.ticker for one in await rest.listings(event_ticker=EVENT)]
        (end,) = await rest.outcomes(series_ticker=SERIES)
        assert (SETTLED, "yes", 10_000) == (end.spec.ticker, end.result, end.settlement_price)
        assert end.settled_at is not None
        (series,) = [one for one in await rest.series_in("Crypto") if one.ticker == SERIES]
        assert 2 == series.exchange_index
        assert EVENT in [one.event_ticker for one in await rest.events(SERIES)]
        assert 0 == rest.refused.counts["refused"], rest.refused.counts
        assert {} == rest.markets_refused


async def test_quotes_are_read_in_every_way(tmp_path: Path) -> None:
    """Books, trades and candles, one by one and many at a time, are the same."""
    async with sandbox(tmp_path) as rest:
        book = await rest.orderbook(OPEN)
        (same,) = await rest.orderbooks([OPEN])
        assert (book.yes, book.no) == (same.yes, same.no)
        assert (4_000, 10_000) == book.yes[-1]
        assert ["past-trade"] == [trade.trade_id for trade in await rest.trades(OPEN)]
        now_s = time_ns() // SECOND
        span = (now_s - 600, now_s + 60, 1)
        one = await rest.candles(SERIES, OPEN, *span)
        assert one
        many = await rest.candles_of([OPEN], *span)
        event = await rest.event_candles(SERIES, EVENT, *span)
        for candles in (many[OPEN], event[OPEN]):
            assert [(c.ended_at, c.bid, c.ask, c.volume) for c in one] == [
                (c.ended_at, c.bid, c.ask, c.volume) for c in candles
            ]


async def test_an_orders_life(tmp_path: Path) -> None:
    """Placed, read, amended, decreased, cancelled: each step is what the lists then say."""
    async with sandbox(tmp_path) as rest:
        placed = await rest.place(order("one"))
        assert (0, 1_000) == (placed.filled, placed.remaining)
        with pytest.raises(Refused, match="order_already_exists"):
            await rest.place(order("one"))
        amended = await rest.amend(
            AmendOrder("one", placed.order_id, OPEN, "bid", 3_600, 900, 2, "s", "why", 0, 1, None)
        )
        assert (placed.order_id, 900) == (amended.order_id, amended.remaining)
        assert 500 == await rest.decrease(placed.order_id, to=500, ticker=OPEN, exchange_index=2)
        record = await rest.order(placed.order_id)
        assert ("resting", 3_600, 500) == (record.status, record.order.price, record.order.remaining)
        assert [record.order] == list(await rest.orders())
        assert {placed.order_id: await rest.queue_position(placed.order_id)} == (
            await rest.queue_positions([OPEN])
        )
        gone = await rest.cancel(CancelOrder("one", placed.order_id, OPEN, 2, "why", 0))
        assert 500 == gone.reduced_by
        with pytest.raises(Refused, match="not_found"):
            await rest.cancel(CancelOrder("one", placed.order_id, OPEN, 2, "why", 0))
        assert ["canceled"] == [one.status for one in await rest.order_records(ticker=OPEN)]


async def test_a_batch_of_orders(tmp_path: Path) -> None:
    """Each has its own end, in order; what was placed can be taken out in one request."""
    async with sandbox(tmp_path) as rest:
        yes, no, also = await rest.place_many([order("a"), order("b", price=3_505), order("c")])
        assert isinstance(yes, OrderAccepted)
        assert isinstance(no, Refused)
        assert isinstance(also, OrderAccepted)
        assert "invalid_price" == no.code
        done, gone = await rest.cancel_many(
            [CancelOrder("a", yes.order_id, OPEN, 2, "why", 0), CancelOrder("x", "none", OPEN, 2, "why", 0)]
        )
        assert isinstance(done, OrderAccepted)
        assert 1_000 == done.reduced_by
        assert isinstance(gone, Refused)
        await rest.cancel_many([CancelOrder("c", also.order_id, OPEN, 2, "why", 0)])
        assert () == await rest.orders()


async def test_the_account_is_read(tmp_path: Path) -> None:
    """A taker's fill is in fills, positions and cash, and they agree."""
    async with sandbox(tmp_path) as rest:
        before = await rest.balance()
        taker = PlaceOrder(
            "t", OPEN, "bid", 6_000, 500, "immediate_or_cancel", False, 2, "s", "w", 0, 1, None
        )
        taken = await rest.place(taker)
        assert (500, 0) == (taken.filled, taken.remaining)
        (fill,) = await rest.fills(order_id=taken.order_id)
        assert (6_000, 500, True) == (fill.price, fill.qty, fill.is_taker)
        (position,) = await rest.positions()
        assert (OPEN, 500, fill.fee) == (position.ticker, position.qty, position.fees)
        after = await rest.balance()
        assert before - 3 * MONEY_ONE - fill.fee == after
        assert after == sum((await rest.cash_by_shard()).values())
        assert [] == await rest.settlements()
        assert {0} <= {one.subaccount for one in await rest.subaccount_balances()}
        assert any(key.may("write::trade") for key in (await rest.api_keys()).api_keys)


async def test_an_order_group_lives(tmp_path: Path) -> None:
    """Made, read, limited, triggered, reset, taken out."""
    async with sandbox(tmp_path) as rest:
        assert [] == await rest.order_groups()
        group_id = await rest.create_order_group(1_000, exchange_index=2)
        async with asyncio.timeout(5):
            while not await rest.order_groups():  # noqa: ASYNC110 - their lists lag, as the venue's do
                await asyncio.sleep(0.05)
        await rest.limit_order_group(group_id, 500, exchange_index=2)
        await rest.trigger_order_group(group_id, exchange_index=2)
        await rest.reset_order_group(group_id, exchange_index=2)
        await rest.delete_order_group(group_id, exchange_index=2)


async def test_a_key_of_another_environment(tmp_path: Path) -> None:
    """An id that the venue doesn't know is not taken for a wrong private key."""
    with pytest.raises(KeyRefused, match="a demo key at production, or the other way round"):
        async with sandbox(tmp_path, key_id=lambda _mine, _rsa: "of-elsewhere") as rest:
            await rest.balance()


async def test_a_private_key_of_another_id(tmp_path: Path) -> None:
    """The id is known, and the signature is another key's."""
    with pytest.raises(KeyRefused, match="the private key does not belong to the key id"):
        async with sandbox(tmp_path, key_id=lambda _mine, rsa: rsa) as rest:
            await rest.place(order("one"))


async def test_a_clock_that_is_off(tmp_path: Path) -> None:
    """The message says whose clock says what, and by how much."""
    with pytest.raises(ClockRefused, match=r"we are (99|100|101) s behind it"):
        async with sandbox(tmp_path, clock=lambda: time_ns() - 100 * SECOND) as rest:
            await rest.balance()
