"""Who trades on the simulated exchange: market makers, informed takers, noise takers. One crowd a market.

Makers keep a ladder of small orders each. Their view of the fair value is late (a smoothed price, and
quotes that are renewed only now and then), a little off each in its own way, and off together by a slow
drift of one to four cents: that is the mispricing which a model of fair value can find. Informed takers
know the fair value and take what is wrong by more than fee and a margin; noise takers take anything.

An order of a maker lives in a *slot*: maker, direction, distance from its best. Renewing a slot cancels
its order and places another where the maker wants it now. Makers never take: what would cross is placed
a tick behind.
"""

from __future__ import annotations

import math
from random import Random
from typing import Final, NamedTuple

from daemon.core.fees import fee_per_contract
from daemon.core.markets import MarketSpec
from daemon.core.units import PRICE_ONE, QTY_ONE, BookSide, Ns, Price, PriceGrid, Qty
from daemon.exchange.exchange import Exchange
from daemon.exchange.facts import Fact, OrderState
from daemon.exchange.requests import NewOrder, Refused

TAKER: Final = "sim:taker"
INFORMED: Final = "sim:informed"


def maker_name(maker: int) -> str:
    """Return the account of a market maker."""
    return f"sim:maker{maker}"


class Temper(NamedTuple):
    """How busy a market is. Rates are per second."""

    makers: int
    renewals_per_s: float
    """Slots renewed for no reason but to move."""
    noise_takes_per_s: float
    informed_looks_per_s: float
    noise_qty: float
    """The median order of a noise taker, in contracts."""
    make_qty: float
    """The median order of a maker at its best price, in contracts."""


BUSY: Final = Temper(5, 29.0, 0.42, 0.22, 420.0, 100.0)
QUIET: Final = Temper(3, 8.0, 0.10, 0.10, 140.0, 110.0)

_DISTANCES: Final = (0, 1, 2, 3, 5, 8, 13)
"""A slot's ticks behind its maker's best quote; the first ones are renewed most often."""
_CHASED: Final = 2
"""So many of a maker's slots a side follow the fair value, the others wait for their turn."""
_FLEE_PER_S = 4.5
_IMPROVE_PER_S = 1.4
_LAG_S = 0.9
_DRIFT = 0.014
_DRIFT_MAX = 0.04
_DRIFT_MEMORY_S = 90.0
_QUIRK = 0.003
_HALF_SPREAD = 0.0045
_SKEW_QTY = 400_000.0 * QTY_ONE
"""The inventory that moves a maker's quotes by a dollar, if it could."""
_MARGIN = 0.012
_QUIET_BEFORE_CLOSE_S = 1.0


class _Slot:
    __slots__ = ("distance", "maker", "order_id", "price", "side")

    def __init__(self, maker: int, side: BookSide, distance: int) -> None:
        self.maker = maker
        self.side: BookSide = side
        self.distance = distance
        self.order_id: str | None = None
        self.price: Price | None = None
        """The YES price of the order; None without one."""


