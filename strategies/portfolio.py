"""Hold a series' markets in proportion to what a daily model expects of them, rebalanced once a day.

Idea: the regressor's expected change of each market's price over a day; weights are those changes divided
by the sum of their sizes (L1), so that the whole portfolio has a fixed stake: YES where the price shall
rise, NO where it shall fall. Once a day, within its hours, each market is brought to its weight, unless it
is near enough: what a small correction gains is less than what it costs.

Source: the daily pipeline (quantitative notes, section 1): its weights, without its defects. The label is a
change in dollars, no percentage (a noisy price biases that upwards); a NO position is sized by what NO
costs; spread and fee stand between a forecast and a trade. No-trade bands: Davis and Norman 1990.

Risks: its published Sharpe of 2.81 over 83 days deflates to a probability of 0.26 after 50 trials. All
markets of a series may turn on one release. The model must say changes: give it a slot of its own; one that
says probabilities would be read as forecasts of a rise in every market.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from daemon.core.explaining import Reason, unscored
from daemon.core.quoting import quotes, share_of_bankroll, wanted_near_mid
from daemon.core.scorer import Output
from daemon.core.sizing import edge
from daemon.core.strategy import MarketView, Wanted
from daemon.core.units import MILLISECOND, PRICE_ONE, QTY_ONE, SECOND, BookSide, Ns, Price, Qty
from daemon.trading_hours import parse_trading_hours

TINY = 1e-9
"""Keeps the weights of a series that is expected to stand still at nothing."""
_TOO_LITTLE = " are too little to add for"


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The knobs, as in `[strategies.portfolio]` of config.toml."""

    hours: str = "Mon-Sun 10:00-10:30 America/New_York"
    """When it rebalances, once a day; "" is always."""
    gross_share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.20
    """Stake of all its markets together, as a share of the equity or of the strategy's capital."""
    no_trade_band: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.25
    """A holding that is off its target by less than this share of it is left as it is."""
    edge_min: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.01
    """Least expected change, in dollars beyond half the spread and the fee, to add to a holding."""
    order_contracts_max: Annotated[int, msgspec.Meta(ge=1)] = 50
    """Largest order, in contracts: what is more comes one order after the other."""
    position_contracts_max: Annotated[int, msgspec.Meta(ge=1)] = 200
    """Position at which no more is wanted on that side, in contracts."""
    limit_away: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.02
    """The farthest from the mid that an order pays, in dollars."""
    quiet_before_close_s: Annotated[int, msgspec.Meta(ge=0)] = 86_400
    """Markets that close sooner than the forecast's horizon are left as they are."""
    book_changed_max_ms: Annotated[int, msgspec.Meta(ge=1)] | Literal["off"] = "off"
    """Longest time since the book last changed; "off" for slow markets."""


class Portfolio:
    """See the module's head."""

    name = "portfolio"
    score_output: Output | None = "change"
    features: tuple[str, ...] = ()

    def __init__(self, params: Params) -> None:
        """Build from parameters. Raises ValueError where `hours` are none."""
        self.params = params
        self._hours = parse_trading_hours(params.hours)
        self._away: Price = round(params.limit_away * PRICE_ONE)
        self._order_max: Qty = params.order_contracts_max * QTY_ONE
        self._position_max: Qty = params.position_contracts_max * QTY_ONE
        limit = params.book_changed_max_ms
        self.book_changed_max: Ns | None = None if limit == "off" else limit * MILLISECOND

    def wants(self, view: MarketView) -> Wanted:
        """Return one order that brings the market to its weight."""
        params, change = self.params, view.score
        if self._hours is not None and not self._hours.is_open(view.now):
            return Wanted((), "rebalanced in its hours only")
        if view.time_to_close < params.quiet_before_close_s * SECOND:
            return Wanted((), "closes within the forecast's horizon")
        if change is None:
            return Wanted((), view.why_no_score)
        found = quotes(view)
        if found is None:
            return Wanted((), "one-sided or crossed book")
        weight = self._weight(view, change)
        bid, ask = found
        side: BookSide = "bid" if weight >= 0 else "ask"
        price = ask if side == "bid" else bid
        stake = min(
            share_of_bankroll(abs(weight) * params.gross_share, view, price, side), self._position_max
        )
        aim: Qty = stake if side == "bid" else -stake
        held = view.own_position
        reason = f"weight {weight:+.2f} of the series, {held / 100:+.2f} of {aim / 100:+.2f} contracts held"
        if abs(aim - held) <= params.no_trade_band * max(abs(aim), abs(held)):
            return Wanted((), f"{reason}: near enough")
        way: BookSide = "bid" if aim > held else "ask"
        # The forecast moves the mid; an entry pays half the spread and the fee on top of it.
        expected = min(1.0, max(0.0, (bid + ask) / 2 / PRICE_ONE + change))
        gain = edge(expected, price, side, view.spec.fees, is_taker=True)
        if way == side and gain < params.edge_min:
            if not held or (held > 0) == (side == "bid"):
                return Wanted((), f"{reason}: {gain * 100:.1f}c{_TOO_LITTLE}")
            aim = 0  # what is held the wrong way goes; what would be bought beyond isn't worth it
        return wanted_near_mid(view, way, min(abs(aim - held), self._order_max), self._away, reason)

    def explain(self, view: MarketView) -> Reason:
        """Return where the chain stopped; only a replay asks."""
        wanted = self.wants(view)
        is_open = self._hours is None or self._hours.is_open(view.now)
        if not is_open or view.time_to_close < self.params.quiet_before_close_s * SECOND:
            return Reason("market", wanted.reason)
        if view.score is None:
            return unscored(view)
        if quotes(view) is None:
            return Reason("market", wanted.reason)
        if wanted.targets:
            return Reason("trades", wanted.reason)
        return Reason("edge" if wanted.reason.endswith(_TOO_LITTLE) else "size", wanted.reason)

    def _weight(self, view: MarketView, change: float) -> float:
        """Return the market's share of the series: its expected change over the sum of the sizes of all.

        One without a forecast counts like this one. After a start none has any yet, and the first market that
        is looked at would be given the stake of all.
        """
        horizon = self.params.quiet_before_close_s * SECOND
        total = abs(change) + TINY
        for peer in view.peers.of_series():
            if peer.spec.close_at - view.now >= horizon:
                total += abs(change if peer.score is None else peer.score)
        return change / total
