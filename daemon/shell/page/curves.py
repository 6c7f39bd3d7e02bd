"""What was, point by point and bounded: the account's P&L, price and score of the markets that are shown."""

from __future__ import annotations

from collections import deque

import msgspec

from daemon.core.engine import Engine
from daemon.core.units import MILLISECOND, MINUTE, SECOND, Money, Ns
from daemon.shell.page.view import mid_of

MARKET_EVERY: Ns = SECOND
ACCOUNT_EVERY: Ns = 5 * SECOND
POINTS_MAX = 720
"""Of a curve: 12 minutes of a market, an hour of the account."""


class MarketPoint(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A market at an instant (Unix ms): its mid in 1e-4 $, and the model's P(YES); None where unknown."""

    at: int
    mid: float | None
    score: float | None


class AccountPoint(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The account at an instant (Unix ms): P&L and equity in 1e-6 $; None where unknown."""

    at: int
    pnl: Money | None
    equity: Money | None


class Curves:
    """The curves. A market's begins when it is first shown, and is forgotten when it no longer is."""

    def __init__(self) -> None:
        self.account: deque[AccountPoint] = deque(maxlen=POINTS_MAX)
        self._markets: dict[str, deque[MarketPoint]] = {}

    def market(self, ticker: str | None) -> tuple[MarketPoint, ...]:
        """Return a market's curve, oldest point first; empty where there is none."""
        return () if ticker is None else tuple(self._markets.get(ticker, ()))

    def add_markets(self, engine: Engine, shown: tuple[str, ...], now: Ns) -> None:
        """Take a point of each market that is shown."""
        kept = {}
        for ticker in shown:
            market = engine.state.markets.get(ticker)
            if market is None:
                continue
            curve = self._markets.get(ticker)
            kept[ticker] = curve = deque(maxlen=POINTS_MAX) if curve is None else curve
            curve.append(MarketPoint(now // MILLISECOND, mid_of(market), engine.scores.get(ticker)))
        self._markets = kept

    def add_account(self, pnl: Money | None, equity: Money | None, now: Ns) -> None:
        """Take a point of the account."""
        self.account.append(AccountPoint(now // MILLISECOND, pnl, equity))


assert MARKET_EVERY * POINTS_MAX == 12 * MINUTE, "as POINTS_MAX says"
