"""What a run's facts and commands become: each change a row, once, and nothing for a tick."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

import msgspec
import pytest

from daemon.core import events as e
from daemon.core.commands import AmendOrder, Command, PlaceOrder
from daemon.core.fees import trade_fee
from daemon.core.ledger import Position
from daemon.core.strategy import Target
from daemon.core.units import MINUTE, MONEY_ONE, PRICE_ONE, SECOND, Ns
from daemon.shell.store import rows as r
from daemon.shell.store.projection import EQUITY_EVERY, MARKS, Projection
from tests.core.worlds import CASH, LIMITS, NOW, TICKER, Scripted, reconciled, snapshot, spec, trading

_Row = TypeVar("_Row", bound=r.Row)
FEES = spec().fees


class Life:
    """An engine that trades, and what its projection made of it."""

    def __init__(self) -> None:
        self.strategy = Scripted()
        self.engine = trading(self.strategy)
        self.projection = Projection(self.engine)
        self.rows: list[r.Row] = []
        self.at: Ns = NOW
        self.turn()

    def turn(self, *events: e.Event, after: Ns = 0) -> list[Command]:
        """Handle and decide, as the pump does."""
        self.at += after
        for event in events:
            self.engine.handle(event)
        commands = self.engine.decide(self.at)
        self.rows += self.projection.rows(events, commands, self.at)
        return commands

    def look(self, after: Ns = 0) -> list[Command]:
        """A tick: the book as it was, now."""
        return self.turn(snapshot(self.at + after), after=after)

    def place(self, *targets: Target) -> PlaceOrder:
        """Let the strategy want something; return the order."""
        self.strategy.targets = targets
        (order,) = (one for one in self.look() if isinstance(one, PlaceOrder))
        return order

    def fill(self, order: PlaceOrder, name: str = "t1", qty: int = 100, **changes: object) -> e.OrderFilled:
        """A fill of an order, by the stream."""
        told, at = order.client_order_id, self.at
        fill = e.OrderFilled(name, "o1", told, TICKER, order.side, order.price, qty, 0, False, at, at)
        return msgspec.structs.replace(fill, **changes)

    def of(self, kind: type[_Row]) -> list[_Row]:
        """The rows of a kind."""
        return [row for row in self.rows if isinstance(row, kind)]


def accepted(order: PlaceOrder, at: Ns, filled: int = 0) -> e.OrderAccepted:
    """The venue's yes."""
    return e.OrderAccepted("place", order.client_order_id, "o1", filled, order.qty - filled, at, at)


BID = Target("bid", 3_900, 500, "rest", "quote")


def test_a_quiet_tick_makes_no_row() -> None:
    """Books move thousands of times a minute: what concerns no order of ours is not kept."""
    life = Life()
    before = len(life.rows)
    for _ in range(5):
        life.turn(e.BookDeltaReceived(TICKER, "yes", 3_900, 100, life.at, life.at))
    assert before == len(life.rows)


def test_an_orders_life_is_told_step_by_step() -> None:
    """Decided, accepted, filled: a row for each, with what said so; and its intent with the reason."""
    life = Life()
    order = life.place(BID)
    life.turn(accepted(order, life.at))
    life.strategy.targets = ()
    life.turn(life.fill(order, qty=500))
    name = order.client_order_id
    assert [
        (name, None, "placing", 0, "decided"),
        (name, "o1", "resting", 0, "OrderAccepted"),
        (name, "o1", "executed", 500, "OrderFilled"),
    ] == [
        (one.client_order_id, one.order_id, one.state, one.filled, one.told_by)
        for one in life.of(r.OrderChange)
    ]
    (intent,) = life.of(r.Intent)
    assert (NOW, name, "place", "bid", 3_900, 500, "rest", "enter", "scripted") == (
        intent.at, intent.client_order_id, intent.action, intent.side, intent.price, intent.qty,
        intent.style, intent.purpose, intent.strategy,
    )  # fmt: skip


def test_what_changes_nothing_is_not_told_twice() -> None:
    """The same answer again, the same list again: no row."""
    life = Life()
    order = life.place(BID)
    life.turn(accepted(order, life.at))
    before = len(life.of(r.OrderChange))
    life.turn(accepted(order, life.at))
    listed = e.OrderSnapshot("o1", order.client_order_id, TICKER, "bid", 3_900, 0, 500)
    life.turn(reconciled(life.at, orders=(listed,)))
    assert before == len(life.of(r.OrderChange))


