"""A running daemon is given another configuration: read, checked, compared, and told the core as one event.

What is wrong, or may not change while it runs, changes nothing: a reload is whole or not at all. One that
loosens a limit answers with what it would loosen and with a word; asked again with that word it is done. The
word is of this very change: another file, or a daemon that has changed meanwhile, has another one. Whatever
fails in it, be it a mistake of ours, refuses it: the daemon trades on under what was in force.

Over the control socket: POST /reload {"token"} and GET /config, what is in force.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec
import structlog
from aiohttp import web

from daemon.config import Config, ConfigError
from daemon.config_tables import StrategyTable
from daemon.core import events as e
from daemon.core.engine import Engine
from daemon.core.units import Ns
from daemon.reloading import Change, changes, fingerprint, flatten, is_beyond_evidence, token_of
from daemon.shell.control import ask_for, ask_order, is_wanted, read_order
from daemon.shell.metrics import Metrics
from daemon.shell.side_thread import TookTooLong, call_aside

log = structlog.get_logger(__name__)

TAKEN_WITHIN_S = 2.0
"""How long the core may take to have it: a turn of the pump."""
READ_WITHIN_S = 10.0
"""How long the file, and each time the owner's own strategies, may take: they run, and may never return."""
BOUND = (
    "real money is traded on the evidence of these strategies and limits: while it runs, limits only tighten,"
    " and strategies are only disabled; trade the rest on paper first"
)
NOT_TAKEN = "the core has not taken it in yet, and may still: reload again"
TOO_LATE = "its turn came too late: whoever asked was told that it is not reloaded; reload again"
UNCHANGED = "not reloaded: what was in force still is"


class ReloadRefused(Exception):
    """It did not come to a reload; the message says why, a line for each reason.

    `is_certain`: nothing was changed. If not, the core has the change, or may yet take it.
    """

    def __init__(self, reason: str, *, is_certain: bool = True) -> None:
        super().__init__(reason)
        self.is_certain = is_certain


class Reloaded(msgspec.Struct, frozen=True):
    """What came of it. `token` is what confirms the change that would loosen; None where nothing waits."""

    outcome: Literal["applied", "unchanged", "unconfirmed"]
    changes: list[Change]
    sha256: str
    token: str | None = None
    is_word_wrong: bool = False
    """Whether it was asked for with a word, and that is not the one."""


class InForce(msgspec.Struct, frozen=True):
    """What the daemon runs under, by dotted keys, and its fingerprint."""

    sha256: str
    values: dict[str, Any]


class ReloadOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /reload. `token` is the word that confirms what loosens."""

    token: str = ""
    expires_at: int | None = None


class ReloadTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What a run gives and asks.

    Attributes:
        read: reads the file again, all of it checked; raises ConfigError.
        prepare: builds strategies and returns the text that the event carries; raises ConfigError.
        is_bound: whether what is traded is tied to evidence (mode "live" without a written reason).
        now: our clock.
        emit: takes the event.
        on_taken: told the new configuration once the core has it, for the parts outside of the core.
    """

    read: Callable[[], Config]
    prepare: Callable[[tuple[StrategyTable, ...]], str]
    is_bound: bool
    now: Callable[[], Ns]
    emit: Callable[[e.Event], None]
    on_taken: Callable[[Config], None]


