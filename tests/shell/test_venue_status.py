"""Status and schedule over a real server: told when they change, once a minute, and never guessed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from daemon.core import events as e
from daemon.core.units import HOUR, MINUTE, SECOND, Ns
from daemon.kalshi.rest import Rest
from daemon.shell.maintenance import standing_windows
from daemon.shell.venue_status import SCHEDULE_EVERY, SCHEDULE_RETRY, STATUS_EVERY, TOLD_EVERY, VenueStatus
from tests.core.worlds import T0
from tests.shell.listed_venue import instant
from tests.shell.orders import until
from tests.shell.venue import Answer, Venue, serving

TEST_WITHIN_S = 20.0


class Rig:
    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.at: Ns = T0
        self.events: list[e.Event] = []
        self.windows: list[tuple[Ns, Ns]] = []
        self.is_trading = True
        venue.bodies |= {"/exchange/status": self._status, "/exchange/schedule": self._schedule}
        rest = Rest(venue.url, None, lambda: self.at)
        self.rest = rest
        self.subject = VenueStatus(rest, now=lambda: self.at, emit=self.events.append)

    def _status(self, _query: dict[str, str]) -> object:
        shard = {"exchange_index": 2, "exchange_active": True, "trading_active": self.is_trading}
        return {"exchange_active": True, "trading_active": True, "exchange_index_statuses": [shard]}

    def _schedule(self, _query: dict[str, str]) -> object:
        windows = [
            {"start_datetime": instant(start), "end_datetime": instant(end)} for start, end in self.windows
        ]
        return {"schedule": {"standard_hours": [], "maintenance_windows": windows}}

    async def refresh(self, after: Ns) -> list[e.Event]:
        """Refresh at T0 + after; returns what was told."""
        self.at = T0 + after
        self.events.clear()
        await self.subject.refresh_if_due()
        return list(self.events)

    def asked(self, name: str) -> int:
        return self.venue.names.count(name)


@asynccontextmanager
async def rig() -> AsyncIterator[Rig]:
    async with asyncio.timeout(TEST_WITHIN_S), serving() as venue:
        subject = Rig(venue)
        try:
            yield subject
        finally:
            await subject.rest.close()


def statuses(events: list[e.Event]) -> list[e.ExchangeStatusTold]:
    return [event for event in events if isinstance(event, e.ExchangeStatusTold)]


def plans(events: list[e.Event]) -> list[e.MaintenancePlanned]:
    return [event for event in events if isinstance(event, e.MaintenancePlanned)]


async def test_the_status_is_told_at_first_and_when_it_changes() -> None:
    """A shard's pause at the next reading; in between nothing, for nothing changed."""
    async with rig() as subject:
        (first,) = statuses(await subject.refresh(0))
        assert (e.ShardStatus(2, True, True),) == first.shards
        assert [] == statuses(await subject.refresh(STATUS_EVERY - 1))
        assert 1 == subject.asked("status")
        assert [] == statuses(await subject.refresh(STATUS_EVERY))
        assert 2 == subject.asked("status")
        subject.is_trading = False
        (paused,) = statuses(await subject.refresh(2 * STATUS_EVERY))
        assert (e.ShardStatus(2, True, False),) == paused.shards
        assert [] == statuses(await subject.refresh(3 * STATUS_EVERY))


async def test_an_unchanged_status_is_told_once_a_minute() -> None:
    """So that whoever waits for a word of life has one."""
    async with rig() as subject:
        await subject.refresh(0)
        told = [len(statuses(await subject.refresh(number * STATUS_EVERY))) for number in range(1, 9)]
        assert TOLD_EVERY == 4 * STATUS_EVERY
        assert [0, 0, 0, 1, 0, 0, 0, 1] == told


async def test_what_others_read_is_what_the_core_believes() -> None:
    """A probe told a pause that is over at our next reading: that is a change, and told."""
    async with rig() as subject:
        (first,) = statuses(await subject.refresh(0))
        probed = msgspec.structs.replace(first, is_trading=False, received_at=T0 + SECOND)
        subject.subject.on_batch([e.VenueAnswered("probe", T0 + SECOND), probed])
        (told,) = statuses(await subject.refresh(STATUS_EVERY))
        assert told.is_trading


