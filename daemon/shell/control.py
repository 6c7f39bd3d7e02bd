"""The control socket: what the owner's commands say to a running daemon, and both ends of it.

A Unix socket (`control_socket`: where, and for whom). Over it HTTP with JSON bodies:

    GET /status     how it stands                         POST /halt      {"reason"}
    POST /resume    {"reason"}, which is not empty        POST /flatten   {"slippage_cents", "reason"}
    POST /model     {"folder", "slot"}                    POST /strategy  {"name", "is_on", "reason"}
    GET /models     how each model does

What gives leave to trade expires (`expires_at`, Unix ns): a daemon that wakes up after its owner was told
that it does not answer must not resume, or sell, by itself. A halt never comes too late. What waits for its
turn asks again right before it is done (`is_wanted`).

Every order is logged with the process and the user that the kernel names (SO_PEERCRED). Each call is answered
by the status after it, at the latest after TURN_WITHIN_S: whether it has come to the core stands there. But
/model is answered by what was exchanged, once it is (`model_swaps`), or 409 with the reason why it is not.
"""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Annotated, TypeAlias, TypeVar

import aiohttp
import msgspec
import structlog
from aiohttp import web

from daemon.core.engine import Engine
from daemon.core.models import DEFAULT
from daemon.core.units import PRICE_CENT, SECOND, format_qty
from daemon.shell.control_socket import address, listening, peer_of, socket_path, whose
from daemon.shell.kill_switch import KillSwitch
from daemon.shell.latch import REASON_CHARS_MAX, one_line
from daemon.shell.model_status import ModelsStatus
from daemon.shell.model_swaps import Swapped, SwapRefused
from daemon.shell.notices import Notices
from daemon.shell.open_orders import OrderLine, open_orders
from daemon.shell.strategy_watch import StrategyWatch, UnknownStrategy

log = structlog.get_logger(__name__)

TURN_WITHIN_S = 0.8
"""How long a call waits for the core to have taken it in."""
_BODY_BYTES_MAX = 16 * 1024

Reason = Annotated[str, msgspec.Meta(max_length=REASON_CHARS_MAX)]
SLIPPAGE_CENTS = 5
"""How far from the best price positions are closed, where nobody says otherwise."""


class ControlFailed(Exception):
    """The control socket can't be made."""


class NoDaemon(Exception):
    """Nobody listens on the control socket."""


class NoAnswer(Exception):
    """Somebody has the control socket, and does not answer in time."""


class NotAllowed(NoAnswer):
    """The socket is not ours to connect to: nobody may know whether a daemon listens."""


class Declined(Exception):
    """The daemon answered no, and why."""


class Notified(msgspec.Struct, frozen=True):
    """What became of the notices to a person, by count, and why the last one did not arrive."""

    counts: dict[str, int]
    failure: str | None


class Status(msgspec.Struct, frozen=True):
    """How the daemon stands. `positions` are signed YES contracts by market, as text."""

    pid: int
    mode: str
    phase: str
    is_halted: bool
    halt_reason: str | None
    is_latched: bool
    """Whether a halt is on disk, and so survives a restart."""
    is_reconciled: bool
    orders: list[OrderLine]
    positions: dict[str, str]
    strategies_off: dict[str, str] = {}
    """Those that are switched off, by name, and why."""
    notified: Notified | None = None
    """None where nobody is notified."""


class HaltOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /halt."""

    reason: Reason = ""


class ResumeOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /resume."""

    reason: Reason
    expires_at: int | None = None


class FlattenOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /flatten."""

    slippage_cents: Annotated[int, msgspec.Meta(ge=0, le=99)] = SLIPPAGE_CENTS
    reason: Reason = ""
    expires_at: int | None = None


class SwapOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /model: the folder of a model, and the slot that it is to score in."""

    folder: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
    slot: str = DEFAULT
    expires_at: int | None = None


class SwitchOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /strategy: a strategy that is to be on or off, and why."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    is_on: bool
    reason: Reason = ""
    expires_at: int | None = None


_Order = TypeVar("_Order", bound=msgspec.Struct)
_Answer = TypeVar("_Answer")
Swap: TypeAlias = Callable[[str, str, Callable[[], bool]], Awaitable[Swapped]]
"""Exchanges the model of a slot for that of a folder, if it is wanted still; raises SwapRefused."""


