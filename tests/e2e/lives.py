"""Lives of a daemon, one after the other on one account, and an exchange that outlives them all."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Self

import aiohttp
import msgspec

from daemon.core.commands import PlaceOrder
from daemon.core.units import Money, Ns, Qty
from daemon.kalshi.auth import Signer, load_private_key
from daemon.kalshi.rest import Rest
from daemon.shell.clock import SystemClock
from daemon.shell.journal import newest_first, read_journal
from tests.e2e.daemon_process import ROOT, free_port
from tests.e2e.restless import BELIEFS_FILE, QUIET_FILE, Beliefs
from tests.e2e.venue_rig import EVENT, SandboxProcess, VenueRig
from tests.scoring.model_folder import metadata, write_model

START_WITHIN_S = 60.0
DAY_MS = 86_400_000
MARKETS = 7
CONFIG = """
mode = "demo"
[venue]
rest_url = "{rest_url}"
ws_url = "{ws_url}"
key_id = "{key_id}"
private_key_file = "{private_key_path}"
request_timeout_s = 2
[reference]
kraken_ws_url = "{reference_ws_url}"
kraken_rest_url = "{reference_rest_url}"
[markets]
series = ["KXTEST"]
refresh_s = 1
[model]
path = "{model}"
[orders]
requests_per_s_max = 200
in_flight_max = 32
[risk]
orders_per_minute_max = 100000
requests_per_minute_max = 100000
fair_away_max_cents = 99
losing_streak_max = 100000
[breaker]
failures_max = 100
rejects_max = 100
ack_p95_max_ms = 60000
[reconcile]
every_s = 2
[metrics]
listen = "127.0.0.1:{port}"
[page]
listen = ""
[strategies.requoter]
enabled = true
series = ["KXTEST"]
close_guard_s = 10
"""


class Truth(msgspec.Struct, frozen=True):
    """The account as the exchange has it. `fees` of each market ever held."""

    cash: Money
    positions: dict[str, Qty]
    fees: dict[str, Money]
    resting: frozenset[str]


def intents_of(journal: Path) -> dict[str, PlaceOrder]:
    """The new orders that one life has recorded, by client order id, in the order of its decisions."""
    return {
        record.client_order_id: record
        for batch in read_journal(journal)
        for record in batch
        if isinstance(record, PlaceOrder)
    }


def first_intents(life: dict[str, PlaceOrder]) -> dict[str, Ns]:
    """When a life first decided to send an order, by market."""
    first: dict[str, Ns] = {}
    for order in life.values():
        first.setdefault(order.ticker, order.decided_at)
    return first


class Life:
    """One process. What it believes is read from its file."""

    def __init__(self, config: Path) -> None:
        self._folder = config.parent
        self.log_path = self._folder / "daemon.log"
        self.started_at = time.monotonic()
        command = [sys.executable, "-m", "tests.e2e.restless", str(config)]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, start_new_session=True
            )

    @property
    def log(self) -> str:
        """The end of what all lives said."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")[-5000:]

    @property
    def beliefs(self) -> Beliefs | None:
        """What it believes; None before it has told."""
        try:
            told = msgspec.json.decode((self._folder / BELIEFS_FILE).read_bytes(), type=Beliefs)
        except FileNotFoundError:
            return None
        return told if told.pid == self.process.pid else None

    async def until(self, happened: Callable[[Beliefs], bool], what: str, within_s: float = 60.0) -> Beliefs:
        """Wait until something is true of what it believes, and return that."""
        deadline = time.monotonic() + within_s
        while True:
            told = self.beliefs
            if told is not None and happened(told):
                return told
            assert self.process.poll() is None, f"it ended by itself:\n{self.log}"
            late = f"it did not come to this within {within_s:g} s: {what}; {told}\n{self.log}"
            assert time.monotonic() < deadline, late
            await asyncio.sleep(0.01)

    def kill(self) -> None:
        """End it as a power switch would, as far as the kernel's memory survives."""
        self.process.kill()
        self.process.wait()


