"""`kill -9` of a daemon under load, at any moment: the next life knows what the last one left behind.

The daemon is a process of its own with many orders under way; the exchange, another process, lives on. After
each kill the next life must come to agree with the exchange to the last unit, find or cancel every order of
the lives before, and send no id that any of them has sent.
"""

from __future__ import annotations

import asyncio
import random
import signal
import statistics
import sys
import time
from pathlib import Path
from typing import Literal, TypeAlias

import pytest

from daemon.core.commands import PlaceOrder
from daemon.core.events import OrderRecovered
from daemon.core.records import frame
from daemon.shell.journal import read_journal
from daemon.shell.latch import Latch
from tests.e2e.lives import Life, Lives, lives_rig
from tests.e2e.restless import Beliefs

Death: TypeAlias = Literal["any moment", "accepted", "late", "hangs before", "hangs after", "torn", "twice"]
DEATHS: tuple[Death, ...] = ("accepted", "late", "twice", "torn", "hangs after", "hangs before", "any moment")
LATE_MS = 9_000
"""So late requests of a killed life arrive at most: the next one believes itself before."""
ORDERS = "*/portfolio/events/orders*"
RECONCILED_WITHIN_S = 90.0


async def trades(life: Life) -> None:
    """Wait until it sends orders."""
    await life.until(lambda told: told.phase == "trading" and told.orders_total > 3, "it trades")


async def is_accepted(lives: Lives, death: Death) -> None:
    """Wait until an order is accepted of which the daemon has not heard yet."""
    rule = {"kind": "slow_reply", "ms": 400} if death == "accepted" else {"kind": "hang", "when": "after"}
    id_ = (await lives.call("/faults", **rule, path=ORDERS, method="POST", next=1))["id"]
    async with asyncio.timeout(20):
        while not await lives.hits(id_):  # noqa: ASYNC110
            await asyncio.sleep(0)


async def die(lives: Lives, life: Life, death: Death, rng: random.Random) -> None:
    """Kill a life that trades, in one of the ways."""
    match death:
        case "accepted":
            await asyncio.sleep(rng.uniform(0, 0.3))
            await is_accepted(lives, death)
        case "hangs before" | "hangs after":
            when = death.removeprefix("hangs ")
            await lives.call(
                "/faults", kind="hang", when=when, path=ORDERS, probability=0.5, seed=rng.randrange(1000)
            )
            await asyncio.sleep(rng.uniform(0.2, 2.0))
        case "late":
            for seed in range(3):
                late = {"ms": rng.randrange(2_000, LATE_MS), "probability": 0.3, "seed": seed}
                await lives.call("/faults", kind="late_request", path=ORDERS, method="POST", **late)
            await asyncio.sleep(rng.uniform(0.2, 2.0))
        case _:
            await asyncio.sleep(rng.uniform(0.2, 2.0))
    life.kill()
    await lives.call("/faults/clear")
    if death == "torn":
        tear(lives, rng)
    elif death == "twice":
        await die_young(lives, rng)


def tear(lives: Lives, rng: random.Random) -> None:
    """Put a part of a record behind the last journal's end, as a crash in the middle of a write leaves it."""
    record = frame(rng.randbytes(200))
    with lives.journals[0].open("ab") as file:
        file.write(record[: rng.randrange(1, len(record))])
    assert read_journal(lives.journals[0]).is_torn


async def die_young(lives: Lives, rng: random.Random) -> None:
    """Start the next life, and kill it within a second of its journal's first byte."""
    before = len(lives.journals)
    life = lives.start(is_quiet=False)
    async with asyncio.timeout(60):
        while len(lives.journals) == before:
            assert life.process.poll() is None, life.log
            await asyncio.sleep(0.002)
    await asyncio.sleep(rng.uniform(0, 1.0))
    life.kill()


async def rise(lives: Lives, rng: random.Random) -> tuple[Life, float]:
    """Start the next life, and hold it against the exchange; return it, and how long it took to trade.

    Every other one sends orders of its own as soon as it may.
    """
    life = lives.start(is_quiet=rng.random() < 0.5)
    await life.until(
        lambda told: told.is_reconciled and told.phase == "trading", "reconciled", RECONCILED_WITHIN_S
    )
    seconds = time.monotonic() - life.started_at
    await asyncio.sleep(rng.uniform(0, 1.0))
    await lives.agrees(life)
    lives.be_quiet(False)
    return life, seconds


def taken_over(lives: Lives) -> int:
    """How many orders the lives have taken over from the journals of those before."""
    return sum(
        isinstance(record, OrderRecovered)
        for path in lives.journals
        for batch in read_journal(path)
        for record in batch
    )


async def kill_often(folder: Path, seed: int, times: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Kill so many lives that trade, and hold each next one against the exchange."""
    rng = random.Random(seed)
    async with lives_rig(folder, seed) as lives:
        life, _ = await rise(lives, rng)
        waits: list[float] = []
        for number in range(times):
            await trades(life)
            death = DEATHS[number % len(DEATHS)]
            await die(lives, life, death, rng)
            died_at = time.monotonic()
            life, seconds = await rise(lives, rng)
            waits.append(seconds)
            if death == "late":
                await asyncio.sleep(died_at + LATE_MS / 1000 - time.monotonic())
                await lives.agrees(life)
                lives.be_quiet(False)
        orders, intents = len(await lives.rest.order_records()), sum(map(len, lives.intents()))
        groups = len(await lives.rest.order_groups())
        p50, longest = statistics.median(waits), max(waits)
        with capsys.disabled():
            sys.stdout.write(
                f"\nkilled (-9) {times} of {times}: all agree; {orders} orders of {intents} intents,"
                f" {taken_over(lives)} taken over from journals, {groups} order groups; trading"
                f" after p50 {p50:.1f} s, max {longest:.1f} s from the start\n"
            )
        assert orders <= intents


async def test_a_daemon_that_is_killed_agrees_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Right after an order was accepted, while requests are late, twice in a second, with a torn journal."""
    await kill_often(tmp_path, 1, 4, capsys)


@pytest.mark.full
async def test_a_daemon_that_is_killed_100_times_agrees_100_times(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At random moments, in all the ways."""
    await kill_often(tmp_path, 2, 100, capsys)


async def test_a_halt_survives_kills(tmp_path: Path) -> None:
    """Halted and killed at once, and killed again: each next life takes out what rests and sends nothing."""
    async with lives_rig(tmp_path, 3) as lives:
        life = lives.start(is_quiet=False)
        await trades(life)
        life.process.send_signal(signal.SIGUSR1)
        async with asyncio.timeout(10):
            while not Latch(lives.state_dir).is_set:  # noqa: ASYNC110
                await asyncio.sleep(0)
        life.kill()
        for _ in range(2):
            life = lives.start(is_quiet=False)
            told: Beliefs = await life.until(
                lambda told: told.phase == "halted" and told.is_reconciled and not told.orders, "halted", 90
            )
            await asyncio.sleep(1.0)
            assert frozenset() == (await lives.account()).resting
            assert "the signal SIGUSR1" == told.halt_reason
            sent = [record for batch in read_journal(lives.journals[0]) for record in batch]
            assert [] == [record for record in sent if isinstance(record, PlaceOrder)]
            life.kill()
