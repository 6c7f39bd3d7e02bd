"""How batches, probes and order groups end, against a real server; single orders are in test_queue."""

from __future__ import annotations

import asyncio
import json

import pytest

from daemon.core import events as e
from daemon.core.commands import DropOrderGroup, MakeOrderGroup, ResetOrderGroup, WithdrawOrder
from daemon.core.units import MILLISECOND
from daemon.shell.queue import Queued
from tests.core.worlds import T0
from tests.shell.orders import amend, cancel, place, probe, until
from tests.shell.queue_rig import A_WHILE_S, COSTS, Rig, error, rig
from tests.shell.venue import Answer, unused_url

GROUPS = "/portfolio/order_groups"
MAKE = MakeOrderGroup(2, 200_000, T0)
AGAIN = MakeOrderGroup(2, 200_000, T0, "g-1")


def entry_error(code: str) -> Answer:
    """What a batch says of an order that failed."""
    return Answer(body=json.dumps({"error": {"code": code, "message": code.replace("_", " ")}}))


def ends(subject: Rig) -> list[tuple[str, str]]:
    """Return which event ended each order, in the order in which that was told."""
    return [
        (event.client_order_id, type(event).__name__)
        for event in subject.events
        if isinstance(event, e.OrderAccepted | e.OrderRejected | e.OrderUnknown | e.OrderDropped)
    ]


# --- batches -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("make", "method"), [(place, "POST"), (cancel, "DELETE")], ids=["place", "cancel"])
async def test_what_may_go_together_is_one_request(make: object, method: str) -> None:
    """Up to a batch's size; each order has its own end, the venue's answer counts once."""
    assert callable(make)
    async with rig(batch_max=4) as subject:
        subject.put(*(make(number) for number in range(6)))
        await subject.idle()
        assert [(method, 4), (method, 2)] == [
            (one.method, len(one.entries)) for one in subject.venue.requests
        ]
        assert sorted((f"kd-{number}", "OrderAccepted") for number in range(6)) == sorted(ends(subject))
        assert 2 == len(subject.told(e.VenueAnswered))
        assert (6, 2) == (subject.queue.sent_total, subject.queue.batches_total)


async def test_a_lone_order_goes_alone() -> None:
    """A batch of one would only draw on another bucket: it is a request like ever."""
    async with rig(batch_max=4) as subject:
        for command in (place(1), cancel(1), amend(1)):
            subject.put(command)
            await subject.idle()
        assert [[], [], []] == [one.entries for one in subject.venue.requests]
        assert 0 == subject.queue.batches_total


async def test_a_batch_is_no_larger_than_the_tokens() -> None:
    """All of it must fit the bucket at once, above the reserve; the rest waits for its own tokens."""
    async with rig(tokens=(20 + 3 * COSTS.place, 1, 20), batch_max=10) as subject:
        subject.put(*(place(number) for number in range(5)))
        await until(lambda: subject.queue.sent_total == 3)
        await asyncio.sleep(A_WHILE_S)
        assert [3] == [len(one.entries) for one in subject.venue.requests]
        assert (2, 20) == (subject.queue.depth, subject.queue.pacer.tokens(subject.at))


async def test_a_batch_takes_one_turn_of_the_outer_bound_and_one_sync() -> None:
    """A burst of a decision leaves at once: that is what batches are for."""
    async with rig(bound=1, batch_max=10) as subject:
        asked: list[int] = []

        async def disk(offset: int) -> None:
            asked.append(offset)

        subject.disk = disk
        for number in range(10):
            subject.queue.put(place(number), 4_711)
        await until(lambda: subject.queue.sent_total == 10, within_s=0.9)
        assert [4_711] == asked


async def test_an_order_that_is_not_recorded_yet_stays_behind() -> None:
    """Only what is on disk joins a batch: what was queued during the sync waits for its own."""
    async with rig(batch_max=10) as subject:
        written: dict[int, asyncio.Event] = {1: asyncio.Event(), 2: asyncio.Event()}

        async def disk(offset: int) -> None:
            await written[offset].wait()

        subject.disk = disk
        subject.queue.put(place(1), 1)
        subject.queue.put(place(2), 1)
        await asyncio.sleep(A_WHILE_S)
        subject.queue.put(place(3), 2)
        written[1].set()
        await until(lambda: subject.queue.sent_total == 2)
        await asyncio.sleep(A_WHILE_S)
        assert [["kd-1", "kd-2"]] == [one.entries for one in subject.venue.requests]
        written[2].set()
        await subject.idle()
        assert "kd-3" == subject.venue.names[-1]


