"""What one order was decided on: the market, the features, the score and the checks, by a retelling.

`OrderStory` listens for the decisions that placed and amended the order, and reads the book where the order
stood: when the venue had it, with each reading of its place in the queue (`shell/queue_places`), and at the
end. Before the first reading nobody knows the place: then what stood at its price is the most that can have
been ahead of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from daemon.core.book import Book
from daemon.core.commands import AmendOrder, Command, PlaceOrder
from daemon.core.decisions import Decision
from daemon.core.engine import Engine
from daemon.core.events import MarketDetermined, OrderAccepted, QueuePlacesRead
from daemon.core.explaining import Reason, explained
from daemon.core.orders import Proposal, ProposeCancel
from daemon.core.risk import AccountRisk, MarketRisk
from daemon.core.strategy import MarketView, Strategy, Target, Wanted
from daemon.core.units import PRICE_ONE, SECOND, BookSide, Money, Ns, Price, Qty
from daemon.shell.order_checks import Check, checks_of
from daemon.shell.order_trail import Trail, at_of

DEPTH = 5
"""Levels of the book that are shown on each side."""
MARKED_AFTER: Ns = 60 * SECOND
"""So long after its last record an order's fills are marked, where its market has not ended by then."""
DECISIONS_MAX = 50
"""Decisions on one order that are told in full, the first ones."""


class Seen(msgspec.Struct, frozen=True):
    """What the strategy was shown. Prices are YES prices; levels go from the best one outwards."""

    bids: tuple[tuple[Price, Qty], ...]
    asks: tuple[tuple[Price, Qty], ...]
    book_age: Ns | None
    time_to_close: Ns
    features: dict[str, float | None]
    score: float | None
    model: str
    position: Qty
    own_position: Qty
    equity: Money
    capital: Money | None


class Judged(msgspec.Struct, frozen=True):
    """What the gate said: `refused` is empty where it passed; and all that it asked, with its figures."""

    refused: str
    checks: tuple[Check, ...]


class Told(msgspec.Struct, frozen=True):
    """One decision that made or changed the order."""

    at: Ns
    seen: Seen | None
    """None where no strategy was asked: an exit, or a person's flatten."""
    reason: Reason | None
    wanted: tuple[Target, ...]
    judged: Judged | None
    is_same: bool = True
    """Whether the retelling gave the order here too. Where it did not, the code has changed since, and what
    is told is what it says today."""


class Result(msgspec.Struct, frozen=True):
    """What came of an order: contracts filled, their mean YES price in dollars, fees, and P&L after fees.

    `price_mean` is None without a fill; `pnl` where its market neither ended nor was quoted. `valued_at` is
    the YES price that it is reckoned with: what the market paid (`is_final`), or the mid at `marked_at`.
    """

    filled: Qty
    price_mean: float | None
    fees: Money
    pnl: Money | None
    valued_at: float | None
    is_final: bool
    marked_at: Ns | None


