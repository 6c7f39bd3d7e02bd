"""The one order queue against a real server: what leaves, when, in which order, and how its end is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.commands import AmendOrder, PlaceOrder
from daemon.core.pacer import Pacer
from daemon.core.units import MILLISECOND, SECOND, Ns
from daemon.kalshi.rest import Rest
from daemon.shell.journal import Journal, JournalFailed, JournalHeader
from daemon.shell.queue import CANCEL_TOKENS, CREATE_TOKENS, OrderQueue, Queued
from tests.core.worlds import T0
from tests.shell.orders import CANCEL_ALL, amend, cancel, place, until
from tests.shell.venue import Answer, Venue, hanging_up, serving, unused_url

TEST_WITHIN_S = 30.0
A_WHILE_S = 0.05
"""Long enough for what must not happen to happen: many times a request's round trip."""

BY_ACTION: dict[e.OrderAction, Queued] = {"place": place(1), "amend": amend(1), "cancel": cancel(1)}


def error(status: int, code: str) -> Answer:
    return Answer(status, f'{{"error":{{"code":"{code}","message":"no"}}}}')


class Rig:
    """A queue with its clock, its vouching and its disk in the test's hands; the rest is real."""

    def __init__(self, rest: Rest, venue: Venue, pacer: Pacer, bound: int, in_flight: int) -> None:
        self.venue = venue
        self.at: Ns = T0
        self.events: list[e.Event] = []
        self.refused: dict[str, str] = {}
        """By client order id: what the engine has against it."""
        self.disk: Callable[[int], Awaitable[None]] = self._written
        self.queue = OrderQueue(
            rest,
            pacer,
            now=lambda: self.at,
            vouch=self._vouch,
            synced=self._synced,
            emit=self.events.append,
            requests_per_s_max=bound,
            in_flight_max=in_flight,
        )
        self.consumer = asyncio.create_task(self.queue.run())

    async def _written(self, _offset: int) -> None:
        return

    async def _synced(self, offset: int) -> None:
        await self.disk(offset)

    def _vouch(self, command: PlaceOrder | AmendOrder, now: Ns) -> str | None:
        assert now == self.at
        return self.refused.get(command.client_order_id)

    def put(self, *commands: Queued) -> None:
        for command in commands:
            self.queue.put(command, 0)

    def told(self, kind: type[e.Event]) -> list[e.Event]:
        return [event for event in self.events if isinstance(event, kind)]

    async def idle(self) -> None:
        await until(lambda: not self.queue.depth and not self.queue.in_flight)

    async def stop(self) -> None:
        self.consumer.cancel()
        with suppress(asyncio.CancelledError, JournalFailed):
            await self.consumer
        await self.queue.drain(10.0)


@asynccontextmanager
async def rig(
    *,
    tokens: tuple[int, int, int] = (10_000, 10_000, 20),
    bound: int = 1_000,
    in_flight: int = 64,
    timeout_s: float = 5.0,
    url: str | None = None,
) -> AsyncIterator[Rig]:
    """A queue in front of a venue. `tokens` are the bucket's capacity, refill per second and reserve."""
    async with asyncio.timeout(TEST_WITHIN_S), serving() as venue:
        rest = Rest(url or venue.url, None, lambda: T0, read_timeout_s=timeout_s, write_timeout_s=timeout_s)
        subject = Rig(rest, venue, Pacer(*tokens), bound, in_flight)
        try:
            yield subject
        finally:
            if venue.held is not None:
                venue.held.set()
            await subject.stop()
            await rest.close()


# --- how a request's end is told -----------------------------------------------------------------


