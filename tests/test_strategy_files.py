"""Own strategies: a folder of files that trade by the same contract, and say where they break it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from daemon.assembly import ModelRef, Setup, build_engine, check_strategies, setup_of
from daemon.config import ConfigError, load_config
from daemon.config_tables import StrategyTable
from daemon.core.units import MONEY_ONE
from daemon.shell.golive import strategy_sha256
from daemon.strategy_files import StrategyRefused, build_strategy, find_strategy, load_file, own_names
from tests.scoring.model_folder import scorer

MODEL = ModelRef("strategies/models/toy/1", "toy", "1", "0" * 64)
GOOD = '''"""Wants nothing."""

from __future__ import annotations

import msgspec

from daemon.core.strategy import MarketView, Wanted


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The knobs."""

    margin: float = 0.03


class Mine:
    """See the module's head."""

    name = "mine"
    features: tuple[str, ...] = ("spread",)
    book_changed_max = None

    def __init__(self, params: Params) -> None:
        self.params = params

    def wants(self, view: MarketView) -> Wanted:
        """Return nothing."""
        return Wanted((), f"margin {self.params.margin}")
'''
CONFIG = """strategy_path = "own"
[strategies.mine]
enabled = true
series = ["KXBTC15M"]
categories = ["Economics"]
capital_dollars = 70
daily_loss_max_dollars = 30
margin = 0.05
"""


def write(folder: Path, text: str = GOOD, name: str = "mine") -> Path:
    """Put a strategy into the owner's folder."""
    path = folder / "own" / f"{name}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def configured(folder: Path, text: str = CONFIG) -> Path:
    """Put a configuration beside it."""
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_an_own_strategy_trades_by_its_table(tmp_path: Path) -> None:
    """Built from its own parameters; series, categories and limits are its table's."""
    write(tmp_path)
    config = load_config(configured(tmp_path))
    setup = setup_of(config, MODEL, 1)
    (slot,) = build_engine(setup, scorer(), strategy_folder=config.strategy_folder).slots
    assert ("mine", ("spread",)) == (slot.strategy.name, slot.strategy.features)
    assert (frozenset({"KXBTC15M"}), frozenset({"Economics"})) == (slot.series, slot.categories)
    assert (70 * MONEY_ONE, 30 * MONEY_ONE) == (slot.capital, slot.daily_loss_max)
    assert [] == check_strategies("config.toml", config.strategies, config.strategy_folder)


def test_a_replay_refuses_other_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal's header has the file's fingerprint, and where it was; without it there is no replay."""
    path = write(tmp_path)
    setup = setup_of(load_config(configured(tmp_path)), MODEL, 1)
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(setup), type=Setup)
    monkeypatch.chdir(tmp_path)
    assert "mine" == build_engine(again, scorer()).slots[0].strategy.name
    path.write_text(GOOD + "# changed\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mine\.py: other code: its sha256 is [0-9a-f]{12}…, and "):
        build_engine(again, scorer())
    path.unlink()
    with pytest.raises(
        ConfigError, match=r"strategies\.mine: an own strategy, and it is not at own/mine\.py"
    ):
        build_engine(again, scorer())


def test_evidence_is_of_the_code_that_made_it(tmp_path: Path) -> None:
    """A strategy whose file changes is another one: its days on paper begin anew."""
    path = write(tmp_path)
    (before,) = load_config(configured(tmp_path)).strategies
    assert hashlib.sha256(GOOD.encode()).hexdigest() == before.code_sha256
    path.write_text(GOOD + "# changed\n", encoding="utf-8")
    (after,) = load_config(configured(tmp_path)).strategies
    assert strategy_sha256(before) != strategy_sha256(after)


def test_what_runs_is_what_was_read_last(tmp_path: Path) -> None:
    """No cache: a change in the same second, of the same length, is seen; nothing else is in the folder."""
    path = write(tmp_path)
    assert 0.03 == load_file(path).params().margin  # type: ignore[attr-defined]  # the file's own
    path.write_text(GOOD.replace("0.03", "0.09"), encoding="utf-8")
    assert 0.09 == load_file(path).params().margin  # type: ignore[attr-defined]  # the file's own
    assert [path] == list(path.parent.iterdir())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def wants(:\n", r"mine\.py:1: invalid syntax"),
        ("\nimport nothing_such\n", r"mine\.py:2: ModuleNotFoundError: No module named 'nothing_such'"),
        ("x = 1\n\n\ndef f() -> None:\n    raise KeyError(x)\n\nf()\n", r"mine\.py:5: KeyError: 1"),
        (GOOD.replace("class Params", "class Knobs"), r"mine\.py:\d+: NameError|no `class Params"),
        ("\nraise SystemExit(3)\n", r"mine\.py:2: SystemExit: 3"),
        ("\n\nimport sys\nsys.exit('bye')\n", r"mine\.py:4: SystemExit: bye"),
        ("x = 1\0\n", r"mine\.py.*null bytes"),
        ("Params = 3\n", r"mine\.py: there is no `class Params\(msgspec\.Struct\)`"),
        (GOOD.replace("def wants", "def wanted"), r"one class with wants\(view\) is needed; there are: none"),
        (GOOD + "\nclass Other(Mine):\n    name = 'mine'\n", r"there are: Mine, Other"),
        (GOOD.replace('name = "mine"', 'name = "yours"'), r'Mine needs: name = "mine", as its file'),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    """File and line, where there is one, and what is asked for."""
    with pytest.raises(StrategyRefused, match=words):
        load_file(write(tmp_path, text.replace("params: Params", "params")))


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('("spread",)', '("sprea",)', r"strategies\.mine: features: .*sprea"),
        ('("spread",)', '["spread"]', r"features must be a tuple of names"),
        ("book_changed_max = None", "book_changed_max = 0.5", r"book_changed_max must be a duration"),
        ("name =", "score_output = 'price'; name =", r"score_output must be one of probability, change"),
        ("self.params = params", "raise ValueError('never')", r"can't be built: ValueError: never"),
        ("margin: float = 0.03", "margin: float", r"mine: can't be built: TypeError: .*'margin'"),
        ("margin: float = 0.03", "margin: Unheard", r"mine: can't be built: NameError: name 'Unheard'"),
        ("self.params = params", "raise SystemExit(3)", r"can't be built: SystemExit: 3"),
        ("self.params = params", "self.name = 'fair_value'", r"built, it calls itself 'fair_value'"),
    ],
)
def test_the_contract_is_checked_before_anything_starts(
    tmp_path: Path, before: str, after: str, words: str
) -> None:
    """Features that exist, a limit in nanoseconds, and a class that can be built."""
    path = write(tmp_path, GOOD.replace(before, after))
    with pytest.raises(ConfigError, match=words):
        build_strategy("config.toml", StrategyTable("mine", True, ["A"], {}), path.parent)


def test_its_parameters_are_checked_like_a_shipped_ones(tmp_path: Path) -> None:
    """With the line of the configuration."""
    write(tmp_path)
    path = configured(tmp_path, CONFIG.replace("margin = 0.05", "margin = 0.05\nmargins = 1"))
    config = load_config(path)
    (problem,) = check_strategies(str(path), config.strategies, config.strategy_folder)
    assert problem == f"{path}:9: strategies.mine.margins: unknown key; did you mean margin?"


@pytest.mark.parametrize("name", ["fair_value", "exit", "adopted", "flatten"])
def test_a_name_that_is_taken_is_refused(tmp_path: Path, name: str) -> None:
    """By a shipped strategy, or by what orders without being one."""
    with pytest.raises(StrategyRefused, match=f"{name} is taken by kalshid"):
        load_file(write(tmp_path, GOOD, name))


def test_a_name_is_one_that_a_table_can_have(tmp_path: Path) -> None:
    """Lower case letters, digits and underscores."""
    with pytest.raises(StrategyRefused, match="a strategy's name is lower case"):
        load_file(write(tmp_path, GOOD, "My-Own"))


@pytest.mark.parametrize("name", ["./mine", "../own/mine", "Mine", ""])
def test_a_table_names_a_strategy_and_no_path(tmp_path: Path, name: str) -> None:
    """One file under two names would be two strategies that take each other's orders for their own."""
    write(tmp_path)
    with pytest.raises(ConfigError, match="a strategy's name is lower case letters"):
        build_strategy("config.toml", StrategyTable(name, True, ["A"], {}), tmp_path / "own")


def test_an_unknown_name_is_told_what_there_is(tmp_path: Path) -> None:
    """Shipped and own; tests and private files are no strategies."""
    write(tmp_path)
    for other in ("test_mine", "_shared", "conftest"):
        write(tmp_path, "", other)
    assert ("mine",) == own_names(tmp_path / "own")
    assert () == own_names(None)
    with pytest.raises(ConfigError, match=r"strategies\.min: unknown; there are: fair_value.*, mine$"):
        find_strategy("config.toml", StrategyTable("min", True, ["A"], {}), tmp_path / "own")
