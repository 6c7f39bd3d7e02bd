"""One of our orders, and the plan from what a strategy wants to what must be asked for.

What may happen to an order stands in `lifecycle`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import msgspec

from daemon.core.commands import Purpose
from daemon.core.lifecycle import IN_FLIGHT, OPEN, Happening, OrderState, following
from daemon.core.strategy import Target
from daemon.core.units import SECOND, BookSide, Ns, Price, Qty

BOOK_SIDES: tuple[BookSide, ...] = ("bid", "ask")

Stake: TypeAlias = tuple[BookSide, Price, Qty]
"""What may still come into a position: a side, the worst YES price for us, and contracts."""


CANCEL_AGAIN: Ns = SECOND // 4
"""How long after a cancel that was refused, or not sent, it is asked for again."""


class Order:
    """One of our orders: its terms, its state, and how much of it has traded.

    `filled` is what the venue says has traded; `booked` what came to us as fills. Between the two the
    missing part is still counted as exposure. Of an order that was taken over, what had traded by then counts
    as booked, and may yet come as fills: then `booked` is the greater one, and proves nothing.
    """

    __slots__ = (
        "booked", "cancel_failed_at", "client_order_id", "expires_at", "filled", "has_arrived", "is_presumed",
        "is_probing", "is_withdrawn", "order_id", "pending", "pending_expiry", "price", "probes", "purpose",
        "qty", "sent_at_latest", "side", "state", "strategy", "style", "ticker", "touched_at",
    )  # fmt: skip

    def __init__(
        self,
        *,
        client_order_id: str,
        ticker: str,
        side: BookSide,
        price: Price,
        qty: Qty,
        style: Literal["rest", "take"],
        strategy: str,
        at: Ns,
        state: OrderState = "placing",
        order_id: str | None = None,
        filled: Qty = 0,
        purpose: Purpose = "enter",
        expires_at: Ns | None = None,
    ) -> None:
        self.client_order_id = client_order_id
        self.ticker = ticker
        self.side = side
        self.price = price
        self.qty = qty
        self.style = style
        self.strategy = strategy
        self.purpose = purpose
        self.state = state
        self.order_id = order_id
        self.filled = filled
        self.booked = filled
        self.pending: tuple[Price, Qty] | None = None
        """The terms that an amend without an answer asked for: either these or the old ones are in force."""
        self.expires_at = expires_at
        """When the venue takes it out by itself, at the latest; None for never, and where it is not known."""
        self.pending_expiry: Ns | None = None
        """What an amend without an answer asked to move that on to."""
        self.touched_at = at
        """When its state last changed, on our clock."""
        self.cancel_failed_at: Ns | None = None
        """When a cancel was last refused, or not sent: the next one waits for a moment."""
        self.is_presumed = False
        """Whether its end was concluded from a list that lacks it, not told."""
        self.is_withdrawn = False
        """Whether our queue was asked to give it up, should it still wait there."""
        self.has_arrived = False
        """Whether the venue said that its id is taken: it got there, and the lists will tell as what."""
        self.is_probing = False
        """Whether a probe for it is under way."""
        self.probes = 0
        """How many were sent."""
        self.sent_at_latest = at
        """When something with its id was last under way, at the latest: it may arrive for a while after."""

    @property
    def is_open(self) -> bool:
        """Whether it may still trade, as far as we know."""
        return self.state in OPEN

    @property
    def is_in_flight(self) -> bool:
        """Whether an answer about it is outstanding."""
        return self.state in IN_FLIGHT

    @property
    def is_done(self) -> bool:
        """Whether it is closed and every fill that the venue spoke of is booked."""
        return not self.is_open and self.booked >= self.filled

    @property
    def exposed(self) -> Qty:
        """Contracts that may still come into the position: all while open, the unbooked fills after."""
        return max(0, (self.whole_qty if self.is_open else self.filled) - self.traded)

    @property
    def traded(self) -> Qty:
        """Contracts that have traded for certain, and are in the position."""
        return min(self.filled, self.booked)

    @property
    def whole_qty(self) -> Qty:
        """The most that it may trade in all, under the terms that may be in force."""
        return self.qty if self.pending is None else max(self.qty, self.pending[1])

    @property
    def stake(self) -> Stake:
        """What of it may still come into the position, at the worse of the prices that may be in force."""
        prices = (self.price,) if self.pending is None else (self.price, self.pending[0])
        return self.side, max(prices) if self.side == "bid" else min(prices), self.exposed

    @property
    def remaining(self) -> Qty:
        """Contracts that may still trade at the venue."""
        return max(0, self.qty - max(self.filled, self.booked)) if self.is_open else 0

    def apply(self, happening: Happening, at: Ns) -> None:
        """Go where the table says.

        Raises:
            IllegalHappening: the table has no such edge; nothing is changed.
        """
        state = following(self.state, happening)
        if state != self.state:
            self.state = state
            self.touched_at = at
            if state == "unknown":
                self.sent_at_latest = max(self.sent_at_latest, at)

    def may_ask_out(self, now: Ns) -> bool:
        """Whether it may be asked out now: not at once when the venue has just refused that.

        After a market's close it refuses every cancel, and takes its orders out by itself a moment later.
        """
        return self.cancel_failed_at is None or now - self.cancel_failed_at >= CANCEL_AGAIN

    def request_amend(self, price: Price, qty: Qty, at: Ns, expires_at: Ns | None = None) -> None:
        """Go into flight with new terms. Raises IllegalHappening as `apply`."""
        self.apply("amend_requested", at)
        self.pending = (price, qty)
        self.pending_expiry = expires_at

    def settle_amend(self, *, is_accepted: bool) -> None:
        """Take the answer to an amend: the new terms, or the old ones."""
        if is_accepted and self.pending is not None:
            self.price, self.qty = self.pending
            self.expires_at = self.pending_expiry or self.expires_at
        self.pending = self.pending_expiry = None

    def tell_filled(self, filled: Qty) -> None:
        """Take in the venue's total of what has traded; a total never falls."""
        self.filled = max(self.filled, filled)


