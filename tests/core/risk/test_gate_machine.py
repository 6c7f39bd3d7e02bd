"""The worst case never exceeds a limit at any instant: random orders, answers, fills, amends, settlements.

Two events and a market alone: a ladder of three strikes, an event of two markets that exclude each other.
The oracle keeps books of its own, from fills alone, and tries every outcome with every set of fills. A ladder
ends where one hidden number says, so that what is settled first fits what is settled last.
"""

from __future__ import annotations

from itertools import product
from typing import Literal

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from daemon.core import events as e
from daemon.core.commands import AmendOrder, PlaceOrder
from daemon.core.engine import Engine, Slot
from daemon.core.exposure import beyond, event_losses
from daemon.core.orders import Order
from daemon.core.strategy import MarketView, Target, Wanted
from daemon.core.units import MILLISECOND, MONEY_ONE, PRICE_ONE, BookSide, Money, Ns, Qty
from tests.core.worlds import CONFIG, LIMITS, NOW, SCHEMA, T0, reconciled, snapshot, spec

LADDER, RACE, LONE = "KXBTC15M-L", "KXBTC15M-R", "KXBTC15M-S"
STRIKES = {f"{LADDER}-{strike}": strike for strike in (100, 110, 120)}
RACERS = (f"{RACE}-A", f"{RACE}-B")
EVENT_OF = {**dict.fromkeys(STRIKES, LADDER), **dict.fromkeys(RACERS, RACE), f"{LONE}-X": LONE}
TICKERS = tuple(EVENT_OF)
TIGHT = msgspec.structs.replace(
    LIMITS,
    position_qty_max=2_000,
    market_loss_max=9 * MONEY_ONE,
    event_loss_max=12 * MONEY_ONE,
    total_loss_max=20 * MONEY_ONE,
    event_qty_max=5_000,
    series_qty_max=9_000,
    exposure_max=40 * MONEY_ONE,
    orders_per_minute_max=10_000,
    price_away_max=9_000,
)
STYLES: st.SearchStrategy[Literal["rest", "take"]] = st.sampled_from(["rest", "take"])
QTYS = st.sampled_from([1, 333, 700, 1_000, 1_500])


def target(side: BookSide, cents: int, qty: int, style: Literal["rest", "take"]) -> Target:
    """An order that the strategy wants."""
    return Target(side, cents * 100, qty, style, "")


BIDS = st.builds(target, st.just("bid"), st.integers(30, 49), QTYS, STYLES)
ASKS = st.builds(target, st.just("ask"), st.integers(51, 70), QTYS, STYLES)
TARGETS = st.one_of(st.tuples(BIDS), st.tuples(ASKS), st.tuples(BIDS, ASKS), st.just(()))
ENDS: dict[str, tuple[dict[str, bool], ...]] = {
    LADDER: tuple({t: value > strike for t, strike in STRIKES.items()} for value in (100, 105, 115, 125)),
    RACE: (
        {RACERS[0]: True, RACERS[1]: False},
        {RACERS[0]: False, RACERS[1]: True},
        dict.fromkeys(RACERS, False),
    ),
    LONE: ({f"{LONE}-X": True}, {f"{LONE}-X": False}),
}
"""Every way in which an event can end."""


class Wanting:
    """A strategy that wants in each market what the test says."""

    features: tuple[str, ...] = ()
    book_changed_max: Ns | None = None

    def __init__(self, name: str) -> None:
        self.name = name
        self.targets: dict[str, tuple[Target, ...]] = {}

    def wants(self, view: MarketView) -> Wanted:
        """Return what is wanted of this market."""
        return Wanted(self.targets.get(view.spec.ticker, ()), "wanted")


def worst_fills(stakes: list[tuple[BookSide, int, Qty]], worth: int) -> Money:
    """Return the worst that any set of fills can add when a YES contract ends up worth so much."""
    gains = [qty * (worth - price) * (1 if side == "bid" else -1) for side, price, qty in stakes]
    return min(sum(gain for gain, is_in in zip(gains, sets, strict=True) if is_in)
               for sets in product((False, True), repeat=len(gains)))  # fmt: skip