async def test_a_yes_is_told_with_the_venues_id() -> None:
    """Place, amend and cancel each end in an OrderAccepted of their own kind and an answered request."""
    async with rig() as subject:
        for command in (place(1), amend(1), cancel(1)):
            subject.put(command)
            await subject.idle()
        accepted = subject.told(e.OrderAccepted)
        assert [
            e.OrderAccepted("place", "kd-1", "v-kd-1", 0, 1_000, T0, MILLISECOND),
            e.OrderAccepted("amend", "kd-1", "v-kd-1", 0, 1_000, T0, MILLISECOND),
            e.OrderAccepted("cancel", "kd-1", "v-1", None, 0, T0, MILLISECOND, 1_000),
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
            e.OrderRejected(action, "kd-1", code, "no", T0),
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
        (Answer(204), e.VenueAnswered),
        (error(403, "forbidden"), e.VenueAnswered),
        (Answer(500, "oops"), e.VenueFailed),
        (Answer(failure="reset"), e.VenueFailed),
        (Answer(failure="hang"), e.VenueFailed),
    ],
    ids=["200", "204", "403", "500", "reset", "hang"],
)
async def test_a_cancel_all_is_answered_or_failed(answer: Answer, kind: type[e.Event]) -> None:
    """Its orders' ends come by the lists: the request itself is answered, yes or no, or it failed."""
    async with rig(timeout_s=0.3) as subject:
        subject.venue.otherwise = answer
        subject.put(CANCEL_ALL)
        await subject.idle()
        (event,) = subject.events
        assert isinstance(event, kind)
        assert isinstance(event, e.VenueAnswered | e.VenueFailed)
        assert event.request == "cancel_all"


# --- what must not leave -------------------------------------------------------------------------


async def test_what_fails_a_check_is_never_sent() -> None:
    """Too old, or no longer vouched for: dropped with the reason; the server hears of the others only."""
    async with rig() as subject:
        subject.refused = {"kd-2": "book_unsynced", "kd-4": "halted"}
        subject.put(place(1, T0 - 1), place(2), place(3), amend(4), amend(5, T0 - 1), place(6, T0))
        await subject.idle()
        assert ["kd-3", "kd-6"] == sorted(subject.venue.names)
        assert [
            e.OrderDropped("place", "kd-1", "deadline_passed", T0),
            e.OrderDropped("place", "kd-2", "book_unsynced", T0),
            e.OrderDropped("amend", "kd-4", "halted", T0),
            e.OrderDropped("amend", "kd-5", "deadline_passed", T0),
        ] == subject.told(e.OrderDropped)
        assert (2, 4) == (subject.queue.sent_total, subject.queue.dropped_total)


@pytest.mark.parametrize("reason", ["deadline_passed", "feed_down"])
@pytest.mark.parametrize("wait", ["tokens", "throttle", "in_flight", "disk"])
async def test_what_fails_a_check_while_it_waits_is_never_sent(wait: str, reason: str) -> None:
    """The world moved on while the order waited for its turn: it is dropped, and nothing is sent late."""
    tokens = (40, 1, 20) if wait == "tokens" else (10_000, 10_000, 20)
    async with rig(
        tokens=tokens, bound=2 if wait == "throttle" else 1_000, in_flight=2 if wait == "in_flight" else 64
    ) as subject:
        written = asyncio.Event()
        if wait == "in_flight":
            subject.venue.held = asyncio.Event()
        if wait == "disk":

            async def slow(_offset: int) -> None:
                await written.wait()

            subject.disk = slow
        else:
            subject.put(place(1), place(2))
            await until(lambda: len(subject.venue.requests) == 2)
        subject.put(place(3, T0 + SECOND))
        await asyncio.sleep(A_WHILE_S)
        assert "kd-3" not in subject.venue.names
        assert subject.told(e.OrderDropped) == []
        if reason == "deadline_passed":
            subject.at = T0 + SECOND + 1
        else:
            subject.refused["kd-3"] = reason
        written.set()
        await until(lambda: subject.queue.dropped_total == 1)
        assert [e.OrderDropped("place", "kd-3", reason, subject.at)] == subject.told(e.OrderDropped)
        await asyncio.sleep(A_WHILE_S)
        assert "kd-3" not in subject.venue.names


