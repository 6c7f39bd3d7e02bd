"""Cash, signed positions, exact fees, and profit and loss, from fills and settlements.

Accounting identity, per market, in Money and exact at every step:

    cash paid in + cost of the open part + realised P&L = what the fills and settlements moved, fees apart

A position is signed YES contracts. Buying YES at P pays P; selling YES that we don't hold is buying NO
and pays 1 - P; opposite holdings net to 1 $ a pair. So for a change of position by `delta` contracts at
YES price P:   cash += -P x delta - 1 $ x (growth of the NO holding).   Fees are taken off cash as they come.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from daemon.core.events import AccountReconciled, OrderFilled
from daemon.core.findings import Drift
from daemon.core.units import HOUR, MINUTE, PRICE_CENT, PRICE_ONE, Money, Ns, Price, Qty

START_OVERLAP: Ns = 4 * MINUTE
"""The first reading's list of fills goes back further than this: what is older is in its positions."""
FILLS_KEPT: Ns = HOUR
"""So long the fills of orders that are over are remembered, to be booked once."""
SPREAD_TRUSTED: Price = 10 * PRICE_CENT
"""Best prices that are no further apart than this say what a contract is worth: their mid."""
PAID_MAX = 10_000
"""Payouts that are remembered, for corrections."""


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

    def marked(self, bid: Price | None, ask: Price | None) -> Money:
        """Return what the open part is taken to be worth by a book's best prices; its cost if there are none.

        That is the mid, where the two are `SPREAD_TRUSTED` apart or less. Further apart they leave the more
        room the wider they are, and within that nothing is gained or lost: else one cancelled quote in a thin
        book would be a loss that halts us. A side that is empty stands at its end of the scale: what nobody
        bids for and all the world offers at a cent has not kept its cost.
        """
        if bid is None and ask is None:
            return self.cost
        low, high = bid or 0, PRICE_ONE if ask is None else ask
        mid, room = (low + high) // 2, max(0, high - low - SPREAD_TRUSTED) // 2
        ends = (self.value(mid - room), self.value(mid + room))
        return min(max(self.cost, min(ends)), max(ends))


class Paid(msgspec.Struct, frozen=True):
    """What a settled market paid us: `qty` signed contracts, YES at `price`; `fees` those of its fills."""

    price: Price
    qty: Qty
    revenue: Money
    fees: Money


class _OrderFills:
    """The fills of one order that are booked."""

    __slots__ = ("last_at", "qty", "trade_ids")

    def __init__(self) -> None:
        self.trade_ids: set[str] = set()
        self.qty: Qty = 0
        self.last_at: Ns = 0


