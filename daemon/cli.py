"""The commands. Each is thin: checks what it was given, calls the room that does the work, exits by code."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import time
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Literal

import click
import msgspec

from daemon import exits, preflight
from daemon.account_commands import fills, orders, pnl, positions, status
from daemon.app import App
from daemon.assembly import Setup, build_engine
from daemon.backup_commands import backup
from daemon.command_line import CONFIG_OPTION, Duration, die
from daemon.command_pages import meaning_of
from daemon.config import Config, ConfigError
from daemon.config_commands import checked, config, reload
from daemon.doctor_commands import doctor
from daemon.export_commands import export
from daemon.install_commands import install
from daemon.lab_commands import import_or_die, lab
from daemon.model_commands import model
from daemon.model_slots import models_of_setup
from daemon.owner_commands import cancel_all, flatten, halt, resume
from daemon.reconcile_commands import reconcile
from daemon.reference_commands import completion, man, version
from daemon.report_commands import report
from daemon.scoring.registry import ModelRefused
from daemon.scoring.source import RegistrySource
from daemon.shell import log
from daemon.shell.journal import JournalUnreadable, read_journal
from daemon.shell.replay import replay as replay_journal
from daemon.shell.summary import LIVE, Summary
from daemon.strategy_commands import strategy
from daemon.telling import (
    JSON_LINES_OPTION,
    Program,
    Told,
    complain,
    has_json_words,
    know_mode,
    say,
    say_begun,
    say_json,
    say_mode,
    say_told,
)
from daemon.venue import RunOptions
from daemon.why_commands import explain, why


class Speed(click.ParamType[float | str]):
    """How fast a tape runs: 1, 20, … times real time, or max."""

    name = "speed"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        """Return the factor, or "max"."""
        if value == "max":
            return "max"
        try:
            factor = float(str(value))
        except ValueError:
            factor = 0.0
        if not 0 < factor <= 10_000:
            self.fail(f"{value!r} is neither max nor a factor up to 10000", param, ctx)
        return factor


class SandboxSpeed(Speed):
    """How fast a sandbox's time runs: as a tape's, or manual."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        """Return the factor, "max" or "manual"."""
        return "manual" if value == "manual" else super().convert(value, param, ctx)


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(installed_version("kalshid"), prog_name="kalshid")
def main() -> None:
    """Trade the Kalshi prediction market with a model, in real time, on paper first.

    Start with `kalshid run`: it needs no account and no network.
    """


_COMMANDS = (
    halt, resume, flatten, config, reload, report, model, strategy, backup, install, lab, why, explain,
)  # fmt: skip
for command in _COMMANDS:
    main.add_command(command)
for command in (status, positions, orders, fills, pnl, export, cancel_all, reconcile):
    main.add_command(command)
for command in (doctor, version, completion, man):
    main.add_command(command)


@main.command()
@CONFIG_OPTION
@click.option("--for", "for_s", type=Duration(), help="Stop by itself after this long, such as 30s or 5m.")
@click.option("--summary", type=click.Path(path_type=Path), help="Write what it did to this file, as JSON.")
@click.option(
    "--tape", type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Trade on a recorded tape, or on a folder of recorded parquet files, through the sandbox.",
)  # fmt: skip
@click.option("--speed", type=Speed(), default="max", show_default=True, help="How fast the tape runs.")
@click.option("--session", "sessions", multiple=True, help="Only this recorded session; may be repeated.")
@click.option("--screen/--no-screen", default=None, help="Draw the screen; by default on a terminal.")
@click.option("--live", "is_live", is_flag=True, help="Trade real money: the second switch of mode live.")
@JSON_LINES_OPTION
def run(
    config_path: Path,
    for_s: float | None,
    summary: Path | None,
    tape: Path | None,
    speed: float | str,
    sessions: tuple[str, ...],
    screen: bool | None,
    is_live: bool,
    is_json: bool,
) -> None:
    """Run the daemon: connect, reconcile, trade, until Ctrl-C.

    In mode "sandbox" (the default) it starts the exchange that ships with it. Ctrl-C cancels every
    resting order, waits for the confirmations, reconciles, and exits 0. The last line of --json has what
    --summary writes.
    """
    if screen and is_json:
        raise click.UsageError("--screen and --json both want standard output: give one of them")
    config = checked(config_path)
    mode = config.mode if tape is None else "tape"
    has_screen = not is_json and (sys.stdout.isatty() if screen is None else screen)
    stream = _log_file(config).open("a", encoding="utf-8") if has_screen else None
    log.configure(config.log.level, config.log.format, stream)
    options = RunOptions(
        for_s=for_s,
        summary_path=summary,
        tape=None if tape is None else _tape(tape, config),
        speed=None if speed == "max" else float(speed),
        sessions=sessions,
        has_screen=has_screen,
        is_live=is_live,
        is_json=is_json,
    )
    if is_json:
        say_begun(_begun(config, config_path, mode))
    elif not has_screen:
        say_mode(mode)
    app = App(config, str(config_path), options)
    code = asyncio.run(app.run())
    if is_json:
        say_json(_ended(mode, code, app.outcome), is_line=True)
    sys.exit(code)


class Begun(msgspec.Struct, frozen=True):
    """The first line of `kalshid run --json`. `metrics` and `page` are addresses; None where it is off."""

    mode: str
    is_live: bool
    pid: int
    version: str
    config: str
    state_dir: str
    metrics: str | None
    page: str | None


class Ended(Told):
    """The last line of `kalshid run --json`: as of every command, and what the run did, if it began."""

    summary: Summary | None = None


def _begun(config: Config, config_path: Path, mode: str) -> Begun:
    return Begun(
        mode, mode == LIVE, os.getpid(), installed_version("kalshid"), str(config_path),
        str(config.path(config.state_dir)), config.metrics.listen or None, config.page.listen or None,
    )  # fmt: skip


def _ended(mode: str, code: int, outcome: Summary | str | None) -> Ended:
    """Return how a run ended; the words for its code where nobody said more."""
    if isinstance(outcome, Summary):
        return Ended(mode, code, error=meaning_of(code) if code else None, summary=outcome)
    return Ended(mode, code, error=outcome)


def _log_file(config: Config) -> Path:
    """Where the log goes while the screen has the terminal."""
    folder = config.path(config.state_dir)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "kalshid.log"


def _tape(source: Path, config: Config) -> Path:
    """Return a folder in the tape format: the source itself, or what is imported from its parquet files."""
    if (source / "manifest.json").is_file():
        return source
    if not any(source.glob("*.parquet")):
        die(f"{source}: neither a tape (manifest.json) nor recorded parquet files", exits.BAD_INPUT)
    # Some seconds for all sessions, and then never again: the sandbox plays the chosen ones.
    # Two folders of one name are two tapes: the whole path tells them apart.
    place = source.resolve()
    name = f"{place.name}-{hashlib.sha256(bytes(place)).hexdigest()[:8]}"
    target = config.path(config.state_dir) / "tapes" / name
    if not (target / "manifest.json").is_file():
        click.echo(import_or_die(source, target, ()), err=True)
    return target


@main.command()
@CONFIG_OPTION
@has_json_words
def check(config_path: Path) -> None:
    """Check configuration, strategies, model, key, clock and limits, without trading.

    Asks the venue one signed question, but in mode sandbox. Exits 0 when everything is usable, 78 when
    something is not, naming it, and 69 when the venue can't be reached. What passed is written into the state
    folder: mode live asks for it.
    """
    config = checked(config_path)
    findings = asyncio.run(preflight.check(config, config_path, time.time_ns))
    for finding in findings:
        (complain if finding.outcome == "FAIL" else say)(str(finding))
    codes = [finding.code for finding in findings if finding.outcome == "FAIL"]
    if codes:
        sys.exit(exits.CONFIG if exits.CONFIG in codes else codes[0])


@main.command()
@click.argument("journal", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--model", "moved", type=click.Path(path_type=Path), multiple=True,
              help="Model folder, if it has moved; may be repeated.")  # fmt: skip
@has_json_words
def replay(journal: Path, moved: tuple[Path, ...]) -> None:
    """Run a JOURNAL through the core again and say whether every command is identical.

    Models are looked for where that run had them, from this folder, and known by their sha256; those that
    were swapped in too. Exits 0 when it is, 65 when it is not or can't be read.
    """
    try:
        file = read_journal(journal)
        know_mode(file.header.instance)
        setup = msgspec.msgpack.decode(file.header.engine, type=Setup)
        source = RegistrySource(moved)
        models = models_of_setup(setup, source)
        result = replay_journal(build_engine(setup, models, source=source), file)
    except (JournalUnreadable, ModelRefused, ConfigError, msgspec.DecodeError) as error:
        die(f"{journal}: {error}", exits.BAD_INPUT)
    torn = ", its last record is torn" if file.is_torn else ""
    say(f"{journal}: {result.events} events, {result.decisions} decisions, {result.commands} commands{torn}")
    if result.is_identical:
        say("identical: every decision gives the recorded commands")
        return
    for difference in result.differences:
        complain(difference)
    die(f"DIFFERENT: {result.different} of {result.decisions} decisions", exits.BAD_INPUT)


@main.command()
@click.option("--state", type=click.Path(path_type=Path), default=Path("var/sandbox"), show_default=True,
              help="Where its account and keys are kept.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on 127.0.0.1; 0 takes any.")
@click.option("--admin-port", type=click.IntRange(0, 65535), default=0,
              help="Port of the admin endpoint on 127.0.0.1; 0 takes any.")  # fmt: skip
@click.option("--keys", type=click.Path(path_type=Path, file_okay=False),
              help="Where the client's keys are kept, and made; by default with the state.")  # fmt: skip
@click.option("--world", type=click.Choice(["traders", "still"]), default="traders", show_default=True,
              help="Simulated traders, or nothing but what the admin endpoint makes.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the traders.")
@click.option("--cash", type=click.IntRange(1), default=10_000, show_default=True, help="Dollars.")
@click.option("--idle-exit", "idle_exit_s", type=Duration(), help="Stop when alone for so long.")
@click.option("--tape", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Replay a tape.")
@click.option("--speed", type=SandboxSpeed(), default="1", show_default=True,
              help="Times real time; max (tapes); manual: moved by the admin endpoint.")  # fmt: skip
@click.option("--session", "sessions", multiple=True, help="Only this recorded session; may be repeated.")
@click.option("--faults", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="A TOML file of faults that are in force from the start.")  # fmt: skip
@click.option("--read-lag-ms", type=click.IntRange(0, 60_000), default=300, show_default=True,
              help="How far the account's reads run behind what happened.")  # fmt: skip
@click.option("--maintenance/--no-maintenance", "has_maintenance", default=None,
              help="Be closed Thursdays 03:00-05:00 in New York; by default with traders only.")  # fmt: skip
@JSON_LINES_OPTION
def sandbox(
    state: Path,
    port: int,
    admin_port: int,
    keys: Path | None,
    world: Literal["traders", "still"],
    seed: int,
    cash: int,
    idle_exit_s: float | None,
    tape: Path | None,
    speed: float | Literal["max", "manual"],
    sessions: tuple[str, ...],
    faults: Path | None,
    read_lag_ms: int,
    has_maintenance: bool | None,
    is_json: bool,  # noqa: ARG001 - its first line is JSON anyhow; the last one is told where it is wanted
) -> None:
    """Run the exchange that ships with kalshid, alone, for any client.

    It speaks Kalshi's REST and WebSocket protocol on 127.0.0.1. When it listens it prints one JSON line
    with its addresses and the keys to sign with; commands whose state folder has it as `sandbox` find it,
    such as `kalshid lab ingest`. GET / on its admin address lists what an operator can do:
    make markets, move the clock, pause, settle, inject faults.
    """
    # The daemon itself never loads the exchange.
    from daemon.sandbox.launch import LaunchFailed, launch  # noqa: PLC0415

    log.configure()
    try:
        launch(
            state=state,
            port=port,
            seed=seed,
            cash_dollars=cash,
            idle_exit_s=idle_exit_s,
            tape=tape,
            speed=speed,
            sessions=sessions,
            world=world,
            admin_port=admin_port,
            keys=keys,
            faults=faults,
            read_lag_ms=read_lag_ms,
            has_maintenance=has_maintenance,
        )
    except LaunchFailed as error:
        die(str(error), exits.UNAVAILABLE)
    say_told(is_line=True)
