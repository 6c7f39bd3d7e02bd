"""The exchange's second line, through the engine: groups before orders, runaways halt, expiries move on."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest

from daemon.core import events as e
from daemon.core.commands import (
    AmendOrder,
    CancelAll,
    Command,
    DropOrderGroup,
    LatchHalt,
    MakeOrderGroup,
    PlaceOrder,
    ResetOrderGroup,
)
from daemon.core.engine import Engine
from daemon.core.strategy import Target
from daemon.core.units import MINUTE, SECOND, Ns
from tests.core.worlds import CONFIG, NOW, TICKER, Scripted, reconciled, snapshot, spec, trading

LIMIT = 200_000
EXPIRY = 60 * SECOND
GUARDED = msgspec.structs.replace(CONFIG, order_group_limit=LIMIT, order_expiry=EXPIRY)
BID = Target("bid", 4_000, 1_000, "rest", "value")
KNOWN = e.OrderGroupTold(2, "g-1", False, NOW)


def groups_of(commands: Iterable[Command]) -> list[Command]:
    """Return what was asked of order groups."""
    return [one for one in commands if isinstance(one, MakeOrderGroup | ResetOrderGroup | DropOrderGroup)]


def places_of(commands: Iterable[Command]) -> list[PlaceOrder]:
    """Return the new orders."""
    return [one for one in commands if isinstance(one, PlaceOrder)]


def subject_with(*targets: Target) -> tuple[Engine, Scripted]:
    """An engine with a group limit and expiries, whose strategy wants this."""
    strategy = Scripted()
    strategy.targets = targets
    return trading(strategy, GUARDED), strategy


def rested(at: Ns = NOW) -> tuple[Engine, Scripted, PlaceOrder]:
    """An engine with one order that rests in a group."""
    subject, strategy = subject_with(BID)
    subject.handle(KNOWN)
    (order,) = places_of(subject.decide(at))
    subject.handle(e.OrderAccepted("place", order.client_order_id, "v-1", 0, 1_000, at, at))
    return subject, strategy, order


def heard(subject: Engine, at: Ns) -> None:
    """The connection is well, and the book moves."""
    subject.handle(e.FeedHeard("kalshi", at))
    subject.handle(snapshot(at))


# --- order groups --------------------------------------------------------------------------------


def test_nothing_enters_before_the_shards_group_is_known() -> None:
    """The group is made first; the order that follows is put into it, with its expiry in whole seconds."""
    subject, _ = subject_with(BID)
    commands = subject.decide(NOW)
    assert [MakeOrderGroup(2, LIMIT, NOW)] == groups_of(commands)
    assert [] == places_of(commands)
    assert 1 == subject.refusals["no_order_group"]
    subject.handle(KNOWN)
    (order,) = places_of(subject.decide(NOW + 1))
    assert "g-1" == order.order_group_id
    assert -(-(NOW + 1 + EXPIRY) // SECOND) * SECOND == order.expires_at


def test_what_takes_is_in_no_group_and_has_no_expiry() -> None:
    """It does not rest: the venue would refuse an expiry."""
    subject, _ = subject_with(Target("bid", 4_200, 1_000, "take", "value"))
    subject.handle(KNOWN)
    (order,) = places_of(subject.decide(NOW))
    assert (None, None) == (order.order_group_id, order.expires_at)


def test_without_a_limit_there_are_no_groups() -> None:
    """0 switches them off: orders rest in none."""
    strategy = Scripted()
    strategy.targets = (BID,)
    commands = trading(strategy).decide(NOW)
    assert [] == groups_of(commands)
    (order,) = places_of(commands)
    assert (None, None) == (order.order_group_id, order.expires_at)


def test_an_unanswered_group_is_asked_for_again_with_growing_pauses() -> None:
    """Not with every decision, and not never."""
    subject, _ = subject_with()
    asked = []
    for second in range(40):
        at = NOW + second * SECOND
        heard(subject, at)
        asked += [second for _ in groups_of(subject.decide(at))]
    assert [0, 2, 6, 14, 30] == asked


def test_after_a_reconnect_the_group_is_asked_after_before_anything_enters() -> None:
    """It may have been triggered or deleted while nobody told us: the same one, never a second one."""
    subject, _ = subject_with(BID)
    subject.handle(KNOWN)
    subject.decide(NOW)
    later = NOW + 10 * SECOND
    subject.handle(e.FeedDropped("kalshi", "reset", later))
    subject.handle(e.FeedConnected("kalshi", later))
    commands = subject.decide(later)
    assert [MakeOrderGroup(2, LIMIT, later, "g-1")] == groups_of(commands)
    subject.handle(e.OrderGroupTold(2, None, False, later))
    assert [MakeOrderGroup(2, LIMIT, later + 2 * SECOND)] == groups_of(subject.decide(later + 2 * SECOND))


@pytest.mark.parametrize(
    "word",
    [
        e.OrderGroupTold(None, "g-1", True, NOW),
        e.OrderRejected("place", "kd-x", "exceeded_order_group_risk_limit", "", NOW),
    ],
    ids=["stream", "rejection"],
)
def test_a_triggered_group_halts_and_is_reset_only_after_a_person_resumed(word: e.Event) -> None:
    """A runaway, whatever our own books say: latched; nothing enters or is reset until someone says so."""
    subject, _ = subject_with(BID)
    subject.handle(KNOWN)
    (order,) = places_of(subject.decide(NOW))
    if isinstance(word, e.OrderRejected):
        word = msgspec.structs.replace(word, client_order_id=order.client_order_id)
    subject.handle(word)
    commands = subject.decide(NOW + 1)
    assert [("order group",)] == [(one.by,) for one in commands if isinstance(one, LatchHalt)]
    assert "halted" == subject.phase
    for second in (5, 60):
        heard(subject, NOW + second * SECOND)
        assert [] == groups_of(subject.decide(NOW + second * SECOND))
    at = NOW + 70 * SECOND
    subject.handle(e.ResumeRequested("looked at it", at))
    heard(subject, at)
    commands = subject.decide(at)
    assert [ResetOrderGroup(2, "g-1", at)] == groups_of(commands)
    assert [] == places_of(commands)
    subject.handle(e.OrderGroupTold(2, "g-1", False, at))
    assert "halted" != subject.phase
    assert [] == groups_of(subject.decide(at + SECOND))


def test_a_trigger_that_is_lost_is_sent_again_while_we_are_halted() -> None:
    """Until the venue says that the group is closed: what arrives late must find it so."""
    subject, _, _ = rested()
    subject.handle(e.HaltRequested("person", NOW, "cli"))
    asked = []
    for second in range(40):
        at = NOW + second * SECOND
        heard(subject, at)
        asked += [second for one in subject.decide(at) if isinstance(one, CancelAll)]
        if second == 7:
            subject.handle(e.OrderGroupTold(2, "g-1", True, at))
        elif second == 20:
            # A reset that had been sent before the halt was carried out only now.
            subject.handle(e.OrderGroupTold(2, "g-1", False, at))
    assert [0, 2, 6, 23, 27, 35] == asked


def test_a_clean_stop_takes_the_group_out_and_one_that_leaves_orders_does_not() -> None:
    """It holds nothing by then; with orders left in it, they would go with it."""
    for cancels, expected in ((True, [DropOrderGroup(2, "g-1", NOW + SECOND)]), (False, [])):
        subject = trading(Scripted(), msgspec.structs.replace(GUARDED, cancels_on_exit=cancels))
        subject.handle(KNOWN)
        subject.decide(NOW)
        subject.handle(e.StopRequested("test", NOW))
        subject.handle(reconciled(NOW + SECOND))
        found = [one for at in (1, 2) for one in groups_of(subject.decide(NOW + at * SECOND))]
        assert ("stopped", expected) == (subject.phase, found)


# --- expiries ------------------------------------------------------------------------------------


def amends_of(commands: Iterable[Command]) -> list[AmendOrder]:
    """Return the amends."""
    return [one for one in commands if isinstance(one, AmendOrder)]


def test_an_expiry_moves_on_when_half_of_it_is_gone() -> None:
    """Same price, same count, later end: nothing before, one amend then, and nothing after its answer."""
    subject, _, order = rested()
    found: list[AmendOrder] = []
    for second in range(1, 50):
        at = NOW + second * SECOND
        heard(subject, at)
        amends = amends_of(subject.decide(at))
        found += amends
        for amend in amends:
            assert 30 < second
            subject.handle(e.OrderAccepted("amend", amend.client_order_id, "v-1", 0, 1_000, at, at))
    (amend,) = found
    assert (order.price, order.qty, "keep") == (amend.price, amend.qty, amend.purpose)
    assert amend.expires_at is not None
    assert order.expires_at is not None
    assert 25 * SECOND < amend.expires_at - order.expires_at
    assert amend.expires_at == subject.state.orders[order.client_order_id].expires_at


def test_a_fill_in_part_does_not_change_the_total() -> None:
    """The amend's count is what is filled plus what rests: the total as it was, so the place is kept."""
    subject, strategy, order = rested()
    fill = e.OrderFilled("t-1", "v-1", order.client_order_id, TICKER, "bid", 4_000, 400, 0, False, NOW, NOW)
    subject.handle(fill)
    strategy.targets = (msgspec.structs.replace(BID, qty=600),)
    at = NOW + 40 * SECOND
    heard(subject, at)
    (amend,) = amends_of(subject.decide(at))
    assert (1_000, "keep") == (amend.qty, amend.purpose)


