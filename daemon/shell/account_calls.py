"""What the daemon asks of the place where its account is: Kalshi's REST, or the shadow account.

The order queue and the readers know these calls and nothing else, so that every mode runs the same code.
`kalshi.rest.Rest` and `shell.shadow.venue.ShadowVenue` have all of them; what they return and raise is said
there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from daemon.core.commands import AmendOrder, CancelOrder, PlaceOrder, ProbeOrder
from daemon.core.events import (
    CashFlow,
    EndedOrder,
    ExchangeStatusTold,
    OrderAccepted,
    OrderFilled,
    OrderSnapshot,
    PositionSnapshot,
)
from daemon.core.units import Money, Qty
from daemon.kalshi import bodies
from daemon.kalshi.http import Leave
from daemon.kalshi.rest import BatchOutcome


class OrderWrites(Protocol):
    """The calls that change orders and groups. Each raises Refused, Transient or Unknown.

    One that is given a `leave` makes all ready, and sends nothing before that is given.
    """

    async def place(self, order: PlaceOrder, leave: Leave | None = None) -> OrderAccepted:
        """Send a new order."""

    async def probe(self, order: ProbeOrder) -> OrderAccepted:
        """Send the id of an order in doubt again; what is sent rests nowhere."""

    async def amend(self, order: AmendOrder, leave: Leave | None = None) -> OrderAccepted:
        """Change price and total count of a resting order."""

    async def cancel(self, order: CancelOrder, leave: Leave | None = None) -> OrderAccepted:
        """Take a resting order out."""

    async def place_many(self, orders: Sequence[PlaceOrder]) -> list[BatchOutcome]:
        """Send new orders in one request; return what came of each."""

    async def cancel_many(self, orders: Sequence[CancelOrder]) -> list[BatchOutcome]:
        """Take resting orders out in one request; return what came of each."""

    async def create_order_group(self, limit: Qty, *, exchange_index: int) -> str:
        """Make a group and return its id."""

    async def limit_order_group(self, group_id: str, limit: Qty, *, exchange_index: int) -> None:
        """Set a group's limit."""

    async def reset_order_group(self, group_id: str, *, exchange_index: int) -> None:
        """Let a triggered group take orders again."""

    async def trigger_order_group(self, group_id: str, *, exchange_index: int) -> None:
        """Cancel all orders of a group, and let it take none until it is reset."""

    async def delete_order_group(self, group_id: str, *, exchange_index: int) -> None:
        """Take a group out, and all its orders with it."""


class AccountReads(Protocol):
    """The calls that read the account, and whether the exchange trades. Each raises Refused or Transient."""

    async def status(self) -> ExchangeStatusTold:
        """Return whether the venue trades."""

    async def cash(self) -> tuple[Money, dict[int, Money]]:
        """Return the cash of all shards, and of each, as of one instant; of none where it is one purse."""

    async def cash_flows(self) -> tuple[CashFlow, ...]:
        """Return the owner's deposits and withdrawals."""

    async def outcomes(
        self, *, tickers: Sequence[str] | None = None, status: str | None = "settled"
    ) -> list[bodies.MarketOutcome]:
        """Return markets with their results, as far as they are known."""

    async def positions(self) -> tuple[PositionSnapshot, ...]:
        """Return all positions in markets that are not settled."""

    async def settlements(self, min_ts: int | None = None) -> list[bodies.Settlement]:
        """Return what settled markets paid us from this second on, oldest first."""

    async def orders(self, status: str = "resting") -> tuple[OrderSnapshot, ...]:
        """Return our orders with this status, newest first."""

    async def ended_orders(self, ticker: str) -> tuple[EndedOrder, ...]:
        """Return our orders in this market that rest no more, newest first."""

    async def fills(self, min_ts: int | None = None) -> tuple[OrderFilled, ...]:
        """Return our fills from this second on, oldest first."""

    async def queue_positions(self, tickers: Sequence[str]) -> dict[str, Qty]:
        """Return by order id how many contracts stand before our resting orders in these markets."""

    async def order_group(self, group_id: str) -> bodies.OrderGroup:
        """Return one order group with its orders."""


class AccountCalls(OrderWrites, AccountReads, Protocol):
    """All of it: what a run's account is."""
