"""What all commands share: where the configuration is, how a time is written, how a command gives up."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import click

from daemon import exits
from daemon.config import Config, ConfigError, load_config
from daemon.telling import complain, know_mode

CONFIG_OPTION = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    default=Path("config.toml"),
    show_default=True,
    help="The configuration file.",
)


DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(s|m|h)?")
UNIT_S = {"s": 1.0, "m": 60.0, "h": 3600.0}


class Duration(click.ParamType[float]):
    """A length of time: 30s, 5m, 1.5h; a bare number is seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds."""
        match = DURATION.fullmatch(str(value))
        if match is None or float(match.group(1)) == 0:
            self.fail(f"{value!r} is not a duration such as 30s, 5m or 1.5h", param, ctx)
        return float(match.group(1)) * UNIT_S[match.group(2) or "s"]


def die(message: str, code: int) -> NoReturn:
    """Say what is wrong on stderr and exit by code."""
    complain(message)
    sys.exit(code)


def load_or_die(path: Path) -> Config:
    """Return the configuration, or exit saying all that is wrong with it."""
    try:
        config = load_config(path)
    except ConfigError as error:
        for problem in error.problems:
            complain(problem)
        sys.exit(exits.CONFIG)
    know_mode(config.mode)
    return config


@contextmanager
def loading(extra: str = "lab") -> Iterator[None]:
    """Import a part that needs an extra, or exit saying how to install what is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] in ("daemon", "strategies"):
            raise
        die(f"this needs the extra `{extra}` (pip install kalshid[{extra}]): {error}", exits.CONFIG)
