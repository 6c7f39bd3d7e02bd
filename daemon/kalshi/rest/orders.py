"""The calls that place, change and take out orders. Each raises Refused, Transient, or Unknown.

A task that is cancelled during a write must be reported as `Unknown` by whoever cancelled it (see `http`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias, TypeVar

import msgspec

from daemon.core.commands import AmendOrder, CancelOrder, PlaceOrder, ProbeOrder
from daemon.core.events import OrderAccepted, OrderAction
from daemon.core.units import Qty, format_qty
from daemon.kalshi import bodies
from daemon.kalshi.decode import decode_count
from daemon.kalshi.encode import encode_amend, encode_place, encode_probe
from daemon.kalshi.errors import Refused, Reply, Unknown, classify, read_error
from daemon.kalshi.http import Leave, Params
from daemon.kalshi.rest.calls import Calls, millis, part

ORDERS = "/portfolio/events/orders"
BatchOutcome: TypeAlias = OrderAccepted | Refused | Unknown
"""What came of one order of a batch: `Unknown` is an entry that can't be read, or the venue's own fault."""
_VENUES_FAULT = frozenset({"internal_error", "internal_server_error", "service_unavailable", "timeout"})
"""Codes of an entry that say no more than a 5xx does of a single request: it may have happened."""
_T = TypeVar("_T")


class WriteCalls(Calls):
    """The way of every write."""

    async def _write(
        self,
        method: str,
        path: str,
        params: Params | None = None,
        body: bytes | None = None,
        leave: Leave | None = None,
    ) -> Reply:
        reply = await self._http.request(method, path, params, body, leave)
        # 201 for create and 200 for the others is documented; 200 for create was seen (sheet 4.6).
        if reply.status not in (200, 201, 204):
            raise classify(reply, is_write=True)
        return reply

    def _answer(self, reply: Reply, read: Callable[[bytes], _T]) -> _T:
        """Read the answer to a write. One that can't be read is as good as none. Raises Unknown."""
        try:
            return read(reply.body)
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise classify(reply, is_write=True) from None


