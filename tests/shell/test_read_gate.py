"""The way out for reads: one waiter, two lines, one budget; and against the sandbox's own buckets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import time_ns

import pytest
from asyncio_throttle.throttler import Throttler
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.pacer import Pacer
from daemon.core.units import SECOND, Ns
from daemon.kalshi.auth import Signer, load_private_key
from daemon.kalshi.bodies import AccountLimits, BucketLimit, EndpointCost, EndpointCosts
from daemon.kalshi.costs import Costs
from daemon.kalshi.errors import Transient
from daemon.kalshi.rest import Rest
from daemon.sandbox.limits import Tier
from daemon.shell.read_gate import IN_FLIGHT_MAX, RESERVE_READS, ReadGate, gate_for, line_of
from tests.sandbox.running import running
from tests.shell.orders import until

TEST_WITHIN_S = 30.0
COSTS = Costs(EndpointCosts(10, [EndpointCost("GET", "/trade-api/v2/portfolio/orders/:order_id", 2)]))
ACCOUNT, MARKET = "/portfolio/positions", "/markets/candlesticks"


class Rig:
    """A gate with its clock in the test's hands, and readers that note when they got through."""

    def __init__(self, capacity: int, refill_per_s: int, reserve: int) -> None:
        self.at: Ns = SECOND
        pacer = Pacer(capacity, refill_per_s, reserve)
        self.gate = ReadGate(pacer, COSTS, now=lambda: self.at, requests_per_s_max=100_000)
        self.through: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []

    def ask(self, name: str, path: str, *, stays: bool = False) -> asyncio.Task[None]:
        """Start a reader; it stays in flight if told so, else it is answered at once."""

        async def read() -> None:
            await self.gate.enter(path)
            self.through.append(name)
            if not stays:
                self.gate.leave(path, 200)

        task = asyncio.create_task(read())
        self.tasks.append(task)
        return task

    async def settle(self) -> None:
        """Let everything happen that can without time passing."""
        for _ in range(50):
            await asyncio.sleep(0)

    async def advance(self, seconds: float) -> None:
        self.at += int(seconds * SECOND)
        self.gate._wake.set()
        await self.settle()


@asynccontextmanager
async def rig(capacity: int = 100, refill_per_s: int = 100, reserve: int = 0) -> AsyncIterator[Rig]:
    async with asyncio.timeout(TEST_WITHIN_S):
        subject = Rig(capacity, refill_per_s, reserve)
        consumer = asyncio.create_task(subject.gate.run())
        try:
            yield subject
        finally:
            for task in (consumer, *subject.tasks):
                task.cancel()
            await asyncio.gather(consumer, *subject.tasks, return_exceptions=True)


async def test_reads_go_in_the_order_in_which_they_came() -> None:
    """Within a line nobody overtakes, though all wait at once."""
    async with rig(capacity=10_000) as subject:
        names = [str(number) for number in range(200)]
        for name in names:
            subject.ask(name, MARKET)
        await until(lambda: len(subject.through) == 200)
        assert names == subject.through
        assert {"account": 0, "market": 200} == subject.gate.passed
        assert {"account": 0, "market": 0} == subject.gate.depth


async def test_a_reconciliation_passes_five_thousand_backfills() -> None:
    """They fill the line and the budget; the account's reads go before all that are left, at once."""
    async with rig(capacity=100, refill_per_s=100, reserve=60) as subject:
        for number in range(5_000):
            subject.ask(f"backfill {number}", MARKET)
        await until(lambda: len(subject.through) == 4)
        await subject.settle()
        assert 4 == len(subject.through), "the rest of the bucket is the reserve"
        assert 4_996 == subject.gate.depth["market"]
        for number in range(4):
            subject.ask(f"account {number}", ACCOUNT)
        await until(lambda: len(subject.through) == 8)
        assert [f"account {number}" for number in range(4)] == subject.through[4:]
        await subject.advance(1.0)
        assert "backfill 4" in subject.through, "and the backfills go on"


async def test_the_budget_is_kept_whoever_asks() -> None:
    """Tokens that time has not brought are not there, for the account neither."""
    async with rig(capacity=100, refill_per_s=100, reserve=60) as subject:
        for number in range(20):
            subject.ask(f"account {number}", ACCOUNT)
        await until(lambda: len(subject.through) == 10)
        await subject.settle()
        assert 10 == len(subject.through)
        await subject.advance(0.25)
        await until(lambda: len(subject.through) == 12)
        await subject.settle()
        assert 12 == len(subject.through)


async def test_a_read_that_costs_less_goes_sooner() -> None:
    """The price list counts: an order by its id is a fifth of a list."""
    async with rig(capacity=20, refill_per_s=1) as subject:
        for number in range(12):
            subject.ask(str(number), "/portfolio/orders/o-1")
        await until(lambda: len(subject.through) == 10)
        await subject.settle()
        assert 10 == len(subject.through)


