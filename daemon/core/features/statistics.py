"""The features themselves: one small class per statistic, found by inspection.

A statistic is told what happens and answers `get(now)`, a float or None while it is warming up or its
input is unknown. Sums are integers; the one conversion to a float is in `get`.
"""

# `Statistic` documents the hooks once for all overrides, and most features of one instant need no `now`.
# ruff: noqa: ARG002, D102

from __future__ import annotations

from math import cos, log1p, pi, sin, sqrt
from typing import ClassVar

from daemon.core.features.definition import FeatureDefinition
from daemon.core.features.inputs import MarketInputs
from daemon.core.features.reference import RETURN_WINDOWS
from daemon.core.features.trade_tape import WINDOW
from daemon.core.features.windows import Lag, WindowSum
from daemon.core.units import DAY, MINUTE, PRICE_ONE, QTY_ONE, SECOND, Ns

_AT_ONCE = "none: known with the first synced book"
_WHOLE_WINDOW = "the book has been synced for the whole window"
_DEPTH_LEVELS = 5
_VOL_MINUTES = 5
_STRIKES_BELOW_YES = frozenset({"greater", "greater_or_equal"})
"""Strike types whose YES is a price above the strike. For any other one the distance is unknown."""


class Statistic:
    """One feature of one market. Hooks that a statistic doesn't define are never called."""

    __slots__ = ("_inputs",)
    definitions: ClassVar[tuple[FeatureDefinition, ...]] = ()
    """The features that this class can be: one per window."""

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        assert definition in self.definitions, f"{definition.name} is not a {type(self).__name__}"
        self._inputs = inputs

    def on_begin(self, at: Ns) -> None:
        """The book became synced at this instant."""

    def on_end(self) -> None:
        """The book is lost: all windows end."""

    def on_top(self, at: Ns) -> None:
        """The top of the book changed."""

    def on_mid(self, at: Ns) -> None:
        """The mid changed, or became known or unknown."""

    def get(self, now: Ns) -> float | None:
        """Return the feature's value at `now`; None when unknown."""
        raise NotImplementedError  # every statistic defines it; the hooks above may stay empty


class Spread(Statistic):
    """Best ask minus best bid; negative for the instants in which the venue shows a crossed book."""

    definitions = (FeatureDefinition(name="spread", unit="$", window=None, source="book", warm_up=_AT_ONCE),)

    def get(self, now: Ns) -> float | None:
        top = self._inputs.top
        return None if top.double_mid is None else (top.ask - top.bid) / PRICE_ONE


class Mid(Statistic):
    """The middle of best bid and best ask."""

    definitions = (FeatureDefinition(name="mid", unit="$", window=None, source="book", warm_up=_AT_ONCE),)

    def get(self, now: Ns) -> float | None:
        double_mid = self._inputs.top.double_mid
        return None if double_mid is None else double_mid / (2 * PRICE_ONE)


class WeightedMid(Statistic):
    """The mid weighted by the opposite sizes: nearer to the ask when more is bid."""

    definitions = (
        FeatureDefinition(name="weighted_mid", unit="$", window=None, source="book", warm_up=_AT_ONCE),
    )

    def get(self, now: Ns) -> float | None:
        top = self._inputs.top
        if top.double_mid is None:
            return None
        size = top.bid_size + top.ask_size
        return (top.bid * top.ask_size + top.ask * top.bid_size) / (PRICE_ONE * size)


class TopImbalance(Statistic):
    """(bid size - ask size) / (bid size + ask size) at the best prices."""

    definitions = (
        FeatureDefinition(name="top_imbalance", unit="1", window=None, source="book", warm_up=_AT_ONCE),
    )

    def get(self, now: Ns) -> float | None:
        top = self._inputs.top
        if top.double_mid is None:
            return None
        return (top.bid_size - top.ask_size) / (top.bid_size + top.ask_size)


class DepthImbalance(Statistic):
    """The imbalance of the summed sizes of the best five prices of each side; None if both are empty."""

    definitions = (
        FeatureDefinition(name="depth_imbalance_5", unit="1", window=None, source="book", warm_up=_AT_ONCE),
    )

    def get(self, now: Ns) -> float | None:
        book = self._inputs.book
        if book is None:
            return None
        bids, asks = book.yes.depth(_DEPTH_LEVELS), book.no.depth(_DEPTH_LEVELS)
        return (bids - asks) / (bids + asks) if bids + asks else None


