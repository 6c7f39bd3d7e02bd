"""REST: limits, costs and tier of the account, and cash from outside (protocol sheet 5; Appendix A)."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from daemon.core.units import DAY, MONEY_CENT, SECOND
from daemon.sandbox.auth import PREFIX
from daemon.sandbox.bodies import nested_error, qty_text
from daemon.sandbox.limits import COST_UPGRADE, Buckets, costs_body
from daemon.sandbox.rest.answer import answer
from daemon.sandbox.rest.query import limit, page
from daemon.sandbox.venue import Venue

VOLUME_DAYS: Final = 30


class AccountApi:
    """What the account may know, and change, of its standing."""

    def __init__(self, venue: Venue, buckets: Buckets) -> None:
        self._venue = venue
        self._buckets = buckets

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get(f"{PREFIX}/account/limits", self.limits),
            web.get(f"{PREFIX}/account/endpoint_costs", self.endpoint_costs),
            web.post(f"{PREFIX}/account/api_usage_level/upgrade", self.upgrade),
            web.get(f"{PREFIX}/account/api_usage_level/volume_progress", self.volume_progress),
            web.get(f"{PREFIX}/portfolio/deposits", self.deposits),
            web.get(f"{PREFIX}/portfolio/withdrawals", self.withdrawals),
        ]

    async def limits(self, _request: web.Request) -> web.Response:
        """GET /account/limits."""
        return answer(self._buckets.limits_body())

    async def endpoint_costs(self, _request: web.Request) -> web.Response:
        """GET /account/endpoint_costs."""
        return answer(costs_body())

    async def upgrade(self, _request: web.Request) -> web.Response:
        """POST /account/api_usage_level/upgrade: a permanent grant of Advanced, created or refreshed.

        It draws on the unscoped bucket of writes. All orders here are made by the API, so the condition
        (sheet 5.3) is that there is one. Source: the OpenAPI file of 10 June 2026.
        """
        self._buckets.pay(COST_UPGRADE, 0, self._venue.clock.now())
        accounts = self._venue.exchange.treasury.subaccounts(self._venue.account.name)
        if not any(account.orders for account in accounts):
            raise nested_error(403, "forbidden", "no order was placed by the API")
        self._buckets.grant_advanced()
        return web.Response(status=201)

    async def volume_progress(self, _request: web.Request) -> web.Response:
        """GET /account/api_usage_level/volume_progress. The goals of the levels are not published: none."""
        now = self._venue.clock.now()
        self._venue.reads.advance(now)
        volume = sum(
            fill.qty
            for view in self._venue.reads.accounts.values()
            for fill in view.fills
            if fill.at > now - VOLUME_DAYS * DAY
        )
        row = {"computed_ts": now // SECOND, "goals": [], "trailing_30d_volume_fp": qty_text(volume)}
        return answer({"volume_progress": [row]})

    async def deposits(self, request: web.Request) -> web.Response:
        """GET /portfolio/deposits: newest first. What the account began with was no deposit."""
        size = limit(request.query, "GetDeposits", default=100, at_most=500)
        self._venue.reads.advance(self._venue.clock.now())
        part, cursor = page(self._venue.reads.deposits[::-1], request.query, size)
        rows: list[dict[str, Any]] = [
            {
                "amount_cents": deposit.amount // MONEY_CENT,
                "created_ts": deposit.at // SECOND,
                "fee_cents": 0,
                "finalized_ts": deposit.at // SECOND,
                "id": deposit.deposit_id,
                "status": "applied",
                "type": "wire",
            }
            for deposit in part
        ]
        return answer({"cursor": cursor, "deposits": rows})

    async def withdrawals(self, request: web.Request) -> web.Response:
        """GET /portfolio/withdrawals: nothing ever leaves."""
        limit(request.query, "GetWithdrawals", default=100, at_most=500)
        return answer({"cursor": "", "withdrawals": []})