class Ledger:
    """The account as we believe it to be. Empty until the first reconciliation is adopted."""

    def __init__(self) -> None:
        self.cash: Money | None = None
        """None until the venue told it."""
        self.positions: dict[str, Position] = {}
        self.shards: dict[str, int] = {}
        """On which shard a market is paid for, where that is known."""
        self.fees: Money = 0
        """Paid in this life of the daemon."""
        self.realized: Money = 0
        """Realised P&L of this life, fees apart."""
        self.transferred: Money = 0
        """Cash that came (above 0) or went in this life without any trade: the owner's, no profit or loss."""
        self.fills_total = 0
        self.fills_taken = 0
        """Those of them that took liquidity."""
        self.traded_total: Qty = 0
        """Contracts of all fills."""
        self.paid: dict[str, Paid] = {}
        """What settled markets paid, the last ones."""
        self._cash_by_shard: dict[int, Money] | None = None
        """None where the venue didn't say, or since cash moved on a shard that we don't know."""
        self._fills: dict[str, _OrderFills] = {}
        """By order id."""
        self._news_since: Ns | None = None
        """Fills before this are in the account already, and may be forgotten."""
        self._cost: Money | None = None
        """Cost of all open positions; None when it is to be summed anew."""

    def position_qty(self, ticker: str) -> Qty:
        """Return the signed position in a market."""
        position = self.positions.get(ticker)
        return position.qty if position is not None else 0

    def cash_of(self, exchange_index: int) -> Money | None:
        """Return the cash that an order on a shard can use: all of it where the venue told no parts."""
        if self._cash_by_shard is None:
            return self.cash
        return self._cash_by_shard.get(exchange_index, 0)

    @property
    def equity(self) -> Money | None:
        """Cash plus open positions at cost; None until the venue told the cash."""
        if self.cash is None:
            return None
        if self._cost is None:
            self._cost = sum(position.cost for position in self.positions.values())
        return self.cash + self._cost

    # --- fills ---------------------------------------------------------------------------------

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
        self.fills_taken += event.is_taker
        self.traded_total += event.qty
        self._move(event.ticker, cash)
        paid = self.paid.get(event.ticker)
        if paid is not None:
            # Told after its market was paid out: it was in the payout.
            self.settle(event.ticker, paid.price)
        return True

    def note_fill(self, event: OrderFilled) -> bool:
        """Take note of a fill that is in the venue's cash and position before these are adopted.

        False if it was known.
        """
        return self._see(event)

    def has_booked(self, fill: OrderFilled) -> bool:
        """Whether a fill is in cash and position, or too old to be anywhere else."""
        known = self._fills.get(fill.order_id)
        return self._is_old(fill) if known is None else fill.trade_id in known.trade_ids

    def booked_of(self, order_id: str) -> Qty:
        """Return how many contracts of an order's fills are in cash and position."""
        known = self._fills.get(order_id)
        return 0 if known is None else known.qty

    def forget_fills(self, asked_at: Ns, open_ids: Iterable[str | None]) -> None:
        """After a reading of the lists, forget the fills that nobody can tell as news any more.

        A list that was read at `asked_at` had every fill up to shortly before. So whatever is told later of
        a time long before that has been told already. Fills of open orders are kept whatever their age.
        """
        news_since = asked_at - FILLS_KEPT
        if self._news_since is None or news_since - self._news_since < FILLS_KEPT // 16:
            return
        self._news_since = news_since
        kept = dict.fromkeys(open_ids)
        for order_id, known in list(self._fills.items()):
            if known.last_at < news_since and order_id not in kept:
                del self._fills[order_id]

    def _is_old(self, fill: OrderFilled) -> bool:
        return self._news_since is not None and _at(fill) < self._news_since

    def _see(self, fill: OrderFilled) -> bool:
        """Take note of a fill's identity; False if it was seen before, or is too old to be news."""
        known = self._fills.get(fill.order_id)
        if known is None:
            if self._is_old(fill):
                return False
            known = self._fills[fill.order_id] = _OrderFills()
        elif fill.trade_id in known.trade_ids:
            return False
        known.trade_ids.add(fill.trade_id)
        known.qty += fill.qty
        known.last_at = max(known.last_at, _at(fill))
        return True

    # --- settlements ---------------------------------------------------------------------------

    def settle(self, ticker: str, price: Price) -> Money:
        """Pay a position out at what one YES contract is worth; return the cash. Twice pays once.

        A fill that is told later is paid out at that price at once.
        """
        position = self.positions.get(ticker)
        if position is None:
            self._remember(ticker, price, 0, 0, 0)
            return 0
        gone = position.gone_qty
        revenue = position.value(price, gone)
        self._earn_gone(position, price)
        payout = position.value(price)
        self.realized += payout - position.cost
        position.realized += payout - position.cost
        self._remember(ticker, price, position.qty + gone, payout + revenue, position.fees)
        position.qty = position.cost = 0
        self._cost = None
        self._move(ticker, payout)
        return payout

    def correct(self, ticker: str, price: Price) -> Money | None:
        """Book that one YES contract paid something else than we were told; return the change of cash.

        None where the market was not paid out in this life: then the lists had it right from the start.
        """
        paid = self.paid.get(ticker)
        if paid is None:
            return None
        change = paid.qty * (price - paid.price)
        revenue = paid.revenue + change
        self.paid[ticker] = msgspec.structs.replace(paid, price=price, revenue=revenue)
        position = self.positions.get(ticker)
        if position is not None:
            position.realized += change
        self.realized += change
        self._move(ticker, change)
        return change

    def _remember(self, ticker: str, price: Price, qty: Qty, revenue: Money, fees: Money) -> None:
        before = self.paid.pop(ticker, None)
        if before is not None:
            qty, revenue = before.qty + qty, before.revenue + revenue
        self.paid[ticker] = Paid(price, qty, revenue, fees)
        if len(self.paid) > PAID_MAX:
            del self.paid[next(iter(self.paid))]

    def _earn_gone(self, position: Position, price: Price) -> None:
        """Book what a position has earned whose payout we know from the list of cash alone."""
        earned = position.value(price, position.gone_qty) - position.gone_cost
        self.realized += earned
        position.realized += earned
        position.gone_qty = position.gone_cost = 0

    def _move(self, ticker: str, cash: Money) -> None:
        """Move cash, on the market's shard."""
        if self.cash is not None:
            self.cash += cash
        if self._cash_by_shard is not None and cash:
            shard = self.shards.get(ticker)
            if shard is None:
                self._cash_by_shard = None  # all of it, until the next reading says which part
            else:
                self._cash_by_shard[shard] = self._cash_by_shard.get(shard, 0) + cash

    # --- the venue's lists -----------------------------------------------------------------------

    def drifts(self, event: AccountReconciled) -> list[Drift]:
        """Return where our beliefs differ from the venue's lists, in a stable order."""
        found = []
        if self.cash != event.cash:
            found.append(Drift("cash_drift", "cash", self.cash, event.cash))
        told = {position.ticker: position.qty for position in event.positions}
        for ticker in sorted({*told, *self.positions}):
            believed = self.position_qty(ticker)
            if believed != told.get(ticker, 0):
                found.append(Drift("position_drift", ticker, believed, told.get(ticker, 0)))
        return found

    def adopt(self, event: AccountReconciled) -> None:
        """Take the venue's lists as the truth: the start-up path, and after a mismatch."""
        if self._news_since is None:
            # What was there before us is in the lists, and its fills are no news.
            self._news_since = event.asked_at - START_OVERLAP
        self.cash, self._cost = event.cash, None
        self.adopt_shards(event)
        for position in self.positions.values():
            # What the list lacks is flat; what it earned stays known, and what it had cost until it is paid.
            if position.qty:
                position.gone_qty, position.gone_cost = position.qty, position.cost
            position.qty = position.cost = 0
        for told in event.positions:
            self.positions[told.ticker] = Position(told.qty, told.cost, told.realized_pnl, told.fees)
        for fill in event.fills:
            self._see(fill)

    def adopt_shards(self, event: AccountReconciled) -> bool:
        """Take the parts of the cash, where they make up its whole; True if others were believed.

        Only a transfer of the owner's moves cash between shards, and it changes no sum.
        """
        told = dict(event.cash_by_shard)
        if not told or sum(told.values()) != self.cash:
            return False
        before = self._cash_by_shard
        self._cash_by_shard = told
        return before is not None and any(
            told.get(shard, 0) != before.get(shard, 0) for shard in (*told, *before)
        )


def _at(fill: OrderFilled) -> Ns:
    """When a fill happened, as well as we know: by the exchange's clock, else when we heard of it."""
    return fill.received_at if fill.sent_at is None else fill.sent_at
