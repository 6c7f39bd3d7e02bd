"""Why a strategy wants nothing of a market: an optional part of its contract, asked afterwards only.

A strategy that has `explain(view)` says at which step of the chain it stopped. Nobody calls it while trading:
`why` and `explain` do, in a replay, on the very views that the strategy was asked about.
"""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from daemon.core.fees import fee_per_contract
from daemon.core.strategy import MarketView, Wanted
from daemon.core.units import PRICE_ONE

Stage: TypeAlias = Literal["warm-up", "score", "market", "edge", "size", "own words", "trades"]
"""Where it stopped. `warm-up`: features are not known yet. `score`: they are, and the model gives none.
`market`: its own rules leave this market alone now (hours, close, book, volume). `edge`: nothing is to be
had here. `size`: something is, and no stake comes of it. `own words`: the strategy has no `explain`, its
reason is all that is known. `trades`: it wants something."""
CHAIN: tuple[Stage, ...] = ("warm-up", "score", "market", "edge", "size", "own words", "trades")
"""The stages in the order of the chain."""


class Reason(msgspec.Struct, frozen=True):
    """A strategy's verdict on one view, and why.

    `edge` is what a contract would gain before costs and `cost` what it has to exceed, in dollars; None where
    the strategy doesn't think so, or got not so far.
    """

    stage: Stage
    text: str
    edge: float | None = None
    cost: float | None = None


@runtime_checkable
class Explains(Protocol):
    """A strategy that can say why. Pure, and it says "trades" if and only if `wants` wants something."""

    def explain(self, view: MarketView) -> Reason:
        """Return where the strategy stopped for this view."""
        ...


def explained(strategy: object, view: MarketView, wanted: Wanted) -> Reason:
    """Return why a strategy gave this answer: by its `explain`, and without one in the answer's own words.

    An `explain` that raises, or says other than what was wanted, is not believed, and that is said.
    """
    reason = Reason("trades" if wanted.targets else "own words", wanted.reason)
    if not isinstance(strategy, Explains):
        return reason
    try:
        told = strategy.explain(view)
    except Exception as error:  # noqa: BLE001 - a person's own file
        return msgspec.structs.replace(
            reason, text=f"{reason.text} (its explain raised {type(error).__name__})"
        )
    if not isinstance(told, Reason) or (told.stage == "trades") != bool(wanted.targets):
        return msgspec.structs.replace(reason, text=f"{reason.text} (its explain says otherwise)")
    return told


def unscored(view: MarketView) -> Reason:
    """Return why a view without a score stops whoever needs one."""
    return Reason("warm-up" if view.missing else "score", view.why_no_score)


def edge_and_cost(view: MarketView, probability: float, edge_min: float) -> tuple[float, float] | None:
    """Return the better side's edge before costs, and the taker's fee plus the least edge, in dollars.

    None without two quotes. `probability` is P(YES), `edge_min` dollars per contract.
    """
    bid, ask = view.book.bid, view.book.ask
    if bid is None or ask is None:
        return None
    is_bid = 2 * probability * PRICE_ONE >= bid + ask
    price = ask if is_bid else bid
    gross = (probability - price / PRICE_ONE) * (1 if is_bid else -1)
    return gross, fee_per_contract(view.spec.fees, price / PRICE_ONE, is_taker=True) + edge_min


def no_edge(edge: float, cost: float) -> Reason:
    """Return that an edge doesn't pay its cost, in words and figures."""
    return Reason("edge", f"edge {edge * 100:.1f}c below cost {cost * 100:.1f}c", edge, cost)