@pytest.mark.parametrize("trouble", ["halted", "not_reconciled", "breaker", "stopping", "feed"])
def test_an_expiry_does_not_move_on_while_all_is_not_well(trouble: str) -> None:
    """The dead man's switch is for when we are not to be trusted with what rests."""
    subject, _, _ = rested()
    at = NOW + 40 * SECOND
    heard(subject, at)
    match trouble:
        case "halted":
            subject.handle(e.HaltRequested("person", at))
        case "not_reconciled":
            subject.handle(e.AccountDoubted("gap", at))
        case "breaker":
            for _ in range(3):
                subject.handle(e.VenueFailed("place", "HTTP 503", at))
        case "stopping":
            subject.handle(e.StopRequested("test", at))
        case _:
            subject.handle(e.FeedDropped("kalshi", "reset", at))
    assert [] == amends_of(subject.decide(at))


def test_few_expiries_move_on_at_one_time() -> None:
    """New orders find tokens: two amends under way, the nearest ends first; the others follow."""
    subject, _ = subject_with(
        BID, Target("bid", 3_900, 500, "rest", "value"), Target("bid", 3_800, 500, "rest", "value")
    )
    subject.handle(KNOWN)
    placed = places_of(subject.decide(NOW))
    assert 3 == len(placed)
    for number, order in enumerate(placed):
        subject.handle(e.OrderAccepted("place", order.client_order_id, f"v-{number}", 0, order.qty, NOW, NOW))
    at = NOW + 40 * SECOND
    heard(subject, at)
    first = amends_of(subject.decide(at))
    assert 2 == len(first)
    assert [] == amends_of(subject.decide(at + SECOND))
    for amend in first:
        subject.handle(e.OrderAccepted("amend", amend.client_order_id, "v", 0, amend.qty, at, at))
    heard(subject, at + 2 * SECOND)
    (last,) = amends_of(subject.decide(at + 2 * SECOND))
    assert {one.client_order_id for one in placed} == {one.client_order_id for one in (*first, last)}


