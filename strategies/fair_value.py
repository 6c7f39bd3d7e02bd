"""Trade recurring markets on the model's probability: take a clear edge, else wait for it as a maker.

Idea: the model's P(YES) against the book. Where it exceeds what a contract costs, taker fee included, by
`edge_min`, buy at once, up to a Kelly fraction of the bankroll. Where it doesn't, rest an order `margin`
away from the model's value: a maker on a fee-free series pays neither spread nor fee.

What the sizes at the best prices say of the next seconds is worth less than the cost of crossing: it is no
reason to take. It may lean the resting prices (`skew`) and take away the side that is about to be run over
(`cancel_imbalance`); both are off as shipped, for they were measured on few days of one series.

Source: Kelly sizing with fees for a binary contract (Kelly 1956; Thorp 2006); the structural view of
15-minute markets as Brownian digital options. Short-horizon signals: quantitative notes, section 4 (5 s: R2
8.8%, top imbalance alone AUC .644; taken both ways -0.09 c net).

Risks: a resting order is filled first by those who know more (adverse selection; measured at -1.1 to
-1.6 c per fill on recorded books). The signal is shorter than the cost of crossing. The shipped model was
trained on simulated books: its edges against a real market are unproven.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from daemon.core.explaining import Reason, edge_and_cost, no_edge, unscored
from daemon.core.quoting import bankroll, quotes
from daemon.core.sizing import edge, kelly_qty
from daemon.core.strategy import MarketView, Target, Wanted
from daemon.core.units import MILLISECOND, PRICE_ONE, QTY_ONE, SECOND, BookSide, Ns, Price, Qty

IMBALANCE = "top_imbalance"
REST_AWAY_MAX: Price = 900
"""No order rests farther than this from the best opposite price: nothing would come of it soon."""

Fraction = Annotated[float, msgspec.Meta(gt=0, le=1)]
Dollars = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The knobs, as in `[strategies.fair_value]` of config.toml."""

    edge_min: Dollars = 0.02
    """Least edge, in dollars per contract after fees, to take."""
    margin: Dollars = 0.03
    """Distance of a resting order from the model's value, in dollars."""
    kelly_fraction: Fraction = 0.25
    """Share of the full Kelly stake."""
    order_contracts_max: Annotated[int, msgspec.Meta(ge=1)] = 50
    """Largest order, in contracts."""
    position_contracts_max: Annotated[int, msgspec.Meta(ge=1)] = 200
    """Position at which no more is wanted on that side, in contracts."""
    skew: Annotated[float, msgspec.Meta(ge=0, le=0.1)] = 0.0
    """How far resting prices lean towards the heavier side, in dollars at an imbalance of 1; 0 is never."""
    cancel_imbalance: Fraction | Literal["off"] = "off"
    """Imbalance of the best sizes, 0 .. 1, from which on the lighter side's order doesn't rest."""
    quiet_before_close_s: Annotated[int, msgspec.Meta(ge=0)] = 20
    """No orders in the last seconds before the close."""
    book_changed_max_ms: Annotated[int, msgspec.Meta(ge=1)] | Literal["off"] = 500
    """Longest time since the book last changed; "off" for slow markets."""


