"""Every refusal lifts by itself: a daemon that refuses for ever is dead and thinks that it is careful."""

from __future__ import annotations

from typing import get_args

import pytest

from daemon.core import events as e
from daemon.core.commands import PlaceOrder
from daemon.core.risk import Refusal
from daemon.core.units import HOUR, MINUTE, SECOND, Ns
from tests.core.test_engine_refusals import BUY, CASES, SELL, SHARD, orders, resting, wanting
from tests.core.worlds import NOW, TICKER, Scripted, reconciled, snapshot, spec, trading


def test_a_market_that_is_watched_again_is_traded_again() -> None:
    """While we still hold something there it is the same market; its book begins anew."""
    subject, _ = wanting(BUY)
    resting(subject)
    subject.handle(e.MarketDropped(TICKER, NOW + 1))
    waiting = a_waiting_order()
    assert subject.vouch(waiting, NOW + 1) == "not_watched"
    subject.handle(e.MarketListed(spec(), NOW + 2))
    assert subject.vouch(waiting, NOW + 2) == "book_unsynced"
    subject.handle(snapshot(NOW + 3))
    assert subject.vouch(waiting, NOW + 3) is None


def a_waiting_order(book_changed_max: Ns | None = None) -> PlaceOrder:
    """One that was decided and waits in the queue."""
    return PlaceOrder(
        "kd-1-9",
        TICKER,
        "bid",
        4_000,
        1,
        "good_till_canceled",
        True,
        SHARD,
        "s",
        "r",
        NOW,
        NOW,
        book_changed_max,
    )


def late(at: Ns, by: Ns) -> e.BookDeltaReceived:
    """A change of the book that came so much later than it was sent."""
    return e.BookDeltaReceived(TICKER, "yes", 3_900, 100, at, at - by)


def switched(at: Ns, *, is_on: bool) -> tuple[e.StrategySwitched, ...]:
    """A switch of the strategy that decides, and of the one whose order waits."""
    return tuple(e.StrategySwitched(name, is_on, "person", at) for name in ("scripted", "s"))


ROUTED = e.MarketRouted(TICKER, "kalshi-2", NOW)
BACK = NOW + 5 * SECOND
AGREED = (reconciled(NOW + 5 * SECOND), reconciled(NOW + 10 * SECOND))
FAILED = tuple(e.VenueFailed("place", "HTTP 503", NOW) for _ in range(3))
LIFTS: list[tuple[Refusal, tuple[e.Event, ...], Ns, tuple[e.Event, ...], Ns]] = [
    ("not_reconciled", (e.AccountDoubted("gap", NOW),), NOW, AGREED, NOW + 11 * SECOND),
    (
        "not_reconciled",
        (e.FeedDropped("kalshi", "reset", NOW),),
        NOW,
        (e.FeedConnected("kalshi", NOW + SECOND), *AGREED),
        NOW + 11 * SECOND,
    ),
    ("halted", (e.HaltRequested("person", NOW),), NOW, (e.ResumeRequested("person", BACK),), BACK),
    ("strategy_off", switched(NOW, is_on=False), NOW, switched(BACK, is_on=True), BACK),
    ("breaker_open", FAILED, NOW, (e.VenueAnswered("probe", BACK),), BACK),
    ("feed_down", (ROUTED,), NOW, (e.FeedConnected("kalshi-2", BACK),), BACK),
    ("feed_silent", (), NOW + 16 * SECOND, (e.FeedHeard("kalshi", NOW + 17 * SECOND),), NOW + 17 * SECOND),
    ("transport_lag", (late(NOW, SECOND),), NOW, (late(BACK, 0),), BACK),
    (
        "clock_skew",
        (ROUTED, e.FeedConnected("kalshi-2", NOW), late(NOW, 2 * SECOND)),
        NOW,
        (late(NOW + 10 * MINUTE, 0),),
        NOW + 10 * MINUTE,
    ),
    (
        "clock_skew",
        (ROUTED, e.FeedConnected("kalshi-2", NOW), late(NOW, -2 * SECOND)),
        NOW,
        (e.FeedHeard("kalshi", NOW + 11 * MINUTE), late(NOW + 11 * MINUTE, 0)),
        NOW + 11 * MINUTE,
    ),
    ("book_unsynced", (e.BookLost(TICKER, "gap", NOW),), NOW, (), BACK),
    ("book_unsynced", (late(NOW, 0), *(e.BookAudited(TICKER, False, NOW) for _ in range(2))), NOW, (), BACK),
    ("book_unchanged", (), NOW + 2 * SECOND, (), BACK),
    (
        "market_not_open",
        (e.MarketStatusChanged(TICKER, "inactive", NOW),),
        NOW,
        (e.MarketStatusChanged(TICKER, "active", BACK),),
        BACK,
    ),
    (
        "close_too_near",
        (e.MarketCloseMoved(TICKER, NOW + 5 * SECOND, NOW),),
        NOW,
        (e.MarketCloseMoved(TICKER, NOW + HOUR, NOW),),
        BACK,
    ),
    (
        "market_not_open",
        (e.MarketListed(spec(close_at=NOW), NOW),),
        NOW,
        (e.MarketListed(spec(), NOW),),
        BACK,
    ),
]