class Reloads:
    """The configuration of one run, and its changes, one at a time."""

    def __init__(self, config: Config, engine: Engine, metrics: Metrics, terms: ReloadTerms) -> None:
        self._config = config
        self._values = flatten(config)
        self._engine = engine
        self._metrics = metrics
        self._terms = terms
        self._lock = asyncio.Lock()
        self._told: tuple[Config, dict[str, Any], str] | None = None
        """What the core was told, with its fingerprint, until it has taken it in."""
        self._is_behind = False
        """Whether the parts outside of the core have still to be told what is in force."""
        self._tell()

    @property
    def is_waiting(self) -> bool:
        """Whether the core was told of a change, and has not come to it: until then there is no other."""
        return self._told is not None

    @property
    def is_file_watched(self) -> bool:
        """Whether a change of the file is a reload."""
        return self._config.reload_on_change

    @property
    def in_force(self) -> InForce:
        """What the daemon runs under."""
        self.keep_up()
        return InForce(fingerprint(self._values), self._values)

    async def reload(
        self, by: str, token: str = "", is_wanted: Callable[[], bool] = lambda: True
    ) -> Reloaded:
        """Bring the file into force; return when the core decides by it.

        Args:
            by: who asks, for the log.
            token: the word that confirms what loosens.
            is_wanted: asked right before it is done, for others may be first; what is not is refused.

        Raises:
            ReloadRefused: what fails, be it a mistake of ours.
        """
        async with self._lock:
            try:
                reloaded = await self._reload(token, is_wanted)
            except ReloadRefused as error:
                self._refused(by, str(error))
                raise
            except Exception as error:
                # A mistake in here, or of an owner's own strategy, must not end a daemon that trades.
                reason = f"{type(error).__name__}: {error}"
                self._refused(by, reason, exc_info=error)
                raise ReloadRefused(reason, is_certain=not self._is_behind) from error
            told = [str(change) for change in reloaded.changes]
            if reloaded.outcome == "unconfirmed":
                self._metrics.is_config_loaded = False
                confirm = f"kalshid reload --loosen {reloaded.token}"
                wrong = {"wrong_word": token} if reloaded.is_word_wrong else {}
                log.warning("config.reload_unconfirmed", by=by, changes=told, confirm=confirm, **wrong)
            else:
                self._tell()
                log.warning("config.reloaded", by=by, outcome=reloaded.outcome, changes=told)
            return reloaded

    def keep_up(self) -> None:
        """Go on from what the core has taken in late; to be called about once a second."""
        if self._lock.locked() or self._told is None or self._engine.changes.sha256 != self._told[2]:
            return  # a reload under way does so by itself
        try:
            self._catch_up()
        except Exception as error:  # noqa: BLE001 - as in `reload`, which tries it again
            self._refused("the core", f"{type(error).__name__}: {error}", exc_info=error)
        else:
            self._tell()
            log.warning(
                "config.reloaded", by="the core", outcome="applied late", sha256=fingerprint(self._values)
            )

    def _refused(self, by: str, reason: str, **more: Exception) -> None:
        self._metrics.is_config_loaded = False
        log.error("config.reload_refused", by=by, reason=reason, **more)

    async def _reload(self, token: str, is_wanted: Callable[[], bool]) -> Reloaded:
        self._catch_up()
        if self._told is not None:
            raise ReloadRefused(NOT_TAKEN, is_certain=False)  # what this one would change is not known
        try:
            config = await call_aside(self._terms.read, READ_WITHIN_S)
        except TookTooLong as error:
            raise ReloadRefused(f"the file, with the strategies that it names, {error}") from error
        except ConfigError as error:
            raise ReloadRefused(str(error)) from error
        values = flatten(config)
        found, sha256 = changes(self._values, values), fingerprint(values)
        if not found:
            return Reloaded("unchanged", [], sha256)
        self._refuse(found)
        if any(change.effect == "loosens" for change in found):
            confirms = token_of(self._values, values)
            if token != confirms:
                return Reloaded("unconfirmed", found, sha256, confirms, is_word_wrong=token != "")
        tables = await self._prepared(config)
        if not is_wanted():
            raise ReloadRefused(TOO_LATE)
        limits, running = config.limits(), tuple(table.name for table in config.strategies if table.enabled)
        event = e.ConfigChanged(sha256, limits, running, tables, self._terms.now(), config.terms())
        self._terms.emit(event)
        self._told = (config, values, sha256)
        await self._taken(sha256)
        self._catch_up()
        return Reloaded("applied", found, sha256)

    def _refuse(self, found: list[Change]) -> None:
        """Raise ReloadRefused where a change is none for a daemon that runs."""
        if fixed := [str(change) for change in found if change.effect == "restart"]:
            raise ReloadRefused("\n".join(fixed))
        if self._terms.is_bound and (bound := [str(one) for one in found if is_beyond_evidence(one)]):
            raise ReloadRefused("\n".join([BOUND, *bound]))

    async def _prepared(self, config: Config) -> str:
        """Return the text of the strategies that are new or have other terms; empty where there are none."""
        before = {table.name: table for table in self._config.strategies}
        new = tuple(table for table in config.strategies if table.enabled and table != before.get(table.name))
        if not new:
            return ""
        try:
            # An owner's own file is run for it: that may take its time.
            return await call_aside(partial(self._terms.prepare, new), READ_WITHIN_S)
        except TookTooLong as error:
            names = ", ".join(f"strategies.{table.name}" for table in new)
            raise ReloadRefused(f"{names}: {error}") from error
        except ConfigError as error:
            raise ReloadRefused(str(error)) from error

    async def _taken(self, sha256: str) -> None:
        """Wait until the core has it. Raises ReloadRefused when it does not come to that in time."""
        try:
            async with asyncio.timeout(TAKEN_WITHIN_S):
                while self._engine.changes.sha256 != sha256:  # noqa: ASYNC110 - a turn of the pump
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise ReloadRefused(NOT_TAKEN, is_certain=False) from None

    def _catch_up(self) -> None:
        """Go on from what the core has taken in, be it later than anybody waited for it."""
        if self._told is not None and self._engine.changes.sha256 == self._told[2]:
            self._config, self._values, _ = self._told
            self._told, self._is_behind = None, True
        if self._is_behind:
            self._terms.on_taken(self._config)
            self._is_behind = False

    def _tell(self) -> None:
        metrics = self._metrics
        metrics.is_config_loaded, metrics.config_loaded_at = True, self._terms.now()
        metrics.config_sha256 = fingerprint(self._values)


# --- the calls -----------------------------------------------------------------------------------


def routes_of(reloads: Reloads) -> tuple[web.RouteDef, ...]:
    """Return the calls of the control socket."""
    return (
        web.post("/reload", partial(_reload, reloads)),
        web.get("/config", partial(_show, reloads)),
    )


async def _reload(reloads: Reloads, request: web.Request) -> web.Response:
    order = await read_order(request, ReloadOrder)
    try:
        reloaded = await reloads.reload("cli", order.token, partial(is_wanted, order))
    except ReloadRefused as error:
        raise web.HTTPConflict(text=f"{error}\n{UNCHANGED}" if error.is_certain else str(error)) from None
    return web.Response(body=msgspec.json.encode(reloaded), content_type="application/json")


async def _show(reloads: Reloads, _request: web.Request) -> web.Response:
    return web.Response(body=msgspec.json.encode(reloads.in_force), content_type="application/json")


async def ask_reload(folder: Path, order: ReloadOrder, within_s: float) -> Reloaded:
    """Have the daemon of a state folder read its configuration again. Raises as `control.ask`."""
    return await ask_order(folder, "/reload", order, within_s, Reloaded)


async def ask_config(folder: Path, within_s: float) -> InForce:
    """Return what the daemon of a state folder runs under. Raises as `control.ask`."""
    return await ask_for(folder, "/config", InForce, within_s)
