"""Intents: an order at the venue that nobody decided, or that is there twice, is found by one word."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.intents import KEPT, NOBODY, Breach, Intents
from daemon.core.issuing import base36
from tests.core.worlds import NOW, TICKER, reconciled

PREFIX = "kd-abc-"


def asked(count: int = 1) -> Intents:
    """So many intents of one strategy."""
    subject = Intents(PREFIX)
    for number in range(1, count + 1):
        subject.ask(f"{PREFIX}{base36(number)}", "s")
    return subject


def accepted(number: int, order_id: str) -> e.OrderAccepted:
    """The venue took an order."""
    return e.OrderAccepted("place", f"{PREFIX}{base36(number)}", order_id, 0, 100, NOW, NOW)


def updated(client_order_id: str, order_id: str) -> e.OrderUpdated:
    """The private stream told of an order."""
    return e.OrderUpdated(order_id, client_order_id, TICKER, "bid", 4_000, "resting", 0, 100, None, NOW, NOW)


def test_one_order_for_each_intent_is_no_breach_however_often_it_is_told() -> None:
    """By reply, stream, fill and list, in any order."""
    subject = asked()
    listed = e.OrderSnapshot("o1", PREFIX + "1", TICKER, "bid", 4_000, 0, 100)
    ended = e.EndedOrder("o1", PREFIX + "1", TICKER, "executed", 100)
    fill = e.OrderFilled("t", "o1", PREFIX + "1", TICKER, "bid", 4_000, 100, 0, True, NOW, None)
    for event in (
        updated(PREFIX + "1", "o1"),
        accepted(1, "o1"),
        fill,
        reconciled(NOW, orders=(listed,), ended=(ended,)),
    ):
        assert subject.observe(event) == []
    assert (subject.asked, subject.told) == ({"s": 1}, {"s": 1})


def test_a_second_order_for_one_intent_is_a_breach_of_its_strategy() -> None:
    """A request that was sent twice under two ids of the venue."""
    subject = asked()
    subject.observe(accepted(1, "o1"))
    (breach,) = subject.observe(updated(PREFIX + "1", "o2"))
    assert breach == Breach("s", "kd-abc-1 is two orders, o1 and o2")
    assert subject.told["s"] > subject.asked["s"]


def test_an_order_in_this_lifes_name_that_was_never_asked_for_is_a_breach() -> None:
    """A new id on a retry, or somebody with our key."""
    subject = asked(2)
    (breach,) = subject.observe(accepted(3, "o9"))
    assert breach.strategy == NOBODY
    assert subject.observe(updated(PREFIX + "not base 36!", "o8")) != []


def test_other_lives_and_other_people_say_nothing() -> None:
    """Their intents are not known here."""
    subject = asked()
    assert subject.observe(updated("kd-older-7", "o1")) == []
    assert subject.observe(updated("by hand", "o2")) == []
    assert subject.observe(e.FeedHeard("kalshi", NOW)) == []


def test_an_intent_that_is_forgotten_was_still_asked_for() -> None:
    """A word that lags by thousands of orders halts nobody."""
    subject = asked(KEPT + 5)
    assert len(subject._intents) == KEPT
    assert subject.observe(accepted(1, "o1")) == []


@given(st.lists(st.integers(1, 6)))
def test_orders_never_outnumber_intents_without_a_breach(numbers: list[int]) -> None:
    """Orders out <= intents in, per strategy, or it was told."""
    subject, breaches = asked(4), 0
    for place, number in enumerate(numbers):
        breaches += len(subject.observe(accepted(number, f"o{number}" if place % 3 else f"x{place}")))
    assert breaches > 0 or subject.told["s"] <= subject.asked["s"]
