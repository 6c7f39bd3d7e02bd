"""Whose the account's positions are: each fill belongs to the strategy of its order.

The venue knows one position per market. Here it is divided into shares, one per strategy and one that is
nobody's: what was adopted from the venue's lists, what a person traded, what an exit or a flatten closed. At
every step, per market, in exact integers:

    the shares' contracts, fees and flows sum to the ledger's

A share's flow is what its fills moved in cash, with a NO contract bought taken as a YES contract sold, so
that one strategy's YES and another's NO (which the venue nets to a dollar) add up: realised less cost, and a
dollar for each contract of NO. At the settlement nothing is open, and flow is what was realised.

What nobody's fill, or a list of the venue's, takes out of the position is taken from nobody's share first,
then from the strategies that hold that side, in the order in which they came: a strategy must not go on
believing in contracts that are sold.

A restart forgets nobody's share: the life before tells it (`told`, in the day's record), and it holds as far
as the venue's first lists still have the contracts. What they have besides traded meanwhile: as far as orders
of a strategy were open that may have, it is that strategy's, and nobody's beyond.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

import msgspec

from daemon.core.events import OrderFilled
from daemon.core.ledger import PAID_MAX, Ledger, Position
from daemon.core.units import PRICE_ONE, BookSide, Money, Price, Qty

NOBODY = ""
"""The owner of what is no strategy's."""
NO_STRATEGIES = ("adopted", "exit", "flatten")
"""Names under which orders go that are no strategy's: their fills close what the strategies hold."""
REMEMBERED_MAX = 10_000
"""Ended orders whose strategy is remembered: their fills may come late."""
UNCLAIMED_MAX = 1_000
"""Orders without a known owner whose fills are kept until an answer tells whose they are."""


class Share(Position):
    """What one strategy holds in one market. `paid_qty` is what was paid out, for corrections."""

    __slots__ = ("paid_qty",)

    def __init__(self) -> None:
        super().__init__()
        self.paid_qty: Qty = 0


class Result(msgspec.Struct):
    """What a strategy's closed trades came to in this life of the daemon. Fees are apart."""

    realized: Money = 0
    fees: Money = 0
    fills: int = 0


def flow(position: Position) -> Money:
    """Return what a position's fills moved, a NO contract bought taken as a YES contract sold."""
    short = max(0, -position.qty) + max(0, -position.gone_qty)
    return position.realized - position.cost - position.gone_cost + short * PRICE_ONE


ShareTold: TypeAlias = tuple[str, str, Qty, Money]
"""What a life tells the next one: ticker, owner, signed contracts, and what they cost."""
AwaitedTold: TypeAlias = tuple[str, str, BookSide, Qty]
"""Ticker, strategy, side, and how many contracts its open orders there may still trade."""


