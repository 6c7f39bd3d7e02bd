"""A weekly economic series' past: markets that were settled, with every quote and trade of their five weeks.

`KXCPIWK`: an event a week, closed on Thursday at 12:25 UTC, settled ten minutes later on a number that is
told then; five markets, "above x %". What the number will be is a forecast that walks; a market's price is
what that makes of its strike, less or more by a mood of its own that fades within days. So the price of
yesterday says a little about tomorrow's, some hundredths of its variance: a daily pipeline has something to
find. That it finds it here says nothing of a real market.

All of it follows from the seed and the calendar alone: each life of a sandbox has the same past, and a week
later one event more. Nothing is drawn before it is asked for: the numbers with the first list of markets, a
market's quotes and trades with its own first candle or print.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from itertools import accumulate
from math import erfc, sqrt
from random import Random
from typing import Final

import msgspec

from daemon.core.markets import Fees, MarketSpec
from daemon.core.units import (
    DAY,
    HOUR,
    MINUTE,
    MONEY_ONE,
    PRICE_ONE,
    QTY_ONE,
    SECOND,
    Money,
    Ns,
    Price,
    PriceGrid,
    Qty,
    format_decimal,
)
from daemon.exchange.facts import Traded
from daemon.exchange.market import Market
from daemon.exchange.tick_tables import LINEAR_CENT
from daemon.sandbox.catalog import SeriesListing
from daemon.sandbox.flow import Candle, Ohlc
from daemon.sandbox.flows.spot import seeded

SERIES: Final = SeriesListing(
    "KXCPIWK", "CPI nowcast", "Economics", ("Inflation",), "weekly", "kalshid sandbox"
)
KEPT_FOR: Final[Ns] = 280 * DAY
"""How long after its settlement an event is told of: forty of them, for judging by events needs as many."""

_WEEK: Final = 7 * DAY
_CLOSE: Final = 12 * HOUR + 25 * MINUTE
_LIFE: Final = 35 * DAY
_DETERMINED: Final = 6 * MINUTE
_SETTLED: Final = 10 * MINUTE
_STRIKES: Final = range(-2, 3)
_STRIKE_STEP: Final[Money] = MONEY_ONE // 10
_FEES: Final = Fees("quadratic_with_maker_fees", MONEY_ONE)
_SHARD: Final = 0

_MEAN, _MEAN_SPREAD = 0.25, 0.12
_WALK_HOUR: Final = 0.012 / sqrt(24)
"""Per cent that the forecast walks in an hour, as a standard deviation."""
_SURPRISE: Final = 0.12
_MOOD_KEEP: Final = 0.5 ** (1 / 30)
"""Half of a mood is gone in thirty hours."""
_MOOD_SPREAD: Final = 0.12
_MOOD: Final = _MOOD_SPREAD * sqrt(1 - _MOOD_KEEP**2)
_HALF_SPREAD: Final = 0.012
_TRADES_AN_HOUR: Final = 0.25
_TRADE_QTY: Final = 25.0


class _Event:
    """One week's number: its forecast at every hour of the event's life, and what it was."""

    def __init__(self, seed: int, week: int) -> None:
        # The epoch was a Thursday: whole weeks since then are Thursdays too.
        self.close_at: Ns = week * _WEEK + _CLOSE
        self.open_at: Ns = self.close_at - _CLOSE + 15 * HOUR - _LIFE
        close = datetime.fromtimestamp(self.close_at // SECOND, UTC)
        self.ticker = f"{SERIES.ticker}-{close:%y%b%d}".upper()
        self._random = seeded(seed, self.ticker)
        self._first = self._random.gauss(_MEAN, _MEAN_SPREAD)
        self.middle: Money = round(self._first * 10) * _STRIKE_STEP

    @cached_property
    def path(self) -> list[float]:
        """Return the forecast at every whole hour since the open, in per cent."""
        gauss = self._random.gauss
        steps = (gauss(0.0, _WALK_HOUR) for _ in range((self.close_at - self.open_at) // HOUR + 1))
        return list(accumulate(steps, initial=self._first))

    @cached_property
    def value(self) -> Money:
        """Return the number, in 1e-6 per cent, told to a thousandth."""
        last = self.path[-1]
        return round((last + self._random.gauss(0.0, _SURPRISE)) * 1_000) * (MONEY_ONE // 1_000)


class _Past(msgspec.Struct, frozen=True):
    """One market's quotes and trades: from `changed_at[i]` on, `bids[i]` and `asks[i]` stood."""

    changed_at: list[Ns]
    bids: list[Price]
    asks: list[Price]
    trades: list[Traded]
    traded_at: list[Ns]
    held: list[Qty]
    """Open interest after each trade."""