class OrderCalls(WriteCalls):
    """Orders, one by one and in batches.

    A call that is given a `leave` does all that can be done ahead, and sends when that is given.
    """

    async def place(self, order: PlaceOrder, leave: Leave | None = None) -> OrderAccepted:
        """Send a new order.

        An immediate order that filled nothing is accepted too, with nothing filled and nothing left.

        Raises:
            Refused: the venue said no; `order_already_exists` says that this id arrived before.
            Transient: it was not sent, or met an empty bucket. Unknown: it may have happened.
        """
        reply = await self._write("POST", ORDERS, body=encode_place(order), leave=leave)
        return self._answer(reply, partial(self._accepted, "place", order.client_order_id))

    async def probe(self, order: ProbeOrder) -> OrderAccepted:
        """Send the id of an order in doubt again; what is sent rests nowhere. Raises as `place`."""
        reply = await self._write("POST", ORDERS, body=encode_probe(order))
        return self._answer(reply, partial(self._accepted, "probe", order.client_order_id))

    async def amend(self, order: AmendOrder, leave: Leave | None = None) -> OrderAccepted:
        """Change price and total count of a resting order. Raises as `place`."""
        path = f"{ORDERS}/{part(order.order_id)}/amend"
        reply = await self._write("POST", path, body=encode_amend(order), leave=leave)
        return self._answer(reply, partial(self._accepted, "amend", order.client_order_id))

    async def decrease(self, order_id: str, *, to: Qty, ticker: str, exchange_index: int) -> Qty:
        """Leave at most `to` of a resting order, which keeps its place in the queue; return what is left.

        The venue also takes an amount to decrease by. That one, sent twice, decreases twice.

        Raises:
            As `place`.
        """
        wanted = {"reduce_to": format_qty(to), "market_ticker": ticker, "exchange_index": exchange_index}
        path = f"{ORDERS}/{part(order_id)}/decrease"
        reply = await self._write("POST", path, body=msgspec.json.encode(wanted))
        return self._answer(
            reply,
            lambda body: decode_count(msgspec.json.decode(body, type=bodies.DecreaseReply).remaining_count),
        )

    async def cancel(self, order: CancelOrder, leave: Leave | None = None) -> OrderAccepted:
        """Take a resting order out.

        Raises:
            Refused: `not_found` is the same for unknown, cancelled and filled orders. Others as `place`.
        """
        params: Params = {"exchange_index": order.exchange_index, "market_ticker": order.ticker}
        reply = await self._write("DELETE", f"{ORDERS}/{part(order.order_id)}", params, leave=leave)
        return self._answer(reply, partial(self._cancelled, order.client_order_id))

    # --- batches --------------------------------------------------------------------------------

    async def place_many(self, orders: Sequence[PlaceOrder]) -> list[BatchOutcome]:
        """Send new orders in one request; return what came of each, in their order.

        The batch costs as much as its orders, and must fit the bucket as a whole.

        Raises:
            As `place`, for all orders together.
        """
        if not orders:
            return []
        body = b'{"orders":[' + b",".join(map(encode_place, orders)) + b"]}"
        reply = await self._write("POST", f"{ORDERS}/batched", body=body)
        entries = self._entries(reply, len(orders))
        return [
            self._outcome(reply, raw, partial(self._accepted, "place", order.client_order_id))
            for order, raw in zip(orders, entries, strict=True)
        ]

    async def cancel_many(self, orders: Sequence[CancelOrder]) -> list[BatchOutcome]:
        """Take resting orders out in one request; return what came of each, in their order.

        Raises:
            As `place`, for all orders together; an order that is gone is an outcome, `Refused`.
        """
        if not orders:
            return []
        wanted = [
            {"order_id": one.order_id, "exchange_index": one.exchange_index, "market_ticker": one.ticker}
            for one in orders
        ]
        body = msgspec.json.encode({"orders": wanted})
        reply = await self._write("DELETE", f"{ORDERS}/batched", body=body)
        entries = self._entries(reply, len(orders))
        return [
            self._outcome(reply, raw, partial(self._cancelled, order.client_order_id))
            for order, raw in zip(orders, entries, strict=True)
        ]

    def _entries(self, reply: Reply, count: int) -> list[msgspec.Raw]:
        """Return a batch's entries; without one for each order nothing can be said of any. Raises Unknown."""
        entries = self._answer(reply, lambda body: msgspec.json.decode(body, type=bodies.BatchReply)).orders
        if len(entries) != count:
            raise Unknown(f"HTTP {reply.status}: {len(entries)} answers to a batch of {count} orders")
        return entries

    def _outcome(
        self, reply: Reply, raw: msgspec.Raw, read: Callable[[bytes], OrderAccepted]
    ) -> BatchOutcome:
        entry = bytes(raw)
        try:
            if bytes(msgspec.json.decode(entry, type=_Failed).error) not in (b"", b"null"):
                error = read_error(reply.status, entry)
                return Unknown(str(error)) if error.code in _VENUES_FAULT else error
            return read(entry)
        except (msgspec.DecodeError, ValueError, RecursionError) as unreadable:
            return Unknown(f"HTTP {reply.status}: unreadable entry of a batch: {unreadable}")

    # --- answers --------------------------------------------------------------------------------

    def _accepted(self, action: OrderAction, client_order_id: str, body: bytes) -> OrderAccepted:
        """Return a place's or an amend's answer. Raises ValueError when it lacks them, or is another's."""
        answer = msgspec.json.decode(body, type=bodies.OrderReply)
        if answer.fill_count is None or answer.remaining_count is None:
            raise ValueError("without counts")
        if action in ("place", "probe") and answer.client_order_id not in (None, "", client_order_id):
            raise ValueError(f"an answer for {answer.client_order_id}")
        return OrderAccepted(
            action=action,
            client_order_id=client_order_id,
            order_id=answer.order_id,
            filled=decode_count(answer.fill_count),
            remaining=decode_count(answer.remaining_count),
            received_at=self._clock(),
            sent_at=millis(answer.ts_ms),
        )

    def _cancelled(self, client_order_id: str, body: bytes) -> OrderAccepted:
        """Return the answer to a cancel. Raises ValueError when it can't be read."""
        answer = msgspec.json.decode(body, type=bodies.CancelReply)
        return OrderAccepted(
            action="cancel",
            client_order_id=client_order_id,
            order_id=answer.order_id,
            filled=None,
            remaining=0,
            received_at=self._clock(),
            sent_at=millis(answer.ts_ms),
            reduced_by=decode_count(answer.reduced_by),
        )


class _Failed(msgspec.Struct, frozen=True):
    """Whether an entry of a batch is an error: where it is none, the field is absent or null."""

    error: msgspec.Raw = msgspec.Raw()
