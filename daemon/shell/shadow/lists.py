"""What the shadow account says of itself: the lists that Kalshi's REST has of a real one, as they stand now.

A question takes the account's latency to arrive, and is answered by how things are then: unlike the venue's,
these lists do not lag behind a write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from daemon.core import events as e
from daemon.core.units import SECOND, Money, Ns, Qty
from daemon.exchange.shadow import ShadowBook
from daemon.kalshi import bodies
from daemon.kalshi.errors import Refused
from daemon.kalshi.rest import ReadingRest
from daemon.shell.shadow import told
from daemon.shell.shadow.exchange import ACCOUNT, ShadowExchange


class ShadowLists:
    """The calls that read the account. What is the venue's to say is asked of the venue itself."""

    def __init__(
        self, venue: ReadingRest, exchange: ShadowExchange, *, now: Callable[[], Ns], latency: Ns
    ) -> None:
        self._venue = venue
        self._shadow = exchange
        self._now = now
        self._latency = latency

    async def _travel(self) -> None:
        await asyncio.sleep(self._latency / SECOND)

    async def status(self) -> e.ExchangeStatusTold:
        """Return whether the venue trades: its own word."""
        return await self._venue.status()

    async def cash(self) -> tuple[Money, dict[int, Money]]:
        """Return the account's cash; of no shard, for it is one purse."""
        await self._travel()
        return sum(self._shadow.account.cash.values()), {}

    async def cash_flows(self) -> tuple[e.CashFlow, ...]:
        """Return nothing: nobody deposits here."""
        return ()

    async def outcomes(
        self, *, tickers: Sequence[str] | None = None, status: str | None = "settled"
    ) -> list[bodies.MarketOutcome]:
        """Return markets with their results: the venue's own word."""
        return await self._venue.outcomes(tickers=tickers, status=status)

    async def positions(self) -> tuple[e.PositionSnapshot, ...]:
        """Return the positions in markets that are not paid out."""
        await self._travel()
        return tuple(
            e.PositionSnapshot(ticker, held.qty, held.cost, held.realized, held.fees)
            for ticker, held in self._shadow.account.holdings.items()
            if not self._is_paid_out(ticker)
        )

    def _is_paid_out(self, ticker: str) -> bool:
        market = self._shadow.exchange.markets.get(ticker)
        return market is not None and market.settled_at is not None

    async def settlements(self, min_ts: int | None = None) -> list[bodies.Settlement]:
        """Return what settled markets paid from this second on, oldest first."""
        await self._travel()
        return [
            told.settlement(paid)
            for paid in self._shadow.account.settlements
            if min_ts is None or paid.at // SECOND >= min_ts
        ]

    async def orders(self, status: str = "resting") -> tuple[e.OrderSnapshot, ...]:
        """Return our orders with this status, newest first; what is long over is forgotten."""
        await self._travel()
        return tuple(
            told.order_snapshot(order.state())
            for order in reversed(self._shadow.account.orders.values())
            if order.status == status
        )

    async def ended_orders(self, ticker: str) -> tuple[e.EndedOrder, ...]:
        """Return our orders in this market that rest no more, newest first."""
        await self._travel()
        return tuple(
            e.EndedOrder(order.order_id, order.client_order_id, ticker, order.status, order.filled)
            for order in reversed(self._shadow.account.orders.values())
            if order.ticker == ticker and order.status != "resting"
        )

    async def fills(self, min_ts: int | None = None) -> tuple[e.OrderFilled, ...]:
        """Return our fills from this second on, oldest first; those of more than two days ago are lost."""
        await self._travel()
        now = self._now()
        return tuple(
            told.order_filled(fill, now, is_streamed=False)
            for fill in self._shadow.account.fills
            if min_ts is None or fill.at // SECOND >= min_ts
        )

    async def queue_positions(self, tickers: Sequence[str]) -> dict[str, Qty]:
        """Return by order id how many contracts stand before our orders, where the book is known."""
        await self._travel()
        found: dict[str, Qty] = {}
        for ticker in tickers:
            market = self._shadow.exchange.markets.get(ticker)
            if market is not None and isinstance(market.book, ShadowBook) and market.book.has_snapshot:
                found |= {order.order_id: market.book.ahead(order) for order in market.book.orders()}
        return found

    async def order_group(self, group_id: str) -> bodies.OrderGroup:
        """Return one order group with its orders. Raises Refused `not_found`."""
        await self._travel()
        groups = self._shadow.exchange.order_groups
        group, record = groups.find(ACCOUNT, group_id), groups.record(group_id)
        if group is None or record is None:
            raise Refused(404, "not_found", "")
        return told.group(record, tuple(order.order_id for order in groups.orders(group)))
