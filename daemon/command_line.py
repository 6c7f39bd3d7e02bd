"""What all commands share: where the configuration is, and how a command gives up."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

import click

from daemon import exits
from daemon.config import Config, ConfigError, load_config

CONFIG_OPTION = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    default=Path("config.toml"),
    show_default=True,
    help="The configuration file.",
)


def die(message: str, code: int) -> NoReturn:
    """Say what is wrong on stderr and exit by code."""
    click.echo(message, err=True)
    sys.exit(code)


def load_or_die(path: Path) -> Config:
    """Return the configuration, or exit saying all that is wrong with it."""
    try:
        return load_config(path)
    except ConfigError as error:
        die(str(error), exits.CONFIG)