class ProposePlace(msgspec.Struct, frozen=True):
    """A wish to send a new order."""

    ticker: str
    strategy: str
    target: Target


class ProposeAmend(msgspec.Struct, frozen=True):
    """A wish to move or resize a resting order."""

    ticker: str
    strategy: str
    client_order_id: str
    target: Target


class ProposeCancel(msgspec.Struct, frozen=True):
    """A wish to take a resting order out."""

    ticker: str
    strategy: str
    client_order_id: str
    reason: str


class ProposeWithdraw(msgspec.Struct, frozen=True):
    """A wish to give up a new order that may still wait in our own queue."""

    ticker: str
    strategy: str
    client_order_id: str
    reason: str


Proposal: TypeAlias = ProposePlace | ProposeAmend | ProposeCancel
"""What risk judges. To withdraw is no request, and needs nobody's leave."""


def _is_kept(order: Order, target: Target) -> bool:
    """Whether the order rests where the target wants it; a quarter more or less is not worth a request."""
    is_near = abs(order.price - target.price) <= target.slack
    return is_near and abs(order.remaining - target.qty) * 4 <= target.qty


def _are_all_kept(targets: Sequence[Target], live: Sequence[Order]) -> bool:
    """Whether every target has an order of its own that rests where it wants it, and no other one is live."""
    if len(targets) != len(live):
        return False
    left = list(live)
    for target in targets:
        side = target.side
        for order in left:
            if order.side == side and order.state == "resting" and _is_kept(order, target):
                left.remove(order)
                break
        else:
            return False
    return True


def plan(
    ticker: str, strategy: str, targets: Sequence[Target], orders: Iterable[Order], reason: str
) -> list[Proposal | ProposeWithdraw]:
    """Return what must be asked for so that exactly the targets rest: cancels first.

    One strategy's orders in one market. A side with an answer outstanding is left alone until it came; a new
    order that may still wait in our queue is withdrawn where it is no longer wanted. `reason` is given with
    cancels.
    """
    live = [order for order in orders if order.state in OPEN]
    if _are_all_kept(targets, live):
        return []  # most of the time
    cancels: list[Proposal | ProposeWithdraw] = []
    rest: list[Proposal | ProposeWithdraw] = []
    for side in BOOK_SIDES:
        existing = [order for order in live if order.side == side]
        wanted = [target for target in targets if target.side == side]
        if not existing:
            rest += [ProposePlace(ticker, strategy, target) for target in wanted]
            continue
        resting = [order for order in existing if order.state == "resting"]
        if len(resting) < len(existing):
            # What we would add to is not known yet; what surely rests can still be taken out.
            cancels += [
                ProposeWithdraw(ticker, strategy, order.client_order_id, reason)
                for order in existing
                if order.state == "placing"
                and not order.is_withdrawn
                and not any(_is_kept(order, target) for target in wanted)
            ]
            if not wanted:
                cancels += [
                    ProposeCancel(ticker, strategy, order.client_order_id, reason) for order in resting
                ]
            continue
        missing = []
        for target in wanted:
            for order in resting:
                if _is_kept(order, target):
                    resting.remove(order)
                    break
            else:
                missing.append(target)
        # An amend of unknown outcome may still arrive, and must not meet another one: such an order goes.
        movable = [order for order in resting if order.pending is None]
        for target in missing:
            if target.style == "rest" and movable:
                moved = movable.pop(0)
                resting.remove(moved)
                rest.append(ProposeAmend(ticker, strategy, moved.client_order_id, target))
            else:
                rest.append(ProposePlace(ticker, strategy, target))
        cancels += [ProposeCancel(ticker, strategy, order.client_order_id, reason) for order in resting]
    return cancels + rest
