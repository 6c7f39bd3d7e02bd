"""REST: cash between shards, by transfer or by target percents (protocol sheet 4.9)."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from daemon.core.units import SECOND
from daemon.exchange.accounts import subaccount_name
from daemon.exchange.cash_facts import AllocationSet, CashTransferred, RestingReservation
from daemon.exchange.treasury import CENTICENT
from daemon.sandbox.auth import PREFIX
from daemon.sandbox.bodies import flat_error, nested_error
from daemon.sandbox.limits import COST_DEFAULT, Buckets
from daemon.sandbox.rest.answer import answer
from daemon.sandbox.rest.portfolio_bodies import dollars_text
from daemon.sandbox.rest.query import (
    Fields,
    check_fields,
    check_subaccount,
    json_object,
    limit,
    one_of,
    page,
    required,
)
from daemon.sandbox.rest.refusing import accepted
from daemon.sandbox.rest.subaccounts import is_between_shards, transfer_id_of
from daemon.sandbox.venue import ACCOUNT, Venue

_INSTANCE: Final = "event_contract"
"""The instance that this exchange is; `margined`, the other one, holds no account here."""
_TRANSFER_FIELDS: Final[Fields] = {
    "client_transfer_id": str,
    "source": str,
    "destination": str,
    "amount": int,
    "source_exchange_shard": int,
    "destination_exchange_shard": int,
    "source_subaccount": int,
    "destination_subaccount": int,
}
_ALLOCATION_FIELDS: Final[Fields] = {"allocations": list, "resting_margin_reservation": str}
_PERCENT_FIELDS: Final[Fields] = {"exchange_index": int, "percent": int}
_RESERVATIONS: Final[tuple[RestingReservation, ...]] = ("none", "max", "sum")
_NO_ALLOCATION: Final = AllocationSet(ACCOUNT, (), "none", 0)


class ShardApi:
    """What the account may do with its cash on several shards."""

    def __init__(self, venue: Venue, buckets: Buckets) -> None:
        self._venue = venue
        self._treasury = venue.exchange.treasury
        self._buckets = buckets

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.post(f"{PREFIX}/portfolio/intra_exchange_instance_transfer", self.transfer),
            web.get(f"{PREFIX}/portfolio/intra_exchange_instance_transfers", self.transfers),
            web.get(
                f"{PREFIX}/portfolio/intra_exchange_instance_transfers/{{transfer_id}}", self.one_transfer
            ),
            web.get(f"{PREFIX}/portfolio/target_balance_allocation", self.allocation),
            web.post(f"{PREFIX}/portfolio/target_balance_allocation", self.allocate),
        ]

    def _pay(self) -> None:
        self._buckets.pay(COST_DEFAULT, 0, self._venue.clock.now())

    # --- transfers ---------------------------------------------------------------------------

    async def transfer(self, request: web.Request) -> web.Response:
        """POST /portfolio/intra_exchange_instance_transfer: in hundredths of a cent."""
        body = check_fields(
            await json_object(request), _TRANSFER_FIELDS, "IntraExchangeInstanceTransferRequest"
        )
        self._pay()
        for field in ("source", "destination"):
            if one_of(required(body, field), field, (_INSTANCE, "margined")) != _INSTANCE:
                raise nested_error(403, "forbidden", "no margined account")
        source, target = (_place(body, side) for side in ("source", "destination"))
        transfer_id = transfer_id_of(body.get("client_transfer_id"), is_required=False)
        amount = body.get("amount", 0) * CENTICENT
        outcome, facts = self._treasury.transfer(source, target, amount, self._venue.clock.now(), transfer_id)
        moved_id = accepted(outcome)
        self._venue.tell([*facts])
        return answer({"transfer_id": moved_id})

    def _shown(self) -> list[CashTransferred]:
        """Return the transfers between shards, newest first."""
        self._venue.reads.advance(self._venue.clock.now())
        return [moved for moved in reversed(self._venue.reads.transfers) if is_between_shards(moved)]

    async def transfers(self, request: web.Request) -> web.Response:
        """GET /portfolio/intra_exchange_instance_transfers: newest first."""
        size = limit(request.query, "GetIntraExchangeInstanceTransfers", default=100, at_most=500)
        part, cursor = page(self._shown(), request.query, size)
        return answer({"cursor": cursor, "transfers": [_transfer_body(moved) for moved in part]})

    async def one_transfer(self, request: web.Request) -> web.Response:
        """GET /portfolio/intra_exchange_instance_transfers/{transfer_id}."""
        for moved in self._shown():
            if moved.transfer_id == request.match_info["transfer_id"]:
                return answer({"transfer": _transfer_body(moved)})
        raise nested_error(404, "not_found")

    # --- allocation --------------------------------------------------------------------------

    async def allocation(self, _request: web.Request) -> web.Response:
        """GET /portfolio/target_balance_allocation: no allocations before one is set."""
        self._venue.reads.advance(self._venue.clock.now())
        found = self._venue.reads.allocations.get(ACCOUNT, _NO_ALLOCATION)
        rows = [{"exchange_index": shard, "percent": percent} for shard, percent in found.percents]
        return answer({"allocations": rows, "resting_margin_reservation": found.reservation})

    async def allocate(self, request: web.Request) -> web.Response:
        """POST /portfolio/target_balance_allocation: moves the cash at once."""
        body = check_fields(
            await json_object(request), _ALLOCATION_FIELDS, "SetTargetBalanceAllocationRequest"
        )
        self._pay()
        percents: dict[int, int] = {}
        for entry in body.get("allocations", ()):
            if not isinstance(entry, dict):
                raise flat_error(400, "bad_request", "allocations must be a list of objects")
            row = check_fields(entry, _PERCENT_FIELDS, "TargetBalanceAllocationInput")
            if row.keys() != _PERCENT_FIELDS.keys() or row["exchange_index"] in percents:
                raise nested_error(
                    400, "invalid_parameters", "each allocation names a shard of its own, and a percent"
                )
            percents[row["exchange_index"]] = row["percent"]
        reservation = one_of(
            body.get("resting_margin_reservation", "none"), "resting_margin_reservation", _RESERVATIONS
        )
        outcome, facts = self._treasury.allocate(ACCOUNT, percents, reservation, self._venue.clock.now())
        accepted(outcome)
        self._venue.tell([*facts])
        return answer({})


def _place(body: dict[str, Any], side: str) -> tuple[str, int]:
    """Return the account and the shard of one side of a transfer; either omitted is 0."""
    field = f"{side}_subaccount"
    number = check_subaccount(body.get(field, 0), field)
    return subaccount_name(ACCOUNT, number), body.get(f"{side}_exchange_shard", 0)


def _transfer_body(moved: CashTransferred) -> dict[str, Any]:
    return {
        "amount": dollars_text(moved.amount),
        "created_ts": moved.at // SECOND,
        "destination": _INSTANCE,
        "destination_exchange_shard": moved.to_index,
        "source": _INSTANCE,
        "source_exchange_shard": moved.from_index,
        "status": "complete",
        "transfer_id": moved.transfer_id,
    }
