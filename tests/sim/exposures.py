"""What the account may lose at worst, reckoned from the exchange's own and apart from `core.risk`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from daemon.core.units import PRICE_ONE, QTY_ONE, BookSide, Money, Price, Qty
from tests.sim.violations import Violation

if TYPE_CHECKING:
    from tests.sim.world import World

Ends: TypeAlias = tuple[Money, Money]
"""What a market may bring if it ends YES, and if NO."""
SIDES: Final[tuple[tuple[BookSide, int], ...]] = (("bid", 1), ("ask", -1))
"""With the sign of what they add to a position."""


class Stake(msgspec.Struct, frozen=True):
    """What may still trade: at the worst price, and so much."""

    side: BookSide
    price: Price
    qty: Qty


class Exposures:
    """Judges what a world's account may lose.

    `floor_at_halt` is the least that all was worth in the end when a person halted; None when nobody has.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.floor_at_halt: Money | None = None

    def judge(self) -> None:
        """Judge the worst case of what is held, rests, and may still arrive. Raises Violation."""
        venue, limits = self._world.venue, self._world.limits
        stakes, held = self._stakes(), venue.account.holdings
        ends: dict[str, dict[str, Ends]] = defaultdict(dict)
        floor = venue.cash
        for ticker in dict.fromkeys((*held, *stakes)):
            holding = held.get(ticker)
            qty, cost = (0, 0) if holding is None else (holding.qty, holding.cost)
            event = venue.exchange.markets[ticker].spec.event_ticker
            floor += 0 if holding is None else holding.fees
            theirs = stakes.get(ticker, ())
            if not qty and not theirs:
                ends[event][ticker] = (0, 0)
                continue
            ends[event][ticker] = end = worst_ends(qty, theirs)
            floor += min(end)
            if cost - min(end) > limits.market_loss_max:
                detail = f"{ticker} may lose {cost - min(end)} of {limits.market_loss_max}"
                raise Violation("loss_within_limits", detail)
            for side, sign in SIDES:
                more = sum(stake.qty for stake in theirs if stake.side == side)
                if more and sign * qty + more > limits.position_qty_max:
                    detail = f"{ticker}: {qty} and {more} more of {side} pass {limits.position_qty_max}"
                    raise Violation("loss_within_limits", detail)
        total = 0
        for markets in ends.values():
            if not any(ticker in stakes or (ticker in held and held[ticker].qty) for ticker in markets):
                continue  # what it has cost is not at stake any more
            spent = sum(held[ticker].cost - held[ticker].realized for ticker in markets if ticker in held)
            total += max(0, spent - sum(map(min, markets.values())))
        if total > limits.total_loss_max:
            raise Violation("loss_within_limits", f"all may lose {total} of {limits.total_loss_max}")
        self._judge_halt(floor)

    def _stakes(self) -> dict[str, list[Stake]]:
        """Return what rests, at the worst of the terms that may be in force, and what may still arrive."""
        stakes: dict[str, list[Stake]] = defaultdict(list)
        amends: dict[str, list[tuple[Price, Qty]]] = defaultdict(list)
        new: dict[str, tuple[str, Stake]] = {}
        for flight in self._world.flights.values():
            if not flight.will_arrive or flight.method != "POST" or not flight.orders:
                continue
            for one in flight.orders:
                price, qty = round(float(one["price"]) * PRICE_ONE), round(float(one["count"]) * QTY_ONE)
                if flight.path.endswith("/amend"):
                    amends[flight.path.split("/")[-2]].append((price, qty))
                elif self._is_takable(one):
                    # Of those that bear one id only the first to arrive is taken: what asks after it is tiny.
                    known = new.get(one["client_order_id"])
                    if known is None or known[1].qty < qty:
                        new[one["client_order_id"]] = (
                            one["ticker"],
                            Stake("bid" if one["side"] == "bid" else "ask", price, qty),
                        )
        for ticker, stake in new.values():
            stakes[ticker].append(stake)
        for order in self._world.venue.resting():
            terms = [(order.price, order.remaining)]
            terms += [(price, qty - order.filled) for price, qty in amends.get(order.order_id, ())]
            prices = [price for price, _ in terms]
            price = max(prices) if order.side == "bid" else min(prices)
            stakes[order.ticker].append(Stake(order.side, price, max(qty for _, qty in terms)))
        return stakes

    def _is_takable(self, one: dict[str, str]) -> bool:
        """Whether a new order could be taken at all: its id is not used up, and its market is not over."""
        venue, now = self._world.venue, self._world.now()
        is_open = now < venue.exchange.markets[one["ticker"]].spec.close_at
        return is_open and venue.order(one["client_order_id"]) is None

    def _judge_halt(self, floor: Money) -> None:
        """After a halt, the least that all may be worth in the end, fees apart, does not fall."""
        halted_at = self._world.halted_at
        if halted_at is None:
            self.floor_at_halt = None
            return
        if halted_at == self._world.now():
            return  # what races with the halt in this instant is let go
        if self.floor_at_halt is not None and floor < self.floor_at_halt:
            detail = f"at worst {floor} is left in the end, and it was {self.floor_at_halt}"
            raise Violation("halt_holds", detail)
        self.floor_at_halt = floor


def worst_ends(qty: Qty, stakes: Iterable[Stake]) -> Ends:
    """Return the least that a market may bring if it ends YES, and if NO: computed apart from `core.risk`."""
    ends = []
    for value in (PRICE_ONE, 0):
        end = qty * value if qty >= 0 else -qty * (PRICE_ONE - value)
        for stake in stakes:
            end += min(0, (value - stake.price) * (stake.qty if stake.side == "bid" else -stake.qty))
        ends.append(end)
    return ends[0], ends[1]
