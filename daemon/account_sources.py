"""Who tells a command how the account stands: the daemon, or where none answers the store, as of when."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from daemon.config import Config
from daemon.shell.account_view import AccountView
from daemon.shell.control import Declined, NoAnswer, NoDaemon, Notified, Status, ask, ask_for
from daemon.shell.control_socket import is_closed
from daemon.shell.last_life import begun_mode
from daemon.shell.latch import Latch
from daemon.shell.store import STORE_NAME
from daemon.shell.store.last_known import (
    NOT_RUNNING,
    LastRun,
    last_account,
    last_run,
)
from daemon.shell.store.reading import StoreUnreadable, reading
from daemon.shell.summary import LIVE
from daemon.telling import know_mode, say, time_text

ANSWER_WITHIN_S = 2.0
"""A daemon that does not answer within this hangs."""
NOT_ANSWERING = "not answering"
"""The phase of a daemon that is there, and hangs or is not ours to ask: it may well trade."""


class Seen(msgspec.Struct, frozen=True):
    """An account, and who told it: `source` is "daemon" or "store". `as_of` is UTC."""

    source: str
    as_of: str
    is_live: bool
    account: AccountView
    pid: int | None = None
    """The daemon's process; None where the store told."""
    why_not: str | None = None
    """Why the daemon didn't tell."""


class Standing(msgspec.Struct, frozen=True):
    """The JSON of `kalshid status`."""

    is_running: bool
    mode: str
    is_live: bool
    source: str
    as_of: str | None
    pid: int | None
    phase: str
    is_halted: bool | None
    """None where no daemon told it and the state folder is not ours to look into; so is `is_latched`."""
    halt_reason: str | None
    is_latched: bool | None
    """Whether a halt is on disk: the next start is halted too."""
    is_reconciled: bool
    cash: str | None
    equity: str | None
    pnl: str | None
    pnl_today: str | None
    positions: int | None
    orders: int | None
    fills: int | None
    findings: int | None
    strategies_off: dict[str, str]
    last_run: LastRun | None
    problem: str | None
    """Why no daemon told this; None where one did."""
    notified: Notified | None = None
    """What became of the notices to a person; None where nobody is notified, or no daemon told."""


def store_path(config: Config) -> Path:
    """Return where a configuration's store is."""
    return config.path(config.state_dir) / STORE_NAME


async def mode_of(config: Config) -> str:
    """Return the mode that is traded in: the daemon's, for the file may have been changed since it began.

    Of one that hangs, what it left in its state folder tells. The file's where none runs.
    """
    folder = config.path(config.state_dir)
    try:
        return (await ask(folder, "/status", None, ANSWER_WITHIN_S)).mode
    except NoDaemon:
        return config.mode
    except (NoAnswer, Declined):
        return begun_mode(folder) or config.mode


def know_mode_of(config: Config) -> None:
    """Have told first whether the money is real: by the daemon that runs; and if the file says otherwise."""
    mode = asyncio.run(mode_of(config))
    know_mode(mode)
    if mode not in (config.mode, "tape"):
        say(f'the daemon that runs is in mode = "{mode}"; the file says "{config.mode}"')


async def see(config: Config) -> Seen | str:
    """Return the account as the daemon tells it, else as the store knows it; or why neither does."""
    folder = config.path(config.state_dir)
    try:
        account = await ask_for(folder, "/account", AccountView, ANSWER_WITHIN_S)
        pid = (await ask(folder, "/status", None, ANSWER_WITHIN_S)).pid
    except NoDaemon as problem:
        return _seen_last(config, config.mode, str(problem))
    except (NoAnswer, Declined) as problem:
        return _seen_last(config, begun_mode(folder) or config.mode, str(problem))
    return Seen("daemon", time_text(account.at), account.mode == LIVE, account, pid)


def _seen_last(config: Config, mode: str, problem: str) -> Seen | str:
    try:
        with reading(store_path(config)) as store:
            run = last_run(store, mode)
            if run is None:
                return f'{problem}\nand the store has no run of mode = "{mode}"'
            account = last_account(store, run)
    except StoreUnreadable as error:
        return f"{problem}\n{error}"
    return Seen("store", time_text(account.at), account.mode == LIVE, account, why_not=problem)


async def standing_of(config: Config) -> Standing:
    """Return how the daemon of a configuration stands, or how it was left."""
    folder = config.path(config.state_dir)
    mode: str = config.mode
    now: Status | None = None
    try:
        now = await ask(folder, "/status", None, ANSWER_WITHIN_S)
        seen = await see(config)
    except NoDaemon as error:
        phase, seen = NOT_RUNNING, _seen_last(config, mode, str(error))
    except (NoAnswer, Declined) as error:
        # The file may have been changed since that daemon began: what it left says what it trades.
        mode = begun_mode(folder) or mode
        phase, seen = NOT_ANSWERING, _seen_last(config, mode, str(error))
    else:
        phase, mode = now.phase, now.mode
        if isinstance(seen, str) or seen.source != "daemon":
            phase, now = NOT_ANSWERING, None
    account = None if isinstance(seen, str) else seen.account
    # A latch that can't be read halts a daemon; but whoever may not even look for one knows of none.
    is_unknown = now is None and is_closed(folder)
    latched = None if is_unknown else Latch(folder).read()
    is_latched = None if is_unknown else latched is not None
    problem = seen if isinstance(seen, str) else seen.why_not
    if account is not None:
        mode = account.mode
    return Standing(
        is_running=now is not None,
        mode=mode,
        is_live=mode == LIVE,
        source="nobody" if isinstance(seen, str) else seen.source,
        as_of=None if isinstance(seen, str) else seen.as_of,
        pid=None if now is None else now.pid,
        phase=phase,
        is_halted=is_latched if now is None else now.is_halted,
        halt_reason=(None if latched is None else latched.reason) if now is None else now.halt_reason,
        is_latched=is_latched if now is None else now.is_latched,
        is_reconciled=now is not None and now.is_reconciled,
        cash=None if account is None else account.cash,
        equity=None if account is None else account.equity,
        pnl=None if account is None else account.pnl,
        pnl_today=None if account is None else account.pnl_today,
        positions=None if account is None else sum(bool(float(one.qty)) for one in account.positions),
        orders=None if account is None else len(account.orders),
        fills=None if account is None else account.fills,
        findings=None if account is None else account.findings_total,
        strategies_off={} if now is None else now.strategies_off,
        last_run=_last_run(config, mode),
        problem=problem,
        notified=None if now is None else now.notified,
    )


def _last_run(config: Config, mode: str) -> LastRun | None:
    try:
        with reading(store_path(config)) as store:
            return last_run(store, mode)
    except StoreUnreadable:
        return None
