"""`kalshid halt`, `resume`, `flatten`, `cancel-all`: told to a daemon that runs, hangs, or is not there.

`halt` needs nobody's help. Whoever does not answer within two seconds is not waited for: the halt is put on
disk and what is ours is cancelled over REST, with the configuration's key, by this process alone.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click
import structlog

from daemon import exits
from daemon.account_sources import ANSWER_WITHIN_S, know_mode_of
from daemon.command_line import CONFIG_OPTION, die, load_or_die
from daemon.config import Config, ConfigError, load_config, state_folder
from daemon.emergency import Sweep, cancel_ours
from daemon.kalshi.auth import Signer, load_private_key
from daemon.kalshi.errors import KalshiError
from daemon.kalshi.rest import Rest
from daemon.shell import log as logging
from daemon.shell.clock import SystemClock
from daemon.shell.control import (
    SLIPPAGE_CENTS,
    Declined,
    FlattenOrder,
    HaltOrder,
    NoAnswer,
    NoDaemon,
    ResumeOrder,
    Status,
    ask,
)
from daemon.shell.last_life import begun_mode, left_elsewhere
from daemon.shell.latch import REASON_CHARS_MAX, Halt, Latch, LatchFailed, instant_text, one_line
from daemon.shell.lock import FolderLock, FolderTaken
from daemon.telling import complain, has_json_words, know_mode, say
from daemon.venue import running_venue

log = structlog.get_logger(__name__)

CANCELS_WITHIN_S = 10.0
"""How long the daemon may take to cancel what rests before this process does."""
SWEEP_WITHIN_S = 20.0
FLAT_WITHIN_S = 30.0
LOOK_S = 0.2


@click.command()
@CONFIG_OPTION
@click.argument("words", metavar="[REASON]...", nargs=-1)
@click.option("--reason", default="", help="Why; the words behind `halt` do as well.")
@has_json_words
def halt(config_path: Path, words: tuple[str, ...], reason: str) -> None:
    """Stop trading at once, and cancel everything of ours, until `kalshid resume`.

    Works without the daemon too, and when it hangs. The halt is on disk: a restart does not end it. Exits 0
    when nothing of ours rests any more, 75 when that is not confirmed, 74 when the halt is not on disk.
    With a wrong configuration it still tells the daemon, or the disk, and cancels nothing by itself: 75.
    """
    # Nothing that is wrong with the words or the file is a reason to go on trading.
    why = one_line(" ".join([reason, *words])) or "kalshid halt"
    logging.configure()
    try:
        config = load_config(config_path)
    except ConfigError as error:
        complain(f"{error}\nthe configuration is wrong: halting by what can be read of it")
        folder = state_folder(config_path)
        if not folder.is_dir():
            die(f"NOT HALTED: there is no state folder {folder}; name the file by --config", exits.CONFIG)
        sys.exit(asyncio.run(_halt_unconfigured(folder, why)))
    know_mode(config.mode)
    sys.exit(asyncio.run(_halt(config, why)))


@click.command()
@CONFIG_OPTION
@click.option("--reason", required=True, help="Why it is right to trade again.")
@has_json_words
def resume(config_path: Path, reason: str) -> None:
    """Lift a halt, for a reason.

    Exits 0 when it is lifted, 69 when a daemon holds the state folder and does not answer.
    """
    config = load_or_die(config_path)
    if not _checked(reason):
        die("--reason: a halt is lifted for a reason: it is empty", exits.USAGE)
    logging.configure()
    know_mode_of(config)
    sys.exit(asyncio.run(_resume(config, reason)))


@click.command()
@CONFIG_OPTION
@click.option("--slippage-cents", type=click.IntRange(0, 99), default=SLIPPAGE_CENTS, show_default=True,
              help="How far from the best price an order that closes may trade.")  # fmt: skip
@has_json_words
def flatten(config_path: Path, slippage_cents: int) -> None:
    """Halt, and close all positions by orders that only reduce.

    What is flat stays flat until `kalshid resume`. Exits 0 when no position is left, 75 when one is left
    after 30 seconds (the daemon goes on closing), 69 when no daemon answers. Where none runs, and the last
    run may have left orders where the file no longer leads, the state folder is halted: 75.
    """
    config = load_or_die(config_path)
    logging.configure()
    know_mode_of(config)
    sys.exit(asyncio.run(_flatten(config, slippage_cents)))


@click.command("cancel-all")
@CONFIG_OPTION
@has_json_words
def cancel_all(config_path: Path) -> None:
    """Cancel everything of ours that rests at the venue.

    A daemon that runs would place it anew: so it is halted, until `kalshid resume`. Where none runs nothing
    is halted: the next start trades, unless the last run may have left orders where the file no longer leads
    (75). The owner's own orders are never touched. Exits 0 when nothing of ours
    rests any more, 75 when that is not confirmed, 74 when the halt is not on disk.
    """
    config = load_or_die(config_path)
    logging.configure()
    sys.exit(asyncio.run(_cancel_all(config)))


# --- halt ----------------------------------------------------------------------------------------


async def _halt(config: Config, reason: str) -> int:
    folder = config.path(config.state_dir)
    try:
        status = await _tell_halt(folder, reason)
    except NoDaemon as problem:
        words = f"{problem}\nhalting without it"
        with suppress(LatchFailed):  # told below; first of all, before anything is looked up
            _write_latch(folder, reason)
        if (code := _halt_left(config, folder, reason, words)) is not None:
            return code
        complain(words)
        return await _cancel_alone(config, _latch(folder, reason))
    except (NoAnswer, Declined) as problem:
        return await _halt_hanging(config, folder, reason, f"{problem}\nhalting without it")
    return _halted(status)


async def _halt_unconfigured(folder: Path, reason: str) -> int:
    """Halt the daemon of a state folder, or at least the folder: nobody knows where the venue is."""
    try:
        return _halted(await _tell_halt(folder, reason))
    except (NoDaemon, NoAnswer, Declined) as problem:
        complain(str(problem))
    latched = _latch(folder, reason)
    complain("NOT CANCELLED: put the configuration right, and say `kalshid halt` again")
    return latched or exits.UNCONFIRMED


async def _tell_halt(folder: Path, reason: str) -> Status:
    """Tell the daemon, and return its status when nothing of ours rests.

    Raises:
        NoDaemon: nobody listens.
        NoAnswer: it does not answer, or its answer is not that.
        Declined: it said no.
    """
    status = await ask(folder, "/halt", HaltOrder(reason), ANSWER_WITHIN_S)
    know_mode(status.mode)  # the file may have been changed since the daemon began
    if not status.is_halted:
        raise NoAnswer("the daemon heard it, and its core has not taken it in")
    # Before the account is reconciled it may not know of what a life before it left.
    status = await _until(folder, lambda now: not now.orders and now.is_reconciled, CANCELS_WITHIN_S)
    if status.orders:
        raise NoAnswer(f"the daemon halted, and {len(status.orders)} orders are still open")
    if not status.is_reconciled:
        raise NoAnswer("the daemon halted, and does not know what rests: its account is not reconciled")
    return status


def _halted(status: Status) -> int:
    """Say what a halted daemon says."""
    if not status.is_latched:
        complain("halted, nothing of ours rests; but the halt is not on disk")
        return exits.UNRECORDED
    say("halted, and on disk; nothing of ours rests")
    return exits.OK


def _latch(folder: Path, reason: str) -> int:
    try:
        _write_latch(folder, reason)
    except LatchFailed as error:
        complain(f"NOT on disk: {error}")
        return exits.UNRECORDED
    say(f"halted, on disk: {Latch(folder).path}")
    return exits.OK


def _write_latch(folder: Path, reason: str) -> None:
    Latch(folder).write(Halt(one_line(reason), "cli", instant_text(time.time_ns())))


async def _cancel_all(config: Config) -> int:
    folder = config.path(config.state_dir)
    try:
        return _halted(await _tell_halt(folder, "kalshid cancel-all"))
    except NoDaemon as problem:
        if (code := _halt_left(config, folder, "kalshid cancel-all", str(problem))) is not None:
            return code
        complain(str(problem))
        return await _cancel_alone(config, exits.OK)
    except (NoAnswer, Declined) as problem:
        words = f"{problem}\nhalting without it: it may wake up"
        return await _halt_hanging(config, folder, "kalshid cancel-all", words)


async def _halt_hanging(config: Config, folder: Path, reason: str, problem: str) -> int:
    """Halt beside a daemon that is there, and cancel what is ours where it trades."""
    mode = begun_mode(folder)
    if mode in (None, "tape", config.mode):
        complain(problem)
        return await _cancel_alone(config, _latch(folder, reason))
    know_mode(mode)
    complain(problem)
    latched = _latch(folder, reason)
    # The file leads to another exchange: that nothing rests there would say nothing.
    complain(
        f'NOT CANCELLED: the daemon was begun with mode = "{mode}", and the file says "{config.mode}":'
        " say it again with the file that it was begun with"
    )
    return latched or exits.UNCONFIRMED


def _halt_left(config: Config, folder: Path, reason: str, problem: str) -> int | None:
    """Halt where nobody runs, and the last life may have left orders where the file no longer leads.

    Return the exit code, or None where it left nothing there.
    """
    if (left := left_elsewhere(folder, config.mode)) is None:
        return None
    mode, ended = left
    know_mode(mode)
    complain(problem)
    latched = _latch(folder, reason)
    complain(
        f'NOT CANCELLED: the last run was {mode.upper()}, and {ended}; the file says "{config.mode}" by now:'
        " say it again with the file that it was begun with"
    )
    return latched or exits.UNCONFIRMED


async def _cancel_alone(config: Config, code: int) -> int:
    """Cancel what is ours over REST; return `code` where nothing of ours rests any more."""
    try:
        sweep = await _sweep(config)
    except (KalshiError, OSError) as error:
        complain(f"NOT CANCELLED: {error}")
        return exits.UNCONFIRMED
    if sweep is None:
        say("no exchange has anything of ours: nothing trades")
        return code
    if not sweep.is_confirmed:
        complain(f"cancelled {sweep.cancelled} orders; NOT CONFIRMED: {sweep.problem}")
        for line in sweep.left or ():
            complain(f"still listed: {line}")
        return exits.UNCONFIRMED
    say(f"cancelled {sweep.cancelled} orders; nothing of ours rests")
    return code


async def _sweep(config: Config) -> Sweep | None:
    """Cancel what is ours; None when there is no exchange. Raises KalshiError or OSError."""
    address = await running_venue(config)
    if address is None:
        return None
    signer = Signer(address.key_id, load_private_key(address.private_key_file))
    timeout_s = config.venue.request_timeout_s
    async with Rest(
        address.rest_url, signer, SystemClock().now, read_timeout_s=timeout_s, write_timeout_s=timeout_s
    ) as rest:
        return await cancel_ours(rest, f"{config.orders.id_prefix}-", SWEEP_WITHIN_S)


async def _until(folder: Path, is_so: Callable[[Status], bool], within_s: float) -> Status:
    """Ask for the status until something is true of it, or the time is up. Raises NoDaemon, NoAnswer."""
    deadline = time.monotonic() + within_s
    while True:
        status = await ask(folder, "/status", None, ANSWER_WITHIN_S)
        if is_so(status) or time.monotonic() >= deadline:
            return status
        await asyncio.sleep(LOOK_S)


# --- resume and flatten --------------------------------------------------------------------------


async def _resume(config: Config, reason: str) -> int:
    folder = config.path(config.state_dir)
    try:
        status = await ask(folder, "/resume", ResumeOrder(reason), ANSWER_WITHIN_S)
    except NoDaemon:
        return _lift_alone(folder, reason)
    except (NoAnswer, Declined) as problem:
        complain(f"not resumed: {problem}")
        return exits.UNAVAILABLE
    if status.is_halted:
        complain(f"the daemon is still halted: {status.halt_reason}")
        return exits.UNAVAILABLE
    say(f"resumed: phase {status.phase}")
    return exits.OK


def _lift_alone(folder: Path, reason: str) -> int:
    """Lift the halt on disk where no daemon runs: one that starts, or hangs, still has it in memory."""
    latch = Latch(folder)
    halt = latch.read()
    if halt is None:
        say("no halt is on disk, and no daemon runs")
        return exits.OK
    try:
        lock = FolderLock.take(folder / "journal")
    except FolderTaken as error:
        complain(f"not resumed: {error}, and it does not answer")
        return exits.UNAVAILABLE
    except OSError as error:
        complain(f"not resumed: {error}")
        return exits.UNRECORDED
    try:
        latch.lift()
    except LatchFailed as error:
        complain(f"not resumed: {error}")
        return exits.UNRECORDED
    finally:
        lock.release()
    log.warning("halt.lifted", reason=one_line(reason), user=_user(), halt=halt.reason, since=halt.at)
    say(f"lifted: {halt.reason} (by {halt.by}, since {halt.at or 'unknown'})")
    return exits.OK


async def _flatten(config: Config, slippage_cents: int) -> int:
    folder = config.path(config.state_dir)
    order = FlattenOrder(slippage_cents=slippage_cents)
    try:
        await ask(folder, "/flatten", order, ANSWER_WITHIN_S)
        status = await _until(
            folder, lambda now: now.is_reconciled and not (now.positions or now.orders), FLAT_WITHIN_S
        )
    except (NoDaemon, NoAnswer, Declined) as problem:
        words = f"{problem}\nonly a running daemon can close positions: `kalshid halt` cancels"
        if isinstance(problem, NoDaemon):
            code = _halt_left(config, folder, "kalshid flatten", words)
            if code is not None:
                return code
        complain(words)
        return exits.UNAVAILABLE
    for ticker, qty in status.positions.items():
        complain(f"still held: {qty} {ticker}")
    for line in status.orders:
        complain(f"still open: {line}")
    if not status.is_reconciled:
        complain("the account is not reconciled: there may be more")
    if status.positions or status.orders or not status.is_reconciled:
        return exits.UNCONFIRMED
    say("flat, and halted until `kalshid resume`")
    return exits.OK


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())  # one that this machine has no name for, as in a container


def _checked(reason: str) -> str:
    """Return a reason on one line, or exit where it is too long to be kept whole."""
    if len(reason) > REASON_CHARS_MAX:
        die(f"the reason is longer than {REASON_CHARS_MAX} characters", exits.USAGE)
    return one_line(reason)
