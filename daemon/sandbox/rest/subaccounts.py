"""REST: subaccounts, their balances, transfers between them, and their netting (protocol sheet 4.10, 6.3)."""

from __future__ import annotations

import uuid
from typing import Any, Final

from aiohttp import web

from daemon.core.units import MONEY_CENT, SECOND
from daemon.exchange.accounts import subaccount_name, subaccount_number
from daemon.exchange.cash_facts import CashTransferred
from daemon.sandbox.auth import PREFIX
from daemon.sandbox.bodies import nested_error
from daemon.sandbox.limits import BASIC, COST_DEFAULT, Buckets
from daemon.sandbox.read_side import AccountView
from daemon.sandbox.rest.answer import answer
from daemon.sandbox.rest.asked import no_subaccount, views_asked
from daemon.sandbox.rest.portfolio_bodies import dollars_text
from daemon.sandbox.rest.query import Fields, check_fields, check_subaccount, json_object, limit, page
from daemon.sandbox.rest.refusing import accepted
from daemon.sandbox.venue import ACCOUNT, Venue

_SUBACCOUNTS: Final = f"{PREFIX}/portfolio/subaccounts"
_CREATE_FIELDS: Final[Fields] = {"exchange_index": int}
_TRANSFER_FIELDS: Final[Fields] = {
    "client_transfer_id": str,
    "from_subaccount": int,
    "to_subaccount": int,
    "amount_cents": int,
    "exchange_index": int,
}
_NETTING_FIELDS: Final[Fields] = {"subaccount_number": int, "enabled": bool}


class SubaccountApi:
    """What the account may do with its subaccounts."""

    def __init__(self, venue: Venue, buckets: Buckets) -> None:
        self._venue = venue
        self._treasury = venue.exchange.treasury
        self._buckets = buckets

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.post(_SUBACCOUNTS, self.create),
            web.get(f"{_SUBACCOUNTS}/balances", self.balances),
            web.get(f"{_SUBACCOUNTS}/netting", self.netting),
            web.put(f"{_SUBACCOUNTS}/netting", self.set_netting),
            web.post(f"{_SUBACCOUNTS}/transfer", self.transfer),
            web.get(f"{_SUBACCOUNTS}/transfers", self.transfers),
        ]

    def _pay(self) -> None:
        self._buckets.pay(COST_DEFAULT, 0, self._venue.clock.now())

    async def create(self, request: web.Request) -> web.Response:
        """POST /portfolio/subaccounts: from the Advanced tier up. The body, with a shard, is optional."""
        if request.can_read_body:
            check_fields(await json_object(request), _CREATE_FIELDS, "CreateSubaccountRequest")
        self._pay()
        if self._buckets.tier.name == BASIC.name:
            raise nested_error(403, "forbidden", "subaccounts need the Advanced tier or a higher one")
        outcome, facts = self._treasury.open_subaccount(ACCOUNT, self._venue.clock.now())
        number = accepted(outcome)
        self._venue.tell([*facts])
        return answer({"subaccount_number": number}, 201)

    async def balances(self, request: web.Request) -> web.Response:
        """GET /portfolio/subaccounts/balances: by subaccount and shard."""
        views = views_asked(request, self._venue, "GetSubaccountBalances")
        updated_ts = self._venue.reads.as_of(self._venue.clock.now()) // SECOND
        rows = [
            {
                "balance": dollars_text(view.cash.get(shard, 0)),
                "exchange_index": shard,
                "subaccount_number": subaccount_number(view.name),
                "updated_ts": updated_ts,
            }
            for view in views
            for shard in _shards(view)
        ]
        return answer({"subaccount_balances": rows})

    # --- netting -----------------------------------------------------------------------------

    async def netting(self, request: web.Request) -> web.Response:
        """GET /portfolio/subaccounts/netting."""
        rows = [
            {
                "enabled": view.is_netting,
                "exchange_index": shard,
                "subaccount_number": subaccount_number(view.name),
            }
            for view in views_asked(request, self._venue, "GetSubaccountNetting")
            for shard in _shards(view)
        ]
        return answer({"netting_configs": rows})

    async def set_netting(self, request: web.Request) -> web.Response:
        """PUT /portfolio/subaccounts/netting: on all shards; 200 without a body."""
        body = check_fields(await json_object(request), _NETTING_FIELDS, "UpdateSubaccountNettingRequest")
        self._pay()
        if "enabled" not in body:
            raise nested_error(400, "invalid_parameters", "enabled is required")
        name = self._name(body, "subaccount_number")
        outcome, facts = self._treasury.set_netting(name, body["enabled"], self._venue.clock.now())
        accepted(outcome)
        self._venue.tell([*facts])
        return web.Response(status=200)

    # --- transfers ---------------------------------------------------------------------------

    def _name(self, body: dict[str, Any], field: str) -> str:
        number = body.get(field)
        if number is None:
            raise nested_error(400, "invalid_parameters", f"{field} is required")
        name = subaccount_name(ACCOUNT, check_subaccount(number, field))
        if name not in self._venue.exchange.accounts:
            raise no_subaccount()
        return name

    async def transfer(self, request: web.Request) -> web.Response:
        """POST /portfolio/subaccounts/transfer: whole cents on one shard; a used id is 409."""
        body = check_fields(await json_object(request), _TRANSFER_FIELDS, "ApplySubaccountTransferRequest")
        self._pay()
        transfer_id = transfer_id_of(body.get("client_transfer_id"), is_required=True)
        index = body.get("exchange_index", 0)
        source = (self._name(body, "from_subaccount"), index)
        target = (self._name(body, "to_subaccount"), index)
        amount = body.get("amount_cents", 0) * MONEY_CENT
        outcome, facts = self._treasury.transfer(source, target, amount, self._venue.clock.now(), transfer_id)
        accepted(outcome)
        self._venue.tell([*facts])
        return answer({})

    async def transfers(self, request: web.Request) -> web.Response:
        """GET /portfolio/subaccounts/transfers: newest first."""
        size = limit(request.query, "GetSubaccountTransfers", default=100, at_most=1000)
        self._venue.reads.advance(self._venue.clock.now())
        found = [moved for moved in reversed(self._venue.reads.transfers) if not is_between_shards(moved)]
        part, cursor = page(found, request.query, size)
        rows = [
            {
                "amount_cents": moved.amount // MONEY_CENT,
                "created_ts": moved.at // SECOND,
                "exchange_index": moved.from_index,
                "from_subaccount": subaccount_number(moved.from_account),
                "to_subaccount": subaccount_number(moved.to_account),
                "transfer_id": moved.transfer_id,
            }
            for moved in part
        ]
        return answer({"cursor": cursor, "transfers": rows})


def is_between_shards(moved: CashTransferred) -> bool:
    """Whether a transfer belongs to the list of those between shards."""
    return moved.from_index != moved.to_index


def transfer_id_of(text: str | None, *, is_required: bool) -> str | None:
    """Return a client_transfer_id in its one spelling; None if it is absent and may be.

    Raises:
        ApiError: 400, it is no UUID, or missing.
    """
    if not text:
        if is_required:
            raise nested_error(400, "invalid_parameters", "client_transfer_id is required")
        return None
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise nested_error(400, "invalid_parameters", "client_transfer_id is not a UUID") from None


def _shards(view: AccountView) -> list[int]:
    """Return the shards that an account has cash on, or ever had; shard 0 always."""
    return sorted({0, *view.cash})
