"""Series, events and markets, against a real HTTP server on loopback."""

from __future__ import annotations

import json

import pytest
from aiohttp import web

from daemon.core.markets import Fees
from daemon.core.units import parse_instant
from daemon.kalshi.bodies import FeeChange
from daemon.kalshi.errors import BadFrame, Refused, Unreadable
from tests.kalshi.rest.calling import asked, calling, tell
from tests.kalshi.venue import BASE, Venue

SERIES = {"ticker": "KXBTC15M", "fee_type": "quadratic", "fee_multiplier": 1, "exchange_index": 2}


def market(ticker: str, event: str = "KXBTC15M-E", **change: object) -> dict[str, object]:
    """A listed market, whole."""
    return {
        "ticker": ticker,
        "event_ticker": event,
        "open_time": "2026-09-25T19:00:00Z",
        "close_time": "2026-09-25T19:15:00Z",
        "status": "active",
        "title": "BTC up?",
        "price_level_structure": "linear_cent",
        "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
        "strike_type": "greater_or_equal",
        "floor_strike": 83950.62,
        "exchange_index": 2,
        "yes_bid_dollars": "0.3400",
        "yes_bid_size_fp": "703.36",
        "yes_ask_dollars": "1.0000",
        "yes_ask_size_fp": "0.00",
        "volume_24h_fp": "81296.81",
        "result": "",
        "expiration_value": "",
        **change,
    }


def listing(venue: Venue, *markets: dict[str, object], path: str = "/markets") -> None:
    """Let the venue list markets of one event."""
    tell(venue, path, {"cursor": "", "markets": markets})
    event = {"event_ticker": "KXBTC15M-E", "series_ticker": "KXBTC15M"}
    tell(venue, "/events/KXBTC15M-E", {"event": event, "markets": []})
    tell(venue, "/series/KXBTC15M", {"series": SERIES})


async def test_markets_come_with_their_fees_and_series_are_read_once() -> None:
    """Two markets of one event: one read of the event, one of the series; again after `forget_fees`."""
    async with calling() as (venue, rest):
        listing(venue, market("A"), market("B"))
        specs = await rest.markets(series_ticker="KXBTC15M", status="open")
        assert [("A", "KXBTC15M", 1_000_000), ("B", "KXBTC15M", 1_000_000)] == [
            (spec.ticker, spec.series_ticker, spec.fees.multiplier_ppm) for spec in specs
        ]
        await rest.markets(tickers=["A", "B"])
        assert [
            "/markets?series_ticker=KXBTC15M&status=open&limit=1000",
            "/events/KXBTC15M-E",
            "/series/KXBTC15M",
            "/markets?tickers=A%2CB&limit=1000",
        ] == asked(venue)
        rest.forget_fees()
        await rest.markets()
        assert len(venue.requests) == 7


async def test_one_strange_market_does_not_hide_the_others() -> None:
    """A market of a new shape, without a known fee, or of an unknown event stands aside by name."""
    async with calling() as (venue, rest):
        listing(
            venue,
            market("A"),
            market("B", status="exploded"),
            market("C", price_ranges=[]),
            market("D", event="UNKNOWN"),
        )
        assert ["A"] == [spec.ticker for spec in await rest.markets()]
        assert {"B", "C", "D"} == set(rest.markets_refused)
        assert "'exploded'" in rest.markets_refused["B"]
        assert "'finalized'" in rest.markets_refused["B"], "what is allowed is said"
        assert "not_found" in rest.markets_refused["D"]
        assert rest.refused.counts["refused"] == 1


async def test_listings_bring_the_quotes() -> None:
    """An empty side is None; the counts are contracts; the label is the venue's."""
    async with calling() as (venue, rest):
        listing(venue, market("A"), market("B", yes_bid_size_fp="-1.00"))
        (found,) = await rest.listings(series_ticker="KXBTC15M", status="open", min_close_ts=5)
        assert (3400, None, 70_336, 0) == (found.bid, found.ask, found.bid_qty, found.ask_qty)
        assert (8_129_681, "linear_cent") == (found.volume_24h, found.tick_structure)
        assert "A" == found.spec.ticker
        assert asked(venue)[0] == "/markets?series_ticker=KXBTC15M&status=open&min_close_ts=5&limit=1000"
        assert ["B"] == list(rest.markets_refused)


async def test_a_listing_without_its_quotes_is_refused_by_name() -> None:
    """A missing required field is never filled in."""
    async with calling() as (venue, rest):
        bare = market("A")
        del bare["volume_24h_fp"]
        listing(venue, bare)
        assert [] == await rest.listings()
        assert "volume_24h_fp" in rest.markets_refused["A"]
        assert ["A"] == [spec.ticker for spec in await rest.markets()], "which needs no quotes"


async def test_no_tickers_is_no_market_and_many_are_asked_for_in_parts() -> None:
    """The venue takes an empty list for all markets; and a URL has an end."""
    async with calling() as (venue, rest):
        listing(venue)
        assert [] == await rest.listings(tickers=[])
        assert [] == venue.requests
        await rest.listings(tickers=[f"T{number}" for number in range(250)])
        assert [100, 100, 50] == [path.count("T") for path in asked(venue)]


