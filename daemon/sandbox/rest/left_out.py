"""The operations that the sandbox leaves out, in one table: they answer 404, nested, `not_found`.

They concern what a trader of event contracts doesn't need to practise on: combined markets, negotiated
trades, clearing members, and what decorates an event.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from daemon.sandbox.auth import PREFIX
from daemon.sandbox.bodies import nested_error

LEFT_OUT: Final = {
    "/communications": "RFQ, quotes and block trades: negotiated, apart from the book",
    "/events/multivariate": "combined markets",
    "/exchange/announcements": "removed by the venue on 4 July 2026",
    "/fcm": "clearing members only",
    "/incentive_programs": "pays for quoting; no part of matching or settlement",
    "/live_data": "scores and weather beside a market",
    "/milestones": "the real world's calendar beside an event",
    "/multivariate_event_collections": "combined markets",
    "/search/filters_by_sport": "there is no sport here",
    "/series/{series}/events/{event}/forecast_percentile_history": "a forecast that the venue computes",
    "/structured_targets": "players and teams beside a market",
}
"""Path, with all that lies below it → what it is."""


class LeftOutApi:
    """Answers for all of them, with any method."""

    def routes(self) -> list[web.RouteDef]:
        """Return the routes; they stand before those that would take such a name for a ticker."""
        return [
            web.route("*", PREFIX + path + below, self.not_found)
            for path in LEFT_OUT
            for below in ("", "/{rest:.*}")
        ]

    async def not_found(self, _request: web.Request) -> web.Response:
        """Answer 404."""
        raise nested_error(404, "not_found")
