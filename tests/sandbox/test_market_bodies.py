"""Tests of the bodies of markets."""

from __future__ import annotations

from daemon.core.markets import Fees
from daemon.core.units import MONEY_ONE, PriceBand
from daemon.exchange.facts import Traded
from daemon.exchange.market import Market
from daemon.sandbox import market_bodies as bodies
from daemon.sandbox.catalog import SeriesListing
from tests.sandbox.scripted import OPEN, spec_of

T0 = 1_790_000_000_000_000_000


def test_a_strike_is_a_number_and_words() -> None:
    """As at the venue; before it is known the words say so."""
    assert ("Target Price: $83,950.62", 83_950.62) == (
        bodies.strike_title(83_950_620_000),
        bodies.strike_number(83_950_620_000),
    )
    assert ("Target price: TBD", 84_000) == (
        bodies.strike_title(None),
        bodies.strike_number(84_000 * MONEY_ONE),
    )


def test_an_empty_book_is_zero_and_one() -> None:
    """yes_bid 0, yes_ask 1, sizes 0: the venue's own identities."""
    body = bodies.market_body(Market(spec_of(OPEN, T0, T0 + 1), T0))
    assert ("0.0000", "1.0000", "0.0000", "1.0000", "0.00") == (
        body["yes_bid_dollars"],
        body["yes_ask_dollars"],
        body["no_bid_dollars"],
        body["no_ask_dollars"],
        body["yes_ask_size_fp"],
    )


def test_a_tick_table_has_its_label_and_bands() -> None:
    """Known tables have a label, another one an empty one."""
    spec = spec_of(OPEN, T0, T0 + 1)
    assert "tapered_deci_cent" == bodies.structure(spec.bands)
    assert "" == bodies.structure((PriceBand(0, 10_000, 50),))
    assert {"end": "0.1000", "start": "0.0000", "step": "0.0010"} == bodies.price_ranges(spec.bands)[0]


def test_a_market_id_follows_from_the_ticker() -> None:
    """The same market has the same id in every life."""
    assert bodies.market_id(OPEN) == bodies.market_id(OPEN)
    assert 36 == len(bodies.market_id(OPEN))


def test_a_trade_names_its_taker_three_times() -> None:
    """Outcome, legacy side and book side agree."""
    body = bodies.trade_body(Traded(OPEN, "t", 3000, 777, "no", T0))
    assert ("no", "no", "ask", "0.3000", "0.7000", "7.77") == (
        body["taker_outcome_side"],
        body["taker_side"],
        body["taker_book_side"],
        body["yes_price_dollars"],
        body["no_price_dollars"],
        body["count_fp"],
    )


def test_a_series_and_an_event_are_what_their_listing_says() -> None:
    """Category, tags, frequency; whole multipliers are whole numbers; an override shows while it is set."""
    market = Market(spec_of(OPEN, T0, T0 + 1), T0)
    listing = SeriesListing("KXBTC15M", "Bitcoin", "Crypto", ("BTC",), "fifteen_min", is_exclusive=True)
    series = bodies.series_body(listing, [market])
    assert ("Bitcoin", ["BTC"], 1) == (series["title"], series["tags"], series["fee_multiplier"])
    event = bodies.event_body(listing, [market])
    assert (True, False) == (event["mutually_exclusive"], "fee_type_override" in event)
    market.series_fees = market.spec.fees
    market.change(T0, fees=Fees("quadratic", 500_000))
    event = bodies.event_body(listing, [market])
    assert ("quadratic", 0.5) == (event["fee_type_override"], event["fee_multiplier_override"])
    assert 1 == bodies.series_body(listing, [market])["fee_multiplier"]


def test_the_volume_of_a_day_leaves_older_trades_out() -> None:
    """volume_fp is all of it."""
    market = Market(spec_of(OPEN, T0, T0 + 1), T0)
    market.traded(4000, 500)
    body = bodies.market_body(market, 200)
    assert ("5.00", "3.00") == (body["volume_fp"], body["volume_24h_fp"])
