"""The moment of sending: what has changed while an order waited keeps it here; asking changes nothing."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.commands import AmendOrder, PlaceOrder
from daemon.core.engine import Engine
from daemon.core.flatten import FLATTEN
from daemon.core.risk import Limits, Refusal
from daemon.core.units import MINUTE, MONEY_ONE, SECOND, BookSide, Price, Qty
from tests.core.test_engine_refusals import BUY, orders, resting
from tests.core.worlds import CONFIG, LIMITS, NOW, TICKER, Scripted, snapshot, trading


def waiting(limits: Limits = LIMITS) -> tuple[Engine, PlaceOrder]:
    """An engine whose bid for ten contracts at 40 cents waits in the queue."""
    strategy = Scripted()
    strategy.targets = (BUY,)
    subject = trading(strategy, msgspec.structs.replace(CONFIG, limits=limits))
    (command,) = orders(subject.decide(NOW))
    assert isinstance(command, PlaceOrder)
    assert subject.vouch(command, NOW) is None
    return subject, command


def by_hand(side: BookSide, price: Price, qty: Qty) -> e.OrderFilled:
    """The account's owner trades."""
    return e.OrderFilled(f"t{side}{qty}", "hand", None, TICKER, side, price, qty, 0, True, NOW, None)


@pytest.mark.parametrize(
    ("limits", "qty", "expected"),
    [
        ({}, LIMITS.position_qty_max - BUY.qty, None),
        ({}, LIMITS.position_qty_max - BUY.qty + 1, "position_limit"),
        ({"market_loss_max": 44 * MONEY_ONE}, 10_000, None),
        ({"market_loss_max": 44 * MONEY_ONE - 1}, 10_000, "market_loss_limit"),
        ({"event_loss_max": 43 * MONEY_ONE}, 10_000, "event_loss_limit"),
        ({"exposure_max": 43 * MONEY_ONE}, 10_000, "exposure_limit"),
    ],
)
def test_a_limit_holds_at_the_instant_of_sending(
    limits: dict[str, int], qty: Qty, expected: Refusal | None
) -> None:
    """What the owner has bought meanwhile counts, to the last unit; the order itself counts once."""
    subject, command = waiting(msgspec.structs.replace(LIMITS, **limits))
    subject.handle(by_hand("bid", 4_000 if limits else 100, qty))
    assert subject.vouch(command, NOW) == expected


@pytest.mark.parametrize(
    ("limits", "yes", "no", "expected"),
    [
        # The bid of 40 waits; the best offer goes from 42 to 50, and a hundredth of a cent beyond.
        ({"price_away_max": 1_000}, 3_900, 5_000, None),
        ({"price_away_max": 990}, 3_900, 5_000, "price_too_far"),
        ({"spread_max": 1_100}, 3_900, 5_000, None),
        ({"spread_max": 1_000}, 3_900, 5_000, "spread_too_wide"),
        ({"depth_min": 100}, 3_900, 5_800, None),
        ({"depth_min": 101}, 3_900, 5_800, "depth_too_thin"),
    ],
)
def test_the_books_collar_holds_at_the_instant_of_sending(
    limits: dict[str, int], yes: Price, no: Price, expected: Refusal | None
) -> None:
    """A book that has changed within the order's time to live is asked again."""
    subject, command = waiting(msgspec.structs.replace(LIMITS, **limits))
    subject.handle(snapshot(NOW, yes=((yes, 100),), no=((no, 100),)))
    assert subject.vouch(command, NOW) == expected


def test_the_models_value_and_the_cash_are_asked_again_too() -> None:
    """A score that went elsewhere, and cash that is no longer free; the order's own cash counts once."""
    subject, command = waiting(msgspec.structs.replace(LIMITS, fair_away_max=1_000))
    subject.scores[TICKER] = 0.5
    subject.handle(e.FeedHeard("kalshi", NOW))
    assert subject.vouch(command, NOW) is None
    subject.scores[TICKER] = 0.51
    assert subject.vouch(command, NOW) == "fair_value_too_far"
    strategy = Scripted()
    strategy.targets = (BUY,)
    poor = trading(strategy, cash=4 * MONEY_ONE)
    (bid,) = orders(poor.decide(NOW))
    assert isinstance(bid, PlaceOrder)
    assert poor.vouch(bid, NOW) is None
    poor.handle(by_hand("bid", 4_000, 1))
    assert poor.vouch(bid, NOW) == "cash_short"