class Attribution:
    """The shares of all markets. `ledger` is the account's; what it has booked is told here after it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._shares: dict[str, dict[str, Share]] = {}
        """By market, then by owner."""
        self._open: dict[str, dict[str, Share]] = {}
        """By strategy, then by market: those with something in them."""
        self.results: dict[str, Result] = {}
        """By strategy."""
        self._ended: dict[str, str] = {}
        """The strategy of orders that are over, by both of their ids."""
        self._unclaimed: dict[str, list[OrderFilled]] = {}
        """Fills that may be ours, by an order id that no answer has told yet."""
        self._recovered: tuple[ShareTold, ...] = ()
        """What a life before knew, until the venue's lists say what is left of it."""
        self._awaited: tuple[AwaitedTold, ...] = ()

    # --- what is asked of it -------------------------------------------------------------------

    def qty(self, strategy: str, ticker: str) -> Qty:
        """Return the signed contracts that a strategy holds in a market."""
        shares = self._shares.get(ticker)
        share = None if shares is None else shares.get(strategy)
        return 0 if share is None else share.qty

    def share(self, strategy: str, ticker: str) -> Share | None:
        """Return a strategy's share of a market; None where it never had one."""
        return self._shares.get(ticker, {}).get(strategy)

    def shares_in(self, ticker: str) -> dict[str, Share]:
        """Return the shares of a market by owner, nobody's among them."""
        return self._shares.get(ticker, {})

    def open_of(self, strategy: str) -> Iterator[tuple[str, Share]]:
        """Yield the markets in which a strategy holds something, with its share."""
        yield from self._open.get(strategy, {}).items()

    # --- fills ---------------------------------------------------------------------------------

    def apply_fill(self, fill: OrderFilled, strategy: str | None, *, may_be_ours: bool) -> None:
        """Take in a fill that the ledger has just booked.

        Args:
            fill: the fill.
            strategy: that of its order; None where no open order is known to be its.
            may_be_ours: whether an order of ours in that market has no id yet: then it may be its fill.
        """
        owner = strategy or self._ended.get(fill.client_order_id or "") or self._ended.get(fill.order_id)
        if owner is not None and owner not in NO_STRATEGIES:
            self._add(owner, fill.ticker, _delta(fill), fill.price, fill.fee)
            self._result(owner).fills += 1
        elif owner is None and may_be_ours:
            self._add(NOBODY, fill.ticker, _delta(fill), fill.price, fill.fee)
            self._unclaimed.setdefault(fill.order_id, []).append(fill)
            if len(self._unclaimed) > UNCLAIMED_MAX:
                del self._unclaimed[next(iter(self._unclaimed))]
        else:
            self._close_for_nobody(fill)
        self._settle_if_paid(fill.ticker)
        self._forget_oldest()

    def claim(self, order_id: str, strategy: str) -> None:
        """An answer told an order's id: fills that came before it are its strategy's."""
        for fill in self._unclaimed.pop(order_id, ()):
            if strategy in NO_STRATEGIES:
                continue
            self._result(strategy).fills += 1
            for owner, sign in ((NOBODY, -1), (strategy, 1)):
                if (paid := self._ledger.paid.get(fill.ticker)) is None:
                    self._add(owner, fill.ticker, sign * _delta(fill), fill.price, sign * fill.fee)
                    continue
                # It was in the payout: only whose it was has changed.
                self._add(owner, fill.ticker, 0, fill.price, sign * fill.fee)
                share = self._of(owner, fill.ticker)
                share.paid_qty += sign * _delta(fill)
                self._earn(owner, share, sign * _delta(fill) * (paid.price - fill.price))

    def remember(self, client_order_id: str, order_id: str | None, strategy: str) -> None:
        """Remember whose an order was that is over: a fill of it may still come."""
        for key in (client_order_id, order_id):
            if key is not None:
                self._ended[key] = strategy
        while len(self._ended) > 2 * REMEMBERED_MAX:
            del self._ended[next(iter(self._ended))]

    def _close_for_nobody(self, fill: OrderFilled) -> None:
        """Book a fill that is no strategy's: it closes nobody's share, then those of the other side."""
        delta = _delta(fill)
        sign, left, fee_left = (1 if delta > 0 else -1), abs(delta), fill.fee
        rest = self._of(NOBODY, fill.ticker)
        first = min(left, abs(rest.qty)) if rest.qty * delta < 0 else 0
        for owner, share in tuple(self._shares[fill.ticker].items()):
            if owner == NOBODY or share.qty * delta >= 0 or left == first:
                continue
            closed = min(abs(share.qty), left - first)
            fee = fill.fee * closed // fill.qty
            self._add(owner, fill.ticker, sign * closed, fill.price, fee)
            left, fee_left = left - closed, fee_left - fee
        self._add(NOBODY, fill.ticker, sign * left, fill.price, fee_left)

    def _add(self, owner: str, ticker: str, delta: Qty, price: Price, fee: Money) -> None:
        share = self._of(owner, ticker)
        before = share.realized
        share.trade(delta, price)
        share.fees += fee
        if owner != NOBODY:
            result = self._result(owner)
            result.realized += share.realized - before
            result.fees += fee
            self._index(owner, ticker, share)

    # --- settlements ---------------------------------------------------------------------------

    def settle(self, ticker: str, price: Price) -> None:
        """Pay all shares of a market out at what one YES contract is worth. Twice pays once."""
        for owner, share in self._shares.get(ticker, {}).items():
            held, gone = share.value(price), share.value(price, share.gone_qty)
            self._earn(owner, share, held - share.cost + gone - share.gone_cost)
            share.paid_qty += share.qty + share.gone_qty
            share.qty = share.cost = share.gone_qty = share.gone_cost = 0
            self._index(owner, ticker, share)

    def correct(self, ticker: str, before: Price, price: Price) -> None:
        """Book that one YES contract paid `price` and not what was booked before."""
        for owner, share in self._shares.get(ticker, {}).items():
            self._earn(owner, share, share.paid_qty * (price - before))

    def _settle_if_paid(self, ticker: str) -> None:
        paid = self._ledger.paid.get(ticker)
        if paid is not None:
            self.settle(ticker, paid.price)  # told after its market was paid out: it was in the payout

    def _earn(self, owner: str, share: Share, earned: Money) -> None:
        share.realized += earned
        if owner != NOBODY:
            self._result(owner).realized += earned

    # --- the life before, and the next one -------------------------------------------------------

    def told(self, tickers: Iterable[str] = ()) -> tuple[ShareTold, ...]:
        """Return the shares of these markets and of all in which a strategy holds something."""
        markets = dict.fromkeys(tickers)
        for shares in self._open.values():
            markets.update(dict.fromkeys(shares))
        return tuple(
            sorted(
                (ticker, owner, share.qty, share.cost)
                for ticker in markets
                for owner, share in self.shares_in(ticker).items()
                if share.qty
            )
        )

    def recover(self, shares: Iterable[ShareTold], awaited: Iterable[AwaitedTold] = ()) -> None:
        """Take what a life before told; it holds from the first lists on, as far as those have it."""
        self._recovered, self._awaited = tuple(shares), tuple(awaited)

    def _take_recovered(self) -> None:
        positions = self._ledger.positions
        for ticker, owner, qty, cost in self._recovered:
            # Where the account holds nothing, all was closed meanwhile, or paid out.
            if self._ledger.position_qty(ticker) and owner not in NO_STRATEGIES:
                share = self._of(owner, ticker)
                share.qty, share.cost = share.qty + qty, share.cost + cost
        for ticker, owner, side, most in self._awaited:
            if not self._ledger.position_qty(ticker) or owner in (*NO_STRATEGIES, NOBODY):
                continue
            position, sign = positions[ticker], 1 if side == "bid" else -1
            missing = position.qty - sum(share.qty for share in self.shares_in(ticker).values())
            if (filled := min(most, sign * missing)) > 0:
                share = self._of(owner, ticker)
                if share.qty * sign < 0:
                    filled -= abs(_give_up(share, sign * filled))
                share.qty += sign * filled
                share.cost += _part_cost(sign * filled, position.qty, position.cost)
        self._recovered = self._awaited = ()

    # --- the venue's lists -----------------------------------------------------------------------

    def agree(self) -> None:
        """Follow the ledger where the venue's lists have changed it: the difference is nobody's."""
        if (self._recovered or self._awaited) and self._ledger.cash is not None:
            self._take_recovered()
        for ticker, position in self._ledger.positions.items():
            if ticker in self._shares or position.qty or position.gone_qty:
                self._follow(ticker, position)
        for ticker in self._shares:
            if ticker not in self._ledger.positions:
                self._follow(ticker, Position())

    def _follow(self, ticker: str, position: Position) -> None:
        shares = self._shares.setdefault(ticker, {})
        _follow_gone(position, shares)
        whole = _sum(shares.values())
        if whole == (position.qty, position.gone_qty, position.fees, flow(position)):
            self._index_all(ticker)
            return
        left = position.qty - whole[0]
        rest = shares.pop(NOBODY, None) or Share()
        if rest.qty * left < 0:
            left += rest.qty if abs(rest.qty) < abs(left) else -left
        for share in shares.values():
            if share.qty * left < 0:
                left -= _give_up(share, left)
        qty, gone_qty, fees, moved = _sum(shares.values())
        rest.qty, rest.gone_qty = position.qty - qty, position.gone_qty - gone_qty
        rest.fees = position.fees - fees
        rest.cost = _part_cost(rest.qty, position.qty, position.cost)
        rest.gone_cost = _part_cost(rest.gone_qty, position.gone_qty, position.gone_cost)
        rest.realized = 0
        rest.realized = flow(position) - moved - flow(rest)
        shares[NOBODY] = rest
        self._index_all(ticker)

    # --- the shares ------------------------------------------------------------------------------

    def _of(self, owner: str, ticker: str) -> Share:
        shares = self._shares.setdefault(ticker, {})
        share = shares.get(owner)
        if share is None:
            share = shares[owner] = Share()
        return share

    def _result(self, strategy: str) -> Result:
        result = self.results.get(strategy)
        if result is None:
            result = self.results[strategy] = Result()
        return result

    def _index(self, owner: str, ticker: str, share: Share) -> None:
        if owner == NOBODY:
            return
        if share.qty or share.gone_qty:
            self._open.setdefault(owner, {})[ticker] = share
        elif owner in self._open:
            self._open[owner].pop(ticker, None)

    def _index_all(self, ticker: str) -> None:
        for owner, share in self._shares[ticker].items():
            self._index(owner, ticker, share)

    def _forget_oldest(self) -> None:
        """Forget a market in which nobody holds anything, once there are more than the ledger can correct."""
        if len(self._shares) <= PAID_MAX:
            return
        for ticker, shares in self._shares.items():
            if not any(share.qty or share.gone_qty for share in shares.values()):
                del self._shares[ticker]
                return


