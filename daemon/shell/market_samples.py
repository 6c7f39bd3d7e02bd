"""What a scrape tells by ticker: of the markets in which most is at stake, as many as were asked for.

A market that is told of no more leaves series behind that end: how many there are at one time has a bound,
how many there will have been has none. Therefore the default is to tell of none.
"""

from __future__ import annotations

from daemon.core.engine import Engine
from daemon.core.orders import Stake
from daemon.core.risk.grounds import exposure
from daemon.core.state import State
from daemon.core.units import MONEY_ONE, PRICE_ONE, QTY_ONE, Money
from daemon.shell.metrics import Sample


def market_samples(engine: Engine, most: int) -> dict[str, Sample | None]:
    """Return the samples of at most so many markets; a mid is left out where the book has not both sides."""
    state = engine.state
    staked = sorted(_staked(state).items(), key=lambda one: (-one[1], one[0]))[:most] if most else []
    mids: dict[str, float] = {}
    for ticker, _ in staked:
        market = state.markets.get(ticker)
        bid, ask = (None, None) if market is None else (market.book.bid, market.book.ask)
        if bid is not None and ask is not None:
            mids[ticker] = (bid + ask) / (2 * PRICE_ONE)
    return {
        "kalshid_market_staked_dollars": {ticker: money / MONEY_ONE for ticker, money in staked},
        "kalshid_market_position_contracts": {
            ticker: state.ledger.position_qty(ticker) / QTY_ONE for ticker, _ in staked
        },
        "kalshid_market_mid_dollars": mids,
    }


def _staked(state: State) -> dict[str, Money]:
    """Return what positions cost and orders may cost, by market in which anything is at stake."""
    stakes: dict[str, list[Stake]] = {}
    for order in state.orders.values():
        if not order.is_done:
            stakes.setdefault(order.ticker, []).append(order.stake)
    positions = state.ledger.positions
    held = (ticker for ticker, position in positions.items() if position.qty)
    return {
        ticker: exposure(positions.get(ticker), stakes.get(ticker, ()))
        for ticker in dict.fromkeys((*held, *stakes))
    }
