"""Stop-loss and take-profit: a position that has lost or won enough is given up, whatever a strategy wants.

They are exits and no entries. A position is held against its mark (`Position.marked`) by a book with both
sides, per contract and fees apart. Once one of the two is reached the market's strategies want nothing there
any more: what rests is taken out first, then one reducing order at a time takes what the book offers within
the price collar, until the position is flat. After a stop-loss nothing is entered in that market again in
this run, nor after a restart; a strategy that saw an edge at a price would else see the same one a moment
later, and a worse one each time.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from daemon.core.ledger import Position
from daemon.core.market import Market
from daemon.core.risk import Limits
from daemon.core.strategy import Target
from daemon.core.units import PRICE_ONE, SECOND, Money, Ns, Price, Qty

EXIT = "exit"
"""The name under which exits are ordered, as a strategy's."""
APART: Ns = SECOND
"""Between two exits of one market."""


class Leaving(msgspec.Struct, frozen=True):
    """Why a position is given up, and the order that does it; None while there is nothing to be had."""

    reason: str
    target: Target | None


class Exits:
    """Remembers which positions are being given up, and which markets were stopped out."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._reasons: dict[str, str] = {}
        self._stopped: dict[str, None] = {}
        self._tried_at: dict[str, Ns] = {}
        self._taken_over: dict[str, None] = {}
        """Markets that a life before was stopped out of, until we can know which of them are still there."""
        self._known_at: Ns = 0

    @property
    def stopped_out(self) -> tuple[str, ...]:
        """The markets that are not entered any more, for the next life."""
        return tuple(self._stopped)

    def recover(self, tickers: Iterable[str], known_at: Ns) -> None:
        """Take over what a life before was stopped out of; markets that are no more are forgotten later."""
        self._taken_over, self._known_at = dict.fromkeys(tickers), known_at
        self._stopped |= self._taken_over

    def release(self, now: Ns) -> None:
        """By now all markets are listed: those of a life before are forgotten like others."""
        if self._taken_over and now >= self._known_at:
            self._taken_over = {}

    def is_stopped_out(self, ticker: str) -> bool:
        """Whether a stop-loss closed a position in this market, or is about to."""
        return ticker in self._stopped

    def look(self, market: Market, position: Position) -> Leaving | None:
        """Return how a position is to be given up; None when it isn't. The market's book is vouched for."""
        limits, ticker = self.limits, market.spec.ticker
        if limits.stop_loss is None and limits.take_profit is None:
            return None
        if not position.qty:
            self._reasons.pop(ticker, None)
            return None
        reason = self._reasons.get(ticker) or self._breach(market, position)
        if reason is None:
            return None
        self._reasons[ticker] = reason
        if reason.startswith("stop-loss"):
            self._stopped[ticker] = None
        return Leaving(reason, self._target(market, position, reason))

    def is_turn(self, ticker: str, now: Ns) -> bool:
        """Whether an exit may be sent now, which is noted: a book that is not as it shows is not hammered."""
        if now - self._tried_at.get(ticker, now - APART) < APART:
            return False
        self._tried_at[ticker] = now
        return True

    def forget_gone(self, markets: dict[str, Market]) -> None:
        """Forget markets that are no more."""
        notes = (self._stopped, self._reasons, self._tried_at)
        if any(len(note) > len(markets) for note in notes):
            kept = (one for one in self._stopped if one in markets or one in self._taken_over)
            self._stopped = dict.fromkeys(kept)
            self._reasons = {ticker: why for ticker, why in self._reasons.items() if ticker in markets}
            self._tried_at = {ticker: at for ticker, at in self._tried_at.items() if ticker in markets}

    def _breach(self, market: Market, position: Position) -> str | None:
        """Return which of the two limits the position has reached, in words; None for neither."""
        limits, bid, ask, qty = self.limits, market.book.bid, market.book.ask, abs(position.qty)
        if bid is None or ask is None:
            return None
        gain = position.marked(bid, ask) - position.cost
        if limits.stop_loss is not None and gain <= -qty * limits.stop_loss:
            return f"stop-loss: {_per_contract(-gain, qty)} of {limits.stop_loss / 100:g} cents lost"
        if limits.take_profit is not None and gain >= qty * limits.take_profit:
            return f"take-profit: {_per_contract(gain, qty)} of {limits.take_profit / 100:g} cents won"
        return None

    def _target(self, market: Market, position: Position, reason: str) -> Target | None:
        """Return an order for what the book offers within the price collar; None when that is nothing."""
        book, qty = market.book, position.qty
        # Nor further below what it is worth than the widest spread in which the owner would enter: a bid of
        # one cent that is left alone in an empty book is no way out.
        spread_max = PRICE_ONE if self.limits.spread_max is None else self.limits.spread_max
        value_min = position.marked(book.bid, book.ask) - spread_max * abs(qty)
        ladder = book.yes if qty > 0 else book.no
        wanted = min(abs(qty), self.limits.order_qty_max)
        found, worst = 0, None
        # Both ladders are bids on their own scale: what we hold of an outcome is sold to its bidders.
        for price in reversed(ladder.prices):
            if ladder.prices[-1] - price > self.limits.price_away_max or found >= wanted:
                break
            if price * abs(qty) < value_min:
                break
            found += ladder.sizes[price]
            worst = price
        if worst is None:
            return None
        price_yes: Price = worst if qty > 0 else PRICE_ONE - worst
        return Target("ask" if qty > 0 else "bid", price_yes, min(found, wanted), "take", reason)


def _per_contract(gain: Money, qty: Qty) -> str:
    return f"{gain / qty / 100:.1f}"
