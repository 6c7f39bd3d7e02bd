"""The sandbox's server: builds world and endpoints, listens on loopback, says so, runs, ends in order.

One line of JSON on stdout tells when it listens and where. As long as it does, the same is in
`listening.json` in its state folder: who has the folder finds its sandbox. It ends by itself when nobody was
connected for `idle_exit_s`, and on SIGTERM or SIGINT: connections are closed with code 1001, the state is on
disk.

The admin endpoint is always there, on a loopback port of its own: play money needs no lock, and a sandbox
that something goes wrong with can be asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import monotonic

import msgspec
import structlog
from aiohttp import web

from daemon.core.units import MONEY_ONE, Money, Ns
from daemon.sandbox import clock_channel
from daemon.sandbox.admin.markets import MarketCalls
from daemon.sandbox.admin.server import AdminServer
from daemon.sandbox.admin.world import WorldCalls
from daemon.sandbox.auth import PREFIX, SIGNER, KeyRing, Verifier, is_public, load_or_make_keys
from daemon.sandbox.bodies import ApiError, nested_error, too_many_requests
from daemon.sandbox.clock_channel import ClockChannel
from daemon.sandbox.faults.desk import FaultDesk
from daemon.sandbox.faults.registry import Rule
from daemon.sandbox.flow import MakeFlow
from daemon.sandbox.limits import COST_DEFAULT, COST_GET_ORDER, Buckets, Tier
from daemon.sandbox.load import Loads
from daemon.sandbox.private_files import replace_private
from daemon.sandbox.pump import Pump
from daemon.sandbox.reference import rest as reference_rest
from daemon.sandbox.reference import server as reference
from daemon.sandbox.reference.server import ReferenceFeed
from daemon.sandbox.rest.account import AccountApi
from daemon.sandbox.rest.candles import CandleApi
from daemon.sandbox.rest.exchange import ExchangeApi
from daemon.sandbox.rest.groups import GroupApi
from daemon.sandbox.rest.historical import HistoricalApi
from daemon.sandbox.rest.keys import KeyApi
from daemon.sandbox.rest.left_out import LeftOutApi
from daemon.sandbox.rest.markets import MarketApi
from daemon.sandbox.rest.orders import OrderApi
from daemon.sandbox.rest.portfolio import PortfolioApi
from daemon.sandbox.rest.series import SeriesApi
from daemon.sandbox.rest.shards import ShardApi
from daemon.sandbox.rest.subaccounts import SubaccountApi
from daemon.sandbox.state import Store
from daemon.sandbox.stream import ws
from daemon.sandbox.stream.ws import WsApi
from daemon.sandbox.two_clocks import TwoClockVerifier
from daemon.sandbox.venue import Venue

log = structlog.get_logger()

LISTENING_FILE = "listening.json"
_STREAMS = {ws.PATH: "kalshi", reference.PATH: "kraken"}
"""The WebSockets that faults befall."""

Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]


class SandboxOptions(msgspec.Struct, frozen=True):
    """How to run a sandbox. `cash` is by shard, on a first start; `port` 0 takes any free one."""

    state_dir: Path
    make_flow: MakeFlow
    seed: int = 1
    host: str = "127.0.0.1"
    port: int = 0
    cash: dict[int, Money] = msgspec.field(default_factory=lambda: {2: 10_000 * MONEY_ONE})
    tier: Tier = Tier()
    idle_exit_s: float | None = None
    admin_port: int = 0
    keys_dir: Path | None = None
    """Where the client's keys are kept; None: with the state."""
    speed: float | None = 1.0
    """Of the clock of simulated traders; None: it is moved by the admin endpoint alone."""
    faults: tuple[Rule, ...] = ()
    """In force from the start."""
    read_lag: Ns = 0
    """How far the reads of the account run behind what happened (sheet 4.6: 360 ms were seen)."""
    has_maintenance: bool = False
    """Whether it is closed on Thursday mornings (sheet 7.6)."""


class Ready(msgspec.Struct, frozen=True):
    """The ready line."""

    rest_url: str
    ws_url: str
    reference_ws_url: str
    clock_ws_url: str
    key_id: str
    private_key_path: str
    rsa_key_id: str
    rsa_private_key_path: str
    pid: int
    mode: str
    is_paced: bool
    reference_rest_url: str
    admin_url: str