async def test_hanging_market_reads_keep_nobody_else_waiting() -> None:
    """Each line has its own places in flight; a place comes free with its answer."""
    async with rig(capacity=10_000) as subject:
        most = IN_FLIGHT_MAX["market"]
        for number in range(most + 3):
            subject.ask(f"hanging {number}", MARKET, stays=True)
        await subject.settle()
        assert most == len(subject.through) == subject.gate.in_flight
        subject.ask("account", ACCOUNT)
        await until(lambda: "account" in subject.through)
        subject.gate.leave(MARKET, None)
        await until(lambda: f"hanging {most}" in subject.through)


async def test_a_reader_that_gives_up_costs_nothing() -> None:
    """Cancelled in the line: no tokens, no place, and the next goes."""
    async with rig(capacity=10, refill_per_s=10) as subject:
        subject.ask("first", MARKET)
        await until(lambda: bool(subject.through))
        waiting = [subject.ask(str(number), MARKET) for number in range(10)]
        await subject.settle()
        for task in waiting[:9]:
            task.cancel()
        await subject.settle()
        assert {"account": 0, "market": 1} == subject.gate.depth
        await subject.advance(1.0)
        await until(lambda: "9" in subject.through)
        assert (["first", "9"], 0) == (subject.through, subject.gate.in_flight)


async def test_a_reader_cancelled_while_it_is_let_through_gives_its_place_back() -> None:
    """The turn and the cancellation meet in one moment: the place must not be lost for ever."""
    async with rig(capacity=10_000) as subject:
        task = subject.ask("never", MARKET)
        while not subject.gate.passed["market"]:  # noqa: ASYNC110 - the very next moment is meant
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert ([], 0) == (subject.through, subject.gate.in_flight)


async def test_a_429_empties_the_bucket() -> None:
    """The venue's bucket held less than we believed (another program has the key): nothing goes at once."""
    async with rig(capacity=100, refill_per_s=100) as subject:
        await subject.gate.enter(ACCOUNT)
        subject.gate.leave(ACCOUNT, 429)
        assert 1 == subject.gate.limited
        subject.ask("next", ACCOUNT)
        await subject.settle()
        assert [] == subject.through
        await subject.advance(0.1)
        await until(lambda: subject.through == ["next"])


async def test_waits_are_told() -> None:
    """For the histogram: by our clock, from the asking to the going."""
    async with rig(capacity=10, refill_per_s=10) as subject:
        waits: list[Ns] = []
        subject.gate.on_wait = waits.append
        subject.ask("a", MARKET)
        subject.ask("b", MARKET)
        await until(lambda: len(waits) == 1)
        await subject.advance(1.0)
        await until(lambda: len(waits) == 2)
        assert [0, SECOND] == waits


async def test_exactly_one_task_waits_for_the_throttler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its waiters poll each by themselves and lose their order: a thousand readers are one waiter."""
    at_once, most = 0, 0
    acquire = Throttler.acquire

    async def counted(throttler: Throttler) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await acquire(throttler)  # type: ignore[no-untyped-call]
        at_once -= 1

    monkeypatch.setattr(Throttler, "acquire", counted)
    async with rig(capacity=100_000) as subject:
        for number in range(1_000):
            subject.ask(str(number), MARKET if number % 2 else ACCOUNT)
        await until(lambda: len(subject.through) == 1_000)
    assert 1 == most


async def test_the_throttler_bounds_what_the_arithmetic_would_not() -> None:
    """Were the bucket endless, no more than the bound would leave in a second."""
    async with asyncio.timeout(TEST_WITHIN_S):
        gate = ReadGate(Pacer(10**6, 10**6, 0), COSTS, now=time_ns, requests_per_s_max=5)
        consumer = asyncio.create_task(gate.run())
        readers = [asyncio.create_task(gate.enter(ACCOUNT)) for _ in range(3)]
        readers += [asyncio.create_task(gate.enter(MARKET)) for _ in range(3)]
        await until(lambda: sum(gate.passed.values()) == 5)
        for _ in range(20):
            await asyncio.sleep(0)
        assert 5 == sum(gate.passed.values())
        for task in (consumer, *readers):
            task.cancel()
        await asyncio.gather(consumer, *readers, return_exceptions=True)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/portfolio/balance", "account"),
        ("/portfolio/orders/o-1", "account"),
        ("/portfolio/orders/queue_positions", "market"),
        ("/exchange/status", "account"),
        ("/exchange/schedule", "market"),
        ("/markets", "market"),
        ("/account/limits", "market"),
    ],
)
def test_what_is_ours_goes_first(path: str, line: str) -> None:
    """Cash, positions, orders, fills, and whether the venue trades; all else waits its turn."""
    assert line == line_of(path)


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.integers(1, 50))
def test_any_budget_gives_a_gate(capacity: int, refill: int, default: int) -> None:
    """The smallest too: both lines can move, and we never claim more than the venue gives."""
    bucket = BucketLimit(max(capacity, 2), refill)
    gate = gate_for(AccountLimits("x", bucket, bucket), Costs(EndpointCosts(default, [])), now=lambda: 0)
    assert 0 <= gate.pacer.reserve < gate.pacer.capacity <= bucket.bucket_capacity
    assert gate.pacer.reserve <= RESERVE_READS * default
    assert 1 <= gate.pacer.refill_per_s <= max(1, refill)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("ask"), st.sampled_from([ACCOUNT, MARKET])),
            st.tuples(st.just("leave"), st.sampled_from([ACCOUNT, MARKET])),
            st.tuples(st.just("cancel"), st.integers(0, 30)),
            st.tuples(st.just("wait"), st.sampled_from([0.05, 0.3, 2.0])),
        ),
        max_size=60,
    )
)
def test_no_story_of_asking_leaving_and_giving_up_breaks_it(
    story: list[tuple[str, str | int | float]],
) -> None:
    """Order within a line, bounds in flight, no lost places: and in the end all that wait get through."""

    async def play() -> None:
        async with rig(capacity=60, refill_per_s=100, reserve=20) as subject:
            inside: dict[str, int] = {ACCOUNT: 0, MARKET: 0}
            order: dict[str, list[int]] = {ACCOUNT: [], MARKET: []}
            asks: list[tuple[asyncio.Task[None], str]] = []

            async def read(number: int, path: str) -> None:
                await subject.gate.enter(path)
                inside[path] += 1
                order[path].append(number)

            for step, value in story:
                if step == "ask":
                    path = str(value)
                    asks.append((asyncio.create_task(read(len(asks), path)), path))
                    subject.tasks.append(asks[-1][0])
                elif step == "leave" and inside[str(value)]:
                    inside[str(value)] -= 1
                    subject.gate.leave(str(value), 200)
                elif step == "cancel" and int(value) < len(asks):
                    asks[int(value)][0].cancel()
                elif step == "wait":
                    await subject.advance(float(value))
                await subject.settle()
                assert inside[ACCOUNT] <= IN_FLIGHT_MAX["account"]
                assert inside[MARKET] <= IN_FLIGHT_MAX["market"]
                assert sum(inside.values()) == subject.gate.in_flight
            while not all(task.done() for task, _ in asks):
                for path, count in inside.items():
                    for _ in range(count):
                        subject.gate.leave(path, 200)
                    inside[path] = 0
                await subject.advance(1.0)
            assert all(sorted(numbers) == numbers for numbers in order.values())

    asyncio.run(play())


# --- against the sandbox ------------------------------------------------------------------------

BUSY = "/account/limits"
"""A read that the sandbox counts and that is not the account's: it stands for a backfill here."""