async def test_each_order_of_a_batch_is_told_for_itself() -> None:
    """A yes, a no, an entry that is the venue's fault, one that met an empty bucket: one batch, four ends."""
    async with rig(batch_max=4, tokens=(1_000, 1, 20)) as subject:
        subject.venue.behave = {
            "kd-2": entry_error("insufficient_balance"),
            "kd-3": entry_error("internal_error"),
            "kd-4": entry_error("too_many_requests"),
        }
        subject.put(*(place(number) for number in range(1, 5)))
        await subject.idle()
        assert [
            ("kd-1", "OrderAccepted"),
            ("kd-2", "OrderRejected"),
            ("kd-3", "OrderUnknown"),
            ("kd-4", "OrderDropped"),
        ] == ends(subject)
        assert (0, 1) == (len(subject.told(e.VenueAnswered)), len(subject.told(e.VenueFailed)))
        assert 0 == subject.queue.pacer.tokens(subject.at)


@pytest.mark.parametrize(
    ("answer", "end"),
    [
        (Answer(500, "oops"), "OrderUnknown"),
        (Answer(201, '{"orders":[]}'), "OrderUnknown"),
        (Answer(failure="reset"), "OrderUnknown"),
        (Answer(failure="hang"), "OrderUnknown"),
        (Answer(429, '{"error":"too many requests"}'), "OrderDropped"),
        (error(400, "bad_request"), "OrderRejected"),
    ],
    ids=["500", "other number", "reset", "hang", "429", "400"],
)
async def test_a_batch_that_fails_fails_for_each(answer: Answer, end: str) -> None:
    """Each order ends as a single one's failure would end it; the breaker counts one request."""
    async with rig(batch_max=3, timeout_s=0.3) as subject:
        subject.venue.otherwise = answer
        subject.put(place(1), place(2), place(3))
        await subject.idle()
        assert [(f"kd-{number}", end) for number in (1, 2, 3)] == ends(subject)
        assert 1 == len(subject.told(e.VenueFailed)) + len(subject.told(e.VenueAnswered))
        assert (end == "OrderDropped") == (subject.queue.pacer.tokens(subject.at) == 0)
        assert 1 == len(subject.venue.requests)


async def test_a_batch_that_was_never_sent_is_dropped() -> None:
    """No connection: none of it arrived."""
    async with rig(batch_max=3, url=await unused_url()) as subject:
        subject.put(cancel(1), cancel(2))
        await subject.idle()
        assert [("kd-1", "OrderDropped"), ("kd-2", "OrderDropped")] == ends(subject)


async def test_a_batch_that_is_cancelled_under_way_is_unknown() -> None:
    """Ending the daemon in mid-request undoes none of it."""
    async with rig(batch_max=3) as subject:
        subject.venue.held = asyncio.Event()
        subject.put(place(1), place(2))
        await until(lambda: bool(subject.venue.requests))
        (task,) = [task for task in asyncio.all_tasks() if task.get_name().startswith("order-request-")]
        task.cancel()
        await subject.idle()
        assert [("kd-1", "OrderUnknown"), ("kd-2", "OrderUnknown")] == ends(subject)


# --- what is withdrawn, and what is probed -------------------------------------------------------


async def test_an_order_that_waits_is_withdrawn_and_one_that_left_is_not() -> None:
    """Superseded before it was sent: dropped; sent: the withdrawal changes nothing."""
    async with rig(tokens=(20 + COSTS.place, 1, 20)) as subject:
        subject.put(place(1), place(2))
        await until(lambda: subject.queue.sent_total == 1)
        for number in (1, 2, 3):
            subject.queue.withdraw(WithdrawOrder(f"kd-{number}", "moved", T0))
        await subject.idle()
        assert [("kd-1", "OrderAccepted"), ("kd-2", "OrderDropped")] == sorted(ends(subject))
        assert [e.OrderDropped("place", "kd-2", "superseded", T0)] == subject.told(e.OrderDropped)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(), e.OrderAccepted("probe", "kd-1", "v-kd-1", 0, 1_000, T0, MILLISECOND, None, T0)),
        (
            error(409, "order_already_exists"),
            e.OrderRejected("probe", "kd-1", "order_already_exists", "no", T0, T0),
        ),
        (Answer(429, '{"error":"too many requests"}'), e.OrderDropped),
        (Answer(502, ""), e.OrderUnknown),
    ],
    ids=["yes", "exists", "429", "502"],
)
async def test_a_probe_is_answered_as_a_probe(answer: Answer, expected: object) -> None:
    """Its action says that it is no order of its own."""
    async with rig() as subject:
        subject.venue.otherwise = answer
        subject.put(probe(1))
        await subject.idle()
        told = subject.events[0]
        assert expected in (told, type(told))
        assert isinstance(told, e.OrderAccepted | e.OrderRejected | e.OrderDropped | e.OrderUnknown)
        assert ("probe", "kd-1") == (told.action, told.client_order_id)