def _delta(fill: OrderFilled) -> Qty:
    return fill.qty if fill.side == "bid" else -fill.qty


def _sum(shares: Iterable[Share]) -> tuple[Qty, Qty, Money, Money]:
    """Return contracts, contracts gone, fees and flow of shares together."""
    qty = gone_qty = fees = moved = 0
    for share in shares:
        qty += share.qty
        gone_qty += share.gone_qty
        fees += share.fees
        moved += flow(share)
    return qty, gone_qty, fees, moved


def _follow_gone(position: Position, shares: dict[str, Share]) -> None:
    """Set aside what the venue's list held no longer, or take it back where it holds it again."""
    held, gone = sum(one.qty for one in shares.values()), sum(one.gone_qty for one in shares.values())
    if position.gone_qty and not position.qty and position.gone_qty == held != gone:
        for share in shares.values():
            share.gone_qty, share.gone_cost = share.qty, share.cost
            share.qty = share.cost = 0
    elif not position.gone_qty:
        for share in shares.values():
            # Back in the list: that had a gap. A share that is on the other side now was closed since.
            if position.qty and share.gone_qty * share.qty >= 0:
                share.qty, share.cost = share.qty + share.gone_qty, share.cost + share.gone_cost
            share.gone_qty = share.gone_cost = 0


def _give_up(share: Share, wanted: Qty) -> Qty:
    """Take contracts out of a share at what they had cost; return the change of contracts."""
    taken = min(abs(share.qty), abs(wanted))
    share.cost -= share.cost * taken // abs(share.qty)
    change = taken if wanted > 0 else -taken
    share.qty += change
    return change


def _part_cost(qty: Qty, whole_qty: Qty, whole_cost: Money) -> Money:
    """Return what a part of a position cost, at the whole's average; what nets against it, the complement."""
    if not whole_qty:
        return abs(qty) * PRICE_ONE // 2  # nothing says at what: the flow is exact whatever is taken here
    part = whole_cost * abs(qty) // abs(whole_qty)
    return part if qty * whole_qty >= 0 else abs(qty) * PRICE_ONE - part
