"""The engine halted, by breakers and by people: nothing new, everything out, and flat if that is wished."""

from __future__ import annotations

import msgspec
import pytest

from daemon.core import events as e
from daemon.core.breakers import ACCOUNT
from daemon.core.commands import (
    CancelOrder,
    Command,
    LatchHalt,
    LiftHalt,
    PlaceOrder,
    ProbeVenue,
    Reconcile,
)
from daemon.core.engine import Engine
from daemon.core.flatten import FLATTEN
from daemon.core.strategy import Target
from daemon.core.units import MONEY_ONE, SECOND, Ns, Qty
from tests.core.worlds import (
    CASH,
    CONFIG,
    LIMITS,
    NOW,
    T0,
    TICKER,
    Scripted,
    engine,
    reconciled,
    snapshot,
    spec,
)

BUY = Target("bid", 4_000, 1_000, "rest", "because")
SELL = Target("ask", 4_400, 1_000, "rest", "other side")
WISH = e.FlattenRequested("away", 500, NOW, "page")
HELD: Qty = 3_000


def holding(qty: Qty = HELD, *targets: Target) -> tuple[Engine, Scripted]:
    """An engine that trades, and holds so many contracts that cost 40 cents each."""
    strategy = Scripted()
    strategy.targets = targets
    held = (e.PositionSnapshot(TICKER, qty, abs(qty) * 4_000, 0, 0),) if qty else ()
    subject = engine(strategy)
    for event in (
        e.MarketListed(spec(), T0),
        e.FeedConnected("kalshi", T0),
        snapshot(),
        reconciled(T0 + 3 * SECOND, CASH, held),
        reconciled(T0 + 10 * SECOND, CASH, held),
        snapshot(NOW),
    ):
        subject.handle(event)
    return subject, strategy


def orders(commands: list[Command]) -> list[Command]:
    """The commands that concern orders."""
    return [one for one in commands if not isinstance(one, Reconcile | ProbeVenue | LatchHalt | LiftHalt)]


def latches(commands: list[Command]) -> list[LatchHalt | LiftHalt]:
    """The commands that concern the disk."""
    return [one for one in commands if isinstance(one, LatchHalt | LiftHalt)]


def placed(subject: Engine, at: Ns = NOW) -> PlaceOrder:
    """Decide; the one order that is sent."""
    (command,) = orders(subject.decide(at))
    assert isinstance(command, PlaceOrder)
    return command


def accept(subject: Engine, command: PlaceOrder, at: Ns, order_id: str = "o1") -> None:
    """The venue takes an order, which rests."""
    subject.handle(e.OrderAccepted("place", command.client_order_id, order_id, 0, command.qty, at, at))


def fill(command: PlaceOrder, qty: Qty, at: Ns, order_id: str) -> tuple[e.Event, ...]:
    """What the venue tells of an order that trades at once; its remainder is cancelled."""
    return (
        e.OrderAccepted("place", command.client_order_id, order_id, qty, 0, at, at),
        e.OrderFilled(
            f"t{order_id}",
            order_id,
            command.client_order_id,
            TICKER,
            command.side,
            command.price,
            qty,
            0,
            True,
            at,
            None,
        ),
    )


# --- halts -----------------------------------------------------------------------------------------


def test_a_halt_is_latched_before_what_rests_is_cancelled() -> None:
    """In the same decision, and first; nothing that waits in the queue leaves any more."""
    subject, _ = holding(0, BUY)
    waiting = placed(subject)
    accept(subject, waiting, NOW)
    subject.handle(e.HaltRequested("looks wrong", NOW + 1, "cli"))
    commands = subject.decide(NOW + 1)
    assert commands[0] == LatchHalt("looks wrong", "cli", NOW + 1)
    assert [type(one) for one in orders(commands)] == [CancelOrder]
    assert (subject.phase, subject.vouch(waiting, NOW + 1)) == ("halted", "halted")


def test_a_resume_lifts_the_halt_and_trading_goes_on() -> None:
    """The strategy is asked again at once."""
    subject, _ = holding(0, BUY)
    subject.handle(e.HaltRequested("looks wrong", NOW))
    assert orders(subject.decide(NOW)) == []
    subject.handle(e.ResumeRequested("was nothing", NOW + 1, "cli"))
    commands = subject.decide(NOW + 1)
    assert latches(commands) == [LiftHalt("was nothing", "cli", NOW + 1)]
    assert [type(one) for one in orders(commands)] == [PlaceOrder]


