"""Trade slow markets back towards their mean of a week.

Idea: where the price is far from its rolling mean of the last days, buy what has become cheap: YES below
the mean, NO above it. A small share of the portfolio in each market, limit orders close to the mid, in
waking hours, never in the last hours before the close. What came back is given up.

Source: the rule bot on economics markets (quantitative notes, section 1): 12 points, 2% of the portfolio, 2
cents, 500 contracts a day, 4 hours, 08:00-18:00 New York. Its published results contradict themselves:
these are parameters, no evidence. For the opposite view, see `momentum`.

Risks: a price that moved on news doesn't come back; without a model there is no fair value to tell the two
apart. Nothing stops a loser but the market's own limits and the close. The spread of slow markets, paid
twice, eats much of a reversion.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from daemon.core.explaining import Reason
from daemon.core.quoting import is_traded, quotes, share_of_bankroll, wanted_near_mid
from daemon.core.scorer import Output
from daemon.core.strategy import MarketView, Wanted
from daemon.core.units import MILLISECOND, PRICE_ONE, QTY_ONE, SECOND, BookSide, Ns, Price, Qty
from daemon.trading_hours import parse_trading_hours

Points = Annotated[float, msgspec.Meta(gt=0, lt=1)]


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The knobs, as in `[strategies.mean_reversion]` of config.toml."""

    window_days: Annotated[int, msgspec.Meta(ge=1, le=30)] = 7
    """Days of the rolling mean."""
    deviation_min: Points = 0.12
    """Least distance of the price from its mean, in dollars, to enter."""
    exit_deviation: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.02
    """Distance from the mean at which a position has come back and is given up, in dollars."""
    portfolio_share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.02
    """Stake in one market, as a share of the equity or of the strategy's capital."""
    order_contracts_max: Annotated[int, msgspec.Meta(ge=1)] = 50
    """Largest order, in contracts: what is more comes one order after the other."""
    position_contracts_max: Annotated[int, msgspec.Meta(ge=1)] = 200
    """Position at which no more is wanted on that side, in contracts."""
    limit_away: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.02
    """The farthest from the mid that an order pays, in dollars."""
    volume_day_contracts_min: Annotated[int, msgspec.Meta(ge=0)] = 500
    """Contracts traded in 24 hours, below which a market is left alone."""
    quiet_before_close_s: Annotated[int, msgspec.Meta(ge=0)] = 14_400
    """No orders in the last seconds before the close."""
    hours: str = "Mon-Sun 08:00-18:00 America/New_York"
    """When it acts; "" is always."""
    book_changed_max_ms: Annotated[int, msgspec.Meta(ge=1)] | Literal["off"] = "off"
    """Longest time since the book last changed; "off" for slow markets."""


class MeanReversion:
    """See the module's head."""

    name = "mean_reversion"
    score_output: Output | None = None

    def __init__(self, params: Params) -> None:
        """Build from parameters. Raises ValueError where `hours` are none, or an entry is an exit too."""
        if params.exit_deviation >= params.deviation_min:
            words = f"{params.exit_deviation} must be below deviation_min ({params.deviation_min})"
            raise ValueError(f"exit_deviation: {words}")
        self.params = params
        self._deviation = f"mean_deviation_{params.window_days}d"
        self.features: tuple[str, ...] = (self._deviation,)
        self._hours = parse_trading_hours(params.hours)
        self._away: Price = round(params.limit_away * PRICE_ONE)
        self._order_max: Qty = params.order_contracts_max * QTY_ONE
        self._position_max: Qty = params.position_contracts_max * QTY_ONE
        limit = params.book_changed_max_ms
        self.book_changed_max: Ns | None = None if limit == "off" else limit * MILLISECOND

    def wants(self, view: MarketView) -> Wanted:
        """Return one order towards the mean, or one that gives up what has come back."""
        params = self.params
        if self._hours is not None and not self._hours.is_open(view.now):
            return Wanted((), "outside its hours")
        if view.time_to_close < params.quiet_before_close_s * SECOND:
            return Wanted((), "quiet before the close")
        deviation = view.features[self._deviation]
        found = quotes(view)
        if found is None:
            return Wanted((), "one-sided or crossed book")
        if deviation is None:
            return Wanted((), f"{self._deviation} unknown yet")
        held = view.own_position
        if held and deviation * (1 if held > 0 else -1) > -params.exit_deviation:
            return self._one(view, "ask" if held > 0 else "bid", abs(held), "is back at its mean", deviation)
        if abs(deviation) < params.deviation_min:
            return Wanted((), f"{deviation * 100:+.1f}c from its mean: too near to enter")
        if not is_traded(view, params.volume_day_contracts_min):
            return Wanted((), "too little traded in a day")
        side: BookSide = "bid" if deviation < 0 else "ask"
        price = found[1] if side == "bid" else found[0]
        has = held if side == "bid" else -held
        stake = share_of_bankroll(params.portfolio_share, view, price, side)
        qty = min(stake, self._position_max) - has
        return self._one(view, side, qty, "is off its mean", deviation)

    def explain(self, view: MarketView) -> Reason:
        """Return where the chain stopped; only a replay asks."""
        params, wanted = self.params, self.wants(view)
        deviation, text = view.features[self._deviation], wanted.reason
        is_open = self._hours is None or self._hours.is_open(view.now)
        if not is_open or view.time_to_close < params.quiet_before_close_s * SECOND or quotes(view) is None:
            return Reason("market", text)
        if deviation is None:
            return Reason("warm-up", text)
        off = abs(deviation), params.deviation_min
        if wanted.targets:
            return Reason("trades", text, *off)
        held = view.own_position
        if held and deviation * (1 if held > 0 else -1) > -params.exit_deviation:
            return Reason("size", text)
        if off[0] < off[1]:
            return Reason("edge", text, *off)
        is_quiet = not is_traded(view, params.volume_day_contracts_min)
        return Reason("market" if is_quiet else "size", text, *off)

    def _one(self, view: MarketView, side: BookSide, qty: int, why: str, deviation: float) -> Wanted:
        reason = f"{deviation * 100:+.1f}c: {why}"
        return wanted_near_mid(view, side, min(qty, self._order_max), self._away, reason)
