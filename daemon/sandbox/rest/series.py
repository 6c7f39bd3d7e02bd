"""REST: series and events, their fees and what they are filed under (protocol sheet 4.2)."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from daemon.exchange.market import Market
from daemon.sandbox import market_bodies as bodies
from daemon.sandbox.auth import PREFIX
from daemon.sandbox.bodies import nested_error
from daemon.sandbox.rest.answer import Answer, answer
from daemon.sandbox.rest.listings import STATUSES, Listings
from daemon.sandbox.rest.query import Span, choice, flag, limit, names, page, seconds
from daemon.sandbox.venue import Venue

_EVENT_STATUSES = {name: words for name, words in STATUSES.items() if name != "paused"}


class SeriesApi:
    """Series and events. They are all live, however old; archived markets are left out of them."""

    def __init__(self, venue: Venue) -> None:
        self._chronicle = venue.chronicle
        self._listings = Listings(venue)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes; fixed paths before those with names in them."""
        paths: list[tuple[str, Answer]] = [
            ("/series", self.series_list),
            ("/series/fee_changes", self.series_fee_changes),
            ("/series/{series}", self.series),
            ("/events", self.events),
            ("/events/fee_changes", self.event_fee_changes),
            ("/events/{event}", self.event),
            ("/events/{event}/metadata", self.event_metadata),
            ("/search/tags_by_categories", self.tags_by_categories),
        ]
        return [web.get(PREFIX + path, call) for path, call in paths]

    # --- series ------------------------------------------------------------------------------

    def _series_body(
        self, markets: list[Market], *, with_volume: bool, with_metadata: bool
    ) -> dict[str, Any]:
        body = bodies.series_body(self._listings.series_of(markets[0]), markets)
        if with_volume:
            body["volume_fp"] = bodies.volume_text(markets)
        if with_metadata:
            body["product_metadata"] = {}
        return body

    async def series_list(self, request: web.Request) -> web.Response:
        """GET /series: not paginated; `tags` is a comma list of which one suffices."""
        query = request.query
        category, tags = query.get("category"), names(query, "tags")
        updated = Span(seconds(query, "min_updated_ts", "GetSeriesList"), None)
        with_volume = flag(query, "include_volume", "GetSeriesList") or False
        with_metadata = flag(query, "include_product_metadata", "GetSeriesList") or False
        found = []
        for markets in self._listings.by_series().values():
            listing = self._listings.series_of(markets[0])
            if category and listing.category != category:
                continue
            if tags is not None and not set(tags) & set(listing.tags):
                continue
            if bodies.series_updated_at(markets) in updated:
                found.append(self._series_body(markets, with_volume=with_volume, with_metadata=with_metadata))
        return answer({"series": found})

    async def series(self, request: web.Request) -> web.Response:
        """GET /series/{series}."""
        markets = self._listings.by_series().get(request.match_info["series"])
        if markets is None:
            raise nested_error(404, "not_found")
        with_volume = flag(request.query, "include_volume", "GetSeries") or False
        return answer({"series": self._series_body(markets, with_volume=with_volume, with_metadata=True)})

    async def series_fee_changes(self, request: web.Request) -> web.Response:
        """GET /series/fee_changes: scheduled ones, of which there are never any; past ones if asked for."""
        query = request.query
        wanted = query.get("series_ticker")
        found = []
        if flag(query, "show_historical", "GetSeriesFeeChanges"):
            found = [
                bodies.series_fees_body(markets)
                for ticker, markets in self._listings.by_series().items()
                if not wanted or ticker == wanted
            ]
        return answer({"series_fee_change_arr": found})

    async def tags_by_categories(self, _request: web.Request) -> web.Response:
        """GET /search/tags_by_categories."""
        found: dict[str, dict[str, None]] = {}
        for markets in self._listings.by_series().values():
            listing = self._listings.series_of(markets[0])
            found.setdefault(listing.category, {}).update(dict.fromkeys(listing.tags))
        return answer({"tags_by_categories": {category: list(tags) for category, tags in found.items()}})

    # --- events ------------------------------------------------------------------------------

    def _event_body(self, markets: list[Market], *, with_markets: bool) -> dict[str, Any]:
        body = bodies.event_body(self._listings.series_of(markets[0]), markets)
        if with_markets:
            body["markets"] = self._market_bodies(markets)
        return body

    def _market_bodies(self, markets: list[Market]) -> list[dict[str, Any]]:
        return [
            self._listings.body(market)
            for market in markets
            if self._listings.find_live(market.ticker) is not None
        ]

    async def events(self, request: web.Request) -> web.Response:
        """GET /events: newest first."""
        query = request.query
        size = limit(query, "GetEvents", default=200, at_most=200)
        status = choice(query, "status", "GetEvents", _EVENT_STATUSES)
        statuses = None if status is None else _EVENT_STATUSES[status]
        series, tickers = query.get("series_ticker"), names(query, "tickers")
        closing = Span(seconds(query, "min_close_ts", "GetEvents"), None)
        updated = Span(seconds(query, "min_updated_ts", "GetEvents"), None)
        found = [
            markets
            for event, markets in reversed(self._listings.by_event().items())
            if (not series or markets[0].spec.series_ticker == series)
            and (tickers is None or event in tickers)
            and (statuses is None or any(market.status in statuses for market in markets))
            and any(market.spec.close_at in closing for market in markets)
            and bodies.event_updated_at(markets) in updated
        ]
        part, cursor = page(found, query, size)
        nested = flag(query, "with_nested_markets", "GetEvents") or False
        body: dict[str, Any] = {
            "cursor": cursor,
            "events": [self._event_body(markets, with_markets=nested) for markets in part],
        }
        if flag(query, "with_milestones", "GetEvents"):
            body["milestones"] = []
        return answer(body)

    def _event(self, request: web.Request) -> list[Market]:
        markets = self._listings.by_event().get(request.match_info["event"])
        if markets is None:
            raise nested_error(404, "not_found")
        return markets

    async def event(self, request: web.Request) -> web.Response:
        """GET /events/{event}."""
        markets = self._event(request)
        nested = flag(request.query, "with_nested_markets", "GetEvent") or False
        return answer(
            {
                "event": self._event_body(markets, with_markets=nested),
                "markets": self._market_bodies(markets),
            }
        )

    async def event_metadata(self, request: web.Request) -> web.Response:
        """GET /events/{event}/metadata."""
        markets = self._event(request)
        return answer(bodies.event_metadata_body(self._listings.series_of(markets[0]), markets))

    async def event_fee_changes(self, request: web.Request) -> web.Response:
        """GET /events/fee_changes: newest first."""
        query = request.query
        size = limit(query, "GetEventFeeChanges", default=100, at_most=1000)
        wanted = query.get("event_ticker")
        found = [
            changed
            for changed in reversed(self._chronicle.event_fees)
            if not wanted or changed.event_ticker == wanted
        ]
        part, cursor = page(found, query, size)
        events = self._listings.by_event()
        rows = [bodies.event_fees_body(changed, _series_of(changed.event_ticker, events)) for changed in part]
        return answer({"cursor": cursor, "event_fee_changes": rows})


def _series_of(event_ticker: str, events: dict[str, list[Market]]) -> str:
    """Return an event's series: its markets', or where they are forgotten its own name's first part."""
    found = events.get(event_ticker)
    return found[0].spec.series_ticker if found else event_ticker.partition("-")[0]