def status_of(engine: Engine, switch: KillSwitch, mode: str, notices: Notices | None = None) -> Status:
    """Return how the daemon stands now; `notices` are those to a person, None where nobody is notified."""
    state = engine.state
    return Status(
        pid=os.getpid(),
        mode=mode,
        phase=engine.phase,
        is_halted=switch.is_halted(),
        halt_reason=state.halt_reason,
        is_latched=switch.latch.is_set,
        is_reconciled=state.account.is_reconciled,
        orders=open_orders(state),
        positions={
            ticker: format_qty(position.qty)
            for ticker, position in sorted(state.ledger.positions.items())
            if position.qty
        },
        strategies_off={name: f"{off.reason} ({off.by})" for name, off in state.switches.off.items()},
        notified=None if notices is None else Notified(dict(notices.queue.counts), notices.queue.failure),
    )


# --- the daemon's end ----------------------------------------------------------------------------


async def serve_control(
    folder: Path,
    switch: KillSwitch,
    status: Callable[[], Status],
    swap: Swap | None = None,
    strategies: StrategyWatch | None = None,
    models: Callable[[], ModelsStatus] | None = None,
    more: Iterable[web.RouteDef] = (),
) -> web.AppRunner:
    """Listen for a state folder that is ours, and return the runner whose `cleanup()` stops it.

    Args:
        folder: the state folder.
        switch: what halts, resumes and flattens.
        status: how the daemon stands now.
        swap: exchanges models; None where there is no such call.
        strategies: switches strategies; None where there is no such call.
        models: how the models stand now; None where there is no such call.
        more: calls that are made elsewhere.

    Raises:
        ControlFailed: the socket can't be made.
    """

    async def answer(is_so: Callable[[], bool]) -> web.Response:
        """Answer with the status, when something has come true or the time is up."""
        deadline = asyncio.get_running_loop().time() + TURN_WITHIN_S
        # What is waited for is a turn of the pump: milliseconds, now and then.
        while not is_so() and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return web.Response(body=msgspec.json.encode(status()), content_type="application/json")

    async def show(_request: web.Request) -> web.Response:
        return await answer(lambda: True)

    async def halt(request: web.Request) -> web.Response:
        order = await read_order(request, HaltOrder)
        switch.halt(order.reason or "kalshid halt", "cli")
        return await answer(switch.is_halted)

    async def resume(request: web.Request) -> web.Response:
        order = await read_order(request, ResumeOrder)
        if not one_line(order.reason):
            raise web.HTTPBadRequest(text="a halt is lifted for a reason: it is empty")
        switch.resume(order.reason, "cli")
        return await answer(lambda: not switch.is_halted())

    async def flatten(request: web.Request) -> web.Response:
        order = await read_order(request, FlattenOrder)
        switch.flatten(order.reason or "kalshid flatten", order.slippage_cents * PRICE_CENT, "cli")
        return await answer(switch.is_halted)

    path = socket_path(folder)

    async def forget(_app: web.Application) -> None:
        path.unlink(missing_ok=True)

    app = web.Application(client_max_size=_BODY_BYTES_MAX)
    calls = (web.get("/status", show), web.post("/halt", halt), web.post("/resume", resume))
    app.add_routes([*calls, web.post("/flatten", flatten), *more])
    if strategies is not None:
        app.router.add_post("/strategy", partial(_switch, strategies, status, answer))
    _route_models(app, swap, models)
    app.on_cleanup.append(forget)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        # Whoever held its name is dead, for we hold the folder's lock.
        await web.SockSite(runner, listening(path)).start()
    except OSError as error:
        await runner.cleanup()
        raise ControlFailed(f"{path}: {error}") from error
    return runner


async def _switch(
    strategies: StrategyWatch,
    status: Callable[[], Status],
    answer: Callable[[Callable[[], bool]], Awaitable[web.Response]],
    request: web.Request,
) -> web.Response:
    """Answer POST /strategy."""
    order = await read_order(request, SwitchOrder)
    reason = one_line(order.reason) or f"kalshid strategy {'on' if order.is_on else 'off'}"
    try:
        strategies.switch(order.name, is_on=order.is_on, reason=reason)
    except UnknownStrategy as error:
        raise web.HTTPNotFound(text=str(error)) from None
    return await answer(lambda: (order.name in status().strategies_off) != order.is_on)


async def _exchange(swap: Swap, request: web.Request) -> web.Response:
    """Answer POST /model."""
    order = await read_order(request, SwapOrder)
    try:
        swapped = await swap(order.folder, order.slot, partial(is_wanted, order))
    except SwapRefused as error:
        raise web.HTTPConflict(text=str(error)) from None
    return web.Response(body=msgspec.json.encode(swapped), content_type="application/json")


