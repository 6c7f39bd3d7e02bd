"""The daemon's parts across a Thursday morning: the sandbox's clock is moved by hand, and ours follows it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from daemon.assembly import ModelRef, setup_of
from daemon.config import parse_config
from daemon.core.engine import Engine, Slot
from daemon.core.pacer import Pacer
from daemon.core.scorer import FeatureSchema
from daemon.core.strategy import MarketView, Target, Wanted
from daemon.core.units import HOUR, MILLISECOND, MINUTE, SECOND, Ns
from daemon.kalshi.auth import Signer, load_private_key
from daemon.kalshi.costs import RECORDED
from daemon.kalshi.rest import Rest
from daemon.kraken.rest import KrakenRest
from daemon.parts import Outside, Parts
from daemon.sandbox.flows.still import StillFlow
from daemon.sandbox.maintenance import LEAD, weekly_windows
from daemon.shell.clock import FollowedClock
from daemon.shell.follow import first_tick, follow_clock
from daemon.shell.journal import Journal, JournalHeader
from daemon.shell.loop import Inbox
from daemon.shell.metrics import Metrics
from daemon.venue import Address
from tests.sandbox.running import Client, running

TICKER = "KXTEST-E1-M1"
STEP: Ns = SECOND
COARSE: Ns = 10 * SECOND
"""While nothing is expected to happen."""
CONFIG = """
[markets]
series = ["KXTEST"]
[feed]
transport_lag_max_ms = 60000  # the clock goes in steps: what is stamped within one comes at its end
clock_offset_max_ms = 60000
"""


class Bidder:
    """Wants one order to rest, always."""

    name = "bidder"
    features: tuple[str, ...] = ()
    book_changed_max: Ns | None = None

    def wants(self, _view: MarketView) -> Wanted:
        """Return a bid above the others'."""
        return Wanted((Target("bid", 4_600, 100, "rest", "quote"),), "quote")


class Night:
    """A sandbox whose clock is moved by hand, and the parts that follow it in lockstep."""

    def __init__(self, client: Client, engine: Engine) -> None:
        self.client = client
        self.engine = engine
        self.writes: list[tuple[Ns, str, int | None]] = []
        """What was sent, when, and how it was answered."""

    @property
    def now(self) -> Ns:
        """The sandbox's time."""
        return self.client.sandbox.venue.clock.now()

    @property
    def resting(self) -> int:
        """How many orders of ours rest at the exchange."""
        venue = self.client.sandbox.venue
        book = venue.exchange.markets[TICKER].book
        return sum(order.account == venue.account.name for order in book.orders())

    async def go_to(self, at: Ns, step: Ns = STEP) -> None:
        """Let time pass; all of it is handled when this returns."""
        await self.client.admin(
            "/clock/advance", ms=(at - self.now) // MILLISECOND, step_ms=step // MILLISECOND
        )


async def join(client: Client, folder: Path, stack: AsyncExitStack) -> Night:
    """Build the parts in front of a sandbox, and run them until the stack ends."""
    ready = client.ready
    clock = FollowedClock(await first_tick(ready.clock_ws_url))
    config = parse_config("config.toml", CONFIG, folder)
    signer = Signer(ready.key_id, load_private_key(Path(ready.private_key_path)))

    def observe(method: str, _path: str, status: int | None, _seconds: float) -> None:
        if method != "GET":
            night.writes.append((clock.now(), method, status))

    rest = await stack.enter_async_context(
        Rest(ready.rest_url, signer, clock.now, observe, read_timeout_s=5, write_timeout_s=5)
    )
    kraken = await stack.enter_async_context(KrakenRest(ready.reference_rest_url))
    setup = setup_of(config, ModelRef("none", "none", "1", "0" * 64), 1, is_backfilled=True)
    engine = Engine(setup.engine, [Slot(Bidder(), frozenset(("KXTEST",)))], None, FeatureSchema(("mid",)))
    night = Night(client, engine)
    header = JournalHeader(
        kalshid_version="test",
        instance="night",
        epoch=1,
        engine=msgspec.Raw(msgspec.msgpack.encode(setup)),
    )
    journal = Journal.create(folder / "journal", header)
    stack.callback(journal.close)
    inbox = Inbox()
    outside = Outside(rest, Pacer(1_000, 1_000, 20), None, kraken, RECORDED)
    parts = Parts(config, engine, journal, outside, inbox=inbox, clock=clock, metrics=Metrics())

    def advance(now: Ns) -> None:
        clock.advance(now)
        inbox.nudge()

    address = Address(
        ready.rest_url, ready.ws_url, ready.reference_ws_url, ready.reference_rest_url, ready.key_id,
        Path(ready.private_key_path), ready.clock_ws_url, is_lockstep=True,
    )  # fmt: skip
    work = {
        **parts.tasks(address, signer),
        "pump": parts.pump.run(),
        "clock": follow_clock(ready.clock_ws_url, advance=advance, settle=parts.settle, on_end=lambda: None),
    }
    tasks = [asyncio.create_task(part, name=name) for name, part in work.items()]

    async def stop() -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    stack.push_async_callback(stop)
    return night


