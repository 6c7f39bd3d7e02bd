"""What the limits of one proposal are checked against, gathered from the beliefs."""

from __future__ import annotations

from daemon.core.breaker import Breaker
from daemon.core.exposure import cash_free, loss_elsewhere, marked_equity
from daemon.core.issuing import Issuer
from daemon.core.market import Market
from daemon.core.risk import AccountRisk, Limits, MarketRisk, Refusal
from daemon.core.state import State
from daemon.core.units import DAY, MINUTE, Money, Ns


class Gathering:
    """Reads `State` for the gate, and remembers with which equity this life, and each UTC day, began."""

    def __init__(self, state: State, limits: Limits, breaker: Breaker, issuer: Issuer) -> None:
        self._state = state
        self._limits = limits
        self._breaker = breaker
        self._issuer = issuer
        self._day = -1
        self._equity_at_day_start: Money = 0
        self.equity_at_start: Money | None = None

    def new_day(self, now: Ns) -> None:
        """Note the equity with which this life, and each UTC day, begins."""
        if not self._state.account.is_reconciled:
            return
        day = now // DAY
        if day != self._day:
            equity = marked_equity(self._state)
            if equity is not None:
                self._day, self._equity_at_day_start = day, equity
                if self.equity_at_start is None:
                    self.equity_at_start = equity

    def pnl(self) -> Money | None:
        """Return marked profit and loss since this life began; None before the account is reconciled."""
        equity = marked_equity(self._state)
        return None if equity is None or self.equity_at_start is None else equity - self.equity_at_start

    def of_market(self, market: Market, book_changed_max: Ns | None, now: Ns) -> MarketRisk:
        """Return what a proposal for this market is checked against."""
        ticker = market.spec.ticker
        return MarketRisk(
            spec=market.spec,
            grid=market.grid,
            book=market.book,
            position=self._state.ledger.positions.get(ticker),
            open_orders=self._state.open_orders(ticker),
            book_changed_max=book_changed_max,
            feed=market.feed,
            refusal=self._state.refusal(market, self._limits, now),
        )

    def of_account(self, ticker: str, stop: Refusal | None, now: Ns) -> AccountRisk:
        """Return what a proposal for a market is checked against across all of them.

        `stop` is what stops everything new now, None when nothing does.
        """
        state = self._state
        equity = marked_equity(state)
        return AccountRisk(
            refusal=None if stop == "breaker_open" else stop,  # the gate judges the breaker itself
            breaker=self._breaker.state,
            is_trial_out=any(order.state == "placing" for order in state.orders.values()),
            private_feed=state.connections.private,
            cash_free=cash_free(state),
            loss_elsewhere=loss_elsewhere(state, ticker),
            pnl_today=0 if equity is None else equity - self._equity_at_day_start,
            orders_last_minute=self._issuer.placed_since(now - MINUTE),
        )