class OrderStory:
    """Listens to a retelling of the order's session; see the module's head."""

    def __init__(self, trail: Trail) -> None:
        """Build for an order whose records are found."""
        place = self._place = trail.place
        self._instants = {
            one.decided_at
            for one in trail.records
            if isinstance(one, PlaceOrder | AmendOrder) and one.purpose != "keep"
        }
        accepted = (one for one in trail.records if isinstance(one, OrderAccepted) and one.action == "place")
        self.accepted_at: Ns | None = next((one.received_at for one in accepted), None)
        """When the venue's yes came; None where it never did."""
        self._places = [one for one in reversed(trail.records) if isinstance(one, QueuePlacesRead)]
        own = [at_of(one) for one in trail.records if not isinstance(one, MarketDetermined)]
        self._until = max(own) + (MARKED_AFTER if trail.determined is None else 0)
        self._key = (place.ticker, place.strategy)
        self._engine: Engine | None = None
        self._asked: tuple[Seen, Reason, tuple[Target, ...]] | None = None
        self._judged: Judged | None = None
        self.told: list[Told] = []
        self.ahead_at_most: Qty | None = None
        """Contracts at its price, ours included, when the yes came; None where that was not seen."""
        self.standing: dict[Ns, Qty] = {}
        """Contracts at its price, ours included, by when a place in the queue was told; where it was seen."""
        self.marked_at: Ns | None = None
        self.mark: tuple[Price, Price] | None = None
        """The last best bid and ask that were seen; None where there never were both."""

    @property
    def until(self) -> Ns:
        """How far the session has to be told."""
        return self._until

    def attach(self, engine: Engine) -> None:
        """Take the session's engine."""
        self._engine = engine

    def asked(self, strategy: Strategy, view: MarketView, wanted: Wanted) -> None:
        """Keep what was seen, where it is one of the order's decisions."""
        if view.now in self._instants and (view.spec.ticker, strategy.name) == self._key:
            self._asked = (self._seen(view), explained(strategy, view, wanted), wanted.targets)

    def judged(
        self, proposal: Proposal, market: MarketRisk, account: AccountRisk, now: Ns, verdict: str
    ) -> None:
        """Keep what the gate held against which limits."""
        if isinstance(proposal, ProposeCancel) or self._engine is None:
            return
        about = (proposal.ticker, proposal.strategy, proposal.target.side)
        if now in self._instants and about == (*self._key, self._place.side):
            checks = checks_of(proposal, market, account, self._engine.risk.limits, now)
            self._judged = Judged(verdict, checks)

    def noted(self, decision: Decision) -> None:
        """Nothing: the order's own records say what came of it."""

    def decided(self, now: Ns, commands: Sequence[Command]) -> None:
        """Keep the decision if it is one of the order's, and the book where the order stands."""
        if now in self._instants and len(self.told) < DECISIONS_MAX:
            ours = self._place.client_order_id
            is_same = any(
                isinstance(one, PlaceOrder | AmendOrder) and one.client_order_id == ours for one in commands
            )
            seen, reason, wanted = self._asked or (None, None, ())
            self.told.append(Told(now, seen, reason, wanted, self._judged, is_same))
        self._asked = self._judged = None
        book = self._book()
        if book is None:
            return
        accepted_at = self.accepted_at
        if self.ahead_at_most is None and accepted_at is not None and now >= accepted_at:
            self.ahead_at_most = _size_at(book, self._place.side, self._place.price)
        while self._places and self._places[-1].received_at <= now:
            told = self._places.pop()
            if book.is_synced:
                self.standing[told.received_at] = _size_at(book, self._place.side, told.places[0].price)
        if book.bid is not None and book.ask is not None and now >= self._place.decided_at:
            self.marked_at, self.mark = now, (book.bid, book.ask)

    def _book(self) -> Book | None:
        market = None if self._engine is None else self._engine.state.markets.get(self._place.ticker)
        return None if market is None else market.book

    def _seen(self, view: MarketView) -> Seen:
        assert self._engine is not None, "a retelling attaches its engine first"
        book, model = view.book, self._engine.models.slot_of(self._place.strategy).model
        asks = tuple((PRICE_ONE - price, size) for price, size in _best(book, "ask"))
        return Seen(
            _best(book, "bid"), asks, book.age(view.now), view.time_to_close, dict(view.features), view.score,
            "" if model is None else f"{model.scorer.name}/{model.scorer.version}",
            view.position, view.own_position, view.equity, view.capital,
        )  # fmt: skip


def result_of(trail: Trail, story: OrderStory) -> Result:
    """Return what came of an order; a mark's half of the smallest price is rounded down."""
    fills, determined, mark = trail.fills, trail.determined, story.mark
    filled, fees = sum(fill.qty for fill in fills), sum(fill.fee for fill in fills)
    cost = sum(fill.price * fill.qty for fill in fills)
    mean = cost / filled / PRICE_ONE if filled else None
    if determined is not None:
        twice: Price | None = 2 * determined.settlement_price
    else:
        twice = None if mark is None else sum(mark)
    if twice is None:
        return Result(filled, mean, fees, 0 if not filled else None, None, False, None)
    gain = twice * filled - 2 * cost
    pnl = (gain if trail.place.side == "bid" else -gain) // 2 - fees
    is_final = determined is not None
    return Result(
        filled, mean, fees, pnl, twice / 2 / PRICE_ONE, is_final, None if is_final else story.marked_at
    )


def _best(book: Book, side: BookSide) -> tuple[tuple[Price, Qty], ...]:
    """Return the best levels of a side on its own price scale."""
    ladder = book.yes if side == "bid" else book.no
    return tuple((price, ladder.sizes[price]) for price in reversed(ladder.prices[-DEPTH:]))


def _size_at(book: Book, side: BookSide, price: Price) -> Qty:
    ladder = book.yes if side == "bid" else book.no
    return ladder.sizes.get(price if side == "bid" else PRICE_ONE - price, 0)
