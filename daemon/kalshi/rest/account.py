"""The calls that read our account: cash, positions, orders, fills, settlements, groups, subaccounts, keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from daemon.core.events import CashFlow, EndedOrder, OrderFilled, OrderSnapshot, PositionSnapshot
from daemon.core.units import Money, Qty
from daemon.kalshi import bodies
from daemon.kalshi.decode import decode_count, decode_money
from daemon.kalshi.rest.calls import Calls, chunks, part, query

_BALANCE = "/portfolio/balance"


class AccountCalls(Calls):
    """What the venue says of our account. Its lists may lag some 0.4 s behind a confirmed write."""

    async def balance(self, exchange_index: int | None = None) -> Money:
        """Return the cash of all shards, or of one: an order can only use its own shard's."""
        reply = await self._http.get(_BALANCE, bodies.BalanceReply, query(exchange_index=exchange_index))
        return self._convert_one(_BALANCE, lambda: decode_money(reply.balance_dollars))

    async def cash_by_shard(self) -> dict[int, Money]:
        """Return the cash on each shard that has any."""
        reply = await self._http.get(_BALANCE, bodies.BalanceReply)
        return self._convert_one(_BALANCE, lambda: bodies.cash_by_shard(reply))

    async def cash(self) -> tuple[Money, dict[int, Money]]:
        """Return the cash of all shards, and of each that has any, as of one instant."""
        reply = await self._http.get(_BALANCE, bodies.BalanceReply)
        whole = self._convert_one(_BALANCE, lambda: decode_money(reply.balance_dollars))
        return whole, self._convert_one(_BALANCE, lambda: bodies.cash_by_shard(reply))

    async def cash_flows(self) -> tuple[CashFlow, ...]:
        """Return the owner's deposits and withdrawals that moved cash, or are about to, newest first each."""
        found: list[CashFlow] = []
        flows: tuple[tuple[str, Literal[1, -1]], ...] = (("deposits", 1), ("withdrawals", -1))
        for name, sign in flows:
            path = f"/portfolio/{name}"
            listed = await self._http.pages(path, {}, name, bodies.CashFlowBody, limit=500)
            found += [bodies.cash_flow(one, sign) for one in listed if one.status in ("pending", "applied")]
        return tuple(found)

    async def positions(self) -> tuple[PositionSnapshot, ...]:
        """Return all positions in markets that are not settled, closed-out ones included."""
        path = "/portfolio/positions"
        listed = await self._http.pages(path, {}, "market_positions", bodies.Position)
        return tuple(self._convert(path, listed, bodies.position_snapshot))

    async def settlements(
        self, min_ts: int | None = None, max_ts: int | None = None, *, ticker: str | None = None
    ) -> list[bodies.Settlement]:
        """Return what settled markets paid us in [min_ts, max_ts] (Unix seconds), oldest first."""
        path = "/portfolio/settlements"
        params = query(min_ts=min_ts, max_ts=max_ts, ticker=ticker)
        listed = await self._http.pages(path, params, "settlements", bodies.SettlementBody)
        return self._convert(path, reversed(listed), bodies.settlement)

    # --- orders and fills -----------------------------------------------------------------------

    async def orders(self, status: str = "resting") -> tuple[OrderSnapshot, ...]:
        """Return our orders with this status (resting, canceled, executed), newest first.

        Those of other subaccounts than the primary one are none of ours; nor are their fills.
        """
        path = "/portfolio/orders"
        listed = await self._http.pages(path, {"status": status}, "orders", bodies.Order)
        # Left out, `subaccount` means all of them here, and the primary for cash and positions (sheet 4.7).
        listed = [one for one in listed if one.subaccount_number in bodies.PRIMARY]
        return tuple(self._convert(path, listed, bodies.order_snapshot))

    async def ended_orders(self, ticker: str) -> tuple[EndedOrder, ...]:
        """Return our orders in this market that rest no more, newest first, and how much of each traded."""
        path = "/portfolio/orders"
        listed = await self._http.pages(path, {"ticker": ticker}, "orders", bodies.Order)
        ended = [one for one in listed if one.status != "resting" and one.subaccount_number in bodies.PRIMARY]
        return tuple(self._convert(path, ended, bodies.ended_order))

    async def order_records(
        self,
        *,
        ticker: str | None = None,
        status: str | None = None,
        min_ts: int | None = None,
        max_ts: int | None = None,
        is_historical: bool = False,
    ) -> list[bodies.OrderRecord]:
        """Return our orders with what they cost, newest first.

        Args:
            ticker: in this market; there is no filter by client order id, so this finds one of ours.
            status: resting, canceled or executed; the historical tier has no such filter.
            min_ts: from this second (Unix) on.
            max_ts: up to this second.
            is_historical: of the historical tier, for what is older than `historical_cutoff`.
        """
        path = "/historical/orders" if is_historical else "/portfolio/orders"
        assert not (is_historical and status), "the historical tier has no filter by status"
        params = query(ticker=ticker, status=status, min_ts=min_ts, max_ts=max_ts)
        listed = await self._http.pages(path, params, "orders", bodies.WholeOrder)
        return self._convert(path, listed, bodies.order_record)

    async def order(self, order_id: str) -> bodies.OrderRecord:
        """Return one of our orders, in any state. Raises Refused `not_found`, also right after its create."""
        path = f"/portfolio/orders/{part(order_id)}"
        reply = await self._http.get(path, bodies.SingleOrderReply)
        return self._convert_one(path, lambda: bodies.order_record(reply.order))

    async def fills(
        self,
        min_ts: int | None = None,
        max_ts: int | None = None,
        *,
        ticker: str | None = None,
        order_id: str | None = None,
        is_historical: bool = False,
    ) -> tuple[OrderFilled, ...]:
        """Return our fills, oldest first.

        Args:
            min_ts: from this second (Unix) on.
            max_ts: up to this second.
            ticker: in this market.
            order_id: of this order; the historical tier has no such filter.
            is_historical: of the historical tier, for what is older than `historical_cutoff`.
        """
        path = "/historical/fills" if is_historical else "/portfolio/fills"
        assert not (is_historical and order_id), "the historical tier has no filter by order"
        params = query(min_ts=min_ts, max_ts=max_ts, ticker=ticker, order_id=order_id)
        listed = await self._http.pages(path, params, "fills", bodies.Fill)
        listed = [one for one in listed if one.subaccount_number in bodies.PRIMARY]
        now = self._clock()
        return tuple(self._convert(path, reversed(listed), lambda one: bodies.order_filled(one, now)))

    async def queue_positions(self, tickers: Sequence[str]) -> dict[str, Qty]:
        """Return by order id how many contracts stand before our resting orders in these markets."""
        path = "/portfolio/orders/queue_positions"
        found: dict[str, Qty] = {}
        for some in chunks(tickers):
            params = {"market_tickers": ",".join(some)}
            reply = await self._http.get(path, bodies.QueuePositionsReply, params)
            ahead = self._convert(
                path, reply.queue_positions, lambda one: decode_count(one.queue_position_fp)
            )
            ids = [one.order_id for one in reply.queue_positions]
            found.update(zip(ids, ahead, strict=True))
        return found

    async def queue_position(self, order_id: str) -> Qty:
        """Return how many contracts stand before one of our resting orders."""
        path = f"/portfolio/orders/{part(order_id)}/queue_position"
        reply = await self._http.get(path, bodies.QueuePositionReply)
        return self._convert_one(path, lambda: decode_count(reply.queue_position_fp))

    # --- order groups, subaccounts, keys --------------------------------------------------------

    async def order_groups(self) -> list[bodies.OrderGroup]:
        """Return our order groups, without their orders' ids."""
        path = "/portfolio/order_groups"
        reply = await self._http.get(path, bodies.GroupsReply)
        return self._convert(path, reply.order_groups, lambda one: bodies.order_group(one.id, one))

    async def order_group(self, group_id: str) -> bodies.OrderGroup:
        """Return one order group with its orders. Raises Refused `not_found`, also right after its create."""
        path = f"/portfolio/order_groups/{part(group_id)}"
        reply = await self._http.get(path, bodies.GroupReply)
        return self._convert_one(path, lambda: bodies.order_group(group_id, reply))

    async def subaccount_balances(self) -> list[bodies.SubaccountBalance]:
        """Return the cash of every subaccount on every shard."""
        path = "/portfolio/subaccounts/balances"
        reply = await self._http.get(path, bodies.SubaccountBalancesReply)
        return self._convert(path, reply.subaccount_balances, bodies.subaccount_balance)

    async def api_keys(self) -> bodies.ApiKeysReply:
        """Return the account's API keys with their scopes, and until when it is attested to trade by key."""
        return await self._http.get("/api_keys", bodies.ApiKeysReply)
