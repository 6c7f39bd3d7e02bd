"""Requests that are made ready while the disk works: they go once, when told to, or leave no trace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from daemon.core import events as e
from daemon.core.commands import WithdrawOrder
from daemon.core.units import SECOND
from daemon.shell.journal import JournalFailed
from daemon.shell.order_requests import READY_MAX_S
from daemon.shell.queue import Queued
from tests.core.worlds import T0
from tests.shell.orders import amend, cancel, place, probe, until
from tests.shell.queue_rig import A_WHILE_S, Rig, rig


def ready() -> list[asyncio.Task[object]]:
    """The requests that are held back, or were let go and have no answer yet."""
    return [task for task in asyncio.all_tasks() if task.get_name() == "order-request-ready"]


def slow_disk(subject: Rig) -> asyncio.Event:
    """Let the rig's disk wait for the event that is returned."""
    written = asyncio.Event()

    async def slow(_offset: int) -> None:
        await written.wait()

    subject.disk = slow
    return written


def answers(subject: Rig) -> list[e.Event]:
    """What was told of orders."""
    kinds = e.OrderAccepted | e.OrderRejected | e.OrderUnknown | e.OrderDropped
    return [event for event in subject.events if isinstance(event, kinds)]


@pytest.mark.parametrize("command", [place(1), amend(1), cancel(1)], ids=["place", "amend", "cancel"])
async def test_it_is_made_ready_while_the_disk_works_and_sent_once(command: Queued) -> None:
    """Held back until the disk has it; the instant of its request is that of its going, not of its making."""
    async with rig() as subject:
        written = slow_disk(subject)
        subject.put(command)
        await until(lambda: bool(ready()))
        await asyncio.sleep(A_WHILE_S)
        assert ([], 0) == (subject.venue.requests, subject.queue.sent_total)
        subject.at = T0 + SECOND
        written.set()
        await subject.idle()
        assert (1, 1) == (len(subject.venue.requests), subject.queue.sent_total)
        (answer,) = answers(subject)
        assert isinstance(answer, e.OrderAccepted)
        assert T0 + SECOND == answer.asked_at
        assert [] == ready()


async def fails(_offset: int) -> None:
    """A disk that takes a moment to refuse."""
    await asyncio.sleep(A_WHILE_S)
    raise JournalFailed("disk full")


async def test_a_journal_that_fails_lets_nothing_go() -> None:
    """What stood ready is given up: nothing was sent, and nothing is told of it."""
    async with rig() as subject:
        subject.disk = fails
        subject.put(place(1))
        await until(lambda: bool(ready()))
        await asyncio.wait({subject.consumer})
        await until(lambda: not ready())
        assert isinstance(subject.consumer.exception(), JournalFailed)
        assert ([], []) == (subject.venue.requests, subject.events)


def withdraw(subject: Rig) -> None:
    """The strategy wants it no more."""
    subject.queue.withdraw(WithdrawOrder("kd-1", "moved", T0))


def halt(subject: Rig) -> None:
    """The engine says no."""
    subject.refused["kd-1"] = "halted"


def grow_late(subject: Rig) -> None:
    """The disk took longer than the order lives."""
    subject.at = place(1).deadline + 1


@pytest.mark.parametrize(
    ("change", "reason"), [(withdraw, "superseded"), (halt, "halted"), (grow_late, "deadline_passed")]
)
async def test_what_may_not_go_when_the_disk_is_done_is_thrown_away(
    change: Callable[[Rig], None], reason: str
) -> None:
    """However ready it is, it is asked again at the moment of sending: one drop is told, and nothing else."""
    async with rig() as subject:
        written = slow_disk(subject)
        subject.put(place(1))
        await until(lambda: bool(ready()))
        change(subject)
        written.set()
        await subject.idle()
        await until(lambda: not ready())
        assert [] == subject.venue.requests
        assert [e.OrderDropped("place", "kd-1", reason, subject.at)] == subject.events


async def test_company_that_comes_meanwhile_makes_it_a_batch() -> None:
    """Two that may go at one instant go as one request: the one that stood ready for itself is given up."""
    async with rig(batch_max=4) as subject:
        written = slow_disk(subject)
        subject.put(place(1))
        await until(lambda: bool(ready()))
        subject.put(place(2))
        written.set()
        await subject.idle()
        assert [["kd-1", "kd-2"]] == [request.entries for request in subject.venue.requests]
        assert 2 == len(answers(subject))


async def test_a_signature_that_has_stood_too_long_is_made_anew() -> None:
    """A disk that stalls does not have an old signature sent: the order goes, once, by another request."""
    async with rig() as subject:
        written = slow_disk(subject)
        subject.put(place(1))
        await until(lambda: bool(ready()))
        (old,) = ready()
        await asyncio.sleep(READY_MAX_S + A_WHILE_S)
        written.set()
        await subject.idle()
        await until(old.done)
        assert ["kd-1"] == subject.venue.names
        assert 1 == len(answers(subject))


async def test_one_that_died_while_it_was_held_back_is_made_anew() -> None:
    """Whatever ended it, nothing had left: that is told nobody, and its order goes all the same."""
    async with rig() as subject:
        written = slow_disk(subject)
        subject.put(place(1))
        await until(lambda: bool(ready()))
        (task,) = ready()
        task.cancel()
        await until(task.done)
        assert [] == subject.events
        written.set()
        await subject.idle()
        assert ["kd-1"] == subject.venue.names
        assert ["OrderAccepted"] == [type(answer).__name__ for answer in answers(subject)]


async def test_one_that_was_let_go_and_then_cancelled_is_unknown() -> None:
    """From its going on it may have happened."""
    async with rig() as subject:
        subject.venue.held = asyncio.Event()
        written = slow_disk(subject)
        subject.put(place(1))
        await until(lambda: bool(ready()))
        written.set()
        await until(lambda: bool(subject.venue.requests))
        (task,) = ready()
        task.cancel()
        await subject.idle()
        assert [e.OrderUnknown("place", "kd-1", "cancelled while waiting", T0)] == answers(subject)


@pytest.mark.parametrize(
    ("commands", "in_flight", "is_ready"),
    [
        ((probe(1),), 64, False),
        ((place(1), place(2)), 64, False),
        ((place(1),), 0, False),
        ((place(1),), 1, True),
        ((cancel(1),), 0, True),
    ],
)
async def test_only_what_will_go_by_itself_is_made_ready(
    commands: tuple[Queued, ...], in_flight: int, is_ready: bool
) -> None:
    """Not probes, which are seldom; not one of several; and no order while too many have no answer."""
    async with rig(in_flight=in_flight) as subject:
        slow_disk(subject)
        subject.put(*commands)
        await asyncio.sleep(A_WHILE_S)
        assert is_ready == bool(ready())
        subject.consumer.cancel()


async def test_a_queue_that_ends_gives_up_what_stands_ready() -> None:
    """Nothing that was held back outlives the consumer, nor leaves with it."""
    async with rig() as subject:
        slow_disk(subject)
        subject.put(place(1))
        await until(lambda: bool(ready()))
        subject.consumer.cancel()
        await asyncio.wait({subject.consumer})
        await until(lambda: not ready())
        assert ([], []) == (subject.venue.requests, subject.events)