@pytest.mark.parametrize(
    ("answer", "failures"),
    [
        (Answer(500, "oops"), 1),
        (Answer(failure="reset"), 1),
        (Answer(404, '{"error":{"code":"not_found"}}'), 0),
    ],
    ids=["500", "reset", "404"],
)
async def test_a_failed_reading_tells_nothing_new(answer: Answer, failures: int) -> None:
    """The failure is told, no status is made up, and the next reading is on time."""
    async with rig() as subject:
        subject.venue.behave = {"status": answer}
        told = await subject.refresh(0)
        assert [] == statuses(told)
        assert failures == sum(isinstance(event, e.VenueFailed) for event in told)
        subject.venue.behave = {}
        assert 1 == len(statuses(await subject.refresh(STATUS_EVERY)))


async def test_a_status_with_an_error_code_is_read_all_the_same() -> None:
    """In maintenance the venue answers 503 with the status as its body, and when it will be back."""
    body = (
        '{"exchange_active":false,"trading_active":false,"exchange_index_statuses":[],'
        f'"exchange_estimated_resume_time":"{instant(T0 + HOUR)}"}}'
    )
    async with rig() as subject:
        subject.venue.behave = {"status": Answer(503, body)}
        (told,) = statuses(await subject.refresh(0))
        assert (False, False, T0 + HOUR) == (told.is_active, told.is_trading, told.resume_at)


async def test_the_plan_holds_the_venues_windows_and_the_standing_ones() -> None:
    """At the start, hourly anew, once a minute; a change of it as soon as it is read."""
    own = (T0 + HOUR, T0 + HOUR + MINUTE)
    async with rig() as subject:
        (first,) = plans(await subject.refresh(0))
        assert standing_windows(T0) == first.windows
        assert [] == plans(await subject.refresh(TOLD_EVERY - 1))
        assert 1 == len(plans(await subject.refresh(TOLD_EVERY)))
        subject.windows = [own]
        assert [standing_windows(T0)] == [
            plan.windows for plan in plans(await subject.refresh(SCHEDULE_EVERY - 1))
        ]
        (changed,) = plans(await subject.refresh(SCHEDULE_EVERY))
        assert own in changed.windows
        assert 2 == subject.asked("schedule")
        (over,) = plans(await subject.refresh(HOUR + MINUTE))
        assert own not in over.windows


async def test_without_a_schedule_the_standing_windows_are_believed() -> None:
    """It can't be read: that is told, tried again soon, and Thursday stays Thursday."""
    async with rig() as subject:
        subject.venue.behave = {"schedule": Answer(500)}
        told = await subject.refresh(0)
        assert [standing_windows(T0)] == [plan.windows for plan in plans(told)]
        assert 1 == sum(isinstance(event, e.VenueFailed) for event in told)
        subject.venue.behave = {}
        await subject.refresh(SCHEDULE_RETRY)
        assert 2 == subject.asked("schedule")


async def test_a_venue_that_is_known_to_say_all_its_windows_is_believed() -> None:
    """Our own sandbox, when it is started without a weekly maintenance."""
    async with rig() as subject:
        subject.subject = VenueStatus(
            subject.rest, now=lambda: subject.at, emit=subject.events.append, has_standing_window=False
        )
        (plan,) = plans(await subject.refresh(0))
        assert () == plan.windows


async def test_it_runs_until_cancelled() -> None:
    """The task reads whenever it is due by the clock that is in force."""
    async with rig() as subject:
        running = asyncio.create_task(subject.subject.run())
        await until(lambda: subject.asked("status") == 1)
        subject.at += STATUS_EVERY
        await until(lambda: subject.asked("status") == 2)
        running.cancel()
        await asyncio.wait({running})
        assert running.cancelled()


async def test_an_answer_after_a_failure_is_told_so_that_failures_do_not_add_up() -> None:
    """A breaker counts failures in a row: an hour of good readings between two ends the row."""
    async with rig() as subject:
        await subject.refresh(0)
        subject.venue.behave = {"status": Answer(500, "oops")}
        failed = await subject.refresh(STATUS_EVERY)
        assert 1 == sum(isinstance(event, e.VenueFailed) for event in failed)
        subject.venue.behave = {}
        told = [await subject.refresh(number * STATUS_EVERY) for number in (2, 3)]
        answers = [[event.request for event in one if isinstance(event, e.VenueAnswered)] for one in told]
        assert [["exchange_status"], []] == answers
