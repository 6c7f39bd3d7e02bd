"""Every command, for real: what it says to a person, what it says as JSON, and how it fails.

The table has a row for each command that can be typed; a command without one fails here. What needs a daemon
speaks to a real one, in its own process, on its own sandbox. Each row's words are typed as they are and with
`--json`, and the failing ones both ways.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

pytest.importorskip("pyarrow", reason="needs the extra `lab`")
pytest.importorskip("optuna", reason="needs the extra `lab`")

from daemon import exits
from daemon.cli import main
from daemon.command_pages import commands_of
from daemon.config import load_config
from daemon.core.units import DAY
from daemon.lab import demo
from daemon.scoring.registry import MODEL_FILE, load_model
from daemon.scoring.structural import normal_cdf
from daemon.shell.golive import limits_sha256, strategy_runs
from daemon.shell.store import STORE_NAME, Store
from daemon.shell.store import rows as r
from daemon.telling import Told
from tests.command_table import NO_MODE, TABLE, Row
from tests.commands_rig import asked, leave_store
from tests.e2e.daemon_process import write_config
from tests.lab.daily_store import made_store, trembling
from tests.lab.market_tape import write_markets
from tests.lab.tiny_tape import stream, write_tape
from tests.report.days import small_day
from tests.scoring.kinds import structural
from tests.shell.golden_session import session_in
from tests.shell.store.test_evidence import DAY_0, fill, hours

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "strategies/models/btc15m-demo/1"
GOLDEN = ROOT / "tests/golden/sandbox.journal"
WITHIN_S = 60.0
TRIES, STILL_HELD = 3, "still held"
"""A quarter's end comes in between: what is held then can't be sold any more, and pays a moment later."""
COMMANDS = dict(commands_of(main, "kalshid"))
SERIES = "KXBTC15M"


# --- what the rows are typed in -------------------------------------------------------------------


def _paper(config: Path) -> None:
    """Leave a store of the last two days of demo."""
    read = load_config(config)
    folder = read.path(read.state_dir)
    folder.mkdir()
    sha256 = load_model(read.path(read.model.path)).metadata.files[MODEL_FILE]
    runs = msgspec.json.encode(strategy_runs(read.strategies)).decode()
    today = int(datetime.now(UTC).timestamp()) * 10**9 // DAY - DAY_0 // DAY
    store = Store(folder / STORE_NAME, 1)
    store.put([r.Run(DAY_0, "demo", "0", runs, sha256, limits_sha256(read.limits()), "c")])
    for number, (price, side) in enumerate(((4_000, "bid"), (6_000, "ask"))):
        day = today - 2 + number
        store.put([*hours(day), *fill(f"{number}", DAY_0 + day * DAY, price, side)])
    store.close()


def _registry(root: Path) -> Path:
    """Return a registry with two champions of one line, one after the other."""
    for name, why in (("old", "the first"), ("new", "the second")):
        folder = structural(root, lambda row: normal_cdf(row[0] or 0.0), name=name)
        words = ["lab", "promote", str(folder), "--line", "btc15m", "--reason", why]
        assert exits.OK == CliRunner().invoke(main, words).exit_code
    return root


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """All places that rows name, but those of one test alone; in one of them a daemon runs, with --json."""
    root = tmp_path_factory.mktemp("commands")
    places = {"demo": DEMO, "golden": GOLDEN}
    for name in ("live", "past", "day", "paper"):
        (root / name).mkdir()
        places[name] = write_config(root / name)
    command = [sys.executable, "-m", "daemon", "run", "--json", "--config", str(places["live"])]
    with (root / "live/lines").open("wb") as lines, (root / "live/errors").open("wb") as errors:
        daemon = subprocess.Popen(command, cwd=ROOT, stdout=lines, stderr=errors)
    try:
        leave_store(root / "past/var")
        session_in(root / "past/var/journal")
        (root / "day/var").mkdir()
        small_day(root / "day/var")
        _paper(places["paper"])
        for name in ("empty", "damaged"):
            places[name] = root / name
            places[name].mkdir()
        (root / "damaged/champions.jsonl").write_text("no json\n")
        places["registry"] = _registry(root / "registry")
        places["tape"] = root / "tape"
        write_tape(places["tape"], {"a": stream(1, 10)})
        for name, known_at in (("releases", "2026-10-15"), ("misprint", "soon")):
            places[name] = root / f"{name}.csv"
            places[name].write_text(f"at,known_at,value\n2026-09-01,{known_at},3.1\n")

        _wait_until_reconciled(places["live"], daemon)
        yield places
    finally:
        daemon.send_signal(signal.SIGINT)
        daemon.wait(WITHIN_S)


def _wait_until_reconciled(config: Path, daemon: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while True:
        told = CliRunner().invoke(main, ["status", "--json", "--config", str(config)]).stdout
        if json.loads(told)["is_reconciled"]:
            return
        assert daemon.poll() is None, (config.parent / "errors").read_text()[-4000:]
        assert time.monotonic() < deadline, "it did not reconcile"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def long_world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What trainings start from."""
    root = tmp_path_factory.mktemp("trainings")
    write_markets(root / "markets", 180)
    made_store(root / "daily", trembling, events=50, markets=1, life_days=4).close()
    words = f"lab dataset build {root}/markets --out {root}/rows --every 5s"
    for name in ("mid", "strike_distance_sigma", "candle_mid_#"):
        words += f" --feature {name}"
    result = CliRunner().invoke(main, shlex.split(words))
    assert exits.OK == result.exit_code, result.output
    return {name: root / name for name in ("markets", "daily", "rows")}


