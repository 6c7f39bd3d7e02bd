"""Commands about the program itself: `kalshid version`, `completion` and `man`."""

from __future__ import annotations

import platform
import sqlite3
from importlib.metadata import version as installed_version

import click
import msgspec
from click.shell_completion import get_completion_class

from daemon.command_pages import man_page
from daemon.shell.store.schema import STEPS
from daemon.telling import JSON_OPTION, has_json_words, say, say_json

PROGRAM = "kalshid"
COMPLETE_VARIABLE = "_KALSHID_COMPLETE"


class Versions(msgspec.Struct, frozen=True):
    """The JSON of `kalshid version`. `store` is the version of the store's tables."""

    kalshid: str
    python: str
    sqlite: str
    store: int
    platform: str


@click.command()
@JSON_OPTION
def version(is_json: bool) -> None:
    """Print which version this is, and of what it is made."""
    versions = Versions(
        installed_version(PROGRAM),
        platform.python_version(),
        sqlite3.sqlite_version,
        len(STEPS),
        platform.platform(),
    )
    if is_json:
        say_json(versions)
        return
    say(f"kalshid {versions.kalshid}")
    say(f"Python {versions.python}, SQLite {versions.sqlite}, store version {versions.store}")
    say(versions.platform)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@has_json_words
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes a SHELL complete commands and options.

    For bash: eval "$(kalshid completion bash)", in ~/.bashrc to keep it; zsh the same in ~/.zshrc; for fish:
    kalshid completion fish > ~/.config/fish/completions/kalshid.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None, "click knows these three"
    say(kind(context.find_root().command, {}, PROGRAM, COMPLETE_VARIABLE).source())


@click.command()
@has_json_words
@click.pass_context
def man(context: click.Context) -> None:
    """Print the man page, kalshid(8).

    To read it: kalshid man | man -l -
    """
    say(man_page(context.find_root().command, installed_version(PROGRAM)))
