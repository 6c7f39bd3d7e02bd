"""How much to buy of each market of an event: one stake for all of them, over the ways in which it can end.

The markets of an event share their outcome. Sized one by one they over-bet where they win together (the
strikes of a ladder) and under-bet where one pays for the other (exclusive outcomes). So: the disjoint states
in which the event can end, which market pays in which, and the holdings under which expected log wealth over
the states is highest. A level of a book is an instrument of its own, bounded by its size.

Source: quantitative notes 3.9, formulas 7 (Smoczynski and Tomkins 2010) and 8; the optimum by `growth`.
Floats inform the decision here; what comes out is floored to whole hundredths of a contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import floor

import msgspec

from daemon.core.growth import grow
from daemon.core.markets import Fees, MarketSpec
from daemon.core.sizing import Offer, edge, shrinkage
from daemon.core.units import MONEY_ONE, QTY_ONE, BookSide, Money, Price, Qty

SIDES: tuple[BookSide, ...] = ("bid", "ask")
ABOVE = ("greater", "greater_or_equal")
"""Strike types that make a ladder: YES where the number ends above the strike."""


class States(msgspec.Struct, frozen=True):
    """How an event can end: the chance of each state, and in which of them each market settles YES."""

    chances: tuple[float, ...]
    pays: tuple[tuple[bool, ...], ...]
    """By market, in the order in which they were given, and by state."""


def exclusive_states(probabilities: Sequence[float]) -> States:
    """Return the states of outcomes of which at most one happens: each of them, and none of them.

    Probabilities that sum to more than 1 are scaled down to 1: as they stand they can't all be right.
    """
    total = max(1.0, sum(probabilities))
    chances = [probability / total for probability in probabilities]
    count = len(chances)
    pays = [tuple([state == market for state in range(count + 1)]) for market in range(count)]
    return States((*chances, max(0.0, 1.0 - sum(chances))), tuple(pays))


def ladder_states(probabilities: Sequence[float]) -> States:
    """Return the states of a ladder: between which strikes the number ends.

    Args:
        probabilities: P(above the strike), by ascending strike. One that rises with the strike is an error of
            the model's: it is pooled with its neighbours until none does.
    """
    pools: list[tuple[float, int]] = []
    for probability in probabilities:
        mean, count = probability, 1
        while pools and pools[-1][0] < mean:
            below, below_count = pools.pop()
            mean = (mean * count + below * below_count) / (count + below_count)
            count += below_count
        pools.append((mean, count))
    above = [1.0, *(mean for mean, count in pools for _ in range(count)), 0.0]
    chances = tuple([high - low for high, low in pairwise(above)])
    count = len(probabilities)
    return States(
        chances, tuple([tuple([state > market for state in range(count + 1)]) for market in range(count)])
    )


def states_of(specs: Sequence[MarketSpec], probabilities: Sequence[float]) -> States | None:
    """Return the states of an event by what the venue says of its markets.

    None where it doesn't say how they hang together: then nobody can size them jointly.
    """
    if len(specs) > 1 and all(spec.structure == "exclusive" for spec in specs):
        return exclusive_states(probabilities)
    if len(specs) == 1:
        return ladder_states(probabilities)
    strikes = [spec.strike for spec in specs if spec.strike is not None and spec.strike_type in ABOVE]
    if len(set(strikes)) < len(specs) or any(spec.structure == "exclusive" for spec in specs):
        return None
    order = sorted(range(len(specs)), key=strikes.__getitem__)
    states = ladder_states([probabilities[place] for place in order])
    pays = [states.pays[order.index(place)] for place in range(len(specs))]
    return States(states.chances, tuple(pays))


class Candidate(msgspec.Struct, frozen=True):
    """One market of the event: what is offered there, what is held, and the most to buy."""

    ticker: str
    fees: Fees
    asks: tuple[Offer, ...]
    """YES asks as (YES price, size), best first: where YES is bought."""
    bids: tuple[Offer, ...]
    """YES bids: where NO is bought."""
    held: Qty = 0
    """Signed contracts: YES positive, NO negative."""
    qty_max: Qty | None = None
    """The most to buy now, of either outcome; None for what is offered."""


class Stake(msgspec.Struct, frozen=True, gc=False):
    """What to buy in one market: `bid` buys YES, `ask` buys NO; `price` is its last contract's YES price."""

    ticker: str
    side: BookSide
    qty: Qty
    price: Price


class EventStakes(msgspec.Struct, frozen=True):
    """What to buy of an event. `gap`: no other stakes grow faster by more than this, before flooring."""

    stakes: tuple[Stake, ...]
    gap: float


class _Instrument(msgspec.Struct, frozen=True):
    """One level of one outcome of one market."""

    market: int
    side: BookSide
    price: Price
    cost: float
    contracts: float


