"""`kalshid config` and `kalshid reload`: what the file says, what is in force, and the one to the other."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import get_args

import click
import msgspec

from daemon import exits
from daemon.account_sources import know_mode_of
from daemon.assembly import check_strategies
from daemon.command_line import CONFIG_OPTION, die, load_or_die
from daemon.config import Config, state_folder
from daemon.config_profiles import PROFILES, Profile
from daemon.config_report import DEFAULT, effective
from daemon.live_guard import config_refusals
from daemon.reloading import Change, changes, fingerprint, flatten
from daemon.shell import log
from daemon.shell.control import Declined, NoAnswer, NoDaemon
from daemon.shell.reloads import Reloaded, ReloadOrder, ask_config, ask_reload
from daemon.telling import JSON_OPTION, has_json_words, say, say_json, say_mode

ANSWERED_WITHIN_S = 5.0
RELOADED_WITHIN_S = 30.0
"""A strategy of the owner's own is run to be built, and takes its time."""


class _Checked(msgspec.Struct, frozen=True):
    mode: str
    sha256: str
    before_real_money: list[str] = []
    """What mode "live" still wants of the file; others want nothing."""


class _Differences(msgspec.Struct, frozen=True):
    running_sha256: str
    file_sha256: str
    changes: list[Change]


@click.group()
def config() -> None:
    """The configuration: check it, show it, compare it with the daemon's, begin one."""


def checked(path: Path) -> Config:
    """Return a configuration with its strategies checked, or exit saying all that is wrong with it."""
    found = load_or_die(path)
    if problems := check_strategies(str(path), found.strategies, found.strategy_folder):
        die("\n".join(problems), exits.CONFIG)
    return found


@config.command()
@CONFIG_OPTION
@JSON_OPTION
def check(config_path: Path, is_json: bool) -> None:
    """Say all that is wrong with the file, each with its line, or that nothing is.

    Of mode "live" also what a person has still to write before real money is traded.
    Asks a running daemon for its mode, and nobody else: `kalshid check` tries model, key and venue. Exits 78
    when something is wrong.
    """
    found = checked(config_path)
    wanting = config_refusals(found, config_path) if found.mode == "live" else []
    result = _Checked(found.mode, fingerprint(flatten(found)), wanting)
    if is_json:
        say_json(result)
    else:
        know_mode_of(found)
        say(f'{config_path}: usable; mode = "{result.mode}", sha256 {result.sha256[:12]}')
        for reason in wanting:
            say(f"before real money: {reason}")
        if found.mode == "live" and not wanting:
            say("before real money: `kalshid check`, and then `kalshid run --live`")


@config.command()
@CONFIG_OPTION
@click.option("--effective", "has_defaults", is_flag=True, help="Defaults too, not only what is written.")
@click.option("--origin", "has_origin", is_flag=True, help="Say which line each value is from.")
@JSON_OPTION
def show(config_path: Path, has_defaults: bool, has_origin: bool, is_json: bool) -> None:
    """Show the values that the file gives. What names an account is shown as a fingerprint."""
    found = checked(config_path)
    values = [one for one in effective(str(config_path), found) if has_defaults or one.origin != DEFAULT]
    if is_json:
        say_json(values)
        return
    know_mode_of(found)
    for one in values:
        origin = f"    # {one.origin}" if has_origin else ""
        say(f"{one.key} = {msgspec.json.encode(one.value).decode()}{origin}")


@config.command()
@CONFIG_OPTION
@JSON_OPTION
def diff(config_path: Path, is_json: bool) -> None:
    """Compare the file with what the daemon runs under, and say what a reload would do.

    Exits 69 when no daemon answers.
    """
    found = checked(config_path)
    log.configure()
    try:
        running = asyncio.run(ask_config(found.path(found.state_dir), ANSWERED_WITHIN_S))
    except (NoDaemon, NoAnswer, Declined) as problem:
        die(str(problem), exits.UNAVAILABLE)
    values = flatten(found)
    result = _Differences(running.sha256, fingerprint(values), changes(running.values, values))
    if is_json:
        say_json(result)
        return
    say_mode(str(running.values["mode"]))
    for change in result.changes:
        say(str(change))
    if not result.changes:
        say(f"no difference: the daemon runs under this file, sha256 {result.file_sha256[:12]}")


@config.command()
@click.option("--profile", type=click.Choice(get_args(Profile)), default="sandbox", show_default=True,
              help="The mode that it is for.")  # fmt: skip
@has_json_words
def new(profile: Profile) -> None:
    """Print a short file to begin with: `kalshid config new --profile shadow > config.toml`.

    Every other key has its default; the shipped config.toml and daemon/CONFIG.md name them all.
    """
    say(PROFILES[profile].removesuffix("\n"))


@click.command()
@CONFIG_OPTION
@click.option("--loosen", "token", default="", metavar="WORD",
              help="Confirm limits that loosen, by the word that the first try says.")  # fmt: skip
@JSON_OPTION
def reload(config_path: Path, token: str, is_json: bool) -> None:
    """Bring the configuration into force in the running daemon, whole or not at all.

    Between two decisions: windows, positions and orders stay. Exits 78 when nothing was changed: the file is
    wrong, a key needs a restart, or a limit would loosen and is not confirmed. 69 when no daemon answers.
    """
    # A file that is wrong is the daemon's to refuse: it has to count it, too.
    log.configure()
    try:
        folder = state_folder(config_path)
        # The daemon's own: the file may name another one by now.
        say_mode(str(asyncio.run(ask_config(folder, ANSWERED_WITHIN_S)).values["mode"]))
        reloaded = asyncio.run(ask_reload(folder, ReloadOrder(token), RELOADED_WITHIN_S))
    except Declined as problem:
        die(str(problem), exits.CONFIG)
    except (NoDaemon, NoAnswer) as problem:
        die(f"{problem}\nnot reloaded, as far as is known", exits.UNAVAILABLE)
    objection = _unconfirmed(reloaded, config_path, token)
    if is_json:
        say_json(reloaded, code=exits.OK if objection is None else exits.CONFIG, error=objection)
    else:
        for change in reloaded.changes:
            say(str(change))
    if objection is not None:
        die(objection, exits.CONFIG)
    if not is_json:
        say(f"{reloaded.outcome}: sha256 {reloaded.sha256[:12]}")


def _unconfirmed(reloaded: Reloaded, config_path: Path, token: str) -> str | None:
    """Return why nothing was changed: limits would loosen, and how to confirm it; None where it was."""
    if reloaded.token is None:
        return None
    wrong = (
        f"{token} is not the word of this change: another file, or another daemon, has another one\n"
        if reloaded.is_word_wrong
        else ""
    )
    confirm = f"kalshid reload --config {config_path} --loosen {reloaded.token}"
    return f"{wrong}not reloaded: limits would loosen; to confirm: {confirm}"
