"""A world: the exchange, one life of the daemon after another, and what befalls them, all from one seed.

In `safety` the trouble never ends, and every step is judged. In `liveness` it ends after a while, and then
everything must come to rest: beliefs are the exchange's to the last unit, and trading goes on.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from daemon.core import events as e
from daemon.core.commands import Command
from daemon.core.units import SECOND, Ns
from tests.sim.clock import StoodStill, VirtualLoop
from tests.sim.invariants import QUIET_AFTER, Checks
from tests.sim.life import LIMITS, Life
from tests.sim.transport import Faults, Flight
from tests.sim.venue import T0, SimVenue
from tests.sim.violations import Violation

Mode: TypeAlias = Literal["safety", "liveness"]
MODES: tuple[Mode, ...] = ("safety", "liveness")
TROUBLE_S: dict[Mode, float] = {"safety": 40.0, "liveness": 22.0}
"""How long the trouble lasts."""
LAST_EVENTS = 40


class Outcome(msgspec.Struct, frozen=True):
    """What became of one seed."""

    seed: int
    mode: Mode
    simulated_s: float
    wall_s: float
    steps: int
    lives: int
    counts: dict[str, int]
    digest: str
    """Of everything that was journalled: the same seed gives the same."""
    violation: Violation | None = None
    told: tuple[str, ...] = ()
    """The last events and commands before a violation."""


class World:
    """See the module's head."""

    def __init__(self, seed: int, mode: Mode, loop: VirtualLoop, folder: Path) -> None:
        self.seed, self.mode = seed, mode
        self.loop = loop
        self.now = loop.now
        self.limits = LIMITS
        self._rng = random.Random(f"world-{seed}")
        self.faults = Faults(seed)
        self.flights: dict[int, Flight] = {}
        self.checks = Checks(self)
        self.life: Life | None = None
        self.lives = 0
        self.steps = 0
        self._folder = folder
        """The state folder of all lives: their journals, and the latch."""
        self.halted_at: Ns | None = None
        """Since when a person has everything halted; None when nobody has."""
        self.told: deque[str] = deque(maxlen=LAST_EVENTS)
        self.digest = hashlib.blake2b(digest_size=8)
        self.violation: Violation | None = None
        self._over = asyncio.Event()
        self.venue = SimVenue(self.now, seed, self._on_change)
        self.venue.venue.flush = self._flush

    @property
    def living(self) -> Life:
        """The life that is."""
        assert self.life is not None, "nobody lives"
        return self.life

    # --- steps ---------------------------------------------------------------------------------

    def _judge(self) -> None:
        if self.violation is not None:
            return
        self.steps += 1
        try:
            self.checks.step()
        except Violation as violation:
            self.fail(violation)

    def fail(self, error: BaseException) -> None:
        """End with this violation; any other error is one of its own."""
        if self.violation is None:
            if not isinstance(error, Violation):
                error = Violation("no_part_fails", repr(error)).with_traceback(error.__traceback__)
            self.violation = error
            self._over.set()

    def _flush(self) -> None:
        if self.life is not None and self.life.line is not None:
            self.life.line.flush()

    def _on_change(self) -> None:
        if hasattr(self, "venue"):
            self._judge()

    def _on_append(self, batch: list[e.Event | Command], end: int) -> None:
        if self.violation is not None:
            return
        now = self.now()
        for record in batch:
            text = repr(record)
            self.digest.update(text.encode())
            self.told.append(f"{(now - T0) / SECOND:9.4f} {text}")
        try:
            self.checks.recorded(batch, end, self.lives, now)
        except Violation as violation:
            self.fail(violation)

    def _on_send(self, method: str, path: str, body: bytes | None) -> None:
        if self.violation is not None:
            return
        self.told.append(f"{(self.now() - T0) / SECOND:9.4f} SENT {method} {path} {(body or b'').decode()}")
        try:
            self.checks.sent(method, path, body)
        except Violation as violation:
            self.fail(violation)

    # --- what happens --------------------------------------------------------------------------

    def begin_life(self) -> None:
        """Start the daemon on what the last life left."""
        self.lives += 1
        self.checks.new_life()
        self.life = Life(
            self.lives, self.seed, self.venue, self.faults, self.flights, self.now, self._folder,
            on_append=self._on_append, on_send=self._on_send, on_turn=lambda _batch, _commands: self._judge(),
        )  # fmt: skip
        self.life.start(self.fail)

    async def _crash(self) -> None:
        """Lose the process; its requests may have left, or not."""
        life, self.life = self.living, None
        self.told.append(f"{(self.now() - T0) / SECOND:9.4f} CRASH of life {self.lives}")
        (self._folder / life.journal.path).write_bytes(life.journal.survivors())
        for flight in self.flights.values():
            flight.will_arrive = flight.will_arrive and self._rng.random() < 0.7
        await life.crash()
        await asyncio.sleep(self._rng.uniform(0.05, 3.0))
        self.begin_life()

    async def _trade(self) -> None:
        while True:
            await asyncio.sleep(self._rng.uniform(0.05, 0.35))
            self.venue.trade()

    async def _pass_time(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            self.venue.pass_time()

    async def _trouble(self) -> None:
        """Let trouble come and go for as long as the mode says."""
        until = self.loop.time() + TROUBLE_S[self.mode]
        rng, faults = self._rng, self.faults
        while (left := until - self.loop.time()) > 0:
            is_calm = rng.random() < 0.3
            faults.writes = 0.0 if is_calm else rng.choice((0.02, 0.05, 0.2, 0.6))
            faults.reads = 0.0 if is_calm else rng.choice((0.0, 0.0, 0.1, 0.4))
            faults.frames = 0.0 if is_calm else rng.choice((0.0, 0.002, 0.01, 0.05))
            self.venue.venue.reads.lag = round(rng.choice((0.0, 0.3, 1.0, 1.8)) * SECOND)
            await asyncio.sleep(min(left, rng.uniform(0.7, 4.5)))
            kind = rng.random()
            if kind < 0.12:
                if self.life is not None:
                    await self._crash()
            elif kind < 0.22:
                if self.life is not None and self.life.line is not None:
                    self.life.line.is_open = False  # cut: what was under way is lost
            elif kind < 0.30:
                self.venue.suspend(rng)
            elif kind < 0.45:
                self.venue.go_on()
            elif kind < 0.54:
                self._halt()
                if self.life is not None and rng.random() < 0.4:
                    await asyncio.sleep(rng.uniform(0.0, 0.5))
                    await self._crash()
        faults.writes = faults.reads = faults.frames = 0.0
        self.venue.venue.reads.lag = 360 * SECOND // 1000
        self.venue.go_on()

    # --- persons -------------------------------------------------------------------------------

    def _halt(self) -> None:
        """A person halts everything, and sometimes wants all positions closed."""
        if self.life is None or self.halted_at is not None:
            return
        if self._rng.random() < 0.3:
            self.life.switch.flatten("a person wants out", 500, "cli")
        else:
            self.life.switch.halt("a person said so", "cli")
        self.halted_at = self.now()

    async def _attend(self) -> None:
        """A person resumes what is halted, by whomever, after a while."""
        while True:
            await asyncio.sleep(self._rng.uniform(3.0, 12.0))
            if self.life is not None and self.life.engine.state.halt_reason is not None:
                self.halted_at = None
                self.life.switch.resume("a person has looked at it", "cli")

    async def run(self) -> None:
        """Live through it all. The end is in `violation`."""
        self.begin_life()
        tasks = [asyncio.create_task(part) for part in (self._trade(), self._pass_time(), self._attend())]
        story = asyncio.create_task(self._story())
        over = asyncio.create_task(self._over.wait())
        await asyncio.wait({story, over}, return_when=asyncio.FIRST_COMPLETED)
        if story.done() and (error := story.exception()) is not None:
            self.fail(error)
        for task in (story, over, *tasks):
            task.cancel()
        await asyncio.gather(story, over, *tasks, return_exceptions=True)
        if self.life is not None:
            await self.life.crash()

    async def _story(self) -> None:
        await self._trouble()
        if self.mode == "liveness":
            await self._until(self._why_not_trading, "trades_again")
            self.living.strategy.is_quoting = False
            await self._until(self.checks.unrest, "comes_to_rest")
            self._judge()

    def _why_not_trading(self) -> str | None:
        """Return why it does not trade; None when it does, or is halted for a stated reason."""
        engine = self.living.engine
        if engine.phase not in ("trading", "halted"):
            return f"phase {engine.phase}"
        if any(order.state == "unknown" for order in engine.state.orders.values()):
            unknown = [id_ for id_, one in engine.state.orders.items() if one.state == "unknown"]
            return f"unknown orders: {unknown}"
        if engine.breakers.worst != "closed":
            return f"breaker {engine.breakers.worst}"
        unsynced = [ticker for ticker, one in engine.state.markets.items() if one.spec.status == "active"
                    and self.now() < one.spec.close_at and not one.book.is_synced]  # fmt: skip
        return f"books not synced: {unsynced}" if unsynced else None

    async def _until(self, why_not: object, name: str, within: Ns = QUIET_AFTER) -> None:
        assert callable(why_not)
        until = self.loop.time() + within / SECOND
        while (reason := why_not()) is not None:
            if self.loop.time() > until:
                raise Violation(name, f"{within // SECOND} s after the last fault: {reason}")
            await asyncio.sleep(0.25)


def live(seed: int, mode: Mode) -> Outcome:
    """Run one seed to its end, or to the first violation."""
    began_s = time.perf_counter()
    loop = VirtualLoop(T0)
    loop.set_exception_handler(lambda _loop, _context: None)
    began_virtual_s = loop.time()
    try:
        asyncio.set_event_loop(loop)
        with tempfile.TemporaryDirectory() as folder:
            world = World(seed, mode, loop, Path(folder))
            try:
                loop.run_until_complete(world.run())
            except StoodStill as error:
                world.fail(error)
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    return Outcome(
        seed, mode, loop.time() - began_virtual_s, time.perf_counter() - began_s, world.steps, world.lives,
        dict(world.checks.counts), world.digest.hexdigest(), world.violation, tuple(world.told),
    )  # fmt: skip