def test_amends_and_cancels_are_intents_too() -> None:
    """What was wanted of an order can be read by its name."""
    life = Life()
    order = life.place(BID)
    life.turn(accepted(order, life.at))
    life.strategy.targets = (Target("bid", 3_800, 500, "rest", "quote"),)
    (amend,) = (one for one in life.look(SECOND) if isinstance(one, AmendOrder))
    life.turn(e.OrderAccepted("amend", amend.client_order_id, "o1", 0, 500, life.at, life.at))
    life.strategy.targets = ()
    life.look(SECOND)
    assert ["place", "amend", "cancel"] == [one.action for one in life.of(r.Intent)]
    assert {order.client_order_id} == {one.client_order_id for one in life.of(r.Intent)}


def test_a_fill_is_one_row_on_whatever_paths_it_comes() -> None:
    """The stream, the drop copy and the list of a reading tell the same."""
    life = Life()
    order = life.place(BID)
    fill = life.fill(order)
    life.turn(accepted(order, life.at), fill)
    life.turn(e.FillsRead(life.at, life.at, (fill,)), reconciled(life.at, fills=(fill,)))
    (row,) = life.of(r.Fill)
    assert ("t1", "o1", 3_900, 100, 0, 4_100) == (
        row.trade_id, row.order_id, row.price, row.qty, row.is_taker, row.mid,
    )  # fmt: skip


def test_the_fee_is_predicted_with_the_orders_rounding() -> None:
    """Fill by fill as the venue charges: what rounding took from one comes back with another."""
    life = Life()
    order = life.place(BID)
    life.turn(accepted(order, life.at))
    fills = [life.fill(order, f"t{number}", 33, is_taker=True) for number in range(8)]
    life.turn(*fills)
    predicted = [row.fee_predicted for row in life.of(r.Fill)]
    plain = trade_fee(FEES, 3_900, 33, is_taker=True)
    assert all(fee is not None and abs(fee - plain) < 200 for fee in predicted)
    assert all((3_900 * 33 + (fee or 0)) % 100 == 0 for fee in predicted), "balances move in steps"
    assert abs(sum(fee or 0 for fee in predicted) - 8 * plain) <= 100


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        (0, [(SECOND, 4_100), (10 * SECOND, 4_100), (60 * SECOND, 4_100)]),
        (5 * SECOND, [(10 * SECOND, 4_100)]),
    ],
)
def test_the_mid_is_looked_at_again_some_times_after_a_fill(late: Ns, expected: list[tuple[Ns, int]]) -> None:
    """Of one that was told late, what the mid was before is not known, and no row says it."""
    life = Life()
    order = life.place(BID)
    life.turn(accepted(order, life.at), life.fill(order, sent_at=life.at - late))
    waits = [SECOND, 9 * SECOND, 50 * SECOND] if not late else [5 * SECOND]
    for wait in waits:
        life.look(wait)
    assert expected == [(one.after, one.mid) for one in life.of(r.Mark)]
    assert (late == 0) == (life.of(r.Fill)[0].mid is not None)
    assert [SECOND, 10 * SECOND, 60 * SECOND] == list(MARKS)


def test_a_mark_without_two_sides_is_null() -> None:
    """Nobody knows what an empty book is worth."""
    life = Life()
    order = life.place(BID)
    life.turn(accepted(order, life.at), life.fill(order))
    life.turn(snapshot(life.at + SECOND, yes=()), after=SECOND)
    assert [None] == [one.mid for one in life.of(r.Mark)]


def test_fills_and_payouts_sum_up_to_the_ledger() -> None:
    """From the rows alone: cash, fees and position to the last unit; a correction is a row of its own."""
    life = Life()
    order = life.place(BID)
    life.turn(accepted(order, life.at))
    life.turn(*(life.fill(order, f"t{number}", 50, fee=7) for number in range(3)))
    cash, position = CASH, Position()
    for row in life.of(r.Fill):
        cash += position.trade(row.qty if row.side == "bid" else -row.qty, row.price) - row.fee
    ledger = life.engine.state.ledger
    assert (cash, 150, 21) == (ledger.cash, position.qty, ledger.fees)
    last = life.of(r.PositionPoint)[-1]
    assert (150, position.cost, 21) == (last.qty, last.cost, last.fees)
    life.turn(
        e.MarketDetermined(TICKER, "yes", PRICE_ONE, life.at), e.MarketSettled(TICKER, life.at), after=SECOND
    )
    life.turn(e.SettlementCorrected(TICKER, 0, life.at), after=SECOND)
    assert [(PRICE_ONE, 150, 150 * PRICE_ONE), (0, 150, 0)] == [
        (one.price, one.qty, one.revenue) for one in life.of(r.Settlement)
    ]
    assert (cash + life.of(r.Settlement)[-1].revenue, 0) == (ledger.cash, life.of(r.PositionPoint)[-1].qty)


