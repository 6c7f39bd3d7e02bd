"""Guards: whose order an event is about, and what is looked at before each decision."""

from __future__ import annotations

import msgspec

from daemon.core import events as e
from daemon.core.breakers import RULES, Breakers
from daemon.core.commands import Command, LatchHalt
from daemon.core.guards import Guards
from daemon.core.orders import Order
from daemon.core.state import State
from daemon.core.units import MONEY_ONE, SECOND
from tests.core.worlds import LIMITS, NOW, TICKER, Scripted, trading

ACK_MAX = 2 * SECOND


def guarded(drawdown_max: int | None = None) -> tuple[Guards, State, Breakers]:
    """Over the beliefs of an engine that trades."""
    state, breakers = trading(Scripted()).state, Breakers(RULES, ACK_MAX)
    limits = msgspec.structs.replace(LIMITS, drawdown_max=drawdown_max)
    return Guards(state, breakers, limits, "kd-1-"), state, breakers


def placing(state: State, name: str, ticker: str = TICKER) -> None:
    """One of our orders is on its way since NOW."""
    state.orders[name] = Order(
        client_order_id=name, ticker=ticker, side="bid", price=4_000, qty=100, style="rest", strategy="s",
        at=NOW,
    )  # fmt: skip


def decide(guards: Guards, loss_today: int = 0, drawdown: int = 0) -> list[Command]:
    """What the guards say to a decision."""
    return guards.decide(NOW, loss_today=loss_today, drawdown=drawdown)


def test_an_answer_counts_for_the_order_that_it_ends() -> None:
    """The order is looked up before the answer makes it go."""
    guards, state, breakers = guarded()
    for number in range(5):
        placing(state, f"kd-1-{number}")
        guards.apply(e.OrderRejected("place", f"kd-1-{number}", "no", "", NOW))
        assert f"kd-1-{number}" not in state.orders
    (opened,) = breakers.not_closed()
    assert (opened.rule.name, opened.key) == ("rejects_market", TICKER)


def test_an_answer_to_an_order_that_is_gone_says_nothing() -> None:
    """Nobody knows whose it was."""
    guards, _, breakers = guarded()
    for _ in range(20):
        guards.apply(e.OrderRejected("place", "kd-1-9", "no", "", NOW))
    assert breakers.not_closed() == ()


def test_how_long_an_answer_took_counts_from_the_decision_and_only_for_the_first_one() -> None:
    """An order that the stream told to rest was answered before; its reply says nothing of time."""
    guards, state, breakers = guarded()
    late = NOW + ACK_MAX + 1
    for number in (1, 2):
        name = f"kd-1-{number}"
        guards.intents.ask(name, "s")
        placing(state, name)
        guards.apply(e.OrderUpdated(name, name, TICKER, "bid", 4_000, "resting", 0, 100, None, NOW, NOW))
        guards.apply(e.OrderAccepted("place", name, name, 0, 100, late, late))
    assert breakers.worst == "closed"
    for number in (3, 4):
        name = f"kd-1-{number}"
        guards.intents.ask(name, "s")
        placing(state, name)
        guards.apply(e.OrderAccepted("place", name, name, 0, 100, late, late))
    assert [opened.rule.name for opened in breakers.not_closed()] == ["ack_latency"]


def test_waiting_in_our_own_queue_is_no_slow_answer() -> None:
    """An empty bucket keeps orders waiting; the venue answers as fast as ever."""
    guards, state, breakers = guarded()
    late = NOW + ACK_MAX + 1
    for number in range(20):
        name = f"kd-1-{number}"
        guards.intents.ask(name, "s")
        placing(state, name)
        guards.apply(e.OrderAccepted("place", name, name, 0, 100, late, late, None, late - SECOND))
    assert breakers.not_closed() == ()
    for number in (21, 22):
        name = f"kd-1-{number}"
        guards.intents.ask(name, "s")
        placing(state, name)
        guards.apply(e.OrderRejected("place", name, "no", "", late, late - ACK_MAX - 1))
    assert [opened.rule.name for opened in breakers.not_closed()] == ["ack_latency"]


def test_an_order_that_nobody_decided_is_a_breach() -> None:
    """And halts at the next decision."""
    guards, state, _ = guarded()
    guards.apply(e.OrderUpdated("o1", "kd-1-7", TICKER, "bid", 4_000, "resting", 0, 100, None, NOW, NOW))
    (latch,) = decide(guards)
    assert isinstance(latch, LatchHalt)
    assert (latch.by, state.halt_by) == ("breaker out_of_step", "breaker out_of_step")


def test_a_clock_that_is_off_is_found_at_a_decision() -> None:
    """On any connection."""
    guards, _, breakers = guarded()
    assert decide(guards) == []
    guards.apply(e.MarketRouted(TICKER, "kalshi-2", NOW))
    guards.apply(e.FeedConnected("kalshi-2", NOW))
    guards.apply(e.BookDeltaReceived(TICKER, "yes", 3_900, 100, NOW, NOW - 2 * SECOND))
    assert decide(guards) == []
    assert [opened.rule.name for opened in breakers.not_closed()] == ["clock_skew"]


def test_losses_count_while_the_account_is_reconciled_and_a_drawdown_only_if_it_has_a_limit() -> None:
    """A doubtful account may show any loss."""
    guards, state, _ = guarded()
    guards.apply(e.AccountDoubted("gap", NOW))
    assert decide(guards, LIMITS.daily_loss_max, 1_000 * MONEY_ONE) == []
    state.account.is_reconciled = True
    assert decide(guards, LIMITS.daily_loss_max - 1, 1_000 * MONEY_ONE) == []
    assert [type(one) for one in decide(guards, LIMITS.daily_loss_max)] == [LatchHalt]
    limited, state, _ = guarded(drawdown_max=70 * MONEY_ONE)
    assert [type(one) for one in decide(limited, 0, 70 * MONEY_ONE)] == [LatchHalt]
    assert state.halt_by == "breaker drawdown"