async def test_many_unknown_events_are_read_in_one_list() -> None:
    """Five thousand markets of as many events must not cost as many reads."""
    names = [f"E{number}" for number in range(150)]

    def events(request: web.Request, _body: bytes) -> tuple[int, bytes]:
        wanted = request.query["tickers"].split(",")
        assert len(wanted) <= 100
        rows = [{"event_ticker": one, "series_ticker": "KXBTC15M"} for one in wanted if one != "E7"]
        return 200, json.dumps({"events": rows, "cursor": ""}).encode()

    async with calling() as (venue, rest):
        listing(venue, *(market(f"M{name}", event=name) for name in names))
        venue.answers["GET", f"{BASE}/events"] = events
        # One that the list leaves out (it excludes multivariate events) is read by itself.
        tell(venue, "/events/E7", {"event": {"event_ticker": "E7", "series_ticker": "KXBTC15M"}})
        assert len(await rest.markets()) == 150
        paths = [path.partition("?")[0] for path in asked(venue)]
        assert sorted(["/markets", "/events", "/events", "/events/E7", "/series/KXBTC15M"]) == sorted(paths)


async def test_a_venue_without_that_list_is_asked_one_by_one() -> None:
    """The list is a saving, no condition."""
    async with calling() as (venue, rest):
        names = [f"E{number}" for number in range(6)]
        listing(venue, *(market(f"M{name}", event=name) for name in names))
        for name in names:
            tell(venue, f"/events/{name}", {"event": {"event_ticker": name, "series_ticker": "KXBTC15M"}})
        assert 6 == len(await rest.markets())


async def test_one_market_is_listed_or_refused() -> None:
    """A market by name, and the reason why one can't be traded."""
    async with calling() as (venue, rest):
        listing(venue)
        tell(venue, "/markets/A", {"market": market("A")})
        tell(venue, "/markets/B", {"market": market("B", close_time="?")})
        assert (await rest.market("A")).strike == 83_950_620_000
        with pytest.raises(BadFrame, match="B"):
            await rest.market("B")
        with pytest.raises(Refused, match="not_found"):
            await rest.market("C")


async def test_outcomes_of_both_tiers() -> None:
    """Result, pay, time and the venue's text; the historical tier has its own paths and no status."""
    end = {
        "status": "finalized",
        "result": "no",
        "settlement_value_dollars": "0.0000",
        "settlement_ts": "2026-09-25T19:15:08.135664Z",
        "expiration_value": "79,604.96",
    }
    async with calling() as (venue, rest):
        listing(venue, market("A", **end), market("B", **{**end, "result": "yes"}))
        (found,) = await rest.outcomes(series_ticker="KXBTC15M", min_settled_ts=1)
        assert ("no", 0, "79,604.96") == (found.result, found.settlement_price, found.expiration_value)
        assert parse_instant("2026-09-25T19:15:08.135664Z") == found.settled_at
        assert "pays 0.0000" in rest.markets_refused["B"], "a yes that pays nothing is a contradiction"
        assert "status=settled&min_settled_ts=1" in asked(venue)[0]
        listing(venue, market("C"), path="/historical/markets")
        (old,) = await rest.outcomes(tickers=["C"], is_historical=True)
        assert (None, None, None) == (old.result, old.settlement_price, old.settled_at)
        assert "/historical/markets?tickers=C&limit=1000" in asked(venue)
        tell(venue, "/historical/markets/A", {"market": market("A", **end)})
        assert (await rest.outcome("A", is_historical=True)).result == "no"


async def test_the_series_of_a_category_are_known_afterwards() -> None:
    """One read for all; none for each market's series."""
    async with calling() as (venue, rest):
        listing(venue, market("A"))
        tell(venue, "/series", {"series": [{**SERIES, "category": "Crypto", "frequency": "hourly"}]})
        (series,) = await rest.series_in("Crypto")
        assert ("KXBTC15M", "Crypto", "hourly") == (series.ticker, series.category, series.frequency)
        await rest.markets()
        assert ["/series?category=Crypto", "/markets?limit=1000", "/events/KXBTC15M-E"] == asked(venue)


async def test_events_of_a_series_are_known_afterwards() -> None:
    """A listing of events is one read, and saves one for each of them."""
    async with calling() as (venue, rest):
        tell(venue, "/events", {"events": [{"event_ticker": "E", "series_ticker": "S"}], "cursor": ""})
        assert ["E"] == [event.event_ticker for event in await rest.events("S", status="open")]
        assert (await rest.event("E")).series_ticker == "S"
        assert ["/events?series_ticker=S&status=open&limit=200"] == asked(venue)


async def test_fee_changes_are_told_in_time_order() -> None:
    """A rule that we can't price is None, not the old one; an unknown type is drift."""
    async with calling() as (venue, rest):
        changes = [
            {
                "id": "2",
                "series_ticker": "S",
                "fee_type": "flat",
                "fee_multiplier": 1,
                "scheduled_ts": "2026-11-02T00:00:00Z",
            },
            {
                "id": "1",
                "series_ticker": "S",
                "fee_type": "quadratic",
                "fee_multiplier": 0.5,
                "scheduled_ts": "2026-11-01T00:00:00Z",
            },
        ]
        tell(venue, "/series/fee_changes", {"series_fee_change_arr": changes})
        assert [
            FeeChange("S", Fees("quadratic", 500_000), parse_instant("2026-11-01T00:00:00Z")),
            FeeChange("S", None, parse_instant("2026-11-02T00:00:00Z")),
        ] == await rest.fee_changes()
        await rest.fee_changes("S", with_past=True)
        assert asked(venue)[1] == "/series/fee_changes?series_ticker=S&show_historical=true"
        changes[0]["fee_type"] = "cubic"
        tell(venue, "/series/fee_changes", {"series_fee_change_arr": changes})
        with pytest.raises(Unreadable, match=r"/series/fee_changes.*cubic.*allowed.*'flat'"):
            await rest.fee_changes()
