"""The client as a whole: one pool for all calls, one gate for all reads."""

from __future__ import annotations

import asyncio

import pytest

from daemon.kalshi.errors import ReadOnly, Unreadable
from daemon.kalshi.rest import ReadingRest, Rest
from daemon.kalshi.rest.groups import GroupCalls
from daemon.kalshi.rest.orders import OrderCalls
from tests.kalshi.rest.calling import calling, tell
from tests.kalshi.venue import serving


class _Gate:
    def __init__(self) -> None:
        self.seen: list[tuple[str, str, int | None]] = []

    async def enter(self, path: str) -> None:
        self.seen.append(("in", path, None))

    def leave(self, path: str, status: int | None) -> None:
        self.seen.append(("out", path, status))


async def test_reads_pass_the_gate_and_writes_do_not() -> None:
    """Each read enters and leaves, each page by itself; a cancel never waits behind a list."""
    async with calling() as (venue, rest):
        rest.gate = gate = _Gate()
        assert gate is rest.gate
        tell(venue, "/portfolio/positions", {"market_positions": [], "cursor": ""})
        venue.answer("PUT", "/portfolio/order_groups/g/trigger", 200, b"{}")
        await rest.positions()
        await rest.trigger_order_group("g", exchange_index=2)
        path = "/portfolio/positions"
        assert [("in", path, None), ("out", path, 200)] == gate.seen


async def test_strange_answers_are_counted_by_shape() -> None:
    """By endpoint, field and what was wrong, and not by the ticker in the path."""
    async with calling() as (venue, rest):
        for ticker in ("A-1", "B-2"):
            tell(venue, f"/markets/{ticker}/orderbook", {"orderbook": {}})
            with pytest.raises(Unreadable):
                await rest.orderbook(ticker)
        whole = {"subaccount_number": 0, "exchange_index": 0, "balance": "1.0000", "updated_ts": 1}
        for good in range(3):
            rows = [whole] * good + [{}]
            tell(venue, "/portfolio/subaccounts/balances", {"subaccount_balances": rows})
            with pytest.raises(Unreadable):
                await rest.subaccount_balances()
        counts = dict(rest.refused.counts)
        shape = "refused /markets/:name/orderbook: Object missing required field `orderbook_fp`"
        assert (5, 2) == (counts.pop("refused"), counts.pop(shape))
        assert [3] == list(counts.values()), "not by the place in a list either"


async def test_what_only_reads_has_no_write_and_sends_none() -> None:
    """Shadow's guarantee: no call of the class changes anything, and its connection lets only GETs out."""
    writes = {name for calls in (OrderCalls, GroupCalls) for name in vars(calls) if not name.startswith("_")}
    assert {"place", "amend", "cancel", "create_order_group"} <= writes
    assert set() == writes & {name for name in dir(ReadingRest) if not name.startswith("_")}
    assert writes <= set(dir(Rest))
    async with asyncio.timeout(10), serving() as venue:
        async with ReadingRest(venue.url, None, lambda: 0) as rest:
            tell(venue, "/portfolio/positions", {"market_positions": [], "cursor": ""})
            assert () == await rest.positions()
            for method in ("POST", "PUT", "DELETE", "PATCH"):
                with pytest.raises(ReadOnly, match=f"{method} /portfolio/events/orders: nothing is ever"):
                    await rest._http.request(method, "/portfolio/events/orders", body=b"{}")
        assert ["GET"] == [method for method, _, _ in venue.requests]
