"""The one order queue against a real server: how the end of every request is told, and how it ends."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.units import MILLISECOND, SECOND
from daemon.shell.queue import Queued
from tests.core.worlds import T0
from tests.shell.orders import CANCEL_ALL, amend, cancel, place, until
from tests.shell.queue_rig import A_WHILE_S, error, rig
from tests.shell.venue import Answer, hanging_up, unused_url

BY_ACTION: dict[e.OrderAction, Queued] = {"place": place(1), "amend": amend(1), "cancel": cancel(1)}


# --- how a request's end is told -----------------------------------------------------------------


async def test_a_yes_is_told_with_the_venues_id() -> None:
    """Place, amend and cancel each end in an OrderAccepted of their own kind and an answered request."""
    async with rig() as subject:
        for command in (place(1), amend(1), cancel(1)):
            subject.put(command)
            await subject.idle()
        accepted = subject.told(e.OrderAccepted)
        assert [
            e.OrderAccepted("place", "kd-1", "v-kd-1", 0, 1_000, T0, MILLISECOND, None, T0),
            e.OrderAccepted("amend", "kd-1", "v-kd-1", 0, 1_000, T0, MILLISECOND, None, T0),
            e.OrderAccepted("cancel", "kd-1", "v-1", None, 0, T0, MILLISECOND, 1_000, T0),
        ] == accepted
        answered = [e.VenueAnswered(name, T0) for name in ("place", "amend", "cancel")]
        assert answered == subject.told(e.VenueAnswered)
        assert ["POST", "POST", "DELETE"] == [request.method for request in subject.venue.requests]


@pytest.mark.parametrize("action", ["place", "amend", "cancel"])
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "insufficient_balance"),
        (401, "authentication_error"),
        (404, "not_found"),
        (409, "order_already_exists"),
    ],
)
async def test_a_no_is_a_rejection(action: e.OrderAction, status: int, code: str) -> None:
    """A 4xx says that nothing happened, with the venue's own code; the venue did answer."""
    command = BY_ACTION[action]
    async with rig() as subject:
        subject.venue.otherwise = error(status, code)
        subject.put(command)
        await subject.idle()
        assert [
            e.OrderRejected(action, "kd-1", code, "no", T0, T0),
            e.VenueAnswered(action, T0),
        ] == subject.events


@pytest.mark.parametrize("action", ["place", "amend", "cancel"])
@pytest.mark.parametrize(
    "answer",
    [
        Answer(500, "oops"),
        Answer(503, ""),
        Answer(201, "<html>"),
        Answer(201, "{}"),
        Answer(failure="reset"),
        Answer(failure="hang"),
    ],
    ids=["500", "503", "garbage", "empty", "reset", "hang"],
)
async def test_no_readable_answer_is_an_unknown_outcome(action: e.OrderAction, answer: Answer) -> None:
    """A timeout, a reset, a 5xx or an unreadable answer may hide a success: an order is never sent again."""
    command = BY_ACTION[action]
    async with rig(timeout_s=0.3) as subject:
        subject.venue.otherwise = answer
        subject.put(command)
        await subject.idle()
        unknown, failed = subject.events
        assert isinstance(unknown, e.OrderUnknown)
        assert (action, "kd-1") == (unknown.action, unknown.client_order_id)
        assert isinstance(failed, e.VenueFailed)
        assert unknown.reason == failed.reason != ""
        # The HTTP library may send a cancel once more after a reset, which is harmless.
        assert len(subject.venue.requests) in ((1, 2) if action == "cancel" else (1,))


async def test_a_connection_closed_before_a_byte_was_read_is_an_unknown_outcome() -> None:
    """We can't see how far the request came, so we don't pretend to."""
    async with hanging_up() as url, rig(url=url) as subject:
        subject.put(place(1))
        await subject.idle()
        (unknown,) = subject.told(e.OrderUnknown)
        assert isinstance(unknown, e.OrderUnknown)
        assert unknown.client_order_id == "kd-1"


