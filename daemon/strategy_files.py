"""Strategies by name: the shipped ones, and the owner's own from a folder, by the same contract.

An own file is read once: what is fingerprinted is what runs, and no cache of another moment's code stands
between. It gets a module of its own that nobody else can import, so that two files never meet. What is wrong
with one names the file and the line, and nothing starts.

The contract, one file each: `Params`, a frozen msgspec struct of the keys that its table of config.toml may
have; and one class that is built from it, with `name` (the file's), `features`, `book_changed_max` and
`wants(view)`. `score_output` says what its model's scores must mean: a probability, where it doesn't. One
that has `explain(view)` too tells `kalshid why` where it stopped (`core/explaining`); no run asks it.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any, Final, get_args

import msgspec

from daemon.config import ConfigError, convert_params
from daemon.config_tables import StrategyTable
from daemon.core.attribution import NO_STRATEGIES
from daemon.core.features import definition_of
from daemon.core.scorer import Output
from daemon.core.strategy import Strategy
from strategies import SHIPPED, Shipped

NAME = re.compile(r"[a-z][a-z0-9_]*")
_OWN_MODULES = "kalshid_own_strategies"
"""What the modules of own files are called under."""


_OUTPUTS: Final[tuple[Output, ...]] = get_args(Output)


class StrategyRefused(Exception):
    """A file is no strategy; the message names it, and the line where one is known."""


def load_file(path: Path, code_sha256: str | None = None) -> Shipped:
    """Return the strategy in one of the owner's files.

    Args:
        path: the file, named as the strategy.
        code_sha256: what it must be, for a replay; None takes it as it is.

    Raises:
        StrategyRefused: it can't be read, raises, is other code, or doesn't keep the contract.
    """
    name = path.stem
    if NAME.fullmatch(name) is None:
        raise StrategyRefused(f"{path}: a strategy's name is lower case letters, digits and _")
    if name in SHIPPED or name in NO_STRATEGIES:
        raise StrategyRefused(f"{path}: {name} is taken by kalshid: give the file another name")
    try:
        code = path.read_bytes()
    except OSError as error:
        raise StrategyRefused(f"{path}: can't be read: {error.strerror}") from None
    found = hashlib.sha256(code).hexdigest()
    if code_sha256 is not None and found != code_sha256:
        wanted = f"{code_sha256[:12]}… is asked for"
        raise StrategyRefused(f"{path}: other code: its sha256 is {found[:12]}…, and {wanted}")
    module = _run(path, code)
    params = getattr(module, "Params", None)
    if not (isinstance(params, type) and issubclass(params, msgspec.Struct)):
        raise StrategyRefused(f"{path}: there is no `class Params(msgspec.Struct)`")
    return Shipped(params, _strategy_class(path, module))


def _run(path: Path, code: bytes) -> ModuleType:
    """Run a file as a module of its own."""
    module = ModuleType(f"{_OWN_MODULES}.{path.stem}", "")
    module.__file__ = str(path)
    # Annotations are looked up by a class's module: msgspec and the checks of its parameters need it.
    sys.modules[module.__name__] = module
    try:
        exec(compile(code, str(path), "exec"), module.__dict__)  # noqa: S102 - the owner's own code, as asked
    except SyntaxError as error:
        raise StrategyRefused(f"{path}:{error.lineno}: {error.msg}") from None
    except KeyboardInterrupt:
        raise  # a person's
    except BaseException as error:
        # `sys.exit()` at import too: it would end the daemon without a word.
        raise StrategyRefused(f"{_place(path, error)}: {type(error).__name__}: {error}") from error
    return module


def _strategy_class(path: Path, module: ModuleType) -> Any:
    """Return the one class of a file that is a strategy."""
    own = [one for one in vars(module).values() if inspect.isclass(one) and one.__module__ == module.__name__]
    found = [one for one in own if callable(getattr(one, "wants", None))]
    if len(found) != 1:
        there_are = ", ".join(one.__name__ for one in found) or "none"
        raise StrategyRefused(f"{path}: one class with wants(view) is needed; there are: {there_are}")
    (strategy,) = found
    if getattr(strategy, "name", None) != path.stem:
        raise StrategyRefused(f'{path}: {strategy.__name__} needs: name = "{path.stem}", as its file')
    return strategy


def _place(path: Path, error: BaseException) -> str:
    """Return file and line of an error, as far as it happened in that file."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return f"{path}:{lines[-1]}" if lines else str(path)