class GateMachine(RuleBasedStateMachine):
    """One engine, its venue, and books of our own."""

    def __init__(self) -> None:
        super().__init__()
        self.strategies = (Wanting("one"), Wanting("two"))
        slots = [Slot(strategy, frozenset({"KXBTC15M"})) for strategy in self.strategies]
        self.subject = Engine(msgspec.structs.replace(CONFIG, limits=TIGHT), slots, None, SCHEMA)
        self.now = NOW
        self.flows = dict.fromkeys(TICKERS, 0)
        """Cash that came from each market, as if every trade were one of YES; and the contracts held."""
        self.held = dict.fromkeys(TICKERS, 0)
        self.fills = 0
        self.ends: dict[str, dict[str, bool]] = {}
        self.settled: set[str] = set()
        self.bounds = dict.fromkeys(ENDS, TIGHT.event_loss_max or 0)
        self.total_bound = TIGHT.total_loss_max

    @initialize(ends=st.tuples(*(st.sampled_from(ends) for ends in ENDS.values())))
    def start(self, ends: tuple[dict[str, bool], ...]) -> None:
        """The account agrees, all markets are open."""
        self.ends = dict(zip(ENDS, ends, strict=True))
        self.tell(e.FeedConnected("kalshi", T0))
        for ticker, event in EVENT_OF.items():
            listed = spec(
                ticker,
                event_ticker=event,
                strike_type="greater" if event == LADDER else None,
                strike=STRIKES[ticker] * MONEY_ONE if event == LADDER else None,
                structure={LADDER: "ladder", RACE: "exclusive"}.get(event, "unknown"),
                close_at=T0 + 10**15,
            )
            self.tell(e.MarketListed(listed, T0))
        self.tell(reconciled(T0 + 3_000 * MILLISECOND), reconciled(NOW))

    def tell(self, *events: e.Event) -> None:
        """Hand events to the core."""
        for event in events:
            self.subject.handle(event)

    def decide(self) -> None:
        """Decide on fresh books, and take note of what gave up a hedge: its way is never closed."""
        self.now += MILLISECOND
        self.tell(e.FeedHeard("kalshi", self.now))
        for ticker in TICKERS:
            if ticker not in self.settled:
                self.tell(snapshot(self.now, ticker, yes=((2_900, 10_000),), no=((2_900, 10_000),)))
        for command in self.subject.decide(self.now):
            if isinstance(command, PlaceOrder | AmendOrder) and command.purpose == "reduce":
                event = EVENT_OF[command.ticker]
                self.bounds[event] = max(self.bounds[event], self.loss(event))
                self.total_bound = max(self.total_bound, sum(self.loss(one) for one in ENDS))

    def orders(self, *states: str) -> list[Order]:
        """Return our orders in any of these states."""
        return [order for order in self.subject.state.orders.values() if order.state in states]

    def loss(self, event: str) -> Money:
        """Return the event's worst case, by every outcome and every set of fills."""
        tickers = [ticker for ticker, of in EVENT_OF.items() if of == event]
        stakes = {t: [o.stake for o in self.subject.state.orders.values() if o.ticker == t] for t in tickers}
        if not any(self.held[t] or stakes[t] for t in tickers):
            return 0
        worst = 0
        for end in ENDS[event]:
            if any(end[t] != self.ends[event][t] for t in tickers if t in self.settled):
                continue  # what is settled has told that it does not end so
            result = sum(self.flows[t] for t in tickers)
            for t in tickers:
                if t not in self.settled:
                    worth = PRICE_ONE if end[t] else 0
                    result += self.held[t] * worth + worst_fills(stakes[t], worth)
            worst = max(worst, -result)
        return worst

    # --- what happens --------------------------------------------------------------------------

    @rule(who=st.integers(0, 1), wanted=st.dictionaries(st.sampled_from(TICKERS), TARGETS, min_size=2))
    def want(self, who: int, wanted: dict[str, tuple[Target, ...]]) -> None:
        """A strategy changes its mind about some markets."""
        self.strategies[who].targets |= wanted
        self.decide()

    @precondition(lambda self: self.orders("placing"))
    @rule()
    def accept_all(self) -> None:
        """The venue takes everything that was sent."""
        for order in self.orders("placing"):
            name, at = order.client_order_id, self.now
            self.tell(e.OrderAccepted("place", name, f"id-{name}", order.booked, order.qty, at, at))
        self.decide()

    @precondition(lambda self: self.orders("placing", "amending", "canceling"))
    @rule(choice=st.integers(0, 99), answer=st.sampled_from(["yes", "no", "unknown"]))
    def answer(self, choice: int, answer: str) -> None:
        """The venue answers a request, or nobody knows."""
        waiting = self.orders("placing", "amending", "canceling")
        order = waiting[choice % len(waiting)]
        actions: dict[str, e.OrderAction] = {"placing": "place", "amending": "amend", "canceling": "cancel"}
        action, name, at = actions[order.state], order.client_order_id, self.now
        if answer == "unknown":
            self.tell(e.OrderUnknown(action, name, "timeout", at))
        elif answer == "no":
            self.tell(e.OrderRejected(action, name, "invalid_order", "post only cross", at))
        else:
            left = 0 if action == "cancel" else order.whole_qty - order.booked
            self.tell(e.OrderAccepted(action, name, f"id-{name}", order.booked, left, at, at))
        self.decide()

    @precondition(lambda self: self.orders("resting", "amending", "canceling", "unknown"))
    @rule(choice=st.integers(0, 99), share=st.integers(1, 4))
    def fill(self, choice: int, share: int) -> None:
        """An order of ours trades, in part or whole, at the worse of the prices that may be in force."""
        open_orders = self.orders("resting", "amending", "canceling", "unknown")
        order = open_orders[choice % len(open_orders)]
        side, price, exposed = order.stake
        qty = -(-exposed * share // 4)
        if not qty or order.ticker in self.settled:
            return
        self.fills += 1
        sign = 1 if side == "bid" else -1
        self.held[order.ticker] += sign * qty
        self.flows[order.ticker] -= sign * qty * price
        name = order.client_order_id
        self.tell(
            e.OrderFilled(
                f"t-{self.fills}",
                f"id-{name}",
                name,
                order.ticker,
                side,
                price,
                qty,
                0,
                False,
                self.now,
                None,
            )
        )
        self.decide()

    @precondition(lambda self: self.orders("unknown"))
    @rule(choice=st.integers(0, 99), is_resting=st.booleans())
    def resolve(self, choice: int, is_resting: bool) -> None:
        """The stream tells what became of an order that nobody knew of."""
        unknown = self.orders("unknown")
        order = unknown[choice % len(unknown)]
        left = order.qty - order.booked if is_resting else 0
        self.tell(
            e.OrderUpdated(
                f"id-{order.client_order_id}", order.client_order_id, order.ticker, order.side, order.price,
                "resting" if left else "canceled", order.booked, max(0, left), None, self.now, None,
            )
        )  # fmt: skip
        self.decide()

    @precondition(lambda self: self.fills > 3)
    @rule(ticker=st.sampled_from(TICKERS))
    def settle(self, ticker: str) -> None:
        """A market in which we hold something ends as its event does, before the event's others."""
        if ticker in self.settled or not self.held[ticker]:
            return
        for strategy in self.strategies:
            strategy.targets[ticker] = ()
        for order in [o for o in self.subject.state.orders.values() if o.ticker == ticker]:
            name = order.client_order_id
            self.tell(
                e.OrderUpdated(
                    f"id-{name}", name, ticker, order.side, order.price, "canceled", order.booked, 0, None,
                    self.now, None,
                )
            )  # fmt: skip
        self.settled.add(ticker)
        is_yes = self.ends[EVENT_OF[ticker]][ticker]
        price = PRICE_ONE if is_yes else 0
        self.flows[ticker] += self.held[ticker] * price
        self.held[ticker] = 0
        self.tell(e.MarketDetermined(ticker, "yes" if is_yes else "no", price, self.now))
        self.tell(e.MarketSettled(ticker, self.now))
        self.decide()

    # --- what holds ----------------------------------------------------------------------------

    @invariant()
    def no_loss_limit_is_exceeded(self) -> None:
        """Nor event by event, nor in sum; what reduces may give up a hedge, and then that is the bound."""
        losses = {event: self.loss(event) for event in ENDS}
        assert all(losses[event] <= self.bounds[event] for event in ENDS), losses
        assert sum(losses.values()) <= self.total_bound, losses

    @invariant()
    def the_core_counts_what_the_oracle_counts(self) -> None:
        """The event's figure is exact; once a settled market has narrowed what can be, it is safe."""
        found = event_losses(self.subject.state)
        for event in ENDS:
            is_narrowed = any(EVENT_OF[ticker] == event for ticker in self.settled)
            assert found.get(event, 0) >= self.loss(event)
            assert found.get(event, 0) == self.loss(event) or is_narrowed

    @invariant()
    def no_position_limit_is_exceeded(self) -> None:
        """Whatever fills."""
        total = 0
        for ticker in TICKERS:
            stakes = [o.stake for o in self.subject.state.orders.values() if o.ticker == ticker]
            reach = max(
                abs(self.held[ticker] + sum(qty for side, _, qty in stakes if side == "bid")),
                abs(self.held[ticker] - sum(qty for side, _, qty in stakes if side == "ask")),
            )
            total += reach
            assert reach <= TIGHT.position_qty_max
        assert total <= (TIGHT.series_qty_max or 0)
        lone = self.subject.state.markets.get(f"{LONE}-X")
        if lone is not None:
            assert beyond(self.subject.state, lone).exposure <= (TIGHT.exposure_max or 0)


TestGate = GateMachine.TestCase
TestGate.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
