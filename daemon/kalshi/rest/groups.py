"""The calls that make and change order groups: a limit on what matches within 15 seconds (sheet 4.8)."""

from __future__ import annotations

import msgspec

from daemon.core.units import Qty, format_qty
from daemon.kalshi import bodies
from daemon.kalshi.http import Params
from daemon.kalshi.rest.calls import part
from daemon.kalshi.rest.orders import WriteCalls

_GROUPS = "/portfolio/order_groups"
_EMPTY = b"{}"


class GroupCalls(WriteCalls):
    """Order groups. A group lives on one shard; when its limit is reached, all its orders are cancelled.

    Each raises as `OrderCalls.place` does.
    """

    async def create_order_group(self, limit: Qty, *, exchange_index: int) -> str:
        """Make a group and return its id. Reading it right away may be `not_found`.

        A group that is made by an answer that never came stays without harm: no order is in it.
        """
        wanted = {"contracts_limit_fp": format_qty(limit), "exchange_index": exchange_index}
        reply = await self._write("POST", f"{_GROUPS}/create", body=msgspec.json.encode(wanted))
        return self._answer(
            reply, lambda body: msgspec.json.decode(body, type=bodies.GroupCreatedReply).order_group_id
        )

    async def limit_order_group(self, group_id: str, limit: Qty, *, exchange_index: int) -> None:
        """Set a group's limit. One below what has matched in the last 15 seconds triggers it at once."""
        body = msgspec.json.encode({"contracts_limit_fp": format_qty(limit)})
        await self._write("PUT", f"{_path(group_id)}/limit", _shard(exchange_index), body)

    async def reset_order_group(self, group_id: str, *, exchange_index: int) -> None:
        """Let a triggered group take orders again, with nothing matched yet."""
        await self._write("PUT", f"{_path(group_id)}/reset", _shard(exchange_index), _EMPTY)

    async def trigger_order_group(self, group_id: str, *, exchange_index: int) -> None:
        """Cancel all orders of a group, and let it take none until it is reset."""
        await self._write("PUT", f"{_path(group_id)}/trigger", _shard(exchange_index), _EMPTY)

    async def delete_order_group(self, group_id: str, *, exchange_index: int) -> None:
        """Take a group out, and all its orders with it."""
        await self._write("DELETE", _path(group_id), _shard(exchange_index))


def _path(group_id: str) -> str:
    return f"{_GROUPS}/{part(group_id)}"


def _shard(exchange_index: int) -> Params:
    return {"exchange_index": exchange_index}