def own_names(folder: Path | None) -> tuple[str, ...]:
    """Return the names of the owner's strategies in a folder; tests and what begins with _ are none."""
    if folder is None or not folder.is_dir():
        return ()
    others = ("_", "test_", "conftest")
    return tuple(sorted(path.stem for path in folder.glob("*.py") if not path.name.startswith(others)))


def find_strategy(config_name: str, table: StrategyTable, folder: Path | None) -> Shipped:
    """Return the strategy that a table names, shipped or own.

    Raises:
        ConfigError: there is none, or its file is none.
    """
    if NAME.fullmatch(table.name) is None:
        # A path in it would run one file under two names, and each would take the other's orders for its own.
        words = "a strategy's name is lower case letters, digits and _"
        raise ConfigError([f"{config_name}: strategies.{table.name}: {words}"])
    own = folder / f"{table.name}.py" if folder is not None else None
    if own is not None and own.exists():
        try:
            return load_file(own, table.code_sha256 or None)
        except StrategyRefused as error:
            raise ConfigError([f"{config_name}: strategies.{table.name}: {error}"]) from None
    if table.code_sha256:
        looked = "strategy_path is empty" if own is None else f"it is not at {own}"
        raise ConfigError([f"{config_name}: strategies.{table.name}: an own strategy, and {looked}"])
    shipped = SHIPPED.get(table.name)
    if shipped is None:
        there_are = ", ".join((*SHIPPED, *own_names(folder)))
        raise ConfigError([f"{config_name}: strategies.{table.name}: unknown; there are: {there_are}"])
    return shipped


def build_strategy(config_name: str, table: StrategyTable, folder: Path | None = None) -> Strategy:
    """Return the strategy that a `[strategies.<name>]` table describes; `folder` has the owner's own.

    Raises:
        ConfigError: no such strategy, parameters that it doesn't allow, or a contract that it doesn't keep.
    """
    found = find_strategy(config_name, table, folder)
    try:
        strategy = found.build(convert_params(config_name, table, found.params))
    except (ConfigError, KeyboardInterrupt):
        raise
    except BaseException as error:
        words = f"{type(error).__name__}: {error}"
        raise ConfigError([f"{config_name}: strategies.{table.name}: can't be built: {words}"]) from error
    problems = [
        f"{config_name}: strategies.{table.name}: {words}" for words in _breaches(strategy, table.name)
    ]
    if problems:
        raise ConfigError(problems)
    return strategy


def score_output(strategy: Strategy) -> Output | None:
    """Return what a strategy takes its model's scores for; None where it reads none."""
    output: Output | None = getattr(strategy, "score_output", "probability")
    return output


def _breaches(strategy: Strategy, name: str) -> list[str]:
    """Return what a built strategy lacks of the contract."""
    problems = []
    if strategy.name != name:
        problems.append(f"built, it calls itself {strategy.name!r}: a name is the file's, and nobody else's")
    features = getattr(strategy, "features", None)
    if not isinstance(features, tuple) or not all(isinstance(name, str) for name in features):
        problems.append("features must be a tuple of names; () for none")
    else:
        for name in features:
            try:
                definition_of(name)
            except ValueError as error:
                problems.append(f"features: {error}")
    limit = getattr(strategy, "book_changed_max", "missing")
    is_limit = limit is None or (isinstance(limit, int) and not isinstance(limit, bool) and limit > 0)
    if not is_limit:
        problems.append("book_changed_max must be a duration in nanoseconds, or None for slow markets")
    if score_output(strategy) not in (*_OUTPUTS, None):
        problems.append(f"score_output must be one of {', '.join(_OUTPUTS)}, or None where it reads no score")
    return problems