class Lives(VenueRig):
    """A sandbox and its operator; lives are started on its account, in one folder. Built by `lives_rig`."""

    def __init__(self, sandbox: SandboxProcess, admin: aiohttp.ClientSession, config: Path) -> None:
        super().__init__(sandbox, admin)
        self._config = config
        self.folder = config.parent
        self.state_dir = self.folder / "var"
        self.all: list[Life] = []
        self._intents: dict[Path, dict[str, PlaceOrder]] = {}

    # --- one life --------------------------------------------------------------------------------

    def start(self, *, is_quiet: bool) -> Life:
        """Start the next life."""
        self.be_quiet(is_quiet)
        life = Life(self._config)
        self.all.append(life)
        return life

    def be_quiet(self, is_quiet: bool) -> None:
        """Let the strategy want nothing, or go on."""
        path = self.folder / QUIET_FILE
        if is_quiet:
            path.touch()
        else:
            path.unlink(missing_ok=True)

    @property
    def journals(self) -> list[Path]:
        """All journals, newest first."""
        return newest_first(self.state_dir / "journal")

    def intents(self) -> list[dict[str, PlaceOrder]]:
        """The new orders that each life has recorded before sending, by client order id; oldest first."""
        newest, *ended = self.journals
        for path in ended:
            if path not in self._intents:
                self._intents[path] = intents_of(path)
        return [*(self._intents[path] for path in reversed(ended)), intents_of(newest)]

    # --- the truth -------------------------------------------------------------------------------

    async def account(self) -> Truth:
        """What the exchange says of the account."""
        positions = await self.rest.positions()
        return Truth(
            cash=await self.rest.balance(),
            positions={one.ticker: one.qty for one in positions if one.qty},
            fees={one.ticker: one.fees for one in positions if one.fees},
            resting=frozenset(one.client_order_id for one in await self.rest.orders("resting")),
        )

    async def agrees(self, life: Life | None = None) -> None:
        """Let a life come to rest, and hold what it believes against the exchange, to the last unit."""
        life = life or self.all[-1]
        self.be_quiet(True)
        await life.until(
            lambda told: told.is_quiet and told.is_reconciled and not told.orders,
            "reconciled and at rest",
            90,
        )
        await asyncio.sleep(0.7)  # the lists at the venue run behind
        told, truth = life.beliefs, await self.account()
        assert told is not None
        believed = Truth(told.cash or 0, told.positions, told.fees, frozenset(told.orders))
        assert truth == believed, f"{told}\n{life.log}"
        assert [] == told.findings
        await self._check_orders()

    async def _check_orders(self) -> None:
        """No id twice, none that no journal has, and nothing new in a market where an old order may come."""
        records = await self.rest.order_records()
        names = [record.order.client_order_id for record in records]
        assert len(names) == len(set(names)), "an intent became two orders"
        lives = self.intents()
        life_of = {name: number for number, life in enumerate(lives) for name in life}
        assert set() == set(names) - set(life_of), "orders that no journal has"
        first = [first_intents(life) for life in lives]
        too_early = [
            record.order
            for record in records
            for later in first[life_of[record.order.client_order_id] + 1 :]
            if record.created_at is not None
            and later.get(record.order.ticker, record.created_at) < record.created_at
        ]
        assert [] == too_early, "a later life sent orders to a market while these could still arrive"

    async def hit_quotes(self, rng: random.Random) -> None:
        """Trade with our quotes now and then, as others would."""
        while True:
            await asyncio.sleep(0.15)
            side, price = rng.choice((("ask", "0.4600"), ("bid", "0.5400")))
            ticker = f"{EVENT}-M{rng.randrange(MARKETS)}"
            await self.call("/orders", ticker=ticker, side=side, price=price, count="1.00")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for life in self.all:
            if life.process.poll() is None:
                life.kill()
        self.sandbox.end()


@asynccontextmanager
async def lives_rig(folder: Path, seed: int) -> AsyncIterator[Lives]:
    """An exchange with quoted markets, where others trade; all processes end with the block."""
    sandbox = SandboxProcess(folder / "sandbox")
    await sandbox.start()
    model = await asyncio.to_thread(write_model, folder, metadata())
    ready = sandbox.ready
    config = folder / "config.toml"
    config.write_text(CONFIG.format(**ready, model=model, port=free_port()), encoding="utf-8")
    signer = Signer(ready["key_id"], load_private_key(Path(ready["private_key_path"])))
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(aiohttp.ClientSession())
        lives = await stack.enter_async_context(Lives(sandbox, admin, config))
        lives.rest = await stack.enter_async_context(Rest(ready["rest_url"], signer, SystemClock().now))
        await lives.call("/account/tier", tier="prestige")
        for number in range(MARKETS):
            await lives.make_market(f"{EVENT}-M{number}", closes_in_ms=DAY_MS)
        others = asyncio.create_task(lives.hit_quotes(random.Random(seed)), name="others")
        try:
            yield lives
            if others.done():
                others.result()  # nothing but the end stops them
        finally:
            others.cancel()
            await asyncio.gather(others, return_exceptions=True)
