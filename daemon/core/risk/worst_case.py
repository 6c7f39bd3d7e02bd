"""What may be lost at worst, everything that may still trade included, over every outcome that can be.

A binary market ends YES or NO. Of what may still trade, exactly that is taken to fill which loses by the
outcome. So a market has two worst results, one for each end, and an event's is their sum over the joint
outcomes that its structure allows:

* a ladder: its markets ask where one number ends ("greater than K"). The strikes cut the line into points
  and open stretches between them; in each of those every market's end is known.
* exclusive: at most one market ends YES.
* anything else: every market may end as it likes, and the worst cases add up.

Fees are not counted. A market that the venue settles at a price between (a void) ends between its two
results; then a market's own worst case holds, and an event's may not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from daemon.core.markets import MarketSpec
from daemon.core.orders import Stake
from daemon.core.units import PRICE_ONE, Money, Ns, Price, Qty


class Holding(Protocol):
    """What is held of one market: the ledger's `Position`."""

    qty: Qty
    cost: Money

    def value(self, price: Price) -> Money:
        """Return what it is worth at a YES price."""
        ...


class Results(msgspec.Struct, frozen=True, gc=False):
    """The worst that a market can end with, in Money from here: when it ends YES, and when NO."""

    if_yes: Money
    if_no: Money

    @property
    def loss(self) -> Money:
        """The most that it can lose by itself, not below 0."""
        return max(0, -min(self.if_yes, self.if_no))


class Contingency(msgspec.Struct, frozen=True):
    """One market of an event and what it can end with. `spec` is None for one that we know nothing of."""

    spec: MarketSpec | None
    is_ladder: bool
    """Whether its strikes are of the one number that all such markets of its event are about."""
    results: Results


def worst_results(position: Holding | None, stakes: Iterable[Stake]) -> Results:
    """Return the worst ends of one market. `stakes` are what may still trade."""
    cost = position.cost if position is not None else 0
    if_yes = (position.value(PRICE_ONE) if position is not None else 0) - cost
    if_no = (position.value(0) if position is not None else 0) - cost
    for side, price, qty in stakes:
        if side == "bid":
            if_no -= qty * price
        else:
            if_yes -= qty * (PRICE_ONE - price)
    return Results(if_yes, if_no)


def worst_loss(position: Holding | None, stakes: Iterable[Stake]) -> Money:
    """Return the most that a market can lose from here, in Money, not below 0.

    `stakes` are what may still trade. Whatever the result, those that lose by it are taken as filled
    and the others as not.
    """
    return worst_results(position, stakes).loss


def worst_event_loss(markets: Iterable[Contingency], realized: Money = 0) -> Money:
    """Return the most that an event can cost in all, in Money, not below 0.

    Args:
        markets: those of its markets in which something is held or may trade.
        realized: what its markets have earned or cost already. It counts, for a hedge's two legs are not
            settled at one instant: what one has brought stays with the other.
    """
    ladders: dict[Ns, list[tuple[MarketSpec, Results]]] = {}
    exclusive: list[Results] = []
    end = realized
    for market in markets:
        spec = market.spec
        if spec is not None and market.is_ladder and _bounds(spec):
            # One number, read at one instant: those that close at another one are another ladder.
            ladders.setdefault(spec.close_at, []).append((spec, market.results))
        elif spec is not None and spec.structure == "exclusive":
            exclusive.append(market.results)
        else:
            end += min(market.results.if_yes, market.results.if_no)
    end += _worst_of_exclusive(exclusive) + sum(_worst_of_ladder(ladder) for ladder in ladders.values())
    return max(0, -end)


def _worst_of_exclusive(markets: Sequence[Results]) -> Money:
    # That none ends YES is always possible, for not all of the event's markets need be known.
    swing = min([results.if_yes - results.if_no for results in markets], default=0)
    return sum(results.if_no for results in markets) + min(0, swing)


def _worst_of_ladder(markets: Sequence[tuple[MarketSpec, Results]]) -> Money:
    strikes = sorted({strike for spec, _ in markets for strike in _bounds(spec)})
    # Place 2i + 1 is the i-th strike itself, 2i the stretch below it, and the last one what lies above all.
    places = {strike: 2 * number + 1 for number, strike in enumerate(strikes)}
    return min(
        sum(results.if_yes if _ends_yes(spec, place, places) else results.if_no for spec, results in markets)
        for place in range(2 * len(strikes) + 1)
    )


def _bounds(spec: MarketSpec) -> tuple[Money, ...]:
    """The strikes between which it ends YES or not; none when that is not known."""
    match spec.strike_type:
        case "greater" | "greater_or_equal" | "less" | "less_or_equal":
            return () if spec.strike is None else (spec.strike,)
        case "between":
            return spec.strike_range or ()
        case _:
            return ()


def _ends_yes(spec: MarketSpec, place: int, places: dict[Money, int]) -> bool:
    bounds = [places[strike] for strike in _bounds(spec)]
    match spec.strike_type:
        case "greater":
            return place > bounds[0]
        case "greater_or_equal":
            return place >= bounds[0]
        case "less":
            return place < bounds[0]
        case "less_or_equal":
            return place <= bounds[0]
        case _:
            return bounds[0] <= place <= bounds[1]