def check_loopback(host: str) -> None:
    """Refuse to serve the world.

    Raises:
        ValueError: the address is not a loopback one.
    """
    try:
        is_loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise ValueError(f"the sandbox only listens on loopback addresses, not on {host!r}")


class Sandbox:
    """A sandbox that listens from `start` to `stop`."""

    def __init__(self, options: SandboxOptions) -> None:
        check_loopback(options.host)
        self._options = options
        options.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        keys_dir = options.keys_dir or options.state_dir
        keys_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._keys: KeyRing = load_or_make_keys(keys_dir)
        self._store = Store(options.state_dir / "state.sqlite3")
        self.venue = Venue(
            self._store, options.make_flow, seed=options.seed, cash=options.cash, speed=options.speed
        )
        self.venue.reads.lag = options.read_lag
        self.venue.has_weekly_maintenance = options.has_maintenance
        verifier = Verifier if self.venue.clock.is_wall else TwoClockVerifier
        self._verifier = verifier(self._keys, self.venue.account.name)
        self._buckets = Buckets(options.tier)
        self._ws = WsApi(self.venue, self._verifier)
        self._reference = ReferenceFeed(self.venue)
        self._clock = ClockChannel(self.venue)
        self._pump = Pump(self.venue, self._ws, self._reference, self._clock)
        self._faults = FaultDesk(self.venue, self._refuse)
        self._loads = Loads(self.venue)
        world = WorldCalls(
            self.venue, self._pump, self._buckets, self._faults, self._loads, self._ws, self._reference
        )
        self._admin = AdminServer(self.venue, [*MarketCalls(self.venue).calls(), *world.calls()], self._hear)
        self._runner: web.AppRunner | None = None
        self._pumping: asyncio.Task[None] | None = None
        self._refusing: asyncio.Task[None] | None = None
        self._site: web.TCPSite | None = None
        self._heard_s = monotonic()

    def _hear(self) -> None:
        self._heard_s = monotonic()

    # --- requests ----------------------------------------------------------------------------

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 20)
        for part in (
            LeftOutApi(),
            ExchangeApi(self.venue),
            SeriesApi(self.venue),
            CandleApi(self.venue),
            HistoricalApi(self.venue),
            MarketApi(self.venue),
            KeyApi(self._verifier.keys, self.venue, self._buckets),
            PortfolioApi(self.venue),
            AccountApi(self.venue, self._buckets),
            GroupApi(self.venue, self._buckets),
            SubaccountApi(self.venue, self._buckets),
            ShardApi(self.venue, self._buckets),
            OrderApi(self.venue, self._buckets),
            self._ws,
            self._reference,
            self._clock,
        ):
            for route in part.routes():
                app.router.add_route(route.method, route.path, self._guarded(route.handler))
        app.router.add_route("*", "/{rest:.*}", self._guarded(_not_found))
        return app

    def _guarded(self, call: Serve) -> Serve:
        """Return a call that is admitted first, and whose refusals become documented bodies."""

        async def admitted(request: web.Request) -> web.StreamResponse:
            try:
                if request.path.startswith(PREFIX + "/"):
                    self._admit(request)
                return await call(request)
            except ApiError as error:
                return web.Response(body=error.body, status=error.status, content_type="application/json")

        async def guarded(request: web.Request) -> web.StreamResponse:
            self._hear()
            stream = _STREAMS.get(request.path)
            if stream is not None:
                return self._faults.requests.refused_upgrade(stream) or await admitted(request)
            return await self._faults.requests.around(request, lambda: admitted(request))

        return guarded

    def _admit(self, request: web.Request) -> None:
        """Verify the signature of private calls, and take tokens for reads: writes pay by their body.

        Who signs a public call pays for it as for any other read; only the unsigned ones are free (sheet
        5.1). A signature that is none doesn't keep anybody from what is public.
        """
        path = request.raw_path.partition("?")[0]
        now = self.venue.clock.now()
        if is_public(path):
            if "KALSHI-ACCESS-SIGNATURE" not in request.headers:
                return
            try:
                self._verifier.identify(request.headers, request.method, path, now)
            except ApiError:
                return
        else:
            request[SIGNER] = self._verifier.admit(request.headers, request.method, path, now)
        if request.method == "GET":
            is_one_order = path.startswith(f"{PREFIX}/portfolio/orders/")
            cost = COST_GET_ORDER if is_one_order else COST_DEFAULT
            if not self._buckets.take_read(cost, now):
                raise too_many_requests()

    # --- life --------------------------------------------------------------------------------

    async def start(self) -> Ready:
        """Listen, start the flow, and return where."""
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        port = await self._listen(self._options.port)
        admin_url = await self._admin.start(self._options.host, self._options.admin_port)
        for rule in self._options.faults:
            self._faults.inject(rule)
        self._pumping = asyncio.create_task(self._pump.run())
        host = f"{self._options.host}:{port}"
        flow = self.venue.flow
        return Ready(
            f"http://{host}{PREFIX}",
            f"ws://{host}{ws.PATH}",
            f"ws://{host}{reference.PATH}",
            f"ws://{host}{clock_channel.PATH}",
            self._keys.ed25519.key_id,
            self._keys.ed25519.path,
            self._keys.rsa.key_id,
            self._keys.rsa.path,
            os.getpid(),
            flow.mode,
            self.venue.speed is not None,
            f"http://{host}{reference_rest.BASE_PATH}",
            admin_url,
        )

    async def _listen(self, port: int) -> int:
        """Open the port, and return its number."""
        assert self._runner is not None
        self._site = web.TCPSite(self._runner, self._options.host, port)
        await self._site.start()
        return int(self._runner.addresses[0][1])

    def _refuse(self, seconds: float) -> None:
        """Close the port for so long: connections that are open stay, new ones are refused by the system."""

        async def refuse() -> None:
            assert self._runner is not None
            if self._site is None:
                return
            port = int(self._runner.addresses[0][1])
            site, self._site = self._site, None
            await site.stop()
            await asyncio.sleep(seconds)
            await self._listen(port)

        self._refusing = asyncio.create_task(refuse())

    @property
    def _is_idle(self) -> bool:
        return not (self._ws.count or self._reference.count or self._clock.count)

    async def idle(self, idle_exit_s: float) -> None:
        """Return when nobody was connected, and nothing was asked, for that long."""
        while True:
            if not self._is_idle:
                self._heard_s = monotonic()
            left_s = idle_exit_s - (monotonic() - self._heard_s)
            if left_s <= 0:
                return
            await asyncio.sleep(min(left_s, 1.0))

    async def failed(self) -> None:
        """Return never, or raise what broke the flow: a sandbox without one is of no use."""
        assert self._pumping is not None, "not started"
        await self._pumping
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """Stop the flow, close every connection with code 1001, and close the state."""
        await self._loads.stop()
        for task in (self._pumping, self._refusing):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task
        await self._admin.stop()
        for part in (self._ws, self._reference, self._clock):
            await part.close(b"sandbox stops")
        if self._runner is not None:
            await self._runner.cleanup()
        self._store.close()


