"""REST: order groups (protocol sheet 4.8). Reads lag as all do: a new group may be 404 for a while."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from daemon.core.units import QTY_ONE, Qty
from daemon.exchange.accounts import subaccount_number
from daemon.exchange.facts import Fact
from daemon.exchange.requests import Refused
from daemon.sandbox.auth import PREFIX
from daemon.sandbox.bodies import nested_error, qty_text
from daemon.sandbox.limits import COST_DEFAULT, Buckets
from daemon.sandbox.read_side import GroupView
from daemon.sandbox.rest.answer import answer
from daemon.sandbox.rest.asked import account_asked, view_asked, views_asked
from daemon.sandbox.rest.query import Fields, check_fields, json_object, qty_of, whole
from daemon.sandbox.rest.refusing import accepted
from daemon.sandbox.venue import Venue

_GROUPS: Final = f"{PREFIX}/portfolio/order_groups"
_LIMIT_FIELDS: Final[Fields] = {"contracts_limit": int, "contracts_limit_fp": str}
_CREATE_FIELDS: Final[Fields] = {**_LIMIT_FIELDS, "subaccount": int, "exchange_index": int}
_DEFAULT_INDEX: Final = 0
"""The shard of a group that names none: 0, not the one where its orders will be."""


class GroupApi:
    """What the account may do with order groups."""

    def __init__(self, venue: Venue, buckets: Buckets) -> None:
        self._venue = venue
        self._groups = venue.exchange.order_groups
        self._buckets = buckets

    def routes(self) -> list[web.RouteDef]:
        """Return the routes; fixed paths before those with names in them."""
        one = f"{_GROUPS}/{{order_group_id}}"
        return [
            web.get(_GROUPS, self.groups),
            web.post(f"{_GROUPS}/create", self.create),
            web.get(one, self.group),
            web.delete(one, self.delete),
            web.put(f"{one}/reset", self.reset),
            web.put(f"{one}/trigger", self.trigger),
            web.put(f"{one}/limit", self.set_limit),
        ]

    # --- reads -------------------------------------------------------------------------------

    async def groups(self, request: web.Request) -> web.Response:
        """GET /portfolio/order_groups: an empty object when there are none."""
        names = {view.name for view in views_asked(request, self._venue, "GetOrderGroups")}
        rows = [
            {"id": order_group_id, **_group_body(group)}
            for order_group_id, group in self._venue.reads.groups.items()
            if group.account in names
        ]
        rows = [dict(sorted(row.items())) for row in rows]
        return answer({"order_groups": rows} if rows else {})

    async def group(self, request: web.Request) -> web.Response:
        """GET /portfolio/order_groups/{order_group_id}: with the ids of its resting orders."""
        view = view_asked(request, self._venue, "GetOrderGroup")
        order_group_id = request.match_info["order_group_id"]
        group = self._venue.reads.groups.get(order_group_id)
        if group is None or group.account != view.name:
            raise nested_error(404, "not_found")
        orders = [
            order_id for order_id in view.resting if view.orders[order_id].order_group_id == order_group_id
        ]
        return answer({**_group_body(group), "orders": orders})

    # --- writes ------------------------------------------------------------------------------

    async def create(self, request: web.Request) -> web.Response:
        """POST /portfolio/order_groups/create."""
        body = check_fields(await json_object(request), _CREATE_FIELDS, "CreateOrderGroupRequest")
        index = body.get("exchange_index", _DEFAULT_INDEX)
        self._buckets.pay(COST_DEFAULT, index, self._venue.clock.now())
        account = account_asked(request, self._venue, "CreateOrderGroup", body.get("subaccount"))
        outcome, facts = self._groups.create(account.name, index, _limit_of(body), self._venue.clock.now())
        group = accepted(outcome)
        self._venue.tell([*facts])
        return answer(
            {
                "exchange_index": group.exchange_index,
                "order_group_id": group.order_group_id,
                "subaccount": subaccount_number(group.account),
            },
            201,
        )

    async def _begin(self, request: web.Request, operation: str) -> tuple[str, str]:
        """Let a write pay; return its account's name and its group's id."""
        index = whole(request.query, "exchange_index", operation)
        self._buckets.pay(COST_DEFAULT, index, self._venue.clock.now())
        account = account_asked(request, self._venue, operation)
        order_group_id = request.match_info["order_group_id"]
        group = self._groups.find(account.name, order_group_id)
        if group is not None and index is not None and index not in {-1, group.exchange_index}:
            raise nested_error(404, "order_group_not_found")
        return account.name, order_group_id

    def _end(self, outcome: Refused | None, facts: list[Fact]) -> web.Response:
        accepted(outcome)
        self._venue.tell([*facts])
        return answer({})

    async def reset(self, request: web.Request) -> web.Response:
        """PUT /portfolio/order_groups/{order_group_id}/reset."""
        asked = await self._begin(request, "ResetOrderGroup")
        return self._end(*self._groups.reset(*asked, self._venue.clock.now()))

    async def trigger(self, request: web.Request) -> web.Response:
        """PUT /portfolio/order_groups/{order_group_id}/trigger."""
        asked = await self._begin(request, "TriggerOrderGroup")
        return self._end(*self._groups.trigger(*asked, self._venue.clock.now()))

    async def set_limit(self, request: web.Request) -> web.Response:
        """PUT /portfolio/order_groups/{order_group_id}/limit."""
        body = check_fields(await json_object(request), _LIMIT_FIELDS, "UpdateOrderGroupLimitRequest")
        asked = await self._begin(request, "UpdateOrderGroupLimit")
        return self._end(*self._groups.set_limit(*asked, _limit_of(body), self._venue.clock.now()))

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE /portfolio/order_groups/{order_group_id}: cancels its orders."""
        asked = await self._begin(request, "DeleteOrderGroup")
        return self._end(*self._groups.delete(*asked, self._venue.clock.now()))


def _group_body(group: GroupView) -> dict[str, Any]:
    return {
        "contracts_limit_fp": qty_text(group.limit),
        "exchange_index": group.exchange_index,
        # The sheet doesn't say what a triggered group shows. Here: no longer enabled, until it is reset.
        "is_auto_cancel_enabled": not group.is_triggered,
    }


def _limit_of(body: dict[str, Any]) -> Qty:
    """Return the limit, given as a whole number or as text, or as both if they agree."""
    contracts, text = body.get("contracts_limit"), body.get("contracts_limit_fp")
    limits = {
        *(() if contracts is None else (contracts * QTY_ONE,)),
        *(() if text is None else (qty_of(text),)),
    }
    if len(limits) != 1:
        raise nested_error(400, "invalid_parameters", "one contracts_limit is required")
    return int(limits.pop())
