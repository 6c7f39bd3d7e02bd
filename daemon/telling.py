"""How commands tell: PAPER or LIVE first, then words for people, or one JSON object with `--json`.

A command that reads has a JSON of its own. One that does something tells in words; with `--json` the same
words, its exit code and its mode come as one object, `Told`. Every failure is that object too, whatever
failed and wherever: `Program` sees all commands end. What lives until it is stopped tells in JSON lines.

With `--json` stdout has nothing else; problems are told on stderr as well, for whoever watches. Colours are
for terminals alone, and `NO_COLOR` (any value that is not empty) takes them away there too.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from functools import partial, wraps
from typing import Any, ParamSpec

import click
import msgspec

from daemon import exits
from daemon.core.units import SECOND, Ns
from daemon.shell.summary import LIVE, mode_words

_P = ParamSpec("_P")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLACE = re.compile(r"(\S[^\n]*?:\d+(?:: [a-z_][\w.]*(?=: ))?): ")
_ALLOWED = re.compile(r"(?:is not allowed: |\ballowed: |there are: |allowed are )([^\n]+)")
"""Our sentences have one form: `file:line: key: value is not allowed: what is`."""


class Told(msgspec.Struct):
    """What a command came to, in words. The JSON of what tells in words, and of every failure.

    `mode` is None where nobody knows it. `error` is all that went wrong, None where nothing did; `place` is
    where (a file's line, an option) and `allowed` what may stand there, as far as that is known.
    """

    mode: str | None = None
    exit_code: int = 0
    said: list[str] = msgspec.field(default_factory=list)
    problems: list[str] = msgspec.field(default_factory=list)
    error: str | None = None
    place: str | None = None
    allowed: str | None = None


class _Voice:
    """How one command is told, and what of it was told already."""

    def __init__(self, *, is_json: bool) -> None:
        self.told = Told()
        self.is_json = is_json
        self.is_answered = False
        self.is_mode_said = False

    def say_mode_first(self) -> None:
        """Say the mode to a person who has not read it yet, if it is known."""
        if not (self.is_json or self.is_mode_said) and self.told.mode is not None:
            say_mode(self.told.mode)


_VOICE: ContextVar[_Voice | None] = ContextVar("voice", default=None)


def _hear_json(context: click.Context, _parameter: click.Parameter, value: bool) -> bool:
    if (voice := _VOICE.get()) is not None:
        # Behind a group's own words there may come a command that has the option.
        voice.is_json = value or (voice.is_json and isinstance(context.command, click.Group))
    return value


# Eager: what is wrong with another word is told as JSON, too.
JSON_OPTION = click.option(
    "--json", "is_json", is_flag=True, is_eager=True, callback=_hear_json, help="Print it as JSON."
)
JSON_WORDS_OPTION = click.option(
    "--json", "is_json", is_flag=True, is_eager=True, callback=_hear_json,
    help="Print what it says, and its exit code, as JSON.",
)  # fmt: skip
JSON_LINES_OPTION = click.option(
    "--json", "is_json", is_flag=True, is_eager=True, callback=_hear_json,
    help="Print JSON lines, one when it begins and one when it ends; words go to stderr.",
)  # fmt: skip


def say(text: str) -> None:
    """Tell what is, behind whether the money is real, as far as that is known."""
    voice = _VOICE.get()
    if voice is not None and voice.is_json:
        voice.told.said.append(text)
        return
    if voice is not None:
        voice.say_mode_first()
    click.echo(text, color=_color())


def complain(text: str) -> None:
    """Tell what is wrong, on stderr; that nobody listens there stops no command."""
    voice = _VOICE.get()
    if voice is not None:
        voice.told.problems.append(text)
        voice.say_mode_first()
    with suppress(OSError):
        click.echo(text, err=True, color=_color())


def know_mode(mode: str | None) -> None:
    """Take the mode in which it trades: it is told first, once there is something to tell. None for none."""
    if (voice := _VOICE.get()) is not None:
        voice.told.mode = mode


def say_mode(mode: str) -> None:
    """Tell, before all else and in colour, whether the money is real.

    A closed pipe is no reason not to go on: what follows may be a halt.
    """
    know_mode(mode)
    voice = _VOICE.get()
    if voice is not None:
        if voice.is_json:
            return
        voice.is_mode_said = True
    fore, back = ("white", "red") if mode == LIVE else ("black", "cyan")
    with suppress(OSError):
        click.secho(f" {mode_words(mode)} ", fg=fore, bg=back, bold=True, color=_color())


def say_json(value: object, *, is_line: bool = False, code: int = exits.OK, error: str | None = None) -> None:
    """Answer by a value as JSON: indented, or on one line of its own.

    An answer that is no good news says so like every failure, by the exit code and the error beside it.
    """
    if (voice := _VOICE.get()) is not None:
        voice.is_answered = True
    if code:
        value = msgspec.to_builtins(value) | {"exit_code": code, "error": error}
    encoded = msgspec.json.encode(value)
    click.echo(encoded if is_line else msgspec.json.format(encoded, indent=2))


def say_begun(value: object) -> None:
    """Print the first of the JSON lines of what lives until it is stopped; `Told` is the last one."""
    click.echo(msgspec.json.encode(value))


def say_told(*, is_line: bool = False) -> None:
    """Answer by what was said until now, where JSON is wanted."""
    voice = _VOICE.get()
    if voice is not None and voice.is_json:
        say_json(voice.told, is_line=is_line)


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

    @JSON_WORDS_OPTION
    @wraps(command)
    def run(*words: _P.args, **options: _P.kwargs) -> None:
        options.pop("is_json")
        try:
            command(*words, **options)
        except SystemExit as ended:
            if _code(ended.code):
                raise  # the program tells it
        say_told()

    return run


class Program(click.Group):
    """All commands. However one ends, `--json` gets an answer: its own, or `Told` where it failed."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command that the words name, and exit by its code."""
        run = partial(super().main, args, prog_name, complete_var, standalone_mode=False, **extra)
        if not standalone_mode:
            return run()
        voice = _Voice(is_json=_wants_json(sys.argv[1:] if args is None else args))
        token = _VOICE.set(voice)
        try:
            code = self._run(voice, run)
            if code and voice.is_json and not voice.is_answered:
                with suppress(BrokenPipeError):  # nobody reads any more, and that may be why it failed
                    say_json(_failed(voice.told, code), is_line=True)
        finally:
            _VOICE.reset(token)
        sys.exit(code)

    def _run(self, voice: _Voice, run: Callable[[], Any]) -> int:
        """Run the command and return its exit code."""
        try:
            code = run()
        except SystemExit as ended:
            return _code(ended.code)
        except click.ClickException as error:
            _take(voice.told, error)
            error.show()
            return error.exit_code
        except click.Abort:
            complain("stopped by Ctrl-C")
            return exits.INTERRUPTED
        except Exception as error:
            voice.told.problems.append(f"{type(error).__name__}: {error}")
            if voice.is_json and not voice.is_answered:
                say_json(_failed(voice.told, exits.CRASHED), is_line=True)
            raise
        return code if isinstance(code, int) else exits.OK


def _wants_json(words: Sequence[str]) -> bool:
    """Whether JSON is asked for, before anybody has understood the words."""
    options = list(words)[: list(words).index("--")] if "--" in words else words
    return "--json" in options


def _failed(told: Told, code: int) -> Told:
    """Return what was told with its end: what went wrong, where, and what is allowed there."""
    told.exit_code = code
    told.error = "\n".join(told.problems) or f"it ended with exit code {code}"
    if told.place is None and (place := _PLACE.match(told.error)):
        told.place = place[1]
    if told.allowed is None and (allowed := _ALLOWED.search(told.error)):
        told.allowed = allowed[1]
    return told


def _take(told: Told, error: click.ClickException) -> None:
    """Take from what click says where the words are wrong, and what is allowed there."""
    told.problems.append(error.format_message())
    context = error.ctx if isinstance(error, click.UsageError) else None
    if isinstance(error, click.BadParameter) and error.param is not None and context is not None:
        told.place = (
            error.param.opts[0] if isinstance(error.param, click.Option) else error.param.human_readable_name
        )
        told.allowed = _allowed(error.param, context)
    elif isinstance(error, click.NoSuchOption) and context is not None:
        told.place = error.option_name
        told.allowed = ", ".join(
            name for one in context.command.get_params(context) for name in one.opts if name.startswith("-")
        )
    elif isinstance(error, click.exceptions.NoSuchCommand) and context is not None:
        told.place = error.command_name
        if isinstance(context.command, click.Group):
            told.allowed = ", ".join(sorted(context.command.commands))


def _allowed(parameter: click.Parameter, context: click.Context) -> str | None:
    """Return what a word may be, where click can tell."""
    if isinstance(parameter.type, click.Choice):
        return ", ".join(map(str, parameter.type.choices))
    if isinstance(parameter, click.Option):
        return parameter.get_help_extra(context).get("range")
    return None


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
