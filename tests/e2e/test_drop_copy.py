"""Fills that the stream swallows, and trades by hand: the daemon's parts, over real sockets."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from daemon.core.commands import CancelOrder, PlaceOrder
from daemon.core.units import MINUTE
from tests.e2e.venue_rig import CONFIG, EVENT, VenueRig, venue_rig

TICKER = f"{EVENT}-M0"
SELDOM = CONFIG.replace("every_s = 2", "every_s = 600", 1)
"""The lists are compared seldom: within the test only the drop copy can tell a fill."""


async def by_hand(rig: VenueRig, name: str, price: int) -> str:
    """Buy one contract as the account's owner does on the venue's site; return the order's id."""
    now = time.time_ns()
    order = PlaceOrder(
        client_order_id=name, ticker=TICKER, side="bid", price=price, qty=100,
        time_in_force="good_till_canceled", post_only=False,
        exchange_index=rig.engine.state.markets[TICKER].spec.exchange_index, strategy="none",
        reason="by hand", decided_at=now, deadline=now + MINUTE, book_changed_max=None,
    )  # fmt: skip
    return (await rig.rest.place(order)).order_id


async def swallow(rig: VenueRig) -> int:
    """Let the next fill frame be lost; return the fault's number."""
    return int((await rig.call("/faults", kind="drop_private", channel="fill", next=1))["id"])


async def has_hit(rig: VenueRig, fault: int) -> None:
    """Wait until a frame is lost."""
    async with asyncio.timeout(30):
        while not await rig.hits(fault):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_a_fill_that_the_stream_swallows_is_booked_within_five_seconds(tmp_path: Path) -> None:
    """One of ours: the stream is well and silent, the silence is found, and all agree afterwards."""
    async with venue_rig(tmp_path, config_text=SELDOM) as rig:
        state = rig.engine.state
        drops = state.counts["kalshi_drops"]
        await has_hit(rig, await swallow(rig))
        lost_at = time.monotonic()
        fills = await rig.rest.fills()
        await rig.until(lambda: all(state.ledger.has_booked(fill) for fill in fills), "it is booked", 5)
        assert time.monotonic() - lost_at < 5
        await rig.until(lambda: state.account.log.by_kind["fill_missed"] > 0, "the silence is found", 20)
        assert (drops, None) == (state.counts["kalshi_drops"], state.halt_reason)
        await rig.until(lambda: rig.is_trading, "it trades again")
        await rig.agrees()
        assert {"fill_missed": 1} == dict(state.account.log.by_kind)


async def test_nothing_but_the_drop_copy_tells_a_swallowed_trade_by_hand(tmp_path: Path) -> None:
    """No order of ours lacks a fill, and the lists are compared every ten minutes."""
    assert SELDOM != CONFIG
    async with venue_rig(tmp_path, config_text=SELDOM) as rig:
        state, copy = rig.engine.state, rig.parts.drop_copy
        rig.strategy.is_quoting = False
        await rig.until(lambda: not state.orders, "no order is left")
        await asyncio.sleep(1)
        readings, found = state.counts["reconciliations"], copy.counts["found"]
        fault = await swallow(rig)
        await by_hand(rig, "by-hand-1", 5_500)
        await has_hit(rig, fault)
        await rig.until(lambda: copy.counts["found"] > found, "the drop copy tells it", 5)
        assert readings == state.counts["reconciliations"]
        kinds = state.account.log.by_kind
        await rig.until(lambda: kinds["fill_missed"] == kinds["fill_unknown"] == 1, "both are found", 20)
        await rig.until(lambda: rig.is_trading, "it trades again")
        assert await rig.truth() == rig.belief()
        assert state.halt_reason is None


async def test_trades_by_hand_are_the_accounts_and_its_orders_are_never_touched(tmp_path: Path) -> None:
    """Booked as a fill that nobody knows, without a halt; what rests by hand goes on resting."""
    async with venue_rig(tmp_path) as rig:
        state = rig.engine.state
        rig.strategy.is_quoting = False
        await rig.until(lambda: not state.orders, "no order is left")
        rests = await by_hand(rig, "by-hand-1", 3_000)
        await by_hand(rig, "by-hand-2", 5_500)
        await rig.until(lambda: state.account.log.by_kind["fill_unknown"] == 1, "the fill is met", 30)
        await asyncio.sleep(3)  # a reconciliation or two
        cash, positions, resting = await rig.truth()
        assert (cash, positions, resting - 1) == rig.belief()
        assert (None, {"fill_unknown": 1}) == (state.halt_reason, dict(state.account.log.by_kind))
        now = time.time_ns()
        index = state.markets[TICKER].spec.exchange_index
        cancel = CancelOrder("by-hand-1", rests, TICKER, index, "by hand", now)
        assert 100 == (await rig.rest.cancel(cancel)).reduced_by
