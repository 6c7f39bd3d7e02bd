"""`kalshid lab serve`: the registry's models, asked over HTTP."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click
import msgspec

from daemon import exits
from daemon.command_line import die, loading
from daemon.shell import log
from daemon.telling import JSON_LINES_OPTION, complain, say, say_begun, say_told


class Listening(msgspec.Struct, frozen=True):
    """The first line of `kalshid lab serve --json`."""

    address: str
    pid: int
    models: str


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True,
              help="Address to listen on; any but a loopback one lets others ask.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=8485, show_default=True, help="0 takes any.")
@click.option("--models", type=click.Path(path_type=Path, exists=True, file_okay=False),
              default=Path("models"), show_default=True, help="The registry.")  # fmt: skip
@JSON_LINES_OPTION
def serve(host: str, port: int, models: Path, is_json: bool) -> None:
    """Answer predictions of the registry's models over HTTP, with a page at /.

    GET /predict?RET_1=... asks the champion of the daily line, or else the newest model. A new champion
    answers without a restart. It reads the registry and can trade nothing. Exits 73 when the address is
    taken.
    """
    with loading():
        from daemon.lab.serve.server import (  # noqa: PLC0415 - the daemon starts without the lab
            ServeFailed,
            is_loopback,
        )
        from daemon.lab.serve.server import serve as answer  # noqa: PLC0415
    log.configure()
    if not is_loopback(host):
        complain(
            f"warning: {host} can be reached by others, who may ask every model of {models} without a"
            " password; a reverse proxy with one is the place for that"
        )

    def tell(address: str) -> None:
        if is_json:
            say_begun(Listening(address, os.getpid(), str(models)))
        else:
            say(f"listening on {address}")

    try:
        asyncio.run(answer(models, host, port, tell))
    except ServeFailed as error:
        die(str(error), exits.TAKEN)
    say_told(is_line=True)
