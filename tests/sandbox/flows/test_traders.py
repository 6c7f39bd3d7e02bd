"""The traders' flow: deterministic, in the measured ranges of the real market, and right about who wins."""

from collections import Counter
from itertools import count
from statistics import median

import msgspec
import pytest

from daemon.core.units import HOUR, MILLISECOND, MINUTE, SECOND, Ns
from daemon.exchange.exchange import Exchange
from daemon.exchange.facts import Determined, LevelChanged, MarketClosed, Settled, StrikeSet, Traded
from daemon.sandbox.flow import STEP, Flow, Resumed, SpotPrinted, Telling
from daemon.sandbox.flows.schedule import QUARTER, is_yes, quarter_spec
from daemon.sandbox.flows.traders import TradersFlow

QUARTER_AT: Ns = 1_767_225_600 * SECOND
NOW: Ns = QUARTER_AT + 4 * MINUTE + 137 * MILLISECOND


class World:
    """An exchange with traders, run step by step."""

    def __init__(self, resumed: Resumed) -> None:
        ids = count(1)
        self.exchange = Exchange(lambda: str(next(ids)))
        self.flow = TradersFlow(resumed)
        self.now = resumed.now
        self.told: list[Telling] = list(self.flow.advance(self.exchange, resumed.now))

    def run(self, duration: Ns, step: Ns = STEP) -> list[Telling]:
        end = self.now + duration
        told: list[Telling] = []
        while self.now < end:
            self.now = min(end, self.now + step)
            told += self.flow.advance(self.exchange, self.now)
            told += self.exchange.advance(self.now)
        self.told += told
        return told


def first(seed: int = 1, now: Ns = NOW) -> Resumed:
    return Resumed(now=now, seed=seed, spot=None, markets=())


def test_it_is_a_flow() -> None:
    """The server knows it by its protocol only."""
    flow: Flow = TradersFlow(first())

    assert ("traders", 1.0, NOW) == (flow.mode, flow.speed, flow.start_at)


def test_same_seed_and_times_give_identical_facts() -> None:
    """And another seed others."""
    worlds = [World(first(seed)) for seed in (5, 5, 6)]
    for world in worlds:
        world.run(10 * SECOND)

    assert worlds[0].told == worlds[1].told
    assert worlds[0].told != worlds[2].told
    assert worlds[0].flow.history() == worlds[1].flow.history()