def test_a_daily_loss_halts_until_a_person_resumes_and_then_still_refuses_to_enter() -> None:
    """The limit stands; what reduces passes; the same loss does not halt again."""
    big = msgspec.structs.replace(LIMITS, daily_loss_max=5 * MONEY_ONE)
    strategy = Scripted()
    subject = engine(strategy, msgspec.structs.replace(CONFIG, limits=big))
    held = (e.PositionSnapshot(TICKER, HELD, HELD * 4_000, 0, 0),)
    for event in (
        e.MarketListed(spec(), T0),
        e.FeedConnected("kalshi", T0),
        snapshot(),
        reconciled(T0 + 3 * SECOND, CASH, held),
        reconciled(T0 + 10 * SECOND, CASH, held),
        snapshot(NOW),
    ):
        subject.handle(event)
    assert latches(subject.decide(NOW)) == []
    subject.handle(snapshot(NOW + SECOND, yes=((2_000, 50_000),), no=((7_800, 50_000),)))
    commands = subject.decide(NOW + SECOND)
    (latch,) = latches(commands)
    assert (latch.by, subject.phase) == ("breaker daily_loss", "halted")
    assert orders(commands) == []
    subject.handle(e.ResumeRequested("acknowledged", NOW + 2 * SECOND))
    strategy.targets = (
        Target("bid", 2_000, 100, "rest", "more"),
        Target("ask", 2_300, 1_000, "rest", "less"),
    )
    subject.handle(snapshot(NOW + 2 * SECOND, yes=((2_000, 50_000),), no=((7_800, 50_000),)))
    commands = subject.decide(NOW + 2 * SECOND)
    (sold,) = orders(commands)
    assert isinstance(sold, PlaceOrder)
    assert (sold.side, sold.purpose, subject.refusals["daily_loss_limit"]) == ("ask", "reduce", 1)
    assert latches(subject.decide(NOW + 3 * SECOND)) == []


def test_an_order_that_nobody_decided_halts() -> None:
    """Orders out above intents in: something else sends in our name."""
    subject, _ = holding(0, BUY)
    order = placed(subject)
    accept(subject, order, NOW, "o1")
    assert latches(subject.decide(NOW + 1)) == []
    subject.handle(
        e.OrderUpdated(
            "o2", order.client_order_id, TICKER, "bid", 4_000, "resting", 0, 1_000, None, NOW + 2, None
        )
    )
    (latch,) = latches(subject.decide(NOW + 2))
    assert (latch.by, subject.phase) == ("breaker out_of_step", "halted")
    assert "is two orders, o1 and o2" in latch.reason


# --- breakers --------------------------------------------------------------------------------------


def test_rejections_in_a_row_leave_only_reducing_orders_until_one_is_tried_again() -> None:
    """At the decision and at the moment of sending; the cool-down heals it."""
    subject, strategy = holding(HELD, BUY)
    for step in range(CONFIG.rejects_max):
        at = NOW + step * SECOND
        subject.handle(snapshot(at))
        order = placed(subject, at)
        subject.handle(e.OrderRejected("place", order.client_order_id, "insufficient_balance", "", at))
    opened_at = at
    subject.handle(snapshot(at))
    assert orders(subject.decide(at)) == []
    assert "breaker_open: rejects_market of the market" in subject.decisions.last[-1].reason
    assert subject.vouch(order, at) == "breaker_open"
    strategy.targets = (SELL,)
    subject.handle(snapshot(at + 1))
    sold = placed(subject, at + 1)
    assert (sold.purpose, subject.vouch(sold, at + 1)) == ("reduce", None)
    accept(subject, sold, at + 2)
    strategy.targets = (SELL, BUY)
    subject.handle(snapshot(opened_at + CONFIG.cool_down))
    trial = placed(subject, opened_at + CONFIG.cool_down)
    assert [one.state for one in subject.breakers.not_closed()] == ["half_open"]
    accept(subject, trial, opened_at + CONFIG.cool_down, "o2")
    assert subject.breakers.not_closed() == ()


def test_a_half_open_breaker_lets_one_order_out() -> None:
    """Of two that are wanted the second one waits for the first one's answer."""
    subject, _ = holding(0, BUY, SELL)
    for _ in range(3):
        subject.handle(e.VenueFailed("place", "HTTP 503", NOW))
    subject.decide(NOW)
    subject.handle(e.VenueAnswered("probe", NOW + SECOND))
    subject.handle(snapshot(NOW + SECOND))
    trial = placed(subject, NOW + SECOND)
    assert subject.vouch(trial, NOW + SECOND) is None
    accept(subject, trial, NOW + SECOND)
    subject.handle(e.VenueAnswered("place", NOW + SECOND))
    assert placed(subject, NOW + SECOND + 1).side == "ask"


def test_late_answers_open_the_breaker_by_the_time_from_the_decision() -> None:
    """Two of them, and only reducing orders leave."""
    subject, _ = holding(0, BUY, SELL)
    late = NOW + CONFIG.ack_max + 1
    bought, sold = orders(subject.decide(NOW))
    assert isinstance(bought, PlaceOrder)
    assert isinstance(sold, PlaceOrder)
    accept(subject, bought, late, "o1")
    assert subject.breakers.worst == "closed"
    accept(subject, sold, late, "o2")
    (opened,) = subject.breakers.not_closed()
    assert opened.rule.name == "ack_latency"


