"""A venue's listing over real HTTP, in the test's hands: series, events, markets with quotes, fees, pages."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from daemon.core.units import MINUTE, SECOND, Ns
from tests.core.worlds import T0
from tests.shell.venue import Venue

QUADRATIC: dict[str, object] = {"fee_type": "quadratic", "fee_multiplier": 1}


def instant(at: Ns) -> str:
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Listed(msgspec.Struct):
    """One market of the venue's; `opens` and `closes` count from T0."""

    series: str
    name: str
    opens: Ns = -5 * MINUTE
    closes: Ns = 10 * MINUTE
    number: int = 1
    bid: str = "0.4000"
    volume_24h: str = "1000.00"
    structure: str = "linear_cent"
    is_paused: bool = False

    @property
    def event(self) -> str:
        return f"{self.series}-{self.name}"

    @property
    def ticker(self) -> str:
        return f"{self.event}-{self.number}"

    def status(self, at: Ns) -> str:
        """The filter's word for it."""
        if T0 + self.opens > at:
            return "unopened"
        if T0 + self.closes <= at:
            return "closed"
        return "paused" if self.is_paused else "open"


WORDS = {"unopened": "initialized", "open": "active", "paused": "inactive", "closed": "closed"}


class Listing:
    """Serves what stands in `markets`, as of `at`."""

    def __init__(self, venue: Venue) -> None:
        self.markets: list[Listed] = []
        self.at: Ns = T0
        self.page_size = 1000
        self.fees: dict[str, dict[str, object]] = {}
        """By series or event; a series without an entry is `QUADRATIC`."""
        self.fee_changes: list[dict[str, object]] = []
        self.categories: dict[str, list[str]] = {}
        self._venue = venue
        venue.bodies |= {
            "/markets": self._list,
            "/events": self._events,
            "/series": self._series_in,
            "/series/fee_changes": lambda _query: {"series_fee_change_arr": self.fee_changes},
        }

    def list(self, *markets: Listed) -> None:
        """List these markets, and nothing else."""
        self.markets = [*markets]
        for market in markets:
            bodies, event, series = self._venue.bodies, market.event, market.series
            bodies[f"/events/{event}"] = lambda _query, event=event, series=series: {
                "event": self._event(event, series)
            }
            bodies[f"/series/{series}"] = lambda _query, series=series: {"series": self._series(series)}

    def _event(self, event: str, series: str) -> dict[str, object]:
        own = {f"{name}_override": value for name, value in self.fees.get(event, {}).items()}
        return {"event_ticker": event, "series_ticker": series, **own}

    def _series(self, ticker: str) -> dict[str, object]:
        return {"ticker": ticker, **self.fees.get(ticker, QUADRATIC)}

    def _events(self, query: dict[str, str]) -> object:
        wanted = query.get("tickers", "").split(",")
        known = {market.event: market.series for market in self.markets if market.event in wanted}
        return {"events": [self._event(event, series) for event, series in known.items()], "cursor": ""}

    def _series_in(self, query: dict[str, str]) -> object:
        return {"series": [self._series(ticker) for ticker in self.categories[query["category"]]]}

    def _list(self, query: dict[str, str]) -> object:
        found = [
            market
            for market in self.markets
            if query.get("series_ticker", market.series) == market.series
            and query.get("event_ticker", market.event) == market.event
            and query.get("status", market.status(self.at)) == market.status(self.at)
            and ("tickers" not in query or market.ticker in query["tickers"].split(","))
        ]
        start = int(query.get("cursor", "0"))
        end = start + self.page_size
        cursor = str(end) if end < len(found) else ""
        return {"markets": [self._body(market) for market in found[start:end]], "cursor": cursor}

    def _body(self, market: Listed) -> dict[str, object]:
        return {
            "ticker": market.ticker,
            "event_ticker": market.event,
            "open_time": instant(T0 + market.opens),
            "close_time": instant(T0 + market.closes),
            "status": WORDS[market.status(self.at)],
            "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
            "price_level_structure": market.structure,
            "strike_type": "greater_or_equal",
            "floor_strike": 84_000,
            "exchange_index": 2,
            "yes_bid_dollars": market.bid,
            "yes_bid_size_fp": "0.00" if market.bid == "0.0000" else "100.00",
            "yes_ask_dollars": "0.4200",
            "yes_ask_size_fp": "100.00",
            "volume_24h_fp": market.volume_24h,
        }