def test_longer_steps_change_nothing() -> None:
    """The traders' own clock is a grid: a late call catches up tick by tick."""
    by_tick, by_second = World(first()), World(first())
    by_tick.run(10 * SECOND, 50 * MILLISECOND)
    by_second.run(10 * SECOND, SECOND)

    def tellings(world: World) -> list[Telling]:
        return [fact for fact in world.told if isinstance(fact, (LevelChanged, Traded, SpotPrinted))]

    assert tellings(by_tick) == tellings(by_second)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_quarter_market_looks_like_the_recorded_ones(seed: int) -> None:
    """Deltas a second, spread, size at the best, share of cancels, contracts a second (data README)."""
    world = World(first(seed, QUARTER_AT + MINUTE))
    ticker = quarter_spec(QUARTER_AT, None).ticker
    book = world.exchange.markets[ticker].book
    spreads, sizes = [], []
    changes: Counter[str] = Counter()
    seconds = 240
    for _ in range(seconds):
        for fact in world.run(SECOND):
            if isinstance(fact, LevelChanged) and fact.ticker == ticker:
                changes["decreases" if fact.delta < 0 else "increases"] += 1
            elif isinstance(fact, Traded) and fact.ticker == ticker:
                changes["trades"] += 1
                changes["contracts"] += fact.qty // 100
        if book.bid is not None and book.ask is not None:
            spreads.append(book.ask - book.bid)
            sizes.append(book.size("yes", book.bid) // 100)

    assert 60 <= (changes["decreases"] + changes["increases"]) / seconds <= 130
    assert 10 <= median(spreads) <= 100
    assert 200 <= median(sizes) <= 700
    assert 0.93 <= 1 - changes["trades"] / changes["decreases"] <= 0.99
    assert 80 <= changes["contracts"] / seconds <= 900


def test_a_trade_happens_within_seconds() -> None:
    """A newcomer sees the market live."""
    told = World(first()).run(10 * SECOND)

    assert any(isinstance(fact, Traded) for fact in told)
    assert sum(isinstance(fact, SpotPrinted) for fact in told) > 10


def test_the_current_and_the_next_quarter_are_always_listed() -> None:
    """Markets roll: at each moment one is open and one is announced; the hour has its strikes."""
    world = World(first(1, QUARTER_AT + 14 * MINUTE))
    for _ in range(3):
        world.run(MINUTE)
        statuses = {
            spec.ticker: spec.status
            for market in world.exchange.markets.values()
            if (spec := market.spec).close_at > world.now
        }
        opened = world.now - world.now % QUARTER
        current, following = quarter_spec(opened, None).ticker, quarter_spec(opened + QUARTER, None).ticker

        assert ("active", "initialized") == (statuses[current], statuses[following])
        assert 3 == sum(ticker.startswith("KXBTCD") for ticker in statuses)


def test_a_quarter_market_lives_as_the_venue_s_do() -> None:
    """Strike soon after the open; closed, determined, settled in their time; YES iff value ≥ strike."""
    world = World(first(4, QUARTER_AT + 14 * MINUTE + 50 * SECOND))
    world.run(QUARTER + 20 * SECOND, 200 * MILLISECOND)
    spec = quarter_spec(QUARTER_AT + QUARTER, None)
    about = {type(fact): fact for fact in world.told if getattr(fact, "ticker", None) == spec.ticker}
    strike, closed, determined, settled = (
        about[kind] for kind in (StrikeSet, MarketClosed, Determined, Settled)
    )
    assert isinstance(strike, StrikeSet)
    assert isinstance(determined, Determined)
    market = world.exchange.markets[spec.ticker]
    value = round(float(market.expiration_value) * 100) * 10_000

    assert spec.open_at + 500 * MILLISECOND == strike.at
    assert spec.close_at == closed.at
    assert 1_100 * MILLISECOND <= determined.at - spec.close_at <= 1_200 * MILLISECOND
    assert 7 * SECOND == settled.at - spec.close_at
    assert ("yes" if value >= strike.strike else "no") == determined.result
    # The next market's strike is this one's value: the same 60 seconds decide both.
    following = world.exchange.markets[quarter_spec(spec.close_at, None).ticker]
    assert value == following.spec.strike


def test_settlement_value_is_the_mean_of_the_index_before_the_close() -> None:
    """The 60 values T-60 … T-1, taken from the price at each of those seconds."""
    world = World(first(2, QUARTER_AT + 13 * MINUTE + 30 * SECOND))
    values = []
    while world.now < QUARTER_AT + QUARTER + 2 * SECOND:
        world.run(SECOND - world.now % SECOND)
        if 0 < QUARTER_AT + QUARTER - world.now <= MINUTE:
            values.append(world.flow.spot)
    market = world.exchange.markets[quarter_spec(QUARTER_AT, None).ticker]

    assert 60 == len(values)
    assert f"{round(sum(values) / 600_000 + 1e-9) / 100:.2f}" == market.expiration_value


def test_history_holds_candles_trades_spot_and_a_settled_market() -> None:
    """What REST serves from the first second on, all of it before the start."""
    history = TradersFlow(first()).history()
    settled = history.markets[0]
    current = quarter_spec(QUARTER_AT, None).ticker

    assert "finalized" == settled.spec.status
    assert (
        "yes" if is_yes(settled.spec, round(float(settled.expiration_value) * 100) * 10_000) else "no"
    ) == (settled.result)
    assert (15, 4) == (len(history.candles[settled.spec.ticker]), len(history.candles[current]))
    assert 50 <= len(history.spot)
    assert sorted(history.trades, key=lambda trade: trade.at) == list(history.trades)
    assert max(trade.at for trade in history.trades) <= NOW
    assert max(tick.at for tick in history.spot) <= NOW


def test_a_restart_goes_on_from_the_price_and_the_strikes() -> None:
    """Open markets keep their strike, the price its level, and nothing is listed twice."""
    before = World(first())
    before.run(5 * SECOND)
    open_specs = tuple(
        market.spec for market in before.exchange.markets.values() if market.settled_at is None
    )
    after = World(Resumed(NOW + MINUTE, 1, before.flow.spot, open_specs))

    assert before.flow.spot == after.flow.spot
    assert [] == [fact for fact in after.told if isinstance(fact, StrikeSet)]
    assert list(before.exchange.markets) == list(after.exchange.markets)
    current = quarter_spec(QUARTER_AT, None).ticker
    assert before.exchange.markets[current].spec.strike == after.exchange.markets[current].spec.strike


def test_markets_that_closed_while_it_was_down_are_settled() -> None:
    """An account may hold them: they are determined and paid at once, even without a known last minute."""
    before = World(first())
    spec = before.exchange.markets[quarter_spec(QUARTER_AT, None).ticker].spec
    later = NOW + 9 * HOUR
    ids = count(1)
    exchange = Exchange(lambda: str(next(ids)))
    exchange.list_market(msgspec.structs.replace(spec, status="active"), NOW)
    flow = TradersFlow(Resumed(later, 1, before.flow.spot, (spec,)))
    flow.advance(exchange, later)

    assert "finalized" == exchange.markets[spec.ticker].status


def test_a_long_sleep_is_slept_through() -> None:
    """A machine suspended for hours: markets in between live and end, and quotes are there again."""
    world = World(first())
    world.run(3 * HOUR, 3 * HOUR)
    world.run(2 * SECOND)
    current = world.exchange.markets[quarter_spec(world.now - world.now % QUARTER, None).ticker]

    assert current.book.bid is not None or current.book.ask is not None
    assert 11 <= sum(market.status == "finalized" for market in world.exchange.markets.values())


def test_an_operator_may_move_a_market_through_its_life() -> None:
    """A later close is waited for; a result that an operator gave first stays; the flow goes on."""
    world = World(first())
    ticker = quarter_spec(QUARTER_AT, None).ticker
    close_at = QUARTER_AT + QUARTER + 2 * MINUTE
    world.exchange.move_close(ticker, close_at, world.now)
    world.run(QUARTER_AT + QUARTER + MINUTE - world.now, SECOND)
    assert world.exchange.markets[ticker].is_open(world.now)
    world.run(close_at - world.now, SECOND)
    world.exchange.determine(ticker, "scalar", 4_000, world.now)
    world.exchange.settle(ticker, world.now)
    world.run(10 * SECOND, SECOND)
    market = world.exchange.markets[ticker]
    assert ("finalized", 4_000) == (market.status, market.settlement_price)


def test_an_operators_markets_are_left_to_the_operator() -> None:
    """A restart finds them among what wasn't settled: they close by their clock, and stay closed."""
    own = msgspec.structs.replace(
        quarter_spec(QUARTER_AT, None), ticker="KXTEST-1", series_ticker="KXTEST", strike_type=None
    )
    ids = count(1)
    exchange = Exchange(lambda: str(next(ids)))
    exchange.list_market(own, NOW)
    flow = TradersFlow(msgspec.structs.replace(first(), markets=(own,)))
    for now in range(NOW, QUARTER_AT + QUARTER + MINUTE, 4 * SECOND):
        flow.advance(exchange, now)
    assert ("closed", None) == (exchange.markets["KXTEST-1"].status, exchange.markets["KXTEST-1"].result)
