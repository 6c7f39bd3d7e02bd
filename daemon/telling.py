"""How commands tell: PAPER or LIVE first, then words for people, or one JSON object with `--json`.

A command that reads has a JSON of its own. One that does something tells in words; with `--json` the same
words, its exit code and its mode come as one object: `{"mode", "exit_code", "said", "problems"}`.

Colours are for terminals alone, and `NO_COLOR` (any value that is not empty) takes them away there too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec

import click
import msgspec

from daemon.core.units import SECOND, Ns
from daemon.shell.summary import LIVE, mode_words

_P = ParamSpec("_P")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

JSON_OPTION = click.option("--json", "is_json", is_flag=True, help="Print it as JSON.")


class Told(msgspec.Struct):
    """What a command said, kept for its JSON. `mode` is None where the configuration didn't tell it."""

    mode: str | None = None
    exit_code: int = 0
    said: list[str] = msgspec.field(default_factory=list)
    problems: list[str] = msgspec.field(default_factory=list)


_TOLD: ContextVar[Told | None] = ContextVar("told", default=None)


def say(text: str) -> None:
    """Tell what is."""
    told = _TOLD.get()
    if told is None:
        click.echo(text, color=_color())
    else:
        told.said.append(text)


def complain(text: str) -> None:
    """Tell what is wrong, on stderr; that nobody listens there stops no command."""
    told = _TOLD.get()
    if told is not None:
        told.problems.append(text)
        return
    with suppress(OSError):
        click.echo(text, err=True, color=_color())


def say_mode(mode: str) -> None:
    """Tell, before all else and in colour, whether the money is real.

    A closed pipe is no reason not to go on: what follows may be a halt.
    """
    told = _TOLD.get()
    if told is not None:
        told.mode = mode
        return
    fore, back = ("white", "red") if mode == LIVE else ("black", "cyan")
    with suppress(OSError):
        click.secho(f" {mode_words(mode)} ", fg=fore, bg=back, bold=True, color=_color())


def say_json(value: object, *, is_line: bool = False) -> None:
    """Print a value as JSON: indented, or on one line of its own."""
    encoded = msgspec.json.encode(value)
    click.echo(encoded if is_line else msgspec.json.format(encoded, indent=2))


def say_table(head: Sequence[str], rows: Iterable[Sequence[str | None]]) -> None:
    """Print columns; what isn't known is an en dash. No rows, no head."""
    lines = [["–" if cell is None else cell for cell in row] for row in rows]
    if not lines:
        return
    widths = [max(len(line[at]) for line in [list(head), *lines]) for at in range(len(head))]
    for line in [list(head), *lines]:
        cells = (
            cell.rjust(width) if _is_number(cell) else cell.ljust(width)
            for cell, width in zip(line, widths, strict=True)
        )
        say("  ".join(cells).rstrip())


def has_json_words(command: Callable[_P, None]) -> Callable[_P, None]:
    """Give a command that tells in words the option `--json`; it ends by the same code either way."""

    @click.option("--json", "is_json", is_flag=True, help="Print what it says, and its exit code, as JSON.")
    @wraps(command)
    def run(*words: _P.args, **options: _P.kwargs) -> None:
        if not options.pop("is_json"):
            command(*words, **options)
            return
        told = Told()
        token = _TOLD.set(told)
        try:
            command(*words, **options)
        except SystemExit as ended:
            told.exit_code = _code(ended.code)
        finally:
            _TOLD.reset(token)
        say_json(told)
        sys.exit(told.exit_code)

    return run


def time_text(at: Ns) -> str:
    """Return an instant for people and JSON: UTC, to the millisecond."""
    whole = _EPOCH + timedelta(seconds=at // SECOND)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{at % SECOND // 1_000_000:03d}Z"


def _code(code: Any) -> int:
    """Return what `sys.exit` was given as the system takes it."""
    if code is None:
        return 0
    return code if isinstance(code, int) else 1


def _is_number(cell: str) -> bool:
    return bool(cell) and cell.lstrip("+-").replace(".", "", 1).isdigit()


def _color() -> bool | None:
    """Return False where colours are not wanted; None leaves it to whether it is a terminal."""
    return False if os.environ.get("NO_COLOR") else None