# --- flatten ---------------------------------------------------------------------------------------


def test_flatten_halts_cancels_and_then_sells_what_is_held() -> None:
    """One order at a time; what rests goes first; the halt stays when all is done."""
    subject, _ = holding(HELD, SELL)
    resting = placed(subject)
    accept(subject, resting, NOW)
    subject.handle(WISH)
    commands = subject.decide(NOW + 1)
    assert commands[0] == LatchHalt("flatten: away", "page", NOW + 1)
    (cancelled,) = orders(commands)
    assert isinstance(cancelled, CancelOrder)
    subject.handle(
        e.OrderAccepted("cancel", cancelled.client_order_id, "o1", None, 0, NOW + 2, NOW, reduced_by=1_000)
    )
    first = placed(subject, NOW + 2)
    assert (first.side, first.price, first.qty, first.purpose) == ("ask", 3_500, HELD, "reduce")
    assert (first.time_in_force, first.strategy) == ("immediate_or_cancel", FLATTEN)
    assert subject.vouch(first, NOW + 2) is None
    assert orders(subject.decide(NOW + 3)) == []
    for event in fill(first, 1_000, NOW + 3, "o2"):
        subject.handle(event)
    assert orders(subject.decide(NOW + 3)) == []
    subject.handle(snapshot(NOW + 2 * SECOND))
    second = placed(subject, NOW + 2 * SECOND)
    assert second.qty == HELD - 1_000
    for event in fill(second, second.qty, NOW + 2 * SECOND, "o3"):
        subject.handle(event)
    assert orders(subject.decide(NOW + 4 * SECOND)) == []
    assert (subject.state.is_flat, subject.phase) == (True, "halted")


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (e.BookLost(TICKER, "gap", NOW), "book_unsynced"),
        (e.MarketStatusChanged(TICKER, "inactive", NOW), "market_not_open"),
        (snapshot(NOW, yes=()), "nobody_opposite"),
        (e.AccountDoubted("gap", NOW), "not_reconciled"),
        (e.StopRequested("sigterm", NOW), "stopping"),
    ],
)
def test_flatten_says_of_a_market_why_it_cannot(event: e.Event, reason: str) -> None:
    """And sends nothing there."""
    subject, _ = holding()
    subject.handle(WISH)
    subject.handle(event)
    assert orders(subject.decide(NOW)) == []
    assert reason in {one.reason for one in subject.decisions.last}


def test_flatten_says_of_a_position_in_a_market_that_nobody_watches_that_it_stays() -> None:
    """There is no book of it, and no price."""
    subject = engine(Scripted())
    held = (e.PositionSnapshot("ELSEWHERE", 100, 400_000, 0, 0),)
    for at in (T0, T0 + 10 * SECOND):
        subject.handle(reconciled(at, CASH, held))
    subject.handle(WISH)
    subject.decide(NOW)
    (said,) = subject.decisions.last
    assert (said.ticker, said.strategy, said.reason) == ("ELSEWHERE", FLATTEN, "not_watched")
    for step in range(1, 4):
        subject.decide(NOW + step * SECOND)
    assert subject.decisions.noted_total == 1  # said once, and not with each heartbeat


def test_flatten_closes_what_is_held_after_a_breaker_has_halted() -> None:
    """A loss halts; the person who then wants out is let out, at the decision and at sending."""
    subject, _ = holding(HELD)
    subject.decide(NOW)
    subject.breakers.fail("daily_loss", ACCOUNT, NOW, "a loss")
    subject.breakers.fail("finding", ACCOUNT, NOW, "a finding")
    (latch,) = latches(subject.decide(NOW + 1))
    assert latch.by == "breaker daily_loss"
    subject.handle(msgspec.structs.replace(WISH, received_at=NOW + 2))
    order = placed(subject, NOW + 2)
    assert (order.strategy, order.purpose, subject.vouch(order, NOW + 2)) == (FLATTEN, "reduce", None)


def test_flatten_waits_while_the_venue_does_not_answer() -> None:
    """A person's wish changes nothing about that."""
    subject, _ = holding(HELD)
    for _ in range(CONFIG.failures_max):
        subject.handle(e.VenueFailed("place", "HTTP 503", NOW))
    subject.handle(WISH)
    assert [one for one in subject.decide(NOW) if isinstance(one, PlaceOrder)] == []
    assert subject.decisions.last[-1].reason.startswith("breaker_open")


def test_a_resume_ends_the_wish_to_flatten() -> None:
    """And what waits in the queue for it does not leave any more."""
    subject, _ = holding()
    subject.handle(WISH)
    waiting = placed(subject)
    subject.handle(e.HaltRequested("once more", NOW, "cli"))
    assert subject.vouch(waiting, NOW) is None
    subject.handle(e.ResumeRequested("stay", NOW + 1))
    subject.handle(e.HaltRequested("halt", NOW + 1))
    assert subject.vouch(waiting, NOW + 1) == "halted"
