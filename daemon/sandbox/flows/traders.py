"""The flow of simulated traders: a spot price, markets that open, close, settle and roll, and their crowds.

Everything follows from `Resumed` (seed, time, last price, open markets) and the times of `advance`. Time
runs on a grid of 50 ms ticks. Over a long sleep (a suspended machine) it runs in whole seconds in which
nobody trades: markets live on, and the crowds find a new price when they wake.

Always there: the current quarter-hour market and the next one, and the hourly event.
"""

from __future__ import annotations

from random import Random
from typing import Final

import msgspec

from daemon.core.markets import MarketResult, MarketSpec
from daemon.core.units import (
    HOUR,
    MILLISECOND,
    MINUTE,
    MONEY_CENT,
    PRICE_ONE,
    SECOND,
    Money,
    Ns,
    format_decimal,
)
from daemon.exchange.exchange import Exchange
from daemon.exchange.facts import Traded
from daemon.sandbox.flow import (
    STEP,
    Candle,
    History,
    IndexPrinted,
    PastMarket,
    Resumed,
    SpotPrinted,
    Telling,
)
from daemon.sandbox.flows.agents import BUSY, INFORMED, QUIET, TAKER, Crowd, maker_name
from daemon.sandbox.flows.economics import EconomicsArchive
from daemon.sandbox.flows.past import PastMarketMaker, fair_value, walk
from daemon.sandbox.flows.schedule import (
    HOURLY_LEAD,
    QUARTER,
    STRIKE_DELAY,
    determined_at,
    hourly_specs,
    is_ours,
    is_yes,
    quarter_spec,
    settled_at,
)
from daemon.sandbox.flows.spot import Index, SpotModel, seeded, to_cents

SYMBOL: Final = "BTC/USD"
INDEX_ID: Final = "BRTI"

_FIRST_PRICE = 85_000.0
_PRINTS_PER_S = 3.2
_HALF_TICK = 0.05
_PAST_PRINTS = 300
_DRAWS_MAX = 100
_UNDECIDED = 0.25
"""How far from even the running quarter may stand when a first start looks at it."""
_SLEPT: Final[Ns] = 5 * SECOND
"""A gap longer than this between two calls is a sleep, not a pause."""


class _Life:
    """One market that the flow looks after until it is settled."""

    __slots__ = ("crowd", "is_determined", "spec")

    def __init__(self, spec: MarketSpec) -> None:
        self.spec = spec
        self.is_determined = False
        self.crowd: Crowd | None = None


