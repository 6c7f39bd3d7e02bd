"""What must hold at every step of every life, and what must hold once the world is at rest.

Each has the name that a failure prints. The truth is the exchange's own; what is believed is the engine's.
The numbers are those of `daemon/decisions/0006-orders-that-never-lie.md`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from daemon.core import events as e
from daemon.core.commands import CancelOrder, Command, Decided, PlaceOrder, ProbeOrder
from daemon.core.orders import Order
from daemon.core.units import SECOND, Ns
from daemon.exchange.matching import Order as VenueOrder
from tests.sim.exposures import Exposures
from tests.sim.life import EXPIRY
from tests.sim.venue import decoded
from tests.sim.violations import Violation

if TYPE_CHECKING:
    from tests.sim.world import World


class Intent(msgspec.Struct):
    """What the journals say of one order."""

    place: PlaceOrder
    life: int
    end: int
    """The offset behind its record in its life's journal."""
    probes: int = 0
    sent: int = 0
    probes_sent: int = 0


class Checks:
    """Judges a world, step by step."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.intents: dict[str, Intent] = {}
        self._known: dict[str, Order] = {}
        """Orders that this life's engine held and whose end has not been judged; they outlive their place."""
        self._fills_judged = 0
        """How many fills had been booked when they were judged last."""
        self._cancels: dict[str, Ns] = {}
        """Cancels decided in this life and not sent, by the venue's order id, with when."""
        self._exposures = Exposures(world)
        self.counts: Counter[str] = Counter()
        """How often each thing was looked at: a check that never runs proves nothing."""

    # --- what is recorded, and what is sent ------------------------------------------------------

    def new_life(self) -> None:
        """Forget what only the last life knew."""
        self._known.clear()
        self._fills_judged = 0
        self._cancels.clear()

    def recorded(self, batch: Iterable[e.Event | Command | Decided], end: int, life: int, now: Ns) -> None:
        """Take in what a journal was given."""
        for record in batch:
            match record:
                case PlaceOrder():
                    if record.client_order_id in self.intents:
                        raise Violation("one_order_per_intent", f"{record.client_order_id} is placed twice")
                    self.intents[record.client_order_id] = Intent(record, life, end)
                case ProbeOrder():
                    self.intents[record.client_order_id].probes += 1
                case CancelOrder():
                    self._cancels[record.order_id] = now
                case e.OrderDropped() if record.action == "cancel":
                    order = self._known.get(record.client_order_id)
                    if order is not None:
                        self._cancels.pop(order.order_id or "", None)
                case _:
                    pass

    def sent(self, method: str, path: str, body: bytes | None) -> None:
        """Judge a write that leaves."""
        if method == "DELETE" and path.endswith("/events/orders"):
            self._cancels.clear()  # a cancel-all takes all of them
        elif method == "DELETE" and path.endswith("/batched"):
            for one in decoded(body)["orders"]:
                self._cancels.pop(one["order_id"], None)
        elif method == "DELETE":
            self._cancels.pop(path.rsplit("/", 1)[1], None)
        elif path.endswith("/amend"):
            self._order_sent(decoded(body), is_amend=True)
        elif path.endswith("/batched"):
            for one in decoded(body)["orders"]:
                self._order_sent(one, is_amend=False)
        elif path.endswith("/events/orders"):
            self._order_sent(decoded(body), is_amend=False)

    def _order_sent(self, body: dict[str, Any], *, is_amend: bool) -> None:
        self.counts["orders sent"] += 1
        client_order_id, ticker = body["client_order_id"], body["ticker"]
        life, now = self._world.living, self._world.now()
        intent = self.intents.get(client_order_id)
        if intent is None:
            raise Violation("one_order_per_intent", f"{client_order_id} was never decided")
        # One of a life before may have left or not: with its id, this life only asks.
        is_probe = not is_amend and (intent.sent > 0 or intent.life != life.number)
        if is_probe:
            intent.probes_sent += 1
            if intent.probes_sent > intent.probes:
                raise Violation("orders_within_intents", f"{client_order_id} is sent again")
            if body["time_in_force"] == "good_till_canceled":
                raise Violation(
                    "orders_within_intents", f"{client_order_id} is asked after by one that rests"
                )
            return
        if not is_amend:
            intent.sent += 1
            if life.journal.synced_end < intent.end:
                raise Violation("recorded_before_sent", f"{client_order_id} is not on the disk")
        waiting = [order_id for order_id, at in self._cancels.items() if at < intent.place.decided_at]
        if waiting and not is_amend:
            raise Violation("cancels_go_first", f"{client_order_id} left before the cancels of {waiting}")
        if not is_amend and body["time_in_force"] == "good_till_canceled":
            lasts = body.get("expiration_time", 0) * SECOND - now
            is_grouped = bool(body.get("order_group_id")) or intent.place.purpose == "reduce"
            if not is_grouped or not 0 < lasts <= EXPIRY + SECOND:
                raise Violation("rests_behind_second_line", f"{client_order_id} was sent as {body}")
        self._vouched(client_order_id, ticker, now)
        is_entering = intent.place.purpose == "enter"
        halted_at = self._world.halted_at
        if halted_at is not None and halted_at < now and is_entering:
            raise Violation("halt_holds", f"{client_order_id} was sent after the halt")

    def _vouched(self, client_order_id: str, ticker: str, now: Ns) -> None:
        """Judge by the beliefs themselves, not by the daemon's own judgement of them."""
        life = self._world.living
        state = life.engine.state
        for order in state.orders.values():
            # One that became so at this very instant raced with the socket.
            if order.ticker == ticker and order.state == "unknown" and order.touched_at < now:
                detail = f"{client_order_id} was sent on {ticker}, where {order.client_order_id} is unknown"
                raise Violation("nothing_new_past_unknown", detail)
        market, private = state.markets[ticker], state.connections.private
        silent_max = life.engine.config.limits.feed_silent_max
        wrong = None
        if not state.account.is_reconciled:
            wrong = "the account is not reconciled"
        elif not private.is_connected or private.heard_at is None or now - private.heard_at > silent_max:
            wrong = "the private stream is down or silent"
        elif not market.book.is_synced or not life.session.is_synced(ticker):
            wrong = "the book is not synced"
        elif market.spec.status != "active" or now >= market.spec.close_at:
            wrong = "the market is not open"
        elif state.exchange.refusal(market.spec.exchange_index, now) is not None:
            wrong = "the exchange is paused"
        if wrong is not None:
            raise Violation("sent_only_when_vouched", f"{client_order_id} on {ticker}: {wrong}")

    # --- every step ------------------------------------------------------------------------------

    def step(self) -> None:
        """Judge the world as it is at this instant."""
        self._orders()
        self._exposures.judge()
        self.counts["exposures judged"] += 1
        if self._world.life is not None:
            self._account()
            self._books()

    def _orders(self) -> None:
        """Judge what is believed of orders against what the exchange has."""
        venue, life = self._world.venue, self._world.life
        for order in venue.resting():
            if order.client_order_id not in self.intents:
                raise Violation(
                    "one_order_per_intent", f"{order.client_order_id} rests and was never decided"
                )
        if life is None or not life.pump.turns:
            return  # what the last life left is told to this one first of all
        state = life.engine.state
        self._known.update(state.orders)
        for order in venue.resting():
            held = state.orders.get(order.client_order_id)
            if held is None or not held.is_open:
                detail = "not known of" if held is None else f"believed to be {held.state}"
                raise Violation("live_orders_are_known", f"{order.client_order_id} rests and is {detail}")
            terms = order.price, order.filled + order.remaining
            # Of an amend without an answer both terms are believed until it can't arrive any more.
            if held.state == "resting" and held.pending is None and terms != (held.price, held.qty):
                detail = f"{order.client_order_id}: {held.price, held.qty} is believed, {terms} is true"
                raise Violation("terms_are_true", detail)
        for client_order_id in [id_ for id_, one in self._known.items() if not one.is_open]:
            self._ended(self._known[client_order_id], venue.order(client_order_id))
            if client_order_id not in state.orders:
                del self._known[client_order_id]

    def _ended(self, believed: Order, true: VenueOrder | None) -> None:
        """Judge the end of an order, once all that was told of it is taken in."""
        name, id_ = "ends_are_true", believed.client_order_id
        if true is None:
            if believed.state not in ("rejected", "dropped") or self._is_flying(id_):
                raise Violation(name, f"{id_} is believed to be {believed.state} and may still arrive")
        elif believed.state == "rejected" and true.status == "canceled" and self.intents[id_].probes_sent:
            if believed.filled != true.filled:  # what stands at the exchange is the probe that took its id
                raise Violation(name, f"{id_}: {believed.filled} filled is believed, {true.filled} is true")
        elif believed.state in ("rejected", "dropped"):
            raise Violation(name, f"{id_} is believed to be {believed.state}, and is {true.status}")
        elif believed.filled > true.filled:
            raise Violation(name, f"{id_}: {believed.filled} filled is believed, {true.filled} is true")
        elif believed.state != true.status or believed.filled != true.filled:
            detail = (
                f"{believed.state} with {believed.filled} filled, and is {true.status} with {true.filled}"
            )
            raise Violation(name, f"{id_} is believed to be {detail}")
        self.counts["ends judged"] += 1

    def _is_flying(self, client_order_id: str) -> bool:
        word = f'"{client_order_id}"'.encode()
        flights = self._world.flights.values()
        return any(one.will_arrive and word in one.body and one.method == "POST" for one in flights)

    def _account(self) -> None:
        """Judge cash, positions and fills: exact whenever nothing is in flight."""
        venue, life = self._world.venue, self._world.living
        state = life.engine.state
        ledger = state.ledger
        if ledger.fills_total != self._fills_judged:
            self._fills_judged = ledger.fills_total
            for order in venue.account.orders.values():
                booked = ledger.booked_of(order.order_id)
                if booked > order.filled:
                    detail = f"{order.client_order_id}: {booked} booked of {order.filled}"
                    raise Violation("fills_are_booked_once", detail)
        if not self.is_quiet():
            return
        self.counts["accounts judged"] += 1
        if ledger.cash != venue.cash:
            raise Violation("account_is_exact", f"cash {ledger.cash} is believed, {venue.cash} is true")
        for ticker, holding in venue.account.holdings.items():
            position = ledger.positions.get(ticker)
            qty, fees = (0, 0) if position is None else (position.qty, position.fees)
            if qty != holding.qty:
                raise Violation("account_is_exact", f"{ticker}: {qty} is believed, {holding.qty} is true")
            if holding.qty and fees != holding.fees:
                detail = f"{ticker}: fees {fees} are believed, {holding.fees} are true"
                raise Violation("account_is_exact", detail)

    def is_quiet(self) -> bool:
        """Whether nothing is in flight: no request, no frame, no event, no doubt."""
        life = self._world.living
        state = life.engine.state
        return (
            state.account.is_reconciled
            and not self._world.flights
            and life.http.waiting == 0
            and not len(life.inbox)
            and life.line is not None
            and life.line.is_open
            and life.line.waiting == 0
            and not life.line.is_silent
            and not life.line.holes
            and not (life.line.has_lost_private and self._is_fill_missing())
            and not any(order.is_in_flight for order in state.orders.values())
        )

    def _is_fill_missing(self) -> bool:
        """Whether something of this life's orders has traded that is not booked."""
        ledger, orders = self._world.living.engine.state.ledger, self._world.venue.account.orders
        return any(ledger.booked_of(order.order_id) < order.filled for order in orders.values())

    def _books(self) -> None:
        """Judge the books that are vouched for, where nothing is under way that could change them."""
        life = self._world.living
        line = life.line
        if line is None or line.waiting or line.holes or line.is_silent or len(life.inbox):
            return
        self.counts["books judged"] += 1
        for ticker, market in life.engine.state.markets.items():
            if not market.book.is_synced or not line.is_open:
                continue
            true = self._world.venue.exchange.markets[ticker].book
            for side, ladder in (("yes", market.book.yes), ("no", market.book.no)):
                believed = tuple((price, ladder.sizes[price]) for price in ladder.prices)
                levels = true.levels("yes" if side == "yes" else "no")
                if believed != levels:
                    raise Violation("synced_books_are_true", f"{ticker} {side}: {believed} for {levels}")

    # --- at rest ---------------------------------------------------------------------------------

    def unrest(self) -> str | None:
        """Return what keeps the world from being at rest; None when it is."""
        life = self._world.life
        if life is None:
            return "no life"
        state = life.engine.state
        if state.orders:
            told = [f"{one.client_order_id} {one.state}" for one in state.orders.values()]
            return f"orders {told}"
        if self._world.venue.resting():
            return "orders rest at the exchange"
        if not state.account.is_reconciled:
            return "the account is not reconciled"
        return None if self.is_quiet() else "something is in flight"


QUIET_AFTER: Ns = 120 * SECOND
"""How long after the last fault everything has to be at rest: a request that never arrived is given up after
35 s, breakers half-open by themselves before."""