# --- order groups --------------------------------------------------------------------------------


def group(*, is_enabled: bool) -> dict[str, object]:
    """What the venue says of a group."""
    return {"is_auto_cancel_enabled": is_enabled, "contracts_limit_fp": "2000.00", "orders": []}


async def test_a_group_that_is_made_is_told_with_its_id() -> None:
    """The answer to its making says which it is; nothing else is asked."""
    async with rig() as subject:
        subject.venue.otherwise = Answer(201, '{"order_group_id":"g-1","subaccount":0,"exchange_index":2}')
        subject.put(MAKE)
        await subject.idle()
        assert [e.OrderGroupTold(2, "g-1", False, T0), e.VenueAnswered("order_group", T0)] == subject.events


@pytest.mark.parametrize("is_enabled", [True, False])
async def test_a_group_that_is_asked_after_tells_whether_it_is_triggered(is_enabled: bool) -> None:
    """Its limit is set again, which says for certain that it is there; the reads say how it is."""
    async with rig() as subject:
        subject.venue.behave = {"limit": Answer(200, "{}")}
        subject.venue.bodies[f"{GROUPS}/g-1"] = group(is_enabled=is_enabled)
        subject.put(AGAIN)
        await subject.idle()
        assert e.OrderGroupTold(2, "g-1", not is_enabled, T0) == subject.events[0]
        assert ["PUT", "GET"] == [one.method for one in subject.venue.requests]


async def test_a_group_that_the_lists_do_not_know_yet_is_a_new_one() -> None:
    """Reads lag, writes don't: it is there, and nothing has triggered it."""
    async with rig() as subject:
        subject.venue.behave = {"limit": Answer(200, "{}")}
        subject.put(AGAIN)
        await subject.idle()
        assert e.OrderGroupTold(2, "g-1", False, T0) == subject.events[0]


@pytest.mark.parametrize(
    "command",
    [AGAIN, ResetOrderGroup(2, "g-1", T0), DropOrderGroup(2, "g-1", T0)],
    ids=["ask", "reset", "drop"],
)
@pytest.mark.parametrize("code", ["not_found", "order_group_not_found"])
async def test_a_group_that_is_gone_is_told_as_gone(command: Queued, code: str) -> None:
    """So that another one is made: we never rest orders in a group that isn't there."""
    async with rig() as subject:
        subject.venue.otherwise = error(404, code)
        subject.put(command)
        await subject.idle()
        assert e.OrderGroupTold(2, None, False, T0) == subject.events[0]


async def test_a_reset_group_takes_orders_again_and_a_dropped_one_is_gone() -> None:
    """Each is told as it is after the answer."""
    async with rig() as subject:
        subject.venue.otherwise = Answer(200, "{}")
        subject.put(ResetOrderGroup(2, "g-1", T0))
        subject.put(DropOrderGroup(2, "g-1", T0))
        await subject.idle()
        told = subject.told(e.OrderGroupTold)
        assert {e.OrderGroupTold(2, "g-1", False, T0), e.OrderGroupTold(2, None, False, T0)} == set(told)


@pytest.mark.parametrize("answer", [Answer(500, "oops"), Answer(failure="hang"), Answer(201, "{}")])
async def test_an_unanswered_group_is_the_venues_failure(answer: Answer) -> None:
    """Nothing is told of the group, so it is asked again; the breaker hears of it."""
    async with rig(timeout_s=0.3) as subject:
        subject.venue.otherwise = answer
        subject.put(MAKE)
        await subject.idle()
        (failed,) = subject.events
        assert isinstance(failed, e.VenueFailed)
        assert "order_group" == failed.request


async def test_a_group_that_is_refused_is_no_failure() -> None:
    """The venue answered: what is wrong is with what we asked."""
    async with rig() as subject:
        subject.venue.otherwise = error(400, "invalid_parameters")
        subject.put(MAKE)
        await subject.idle()
        assert [e.VenueAnswered("order_group", T0)] == subject.events