@pytest.mark.parametrize("action", ["place", "amend", "cancel"])
async def test_a_refused_connection_drops_the_request(action: e.OrderAction) -> None:
    """It surely never arrived: dropped, and the venue counts as failed."""
    command = BY_ACTION[action]
    async with rig(url=await unused_url()) as subject:
        subject.put(command)
        await subject.idle()
        dropped, failed = subject.events
        assert isinstance(dropped, e.OrderDropped)
        assert (action, "kd-1") == (dropped.action, dropped.client_order_id)
        assert isinstance(failed, e.VenueFailed)


async def test_an_empty_bucket_drops_the_request() -> None:
    """429 is refused before anything is done: dropped, never sent again by the queue."""
    async with rig() as subject:
        subject.venue.otherwise = Answer(429, '{"error":"too many requests"}')
        subject.put(place(1))
        await subject.idle()
        assert [e.OrderDropped, e.VenueFailed] == [type(event) for event in subject.events]
        assert len(subject.venue.requests) == 1


@pytest.mark.parametrize("first", [place(1), CANCEL_ALL], ids=["place", "cancel_all"])
async def test_the_venues_empty_bucket_is_ours_too(first: Queued) -> None:
    """After a 429 nothing is sent before time has brought new tokens: it would be refused as well."""
    async with rig(tokens=(1_000, 10, 20)) as subject:
        subject.venue.otherwise = Answer(429, '{"error":"too many requests"}')
        subject.put(first)
        await subject.idle()
        subject.put(cancel(2))
        await asyncio.sleep(A_WHILE_S)
        assert 1 == len(subject.venue.requests)
        subject.at += SECOND
        await until(lambda: len(subject.venue.requests) == 2)


async def test_a_request_that_is_cancelled_under_way_is_an_unknown_outcome() -> None:
    """Ending the daemon in mid-request doesn't undo the request."""
    async with rig() as subject:
        subject.venue.held = asyncio.Event()
        subject.put(place(1))
        await until(lambda: bool(subject.venue.requests))
        (task,) = [task for task in asyncio.all_tasks() if task.get_name().startswith("order-request-")]
        task.cancel()
        await subject.idle()
        assert [e.OrderUnknown("place", "kd-1", "cancelled while waiting", T0)] == subject.events


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(200, "{}"), e.VenueAnswered),
        (error(403, "forbidden"), e.VenueAnswered),
        (Answer(500, "oops"), e.VenueFailed),
        (Answer(failure="reset"), e.VenueFailed),
        (Answer(failure="hang"), e.VenueFailed),
    ],
    ids=["200", "403", "500", "reset", "hang"],
)
async def test_a_cancel_all_is_answered_or_failed(answer: Answer, kind: type[e.Event]) -> None:
    """A yes tells that the group takes nothing more; its orders' ends come by stream and lists."""
    async with rig(timeout_s=0.3) as subject:
        subject.venue.otherwise = answer
        subject.put(CANCEL_ALL)
        await subject.idle()
        *told, event = subject.events
        assert isinstance(event, kind)
        assert isinstance(event, e.VenueAnswered | e.VenueFailed)
        assert event.request == "cancel_all"
        is_taken = answer.status == 200 and answer.failure is None
        assert ([e.OrderGroupTold(2, "g", True, T0)] if is_taken else []) == told


# --- the end -------------------------------------------------------------------------------------


async def test_an_answer_with_nothing_left_to_send_leaves_the_consumer_waiting() -> None:
    """The end of a request wakes the consumer; it goes on waiting for commands."""
    async with rig() as subject:
        for number in range(3):
            subject.put(place(number), cancel(number))
            await subject.idle()
            await asyncio.sleep(0.01)
            assert not subject.consumer.done()
        assert 6 == len(subject.venue.requests)


