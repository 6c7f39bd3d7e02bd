"""Order requests counted: by action and result, each once; delays of those that were answered."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.units import MILLISECOND
from daemon.shell.order_counts import CANCEL_REASONS, RESULTS, STRATEGY, OrderCounts
from tests.core.worlds import T0, TICKER
from tests.shell.orders import amend, cancel, place

LEFT, ANSWERED = T0 + 3 * MILLISECOND, T0 + 40 * MILLISECOND
TICK = e.BookDeltaReceived(TICKER, "yes", 4_000, 100, T0, T0)


def accepted(number: int, action: e.OrderAction = "place") -> e.OrderAccepted:
    return e.OrderAccepted(action, f"kd-{number}", "v", 0, 1_000, ANSWERED, None, asked_at=LEFT)


def told(counts: OrderCounts, *events: e.Event) -> list[e.Event]:
    """Tell the events through the counting `emit`; return what came out."""
    passed: list[e.Event] = []
    emit = counts.counting(passed.append)
    for event in events:
        emit(event)
    return passed


def test_an_order_is_timed_from_its_tick_to_its_leaving_and_on_to_its_answer() -> None:
    """3 ms until it left, 37 ms until it was answered; both name the order."""
    counts = OrderCounts()
    counts.on_batch([TICK], [place(1)])
    told(counts, accepted(1))
    delays = {"tick_to_order": counts.tick_to_order, "ack": counts.ack}
    assert {"tick_to_order": 3 * MILLISECOND, "ack": 37 * MILLISECOND} == {
        name: one.sum_ns for name, one in delays.items()
    }
    for one in delays.values():
        (exemplar,) = one.exemplars.values()
        assert {"client_order_id": "kd-1"} == exemplar.labels


def test_an_order_that_no_tick_caused_has_no_tick_to_order() -> None:
    """Decided by the clock, or on what is no tick: its answer is timed, its cause is none."""
    counts = OrderCounts()
    counts.on_batch([], [place(1)])
    counts.on_batch([e.FeedHeard("kalshi", T0)], [amend(2)])
    told(counts, accepted(1), accepted(2, "amend"))
    assert (0, 2) == (counts.tick_to_order.count, counts.ack.count)


def test_what_was_not_answered_is_counted_and_not_timed() -> None:
    """An unknown fate and a drop have no delay, nor has a rejection that did not note when it was asked."""
    counts = OrderCounts()
    counts.on_batch([TICK], [place(1), place(2), cancel(3)])
    told(
        counts,
        e.OrderUnknown("place", "kd-1", "timeout", ANSWERED),
        e.OrderDropped("place", "kd-2", "expired", ANSWERED),
        e.OrderRejected("cancel", "kd-3", "not_found", "", ANSWERED),
    )
    assert (0, 0) == (counts.tick_to_order.count, counts.ack.count)
    found = {name: n for name, n in counts.requests.items() if n}
    assert {("place", "unknown"): 1, ("place", "dropped"): 1, ("cancel", "rejected"): 1} == found


@pytest.mark.parametrize(
    ("reason", "counted"),
    [("halted", "halted"), ("adopted", "adopted"), ("stop-loss: 12 of 10 cents lost", "stop-loss"),
     ("score_out_of_range: mid 0.41, above the 0.3 of its training", "score_out_of_range"),
     ("edge 2.1c after fee", STRATEGY), ("edge 3.7c, but the position is at its limit", STRATEGY)],
)  # fmt: skip
def test_cancels_are_counted_by_reasons_that_are_few(reason: str, counted: str) -> None:
    """A strategy's words have figures in them: each would be a series of its own, for ever."""
    counts = OrderCounts()
    decided = [msgspec.structs.replace(cancel(number), reason=reason) for number in (1, 2)]
    counts.on_batch([TICK], [*decided, place(3)])
    assert {counted: 2} == {name: count for name, count in counts.cancels.items() if count}
    assert set(CANCEL_REASONS) == set(counts.cancels)


@given(st.lists(st.tuples(st.sampled_from(get_args(e.OrderAction)), st.sampled_from(list(RESULTS.values())))))
def test_every_end_is_counted_once_and_passed_on(ends: list[tuple[e.OrderAction, str]]) -> None:
    """As many counts as ends, each where it belongs; every event comes out, in order, others too."""
    events: list[e.Event] = []
    for number, (action, result) in enumerate(ends):
        match result:
            case "accepted":
                events.append(accepted(number, action))
            case "rejected":
                events.append(e.OrderRejected(action, f"kd-{number}", "no", "", ANSWERED, LEFT))
            case "unknown":
                events.append(e.OrderUnknown(action, f"kd-{number}", "?", ANSWERED))
            case _:
                events.append(e.OrderDropped(action, f"kd-{number}", "late", ANSWERED))
        events.append(e.VenueAnswered(action, ANSWERED))
    counts = OrderCounts()
    assert events == told(counts, *events)
    for name, count in counts.requests.items():
        assert ends.count(name) == count  # type: ignore[arg-type]