class Crowd:
    """All simulated participants of one market. Everything happens through the exchange."""

    def __init__(self, spec: MarketSpec, temper: Temper, random: Random) -> None:
        self.spec = spec
        self._temper = temper
        self._random = random
        self._grid = PriceGrid(spec.bands)
        self._late_fair: float | None = None
        self._drift = random.gauss(0.0, _DRIFT)
        self._quirks = [random.gauss(0.0, _QUIRK) for _ in range(temper.makers)]
        self._names = [maker_name(maker) for maker in range(temper.makers)]
        self._slots: list[_Slot] = []
        self._chased: list[_Slot] = []
        self._lottery: list[_Slot] = []
        for maker in range(temper.makers):
            for side in ("bid", "ask"):
                for rank, distance in enumerate(_DISTANCES):
                    slot = _Slot(maker, side, distance)
                    self._slots.append(slot)
                    if rank < _CHASED:
                        self._chased.append(slot)
                    self._lottery += [slot] * max(1, 5 - rank)

    def act(self, exchange: Exchange, fair: float, seconds: float, now: Ns) -> list[Fact]:
        """Let so much time pass, in which the fair value became `fair`."""
        self._learn(fair, seconds)
        if self.spec.close_at - now < _QUIET_BEFORE_CLOSE_S * 1e9:
            return []
        facts: list[Fact] = []
        random = self._random
        quotes = self._quotes(exchange)
        for _ in range(self._count(self._temper.renewals_per_s * seconds)):
            facts += self._renew(exchange, random.choice(self._lottery), quotes, now)
        for slot in self._chased:
            if random.random() < self._urgency(slot, quotes) * seconds:
                facts += self._renew(exchange, slot, quotes, now)
        if random.random() < self._temper.noise_takes_per_s * seconds:
            facts += self._take_blindly(exchange, now)
        if random.random() < self._temper.informed_looks_per_s * seconds:
            facts += self._take_knowingly(exchange, fair, now)
        return facts

    def open_books(self, exchange: Exchange, fair: float, now: Ns) -> list[Fact]:
        """Fill every slot: the book as it stands when somebody first looks at it."""
        self._learn(fair, 0.0)
        quotes = self._quotes(exchange)
        facts: list[Fact] = []
        for slot in self._slots:
            facts += self._renew(exchange, slot, quotes, now)
        return facts

    # --- makers ------------------------------------------------------------------------------

    def _learn(self, fair: float, seconds: float) -> None:
        if self._late_fair is None:
            self._late_fair = fair
        self._late_fair += (fair - self._late_fair) * (1 - math.exp(-seconds / _LAG_S))
        keep = math.exp(-seconds / _DRIFT_MEMORY_S)
        drift = keep * self._drift + _DRIFT * math.sqrt(1 - keep * keep) * self._random.gauss(0.0, 1.0)
        self._drift = min(_DRIFT_MAX, max(-_DRIFT_MAX, drift))

    def _quotes(self, exchange: Exchange) -> list[tuple[Price | None, Price | None]]:
        """Return each maker's best bid and ask, as it would quote now; None where it wouldn't."""
        late = self._late_fair
        assert late is not None, "quotes before the first look at the fair value"
        doubt = 4 * late * (1 - late)
        # Near certainty everything shrinks with the doubt that is left, down to the finest tick.
        half = max(_HALF_SPREAD * doubt, 0.0004)
        ticker, grid = self.spec.ticker, self._grid
        quotes: list[tuple[Price | None, Price | None]] = []
        for name, quirk in zip(self._names, self._quirks, strict=True):
            skew = exchange.accounts[name].qty(ticker) / _SKEW_QTY
            view = late + doubt * (self._drift + quirk - min(0.02, max(-0.02, skew)))
            quotes.append(
                (
                    grid.floor(int((view - half) * PRICE_ONE)),
                    grid.ceil(math.ceil((view + half) * PRICE_ONE)),
                )
            )
        return quotes

    def _urgency(self, slot: _Slot, quotes: list[tuple[Price | None, Price | None]]) -> float:
        """Return how many times a second a maker would renew this slot."""
        bid, ask = quotes[slot.maker]
        if slot.side == "bid":
            if bid is None or slot.price is None:
                return _FLEE_PER_S if slot.price is not None or bid is not None else 0.0
            off = slot.price - bid
        else:
            if ask is None or slot.price is None:
                return _FLEE_PER_S if slot.price is not None or ask is not None else 0.0
            off = ask - slot.price
        if off > 0:
            return _FLEE_PER_S
        return _IMPROVE_PER_S if off < -slot.distance * self._tick(slot.price) else 0.0

    def _tick(self, price: Price) -> Price:
        for band in self._grid.bands:
            if price < band.end:
                return band.step
        return self._grid.bands[-1].step

    def _renew(
        self,
        exchange: Exchange,
        slot: _Slot,
        quotes: list[tuple[Price | None, Price | None]],
        now: Ns,
    ) -> list[Fact]:
        facts: list[Fact] = []
        name = self._names[slot.maker]
        if slot.order_id is not None:
            if exchange.find(name, slot.order_id) is not None:
                outcome, facts = exchange.cancel(name, slot.order_id, now)
                if isinstance(outcome, Refused):
                    # A paused exchange: the order stays, and is looked after when it goes on.
                    return facts
            slot.order_id = slot.price = None
        price = self._price(exchange, slot, quotes[slot.maker])
        if price is None:
            return facts
        request = NewOrder(name, self.spec.ticker, slot.side, price, self._make_qty(slot), post_only=True)
        order, placed = exchange.place(request, now)
        if isinstance(order, OrderState):
            slot.order_id, slot.price = order.order_id, price
        facts += placed
        return facts

    def _price(
        self, exchange: Exchange, slot: _Slot, quote: tuple[Price | None, Price | None]
    ) -> Price | None:
        """Return where a slot's order would rest without crossing; None for nowhere."""
        book, grid = exchange.markets[self.spec.ticker].book, self._grid
        if slot.side == "bid":
            best, other = quote[0], book.ask
            if best is not None and other is not None and best >= other:
                best = grid.floor(other - 1)
            return best and grid.floor(best - slot.distance * self._tick(best - 1))
        best, other = quote[1], book.bid
        if best is not None and other is not None and best <= other:
            best = grid.ceil(other + 1)
        return best and grid.ceil(best + slot.distance * self._tick(best))

    def _make_qty(self, slot: _Slot) -> Qty:
        return self._qty(self._temper.make_qty * (1 + 0.25 * slot.distance), 0.9)

    # --- takers ------------------------------------------------------------------------------

    def _take_blindly(self, exchange: Exchange, now: Ns) -> list[Fact]:
        random, grid = self._random, self._grid
        book = exchange.markets[self.spec.ticker].book
        qty = self._qty(self._temper.noise_qty, 1.0)
        if random.random() < 0.5:
            limit = None if book.ask is None else grid.ceil(book.ask + 1) or book.ask
            return self._take(exchange, TAKER, "bid", limit, qty, now)
        limit = None if book.bid is None else grid.floor(book.bid - 1) or book.bid
        return self._take(exchange, TAKER, "ask", limit, qty, now)

    def _take_knowingly(self, exchange: Exchange, fair: float, now: Ns) -> list[Fact]:
        grid = self._grid
        margin = _MARGIN + fee_per_contract(self.spec.fees, fair, is_taker=True)
        qty = self._qty(self._temper.noise_qty * 1.5, 0.8)
        book = exchange.markets[self.spec.ticker].book
        highest = grid.floor(int((fair - margin) * PRICE_ONE))
        if highest is not None and book.ask is not None and book.ask <= highest:
            return self._take(exchange, INFORMED, "bid", highest, qty, now)
        lowest = grid.ceil(math.ceil((fair + margin) * PRICE_ONE))
        if lowest is not None and book.bid is not None and book.bid >= lowest:
            return self._take(exchange, INFORMED, "ask", lowest, qty, now)
        return []

    def _take(
        self, exchange: Exchange, name: str, side: BookSide, limit: Price | None, qty: Qty, now: Ns
    ) -> list[Fact]:
        if limit is None:
            return []
        request = NewOrder(name, self.spec.ticker, side, limit, qty, time_in_force="immediate_or_cancel")
        return exchange.place(request, now)[1]

    # --- chance ------------------------------------------------------------------------------

    def _count(self, mean: float) -> int:
        """Return how often something happens that happens `mean` times on average (Poisson, by Knuth)."""
        limit, product, count = math.exp(-mean), self._random.random(), 0
        while product > limit:
            product *= self._random.random()
            count += 1
        return count

    def _qty(self, median: float, spread: float) -> Qty:
        """Return a log-normal count: mostly whole contracts, now and then a fraction."""
        random = self._random
        contracts = min(median * 20, max(1.0, median * math.exp(random.gauss(0.0, spread))))
        return round(contracts * QTY_ONE) if random.random() < 0.1 else round(contracts) * QTY_ONE