@pytest.mark.parametrize("command", [place(1), amend(1), cancel(1), CANCEL_ALL])
async def test_nothing_leaves_before_its_record_is_on_disk(command: Queued) -> None:
    """The queue waits for the offset that the command was recorded before, and for that one alone."""
    async with rig() as subject:
        asked: list[int] = []
        written = asyncio.Event()

        async def slow(offset: int) -> None:
            asked.append(offset)
            await written.wait()

        subject.disk = slow
        subject.queue.put(command, 4_711)
        await asyncio.sleep(A_WHILE_S)
        assert subject.venue.requests == []
        written.set()
        await subject.idle()
        assert len(subject.venue.requests) == 1
        assert {4_711} == set(asked)


async def test_a_request_is_preceded_by_the_sync_of_a_real_journal(tmp_path: Path) -> None:
    """When an order leaves, the disk has its record."""
    header = JournalHeader(kalshid_version="0", instance="test", epoch=1, engine=msgspec.Raw(b"\xc0"))
    journal = Journal.create(tmp_path, header)
    try:
        async with rig() as subject:
            subject.disk = journal.synced
            ends: list[int] = []
            synced: list[int] = []
            subject.queue.on_wait = lambda _wait: synced.append(journal.synced_end)
            for number in range(1, 21):
                command = place(number)
                ends.append(journal.append([command]))
                subject.queue.put(command, ends[-1])
                if number % 5 == 0:
                    await asyncio.sleep(0.002)
            await subject.idle()
            assert all(at >= end for at, end in zip(synced, ends, strict=True))
    finally:
        journal.close()


async def test_a_disk_that_refuses_ends_the_queue_unsent() -> None:
    """What can't be recorded is not acted on: the consumer ends with the journal's failure."""
    async with rig() as subject:

        async def broken(_offset: int) -> None:
            raise JournalFailed("disk full")

        subject.disk = broken
        subject.put(place(1))
        await asyncio.wait({subject.consumer})
        assert isinstance(subject.consumer.exception(), JournalFailed)
        assert subject.venue.requests == []


# --- who goes first ------------------------------------------------------------------------------


async def test_cancels_leave_before_orders_that_were_queued_earlier() -> None:
    """Reducing risk goes first, in its own order; the orders keep theirs."""
    async with rig(in_flight=1) as subject:
        subject.put(place(1), place(2), cancel(7), place(3), CANCEL_ALL, cancel(8))
        await subject.idle()
        cancels = [name for name in subject.venue.names if not name.startswith("kd-")]
        first_three = subject.venue.requests[:4]
        assert {"v-7", "all", "v-8"} <= {request.name for request in first_three}
        assert ["v-7", "all", "v-8"] == sorted(cancels, key=["v-7", "all", "v-8"].index)
        orders = [name for name in subject.venue.names if name.startswith("kd-")]
        assert ["kd-1", "kd-2", "kd-3"] == orders


async def test_cancels_pass_though_orders_have_used_the_budget_up() -> None:
    """Orders stop at the reserve, cancels may use it, and an order never takes what cancels left."""
    async with rig(tokens=(4 * CREATE_TOKENS, 1, 2 * CREATE_TOKENS)) as subject:
        subject.put(*(place(number) for number in range(1, 6)))
        await until(lambda: len(subject.venue.requests) == 2)
        await asyncio.sleep(A_WHILE_S)
        assert ["kd-1", "kd-2"] == subject.venue.names
        cancels = 2 * CREATE_TOKENS // CANCEL_TOKENS
        subject.put(*(cancel(number) for number in range(cancels)))
        await until(lambda: len(subject.venue.requests) == 2 + cancels)
        # The bucket is empty to the last token: now even a cancel waits, and time brings it through.
        subject.put(cancel(99))
        await asyncio.sleep(A_WHILE_S)
        assert "v-99" not in subject.venue.names
        subject.at += 2 * SECOND
        await until(lambda: "v-99" in subject.venue.names)
        assert 3 == subject.queue.depth