class OrderFlowImbalance(Statistic):
    """Net size that joined the bid or left the ask at the best prices, over a window."""

    __slots__ = ("_sum",)
    definitions = tuple(
        FeatureDefinition(
            name=f"ofi_{window_s}s",
            unit="contracts",
            window=window_s * SECOND,
            source="book",
            warm_up=_WHOLE_WINDOW,
            citation="Cont, Kukanov, Stoikov 2014, The Price Impact of Order Book Events, eq. 2-3",
        )
        for window_s in (1, 10, 60)
    )

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        super().__init__(inputs, definition)
        assert definition.window is not None
        self._sum = WindowSum(definition.window)

    def on_begin(self, at: Ns) -> None:
        self._sum.begin(at)

    def on_end(self) -> None:
        self._sum.end()

    def get(self, now: Ns) -> float | None:
        flow = self._sum.get(now)
        return None if flow is None else flow / QTY_ONE

    def on_top(self, at: Ns) -> None:
        flow = self._inputs.top.flow
        if flow:
            self._sum.add(at, flow)


class TradeFlow(Statistic):
    """Contracts that takers bought as YES minus those bought as NO, over a window of our clock."""

    definitions = (
        FeatureDefinition(
            name="trade_flow_60s",
            unit="contracts",
            window=WINDOW,
            source="trades",
            warm_up="every trade of the whole window was streamed, or backfilled",
        ),
    )

    def get(self, now: Ns) -> float | None:
        flow = self._inputs.trades.flow(now)
        return None if flow is None else flow / QTY_ONE