async def _not_found(_request: web.Request) -> web.StreamResponse:
    raise nested_error(404, "not_found")


def _tell(ready: Ready, path: Path) -> Callable[[], None]:
    """Say where it listens, to whoever started it or finds the folder; return what takes it back."""
    found = msgspec.structs.replace(
        ready,
        private_key_path=str(Path(ready.private_key_path).absolute()),
        rsa_private_key_path=str(Path(ready.rsa_private_key_path).absolute()),
    )
    replace_private(path, msgspec.json.encode(found) + b"\n")
    sys.stdout.write(msgspec.json.encode(ready).decode() + "\n")
    sys.stdout.flush()
    return lambda: path.unlink(missing_ok=True)


async def serve(options: SandboxOptions) -> None:
    """Run a sandbox until it is told to stop or nobody needs it.

    Raises:
        ValueError: the host is no loopback address, or the state directory holds something else.
    """
    sandbox = Sandbox(options)
    loop = asyncio.get_running_loop()
    stopped, told = asyncio.Event(), contextlib.ExitStack()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    try:
        ready = await sandbox.start()
        told.callback(_tell(ready, options.state_dir / LISTENING_FILE))
        waits = [asyncio.create_task(stopped.wait()), asyncio.create_task(sandbox.failed())]
        if options.idle_exit_s is not None:
            waits.append(asyncio.create_task(sandbox.idle(options.idle_exit_s)))
        done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in pending:
            wait.cancel()
        for wait in done:
            wait.result()
    finally:
        told.close()
        await sandbox.stop()
