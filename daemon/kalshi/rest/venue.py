"""The calls about the exchange itself, and about our budget of requests."""

from __future__ import annotations

from daemon.core.events import ExchangeStatusTold
from daemon.core.units import Ns, parse_instant
from daemon.kalshi import bodies
from daemon.kalshi.errors import Unreadable, classify
from daemon.kalshi.rest.calls import Calls

_STATUS = "/exchange/status"
_STATUS_IN_ERRORS = (500, 503, 504)


class VenueCalls(Calls):
    """Whether the venue is up, until when, how fresh its lists are, and what requests cost."""

    async def status(self) -> ExchangeStatusTold:
        """Return whether the venue trades. Answers with 500, 503 and 504 carry the same body.

        Raises:
            Transient | Refused: as any read; also an error status whose body is no status.
        """
        status = await self._read_status()
        now = self._clock()
        return self._convert_one(_STATUS, lambda: bodies.exchange_status_told(status, now))

    async def _read_status(self) -> bodies.ExchangeStatus:
        reply = await self._http.request("GET", _STATUS)
        if reply.status in _STATUS_IN_ERRORS:
            try:
                return self._http.decode(reply.body, bodies.ExchangeStatus, _STATUS)
            except Unreadable:
                raise classify(reply, is_write=False) from None
        if reply.status != 200:
            raise classify(reply, is_write=False)
        return self._http.decode(reply.body, bodies.ExchangeStatus, _STATUS)

    async def schedule(self) -> tuple[tuple[Ns, Ns], ...]:
        """Return the maintenance windows that the venue announces, as (start, end)."""
        path = "/exchange/schedule"
        reply = await self._http.get(path, bodies.ScheduleReply)
        return self._convert_one(path, lambda: bodies.maintenance_windows(reply.schedule))

    async def account_lists_at(self) -> Ns:
        """Return the instant up to which balance, orders, fills and positions are told."""
        path = "/exchange/user_data_timestamp"
        reply = await self._http.get(path, bodies.UserTimestampReply)
        return self._convert_one(path, lambda: parse_instant(reply.as_of_time))

    async def historical_cutoff(self) -> bodies.HistoricalCutoff:
        """Return the instants before which things are found in the historical tier only."""
        path = "/historical/cutoff"
        reply = await self._http.get(path, bodies.HistoricalCutoffReply)
        return self._convert_one(path, lambda: bodies.historical_cutoff(reply))

    async def account_limits(self) -> bodies.AccountLimits:
        """Return the account's token buckets."""
        return await self._http.get("/account/limits", bodies.AccountLimits)

    async def endpoint_costs(self) -> bodies.EndpointCosts:
        """Return what requests cost in tokens."""
        return await self._http.get("/account/endpoint_costs", bodies.EndpointCosts)