class MidMomentum(Statistic):
    """The mid now minus the mid a window ago.

    Where the live book doesn't reach back so far, windows of a minute and more take the closing quotes
    of the backfilled one-minute candle in force at that instant: a value up to a minute older than asked.
    """

    __slots__ = ("_has_candles", "_lag", "_window")
    definitions = tuple(
        FeatureDefinition(
            name=f"mid_momentum_{window_s}s",
            unit="$",
            window=window_s * SECOND,
            source="book",
            warm_up=_WHOLE_WINDOW if window_s < 60 else f"{_WHOLE_WINDOW}, or a candle ended just before it",
        )
        for window_s in (5, 60, 300)
    )

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        super().__init__(inputs, definition)
        assert definition.window is not None
        self._window = definition.window
        self._has_candles = definition.window >= MINUTE
        self._lag = Lag(definition.window)

    def on_end(self) -> None:
        self._lag.end()

    def on_mid(self, at: Ns) -> None:
        self._lag.add(at, self._inputs.top.double_mid)

    def get(self, now: Ns) -> float | None:
        inputs = self._inputs
        double_mid = inputs.top.double_mid
        if double_mid is None:
            return None
        past = self._lag.get(now)
        if past is None and self._has_candles:
            then = now - self._window
            began_at = self._lag.began_at
            if began_at is None or began_at > then:
                past = inputs.minutes.known.get(then // MINUTE)
        return None if past is None else (double_mid - past) / (2 * PRICE_ONE)


class RealisedVolatility(Statistic):
    """Root mean square of the mid's last five one-minute changes, per square root of a minute.

    Sampled at whole minutes, because that is what candles can backfill: live samples where the book
    was synced, closing quotes of one-minute candles before that.
    """

    __slots__ = ("_computed", "_minute", "_revision")
    definitions = (
        FeatureDefinition(
            name="realised_vol_300s",
            unit="$ per sqrt(minute)",
            window=_VOL_MINUTES * MINUTE,
            source="book",
            warm_up="the mid is known at the last six whole minutes, live or from candles",
        ),
    )

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        super().__init__(inputs, definition)
        self._minute = -1
        self._revision = -1
        self._computed: float | None = None

    def get(self, now: Ns) -> float | None:
        minutes = self._inputs.minutes
        minutes.sample(now)
        last = (now - 1) // MINUTE
        if last != self._minute or minutes.revision != self._revision:
            self._minute, self._revision = last, minutes.revision
            self._computed = self._compute(last)
        return self._computed

    def _compute(self, last: int) -> float | None:
        known = self._inputs.minutes.known
        total = 0
        before = known.get(last - _VOL_MINUTES)
        for minute in range(last - _VOL_MINUTES + 1, last + 1):
            mid = known.get(minute)
            if mid is None or before is None:
                return None
            total += (mid - before) ** 2
            before = mid
        return sqrt(total / _VOL_MINUTES) / (2 * PRICE_ONE)


class ReferenceReturn(Statistic):
    """Log return of the reference price over a window."""

    __slots__ = ("_window",)
    definitions = tuple(
        FeatureDefinition(
            name=f"reference_return_{window // SECOND}s",
            unit="1",
            window=window,
            source="reference",
            warm_up="a reference price at least a window old",
        )
        for window in RETURN_WINDOWS
    )

    def __init__(self, inputs: MarketInputs, definition: FeatureDefinition) -> None:
        super().__init__(inputs, definition)
        assert definition.window is not None
        self._window = definition.window

    def get(self, now: Ns) -> float | None:
        return self._inputs.spot.log_return(self._window, now)


class ReferenceVolatility(Statistic):
    """Root mean square of one-second relative changes of the reference price over up to five minutes."""

    definitions = (
        FeatureDefinition(
            name="reference_vol_300s",
            unit="per sqrt(second)",
            window=300 * SECOND,
            source="reference",
            warm_up="ten one-second changes; the window grows from there to 300",
        ),
    )

    def get(self, now: Ns) -> float | None:
        return self._inputs.spot.volatility(now)


def _strike_distance(inputs: MarketInputs) -> float | None:
    spec = inputs.spec
    strike, price = spec.strike, inputs.spot.price
    if strike is None or strike <= 0 or price is None or spec.strike_type not in _STRIKES_BELOW_YES:
        return None
    return log1p((price - strike) / strike)


class StrikeDistance(Statistic):
    """ln(reference price / strike): positive when the market would settle YES now.

    None unless the strike is known and YES means a price above it.
    """

    definitions = (
        FeatureDefinition(
            name="strike_distance",
            unit="1",
            window=None,
            source="reference",
            warm_up="none: known with the strike and the first reference price",
        ),
    )

    def get(self, now: Ns) -> float | None:
        return _strike_distance(self._inputs)


class StrikeDistanceSigma(Statistic):
    """The strike distance in standard deviations of the time that is left, by `reference_vol_300s`."""

    definitions = (
        FeatureDefinition(
            name="strike_distance_sigma",
            unit="1",
            window=300 * SECOND,
            source="reference",
            warm_up="as reference_vol_300s; None at and after the close, and while nothing moves",
            citation="Black, Scholes 1973 (d2 without drift)",
        ),
    )

    def get(self, now: Ns) -> float | None:
        inputs = self._inputs
        left = inputs.spec.close_at - now
        if left <= 0:
            return None
        distance = _strike_distance(inputs)
        volatility = inputs.spot.volatility(now)
        if distance is None or not volatility:
            return None
        return distance / (volatility * sqrt(left / SECOND))


class SecondsToClose(Statistic):
    """Seconds until the market closes; negative after it."""

    definitions = (
        FeatureDefinition(name="seconds_to_close", unit="s", window=None, source="clock", warm_up="none"),
    )

    def get(self, now: Ns) -> float | None:
        return (self._inputs.spec.close_at - now) / SECOND


class TimeOfDaySine(Statistic):
    """Sine of the UTC time of day as an angle."""

    definitions = (FeatureDefinition(name="tod_sin", unit="1", window=None, source="clock", warm_up="none"),)

    def get(self, now: Ns) -> float | None:
        return sin(now % DAY / DAY * 2 * pi)


class TimeOfDayCosine(Statistic):
    """Cosine of the UTC time of day as an angle."""

    definitions = (FeatureDefinition(name="tod_cos", unit="1", window=None, source="clock", warm_up="none"),)

    def get(self, now: Ns) -> float | None:
        return cos(now % DAY / DAY * 2 * pi)
