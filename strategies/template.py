"""Wait below the model's value: the start of a strategy of your own. Say the idea here, in a line.

Idea: the model's P(YES) less `margin` is what a contract is worth waiting for: rest a bid there. Say what you
believe the others get wrong, and why they go on doing so.

Source: Where it is from: a paper and its equation, a record of trades, an observation with its dates.

Risks: A resting order is filled first by those who know more. Say what would have to happen for this to lose,
how much, and how you would notice.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from daemon.core.sizing import edge
from daemon.core.strategy import MarketView, Target, Wanted
from daemon.core.units import MILLISECOND, PRICE_ONE, QTY_ONE, Ns


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The knobs, as in `[strategies.template]` of config.toml, with their bounds and defaults."""

    margin: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.05
    """How far below the model's value the order rests, in dollars per contract."""
    order_contracts: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10
    """Size of the order, in contracts."""
    position_contracts_max: Annotated[int, msgspec.Meta(ge=1)] = 50
    """What this strategy holds at most, in contracts."""


class Template:
    """See the module's head."""

    name = "template"
    """What config.toml calls it, and its file."""
    features: tuple[str, ...] = ("spread",)
    """What it reads of `view.features`, besides what the model needs."""
    book_changed_max: Ns | None = 500 * MILLISECOND
    """Longest time since the book last changed; None for a market that moves once an hour."""

    def __init__(self, params: Params) -> None:
        self.params = params

    def wants(self, view: MarketView) -> Wanted:
        """Return what shall rest in this market now. Pure: what is not in the view does not exist."""
        params, score, ask = self.params, view.score, view.book.ask
        spread = view.features["spread"]
        if score is None or ask is None or spread is None:
            return Wanted((), "no score, or no book")
        if view.own_position >= params.position_contracts_max * QTY_ONE:
            return Wanted((), "enough is held")
        price = view.grid.floor(min(ask - 1, round((score - params.margin) * PRICE_ONE)))
        if price is None:
            return Wanted((), "the model's value is below every price")
        gain = edge(score, price, "bid", view.spec.fees, is_taker=False)
        if gain <= 0:
            return Wanted((), "no edge is left after fees")
        why = f"edge {gain * 100:.1f}c in a spread of {spread * 100:.1f}c"
        return Wanted((Target("bid", price, params.order_contracts * QTY_ONE, "rest", why, slack=100),), why)
