"""What is believed of order groups: told by requests and by the stream, doubted, triggered, reset, gone."""

from __future__ import annotations

import pytest

from daemon.core import events as e
from daemon.core.order_groups import ECHO, GONE_CODE, TRIGGERED_CODE, OrderGroups
from daemon.core.own_orders import ABSENT_AFTER
from daemon.core.units import SECOND, Ns
from tests.core.worlds import T0


def groups(*events: e.OrderGroupTold) -> OrderGroups:
    """Beliefs after these words."""
    subject = OrderGroups()
    for event in events:
        subject.apply(event)
    return subject


def told(group_id: str | None = "g-1", *, is_triggered: bool = False, at: Ns = T0) -> e.OrderGroupTold:
    """The answer to a request, for shard 2."""
    return e.OrderGroupTold(2, group_id, is_triggered, at)


def streamed(
    group_id: str = "g-1", *, is_triggered: bool = False, is_gone: bool = False, at: Ns = T0
) -> e.OrderGroupTold:
    """The stream's word, which names no shard."""
    return e.OrderGroupTold(None, group_id, is_triggered, at, is_gone)


def test_a_group_is_in_force_from_its_making_to_its_end() -> None:
    """Before it is told, and after it is gone, nothing may enter on its shard; other shards are their own."""
    subject = groups()
    assert ("no_order_group", None) == (subject.refusal(2), subject.open_id(2))
    subject.apply(told())
    assert (None, "g-1", {2: "g-1"}) == (subject.refusal(2), subject.open_id(2), subject.ids)
    assert "no_order_group" == subject.refusal(0)
    subject.apply(told(None))
    assert ("no_order_group", None, {}) == (subject.refusal(2), subject.id_of(2), subject.ids)


def test_a_doubted_group_takes_nothing_until_it_is_asked_after() -> None:
    """While the stream was down nobody would have told of its end; the stream's own word is no answer."""
    subject = groups(told())
    subject.doubt()
    assert (True, "no_order_group", "g-1") == (subject.is_doubted(2), subject.refusal(2), subject.id_of(2))
    subject.apply(streamed())
    assert subject.is_doubted(2)
    subject.apply(told())
    assert (False, None) == (subject.is_doubted(2), subject.refusal(2))


@pytest.mark.parametrize("is_by_rejection", [True, False])
def test_a_triggered_group_is_told_once_and_waits_for_a_person(is_by_rejection: bool) -> None:
    """Whoever tells it, stream or rejection: it is new once, and it is not reset before a person resumed."""
    subject = groups(told())
    for _ in range(2):
        if is_by_rejection:
            subject.reject(TRIGGERED_CODE, 2, T0)
        else:
            subject.apply(streamed(is_triggered=True))
    assert ("order_group_triggered", None) == (subject.refusal(2), subject.open_id(2))
    assert [("g-1",), ()] == [subject.take_newly_triggered(), subject.take_newly_triggered()]
    assert not subject.is_reset_due(2)
    subject.resume()
    assert subject.is_reset_due(2)
    subject.apply(told())
    assert (False, None) == (subject.is_reset_due(2), subject.refusal(2))
    subject.apply(streamed(is_triggered=True))
    assert (("g-1",), False) == (subject.take_newly_triggered(), subject.is_reset_due(2))


def test_a_group_that_is_gone_is_known_as_gone() -> None:
    """By the stream, or by the rejection of an order that named it."""
    subject = groups(told())
    subject.apply(streamed(is_gone=True))
    assert "no_order_group" == subject.refusal(2)
    subject.apply(told("g-2"))
    subject.reject(GONE_CODE, 2, T0)
    assert ({}, "no_order_group") == (subject.ids, subject.refusal(2))


def test_what_is_not_ours_changes_nothing() -> None:
    """Another group of the account, an order of a shard without a group, a rejection for another reason."""
    subject = groups(told())
    subject.apply(streamed("theirs", is_triggered=True))
    subject.apply(streamed("theirs", is_gone=True))
    subject.reject(TRIGGERED_CODE, 0, T0)
    subject.reject(GONE_CODE, None, T0)
    subject.reject("insufficient_balance", 2, T0)
    assert (None, (), {2: "g-1"}) == (subject.refusal(2), subject.take_newly_triggered(), subject.ids)


def test_what_we_trigger_ourselves_is_no_runaway_and_is_reset_by_itself() -> None:
    """Nothing enters until it is known whether it was triggered; the stream may say so before the answer."""
    subject = groups(told())
    subject.trigger(2, T0)
    assert (True, "no_order_group") == (subject.is_doubted(2), subject.refusal(2))
    subject.apply(streamed(is_triggered=True))
    assert () == subject.take_newly_triggered()
    subject.apply(told(is_triggered=True))
    assert ((), True, False) == (
        subject.take_newly_triggered(),
        subject.is_reset_due(2),
        subject.is_doubted(2),
    )
    subject.apply(told())
    subject.apply(streamed(is_triggered=True, at=T0 + ECHO))
    assert ("g-1",) == subject.take_newly_triggered(), "the next one is the venue's own doing"


def test_a_trigger_of_ours_that_arrives_late_is_no_runaway() -> None:
    """Its request was given up, and the venue has said that nothing happened; then it arrives after all."""
    subject = groups(told())
    subject.trigger(2, T0)
    subject.apply(told(at=T0 + SECOND))
    assert "g-1" == subject.open_id(2)
    subject.apply(streamed(is_triggered=True, at=T0 + ABSENT_AFTER - 1))
    assert ((), True) == (subject.take_newly_triggered(), subject.is_reset_due(2))


def test_a_trigger_that_no_request_of_ours_explains_any_more_is_the_venues() -> None:
    """A request that has not arrived when its signature expires never does."""
    subject = groups(told())
    subject.trigger(2, T0)
    subject.apply(told(at=T0 + SECOND))
    subject.apply(streamed(is_triggered=True, at=T0 + ABSENT_AFTER))
    assert (("g-1",), False) == (subject.take_newly_triggered(), subject.is_reset_due(2))


@pytest.mark.parametrize("was_triggered", [True, False])
def test_a_recovered_group_that_is_triggered_is_no_runaway_of_this_life(was_triggered: bool) -> None:
    """Whoever triggered it, the halt is on disk or was resumed: it is asked after, and reset by itself."""
    subject = groups(e.OrderGroupTold(2, "g-1", was_triggered, T0, is_recovered=True))
    assert (True, None, ()) == (subject.is_doubted(2), subject.open_id(2), subject.take_newly_triggered())
    subject.apply(told(is_triggered=True))
    assert (True, ()) == (subject.is_reset_due(2), subject.take_newly_triggered())
    subject.apply(told())
    assert (False, "g-1") == (subject.is_reset_due(2), subject.open_id(2))
    subject.apply(streamed(is_triggered=True, at=T0 + ECHO))
    assert ("g-1",) == subject.take_newly_triggered(), "one of this life is"
