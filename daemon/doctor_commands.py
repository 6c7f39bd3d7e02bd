"""`kalshid doctor`: is this machine, installation and configuration fit to trade, and if not, what to do."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import click
import msgspec

from daemon import exits
from daemon.command_line import CONFIG_OPTION, load_or_die
from daemon.doctor import Diagnosis, examine
from daemon.shell.summary import LIVE
from daemon.telling import JSON_OPTION, say, say_json


class Examined(msgspec.Struct, frozen=True):
    """The JSON of `kalshid doctor`."""

    mode: str
    is_live: bool
    is_well: bool
    """Whether no line is a FAIL."""
    lines: list[Diagnosis]


@click.command()
@CONFIG_OPTION
@JSON_OPTION
def doctor(config_path: Path, is_json: bool) -> None:
    """Look at machine, installation, configuration, venue and daemon; say what is wrong and what to do.

    Trades nothing, writes nothing, and needs no daemon. Exits 0 without a FAIL (also with warnings), else by
    the gravest one: 78 what a person has to mend, 74 no room on disk, 69 nobody answers, 65 a damaged store.
    """
    config = load_or_die(config_path)
    lines = asyncio.run(examine(config, config_path, time.time_ns))
    failed = [line for line in lines if line.outcome == "FAIL"]
    code = exit_code(failed) if failed else exits.OK
    if is_json:
        error = "\n".join(f"{line.subject}: {line.text}" for line in failed)
        say_json(Examined(config.mode, config.mode == LIVE, not failed, lines), code=code, error=error)
    else:
        for line in lines:
            say(_words(line))
        warned = sum(line.outcome == "warn" for line in lines)
        say(f"{len(lines)} looked at, {warned} warnings, {len(failed)} failures")
    sys.exit(code)


def exit_code(failed: list[Diagnosis]) -> int:
    """Return the code of the gravest failure: what a restart won't mend comes first."""
    codes = {line.code for line in failed}
    order = (exits.CONFIG, exits.UNRECORDED, exits.UNAVAILABLE, exits.BAD_INPUT)
    return next(code for code in order if code in codes)


def _words(line: Diagnosis) -> str:
    colour = {"ok": "green", "warn": "yellow", "FAIL": "red"}[line.outcome]
    text = f"{line.subject:<11} {click.style(f'{line.outcome:<5}', fg=colour)} {line.text}"
    return text if line.remedy is None else f"{text}\n{'':<17} -> {line.remedy}"
