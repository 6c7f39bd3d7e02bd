"""Tests of the bodies of markets."""

from __future__ import annotations

from daemon.core.units import MONEY_ONE, PriceBand
from daemon.exchange.facts import Traded
from daemon.exchange.market import Market
from daemon.sandbox import market_bodies as bodies
from daemon.sandbox.flow import Candle, Ohlc
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


def test_a_candle_without_trades_has_the_previous_price_only() -> None:
    """The price members are missing, not zero."""
    flat = Ohlc(4000, 4000, 4000, 4000)
    candle = Candle(T0, flat, flat, None, 0, 0)
    assert {"previous_dollars": "0.3900"} == bodies.candle_body(candle, 3900)["price"]
    assert {} == bodies.candle_body(candle, None)["price"]