def test_the_account_is_weighed_every_ten_seconds_and_at_the_end() -> None:
    """With the phase that it was in: hours of a halt are no hours of trading."""
    life = Life()
    for _ in range(21):
        life.look(SECOND)
    life.turn(e.HaltRequested("a test", life.at, "cli"))
    life.rows += life.projection.close(life.at)
    points = life.of(r.EquityPoint)
    assert {EQUITY_EVERY} == {later.at - one.at for one, later in pairwise(points[:-1])}
    assert ["trading", "trading", "trading", "halted"] == [one.phase for one in points]
    assert {(CASH, CASH)} == {(one.cash, one.equity) for one in points}


def test_nothing_is_weighed_before_the_account_is_known() -> None:
    """Unknown is no row, and never 0."""
    life = Life()
    before = len(life.of(r.EquityPoint))
    life.turn(e.AccountDoubted("a gap", life.at))
    life.look(EQUITY_EVERY)
    assert before == len(life.of(r.EquityPoint))


def test_halts_are_told_by_whom_and_why() -> None:
    """Who asked, and that it was latched and lifted."""
    life = Life()
    life.turn(e.HaltRequested("fat finger", life.at, "page"))
    life.turn(e.ResumeRequested("all well", life.at, "cli"), after=SECOND)
    assert [
        ("halt", "fat finger", "page"), ("latch", "fat finger", "page"),
        ("resume", "all well", "cli"), ("lift", "all well", "cli"),
    ] == [(one.kind, one.reason, one.told_by) for one in life.of(r.Halt)]  # fmt: skip


def test_refusals_are_counted_by_the_minute_that_they_began_in() -> None:
    """What is refused tick after tick began once; the minute is the refusal's, not the writing's."""
    life = Life()
    life.turn(e.HaltRequested("a test", life.at, "cli"))
    for _ in range(7):
        life.look(EQUITY_EVERY)
    life.rows += life.projection.close(life.at)
    refused = [one for one in life.of(r.RefusalCount) if one.name == "halted"]
    assert [(NOW // MINUTE * MINUTE, TICKER, "scripted", 1)] == [
        (one.at, one.ticker, one.strategy, one.count) for one in refused
    ]


def test_breakers_are_told_as_they_change() -> None:
    """Open, and closed again, once each."""
    life = Life()
    failures: Sequence[e.Event] = [e.VenueFailed("GET /x", "timeout", life.at) for _ in range(3)]
    life.turn(*failures, after=SECOND)
    life.look(SECOND)
    life.turn(e.VenueAnswered("probe", life.at), after=SECOND)
    life.turn(e.VenueAnswered("GET /x", life.at), after=SECOND)
    life.look(SECOND)
    changes = [(one.name, one.state) for one in life.of(r.BreakerChange)]
    assert ("failures", "open") == changes[0]
    assert ("failures", "closed") == changes[-1]
    assert len(changes) == len(set(changes))


def test_findings_are_told_with_their_rule() -> None:
    """What the venue did not share, as the core found it."""
    life = Life()
    for _ in range(4):
        life.turn(reconciled(life.at, cash=CASH + MONEY_ONE), after=2 * SECOND)
    log = life.engine.state.account.log
    assert log.total
    assert [(one.kind, one.believed, one.told, one.rule) for one in log.latest] == [
        (one.kind, one.believed, one.told, one.rule) for one in life.of(r.Finding)
    ]


def test_a_swap_is_a_row() -> None:
    """With the slot, and what scores there from here on."""
    life = Life()
    life.turn(e.ModelSwapped("challenger", "m/2", "m", "2", "a" * 64, life.at))
    assert [r.ModelSwap(life.at, "challenger", "m", "2", "a" * 64)] == life.of(r.ModelSwap)


def test_a_reload_is_a_row() -> None:
    """With what is in force from here on."""
    life = Life()
    life.turn(e.ConfigChanged("a" * 64, LIMITS, ("scripted",), "", life.at))
    assert [r.ConfigReload(life.at, "a" * 64)] == life.of(r.ConfigReload)


def test_a_market_that_was_scored_is_judged_when_it_ends() -> None:
    """Once, by what it paid; one that nobody scored is not."""
    life = Life()
    life.turn(e.MarketDetermined(TICKER, "yes", PRICE_ONE, life.at))
    assert [] == life.of(r.JudgedMarket)
    life.engine.models.record.add(TICKER, 0.5, None, 0.9)
    life.turn(e.MarketDetermined(TICKER, "yes", PRICE_ONE, life.at + 1), after=1)
    (judged,) = life.of(r.JudgedMarket)
    assert (TICKER, 1, 1.0, 0.25, None) == (
        judged.ticker, judged.instants, judged.outcome, judged.model, judged.challenger,
    )  # fmt: skip