def size_event(
    states: States,
    markets: Sequence[Candidate],
    equity: Money,
    fraction: float,
    stake_max: Money | None = None,
    error: float = 0.0,
) -> EventStakes:
    """Return what to buy in all markets of an event together, taker fees included.

    The wealth is `fraction` of the equity, so that a market on its own gets what `kelly_through_book` says.
    What is held stays, counted as what it would cost; where it alone exceeds that wealth, nothing is bought.

    Args:
        states: how the event can end, its markets in the order of `markets`.
        markets: what is offered and held.
        equity: cash plus positions at cost.
        fraction: the share of full Kelly, 0 .. 1.
        stake_max: the most to spend, fees included (the least of the caps: `Room.stake`); None for no cap.
        error: the standard error of the probabilities, one for all: the markets of an event share a model.
            The stakes are shrunk by the edge of all of them together (formula 6).

    Raises:
        ValueError: markets that don't fit the states, or a `fraction` outside 0 .. 1.
    """
    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"not a fraction of Kelly: {fraction!r}")
    if len(markets) != len(states.pays):
        raise ValueError(f"{len(markets)} markets for the states of {len(states.pays)}")
    if equity <= 0 or not fraction:
        return EventStakes((), 0.0)
    instruments = _instruments(markets)
    held = _held(states, markets)
    wealth = fraction * equity / MONEY_ONE
    counts, gap = _holdings(states, instruments, held, wealth, stake_max)
    if error and (bought := sum(counts)) > 0:
        gain = sum(
            count
            * edge(_probability(states, one.market), one.price, one.side, markets[one.market].fees, True)
            for count, one in zip(counts, instruments, strict=True)
        )
        kept = shrinkage(gain / bought, error)
        if not kept:
            return EventStakes((), 0.0)
        counts, gap = _holdings(states, instruments, held, wealth * kept, stake_max)
    return EventStakes(_floored(markets, instruments, counts), gap)


def _probability(states: States, market: int) -> float:
    paid = zip(states.chances, states.pays[market], strict=True)
    return min(1.0, sum(chance for chance, is_paid in paid if is_paid))


def _cost(fees: Fees, price: Price, side: BookSide) -> float:
    # The edge of a sure win is 1 less the cost.
    return 1.0 - edge(1.0 if side == "bid" else 0.0, price, side, fees, is_taker=True)


def _instruments(markets: Sequence[Candidate]) -> list[_Instrument]:
    found = []
    for place, market in enumerate(markets):
        for side in SIDES:
            left = market.qty_max
            for price, size in market.asks if side == "bid" else market.bids:
                qty = size if left is None else min(size, left)
                cost = _cost(market.fees, price, side)
                if qty > 0 and cost < 1:
                    found.append(_Instrument(place, side, price, cost, qty / QTY_ONE))
                left = None if left is None else left - qty
    return found


def _held(states: States, markets: Sequence[Candidate]) -> tuple[float, list[float]]:
    """Return what the holdings count for, and what they pay in each state, in dollars."""
    value, paid = 0.0, [0.0] * len(states.chances)
    for place, market in enumerate(markets):
        if not market.held:
            continue
        side: BookSide = "bid" if market.held > 0 else "ask"
        contracts = abs(market.held) / QTY_ONE
        offers = market.asks if side == "bid" else market.bids
        probability = _probability(states, place)
        worth = probability if side == "bid" else 1 - probability
        value += contracts * (_cost(market.fees, offers[0][0], side) if offers else worth)
        for state, is_yes in enumerate(states.pays[place]):
            paid[state] += contracts if is_yes == (side == "bid") else 0.0
    return value, paid


def _holdings(
    states: States,
    instruments: Sequence[_Instrument],
    held: tuple[float, list[float]],
    wealth: float,
    stake_max: Money | None,
) -> tuple[list[float], float]:
    """Return how many contracts to buy of each instrument, and the gap."""
    value, paid = held
    free = wealth - value
    spendable = free if stake_max is None else min(free, stake_max / MONEY_ONE)
    base = [(free + gain) / wealth for gain in paid]
    if spendable <= 0 or min(base) <= 0:
        return [0.0] * len(instruments), 0.0
    yields = []
    for one in instruments:
        is_yes = one.side == "bid"
        won, lost = 1 / one.cost - 1, -1.0
        yields.append([won if pays == is_yes else lost for pays in states.pays[one.market]])
    most = [one.contracts * one.cost / wealth for one in instruments]
    found = grow(states.chances, base, yields, most, spendable / wealth)
    contracts = zip(found.stakes, instruments, strict=True)
    return [stake * wealth / one.cost for stake, one in contracts], found.gap


def _floored(
    markets: Sequence[Candidate], instruments: Sequence[_Instrument], counts: Sequence[float]
) -> tuple[Stake, ...]:
    """Return one order for each market and side of which something is bought."""
    totals: dict[tuple[int, BookSide], tuple[float, Price]] = {}
    for count, one in zip(counts, instruments, strict=True):
        if count * QTY_ONE > 1e-6:
            total, _ = totals.get((one.market, one.side), (0.0, 0))
            totals[one.market, one.side] = (total + count, one.price)
    stakes = []
    for (market, side), (total, price) in totals.items():
        # What floats lose of a whole hundredth is given back.
        if qty := floor(total * QTY_ONE + 1e-7):
            stakes.append(Stake(markets[market].ticker, side, qty, price))
    return tuple(stakes)
