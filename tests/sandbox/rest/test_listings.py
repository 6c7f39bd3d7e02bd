"""Tests of the filters of market lists and of the two tiers."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from daemon.core.units import HOUR, SECOND
from daemon.exchange.market import Market
from daemon.sandbox.bodies import ApiError
from daemon.sandbox.cutoff import CutoffRule
from daemon.sandbox.rest.listings import Listings, market_filter
from tests.sandbox.running import running
from tests.sandbox.scripted import OPEN, SETTLED, spec_of

T0 = 1_790_000_000 * SECOND


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"min_created_ts": "1", "min_close_ts": "1"}, "created and close timestamp filters are mutually"),
        (
            {"max_settled_ts": "1", "min_updated_ts": "1"},
            "settled and updated timestamp filters are mutually",
        ),
        ({"min_created_ts": "1", "status": "closed"}, "don't go with status closed"),
        ({"min_close_ts": "1", "status": "open"}, "don't go with status open"),
        ({"max_settled_ts": "1", "status": "closed"}, "don't go with status closed"),
        ({"min_updated_ts": "1", "status": "open"}, "don't go with status open"),
        ({"min_updated_ts": "1", "event_ticker": "E"}, "don't go with event_ticker"),
        ({"min_updated_ts": "1", "tickers": "A"}, "don't go with tickers"),
        ({"min_updated_ts": "1", "mve_filter": "only"}, "don't go with mve_filter only"),
        ({"status": "open,closed"}, "'Status' failed on the 'oneof' tag"),
        ({"status": "active"}, "'Status' failed on the 'oneof' tag"),
        ({"mve_filter": "some"}, "'MveFilter' failed on the 'oneof' tag"),
        ({"min_close_ts": "soon"}, "'MinCloseTs' failed on the 'number' tag"),
    ],
)
def test_filters_that_exclude_each_other_are_refused(query: dict[str, str], words: str) -> None:
    """400 in the bare shape, saying which."""
    with pytest.raises(ApiError) as refused:
        market_filter(query, "GetMarkets")
    message = json.loads(refused.value.body)["msg"]
    assert message.startswith("Parameter validation failed for GetMarkets: ")
    assert words in message


@pytest.mark.parametrize(
    "query",
    [
        {"min_created_ts": "1", "status": "open"},
        {"min_created_ts": "1", "max_created_ts": "2", "status": "unopened"},
        {"min_close_ts": "1", "status": "closed", "event_ticker": "E"},
        {"min_settled_ts": "1", "status": "settled"},
        {"min_updated_ts": "1", "mve_filter": "exclude", "series_ticker": "S", "limit": "5"},
    ],
)
def test_filters_that_go_together_are_taken(query: dict[str, str]) -> None:
    """As the sheet lists them."""
    market_filter(query, "GetMarkets")


def test_each_filter_takes_what_it_names() -> None:
    """By series, event, tickers, status and time; none of ours is multivariate."""
    market = Market(spec_of(OPEN, T0, T0 + HOUR), T0)
    for query, is_taken in (
        ({}, True),
        ({"series_ticker": "KXBTC15M", "event_ticker": OPEN.rpartition("-")[0]}, True),
        ({"series_ticker": "KXETH"}, False),
        ({"tickers": f"A,{OPEN}"}, True),
        ({"tickers": "A"}, False),
        ({"status": "unopened"}, True),
        ({"status": "open"}, False),
        ({"min_created_ts": str(T0 // SECOND)}, True),
        ({"max_created_ts": str(T0 // SECOND - 1)}, False),
        ({"min_settled_ts": "1"}, False),
        ({"mve_filter": "only"}, False),
        ({"mve_filter": "exclude"}, True),
    ):
        assert is_taken == market_filter(query, "GetMarkets").takes(market), query


async def test_a_market_lives_in_one_tier(tmp_path: Path) -> None:
    """Settled before the cutoff: historical. All else is live; what is in neither is not found."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        venue = client.sandbox.venue
        listings = Listings(venue)
        assert [[OPEN, SETTLED], []] == [
            [market.ticker for market in listings.newest_first(is_archived=tier)] for tier in (False, True)
        ]
        venue.chronicle.cutoff = CutoffRule(0, 0, SECOND)
        assert [[OPEN], [SETTLED]] == [
            [market.ticker for market in listings.newest_first(is_archived=tier)] for tier in (False, True)
        ]
        assert SETTLED == listings.archived(SETTLED).ticker
        with pytest.raises(ApiError):
            listings.live(SETTLED)
        with pytest.raises(ApiError):
            listings.archived(OPEN)
