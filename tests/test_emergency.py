"""The sweep against a real exchange: all of ours, nothing else, confirmed or honestly not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from daemon.core.commands import PlaceOrder
from daemon.core.units import SECOND
from daemon.emergency import BATCH_MAX, cancel_ours, end_unrecorded
from daemon.kalshi.auth import Signer, load_private_key
from daemon.kalshi.rest import ReadingRest, Rest
from daemon.sandbox.flows.still import StillFlow
from daemon.shell.journal import JournalFailed
from daemon.shell.kill_switch import KillSwitch
from daemon.shell.latch import Latch
from tests.sandbox.running import Client, running

TEST_WITHIN_S = 60.0
TICKER = "KXTEST-E1-M1"
WITHIN_S = 20.0


@asynccontextmanager
async def venue(folder: Path) -> AsyncIterator[tuple[Client, Rest]]:
    """An exchange with one market, and a client that trades there."""
    async with asyncio.timeout(TEST_WITHIN_S), running(folder, StillFlow) as client:
        await client.admin("/account/tier", tier="prime")
        await client.admin("/markets", series_ticker="KXTEST", event_ticker="KXTEST-E1", ticker=TICKER)
        signer = Signer(client.ready.key_id, load_private_key(Path(client.ready.private_key_path)))
        clock = client.sandbox.venue.clock
        async with Rest(client.ready.rest_url, signer, clock.now, write_timeout_s=2) as rest:
            yield client, rest


async def place(client: Client, rest: Rest, *names: str) -> None:
    """Rest a bid under each client order id, and wait until the lists show them."""
    now = client.sandbox.venue.clock.now()
    for name in names:
        order = PlaceOrder(
            name, TICKER, "bid", 100, 100, "good_till_canceled", True, -1, "s", "r", now, now + SECOND, None
        )
        await rest.place(order)
    while len(await rest.orders()) < len(names):  # noqa: ASYNC110
        await asyncio.sleep(0.05)


async def resting(rest: Rest) -> set[str]:
    """The client order ids that rest, when the lists have caught up."""
    await asyncio.sleep(0.5)
    return {order.client_order_id for order in await rest.orders()}


async def test_all_of_ours_go_and_nothing_else(tmp_path: Path) -> None:
    """In more than one batch; what is not ours by its name stays, whatever it looks like."""
    ours = [f"kd-a-{number}" for number in range(2 * BATCH_MAX + 1)]
    others = ["mine", "kdx-1", "xkd-1"]
    async with venue(tmp_path) as (client, rest):
        await place(client, rest, *ours, *others)
        sweep = await cancel_ours(rest, "kd-", WITHIN_S)
        assert (len(ours), (), True, None) == (sweep.cancelled, sweep.left, sweep.is_confirmed, sweep.problem)
        assert set(others) == await resting(rest)


async def test_nothing_to_cancel_is_confirmed_too(tmp_path: Path) -> None:
    """Only after the lists were read twice: what was on its way would show by then."""
    async with venue(tmp_path) as (_client, rest):
        sweep = await cancel_ours(rest, "kd-", WITHIN_S)
    assert (0, True) == (sweep.cancelled, sweep.is_confirmed)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_batch_without_an_answer_is_found_out(tmp_path: Path, when: str) -> None:
    """Whether it arrived or not: the list tells, and what still rests is cancelled again."""
    async with venue(tmp_path) as (client, rest):
        await place(client, rest, "kd-a-1", "kd-a-2")
        await client.admin("/faults", kind="reset", method="DELETE", when=when, next=1)
        sweep = await cancel_ours(rest, "kd-", WITHIN_S)
        assert sweep.is_confirmed
        assert set() == await resting(rest)


async def test_a_pause_is_said_and_not_waited_for_for_ever(tmp_path: Path) -> None:
    """No cancel passes it: unconfirmed, with the venue's word and what still rests."""
    async with venue(tmp_path) as (client, rest):
        # Placed by a life before ours, without the wish to go when the exchange pauses.
        order = {
            "ticker": TICKER, "side": "bid", "count": "1.00", "price": "0.0100", "client_order_id": "kd-a-1",
            "time_in_force": "good_till_canceled", "self_trade_prevention_type": "taker_at_cross",
        }  # fmt: skip
        assert 201 == (await client.call("POST", "/portfolio/events/orders", order))[0]
        await client.admin("/exchange/pause", what="exchange")
        sweep = await cancel_ours(rest, "kd-", 1.5)
        assert (0, False) == (sweep.cancelled, sweep.is_confirmed)
        assert "paused" in (sweep.problem or "")
        assert sweep.left is not None
        (line,) = sweep.left
        assert f"bid 1.00 {TICKER} at 0.0100" in line