def _route_models(app: web.Application, swap: Swap | None, models: Callable[[], ModelsStatus] | None) -> None:
    if swap is not None:
        app.router.add_post("/model", partial(_exchange, swap))
    if models is not None:
        app.router.add_get("/models", partial(_show_models, models))


async def _show_models(models: Callable[[], ModelsStatus], _request: web.Request) -> web.Response:
    """Answer GET /models."""
    return web.Response(body=msgspec.json.encode(models()), content_type="application/json")


async def read_order(request: web.Request, kind: type[_Order]) -> _Order:
    """Return what a call asks for, and log who asks. Raises HTTPBadRequest, or HTTPGone if it is too late."""
    body = await request.read()
    try:
        order = msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise web.HTTPBadRequest(text=f"{request.path}: {error}") from None
    peer = peer_of(request.transport)
    log.warning(
        "control.called", call=request.path, **msgspec.structs.asdict(peer), **msgspec.structs.asdict(order)
    )
    if not is_wanted(order):
        log.warning("control.expired", call=request.path, pid=peer.pid)
        raise web.HTTPGone(text="asked too long ago: whoever asked was told that nobody answers")
    return order


def is_wanted(order: msgspec.Struct) -> bool:
    """Whether whoever asks still waits: what has expired was told to be not done, as far as is known."""
    expires_at: int | None = getattr(order, "expires_at", None)
    return expires_at is None or time.time_ns() <= expires_at


# --- the other end -------------------------------------------------------------------------------


async def ask(
    folder: Path,
    call: str,
    order: HaltOrder | ResumeOrder | FlattenOrder | SwitchOrder | None,
    within_s: float,
) -> Status:
    """Make a call to the daemon of a state folder and return its status after it.

    Args:
        folder: the state folder.
        call: such as "/halt".
        order: the body; None for GET /status.
        within_s: the deadline, from the first byte to the last.

    Raises:
        NoDaemon: nobody listens.
        NoAnswer: no whole answer came in time, or none that can be read; NotAllowed: the socket is not ours.
        Declined: the daemon said no.
    """
    return await ask_order(folder, call, order, within_s, Status)


async def ask_swap(folder: Path, order: SwapOrder, within_s: float) -> Swapped:
    """Have a model exchanged by the daemon of a state folder, and return what was. Raises as `ask`."""
    return await ask_order(folder, "/model", order, within_s, Swapped)


async def ask_models(folder: Path, within_s: float) -> ModelsStatus:
    """Return how the models of the daemon of a state folder stand. Raises as `ask`."""
    return await ask_order(folder, "/models", None, within_s, ModelsStatus)


async def ask_for(folder: Path, call: str, answer: type[_Answer], within_s: float) -> _Answer:
    """Return what a call answers that only reads, such as "/account". Raises as `ask`."""
    return await ask_order(folder, call, None, within_s, answer)


async def ask_order(
    folder: Path, call: str, order: msgspec.Struct | None, within_s: float, answer: type[_Answer]
) -> _Answer:
    """Make a call that asks for something, and return its answer. Raises as `ask`."""
    if order is not None and "expires_at" in order.__struct_fields__:
        # Taken in at half the time at the latest: it is answered within it, or it never happens.
        order = msgspec.structs.replace(order, expires_at=time.time_ns() + int(within_s * SECOND) // 2)
    method, body = ("GET", None) if order is None else ("POST", msgspec.json.encode(order))
    path = socket_path(folder)
    try:
        with address(path) as name:
            async with (
                asyncio.timeout(within_s),
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(name)) as session,
                session.request(method, f"http://kalshid{call}", data=body) as reply,
            ):
                text = await reply.read()
                if reply.status != 200:
                    raise Declined(text.decode("utf-8", "replace").strip() or f"HTTP {reply.status}")
                return msgspec.json.decode(text, type=answer)
    except (TimeoutError, aiohttp.ClientError, OSError, msgspec.MsgspecError) as error:
        raise _unanswered(path, error, within_s) from error


def _unanswered(path: Path, error: Exception, within_s: float) -> NoDaemon | NoAnswer:
    """Return what it means that a call was not answered."""
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM):
        return NotAllowed(f"you may not connect to {path}: it is for {whose(path)}")
    if isinstance(error, FileNotFoundError | ConnectionRefusedError | aiohttp.ClientConnectorError):
        return NoDaemon(f"no daemon listens on {path}: {error.strerror}")
    reason = str(error) or f"nothing within {within_s:g} s"
    return NoAnswer(f"the daemon on {path} does not answer: {reason}")
