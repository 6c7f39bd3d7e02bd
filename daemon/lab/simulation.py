"""Many simulated 15-minute markets in virtual time, as core events: what the demo model is trained on.

The pieces are the sandbox's own: the spot price and its index, the makers and takers, the exchange that
matches them, the strikes. Only the frame differs from `kalshid sandbox`: one quarter-hour market at a
time, a coarser step, no wire, no clock, so that a day of markets takes minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count

from daemon.core.events import (
    BookDeltaReceived,
    BookSnapshotReceived,
    Event,
    MarketDetermined,
    MarketListed,
    MarketStrikeSet,
    ReferencePriceReceived,
    TradePrinted,
)
from daemon.core.markets import MarketSpec
from daemon.core.units import MILLISECOND, MINUTE, PRICE_ONE, SECOND, Money, Ns
from daemon.exchange.exchange import Exchange
from daemon.exchange.facts import BookReplaced, Determined, Fact, LevelChanged, StrikeSet, Traded
from daemon.sandbox.flows.agents import BUSY, INFORMED, TAKER, Crowd, maker_name
from daemon.sandbox.flows.past import fair_value
from daemon.sandbox.flows.schedule import STRIKE_DELAY, is_yes, quarter_spec
from daemon.sandbox.flows.spot import Index, SpotModel, seeded, to_cents

STEP: Ns = 250 * MILLISECOND
START_AT: Ns = 1_789_999_200 * SECOND
"""A whole quarter of an hour in September 2026. The simulation has no history: any one would do."""
SPOT_AT_START = 85_000.0
PRINTS_PER_S = 3.0
SOURCE, SYMBOL = "kraken", "BTC/USD"


class _World:
    """The price, the index and the events of one step, shared by all markets of a run."""

    def __init__(self, seed: int) -> None:
        self.model = SpotModel(seeded(seed, "lab", "spot"), SPOT_AT_START)
        self.index = Index()
        self._random = seeded(seed, "lab", "prints")
        self.fair: dict[Ns, float] = {}
        """The present market's fair value at each step so far."""

    def step(self, now: Ns) -> Iterator[Event]:
        """Move the price to `now`, and print it or not."""
        self.model.step(STEP / SECOND)
        price = to_cents(self.model.price)
        if now % SECOND == 0:
            self.index.add(now, price)
        if self._random.random() < PRINTS_PER_S * STEP / SECOND:
            yield ReferencePriceReceived(SOURCE, SYMBOL, price, now, now)


class Simulation:
    """So many quarter-hour markets, one after the other, from listing to result.

    The same seed gives the same events. Times are virtual, from `START_AT`; both stamps of an event
    are the same instant, for there is no way between the exchange and us.
    """

    def __init__(self, seed: int, markets: int) -> None:
        self._seed = seed
        self._markets = markets
        self._world = _World(seed)

    def events(self) -> Iterator[Event]:
        """Yield all events, once, in the order of receipt."""
        world = self._world
        # The first strike needs a minute of index values; five let the features of the price warm up.
        for now in range(START_AT - 5 * MINUTE, START_AT, STEP):
            yield from world.step(now)
        for number in range(self._markets):
            open_at = START_AT + number * 15 * MINUTE
            strike = world.index.settlement(open_at)
            assert strike is not None, "no index values before the open"
            yield from _market(world, quarter_spec(open_at, None), strike, self._seed)

    def fair_value(self, ticker: str, at: Ns) -> float:
        """Return P(YES) of the present market at a step before its close, as its makers would like to know.

        It is the expectation of the outcome given the price, its volatility and the index at that step.

        Raises:
            KeyError: that instant is no step of the market whose events are told now.
        """
        del ticker  # one market at a time
        return self._world.fair[at]


def _market(world: _World, spec: MarketSpec, strike: Money, seed: int) -> Iterator[Event]:
    """Yield one market's life. Its exchange is its own, so that nothing grows with the number of markets."""
    ids = count(1)
    exchange = Exchange(lambda: str(next(ids)))
    for name in (TAKER, INFORMED, *(maker_name(maker) for maker in range(BUSY.makers))):
        exchange.open_account(name, {}, is_house=True)
    crowd = Crowd(spec, BUSY, seeded(seed, "lab", spec.ticker))
    exchange.list_market(spec, spec.open_at)
    yield MarketListed(spec, spec.open_at)
    yield BookSnapshotReceived(spec.ticker, (), (), spec.open_at, spec.open_at)
    world.fair.clear()
    has_opened = False
    for now in range(spec.open_at, spec.close_at, STEP):
        yield from world.step(now)
        if now - spec.open_at < STRIKE_DELAY:
            continue
        fair = fair_value(spec, strike, world.model.price, world.model.volatility_s, world.index, now)
        world.fair[now] = fair
        if has_opened:
            yield from observed(crowd.act(exchange, fair, STEP / SECOND, now))
        else:
            has_opened = True
            yield from observed(exchange.set_strike(spec.ticker, strike, spec.strike_type, now))
            yield from observed(crowd.open_books(exchange, fair, now))
    yield from observed(exchange.advance(spec.close_at))
    value = world.index.settlement(spec.close_at)
    assert value is not None, "no index values before the close"
    won = is_yes(exchange.markets[spec.ticker].spec, value)
    paid = PRICE_ONE if won else 0
    # The next market begins at the close: the result is told at once, not a second into that one's life.
    yield from observed(exchange.determine(spec.ticker, "yes" if won else "no", paid, spec.close_at))


def observed(facts: Iterable[Fact]) -> Iterator[Event]:
    """Yield what a client without an account would have been told of these facts, without delay."""
    for fact in facts:
        match fact:
            case LevelChanged():
                yield BookDeltaReceived(fact.ticker, fact.side, fact.price, fact.delta, fact.at, fact.at)
            case Traded():
                yield TradePrinted(
                    fact.ticker, fact.trade_id, fact.price, fact.qty, fact.taker_side, fact.at, fact.at
                )
            case BookReplaced():
                yield BookSnapshotReceived(fact.ticker, fact.yes, fact.no, fact.at, fact.at)
            case StrikeSet():
                yield MarketStrikeSet(fact.ticker, fact.strike, fact.at)
            case Determined():
                yield MarketDetermined(fact.ticker, fact.result, fact.settlement_price, fact.at)
            case _:
                pass  # accounts are none of a spectator's business, opens and closes are clocks
