"""The seeded past: what REST serves of the time before the sandbox began.

The price's path comes first, a value a second. Quotes and trades of past minutes are then drawn from the
same fair values that the traders use, without a book: coarser, and over in a fraction of a second.
"""

from __future__ import annotations

from random import Random
from typing import Final

from daemon.core.markets import MarketSpec
from daemon.core.units import MINUTE, PRICE_ONE, QTY_ONE, SECOND, Money, Ns, Price, PriceGrid, Qty
from daemon.exchange.facts import Traded
from daemon.sandbox.flow import Candle, Ohlc
from daemon.sandbox.flows.fair import probability
from daemon.sandbox.flows.spot import Index, SpotModel

_HALF_SPREAD = 0.005
_TRADES_PER_S = 0.5
_TRADE_QTY = 240.0
_DRIFT_KEEP = 0.99
_DRIFT = 0.015 * (1 - _DRIFT_KEEP**2) ** 0.5
NO_BID: Final[Price] = 0
NO_ASK: Final[Price] = PRICE_ONE


def walk(model: SpotModel, begin: Ns, end: Ns, last_price: float) -> list[tuple[Ns, float]]:
    """Move the model from `begin` to `end` a second at a time; return (second, price) of its path.

    The path is scaled so that it ends at `last_price`, and so is the model.
    """
    path: list[tuple[Ns, float]] = []
    for at in range(begin, end + 1, SECOND):
        path.append((at, model.price))
        model.step(1.0)
    scale = last_price / path[-1][1]
    model.price = last_price
    return [(at, price * scale) for at, price in path]


def fair_value(
    spec: MarketSpec, strike: Money, price: float, volatility_s: float, index: Index, now: Ns
) -> float:
    """Return what YES of a market is worth at `now`, given the price and the index up to then."""
    left = spec.close_at - now
    known = index.between(spec.close_at - MINUTE, min(now + 1, spec.close_at)) if left < MINUTE else []
    return probability(price, strike / 1e6, volatility_s, left / 1e9, sum(known) / 1e6, len(known))


class PastMarketMaker:
    """Draws one market's past minute by minute: candles and trades."""

    def __init__(self, spec: MarketSpec, random: Random) -> None:
        self._spec = spec
        self._random = random
        self._grid = PriceGrid(spec.bands)
        self._drift = 0.0
        self._interest: Qty = 0
        self._bids: list[Price] = []
        self._asks: list[Price] = []
        self._minute: list[Traded] = []
        self.candles: list[Candle] = []
        self.trades: list[Traded] = []
        self.volume: Qty = 0

    def second(self, fair: float, at: Ns) -> None:
        """Take one second in; a whole minute closes a candle."""
        random, grid = self._random, self._grid
        doubt = 4 * fair * (1 - fair)
        self._drift = _DRIFT_KEEP * self._drift + random.gauss(0.0, _DRIFT)
        view = fair + doubt * self._drift
        half = max(_HALF_SPREAD * doubt, 0.0004)
        bid = grid.floor(int((view - half) * PRICE_ONE))
        ask = grid.ceil(int((view + half) * PRICE_ONE) + 1)
        self._bids.append(NO_BID if bid is None else bid)
        self._asks.append(NO_ASK if ask is None else ask)
        if random.random() < _TRADES_PER_S:
            self._trade(bid, ask, at)
        if at % MINUTE == 0:
            self._close_candle(at)

    def _trade(self, bid: Price | None, ask: Price | None, at: Ns) -> None:
        is_buy = self._random.random() < 0.5
        price = ask if is_buy else bid
        if price is None:
            return
        qty = max(1, round(_TRADE_QTY * self._random.lognormvariate(0.0, 1.0))) * QTY_ONE
        trade_id = f"past-{self._spec.ticker}-{len(self.trades) + 1}"
        trade = Traded(self._spec.ticker, trade_id, price, qty, "yes" if is_buy else "no", at)
        self.trades.append(trade)
        self._minute.append(trade)
        self.volume += qty
        self._interest += qty // 2

    def _close_candle(self, at: Ns) -> None:
        prices = [trade.price for trade in self._minute]
        self.candles.append(
            Candle(
                ended_at=at,
                bid=_ohlc(self._bids),
                ask=_ohlc(self._asks),
                price=_ohlc(prices) if prices else None,
                volume=sum(trade.qty for trade in self._minute),
                open_interest=self._interest,
                turnover=sum(trade.price * trade.qty for trade in self._minute),
            )
        )
        self._bids, self._asks, self._minute = [], [], []


def _ohlc(prices: list[Price]) -> Ohlc:
    return Ohlc(prices[0], max(prices), min(prices), prices[-1])