class SettledMarket(Market):
    """A settled market; what its trades say of it is counted when somebody looks."""

    def __init__(self, spec: MarketSpec, event: _Event, seed: int) -> None:
        self._seed, self._event = seed, event
        super().__init__(spec, spec.open_at)
        assert spec.strike is not None, f"{spec.ticker} has no strike"
        is_yes = event.value > spec.strike
        value = format_decimal(event.value // (MONEY_ONE // 1_000), 3)
        self.determine(
            "yes" if is_yes else "no", PRICE_ONE if is_yes else 0, value, spec.close_at + _DETERMINED
        )
        self.settled_at = spec.close_at + _SETTLED
        self.updated_at = self.settled_at

    @cached_property
    def past(self) -> _Past:
        """Return its quotes and trades; drawn once."""
        return _draw(self.spec, self._event, seeded(self._seed, self.spec.ticker, "past"))

    @property
    def last(self) -> Price | None:
        """Return the YES price of the last trade; None without one."""
        return self.past.trades[-1].price if self.past.trades else None

    @last.setter
    def last(self, _price: Price | None) -> None:
        """Whatever a new market begins with: its trades are known."""

    @property
    def volume(self) -> Qty:
        """Return the contracts traded."""
        return sum(trade.qty for trade in self.past.trades)

    @volume.setter
    def volume(self, _qty: Qty) -> None:
        """As `last`."""

    @property
    def open_interest(self) -> Qty:
        """Return the contracts held at the close."""
        return self.past.held[-1] if self.past.held else 0

    @open_interest.setter
    def open_interest(self, _qty: Qty) -> None:
        """As `last`."""


class EconomicsArchive:
    """The settled markets of the series; the protocol is `daemon.sandbox.flow.Archive`."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._weeks: range = range(0)
        self._markets: dict[str, Market] = {}

    def __eq__(self, other: object) -> bool:
        """Whether both tell the same: one seed, one past."""
        return isinstance(other, EconomicsArchive) and self._seed == other._seed

    def __hash__(self) -> int:
        """As equal ones must have it."""
        return hash(self._seed)

    @property
    def listing(self) -> SeriesListing:
        """What the series is."""
        return SERIES

    def markets(self, now: Ns) -> dict[str, Market]:
        """Return what was settled within `KEPT_FOR` before an instant, by ticker, oldest first."""
        last = (now - _CLOSE - _SETTLED) // _WEEK
        weeks = range(max(0, last - KEPT_FOR // _WEEK + 1), last + 1)
        if weeks != self._weeks:
            self._weeks = weeks
            known = self._markets
            fresh = (market for week in weeks for market in self._of_week(week))
            self._markets = {market.ticker: known.get(market.ticker, market) for market in fresh}
        return self._markets

    def _of_week(self, week: int) -> Iterator[Market]:
        event = _Event(self._seed, week)
        for step in _STRIKES:
            strike = event.middle + step * _STRIKE_STEP
            text = format_decimal(strike // (MONEY_ONE // 10), 1)
            spec = MarketSpec(
                ticker=f"{event.ticker}-T{text}",
                event_ticker=event.ticker,
                series_ticker=SERIES.ticker,
                title=f"CPI nowcast above {text}%?",
                status="finalized",
                open_at=event.open_at,
                close_at=event.close_at,
                strike=strike,
                strike_type="greater",
                bands=LINEAR_CENT,
                fees=_FEES,
                exchange_index=_SHARD,
            )
            yield SettledMarket(spec, event, self._seed)

    def trades_of(self, ticker: str) -> list[Traded] | None:
        """Return a market's trades, oldest first; None where it is none of ours."""
        market = self._market(ticker)
        return None if market is None else market.past.trades

    def candles(self, ticker: str, start_at: Ns, end_at: Ns, period: Ns) -> list[Candle]:
        """Return a market's candles that end within [start_at, end_at], oldest first, none missing."""
        market = self._market(ticker)
        if market is None:
            return []
        spec = market.spec
        first = max(_end(start_at, period), _end(spec.open_at + 1, period))
        last = min(end_at, _end(spec.close_at, period))
        return [_candle(market.past, end, period) for end in range(first, last + 1, period)]

    def latest_before(self, ticker: str, at: Ns) -> Candle | None:
        """Return the last minute that ended before an instant; None if there is none."""
        market = self._market(ticker)
        if market is None:
            return None
        end = min(_end(at, MINUTE) - MINUTE, _end(market.spec.close_at, MINUTE))
        return _candle(market.past, end, MINUTE) if end > market.spec.open_at else None

    def last_price_before(self, ticker: str, at: Ns) -> Price | None:
        """Return the last price of the minutes that ended before an instant; None if none was traded."""
        market = self._market(ticker)
        if market is None:
            return None
        count = bisect_right(market.past.traded_at, _end(at, MINUTE) - MINUTE)
        return market.past.trades[count - 1].price if count else None

    def _market(self, ticker: str) -> SettledMarket | None:
        found = self._markets.get(ticker)
        return found if isinstance(found, SettledMarket) else None


def _end(at: Ns, period: Ns) -> Ns:
    return -(-at // period) * period


def _draw(spec: MarketSpec, event: _Event, random: Random) -> _Past:
    grid, strike = PriceGrid(spec.bands), (spec.strike or 0) / MONEY_ONE
    past = _Past([], [], [], [], [], [])
    mood, held = random.gauss(0.0, _MOOD_SPREAD), 0
    for hour, forecast in enumerate(event.path[:-1]):
        begin = spec.open_at + hour * HOUR
        left_hours = (spec.close_at - begin) / HOUR
        spread = sqrt(_WALK_HOUR**2 * left_hours + _SURPRISE**2)
        fair = 0.5 * erfc((strike - forecast) / spread / sqrt(2))
        mood = _MOOD_KEEP * mood + random.gauss(0.0, _MOOD)
        doubt = 4 * fair * (1 - fair)
        view, half = fair + doubt * mood, 0.004 + _HALF_SPREAD * doubt
        changed_at = begin if hour == 0 else begin + random.randrange(3_600) * SECOND
        if changed_at < spec.close_at:
            past.changed_at.append(changed_at)
            past.bids.append(grid.floor(int((view - half) * PRICE_ONE)) or 0)
            past.asks.append(grid.ceil(int((view + half) * PRICE_ONE) + 1) or PRICE_ONE)
        for at in _instants(spec, begin, random):
            _trade(spec, past, at, mood, random)
    for trade in past.trades:
        held += trade.qty // 2
        past.held.append(held)
        past.traded_at.append(trade.at)
    return past


def _instants(spec: MarketSpec, begin: Ns, random: Random) -> list[Ns]:
    """When somebody trades within an hour: seldom, now and then more than once."""
    found = []
    while random.random() < _TRADES_AN_HOUR:
        found.append(begin + random.randrange(1, HOUR))
    return sorted(at for at in found if at < spec.close_at)


def _trade(spec: MarketSpec, past: _Past, at: Ns, mood: float, random: Random) -> None:
    """Somebody takes the best price that stands; in a good mood rather YES."""
    place = max(0, bisect_right(past.changed_at, at) - 1)
    is_buy = random.random() < 0.5 + mood
    price = past.asks[place] if is_buy else past.bids[place]
    qty: Qty = max(1, round(_TRADE_QTY * random.lognormvariate(0.0, 1.0))) * QTY_ONE
    if 0 < price < PRICE_ONE:
        name = f"past-{spec.ticker}-{len(past.trades) + 1}"
        past.trades.append(Traded(spec.ticker, name, price, qty, "yes" if is_buy else "no", at))


def _candle(past: _Past, end: Ns, period: Ns) -> Candle:
    """The candle of (end - period, end]: it opens with what stood before it, where something did."""
    first = bisect_right(past.changed_at, end - period)
    last = bisect_right(past.changed_at, end)
    some = slice(max(0, first - 1), max(last, 1))
    traded = slice(bisect_right(past.traded_at, end - period), bisect_right(past.traded_at, end))
    trades = past.trades[traded]
    prices = [trade.price for trade in trades]
    return Candle(
        end,
        _ohlc(past.bids[some]),
        _ohlc(past.asks[some]),
        _ohlc(prices) if prices else None,
        sum(trade.qty for trade in trades),
        past.held[traded.stop - 1] if traded.stop else 0,
        sum(trade.price * trade.qty for trade in trades),
    )


def _ohlc(prices: list[Price]) -> Ohlc:
    return Ohlc(prices[0], max(prices), min(prices), prices[-1])