@asynccontextmanager
async def night_of(folder: Path, **options: Any) -> AsyncIterator[tuple[Night, Ns, Ns]]:
    """Run from 150 seconds before a window on; yields it too."""
    async with (
        running(folder / "sandbox", StillFlow, speed=None, **options) as client,
        AsyncExitStack() as stack,
    ):
        clock = client.sandbox.venue.clock
        start_at, end_at = weekly_windows(clock.now() + 5 * LEAD)[0]
        clock.set(start_at - 2 * MINUTE - 30 * SECOND)
        await client.admin(
            "/markets", series_ticker="KXTEST", event_ticker="KXTEST-E1", ticker=TICKER,
            closes_in_ms=4 * HOUR // MILLISECOND,
        )  # fmt: skip
        await client.admin("/book", ticker=TICKER, bids=[["0.4500", "100.00"]], asks=[["0.5500", "100.00"]])
        night = await join(client, folder, stack)
        # Whoever follows a clock by hand may join it late on a busy machine: the lists are read when he has.
        deadline = night.now + 25 * SECOND
        while not night.resting and night.now < deadline:
            await night.go_to(night.now + SECOND)
        assert (True, 1) == (night.engine.state.account.is_reconciled, night.resting)
        yield night, start_at, end_at


async def test_nothing_is_sent_around_a_maintenance_and_trading_goes_on_after_it(tmp_path: Path) -> None:
    """Two minutes before it our order is taken out; in it nothing leaves; after it the order rests again."""
    async with asyncio.timeout(120), night_of(tmp_path, has_maintenance=True) as (night, start_at, end_at):
        await night.go_to(start_at - 2 * MINUTE - 2 * SECOND)
        assert 1 == night.resting
        await night.go_to(start_at - 2 * MINUTE + 3 * SECOND)
        assert (0, "DELETE") == (night.resting, night.writes[-1][1])
        count = len(night.writes)
        await night.go_to(end_at - SECOND, COARSE)
        assert not night.client.sandbox.venue.exchange.pauses.is_exchange_active(2)
        assert count == len(night.writes)
        await night.go_to(end_at + 2 * MINUTE)
        assert 1 == night.resting
        assert all(status in (200, 201, 204) for _, _, status in night.writes)
        assert [] == night.engine.state.account.findings


async def test_practice_goes_on_through_a_thursday_night(tmp_path: Path) -> None:
    """A sandbox without maintenance announces none; our order rests all the time, its expiry moved on."""
    async with asyncio.timeout(120), night_of(tmp_path) as (night, start_at, _end_at):
        count = len(night.writes)
        await night.go_to(start_at + 10 * SECOND)
        assert 1 == night.resting
        # An amend is answered by 200, a new order by 201: ours is kept alive, and nothing else is sent.
        assert {("POST", 200)} == {(method, status) for _, method, status in night.writes[count:]}