class TradersFlow:
    """See the module's head; the protocol is `daemon.sandbox.flow.Flow`."""

    def __init__(self, resumed: Resumed) -> None:
        self.mode = "traders"
        self.speed: float | None = 1.0
        self.start_at = resumed.now
        self._seed = resumed.seed
        for attempt in range(_DRAWS_MAX):
            self._draw_spot(resumed, attempt)
            if resumed.spot is not None or self._is_undecided(resumed.now):
                break
        self._ticked_at = resumed.now
        self._has_begun = False
        self._lives: dict[str, _Life] = {
            spec.ticker: _Life(spec) for spec in resumed.markets if is_ours(spec)
        }
        self._adopted = frozenset(self._lives)
        for spec in self._due(resumed.now):
            self._lives.setdefault(spec.ticker, _Life(spec))
        self._history: History | None = None

    def _draw_spot(self, resumed: Resumed, attempt: int) -> None:
        """Draw the price's past: from the last known price, or from nothing."""
        random = seeded(resumed.seed, resumed.now, "spot", attempt)
        self._random = random
        first = _FIRST_PRICE * (1 + random.gauss(0.0, 0.004))
        last_price = first if resumed.spot is None else resumed.spot / 1e6
        self._model = SpotModel(random, last_price)
        quarter, hour = _floor(resumed.now, QUARTER), _floor(resumed.now, HOUR)
        begin = min(quarter - QUARTER, hour) - MINUTE - SECOND
        self._path = walk(self._model, begin, _floor(resumed.now, SECOND), last_price)
        self._index = Index()
        for at, price in self._path:
            self._index.add(at, to_cents(price))
        self._indexed_at = self._path[-1][0]

    def _is_undecided(self, now: Ns) -> bool:
        """Whether the quarter that runs can still end either way.

        A first start draws its past until it is so: whoever looks at a new sandbox sees a market move.
        """
        open_at = _floor(now, QUARTER)
        strike = self._index.settlement(open_at)
        assert strike is not None, "the past begins before the quarter before"
        spec, price = quarter_spec(open_at, strike), self._path[-1][1]
        fair = fair_value(spec, strike, price, self._model.volatility_s, self._index, self._indexed_at)
        return abs(fair - 0.5) < _UNDECIDED

    @property
    def spot(self) -> Money:
        """The present price, to the cent: what a restart should be told."""
        return to_cents(self._model.price)

    # --- the past ----------------------------------------------------------------------------

    def history(self) -> History:
        """Return the past up to `start_at`; the same one each time."""
        if self._history is None:
            self._history = self._make_history()
        return self._history

    def _make_history(self) -> History:
        index, now = self._index, self.start_at
        candles: dict[str, tuple[Candle, ...]] = {}
        trades: list[Traded] = []
        markets: list[PastMarket] = []
        open_at = _floor(now, QUARTER) - QUARTER
        last = quarter_spec(open_at, index.settlement(open_at))
        shown = [life.spec for life in self._lives.values() if life.spec.open_at < now]
        if last.ticker not in self._lives:
            shown.insert(0, last)
        for spec in shown:
            maker = self._draw(spec)
            candles[spec.ticker] = tuple(maker.candles)
            trades += maker.trades
            if spec.ticker == last.ticker and last.ticker not in self._lives:
                markets.append(self._past_market(last, maker.volume))
        trades.sort(key=lambda trade: trade.at)
        # A stream of its own for most of them: how much past is told must not change what is to come.
        random = seeded(self._seed, self.start_at, "past prints")
        older = [self._print(price, at, 0, random) for at, price in self._path[:-_PAST_PRINTS]]
        spot = (*older, *(self._print(price, at, 0) for at, price in self._path[-_PAST_PRINTS:]))
        archive = EconomicsArchive(self._seed)
        return History(candles, tuple(trades), tuple(markets), spot, archive)

    def _draw(self, spec: MarketSpec) -> PastMarketMaker:
        maker = PastMarketMaker(spec, seeded(self._seed, self.start_at, spec.ticker, "past"))
        if spec.strike is not None:
            volatility_s = self._model.volatility_s
            for at, price in self._path:
                if spec.open_at < at <= spec.close_at:
                    maker.second(fair_value(spec, spec.strike, price, volatility_s, self._index, at), at)
        return maker

    def _past_market(self, spec: MarketSpec, volume: int) -> PastMarket:
        value = self._settlement(spec)
        result: MarketResult = "yes" if is_yes(spec, value) else "no"
        return PastMarket(
            spec=msgspec.structs.replace(spec, status="finalized"),
            result=result,
            settlement_price=PRICE_ONE if result == "yes" else 0,
            expiration_value=format_decimal(value // MONEY_CENT, 2),
            volume=volume,
            # A quarter that has just begun: its predecessor is settled a moment early.
            determined_at=min(determined_at(spec), self.start_at),
            settled_at=min(settled_at(spec), self.start_at),
        )

    # --- the present -------------------------------------------------------------------------

    def advance(self, exchange: Exchange, now: Ns) -> list[Telling]:
        """Let happen what happens up to `now`, on the exchange, and return what to publish, in order."""
        told: list[Telling] = []
        if not self._has_begun:
            self._has_begun = True
            self._begin(exchange, told)
        while True:
            is_asleep = now - self._ticked_at > _SLEPT
            beat = SECOND if is_asleep else STEP
            at = _floor(self._ticked_at, beat) + beat
            if at > now:
                return told
            self._tick(exchange, at, told, is_asleep=is_asleep)

    def _begin(self, exchange: Exchange, told: list[Telling]) -> None:
        for name in (*(maker_name(maker) for maker in range(BUSY.makers)), TAKER, INFORMED):
            exchange.open_account(name, {}, is_house=True)
        now = self.start_at
        told += exchange.advance(now)
        for life in self._lives.values():
            told += exchange.list_market(life.spec, now)
        for trade in self.history().trades:
            # What an earlier life of the sandbox counted is not counted again.
            if trade.ticker in self._lives and trade.ticker not in self._adopted:
                exchange.markets[trade.ticker].traded(trade.price, trade.qty)
        self._live(exchange, now, told)

    def _tick(self, exchange: Exchange, at: Ns, told: list[Telling], *, is_asleep: bool) -> None:
        seconds = (at - self._ticked_at) / 1e9
        self._ticked_at = at
        model, random = self._model, self._random
        model.step(seconds)
        while self._indexed_at + SECOND <= at:
            self._indexed_at += SECOND
            value = to_cents(model.price)
            self._index.add(self._indexed_at, value)
            told.append(IndexPrinted(INDEX_ID, value, self._indexed_at))
        if random.random() < _PRINTS_PER_S * seconds:
            ordinal = 0
            told.append(self._print(model.price, at, ordinal))
            while random.random() < 0.12:  # one order that met several
                ordinal += 1
                told.append(self._print(model.price, at, ordinal))
        told += exchange.advance(at)
        if at % MINUTE == 0:
            for spec in self._due(at):
                if spec.ticker not in self._lives:
                    self._lives[spec.ticker] = _Life(spec)
                    told += exchange.list_market(spec, at)
        if at % (100 * MILLISECOND) == 0:
            self._live(exchange, at, told)
        if not is_asleep:
            for life in self._lives.values():
                if life.crowd is not None:
                    told += life.crowd.act(exchange, self._fair(life.spec, at), seconds, at)

    def _live(self, exchange: Exchange, now: Ns, told: list[Telling]) -> None:
        """Take every market to where it should be in its life."""
        over: list[str] = []
        for ticker, life in self._lives.items():
            # An operator may have moved its close, or changed its grid or fees.
            spec = life.spec = exchange.markets[ticker].spec
            if spec.strike is None and now >= spec.open_at + STRIKE_DELAY:
                strike = self._index.settlement(spec.open_at) or self._index.nearest(spec.open_at)
                life.spec = spec = msgspec.structs.replace(spec, strike=strike)
                told += exchange.set_strike(ticker, strike, spec.strike_type, now)
            if now >= spec.close_at:
                life.crowd = None
                if self._finish(exchange, life, now, told):
                    over.append(ticker)
            elif life.crowd is None and spec.strike is not None and now >= spec.open_at:
                temper = BUSY if spec.close_at - spec.open_at == QUARTER else QUIET
                life.crowd = Crowd(spec, temper, seeded(self._seed, self.start_at, ticker, "crowd"))
                told += life.crowd.open_books(exchange, self._fair(spec, now), now)
        for ticker in over:
            del self._lives[ticker]

    def _finish(self, exchange: Exchange, life: _Life, now: Ns, told: list[Telling]) -> bool:
        """Determine and settle a closed market in its time; True when it is over."""
        spec = life.spec
        status = exchange.markets[spec.ticker].status
        if not life.is_determined and now >= determined_at(spec):
            life.is_determined = True
            if status != "closed":
                # An operator was faster.
                return status == "finalized"
            value = self._settlement(spec)
            result: MarketResult = "yes" if is_yes(spec, value) else "no"
            told += exchange.determine(
                spec.ticker,
                result,
                PRICE_ONE if result == "yes" else 0,
                now,
                expiration_value=format_decimal(value // MONEY_CENT, 2),
            )
        if now < settled_at(spec) or status == "disputed":
            return False
        told += exchange.settle(spec.ticker, now)
        return True

    def _settlement(self, spec: MarketSpec) -> Money:
        value = self._index.settlement(spec.close_at)
        # A market that closed while the sandbox was down: nobody knows its last minute.
        return self._index.nearest(spec.close_at) if value is None else value

    def _fair(self, spec: MarketSpec, now: Ns) -> float:
        assert spec.strike is not None, f"{spec.ticker} has no strike"
        return fair_value(spec, spec.strike, self._model.price, self._model.volatility_s, self._index, now)

    def _due(self, now: Ns) -> list[MarketSpec]:
        """Return the markets that should be listed now, those of an hour with strikes around the price."""
        open_at = _floor(now, QUARTER)
        is_known = now >= open_at + STRIKE_DELAY
        specs = [
            quarter_spec(open_at, self._index.settlement(open_at) if is_known else None),
            quarter_spec(open_at + QUARTER, None),
        ]
        hour = _floor(now, HOUR)
        if not self._has_hour(hour):
            specs += hourly_specs(hour, self._index.nearest(hour))
        if now >= hour + HOUR - HOURLY_LEAD and not self._has_hour(hour + HOUR):
            specs += hourly_specs(hour + HOUR, self._index.nearest(now))
        return specs

    def _has_hour(self, hour: Ns) -> bool:
        return any(
            life.spec.open_at == hour and life.spec.close_at == hour + HOUR for life in self._lives.values()
        )

    def _print(self, price: float, at: Ns, ordinal: int, random: Random | None = None) -> SpotPrinted:
        random = random or self._random
        is_buy = random.random() < 0.5
        size = random.lognormvariate(-4.0, 1.4)
        return SpotPrinted(
            symbol=SYMBOL,
            price=round((price + (_HALF_TICK if is_buy else -_HALF_TICK)) * 10) * 100_000,
            qty_e8=max(1_000, round(size * 1e8)),
            is_buy=is_buy,
            # Instants count better than prints: a restart goes on above its earlier life.
            trade_id=at // MILLISECOND * 10 + ordinal,
            at=at,
        )


def _floor(at: Ns, step: Ns) -> Ns:
    return at - at % step
