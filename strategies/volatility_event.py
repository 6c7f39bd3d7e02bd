"""Buy volatility where the market prices it too low, sell it where too high: P(BTC moves past x in N hours).

Idea: a strike away from the spot is a bet on how far the price moves until the close. The ensemble's
probability of that, calibrated, against the market's price of the same event; where it exceeds the cost of
a contract by `edge_min`, take it, a quarter of Kelly, shrunk by the model's own error. The strikes of one
close are one bet: those that the model scores are sized together.

Source: the volatility-event bot (quantitative notes, section 1): its features and its 0.25 Kelly, without
its class weights (3.1); a two-parameter volatility model is the one to beat (3.2); joint sizing 3.9,
formulas 6, 8.

Risks: 45,000 minutes hold some 750 independent hours of one regime: the model's error is far larger than
its confidence. Takers lost 1.12% of what they staked on average (section 4). A jump before the close is
paid by whoever sold it.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from daemon.core.explaining import Reason, edge_and_cost, no_edge, unscored
from daemon.core.joint_sizing import Candidate, ladder_states, size_event, states_of
from daemon.core.quoting import bankroll, quotes
from daemon.core.sizing import Room, edge, offers_of
from daemon.core.strategy import MarketView, Peer, Target, Wanted
from daemon.core.units import MILLISECOND, MONEY_ONE, PRICE_ONE, QTY_ONE, SECOND, BookSide, Money, Ns

LEVELS = 3
"""Levels of its own book that an order may reach through."""
_FULL = ", but the event's stake is full"


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The knobs, as in `[strategies.volatility_event]` of config.toml."""

    edge_min: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.03
    """Least edge, in dollars per contract after fees, to take."""
    kelly_fraction: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.25
    """Share of the full Kelly stake."""
    model_error: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.03
    """Standard error of the model's probability: stakes shrink as the edge comes near it."""
    order_contracts_max: Annotated[int, msgspec.Meta(ge=1)] = 50
    """Largest order, in contracts."""
    position_contracts_max: Annotated[int, msgspec.Meta(ge=1)] = 200
    """Position at which no more is wanted on that side, in contracts."""
    event_dollars_max: Annotated[int, msgspec.Meta(ge=1)] = 100
    """Most at stake in the markets of one event, at what they cost now."""
    quiet_before_close_s: Annotated[int, msgspec.Meta(ge=0)] = 60
    """No orders in the last seconds before the close."""
    book_changed_max_ms: Annotated[int, msgspec.Meta(ge=1)] | Literal["off"] = 500
    """Longest time since the book last changed; "off" for slow markets."""


class VolatilityEvent:
    """See the module's head."""

    name = "volatility_event"
    features: tuple[str, ...] = ()

    def __init__(self, params: Params) -> None:
        self.params = params
        limit = params.book_changed_max_ms
        self.book_changed_max: Ns | None = None if limit == "off" else limit * MILLISECOND

    def wants(self, view: MarketView) -> Wanted:
        """Return one order that takes a clear edge, as large as the whole event allows."""
        params, score = self.params, view.score
        if score is None:
            return Wanted((), view.why_no_score)
        if view.time_to_close < params.quiet_before_close_s * SECOND:
            return Wanted((), "quiet before the close")
        found = quotes(view)
        if found is None:
            return Wanted((), "one-sided or crossed book")
        bid, ask = found
        side: BookSide = "bid" if 2 * score * PRICE_ONE >= bid + ask else "ask"
        gain = edge(score, ask if side == "bid" else bid, side, view.spec.fees, is_taker=True)
        if gain < params.edge_min:
            return Wanted((), f"edge {gain * 100:.1f}c below {params.edge_min * 100:.1f}c")
        reason = f"edge {gain * 100:.1f}c after fee"
        target = self._sized(view, score, side, reason)
        return Wanted((), f"{reason}{_FULL}") if target is None else Wanted((target,), reason)

    def explain(self, view: MarketView) -> Reason:
        """Return where the chain stopped; only a replay asks."""
        wanted, score = self.wants(view), view.score
        if score is None:
            return unscored(view)
        found = None if quotes(view) is None else edge_and_cost(view, score, self.params.edge_min)
        if found is None or view.time_to_close < self.params.quiet_before_close_s * SECOND:
            return Reason("market", wanted.reason)
        if wanted.targets:
            return Reason("trades", wanted.reason, *found)
        is_full = wanted.reason.endswith(_FULL)
        return Reason("size", wanted.reason, *found) if is_full else no_edge(*found)

    def _sized(self, view: MarketView, score: float, side: BookSide, reason: str) -> Target | None:
        params = self.params
        peers = [peer for peer in view.peers.of_event() if peer.score is not None]
        probabilities = [score, *(peer.score for peer in peers if peer.score is not None)]
        states = states_of([view.spec, *(peer.spec for peer in peers)], probabilities)
        if states is None:
            peers, states = [], ladder_states([score])
        held = view.position if side == "bid" else -view.position
        own = Candidate(
            view.spec.ticker,
            view.spec.fees,
            offers_of(view.book, "bid", LEVELS),
            offers_of(view.book, "ask", LEVELS),
            view.position,
            max(0, min(params.order_contracts_max * QTY_ONE, params.position_contracts_max * QTY_ONE - held)),
        )
        spent = sum(_value(peer.position, peer.bid, peer.ask) for peer in view.peers.of_event())
        if held > 0:  # what is held of the other side is closed first: that takes no room
            spent += _value(view.position, view.book.bid, view.book.ask)
        room = Room(
            event=params.event_dollars_max * MONEY_ONE - spent,
            strategy=None if view.capital is None else view.capital - spent,
        )
        sized = size_event(
            states,
            [own, *map(_candidate, peers)],
            bankroll(view),
            params.kelly_fraction,
            room.stake,
            params.model_error,
        )
        for stake in sized.stakes:
            if stake.ticker == own.ticker and stake.side == side and stake.qty >= QTY_ONE:
                return Target(side, stake.price, stake.qty, "take", reason)
        return None


def _value(qty: int, bid: int | None, ask: int | None) -> Money:
    """Return what a position costs at today's quotes; on a side without one a contract counts as a dollar."""
    if qty >= 0:
        return qty * (PRICE_ONE if ask is None else ask)
    return -qty * (PRICE_ONE if bid is None else PRICE_ONE - bid)


def _candidate(peer: Peer) -> Candidate:
    asks = () if peer.ask is None or not peer.ask_size else ((peer.ask, peer.ask_size),)
    bids = () if peer.bid is None or not peer.bid_size else ((peer.bid, peer.bid_size),)
    return Candidate(peer.spec.ticker, peer.spec.fees, asks, bids, peer.position)
