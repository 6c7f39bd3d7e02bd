"""Following the sandbox's clock: on a tape, time is what the tape says it is.

The sandbox tells its time every 50 ms of it. In lockstep (a tape played as fast as possible) it waits for
our answer before it goes on, and we answer when everything up to that time has been handled: frames read,
decisions taken, orders answered. So no order is late by more than a slice, however fast the tape runs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from daemon.core.units import Ns
from daemon.shell.child import SandboxFailed
from daemon.shell.clock import FollowedClock


class _Tick(msgspec.Struct):
    now_ns: int
    is_ended: bool = False


_decode_tick = msgspec.json.Decoder(_Tick).decode


async def first_tick(url: str) -> Ns:
    """Return the sandbox's time now.

    Raises:
        OSError: it can't be reached, or is no clock.
    """
    try:
        async with connect(url, compression=None, proxy=None) as connection:
            return _decode_tick(await connection.recv()).now_ns
    except (WebSocketException, msgspec.MsgspecError) as error:
        raise OSError(f"{url}: {error}") from error


async def followed_clock(url: str) -> FollowedClock:
    """Return a clock that stands where the sandbox's does. Raises SandboxFailed."""
    try:
        return FollowedClock(await first_tick(url))
    except OSError as error:
        raise SandboxFailed(f"its clock can't be followed: {error}") from error


async def follow_clock(
    url: str,
    *,
    advance: Callable[[Ns], None],
    settle: Callable[[], Awaitable[None]] | None,
    on_end: Callable[[], None],
) -> None:
    """Advance our clock by the sandbox's until the tape has ended or the connection is gone.

    Args:
        url: the sandbox's clock channel.
        advance: takes the sandbox's time.
        settle: waits until everything up to it is handled, in lockstep; None when nobody waits for us.
        on_end: called once, when the tape is over or the sandbox is gone.
    """
    try:
        async with connect(url, compression=None, proxy=None) as connection:
            async for message in connection:
                tick = _decode_tick(message)
                advance(tick.now_ns)
                if tick.is_ended:
                    return
                if settle is not None:
                    await settle()
                    await connection.send(b'{"seen_ns":%d}' % tick.now_ns, text=True)
    except (OSError, WebSocketException):
        return
    finally:
        on_end()
