"""The world in which nothing happens by itself."""

from __future__ import annotations

from daemon.core.units import MONEY_ONE, SECOND, Ns
from daemon.exchange.exchange import Exchange
from daemon.sandbox.flow import Flow, Resumed, SpotPrinted
from daemon.sandbox.flows.still import FIRST_PRICE, PAST_PRINTS, StillFlow
from daemon.sandbox.venue import IdSource

START: Ns = 1_000 * SECOND + 3


def test_nothing_is_listed_and_the_price_is_printed_every_second() -> None:
    """One print for every second that passed, at the standing price, with rising ids."""
    exchange = Exchange(IdSource(1, 1))
    still = StillFlow(Resumed(START, 1, None, ()))
    flow: Flow = still
    told = [*flow.advance(exchange, START), *flow.advance(exchange, START + 2 * SECOND)]
    assert {} == exchange.markets
    assert [(FIRST_PRICE, 1001 * SECOND), (FIRST_PRICE, 1002 * SECOND)] == [
        (spot.price, spot.at) for spot in told if isinstance(spot, SpotPrinted)
    ]
    still.price = 90_000 * MONEY_ONE
    (spot,) = flow.advance(exchange, START + 3 * SECOND)
    assert isinstance(spot, SpotPrinted)
    assert 90_000 * MONEY_ONE == spot.price


def test_its_past_is_the_standing_price() -> None:
    """From the last known one, up to the start."""
    spots = StillFlow(Resumed(START, 1, 7 * MONEY_ONE, ())).history().spot
    assert (PAST_PRINTS, {7 * MONEY_ONE}) == (len(spots), {spot.price for spot in spots})
    assert START // SECOND * SECOND == spots[-1].at