class Typist:
    """Types words in the world, with places that are this test's own."""

    def __init__(self, places: dict[str, Path], tmp_path: Path) -> None:
        tmp_path.joinpath("bad.toml").write_text("[orders]\nttl_ms = 0\n")
        self.places = {**places, "tmp": tmp_path, "bad": tmp_path / "bad.toml"}
        self.places["fresh"] = write_config(tmp_path)
        self.places["mine"] = tmp_path / "registry"

    def words(self, command: str, words: str, *more: str) -> list[str]:
        """Return what is typed behind `kalshid`. Its own registry is made where it is named."""
        if "{mine}" in words and not self.places["mine"].exists():
            shutil.copytree(self.places["registry"], self.places["mine"])
        return [*command.split(), *shlex.split(words.format(**self.places)), *more]

    def type(self, command: str, words: str, *more: str) -> tuple[int, str, str]:
        """Type them in this process; return exit code, stdout and stderr."""
        for _ in range(TRIES):
            result = CliRunner().invoke(main, self.words(command, words, *more))
            if STILL_HELD not in result.stderr:
                break
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.stdout, result.stderr

    def start(self, command: str, words: str, *more: str) -> tuple[int, str, str]:
        """Type them in a process of its own, and end what would live on when it has begun to speak."""
        with subprocess.Popen(
            [sys.executable, "-m", "daemon", *self.words(command, words, *more)],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as child:  # fmt: skip
            assert child.stdout is not None
            first = child.stdout.readline()
            if command == "lab serve":
                child.send_signal(signal.SIGTERM)
            rest, errors = child.communicate(timeout=WITHIN_S)
        return child.returncode, first + rest, errors


@pytest.fixture
def typist(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typist:
    """Where the row's words are typed; models of journals are named from the checkout."""
    monkeypatch.chdir(ROOT)
    # All of its markets are minutes of work.
    monkeypatch.setattr(demo, "train_demo", partial(demo.train_demo, markets=12))
    places = dict(request.getfixturevalue("world"))
    if request.node.get_closest_marker("full") is not None:
        places |= request.getfixturevalue("long_world")
    else:
        places |= dict.fromkeys(("markets", "daily", "rows"), tmp_path)
    return Typist(places, tmp_path)


def rows(*, with_long: bool) -> list[Any]:
    """Return a parameter for each row; one that takes long is for the full run where it is typed whole."""
    return [
        pytest.param(name, id=name, marks=[pytest.mark.full] if with_long and row.is_long else [])
        for name, row in TABLE.items()
    ]


# --- the promises ---------------------------------------------------------------------------------


def test_every_command_has_a_row() -> None:
    """And no row is of a command that isn't there."""
    assert {path.removeprefix("kalshid ") for path in COMMANDS} == {*TABLE}


def test_every_command_has_json() -> None:
    """One option, by one name."""
    flags = {
        path: {name for one in command.params for name in one.opts} for path, command in COMMANDS.items()
    }
    assert [] == [path for path, names in flags.items() if "--json" not in names]


@pytest.mark.parametrize("command", rows(with_long=True))
def test_what_it_says_to_a_person(command: str, typist: Typist) -> None:
    """What is true here, behind PAPER where a configuration is concerned."""
    row = TABLE[command]
    if row.extra is not None:
        pytest.importorskip(row.extra)
    code, said, errors = (typist.start if row.is_process else typist.type)(command, row.words)
    assert exits.OK == code, said + errors
    assert re.search(row.says, said), said
    has_config = any("--config" in one.opts for one in COMMANDS[f"kalshid {command}"].params)
    if has_config and command not in NO_MODE:
        assert said.startswith(" PAPER · "), said


@pytest.mark.parametrize("command", [row for row in rows(with_long=True) if row.id != "run"])
def test_what_it_says_as_json(command: str, typist: Typist) -> None:
    """One document on stdout: an answer of its own, or its words with the exit code; or lines of them."""
    row = TABLE[command]
    if row.extra is not None:
        pytest.importorskip(row.extra)
    code, said, errors = (typist.start if row.is_process else typist.type)(command, row.words, "--json")
    assert exits.OK == code, said + errors
    if row.has is None:
        told = msgspec.json.decode(said, type=Told, strict=True)
        assert (exits.OK, None) == (told.exit_code, told.error)
        assert re.search(row.says, "\n".join(told.said)), told.said
        return
    if row.last is None:
        found = json.loads(said)
        holds(found[0] if isinstance(found, list) else found, row.has, typist)
    else:
        hold_lines(said, row, typist)


def hold_lines(said: str, row: Row, typist: Typist) -> None:
    """Fail unless the first and the last JSON line have what is wanted of them."""
    lines = [json.loads(line) for line in said.splitlines()]
    holds(lines[0], row.has or {}, typist)
    holds(lines[-1], row.last or {}, typist)


def holds(found: dict[str, Any], wanted: dict[str, Any], typist: Typist) -> None:
    """Fail unless an object has what is wanted of it."""
    for key, value in wanted.items():
        assert key in found
        expected = value.format(**typist.places) if isinstance(value, str) else value
        assert value is ... or expected == found[key], (key, found[key])


@pytest.mark.parametrize("command", rows(with_long=False))
def test_how_it_fails(command: str, typist: Typist) -> None:
    """Its own exit code and a sentence on stderr; with --json one object with both, and nothing else."""
    row = TABLE[command]
    code, _, errors = typist.type(command, row.failing)
    assert row.code == code, errors
    assert re.search(row.wrong, errors), errors
    code, said, _ = typist.type(command, row.failing, "--json")
    told = msgspec.json.decode(said, type=Told, strict=True)
    assert (row.code, row.code) == (code, told.exit_code)
    assert told.error is not None
    assert re.search(row.wrong, told.error), told


@pytest.mark.parametrize("path", COMMANDS)
def test_a_wrong_word_is_told_as_json(path: str) -> None:
    """By what reads the words, before anything is begun: what it is, and what there is."""
    result = CliRunner().invoke(main, [*path.split()[1:], "--no-such-word", "--json"])
    told = msgspec.json.decode(result.stdout, type=Told, strict=True)
    assert (exits.USAGE, exits.USAGE, "--no-such-word") == (result.exit_code, told.exit_code, told.place)
    assert told.allowed is not None
    assert "--json" in told.allowed


@pytest.mark.parametrize(
    "words",
    [
        "backup {tmp}/away", "config check", "config show", "explain nothing", "halt", "model status",
        "model swap {tmp}", "status", "strategy on fair_value", "why",
    ],
)  # fmt: skip
def test_a_daemons_own_mode_comes_first(tmp_path: Path, words: str) -> None:
    """The file says sandbox by now, the daemon trades real money: also where the command then fails."""
    result = asked(write_config(tmp_path), *words.format(tmp=tmp_path).split(), mode="live")
    assert " LIVE · real money " == result.stdout.splitlines()[0], result.output


def test_a_sandbox_by_itself_is_found(tmp_path: Path) -> None:
    """In the state folder of a configuration, from anywhere; and no longer when it has ended."""
    config = write_config(tmp_path)
    command = [sys.executable, "-m", "daemon", "sandbox", "--state", "var/sandbox", "--world", "still"]
    words = ["lab", "ingest", "kraken", "--config", str(config), "--store", str(tmp_path / "store")]
    environment = {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert "rest_url" in child.stdout.readline()
            found = CliRunner().invoke(main, words)
            assert exits.OK == found.exit_code, found.output
            # A run would start one of its own on the same account.
            refused = CliRunner().invoke(main, ["run", "--config", str(config), "--json"])
            last = json.loads(refused.stdout.splitlines()[-1])
            assert (exits.UNAVAILABLE, True) == (refused.exit_code, "started by hand" in last["error"])
        finally:
            child.send_signal(signal.SIGTERM)
            assert exits.OK == child.wait(WITHIN_S)
    assert exits.UNAVAILABLE == CliRunner().invoke(main, words).exit_code


def test_a_run_says_two_json_lines(world: dict[str, Path], typist: Typist) -> None:
    """Of the daemon that all the others spoke to: at its beginning, and when it is ended, what it did."""
    lines = world["live"].parent / "lines"
    os.kill(json.loads(lines.read_text())["pid"], signal.SIGINT)
    deadline = time.monotonic() + WITHIN_S
    while len(lines.read_text().splitlines()) < 2:
        assert time.monotonic() < deadline, (lines.parent / "errors").read_text()[-4000:]
        time.sleep(0.1)
    hold_lines(lines.read_text(), TABLE["run"], typist)