class FairValue:
    """See the module's head."""

    name = "fair_value"

    def __init__(self, params: Params) -> None:
        self.params = params
        self._is_leaning = params.skew > 0 or params.cancel_imbalance != "off"
        self.features: tuple[str, ...] = (IMBALANCE,) if self._is_leaning else ()
        self._margin: Price = round(params.margin * PRICE_ONE)
        self._slack: Price = self._margin // 3
        self._quiet: Ns = params.quiet_before_close_s * SECOND
        self._below_text = f"below {params.edge_min * 100:.1f}c"
        self._order_max: Qty = params.order_contracts_max * QTY_ONE
        self._position_max: Qty = params.position_contracts_max * QTY_ONE
        self._rest_reason = f"rests {self._margin / 100:.1f}c from fair value"
        limit = params.book_changed_max_ms
        self.book_changed_max: Ns | None = None if limit == "off" else limit * MILLISECOND

    def wants(self, view: MarketView) -> Wanted:
        """Return a taker target where the edge is clear, else resting targets around the model's value."""
        params, score = self.params, view.score
        if score is None:
            return Wanted((), view.why_no_score)
        spec, book = view.spec, view.book
        if spec.close_at - view.now < self._quiet:
            return Wanted((), "quiet before the close")
        bid, ask = book.best()
        if bid is None or ask is None or bid >= ask:
            return Wanted((), "one-sided or crossed book")
        # With bid below ask at most one side has an edge: the one on which the model is off the mid.
        side: BookSide = "bid" if 2 * score * PRICE_ONE >= bid + ask else "ask"
        price = ask if side == "bid" else bid
        gain = edge(score, price, side, spec.fees, True)  # by place: names cost as much again
        if gain >= params.edge_min:
            size = book.ask_size if side == "bid" else book.bid_size
            qty = min(size or 0, self._taken(view, score, side, price))
            if qty > 0:
                why = f"edge {gain * 100:.1f}c after fee"
                return Wanted((Target(side, price, qty, "take", why),), why)
        return Wanted(self._resting(view, score, bid, ask), self._why_not_take(view, gain, side))

    def explain(self, view: MarketView) -> Reason:
        """Return where the chain stopped; only a replay asks."""
        wanted, score = self.wants(view), view.score
        if score is None:
            return unscored(view)
        found = None if quotes(view) is None else edge_and_cost(view, score, self.params.edge_min)
        if found is None or view.time_to_close < self._quiet:
            return Reason("market", wanted.reason)
        if wanted.targets:
            return Reason("trades", wanted.reason, *found)
        return no_edge(*found) if self._below_text in wanted.reason else Reason("size", wanted.reason, *found)

    def _room(self, view: MarketView, side: BookSide) -> Qty:
        """Return how many more contracts a side may add, an order's cap included."""
        held = view.position if side == "bid" else -view.position
        return max(0, min(self._order_max, self._position_max - held))

    def _taken(self, view: MarketView, score: float, side: BookSide, price: Price) -> Qty:
        """Return how many contracts to take at a price."""
        held, room = view.position if side == "bid" else -view.position, self._room(view, side)
        if not room:
            return 0
        fees, fraction = view.spec.fees, self.params.kelly_fraction
        return kelly_qty(score, price, side, fees, True, bankroll(view), fraction, room, held)

    def _resting(self, view: MarketView, score: float, bid: Price, ask: Price) -> tuple[Target, ...]:
        lean, run_over = self._lean(view) if self._is_leaning else (0.0, None)
        fair, fees, wealth = round((score + lean) * PRICE_ONE), view.spec.fees, bankroll(view)
        held, fraction = view.position, self.params.kelly_fraction
        # Post-only: never across the spread, and never nearer to the model's value than the margin.
        targets: list[Target] = []
        room = min(self._order_max, self._position_max - held)
        if room > 0 and run_over != "bid":
            price = fair - self._margin
            buy_at = view.grid.floor(price if price < ask else ask - 1)
            if buy_at is not None and ask - buy_at <= REST_AWAY_MAX:
                qty = kelly_qty(score, buy_at, "bid", fees, False, wealth, fraction, room, held)
                if qty >= QTY_ONE:
                    targets.append(Target("bid", buy_at, qty, "rest", self._rest_reason, self._slack))
        room = min(self._order_max, self._position_max + held)
        if room > 0 and run_over != "ask":
            price = fair + self._margin
            sell_at = view.grid.ceil(price if price > bid else bid + 1)
            if sell_at is not None and sell_at - bid <= REST_AWAY_MAX:
                qty = kelly_qty(score, sell_at, "ask", fees, False, wealth, fraction, room, -held)
                if qty >= QTY_ONE:
                    targets.append(Target("ask", sell_at, qty, "rest", self._rest_reason, self._slack))
        return tuple(targets)

    def _lean(self, view: MarketView) -> tuple[float, BookSide | None]:
        """Return what the best sizes add to the resting prices, in dollars, and the side they run over."""
        imbalance, limit = view.features[IMBALANCE], self.params.cancel_imbalance
        if imbalance is None:
            return 0.0, None
        lighter: BookSide = "bid" if imbalance < 0 else "ask"
        is_run_over = limit != "off" and abs(imbalance) >= limit
        return self.params.skew * imbalance, lighter if is_run_over else None

    def _why_not_take(self, view: MarketView, gain: float, side: BookSide) -> str:
        if gain < self.params.edge_min:
            return f"edge {gain * 100:.1f}c {self._below_text}"
        if not self._room(view, side):
            return f"edge {gain * 100:.1f}c, but the position is at its limit"
        if (view.position if side == "bid" else -view.position) > 0:
            return f"edge {gain * 100:.1f}c, but what is held is stake enough"
        return f"edge {gain * 100:.1f}c, but the stake is below 0.01 contract"
