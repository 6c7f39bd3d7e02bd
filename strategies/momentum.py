"""Go with a slow market that moves: the parallel strategy to `mean_reversion`, of lower correlation to it.

Idea: news reach these markets over hours. Where the price has moved by enough within the last hour, and is
not yet so far from its mean of a week that `mean_reversion` bets on its return, buy the side that it moves
to, and leave once the move has ended. The two act on disjoint states of a market, on horizons of an hour
and of days, and lose on different days.

Source: the rule bot's second strategy (quantitative notes, section 1), whose rule was never published;
time-series momentum as in Moskowitz, Ooi and Pedersen 2012 (Journal of Financial Economics 104), here on
one horizon. A rule, no evidence.

Risks: it buys after the move and pays the spread both ways; in a market that only bounces between bid and
ask it loses the spread each time, which is what `momentum_min` is for.
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
    """The knobs, as in `[strategies.momentum]` of config.toml."""

    window_s: Annotated[int, msgspec.Meta(ge=60, le=3_600)] = 3_600
    """Seconds over which the move is measured."""
    momentum_min: Points = 0.04
    """Least move of the mid within that, in dollars, to enter."""
    exit_momentum: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    """Move in our direction at which a position has run its course and is given up, in dollars."""
    deviation_max: Points = 0.12
    """Farthest from the mean of 7 days at which it enters: beyond, `mean_reversion` bets on the return."""
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


class Momentum:
    """See the module's head."""

    name = "momentum"
    score_output: Output | None = None

    def __init__(self, params: Params) -> None:
        """Build from parameters. Raises ValueError where `hours` are none, or an entry is an exit too."""
        if params.exit_momentum >= params.momentum_min:
            words = f"{params.exit_momentum} must be below momentum_min ({params.momentum_min})"
            raise ValueError(f"exit_momentum: {words}")
        self.params = params
        self._move, self._deviation = f"mid_momentum_{params.window_s}s", "mean_deviation_7d"
        self.features: tuple[str, ...] = (self._move, self._deviation)
        self._hours = parse_trading_hours(params.hours)
        self._away: Price = round(params.limit_away * PRICE_ONE)
        self._order_max: Qty = params.order_contracts_max * QTY_ONE
        self._position_max: Qty = params.position_contracts_max * QTY_ONE
        limit = params.book_changed_max_ms
        self.book_changed_max: Ns | None = None if limit == "off" else limit * MILLISECOND

    def wants(self, view: MarketView) -> Wanted:
        """Return one order in the direction of the move, or one that gives up what moves no more."""
        params = self.params
        if self._hours is not None and not self._hours.is_open(view.now):
            return Wanted((), "outside its hours")
        if view.time_to_close < params.quiet_before_close_s * SECOND:
            return Wanted((), "quiet before the close")
        found = quotes(view)
        if found is None:
            return Wanted((), "one-sided or crossed book")
        move, deviation = view.features[self._move], view.features[self._deviation]
        if move is None:
            return Wanted((), f"{self._move} unknown yet")
        held = view.own_position
        if held and move * (1 if held > 0 else -1) <= params.exit_momentum:
            return self._one(view, "ask" if held > 0 else "bid", abs(held), "the move has ended", move)
        if abs(move) < params.momentum_min:
            return Wanted((), f"{move * 100:+.1f}c within {params.window_s} s: too little to enter")
        if deviation is None:
            return Wanted((), f"{self._deviation} unknown yet")
        if abs(deviation) >= params.deviation_max:
            return Wanted((), f"{deviation * 100:+.1f}c from its mean: too far to follow")
        if not is_traded(view, params.volume_day_contracts_min):
            return Wanted((), "too little traded in a day")
        side: BookSide = "bid" if move > 0 else "ask"
        price = found[1] if side == "bid" else found[0]
        has = held if side == "bid" else -held
        stake = share_of_bankroll(params.portfolio_share, view, price, side)
        qty = min(stake, self._position_max) - has
        return self._one(view, side, qty, "it moves", move)

    def explain(self, view: MarketView) -> Reason:
        """Return where the chain stopped; only a replay asks."""
        params, wanted = self.params, self.wants(view)
        move, deviation, text = view.features[self._move], view.features[self._deviation], wanted.reason
        is_open = self._hours is None or self._hours.is_open(view.now)
        if not is_open or view.time_to_close < params.quiet_before_close_s * SECOND or quotes(view) is None:
            return Reason("market", text)
        if move is None:
            return Reason("warm-up", text)
        moved = abs(move), params.momentum_min
        if wanted.targets:
            return Reason("trades", text, *moved)
        held = view.own_position
        if held and move * (1 if held > 0 else -1) <= params.exit_momentum:
            return Reason("size", text)
        if moved[0] < moved[1]:
            return Reason("edge", text, *moved)
        if deviation is None:
            return Reason("warm-up", text)
        if abs(deviation) >= params.deviation_max:
            return Reason("edge", text, *moved)
        is_quiet = not is_traded(view, params.volume_day_contracts_min)
        return Reason("market" if is_quiet else "size", text, *moved)

    def _one(self, view: MarketView, side: BookSide, qty: int, why: str, move: float) -> Wanted:
        reason = f"{move * 100:+.1f}c: {why}"
        return wanted_near_mid(view, side, min(qty, self._order_max), self._away, reason)
