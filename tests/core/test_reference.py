"""References: the first source that is well is in force, at once, and nothing mixes two of them."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from daemon.core import events as e
from daemon.core.reference import (
    NOT_KNOWN,
    QUIET_MAX,
    SETTLED,
    ReferenceConfig,
    References,
    Spot,
    Underlying,
)
from daemon.core.units import MINUTE, MONEY_ONE, SECOND, Ns
from tests.core.worlds import T0

CONFIG = ReferenceConfig(
    underlyings=(
        Underlying("KXBTC", "BTC/USD", "BRTI"),
        Underlying("KXBTCY", "BTC/EUR", "BRTI_EUR"),
        Underlying("KXETH", "ETH/USD", "ETHUSD_RTI"),
    )
)
NAMES = {"kraken": "BTC/USD", "cfbenchmarks": "BRTI"}


def price(source: str, dollars: float, at: Ns = T0, symbol: str = "") -> e.ReferencePriceReceived:
    """A price of bitcoin."""
    symbol = symbol or NAMES.get(source, "BTC/USD")
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
    assert spot(references).source(now) == "cfbenchmarks"  # which is warm, as the other is not


def test_a_source_that_is_back_takes_over_when_it_has_settled(references: References) -> None:
    """Well for as long as its windows are: until then the one that stood in goes on."""
    references.on_connection(e.FeedDropped("kraken", "reset", T0 + SECOND))
    back = T0 + 2 * SECOND
    references.on_connection(e.FeedConnected("kraken", back))
    for at in range(back, back + SETTLED, SECOND):
        references.on_price(price("kraken", 105, at))
        references.on_price(price("cfbenchmarks", 205, at))
        assert spot(references).in_force(at).price == 205 * MONEY_ONE
    settled = spot(references).in_force(back + SETTLED)
    assert settled.price == 105 * MONEY_ONE
    assert settled.log_return(30 * SECOND, back + SETTLED) == 0
    assert spot(references).source(back + SETTLED) == "kraken"


@pytest.mark.parametrize("every", [3 * SECOND, 20 * SECOND, SETTLED - 1])
def test_a_source_that_comes_and_goes_does_not_make_the_price_jump(references: References, every: Ns) -> None:
    """One change of basis, to the one that stays; not two for each of its returns."""
    bases = []
    for at in range(T0 + SECOND, T0 + 5 * MINUTE, SECOND):
        references.on_price(price("cfbenchmarks", 205, at))
        if (at - T0) // every % 2:
            references.on_connection(e.FeedDropped("kraken", "reset", at))
        else:
            if not references.sources["kraken"].is_connected:
                references.on_connection(e.FeedConnected("kraken", at))
            references.on_price(price("kraken", 105, at - MINUTE))  # of before: the connection is new
            references.on_price(price("kraken", 105, at))
        bases.append(spot(references).in_force(at).price)
    changes = sum(before != after for before, after in itertools.pairwise(bases))
    assert (changes, bases[-1]) == (1, 205 * MONEY_ONE)


def test_a_source_that_has_not_settled_is_better_than_none(references: References) -> None:
    """The one that is well for the longest, so that two that have just begun don't take turns."""
    now = T0 + MINUTE
    assert spot(references).source(now) is None
    references.on_price(price("cfbenchmarks", 205, now))
    assert spot(references).source(now) == "cfbenchmarks"
    references.on_price(price("kraken", 105, now + SECOND))
    assert spot(references).source(now + SECOND) == "cfbenchmarks"
    references.on_connection(e.FeedDropped("kalshi", "reset", now + SECOND))
    assert spot(references).source(now + SECOND) == "kraken"


def test_an_old_price_is_not_believed_however_well_its_connection_beats(references: References) -> None:
    """A channel that says nothing any more, behind heartbeats that go on."""
    for step in range(0, 200, 5):
        at = T0 + step * SECOND
        references.on_heard(e.FeedHeard("kraken", at))
        assert spot(references).source(at) == ("kraken" if at <= T0 + QUIET_MAX else None)


def test_the_choice_is_the_same_whenever_it_was_last_asked_for() -> None:
    """What is remembered between two words of the sources is what would be chosen anew."""
    often, seldom = References(CONFIG), References(CONFIG)
    draw = random.Random(7)
    at = T0
    for _ in range(3_000):
        at += draw.choice((1, SECOND // 2, 4 * SECOND, 11 * SECOND))
        source = draw.choice(("kraken", "cfbenchmarks"))
        feed = {"kraken": "kraken", "cfbenchmarks": "kalshi"}[source]
        event = draw.choice(
            (
                *(price(source, draw.randrange(100, 120), at) for _ in range(9)),
                e.FeedHeard(feed, at),
                e.FeedDropped(feed, "reset", at),
                e.FeedConnected(feed, at),
                e.ReferenceStatusTold(source, "x", draw.random() < 0.7, at),
            )
        )
        for subject in (often, seldom):
            match event:
                case e.ReferencePriceReceived():
                    subject.on_price(event)
                case e.FeedHeard():
                    subject.on_heard(event)
                case e.ReferenceStatusTold():
                    subject.on_status(event)
                case e.FeedConnected() | e.FeedDropped():
                    subject.on_connection(event)
        for later in sorted(draw.sample(range(20), 5)):
            spot(often).in_force(at + later * SECOND)
        asked_at = at + draw.randrange(3) * SECOND
        assert spot(often).in_force(asked_at).price == spot(seldom).in_force(asked_at).price
        name = spot(seldom).source(asked_at)
        expected = None if name is None else seldom.sources[name].symbols[NAMES[name]].price
        assert spot(seldom).in_force(asked_at).price == expected


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


def test_people_see_when_a_source_was_last_heard(references: References) -> None:
    """By its prices or by its connection's life, whichever is later; None before anything came."""
    heard = {name: source.told_at for name, source in References(CONFIG).sources.items()}
    assert {"kraken": None, "cfbenchmarks": None} == heard
    references.on_price(price("kraken", 84_000, T0 + SECOND))
    references.on_heard(e.FeedHeard("kraken", T0 + 2 * SECOND))
    references.on_price(price("cfbenchmarks", 84_000, T0 + 3 * SECOND))
    heard = {name: source.told_at for name, source in references.sources.items()}
    assert {"kraken": T0 + 2 * SECOND, "cfbenchmarks": T0 + 3 * SECOND} == heard


def test_the_settlement_index_is_told_apart_while_it_is_well(references: References) -> None:
    """Whether or not it is in force; gone with its connection, and absent where nothing is configured."""
    at = T0 + SECOND
    index = spot(references).index(at)
    assert index is not None
    assert index.price == 200 * MONEY_ONE
    references.on_connection(e.FeedDropped("kalshi", "test", at))
    assert spot(references).index(at) is None
    assert spot(references, "KXCPI").index(at) is None