def test_an_amend_moves_the_expiry_on_as_well() -> None:
    """A new price is a request anyway."""
    subject, strategy, order = rested()
    strategy.targets = (msgspec.structs.replace(BID, price=3_900),)
    at = NOW + 5 * SECOND
    heard(subject, at)
    (amend,) = amends_of(subject.decide(at))
    assert (3_900, "enter") == (amend.price, amend.purpose)
    assert -(-(at + EXPIRY) // SECOND) * SECOND == amend.expires_at
    subject.handle(e.OrderDropped("amend", order.client_order_id, "deadline_passed", at))
    assert order.expires_at == subject.state.orders[order.client_order_id].expires_at


def test_an_expiry_does_not_move_on_while_an_amend_of_unknown_outcome_may_still_arrive() -> None:
    """A second amend would let us forget the terms that the first one asked for: these stay counted."""
    subject, strategy, order = rested()
    strategy.targets = (msgspec.structs.replace(BID, price=3_900, qty=3_000),)
    asked_at = NOW + 20 * SECOND
    heard(subject, asked_at)
    (amend,) = amends_of(subject.decide(asked_at))
    subject.handle(e.OrderUnknown("amend", order.client_order_id, "timeout", asked_at))
    strategy.targets = (BID,)
    at = asked_at + 12 * SECOND
    heard(subject, at)
    # The stream says something newer than our request of the order, on its old terms.
    subject.handle(
        e.OrderUpdated("v-1", order.client_order_id, TICKER, "bid", 4_000, "resting", 0, 1_000, None, at, at)
    )
    assert [] == amends_of(subject.decide(at + 2 * SECOND))
    known = subject.state.orders[order.client_order_id]
    assert ("resting", (amend.price, amend.qty), 3_000) == (known.state, known.pending, known.exposed)


def test_an_order_that_would_outlive_its_market_is_left_to_it() -> None:
    """The close takes it out by itself: no amend is worth a token there."""
    subject, _, _ = rested()
    at = NOW + 40 * SECOND
    subject.handle(e.MarketCloseMoved(TICKER, NOW + MINUTE, at))
    heard(subject, at)
    assert [] == amends_of(subject.decide(at))


def test_a_shard_that_is_watched_again_is_asked_for_its_group_again() -> None:
    """No group is kept up for a market that is only held; taken up again, its shard is asked after."""
    subject, _, _ = rested()
    subject.handle(e.MarketDropped(TICKER, NOW + 1))
    subject.state.order_groups.doubt()
    assert [] == groups_of(subject.decide(NOW + 2))
    subject.handle(e.MarketListed(spec(), NOW + 3))
    assert [MakeOrderGroup] == [type(one) for one in groups_of(subject.decide(NOW + 4))]
