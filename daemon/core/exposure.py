"""What the account is worth and what it could lose, over all markets, from the beliefs in `State`."""

from __future__ import annotations

import msgspec

from daemon.core.market import Market
from daemon.core.marks import Marks
from daemon.core.orders import Stake
from daemon.core.risk.grounds import exposure, reach, stake_cost
from daemon.core.risk.worst_case import Contingency, worst_event_loss, worst_results
from daemon.core.state import State
from daemon.core.units import Money, Price, Qty


class Beyond(msgspec.Struct, frozen=True):
    """What all markets but one add to what a proposal for that one is checked against. See `AccountRisk`."""

    event_markets: tuple[Contingency, ...]
    event_realized: Money
    """The one market's own included."""
    other_events_loss: Money
    event_reach: Qty
    series_reach: Qty
    settlement_reach: Qty
    total_reach: Qty
    exposure: Money


def cash_free(state: State, exchange_index: int) -> Money:
    """Return what an order on a shard may take: its cash less what open orders there may still take of it.

    Where the venue told no parts of the cash, or a market's shard is not known, all counts. 0 before the
    first reading.
    """
    ledger = state.ledger
    costs = [(order.ticker, stake_cost(order.stake)) for order in state.orders.values()]
    there = sum(cost for ticker, cost in costs if ledger.shards.get(ticker, exchange_index) == exchange_index)
    whole = (ledger.cash or 0) - sum(cost for _, cost in costs)
    return min(whole, (ledger.cash_of(exchange_index) or 0) - there)


def is_ladder(market: Market) -> bool:
    """Whether the strikes of a market's event are all of one number.

    The venue says so, or the market is on an underlying whose price we know.
    """
    return market.spec.structure == "ladder" or market.spot.is_known


def event_of(state: State, ticker: str) -> str:
    """Return the event of a market; of one that we know nothing of, what its ticker begins with."""
    market = state.markets.get(ticker)
    return ticker.rpartition("-")[0] or ticker if market is None else market.spec.event_ticker


def _stakes_by_market(state: State) -> dict[str, list[Stake]]:
    """Return what may still trade by market, those without an order but with a position included."""
    stakes: dict[str, list[Stake]] = {name: [] for name in state.ledger.positions}
    for order in state.orders.values():
        stakes.setdefault(order.ticker, []).append(order.stake)
    return stakes


def _contingency(state: State, ticker: str, stakes: list[Stake]) -> Contingency | None:
    """Return what a market can end with; None when nothing is held there and nothing may trade."""
    position, market = state.ledger.positions.get(ticker), state.markets.get(ticker)
    if not stakes and (position is None or not position.qty):
        return None
    results = worst_results(position, stakes)
    if market is None:
        return Contingency(None, is_ladder=False, results=results)
    return Contingency(market.spec, is_ladder(market), results)


def event_losses(state: State) -> dict[str, Money]:
    """Return the worst case of every event in which something is held or may still trade."""
    markets: dict[str, list[Contingency]] = {}
    realized: dict[str, Money] = {}
    for ticker, stakes in _stakes_by_market(state).items():
        event = event_of(state, ticker)
        position = state.ledger.positions.get(ticker)
        realized[event] = realized.get(event, 0) + (position.realized if position is not None else 0)
        contingency = _contingency(state, ticker, stakes)
        if contingency is not None:
            markets.setdefault(event, []).append(contingency)
    return {event: worst_event_loss(theirs, realized[event]) for event, theirs in markets.items()}


def exposure_total(state: State) -> Money:
    """Return what all positions have cost, and what all that may still trade may cost."""
    return sum(
        exposure(state.ledger.positions.get(ticker), stakes)
        for ticker, stakes in _stakes_by_market(state).items()
    )


def beyond(state: State, market: Market) -> Beyond:
    """Return what all markets but one add, with what may still trade: positions, worst cases, costs."""
    ticker, spec = market.spec.ticker, market.spec
    own = state.ledger.positions.get(ticker)
    others: list[Contingency] = []
    realized = own.realized if own is not None else 0
    event_reach = series_reach = settlement_reach = total_reach = cost = 0
    for name, stakes in _stakes_by_market(state).items():
        if name == ticker:
            continue
        position, other = state.ledger.positions.get(name), state.markets.get(name)
        is_in_event = event_of(state, name) == spec.event_ticker
        if is_in_event and position is not None:
            realized += position.realized
        contingency = _contingency(state, name, stakes)
        if contingency is None:
            continue
        bids = sum(qty for side, _, qty in stakes if side == "bid")
        asks = sum(qty for side, _, qty in stakes if side == "ask")
        their_reach = reach(position.qty if position is not None else 0, bids, asks)
        total_reach += their_reach
        if is_in_event:
            others.append(contingency)
            event_reach += their_reach
        if (other.spec.series_ticker if other else name.partition("-")[0]) == spec.series_ticker:
            series_reach += their_reach
        if other is not None and _settle_together(market, other):
            settlement_reach += their_reach
        cost += exposure(position, stakes)
    losses = event_losses(state)
    losses.pop(spec.event_ticker, None)
    return Beyond(
        tuple(others), realized, sum(losses.values()),
        event_reach, series_reach, settlement_reach, total_reach, cost,
    )  # fmt: skip


def _settle_together(one: Market, other: Market) -> bool:
    """Whether two markets are on one underlying and close at one time: one surprise moves both."""
    if one.spec.close_at != other.spec.close_at:
        return False
    is_same_spot = one.spot.is_known and one.spot is other.spot
    return is_same_spot or one.spec.series_ticker == other.spec.series_ticker


def mark(state: State, ticker: str) -> Price | None:
    """Return what one YES contract is taken to be worth: its settlement price, or its book's mid.

    None where neither is known.
    """
    market = state.markets.get(ticker)
    if market is None:
        return None
    if market.settlement_price is not None:
        return market.settlement_price
    bid, ask = market.book.bid, market.book.ask
    return None if bid is None or ask is None else (bid + ask) // 2


def marked_equity(state: State, marks: Marks | None = None) -> Money | None:
    """Return cash plus what positions are worth; None before the first reading.

    A determined market's is its settlement price, else as `Position.marked` by its book, or by the last quote
    in `marks` while its book is lost: cost where nothing is known.
    """
    if state.ledger.cash is None:
        return None
    total, marks = state.ledger.cash, Marks() if marks is None else marks
    for ticker, position in state.ledger.positions.items():
        if position.qty:
            total += marks.worth(position, state.markets.get(ticker), ticker)
    return total
