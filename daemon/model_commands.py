"""`kalshid model`: which model scores, told to a daemon that runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from daemon import exits
from daemon.command_line import CONFIG_OPTION, die, load_or_die
from daemon.core.models import DEFAULT
from daemon.shell import log
from daemon.shell.control import Declined, NoAnswer, NoDaemon, SwapOrder, ask_swap

SWAPPED_WITHIN_S = 60.0
"""A child process looks at the model first, and a large one takes its time to load."""


@click.group()
def model() -> None:
    """The models that score."""


@model.command()
@CONFIG_OPTION
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--slot", default=DEFAULT, show_default=True,
              help="What it replaces: default, a name of [model.named], or challenger.")  # fmt: skip
def swap(config_path: Path, folder: Path, slot: str) -> None:
    """Let the running daemon score with the model in FOLDER from now on.

    Between two decisions, without a restart; the next start reads the configuration again. Exits 65 when the
    model is refused (the old one goes on), 69 when no daemon answers.
    """
    config = load_or_die(config_path)
    log.configure()
    state_dir = config.path(config.state_dir)
    order = SwapOrder(str(folder.resolve()), slot)
    try:
        swapped = asyncio.run(ask_swap(state_dir, order, SWAPPED_WITHIN_S))
    except Declined as problem:
        die(f"not swapped: {problem}", exits.BAD_INPUT)
    except (NoDaemon, NoAnswer) as problem:
        die(f"{problem}\nnot swapped, as far as is known", exits.UNAVAILABLE)
    key = {DEFAULT: "model.path", "challenger": "model.challenger"}.get(slot, f"model.named.{slot}")
    click.echo(f"{slot}: {swapped.old or 'none'} -> {swapped.new} (sha256 {swapped.sha256[:12]})")
    click.echo(f"to keep it, write its folder to {key} in {config_path}")
