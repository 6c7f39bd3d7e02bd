"""Tests of series and events over the wire."""

from __future__ import annotations

import asyncio
from pathlib import Path

from daemon.core.markets import Fees
from daemon.core.units import SECOND
from daemon.sandbox.catalog import SeriesListing
from daemon.sandbox.cutoff import CutoffRule
from tests.sandbox.running import Client, running
from tests.sandbox.scripted import OPEN, SETTLED

SERIES = "KXBTC15M"
EVENT, PAST_EVENT = OPEN.rpartition("-")[0], SETTLED.rpartition("-")[0]


async def series(client: Client, query: str) -> list[str]:
    status, body = await client.call("GET", "/series", query=query)
    assert 200 == status
    return [found["ticker"] for found in body["series"]]


async def events(client: Client, query: str) -> list[str]:
    status, body = await client.call("GET", "/events", query=query)
    assert 200 == status
    return [found["event_ticker"] for found in body["events"]]


async def test_series_are_filtered_by_what_they_are_filed_under(tmp_path: Path) -> None:
    """Category, any of the tags, time of the last change."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        assert [SERIES] == await series(client, "?category=Crypto")
        assert [] == await series(client, "?category=Sports")
        assert [SERIES] == await series(client, "?tags=ETH,BTC")
        assert [] == await series(client, "?tags=ETH")
        assert [] == await series(client, "?min_updated_ts=4000000000")
        client.sandbox.venue.catalog.describe(SeriesListing(SERIES, "Rain", "Climate", ("NYC",)))
        assert [SERIES] == await series(client, "?category=Climate")
        _, body = await client.call("GET", "/search/tags_by_categories")
        assert {"tags_by_categories": {"Climate": ["NYC"]}} == body


async def test_volume_is_shown_when_it_is_asked_for(tmp_path: Path) -> None:
    """Of the list and of one series."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        for path, query in (("/series", "?include_volume=true"), (f"/series/{SERIES}", "?include_volume=1")):
            _, body = await client.call("GET", path, query=query)
            found = body["series"]
            assert "123.00" == (found[0] if isinstance(found, list) else found)["volume_fp"]
        _, body = await client.call("GET", f"/series/{SERIES}")
        assert "volume_fp" not in body["series"]
        assert 400 == (await client.call("GET", "/series", query="?include_volume=maybe"))[0]


async def test_past_fee_changes_are_shown_when_they_are_asked_for(tmp_path: Path) -> None:
    """Without show_historical there are none, as at the venue."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        _, body = await client.call("GET", "/series/fee_changes")
        assert {"series_fee_change_arr": []} == body
        _, body = await client.call("GET", "/series/fee_changes", query="?show_historical=true")
        assert [(SERIES, "quadratic", 1)] == [
            (found["series_ticker"], found["fee_type"], found["fee_multiplier"])
            for found in body["series_fee_change_arr"]
        ]
        query = "?show_historical=true&series_ticker=OTHER"
        _, body = await client.call("GET", "/series/fee_changes", query=query)
        assert {"series_fee_change_arr": []} == body


async def test_events_are_filtered_by_their_markets(tmp_path: Path) -> None:
    """Status, series, close time, tickers; newest first; at most 200 to a page."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        now_s = client.sandbox.venue.clock.now() // SECOND
        assert [EVENT, PAST_EVENT] == await events(client, "")
        assert [EVENT] == await events(client, "?status=open")
        assert [PAST_EVENT] == await events(client, "?status=settled")
        assert [EVENT] == await events(client, f"?min_close_ts={now_s}")
        assert [PAST_EVENT] == await events(client, f"?tickers={PAST_EVENT},X")
        assert [] == await events(client, "?series_ticker=OTHER")
        assert [] == await events(client, "?min_updated_ts=4000000000")
        for query in (
            "?limit=201",
            "?limit=0",
            "?limit=-1",
            "?limit=x",
            "?status=paused",
            "?status=finalized",
        ):
            status, body = await client.call("GET", "/events", query=query)
            assert (400, ["msg"]) == (status, list(body)), query


async def test_archived_markets_are_left_out_of_events(tmp_path: Path) -> None:
    """The event itself stays."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        nested = "?with_nested_markets=true&with_milestones=true"
        _, body = await client.call("GET", f"/events/{PAST_EVENT}", query=nested)
        assert [SETTLED] == [market["ticker"] for market in body["event"]["markets"]]
        client.sandbox.venue.chronicle.cutoff = CutoffRule(0, 0, SECOND)
        _, body = await client.call("GET", f"/events/{PAST_EVENT}", query=nested)
        assert ([], []) == (body["event"]["markets"], body["markets"])
        _, body = await client.call("GET", "/events", query=nested)
        assert [[OPEN], []] == [[market["ticker"] for market in found["markets"]] for found in body["events"]]
        assert [] == body["milestones"]


async def test_an_events_own_fees_are_told_until_they_are_lifted(tmp_path: Path) -> None:
    """On the event, and page by page in the list of changes, newest first; nulls are the end."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        venue = client.sandbox.venue
        now = venue.clock.now()
        venue.tell([*venue.exchange.change_event_fees(EVENT, Fees("quadratic", 500_000), now)])
        _, body = await client.call("GET", f"/events/{EVENT}")
        override = ("quadratic", 0.5)
        assert override == tuple(body["event"][f"{name}_override"] for name in ("fee_type", "fee_multiplier"))
        venue.tell([*venue.exchange.change_event_fees(EVENT, None, venue.clock.now())])
        _, body = await client.call("GET", f"/events/{EVENT}")
        assert "fee_type_override" not in body["event"]
        _, first = await client.call("GET", "/events/fee_changes", query="?limit=1")
        query = f"?limit=1&event_ticker={EVENT}&cursor={first['cursor']}"
        _, last = await client.call("GET", "/events/fee_changes", query=query)
        rows = [*first["event_fee_changes"], *last["event_fee_changes"]]
        assert [None, "quadratic"] == [row["fee_type_override"] for row in rows]
        assert "" == last["cursor"]


async def test_an_event_names_its_sources(tmp_path: Path) -> None:
    """Metadata of each of its markets; an unknown event is not found."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        _, body = await client.call("GET", f"/events/{EVENT}/metadata")
        assert [OPEN] == [found["market_ticker"] for found in body["market_details"]]
        assert 404 == (await client.call("GET", "/events/NOWHERE/metadata"))[0]