async def test_drain_waits_for_the_answers_in_flight() -> None:
    """Cancelling the consumer ends no request; drain says whether all of them were answered in time."""
    async with rig() as subject:
        subject.venue.held = asyncio.Event()
        subject.put(place(1), cancel(2))
        await until(lambda: len(subject.venue.requests) == 2)
        subject.consumer.cancel()
        await asyncio.wait({subject.consumer})
        assert not await subject.queue.drain(0.01)
        assert subject.events == []
        subject.venue.held.set()
        assert await subject.queue.drain(10.0)
        assert {"kd-1", "kd-2"} == {
            event.client_order_id for event in subject.events if isinstance(event, e.OrderAccepted)
        }
        assert await subject.queue.drain(0.0)


async def test_drain_lets_what_waits_leave_first() -> None:
    """The last decision's commands are sent too, as long as somebody sends, and within the time."""
    async with rig(tokens=(40, 100, 20)) as subject:
        subject.put(place(1), cancel(2))
        assert await subject.queue.drain(10.0)
        assert (0, 2) == (subject.queue.depth, len(subject.venue.requests))
        subject.at += SECOND
        subject.put(place(3), place(4), place(5))  # tokens for two of them
        assert not await subject.queue.drain(0.05)
        assert 1 == subject.queue.depth


async def test_idle_means_that_nothing_but_time_is_missing() -> None:
    """A tape's clock stands until we are idle, so waiting for tokens is idle, and being able to go is not."""
    async with rig(tokens=(30, 10, 20)) as subject:
        assert subject.queue.is_idle
        subject.venue.held = asyncio.Event()
        subject.put(place(1), place(2, T0 + 5 * SECOND))
        assert not subject.queue.is_idle
        await until(lambda: len(subject.venue.requests) == 1)
        assert not subject.queue.is_idle
        subject.venue.held.set()
        subject.venue.held = None
        await until(lambda: subject.queue.is_idle)
        assert (1, ["kd-1"]) == (subject.queue.depth, subject.venue.names)
        subject.at += SECOND
        assert not subject.queue.is_idle
        await subject.idle()
        assert subject.queue.is_idle
        assert ["kd-1", "kd-2"] == subject.venue.names


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["place", "amend", "cancel"]),
            st.sampled_from(["good", "no", "reset", "garbage"]),
            st.sampled_from(["fresh", "old", "unvouched"]),
        ),
        max_size=25,
    )
)
def test_every_command_comes_to_exactly_one_end(script: list[tuple[str, str, str]]) -> None:
    """Each is answered, rejected, unknown or dropped, once; the server hears of all but the dropped."""

    async def run() -> None:
        answers = {
            "good": Answer(),
            "no": error(400, "bad"),
            "reset": Answer(failure="reset"),
            "garbage": Answer(200, "?"),
        }
        async with rig(in_flight=3) as subject:
            ends: dict[str, object] = {}
            for number, (action, answer, state) in enumerate(script):
                name = f"kd-{number}"
                subject.venue.behave[name if action != "cancel" else f"v-{number}"] = answers[answer]
                if state == "unvouched":
                    subject.refused[name] = "halted"
                deadline = T0 - 1 if state == "old" else T0
                is_dropped = state != "fresh" and action != "cancel"
                told: dict[str, object] = {"good": e.OrderAccepted, "no": e.OrderRejected}
                ends[name] = e.OrderDropped if is_dropped else told.get(answer, e.OrderUnknown)
                if action == "cancel":
                    subject.put(cancel(number))
                else:
                    subject.put(place(number, deadline) if action == "place" else amend(number, deadline))
            await subject.idle()
            seen = [
                (event.client_order_id, type(event))
                for event in subject.events
                if isinstance(event, e.OrderAccepted | e.OrderRejected | e.OrderUnknown | e.OrderDropped)
            ]
            assert sorted(ends.items(), key=str) == sorted(seen, key=str)
            sent = [name for name, end in ends.items() if end is not e.OrderDropped]
            assert len(sent) == subject.queue.sent_total
            heard = [name.removeprefix("v-").removeprefix("kd-") for name in subject.venue.names]
            assert {name.removeprefix("kd-") for name in sent} == set(heard)
            posts = [request.path for request in subject.venue.requests if request.method == "POST"]
            assert len(posts) == sum(script[int(name[3:])][0] != "cancel" for name in sent)

    asyncio.run(run())