def test_what_the_decision_has_just_looked_at_is_not_looked_at_twice() -> None:
    """Until something is told, or decided anew, only what the clock changes is asked again."""
    subject, command = waiting(msgspec.structs.replace(LIMITS, fair_away_max=1_000))
    subject.scores[TICKER] = 0.51
    assert subject.vouch(command, NOW) is None
    assert subject.vouch(command, NOW + 600 * SECOND) is not None
    subject.decide(NOW + 1)
    subject.scores[TICKER] = 0.51
    assert subject.vouch(command, NOW + 1) == "fair_value_too_far"


def test_an_amend_that_waits_is_held_against_the_limits_too() -> None:
    """At the worse of its two terms."""
    strategy = Scripted()
    subject = trading(strategy)
    strategy.targets = (BUY,)
    resting(subject)
    strategy.targets = (msgspec.structs.replace(BUY, price=4_100),)
    subject.handle(snapshot(NOW + 1))
    (amend,) = orders(subject.decide(NOW + 1))
    assert isinstance(amend, AmendOrder)
    assert subject.vouch(amend, NOW + 1) is None
    subject.handle(by_hand("bid", 100, LIMITS.position_qty_max - BUY.qty))
    assert subject.vouch(amend, NOW + 1) is None
    subject.handle(by_hand("bid", 100, 1))
    assert subject.vouch(amend, NOW + 1) == "position_limit"


def test_what_would_no_longer_reduce_is_asked_as_what_enters() -> None:
    """A person sells what the daemon was about to: nothing new is sold while all is halted."""
    subject = trading(Scripted())
    subject.handle(by_hand("bid", 4_000, 1_000))
    subject.handle(e.FlattenRequested("away", 500, NOW))
    (order,) = [one for one in subject.decide(NOW) if isinstance(one, PlaceOrder)]
    assert (order.strategy, order.purpose, subject.vouch(order, NOW)) == (FLATTEN, "reduce", None)
    subject.handle(by_hand("ask", 4_000, 1))
    assert subject.vouch(order, NOW) == "halted"


def test_an_order_leaves_with_the_group_that_it_was_decided_for_or_not_at_all() -> None:
    """The venue would refuse it, and its word would be taken for one on the group that is in force."""
    strategy = Scripted()
    strategy.targets = (BUY,)
    subject = trading(strategy, msgspec.structs.replace(CONFIG, order_group_limit=100_000))
    subject.handle(e.OrderGroupTold(2, "g1", False, NOW))
    (command,) = orders([one for one in subject.decide(NOW) if isinstance(one, PlaceOrder)])
    assert isinstance(command, PlaceOrder)
    assert (command.order_group_id, subject.vouch(command, NOW)) == ("g1", None)
    subject.handle(e.OrderGroupTold(2, "g2", False, NOW))
    assert subject.vouch(command, NOW) == "no_order_group"
    subject.handle(e.OrderGroupTold(2, "g1", False, NOW))
    subject.handle(e.OrderGroupTold(None, "g1", True, NOW))
    assert subject.vouch(command, NOW) == "order_group_triggered"


@given(st.lists(st.integers(0, 3 * MINUTE), max_size=5))
def test_asking_changes_nothing(waits: list[int]) -> None:
    """A replay never asks: what it decides is what was decided live, however often the queue has asked."""
    asked, twin = waiting(), waiting()
    for subject, command in (asked, twin):
        for number, wait in enumerate(waits):
            if subject is asked[0]:
                subject.vouch(command, NOW + 10 * MINUTE + wait)
            at = NOW + (number + 1) * SECOND
            subject.handle(snapshot(at, yes=((3_800, 50_000),)))
            subject.decide(at)
    mine, other = asked[0], twin[0]
    assert mine.refusals == other.refusals
    assert vars(mine.gathering.record).keys() == vars(other.gathering.record).keys()
    assert mine.gathering.record.equity_peak == other.gathering.record.equity_peak
    assert (
        mine.gathering.of_account(
            mine.state.markets[TICKER], "scripted", None, NOW + 10 * SECOND
        ).requests_last_minute
        == other.gathering.of_account(
            other.state.markets[TICKER], "scripted", None, NOW + 10 * SECOND
        ).requests_last_minute
    )
