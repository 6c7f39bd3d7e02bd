"""References: the first source that is well is in force, at once, and nothing mixes two of them."""

from __future__ import annotations

import math

import pytest

from daemon.core import events as e
from daemon.core.reference import NOT_KNOWN, ReferenceConfig, References, Spot, Underlying
from daemon.core.units import MONEY_ONE, SECOND, Ns
from tests.core.worlds import T0

CONFIG = ReferenceConfig(
    underlyings=(
        Underlying("KXBTC", "BTC/USD", "BRTI"),
        Underlying("KXBTCY", "BTC/EUR", "BRTI_EUR"),
        Underlying("KXETH", "ETH/USD", "ETHUSD_RTI"),
    )
)


def price(source: str, dollars: float, at: Ns = T0, symbol: str = "") -> e.ReferencePriceReceived:
    """A price of bitcoin."""
    symbol = symbol or {"kraken": "BTC/USD", "cfbenchmarks": "BRTI"}.get(source, "BTC/USD")
    return e.ReferencePriceReceived(source, symbol, round(dollars * MONEY_ONE), at, at)


@pytest.fixture
def references() -> References:
    """Both sources are up and told a price at T0."""
    subject = References(CONFIG)
    subject.on_connection(e.FeedConnected("kraken", T0))
    subject.on_connection(e.FeedConnected("kalshi", T0))
    subject.on_price(price("kraken", 100))
    subject.on_price(price("cfbenchmarks", 200))
    return subject


def spot(references: References, series: str = "KXBTC15M") -> Spot:
    """The reference of a series."""
    return references.of_series(series)


def test_a_series_is_on_the_underlying_that_its_ticker_begins_with() -> None:
    """The longest wins; none has no reference at all."""
    references = References(CONFIG)
    assert spot(references, "KXBTC15M") is spot(references, "KXBTCD")
    assert spot(references, "KXBTCYEAR") is not spot(references, "KXBTCD")
    assert spot(references, "KXETHD") is not spot(references, "KXBTCD")
    assert spot(references, "KXHIGHNY").in_force(T0) is NOT_KNOWN


def test_the_preferred_source_is_in_force_while_it_is_well(references: References) -> None:
    """In the order of the configuration, not in that of arrival."""
    assert spot(references).source(T0) == "kraken"
    other = References(ReferenceConfig(prefer=("cfbenchmarks", "kraken")))
    other.on_price(price("kraken", 100))
    assert spot(other).source(T0) == "kraken"
    other.on_price(price("cfbenchmarks", 200))
    assert spot(other).source(T0) == "cfbenchmarks"


def test_a_source_that_is_not_preferred_at_all_is_of_no_use() -> None:
    """Nor is a symbol that no underlying names, or a source that doesn't exist."""
    references = References(ReferenceConfig(prefer=("kraken",)))
    assert references.on_price(price("cfbenchmarks", 200)) is None
    assert references.on_price(price("kraken", 200, symbol="DOGE/USD")) is None
    assert references.on_status(e.ReferenceStatusTold("magic", "online", True, T0)) is None
    assert spot(references).source(T0) is None


def test_fail_over_is_immediate_and_has_its_own_windows(references: References) -> None:
    """A return is never computed from one source's price to another's."""
    for step in range(1, 6):
        references.on_price(price("kraken", 100 + step, T0 + step * SECOND))
        references.on_price(price("cfbenchmarks", 200 + step, T0 + step * SECOND))
    now = T0 + 5 * SECOND
    kraken = spot(references).in_force(now).log_return(5 * SECOND, now)
    references.on_connection(e.FeedDropped("kraken", "reset", now))
    assert spot(references).source(now) == "cfbenchmarks"
    index = spot(references).in_force(now).log_return(5 * SECOND, now)
    assert (kraken, index) == (pytest.approx(math.log(1.05)), pytest.approx(math.log(205 / 200)))
    references.on_connection(e.FeedConnected("kraken", now))
    assert spot(references).source(now) == "cfbenchmarks"
    references.on_price(price("kraken", 105, now))
    assert spot(references).source(now) == "kraken"
    assert spot(references).in_force(now).log_return(5 * SECOND, now) is None


def test_a_source_that_says_nothing_is_not_well(references: References) -> None:
    """A heartbeat counts for a connection of its own; the venue's says nothing of the index."""
    stale = T0 + CONFIG.stale_max + 1
    assert spot(references).source(stale - 1) == "kraken"
    assert spot(references).source(stale) is None
    references.on_heard(e.FeedHeard("kalshi", T0 + SECOND))
    assert spot(references).source(stale) is None
    references.on_heard(e.FeedHeard("kraken", T0 + SECOND))
    assert spot(references).source(stale) == "kraken"


def test_a_source_that_does_not_trade_is_not_well(references: References) -> None:
    """Its own word counts, until it says otherwise or connects anew."""
    references.on_status(e.ReferenceStatusTold("kraken", "maintenance", False, T0))
    assert spot(references).source(T0) == "cfbenchmarks"
    references.on_status(e.ReferenceStatusTold("kraken", "online", True, T0))
    assert spot(references).source(T0) == "kraken"


def test_the_venues_drop_ends_the_index(references: References) -> None:
    """It is one of its channels; another connection of the venue's is not."""
    references.on_connection(e.FeedDropped("kalshi-2", "reset", T0))
    references.on_connection(e.FeedDropped("kraken", "reset", T0))
    assert spot(references).source(T0) == "cfbenchmarks"
    references.on_connection(e.FeedDropped("kalshi", "reset", T0))
    assert spot(references).source(T0) is None
    assert spot(references).in_force(T0).price is None


def test_people_see_which_source_is_in_force(references: References) -> None:
    """By any of its names; one that nobody knows is an error."""
    for symbol in ("KXBTC", "BTC/USD", "BRTI"):
        assert references.source(symbol, T0) == "kraken"
    assert references.source("ETH/USD", T0) is None
    assert (references.price(), references.heard_at()) == (100 * MONEY_ONE, T0)
    with pytest.raises(KeyError):
        references.source("DOGE/USD", T0)


def test_a_price_concerns_the_markets_on_its_underlying(references: References) -> None:
    """And no others."""
    spot(references).tickers["A"] = None
    spot(references, "KXETHD").tickers["B"] = None
    assert references.on_price(price("kraken", 101)) == {"A": None}
    assert references.on_price(price("kraken", 9, symbol="ETH/USD")) == {"B": None}
    assert references.on_connection(e.FeedDropped("kraken", "reset", T0)) == {"A": None, "B": None}


def test_one_symbol_may_be_under_several_series() -> None:
    """Its windows are shared."""
    shared = ReferenceConfig(
        underlyings=(Underlying("KXBTC", "BTC/USD", "BRTI"), Underlying("KXBIT", "BTC/USD", "BRTI"))
    )
    references = References(shared)
    spot(references, "KXBTC").tickers["A"] = None
    spot(references, "KXBIT").tickers["B"] = None
    assert references.on_price(price("kraken", 101)) == {"A": None, "B": None}
    assert spot(references, "KXBTC").in_force(T0) is spot(references, "KXBIT").in_force(T0)


def test_the_connections_old_name_is_understood() -> None:
    """Journals from before the venue had several connections replay."""
    references = References(CONFIG)
    references.on_price(price("kraken", 100))
    references.on_connection(e.FeedDropped("reference", "reset", T0))
    assert spot(references).source(T0) is None
