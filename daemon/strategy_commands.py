"""`kalshid strategy`: what trades, a new one of one's own, and the switch of one that runs."""

from __future__ import annotations

import asyncio
import re
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path

import click

import strategies
from daemon import exits
from daemon.account_sources import know_mode_of
from daemon.command_line import CONFIG_OPTION, die, load_or_die
from daemon.config import Config, ConfigError
from daemon.config_tables import StrategyTable
from daemon.core.attribution import NO_STRATEGIES
from daemon.shell import log
from daemon.shell.control import Declined, NoAnswer, NoDaemon, SwitchOrder, ask
from daemon.shell.latch import REASON_CHARS_MAX
from daemon.strategy_files import NAME, StrategyRefused, build_strategy, load_file, own_names
from daemon.telling import has_json_words, say
from strategies import SHIPPED

FOLDER = Path("my_strategies")
"""Where a new one goes while config.toml has no `strategy_path`."""
ANSWER_WITHIN_S = 2.0
_TEMPLATE = "template"
_SERIES = "KXBTC15M"


@click.group()
def strategy() -> None:
    """The strategies: shipped ones, and your own."""


@strategy.command("list")
@CONFIG_OPTION
@has_json_words
def list_strategies(config_path: Path) -> None:
    """Say what there is and what trades, and what is wrong with any of it.

    Exits 78 when something is.
    """
    config = load_or_die(config_path)
    tables = {table.name: table for table in config.strategies}
    folder, has_problem = config.strategy_folder, False
    names = dict.fromkeys((*SHIPPED, *own_names(folder), *tables))
    for name in names:
        table = tables.get(name)
        problem = _problem(config_path, table or StrategyTable(name, False, [], {}), folder)
        has_problem = has_problem or problem is not None
        where = "shipped" if name in SHIPPED else "own"
        state = "not in config" if table is None else "on" if table.enabled else "off"
        traded = "" if table is None else ", ".join((*table.series, *table.categories))
        say(f"{name:<20} {where:<8} {state:<14} {problem or traded}".rstrip())
    if has_problem:
        die("something is wrong: no run starts while the configuration has it", exits.CONFIG)


def _problem(config_path: Path, table: StrategyTable, folder: Path | None) -> str | None:
    try:
        build_strategy(str(config_path), table, folder)
    except ConfigError as error:
        return str(error)
    return None


@strategy.command()
@CONFIG_OPTION
@click.argument("name")
@click.option("--into", type=click.Path(path_type=Path, file_okay=False),
              help="The folder; by default strategy_path of the configuration.")  # fmt: skip
@has_json_words
def new(config_path: Path, name: str, into: Path | None) -> None:
    """Write a strategy NAME and its test, which runs green, and say what to put into config.toml.

    Nothing that is there is written over.
    """
    if (objection := _objection(name)) is not None:
        die(objection, exits.USAGE)
    folder = into or _folder_of(config_path)
    written = {folder / f"{name}.py": f"{_TEMPLATE}.py", folder / f"test_{name}.py": f"{_TEMPLATE}_test.py"}
    for path in written:
        if path.exists():
            die(f"{path} exists", exits.USAGE)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, source in written.items():
            path.write_text(_renamed(_text(source), name), encoding="utf-8")
        load_file(folder / f"{name}.py")
    except (OSError, StrategyRefused) as error:
        die(str(error), exits.UNRECORDED)
    say(f"wrote {' and '.join(map(str, written))}; try: pytest {folder}\n")
    say(f'strategy_path = "{_from(config_path, folder)}"    # at the head of {config_path}\n')
    say(f'[strategies.{name}]\nenabled = true\nseries = ["{_SERIES}"]')


def _objection(name: str) -> str | None:
    """Return why a new strategy can't have a name; None when it can."""
    if NAME.fullmatch(name) is None:
        return f"{name!r}: a name is lower case letters, digits and _, and begins with a letter"
    if name in SHIPPED or name in NO_STRATEGIES or name == _TEMPLATE:
        return f"{name} is taken by kalshid"
    if name.startswith("test_") or name == "conftest":
        return f"{name}: so tests are called"
    if find_spec(name) is not None:
        return f"{name} is taken: pytest would import this file where that module is meant"
    if re.search(rf"\b{_title(name)}\b", _text(f"{_TEMPLATE}.py")) or iskeyword(_title(name)):
        return f"{name}: its class, {_title(name)}, would hide what the file needs under that name"
    return None


def _text(source: str) -> str:
    return (Path(strategies.__file__).parent / source).read_text(encoding="utf-8")


def _title(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _folder_of(config_path: Path) -> Path:
    if not config_path.is_file():
        return FOLDER
    config: Config = load_or_die(config_path)
    return config.strategy_folder or config_path.parent / FOLDER


def _from(config_path: Path, folder: Path) -> str:
    """Return a folder as the configuration would name it."""
    root = config_path.resolve().parent
    whole = folder.resolve()
    return str(whole.relative_to(root) if whole.is_relative_to(root) else whole)


def _renamed(text: str, name: str) -> str:
    """Return a text of the template with another name in all places of its own."""
    return re.sub(r"\bTemplate\b", _title(name), re.sub(r"\btemplate\b", name, text))


def _switch(config_path: Path, name: str, reason: str, *, is_on: bool) -> None:
    config = load_or_die(config_path)
    if len(reason) > REASON_CHARS_MAX:
        die(f"the reason is longer than {REASON_CHARS_MAX} characters", exits.USAGE)
    log.configure()
    know_mode_of(config)
    order = SwitchOrder(name, is_on, reason)
    try:
        status = asyncio.run(ask(config.path(config.state_dir), "/strategy", order, ANSWER_WITHIN_S))
    except Declined as problem:
        die(f"not switched: {problem}", exits.BAD_INPUT)
    except (NoDaemon, NoAnswer) as problem:
        die(f"{problem}\nnot switched, as far as is known", exits.UNAVAILABLE)
    if (name in status.strategies_off) == is_on:
        die(f"the daemon heard it, and {name} is {'off' if is_on else 'on'} still", exits.UNAVAILABLE)
    say(f"{name} is {'on' if is_on else 'off; its orders are taken out'}")
    if not is_on:
        say(f"a restart switches it on again: to keep it off, write enabled = false to {config_path}")


@strategy.command()
@CONFIG_OPTION
@click.argument("name")
@click.option("--reason", default="", help="Why; it stands in the journal and in the log.")
@has_json_words
def on(config_path: Path, name: str, reason: str) -> None:
    """Let the strategy NAME of the running daemon trade again.

    Exits 65 when no such strategy runs, 69 when no daemon answers.
    """
    _switch(config_path, name, reason, is_on=True)


@strategy.command()
@CONFIG_OPTION
@click.argument("name")
@click.option("--reason", default="", help="Why; it stands in the journal and in the log.")
@has_json_words
def off(config_path: Path, name: str, reason: str) -> None:
    """Stop the strategy NAME of the running daemon: its orders are cancelled, its positions stay.

    Nobody else's orders are touched, and a restart switches it on again. Exits as `kalshid strategy on`.
    """
    _switch(config_path, name, reason, is_on=False)