async def _against_the_sandbox(folder: Path, reads: int, tier: Tier) -> tuple[int, int, int]:
    """Send a burst and a reconciliation into it; return how many were limited, and when each was done."""
    async with running(folder, tier=tier) as client:
        key = load_private_key(Path(client.ready.private_key_path))
        done = 0
        async with Rest(client.ready.rest_url, Signer(client.ready.key_id, key), time_ns) as rest:
            limits, costs = await rest.account_limits(), Costs(await rest.endpoint_costs())
            gate = rest.gate = gate_for(limits, costs, now=time_ns)
            async with asyncio.TaskGroup() as tasks:
                consumer = tasks.create_task(gate.run())

                async def backfill() -> None:
                    nonlocal done
                    await rest.account_limits()
                    done += 1

                burst = [tasks.create_task(backfill()) for _ in range(reads)]
                await until(lambda: done > 0)
                for _ in range(3):
                    await rest.orders()
                    await rest.fills()
                    await rest.positions()
                    await rest.balance()
                reconciled_after = done
                await asyncio.gather(*burst)
                consumer.cancel()
            return gate.limited, reconciled_after, done


async def test_a_burst_meets_no_429_and_starves_no_reconciliation(tmp_path: Path) -> None:
    """The sandbox's own buckets are the judge: three times what they hold, and three reconciliations."""
    async with asyncio.timeout(TEST_WITHIN_S):
        tier = Tier(name="test", read_per_s=1_000, write_per_s=100, burst_s=1)
        limited, reconciled_after, done = await _against_the_sandbox(tmp_path, 300, tier)
    assert (0, 300) == (limited, done)
    assert reconciled_after < 300, "the reconciliations did not wait for the burst"


async def test_without_the_gate_the_same_burst_is_refused(tmp_path: Path) -> None:
    """What the test above shows is the gate's doing."""
    async with asyncio.timeout(TEST_WITHIN_S):
        tier = Tier(name="test", read_per_s=100, write_per_s=100, burst_s=1)
        async with running(tmp_path, tier=tier) as client:
            key = load_private_key(Path(client.ready.private_key_path))
            async with Rest(client.ready.rest_url, Signer(client.ready.key_id, key), time_ns) as rest:
                ends = await asyncio.gather(
                    *(rest.account_limits() for _ in range(60)), return_exceptions=True
                )
    limited = [end for end in ends if isinstance(end, Transient) and "429" in str(end)]
    assert limited


@pytest.mark.full
async def test_five_thousand_backfills_in_full(tmp_path: Path) -> None:
    """Five thousand reads through a bucket of 1,200 tokens a second: about 46 s, none of them limited."""
    async with asyncio.timeout(180):
        limited, reconciled_after, done = await _against_the_sandbox(tmp_path, 5_000, Tier(burst_s=1))
    assert (0, 5_000) == (limited, done)
    assert reconciled_after < 1_000
