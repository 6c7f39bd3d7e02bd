"""`kalshid backup`: the state folder as one file, also while the daemon runs."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import click

from daemon import exits
from daemon.account_sources import know_mode_of
from daemon.backup import NothingToKeep, back_up
from daemon.command_line import CONFIG_OPTION, die, load_or_die
from daemon.telling import has_json_words, say


@click.command()
@CONFIG_OPTION
@click.argument("target", type=click.Path(path_type=Path, file_okay=False))
@click.option("--keep", type=click.IntRange(1), help="Delete all but so many of the newest; by default none.")
@has_json_words
def backup(config_path: Path, target: Path, keep: int | None) -> None:
    """Copy journals, store, halt and evidence into one file in TARGET, also while the daemon runs.

    Keys are not in it. To restore, stop the daemon and `tar -xzf FILE -C` its state folder. Exits 65 when
    there is nothing to keep, 74 when it can't be written.
    """
    config = load_or_die(config_path)
    know_mode_of(config)
    state_dir = config.path(config.state_dir)
    try:
        path = back_up(state_dir, target, time.time(), keep)
    except NothingToKeep as error:
        die(str(error), exits.BAD_INPUT)
    except (OSError, sqlite3.Error) as error:
        die(f"no backup: {error}", exits.UNRECORDED)
    say(f"{path}: {path.stat().st_size:,} bytes")