@pytest.mark.parametrize("wait", ["tokens", "throttle", "in_flight"])
async def test_an_order_that_waits_keeps_no_cancel_waiting(wait: str) -> None:
    """Whatever the first order waits for, a cancel that comes in passes it at once."""
    async with rig(
        tokens=(40, 1, 20) if wait == "tokens" else (10_000, 10_000, 20),
        bound=2 if wait == "throttle" else 1_000,
        in_flight=2 if wait == "in_flight" else 64,
    ) as subject:
        if wait == "in_flight":
            subject.venue.held = asyncio.Event()
        subject.put(place(1), place(2), place(3))
        await until(lambda: len(subject.venue.requests) == 2)
        await asyncio.sleep(A_WHILE_S)
        subject.put(*(cancel(number) for number in range(5)))
        await until(lambda: len(subject.venue.requests) == 7)
        assert "kd-3" not in subject.venue.names


async def test_a_cancel_that_comes_in_while_the_disk_works_goes_first() -> None:
    """An order whose sync took long enough for a cancel to come in lets it pass."""
    async with rig(in_flight=1) as subject:
        written = asyncio.Event()

        async def slow(offset: int) -> None:
            if offset == 1:
                await written.wait()

        subject.disk = slow
        subject.queue.put(place(1), 1)
        await asyncio.sleep(A_WHILE_S)
        subject.queue.put(cancel(2), 0)
        written.set()
        await subject.idle()
        assert {"v-2", "kd-1"} == set(subject.venue.names)
        assert ["DELETE", "POST"] == [request.method for request in subject.venue.requests]


async def test_orders_leave_in_the_order_in_which_they_were_decided() -> None:
    """One consumer, one file: with one request at a time the venue sees them as they were queued."""
    async with rig(in_flight=1) as subject:
        subject.put(*(place(number) for number in range(30)))
        await subject.idle()
        assert [f"kd-{number}" for number in range(30)] == subject.venue.names


# --- how many, how fast --------------------------------------------------------------------------


async def test_no_more_orders_are_in_flight_than_allowed() -> None:
    """The bound holds for orders; cancels are not counted and go beyond it."""
    async with rig(in_flight=3) as subject:
        subject.venue.held = asyncio.Event()
        subject.put(*(place(number) for number in range(12)))
        await until(lambda: subject.venue.open_orders == 3)
        subject.put(cancel(1), cancel(2))
        await until(lambda: len(subject.venue.requests) == 5)
        await asyncio.sleep(A_WHILE_S)
        assert 5 == subject.queue.in_flight
        subject.venue.held.set()
        subject.venue.held = None
        await subject.idle()
        assert 3 == subject.venue.open_orders_peak
        assert 14 == len(subject.venue.requests)


async def test_no_second_sees_more_orders_than_the_bound() -> None:
    """Over any one-second window, however the disk and cancels shift the orders about."""
    bound, orders = 8, 20
    async with rig(bound=bound) as subject:
        sent: list[float] = []
        subject.queue.on_wait = lambda _wait: sent.append(time.monotonic())
        jitter = iter([0.0, 0.03, 0.0, 0.08, 0.01] * 100)

        async def slow(_offset: int) -> None:
            await asyncio.sleep(next(jitter))

        subject.disk = slow
        subject.put(cancel(0))  # the connection is made before the first order counts
        await subject.idle()
        sent.clear()
        subject.put(*(place(number) for number in range(orders)))
        await until(lambda: subject.queue.sent_total == orders + 1, within_s=20)
        await subject.idle()
        gaps = [later - earlier for earlier, later in zip(sent, sent[bound:], strict=False)]
        assert min(gaps) >= 1.0
        # The server's own view contains the way there, which is not the same for all of them.
        heard = [request.at for request in subject.venue.requests[1:]]
        assert orders == len(heard)
        assert min(later - earlier for earlier, later in zip(heard, heard[bound:], strict=False)) >= 0.9


async def test_the_wait_of_a_sent_command_is_told() -> None:
    """From `put` to the moment of sending, by our clock."""
    async with rig() as subject:
        waits: list[Ns] = []
        subject.queue.on_wait = waits.append
        written = asyncio.Event()

        async def slow(_offset: int) -> None:
            await written.wait()

        subject.disk = slow
        subject.put(place(1))
        await asyncio.sleep(0.01)
        subject.at += 3 * MILLISECOND
        written.set()
        await subject.idle()
        assert [3 * MILLISECOND] == waits
        assert 3 * MILLISECOND == subject.queue.last_wait


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