@pytest.mark.parametrize(
    ("refusal", "bad", "asked_at", "good", "later"),
    LIFTS,
    ids=[f"{n}-{case[0]}" for n, case in enumerate(LIFTS)],
)
def test_every_refusal_lifts_by_itself(
    refusal: Refusal, bad: tuple[e.Event, ...], asked_at: Ns, good: tuple[e.Event, ...], later: Ns
) -> None:
    """A daemon that refuses for ever is dead and thinks that it is careful."""
    strategy = Scripted(book_changed_max=SECOND)
    strategy.targets = (BUY,)
    subject = trading(strategy)
    for event in bad:
        subject.handle(event)
    waiting = a_waiting_order(SECOND)
    assert subject.vouch(waiting, asked_at) == refusal
    assert [c for c in orders(subject.decide(asked_at)) if isinstance(c, PlaceOrder)] == []
    for event in good:
        subject.handle(event)
    if later > NOW + 10 * SECOND:
        subject.handle(e.FeedHeard("kalshi", later))
    strategy.targets = ()
    subject.decide(later)  # a heartbeat: breakers cool down by time
    strategy.targets = (BUY,)
    subject.handle(snapshot(later))
    assert subject.vouch(waiting, later) is None
    assert [type(c) for c in orders(subject.decide(later))][-1:] == [PlaceOrder]


def test_an_order_that_waits_does_not_leave_behind_an_unknown_one() -> None:
    """Nothing new goes to that market until the venue has told, not even what was decided before."""
    subject, _ = wanting(BUY, SELL)
    bought, sold = orders(subject.decide(NOW))
    assert isinstance(bought, PlaceOrder)
    assert isinstance(sold, PlaceOrder)
    assert subject.vouch(sold, NOW) is None
    subject.handle(e.OrderUnknown("place", bought.client_order_id, "timeout", NOW))
    assert subject.vouch(sold, NOW) == "order_unknown"
    told = e.OrderUpdated(
        "id-1", bought.client_order_id, TICKER, "bid", 4_000, "resting", 0, 1_000, None, NOW, NOW
    )
    subject.handle(told)
    assert subject.vouch(sold, NOW) is None


def test_no_name_of_a_refusal_is_left_out() -> None:
    """Each either lifts by an event above, or judges one proposal and not a state; a stop is final.

    Those that only stop an entry are the gate's (risk/test_gate): they lift with hours, books and figures.
    """
    names = get_args(Refusal)
    of_one_proposal = {
        *names[names.index("outside_hours"):], "no_order_group", "order_group_triggered",
    }  # fmt: skip
    shown = {case[0] for case in CASES} | {case[0] for case in LIFTS} | {"order_unknown", "not_watched"}
    assert set(get_args(Refusal)) == of_one_proposal | shown | {"stopping"}
