"""Cash, signed positions, exact fees, and profit and loss, from fills and settlements.

Accounting identity, per market, in Money and exact at every step:

    cash paid in + cost of the open part + realised P&L = what the fills and settlements moved, fees apart

A position is signed YES contracts. Buying YES at P pays P; selling YES that we don't hold is buying NO
and pays 1 - P; opposite holdings net to 1 $ a pair. So for a change of position by `delta` contracts at
YES price P:   cash += -P x delta - 1 $ x (growth of the NO holding).   Fees are taken off cash as they come.
"""

from __future__ import annotations

import msgspec

from daemon.core.events import AccountReconciled, OrderFilled
from daemon.core.units import PRICE_ONE, Money, Price, Qty


class Position:
    """One market's holding."""

    __slots__ = ("cost", "fees", "gone_cost", "gone_qty", "qty", "realized")

    def __init__(self, qty: Qty = 0, cost: Money = 0, realized: Money = 0, fees: Money = 0) -> None:
        self.qty = qty
        """Signed: YES positive, NO negative."""
        self.cost = cost
        """What the open part cost (a NO contract costs 1 - P), fees apart."""
        self.realized = realized
        """Profit of the closed part, fees apart."""
        self.fees = fees
        self.gone_qty: Qty = 0
        """What the venue's list held no longer though nobody told us why: paid out, most likely, ..."""
        self.gone_cost: Money = 0
        """... and what it had cost. The list's cash has it in already; what it earned is not known yet."""

    def trade(self, delta: Qty, price: Price) -> Money:
        """Change the position by `delta` at a YES price; return the change of cash, fees apart."""
        closing = min(abs(delta), abs(self.qty)) if self.qty * delta < 0 else 0
        opening = abs(delta) - closing
        cash = 0
        if closing:
            # The average cost of what is closed, floored; the rest keeps the remainder, so nothing is lost.
            cost = self.cost * closing // abs(self.qty)
            proceeds = closing * (price if self.qty > 0 else PRICE_ONE - price)
            self.cost -= cost
            self.realized += proceeds - cost
            cash += proceeds
        if opening:
            cost = opening * (price if delta > 0 else PRICE_ONE - price)
            self.cost += cost
            cash -= cost
        self.qty += delta
        return cash

    def value(self, price: Price, qty: Qty | None = None) -> Money:
        """Return what the open part, or another quantity, is worth at a YES price."""
        qty = self.qty if qty is None else qty
        return qty * price if qty >= 0 else -qty * (PRICE_ONE - price)


class Mismatch(msgspec.Struct, frozen=True):
    """A belief that the venue did not share, found by a conclusive reconciliation."""

    subject: str
    believed: int
    told: int


class Ledger:
    """The account as we believe it to be. Empty until the first reconciliation is adopted."""

    def __init__(self) -> None:
        self.cash: Money | None = None
        """None until the venue told it."""
        self.positions: dict[str, Position] = {}
        self.fees: Money = 0
        """Paid in this life of the daemon."""
        self.realized: Money = 0
        """Realised P&L of this life, fees apart."""
        self.fills_total = 0
        self._seen: set[tuple[str, str]] = set()
        self._booked: dict[str, Qty] = {}
        self._cost: Money | None = None
        """Cost of all open positions; None when it is to be summed anew."""

    def position_qty(self, ticker: str) -> Qty:
        """Return the signed position in a market."""
        position = self.positions.get(ticker)
        return position.qty if position is not None else 0

    @property
    def equity(self) -> Money | None:
        """Cash plus open positions at cost; None until the venue told the cash."""
        if self.cash is None:
            return None
        if self._cost is None:
            self._cost = sum(position.cost for position in self.positions.values())
        return self.cash + self._cost

    def apply_fill(self, event: OrderFilled) -> bool:
        """Book one fill; False if it is booked already (the venue tells fills on several paths)."""
        if not self._see(event):
            return False
        self._cost = None
        position = self.positions.setdefault(event.ticker, Position())
        before = position.realized
        delta = event.qty if event.side == "bid" else -event.qty
        cash = position.trade(delta, event.price) - event.fee
        position.fees += event.fee
        self.fees += event.fee
        self.realized += position.realized - before
        self.fills_total += 1
        if self.cash is not None:
            self.cash += cash
        return True

    def settle(self, ticker: str, price: Price) -> Money:
        """Pay a position out at what one YES contract is worth; return the cash. Twice pays once."""
        position = self.positions.get(ticker)
        if position is None:
            return 0
        self._earn_gone(position, price)
        if position.qty == 0:
            return 0
        payout = position.value(price)
        self.realized += payout - position.cost
        position.realized += payout - position.cost
        position.qty = position.cost = 0
        self._cost = None
        if self.cash is not None:
            self.cash += payout
        return payout

    def _earn_gone(self, position: Position, price: Price) -> None:
        """Book what a position has earned whose payout we know from the list of cash alone."""
        earned = position.value(price, position.gone_qty) - position.gone_cost
        self.realized += earned
        position.realized += earned
        position.gone_qty = position.gone_cost = 0

    def mismatches(self, event: AccountReconciled) -> list[Mismatch]:
        """Return where our beliefs differ from the venue's lists, in a stable order."""
        found = []
        if self.cash != event.cash:
            found.append(Mismatch("cash", -1 if self.cash is None else self.cash, event.cash))
        told = {position.ticker: position.qty for position in event.positions}
        for ticker in sorted({*told, *self.positions}):
            believed = self.position_qty(ticker)
            if believed != told.get(ticker, 0):
                found.append(Mismatch(f"position {ticker}", believed, told.get(ticker, 0)))
        return found

    def _see(self, fill: OrderFilled) -> bool:
        """Take note of a fill's identity; False if it was seen before."""
        key = (fill.trade_id, fill.order_id)
        if key in self._seen:
            return False
        self._seen.add(key)
        self._booked[fill.order_id] = self._booked.get(fill.order_id, 0) + fill.qty
        return True

    def booked_of(self, order_id: str) -> Qty:
        """Return how many contracts of an order's fills are in cash and position."""
        return self._booked.get(order_id, 0)

    def adopt(self, event: AccountReconciled) -> None:
        """Take the venue's lists as the truth: the start-up path, and after a mismatch."""
        self.cash, self._cost = event.cash, None
        for position in self.positions.values():
            # What the list lacks is flat; what it earned stays known, and what it had cost until it is paid.
            if position.qty:
                position.gone_qty, position.gone_cost = position.qty, position.cost
            position.qty = position.cost = 0
        for told in event.positions:
            self.positions[told.ticker] = Position(told.qty, told.cost, told.realized_pnl, told.fees)
        for fill in event.fills:
            self._see(fill)
