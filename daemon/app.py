"""One run of the daemon, from configuration to exit code: `Parts` joins what works, this gives it a life.

Start-up is recovery, and there is one path: preload the model, find the venue, take the state folder and
open the journal, connect, reconcile until two readings agree; only then is anything sent. The tasks run in
one TaskGroup: what fails unforeseen ends them all, and the next start reconciles.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import msgspec
import structlog
from rich.console import Console

from daemon import exits
from daemon.assembly import Setup, build_engine, header_of, setup_of
from daemon.config import PRODUCTION_HOSTS, Config, ConfigError
from daemon.core.pacer import Pacer
from daemon.core.units import MILLISECOND, Ns
from daemon.emergency import end_unrecorded
from daemon.ending import Ending
from daemon.foreseen import close_store, foreseen
from daemon.kalshi.auth import Signer, load_private_key
from daemon.kalshi.bodies import BucketLimit
from daemon.kalshi.costs import Costs
from daemon.kalshi.rest import ReadingRest, Rest
from daemon.kraken.rest import KrakenRest
from daemon.live_guard import check_start
from daemon.model_slots import start_models, traded_sha256
from daemon.parts import Outside, Parts, has_account, open_shadow, open_store
from daemon.run_reloads import ReloadedRun, reload_unasked, reloads_of
from daemon.scoring.source import HandedModels
from daemon.shell.account_view import account_routes
from daemon.shell.clock import FollowedClock, SystemClock
from daemon.shell.control import serve_control, status_of
from daemon.shell.follow import follow_clock, followed_clock
from daemon.shell.journal import Journal, next_epoch
from daemon.shell.kill_switch import KillSwitch
from daemon.shell.latch import Latch
from daemon.shell.lock import FolderLock
from daemon.shell.loop import Inbox
from daemon.shell.loop_lag import watch_loop
from daemon.shell.metrics import Metrics
from daemon.shell.model_status import models_status
from daemon.shell.model_swaps import ModelSwaps, SwapTerms
from daemon.shell.notes import notes_of
from daemon.shell.notices import open_notices
from daemon.shell.page.opening import PageTerms, open_page
from daemon.shell.read_gate import gate_for
from daemon.shell.recovery import recover
from daemon.shell.reloads import Reloads, routes_of
from daemon.shell.samples import Sampler
from daemon.shell.screen import Picture, Screen, picture
from daemon.shell.store import Recorder
from daemon.shell.summary import Summary, print_summary, summarize, write_summary
from daemon.shell.web import serve_web
from daemon.supervision import supervised
from daemon.venue import Address, RunOptions, find_venue

log = structlog.get_logger(__name__)

TURN_WITHIN_S = 5.0
"""A pump that has not turned for this long is not alive."""


class App:
    """One run of the daemon."""

    def __init__(
        self,
        config: Config,
        config_name: str,
        options: RunOptions,
        live_hosts: tuple[str, ...] = PRODUCTION_HOSTS,
    ) -> None:
        """Build.

        Args:
            config: what is asked for.
            config_name: its file.
            options: what the command line adds.
            live_hosts: where mode "live" may trade; others only in tests.
        """
        if options.tape is not None:
            # A tape is played by a sandbox, whatever else is configured.
            config = msgspec.structs.replace(config, mode="sandbox")
        self._config = config
        self._live_hosts = live_hosts
        self._override_reason = config.live.override_reason.strip() if config.mode == "live" else ""
        self._config_name = config_name
        self._options = options
        self._mode = "tape" if options.tape is not None else config.mode
        self._metrics = Metrics(self._mode)
        self._inbox = Inbox()
        self._clock: SystemClock | FollowedClock = SystemClock()
        self._started_at = time.monotonic()
        self._picture: Picture | None = None
        self._recorder: Recorder | None = None
        self.outcome: Summary | str | None = None  # what it did, or why it could not

    async def run(self) -> int:
        """Run to the end and return the exit code; every foreseen failure says what it is."""
        log.info("run.started", money="real" if self._config.mode == "live" else "paper", mode=self._mode)
        try:
            return await self._run()
        except Exception as error:
            if (known := foreseen(error)) is None:
                raise
            event, self.outcome, code = known
            log.error(event, reason=self.outcome)
            return code

    async def _run(self) -> int:
        config = self._config
        slotted = start_models(config)
        models_sha256 = traded_sha256(config, slotted.refs)
        check_start(
            config,
            Path(self._config_name),
            models_sha256,
            is_asked=self._options.is_live,
            now=time.time_ns(),
            hosts=self._live_hosts,
        )
        if self._override_reason:
            log.warning("live.unproven", reason=self._override_reason)
        async with AsyncExitStack() as stack:
            # Before anything is started or joined: a second daemon must not touch the first one's sandbox.
            folder = config.path(config.state_dir) / "journal"
            lock = FolderLock.take(folder)
            stack.callback(lock.release)
            switch = self._kill_switch(stack)
            # Closed after all that cancels orders has ended: that must not wait for a disk that hangs.
            stack.push(partial(close_store, lambda: self._recorder))
            notices = open_notices(config, self._mode, stack)
            address = await find_venue(config, self._options, stack)
            if address.clock_ws_url is not None:
                self._clock = await followed_clock(address.clock_ws_url)
            signer = Signer(address.key_id, load_private_key(address.private_key_file))
            rest = await stack.enter_async_context(self._rest(address, signer))
            if not address.is_lockstep:
                # Called while the client and a sandbox of ours still live.
                prefix = f"{config.orders.id_prefix}-"
                stack.push_async_exit(partial(end_unrecorded, switch, rest, prefix))
            limits, costs = await rest.account_limits(), Costs(await rest.endpoint_costs())
            # The machine's time, on a tape too: it numbers the starts, and no order id may come twice.
            epoch = next_epoch(folder, time.time_ns() // MILLISECOND)
            setup = setup_of(config, slotted.default, epoch, is_backfilled=True, others=slotted.others)
            handed = HandedModels()
            engine = build_engine(setup, slotted.models, self._config_name, handed, config.strategy_folder)
            journal = self._open_journal(folder, setup, lock, stack, address.key_id)
            pacer = self._pacer(limits.write)
            gate = None if address.is_lockstep else gate_for(limits, costs, now=self._clock.now)
            # From here on every read waits at the gate, which opens with the tasks.
            rest.gate = gate
            kraken = await stack.enter_async_context(KrakenRest(address.reference_rest_url))
            self._engine, self._journal = engine, journal
            if self._options.tape is None:
                self._recorder = open_store(config, engine, models_sha256, costs, self._clock)
            shadow = open_shadow(config, rest, self._clock, self._inbox, stack)
            self._parts = Parts(
                config, engine, journal, Outside(rest, pacer, gate, kraken, costs.writes(), shadow, notices),
                inbox=self._inbox, clock=self._clock, metrics=self._metrics, switch=switch,
                recorder=self._recorder,
            )  # fmt: skip
            self._ending = Ending(engine, self._parts.pump, now=self._clock.now, emit=self._inbox.put)
            await self._listen(switch, ModelSwaps(engine.models, handed, self._swap_terms()), stack)
            return await self._work(address, signer)

    def _rest(self, address: Address, signer: Signer) -> ReadingRest:
        timeout_s = self._config.venue.request_timeout_s
        # In shadow there is nothing that could send an order to the venue.
        kind = ReadingRest if self._config.mode == "shadow" else Rest
        return kind(
            address.rest_url,
            signer,
            self._clock.now,
            self._observe,
            read_timeout_s=timeout_s,
            write_timeout_s=timeout_s,
        )

    def _open_journal(
        self, folder: Path, setup: Setup, lock: FolderLock, stack: AsyncExitStack, key_id: str
    ) -> Journal:
        """Begin a journal, and let the core hear first what the last one left without an end."""
        if self._options.tape is None:  # a tape's account lives for one run
            account = key_id if has_account(self._config) else None
            self._inbox.extend(recover(folder, self._mode, self._clock.now(), account).events)
        header = header_of(setup, self._mode, self._override_reason, key_id)
        journal = Journal.create(folder, header, lock)
        stack.callback(journal.close)
        return journal

    def _pacer(self, bucket: BucketLimit) -> Pacer:
        """Return the write token budget. Raises ConfigError where our reserve leaves nothing of it."""
        reserve, capacity = self._config.orders.reserve_tokens, bucket.bucket_capacity
        if capacity <= reserve:
            problem = f"{reserve} leaves nothing of the venue's write bucket of {capacity} tokens"
            raise ConfigError([f"{self._config_name}: orders.reserve_tokens: {problem}"])
        return Pacer(capacity, bucket.refill_rate, reserve)

    def _swap_terms(self) -> SwapTerms:
        return SwapTerms(
            root=self._config.root,
            is_bound=self._config.mode == "live" and not self._override_reason,
            now=self._clock.now,
            emit=self._inbox.put,
        )

    async def _listen(self, switch: KillSwitch, swaps: ModelSwaps, stack: AsyncExitStack) -> None:
        """Open the pages and the control socket; both end with the stack."""
        sampler = Sampler(self._parts.sources)
        self._metrics.serve(lambda: sampler.read(self._clock.now()))
        state_dir = self._config.path(self._config.state_dir)
        runner = await serve_web(
            self._config.metrics.listen, self._metrics, health=self._why_unwell,
            readiness=self._why_not_ready,
        )  # fmt: skip
        stack.push_async_callback(runner.cleanup)
        control = await serve_control(
            state_dir, switch,
            lambda: status_of(self._engine, switch, self._mode, self._parts.sources.notices), swaps.swap,
            self._parts.strategies, lambda: models_status(self._engine.models, self._clock.now()),
            (*account_routes(self._engine, self._mode, self._inbox.put, self._clock.now),
             *routes_of(self._reloads(stack))),
        )  # fmt: skip
        stack.push_async_callback(control.cleanup)
        terms = PageTerms(
            self._parts.sources, switch, self._parts.recent, self._parts.places, self._mode, state_dir,
            now=self._clock.now, notes=self._notes, unready=self._why_not_ready,
        )  # fmt: skip
        await open_page(self._config.page.listen, terms, stack)

    def _reloads(self, stack: AsyncExitStack) -> Reloads:
        """Return what reloads the configuration, by the signal SIGHUP and by the file too."""
        run = ReloadedRun(self._config, self._config_name, self._parts, self._clock)
        reloads = reloads_of(run)
        reload_unasked(reloads, run, stack)
        return reloads

    async def _work(self, address: Address, signer: Signer) -> int:
        """Run all tasks until the pump has stopped; return the exit code."""
        # Everything that lives for the whole run is built: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)  # little is allocated per tick, and next to nothing in cycles
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._ending.press, signal.Signals(number).name)
        screen = Screen(Console(), lambda: self._picture) if self._options.has_screen else None
        is_confirmed = False
        try:
            async with asyncio.TaskGroup() as tasks:
                parts = {**self._parts.tasks(address, signer), "watch": self._watch()}
                parts["loop lag"] = watch_loop(self._metrics.loop_lag.observe)
                parts |= supervised(
                    self._engine, self._journal, self._mode, self._why_unwell, self._clock.now
                )
                if (following := self._follow(address)) is not None:
                    parts["clock"] = following
                work = [tasks.create_task(part, name=name) for name, part in parts.items()]
                if self._options.for_s is not None:
                    loop.call_later(self._options.for_s, self._ending.ask, f"--for {self._options.for_s:g}s")
                if screen is not None:
                    screen.start()
                is_confirmed = await self._ending.turn_until_stopped()
                await self._parts.queue.drain(1.0)
                for task in work:
                    task.cancel()
        finally:
            if screen is not None:
                screen.stop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
            gc.unfreeze()
        code = exits.OK if is_confirmed else exits.UNCONFIRMED
        self._tell_summary(code)
        if self._recorder is not None:
            self._recorder.end(self._ending.reason or "", code)
        return code

    def _follow(self, address: Address) -> Coroutine[None, None, None] | None:
        """Return what follows the venue's clock; None where time is the machine's."""
        if address.clock_ws_url is None:
            return None
        return follow_clock(
            address.clock_ws_url,
            advance=self._advance,
            settle=self._parts.settle if address.is_lockstep else None,
            on_end=lambda: self._ending.ask("end of the tape"),
        )

    # --- halts -----------------------------------------------------------------------------------

    def _kill_switch(self, stack: AsyncExitStack) -> KillSwitch:
        """Return the kill switch, thrown by a signal too; a halt on disk is the first that the core hears."""
        folder = self._config.path(self._config.state_dir)
        is_tape = self._options.tape is not None
        # A tape's account lives for one run, and its halts with it: they stop no other run.
        latch = Latch(folder / "tape-sandbox" if is_tape else folder)
        if is_tape:
            latch.lift()
        # The clock may yet become a tape's.
        switch = KillSwitch(latch, now=lambda: self._clock.now(), emit=self._inbox.put)  # noqa: PLW0108
        if (halt := switch.tell_latched()) is not None:
            log.warning(
                "start.halted", reason=halt.reason, by=halt.by, since=halt.at,
                resume=f'kalshid resume --config {self._config_name} --reason "why"',
            )  # fmt: skip
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, lambda: switch.halt("the signal SIGUSR1", "signal"))
        stack.callback(loop.remove_signal_handler, signal.SIGUSR1)
        return switch

    # --- a followed clock ----------------------------------------------------------------------

    def _advance(self, now: Ns) -> None:
        assert isinstance(self._clock, FollowedClock), "only a followed clock is told the time"
        self._clock.advance(now)
        self._inbox.nudge()

    # --- what is told while it runs ------------------------------------------------------------

    async def _watch(self) -> None:
        """Take the screen's picture, and say what changed, a few times a second."""
        phase, decided = "", 0
        frames, at, rate = 0, time.monotonic(), 0.0
        while True:
            engine, now = self._engine, time.monotonic()
            if engine.phase != phase:
                phase = engine.phase
                why = {"reason": engine.state.halt_reason} if phase == "halted" else {}
                log.info("phase.changed", phase=phase, **why)
            last, noted = engine.decisions.last, engine.decisions.noted_total
            for decision in list(last)[max(0, len(last) - noted + decided) :]:
                log.debug("decision.taken", **msgspec.structs.asdict(decision))
            decided = noted
            counters = self._parts.feeds.counters
            if now - at >= 1.0:
                rate, frames, at = (counters["frames"] - frames) / (now - at), counters["frames"], now
            if self._options.has_screen:
                at_now = self._clock.now()
                self._picture = picture(
                    engine, self._metrics, mode=self._mode, now=at_now, frames=counters["frames"],
                    frames_per_s=rate, gaps=counters["gaps"], notes=self._notes(at_now),
                )  # fmt: skip
            await asyncio.sleep(0.2)

    def _notes(self, now: Ns) -> tuple[str, ...]:
        reason = self._override_reason
        unproven = (f"live without evidence: {reason}",) if reason else ()
        return (*unproven, *notes_of(self._parts.sources, now))

    def _why_unwell(self) -> str | None:
        silent_s = time.monotonic() - self._parts.pump.turned_at
        return None if silent_s < TURN_WITHIN_S else f"the pump has not turned for {silent_s:.0f} s"

    def _why_not_ready(self) -> str | None:
        engine = self._engine
        if engine.phase != "trading":
            return f"phase {engine.phase}"
        if engine.breakers.worst != "closed":
            return f"breaker {engine.breakers.worst}"
        refusal = engine.state.feed.vouch(engine.config.limits, self._clock.now())
        return refusal if refusal is not None else self._why_unwell()

    def _tell_summary(self, code: int) -> None:
        self.outcome = summarize(
            self._parts.sources, mode=self._mode, exit_reason=self._ending.reason, exit_code=code,
            seconds=time.monotonic() - self._started_at,
        )  # fmt: skip
        print_summary(self.outcome, Console(stderr=self._options.is_json))
        if self._options.summary_path is not None:
            write_summary(self.outcome, self._options.summary_path)

    def _observe(self, method: str, path: str, status: int | None, seconds: float) -> None:
        self._metrics.api.observe(method, path, status, seconds)
        if self._recorder is not None:
            self._recorder.on_call(method, path, status, seconds)
        if method != "GET":
            self._metrics.orders_limited += status == 429
            self._metrics.order_request.observe(int(seconds * 1e9))