async def test_a_key_that_is_not_taken_is_said_at_once(tmp_path: Path) -> None:
    """Asking again would say the same."""
    async with venue(tmp_path) as (client, _rest):
        signer = Signer("not-a-key", load_private_key(Path(client.ready.private_key_path)))
        async with Rest(client.ready.rest_url, signer, client.sandbox.venue.clock.now) as stranger:
            started = asyncio.get_running_loop().time()
            sweep = await cancel_ours(stranger, "kd-", WITHIN_S)
            assert asyncio.get_running_loop().time() - started < WITHIN_S / 2
    assert (None, False) == (sweep.left, sweep.is_confirmed)


async def test_nobody_there_is_unconfirmed() -> None:
    """And bounded in time."""
    async with (
        asyncio.timeout(TEST_WITHIN_S),
        Rest("http://127.0.0.1:9/trade-api/v2", None, lambda: 0) as rest,
    ):
        sweep = await cancel_ours(rest, "kd-", 1.0)
    assert (0, None, False) == (sweep.cancelled, sweep.left, sweep.is_confirmed)
    assert sweep.problem


# --- the end of a daemon that may not record any more --------------------------------------------


async def test_a_run_that_ends_by_its_journal_sweeps_and_latches(tmp_path: Path) -> None:
    """However deep the failure lies in groups of errors, and whatever gate stood before the reads."""

    class Shut:
        async def enter(self, _path: str) -> None:
            await asyncio.Event().wait()

        def leave(self, _path: str, _status: int | None) -> None:
            return

    error = ExceptionGroup("tasks", [ValueError("x"), ExceptionGroup("more", [JournalFailed("no space")])])
    switch = KillSwitch(Latch(tmp_path / "state"), now=lambda: 0, emit=lambda _event: None)
    async with venue(tmp_path / "venue") as (client, rest):
        await place(client, rest, "kd-a-1")
        rest.gate = Shut()
        await end_unrecorded(switch, rest, "kd-", type(error), error, None)
        assert set() == await resting(rest)
    halt = switch.latch.read()
    assert halt is not None
    assert ("the journal failed: no space", "journal") == (halt.reason, halt.by)


async def test_paper_that_may_not_be_recorded_is_latched_too(tmp_path: Path) -> None:
    """In shadow nothing of ours can rest at the venue, and it isn't asked: but a person has to look."""
    switch = KillSwitch(Latch(tmp_path / "state"), now=lambda: 0, emit=lambda _event: None)
    error = JournalFailed("no space")
    async with (
        asyncio.timeout(TEST_WITHIN_S),
        ReadingRest("http://127.0.0.1:9/trade-api/v2", None, lambda: 0) as rest,
    ):
        await end_unrecorded(switch, rest, "kd-", type(error), error, None)
    halt = switch.latch.read()
    assert halt is not None
    assert ("the journal failed: no space", "journal") == (halt.reason, halt.by)


@pytest.mark.parametrize("error", [None, ValueError("x"), ExceptionGroup("tasks", [OSError("x")])])
async def test_other_ends_latch_and_cancel_nothing(tmp_path: Path, error: Exception | None) -> None:
    """A stop has cancelled by itself; after a crash the next start reconciles."""
    switch = KillSwitch(Latch(tmp_path / "state"), now=lambda: 0, emit=lambda _event: None)
    async with Rest("http://127.0.0.1:9/trade-api/v2", None, lambda: 0) as rest:
        await end_unrecorded(switch, rest, "kd-", None, error, None)
    assert not switch.latch.is_set
