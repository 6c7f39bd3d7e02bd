"""Following the sandbox clock over a real WebSocket: the time, the lockstep, every way in which it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve

from daemon.core.units import MILLISECOND, Ns
from daemon.shell.child import SandboxFailed
from daemon.shell.follow import first_tick, follow_clock, followed_clock
from tests.core.worlds import T0
from tests.shell.orders import until
from tests.shell.venue import unused_url

TEST_WITHIN_S = 20.0
STEP: Ns = 50 * MILLISECOND
Script = Callable[[ServerConnection], Awaitable[None]]


def tick(number: int, *, is_ended: bool = False) -> str:
    return json.dumps({"now_ns": T0 + number * STEP} | ({"is_ended": True} if is_ended else {}))


@asynccontextmanager
async def clock(script: Script) -> AsyncIterator[str]:
    """A clock channel that says what the script says; gives its URL."""
    async with asyncio.timeout(TEST_WITHIN_S), serve(script, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/sandbox/clock"


class Follower:
    """Remembers what it was told, in order."""

    def __init__(self) -> None:
        self.told: list[object] = []

    async def follow(self, url: str, *, is_lockstep: bool) -> None:
        await follow_clock(
            url,
            advance=self.told.append,
            settle=self._settle if is_lockstep else None,
            on_end=lambda: self.told.append("end"),
        )

    async def _settle(self) -> None:
        await asyncio.sleep(0.001)
        self.told.append("settled")


async def test_the_first_tick_is_the_time() -> None:
    """Asked once, before anything is built."""

    async def script(connection: ServerConnection) -> None:
        await connection.send(tick(7))
        await connection.wait_closed()

    async with clock(script) as url:
        assert T0 + 7 * STEP == await first_tick(url)


async def test_a_followed_clock_stands_where_the_sandboxes_does() -> None:
    """Before the first tick that it follows, too; where there is no clock, the start says so."""

    async def script(connection: ServerConnection) -> None:
        await connection.send(tick(7))
        await connection.wait_closed()

    async with clock(script) as url:
        assert T0 + 7 * STEP == (await followed_clock(url)).now()
    with pytest.raises(SandboxFailed, match="its clock can't be followed"):
        await followed_clock(url)


async def test_the_clock_follows_until_the_tape_ends() -> None:
    """Every tick in order; at the end it is told once, and nothing after it is read."""

    async def script(connection: ServerConnection) -> None:
        for number in range(3):
            await connection.send(tick(number))
        await connection.send(tick(3, is_ended=True))
        await connection.wait_closed()

    async with clock(script) as url:
        follower = Follower()
        await follower.follow(url, is_lockstep=False)
        assert [*(T0 + number * STEP for number in range(4)), "end"] == follower.told


async def test_in_lockstep_the_answer_comes_after_everything_is_handled() -> None:
    """The sandbox goes on only when it hears that this time was seen, and that is said when it is settled."""
    follower = Follower()
    heard: list[tuple[object, list[object]]] = []

    async def script(connection: ServerConnection) -> None:
        for number in range(5):
            await connection.send(tick(number))
            seen = json.loads(await connection.recv())
            heard.append((seen, follower.told[-2:]))
        await connection.send(tick(5, is_ended=True))
        await connection.wait_closed()

    async with clock(script) as url:
        await follower.follow(url, is_lockstep=True)
        assert [
            ({"seen_ns": T0 + number * STEP}, [T0 + number * STEP, "settled"]) for number in range(5)
        ] == heard
        assert [T0 + 5 * STEP, "end"] == follower.told[-2:]


@pytest.mark.parametrize("is_lockstep", [False, True])
async def test_a_sandbox_that_goes_away_is_an_end(is_lockstep: bool) -> None:
    """Whether it says good-bye or vanishes: told once, no error."""

    async def script(connection: ServerConnection) -> None:
        await connection.send(tick(0))
        connection.transport.abort()

    async with clock(script) as url:
        follower = Follower()
        await follower.follow(url, is_lockstep=is_lockstep)
        assert "end" == follower.told[-1]
        assert 1 == follower.told.count("end")


async def test_a_sandbox_that_is_not_there_is_an_end_too() -> None:
    """It may have gone between the first tick and this."""
    url = (await unused_url()).replace("http", "ws")
    async with asyncio.timeout(TEST_WITHIN_S):
        follower = Follower()
        await follower.follow(url, is_lockstep=False)
        assert ["end"] == follower.told


async def test_a_clock_that_cannot_be_read_is_an_error_of_its_address() -> None:
    """Nobody there, not a clock, or gone before it said a word: OSError, whatever the library calls it."""

    async def silent(connection: ServerConnection) -> None:
        await connection.close()

    async def other(connection: ServerConnection) -> None:
        await connection.send('{"type":"subscribed"}')
        await connection.wait_closed()

    async with asyncio.timeout(TEST_WITHIN_S):
        with pytest.raises(OSError, match=r".+"):
            await first_tick((await unused_url()).replace("http", "ws"))
        for script in (silent, other):
            async with clock(script) as url:
                with pytest.raises(OSError, match=url):
                    await first_tick(url)


async def test_cancelling_ends_it() -> None:
    """The daemon stops while the tape goes on."""

    async def script(connection: ServerConnection) -> None:
        await connection.send(tick(0))
        await connection.wait_closed()

    async with clock(script) as url:
        follower = Follower()
        following = asyncio.create_task(follower.follow(url, is_lockstep=True))
        await until(lambda: "settled" in follower.told)
        following.cancel()
        await asyncio.wait({following})
        assert following.cancelled()
