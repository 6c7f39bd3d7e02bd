"""Quote both sides around fair value, leaning against what the event's markets hold.

Idea: a maker is paid the spread for holding risk. The risk of a contract until it settles is the variance
of its outcome, p (1 - p), whatever the time left: a fair price is a martingale that ends at 0 or 1. So the
price at which one more contract is worth nothing to us lies below fair value by what the inventory's
covariance with this market costs, and the quotes stand around that price. Strikes of one event share their
outcome: their inventory counts here too, with the covariance that the event's structure implies.

    reservation = p - risk_aversion * sum_j inventory_j * cov(market, j)
    half width  = edge_min + risk_aversion / 2 * p (1 - p), after the maker's fee

Source: Avellaneda and Stoikov 2008 (Quantitative Finance 8), reservation price and optimal spread, with the
remaining variance sigma^2 (T - t) of a binary, p (1 - p); Gueant, Lehalle and Fernandez-Tapia 2013 for
several assets. Their term (1/g) ln(1 + g/k) for the competition is the parameter `edge_min` here.

Risks: adverse selection. Our own fill experiment: an order at the best bid that is filled only when the
level is cleared loses 1.57 c within 30 s (quantitative notes, section 4). A model that is slower than the
market is picked off on both sides.
"""

from __future__ import annotations

from math import inf
from typing import Annotated, Literal

import msgspec

from daemon.core.explaining import Reason, unscored
from daemon.core.quoting import quotes
from daemon.core.sizing import price_for_edge
from daemon.core.strategy import MarketView, Peer, Target, Wanted
from daemon.core.units import MILLISECOND, PRICE_ONE, QTY_ONE, SECOND, BookSide, Ns, Price, Qty

REST_AWAY_MAX: Price = 900
"""No order rests farther than this from the best opposite price: nothing would come of it soon."""
SIDES: tuple[BookSide, ...] = ("bid", "ask")


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The knobs, as in `[strategies.market_maker]` of config.toml."""

    edge_min: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.02
    """Least gain of a quote against the reservation price, in dollars per contract after fees."""
    risk_aversion: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.001
    """Dollars that a contract of inventory moves the reservation price by, per unit of variance."""
    order_contracts: Annotated[int, msgspec.Meta(ge=1)] = 20
    """Size of a quote, in contracts."""
    position_contracts_max: Annotated[int, msgspec.Meta(ge=1)] = 100
    """Position at which no more is quoted on that side, in contracts."""
    event_contracts_max: Annotated[int, msgspec.Meta(ge=1)] = 200
    """Positions in an event's markets together, beyond which only what reduces is quoted, in contracts."""
    quiet_before_close_s: Annotated[int, msgspec.Meta(ge=0)] = 60
    """No quotes in the last seconds before the close."""
    book_changed_max_ms: Annotated[int, msgspec.Meta(ge=1)] | Literal["off"] = 500
    """Longest time since the book last changed; "off" for slow markets."""


class MarketMaker:
    """See the module's head."""

    name = "market_maker"
    features: tuple[str, ...] = ()

    def __init__(self, params: Params) -> None:
        self.params = params
        limit = params.book_changed_max_ms
        self.book_changed_max: Ns | None = None if limit == "off" else limit * MILLISECOND

    def wants(self, view: MarketView) -> Wanted:
        """Return a quote on each side that there is room for."""
        params, fair = self.params, view.score
        if fair is None:
            return Wanted((), view.why_no_score)
        if view.time_to_close < params.quiet_before_close_s * SECOND:
            return Wanted((), "quiet before the close")
        if quotes(view) is None:
            return Wanted((), "one-sided or crossed book")
        variance = fair * (1 - fair)
        reservation = fair - params.risk_aversion * self._inventory(view, fair)
        width = params.edge_min + params.risk_aversion / 2 * variance
        reason = f"quotes {width * 100:.1f}c around {reservation * 100:.1f}c"
        found = [self._quote(view, side, reservation, width, reason) for side in SIDES]
        return Wanted(tuple([target for target in found if target is not None]), reason)

    def explain(self, view: MarketView) -> Reason:
        """Return where the chain stopped; only a replay asks."""
        wanted = self.wants(view)
        if view.score is None:
            return unscored(view)
        if quotes(view) is None or view.time_to_close < self.params.quiet_before_close_s * SECOND:
            return Reason("market", wanted.reason)
        if wanted.targets:
            return Reason("trades", wanted.reason)
        if all(self._room(view, side) < QTY_ONE for side in SIDES):
            return Reason("size", f"{wanted.reason}, but both sides are at their limits")
        away = REST_AWAY_MAX / 100
        return Reason("edge", f"{wanted.reason}: farther than {away:.0f}c from the other side")

    def _inventory(self, view: MarketView, fair: float) -> float:
        """Return the covariance of this market with all that the event's positions hold, in contracts."""
        total = view.position / QTY_ONE * fair * (1 - fair)
        for peer in view.peers.of_event():
            if peer.position:
                total += peer.position / QTY_ONE * _covariance(view, fair, peer)
        return total

    def _quote(
        self, view: MarketView, side: BookSide, reservation: float, width: float, reason: str
    ) -> Target | None:
        bid, ask = view.book.bid, view.book.ask
        qty = self._room(view, side)
        if bid is None or ask is None or qty < QTY_ONE:
            return None
        win = min(1.0, max(0.0, reservation))
        price = price_for_edge(win, side, view.spec.fees, width, view.grid, is_taker=False)
        if price is None:
            return None
        # Post-only: never across the spread.
        if side == "bid":
            price = view.grid.floor(min(price, ask - 1))
            away: float = inf if price is None else ask - price
        else:
            price = view.grid.ceil(max(price, bid + 1))
            away = inf if price is None else price - bid
        if price is None or away > REST_AWAY_MAX:
            return None
        slack = round(self.params.edge_min * PRICE_ONE) // 3
        return Target(side, price, qty, "rest", reason, slack=slack)

    def _room(self, view: MarketView, side: BookSide) -> Qty:
        """Return how much a side may quote: the position's limit, and the event's but for what reduces."""
        params = self.params
        held = view.position if side == "bid" else -view.position
        others = sum(abs(peer.position) for peer in view.peers.of_event())
        event = params.event_contracts_max * QTY_ONE - others
        most = max(0, min(params.position_contracts_max * QTY_ONE, event))
        return max(0, min(params.order_contracts * QTY_ONE, most - held))


def _covariance(view: MarketView, fair: float, peer: Peer) -> float:
    """Return the covariance of two markets' outcomes, as their event's structure implies it.

    Exclusive outcomes never win together; strikes of a ladder win whenever the rarer one does, and what the
    venue says nothing of is taken like those: the cautious reading.
    """
    other = peer.score
    if other is None:
        known = [price for price in (peer.bid, peer.ask) if price is not None]
        other = sum(known) / len(known) / PRICE_ONE if known else 0.5
    if view.spec.structure == "exclusive":
        return -fair * other
    return min(fair, other) - fair * other
