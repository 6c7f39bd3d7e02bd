"""The one order queue against a real server: what may leave, who goes first, how many and how fast."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec
import pytest

from daemon.core import events as e
from daemon.core.commands import DropOrderGroup, MakeOrderGroup, ResetOrderGroup
from daemon.core.units import MILLISECOND, SECOND, Ns
from daemon.kalshi.costs import WriteCosts
from daemon.shell.journal import Journal, JournalFailed, JournalHeader
from daemon.shell.queue import Queued
from tests.core.worlds import T0
from tests.shell.orders import CANCEL_ALL, amend, cancel, place, probe, until
from tests.shell.queue_rig import A_WHILE_S, COSTS, rig

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


async def test_a_probe_that_is_not_vouched_for_any_more_is_never_sent() -> None:
    """A person stopped us while it waited; that it never left is told, so that it may be asked again."""
    async with rig() as subject:
        subject.refused = {"kd-1": "halted"}
        subject.put(*(probe(number) for number in (1, 2)))
        await subject.idle()
        assert ["kd-2"] == subject.venue.names
        assert [e.OrderDropped("probe", "kd-1", "halted", T0)] == subject.told(e.OrderDropped)


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
        assert {"v-7", "trigger", "v-8"} <= {request.name for request in subject.venue.requests[:4]}
        assert ["trigger", "v-7", "v-8"] == sorted(cancels)
        orders = [name for name in subject.venue.names if name.startswith("kd-")]
        assert ["kd-1", "kd-2", "kd-3"] == orders


@pytest.mark.parametrize(
    ("command", "cost"),
    [
        (place(1), 31),
        (amend(1), 17),
        (cancel(1), 5),
        (CANCEL_ALL, 3),
        (probe(1), 31),
        (MakeOrderGroup(2, 1_000, T0), 7),
        (ResetOrderGroup(2, "g", T0), 7),
        (DropOrderGroup(2, "g", T0), 7),
    ],
    ids=["place", "amend", "cancel", "cancel_all", "probe", "make", "reset", "drop"],
)
async def test_each_request_takes_what_the_venues_list_says(command: Queued, cost: int) -> None:
    """Its own cost by the account's list, and nothing else."""
    costs = WriteCosts(place=31, amend=17, cancel=5, cancel_all=3, group=7)
    async with rig(tokens=(100, 1, 20), costs=costs) as subject:
        subject.put(command)
        await subject.idle()
        assert 100 - cost == subject.queue.pacer.tokens(subject.at)


async def test_cancels_pass_though_orders_have_used_the_budget_up() -> None:
    """Orders stop at the reserve, cancels use it but for a cancel-all's tokens, which therefore passes."""
    async with rig(tokens=(4 * COSTS.place, 1, 2 * COSTS.place)) as subject:
        subject.put(*(place(number) for number in range(1, 6)))
        await until(lambda: len(subject.venue.requests) == 2)
        await asyncio.sleep(A_WHILE_S)
        assert ["kd-1", "kd-2"] == subject.venue.names
        cancels = (2 * COSTS.place - COSTS.cancel_all) // COSTS.cancel
        subject.put(*(cancel(number) for number in range(cancels)))
        await until(lambda: len(subject.venue.requests) == 2 + cancels)
        subject.put(cancel(99))
        await asyncio.sleep(A_WHILE_S)
        assert "v-99" not in subject.venue.names
        # The bucket holds a cancel-all's tokens: it passes all that waits; time brings the others through.
        subject.put(CANCEL_ALL)
        await until(lambda: "trigger" in subject.venue.names)
        assert "v-99" not in subject.venue.names
        subject.at += 4 * SECOND
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


async def test_bounds_that_change_hold_for_what_waits() -> None:
    """Fewer in flight, smaller batches for what has not left; more, at once; cancels have their reserve."""
    async with rig(tokens=(100, 1, 20), in_flight=1, batch_max=5) as subject:
        queue, subject.venue.held = subject.queue, asyncio.Event()
        queue.bound(requests_per_s_max=1_000, in_flight_max=2, batch_max=1, reserve=20)
        subject.put(*(place(number) for number in range(9)))
        await until(lambda: subject.venue.open_orders == 2)
        assert ["kd-0", "kd-1"] == subject.venue.names
        queue.bound(requests_per_s_max=1_000, in_flight_max=64, batch_max=2, reserve=50)
        await until(lambda: len(subject.venue.requests) == 4)
        await asyncio.sleep(A_WHILE_S)
        # Five orders of ten tokens each leave the reserve of fifty: the fifth goes alone.
        assert ["batched", "kd-4"] == sorted(subject.venue.names[2:])
        subject.put(cancel(1))
        await until(lambda: "v-1" in subject.venue.names)
        assert 4 == queue.depth


async def test_a_turn_more_a_second_is_granted_at_once() -> None:
    """By a bound that rises; one that falls lets nothing out before its second is over."""
    async with rig(bound=1_000) as subject:
        subject.queue.bound(requests_per_s_max=2, in_flight_max=64, batch_max=1, reserve=20)
        subject.put(*(place(number) for number in range(6)))
        await until(lambda: len(subject.venue.requests) == 2)
        await asyncio.sleep(A_WHILE_S)
        assert 4 == subject.queue.depth
        subject.queue.bound(requests_per_s_max=6, in_flight_max=64, batch_max=1, reserve=20)
        await until(lambda: len(subject.venue.requests) == 6)


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
