"""`kalshid lab ingest` from outside: what it reads of a sandbox that runs, what it says, how it exits."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daemon import exits
from daemon.cli import main
from daemon.ingest_commands import Instant
from daemon.lab.store import open_store
from daemon.shell.child import SandboxChild, read_ready

HANGS = '[[fault]]\nkind = "hang"\npath = "*/markets/trades"\nnext = 1\n'
WITHIN_S = 60.0


def invoke(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["lab", "ingest", *(str(word) for word in words)])


def write_config(folder: Path, text: str = "") -> Path:
    path = folder / "config.toml"
    path.write_text(f'state_dir = "var"\n{text}', encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A configuration whose sandbox runs; the first who asks for trades there gets no answer."""
    folder = tmp_path_factory.mktemp("venue")
    (folder / "faults.toml").write_text(HANGS)
    words = ["--idle-exit", "60s", "--faults", str(folder / "faults.toml")]

    child = SandboxChild(folder / "var" / "sandbox", words)
    asyncio.run(child.start())
    try:
        yield write_config(folder)
    finally:
        asyncio.run(child.stop())


def rows_in(store: Path) -> dict[str, list[dict[str, object]]]:
    """Return what the store has of what can't change any more, by table."""
    questions = {"markets": "SELECT ticker FROM markets", "candles": "FROM candles", "trades": "FROM trades"}
    with open_store(store) as found:
        return {name: found.rows(f"{words} ORDER BY ALL").to_pylist() for name, words in questions.items()}


def test_ctrl_c_loses_nothing(tmp_path: Path, config: Path) -> None:
    """A real SIGINT in the middle: exit 130, what was read is kept, and the same command ends it whole."""
    until = (datetime.now(UTC) - timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%MZ")
    words: list[str | Path] = ["--config", config, "--series", "KXBTC15M", "--to", until]
    program = [sys.executable, "-P", "-m", "daemon", "lab", "ingest", "kalshi", *map(str, words)]
    cut = subprocess.Popen(
        [*program, "--store", str(tmp_path / "cut")],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + WITHIN_S
    said = config.parent / "var" / "sandbox" / "sandbox.log"
    while "fault.hit" not in said.read_text(encoding="utf-8"):
        assert time.monotonic() < deadline, "it did not begin"
        assert cut.poll() is None, cut.communicate()
        time.sleep(0.02)
    # The lists are on disk, and some trades never come.
    cut.send_signal(signal.SIGINT)
    _, errors = cut.communicate(timeout=WITHIN_S)
    assert (exits.INTERRUPTED, True) == (cut.returncode, "the same command goes on from there" in errors)
    kept = rows_in(tmp_path / "cut")
    for name in ("cut", "whole"):
        result = invoke("kalshi", *words, "--store", tmp_path / name)
        assert exits.OK == result.exit_code, result.output
        assert "KXBTC15M: " in result.stdout
    whole = rows_in(tmp_path / "whole")
    assert whole == rows_in(tmp_path / "cut")
    assert whole["markets"] == kept["markets"]
    assert len(whole["trades"]) > len(kept["trades"])


def test_krakens_candles_are_read(tmp_path: Path, config: Path) -> None:
    """The sandbox has its own Kraken; a pair that it doesn't know is said."""
    result = invoke("kraken", "--config", config, "--pair", "XBT/USD", "--store", tmp_path / "store")
    assert (exits.OK, True) == (result.exit_code, "\nBTC/USD: " in result.stdout)
    with open_store(tmp_path / "store") as store:
        assert ["BTC/USD"] == store.rows("SELECT DISTINCT pair FROM ohlc").column(0).to_pylist()
    unknown = invoke("kraken", "--config", config, "--pair", "ABC/DEF", "--store", tmp_path / "store")
    assert (exits.BAD_INPUT, True) == (unknown.exit_code, "Unknown asset pair" in unknown.stderr)
    wrong = invoke("kraken", "--config", config, "--pair", "BTC", "--store", tmp_path / "store")
    assert (exits.USAGE, True) == (wrong.exit_code, "is not a pair such as BTC/USD" in wrong.stderr)


def test_a_file_is_taken_or_refused(tmp_path: Path) -> None:
    """Its rows are counted; a bad one is named by file and line."""
    path = tmp_path / "cpi.csv"
    path.write_text("at,known_at,value\n2026-09-01,2026-10-15,3.1\n")
    taken = invoke("series", path, "--name", "cpi", "--store", tmp_path / "store")
    assert (exits.OK, f"{path}: 1 rows, 1 of them new\n") == (taken.exit_code, taken.stdout)
    path.write_text("at,known_at,value\n2026-09-01,soon,3.1\n")
    refused = invoke("series", path, "--name", "cpi", "--store", tmp_path / "store")
    assert (exits.BAD_INPUT, True) == (refused.exit_code, "cpi.csv:2: known_at 'soon'" in refused.stderr)


def test_without_a_venue_it_says_so(tmp_path: Path) -> None:
    """No sandbox runs, the key's file is missing, or the folder is no store."""
    lonely = write_config(tmp_path)
    found = invoke("kalshi", "--config", lonely, "--series", "X", "--store", tmp_path / "store")
    assert (exits.UNAVAILABLE, True) == (found.exit_code, "no sandbox runs" in found.stderr)
    demo = write_config(tmp_path, 'mode = "demo"\n[venue]\nkey_id = "k"\nprivate_key_file = "absent.pem"\n')
    found = invoke("kalshi", "--config", demo, "--series", "X", "--store", tmp_path / "store")
    assert (exits.CONFIG, True) == (found.exit_code, "absent.pem" in found.stderr)
    lonely = write_config(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("mine")
    found = invoke("kalshi", "--config", lonely, "--series", "X", "--store", tmp_path / "mine")
    assert (exits.BAD_INPUT, True) == (found.exit_code, "is no store" in found.stderr)


def test_the_mode_says_which_venue(tmp_path: Path, config: Path) -> None:
    """Demo is where the configuration says; a key that it doesn't take is said."""
    ready = read_ready(config.parent / "var" / "sandbox")
    assert ready is not None
    key = f'key_id = "{ready.key_id}"\nprivate_key_file = "{ready.private_key_path}"\n'
    demo = f'mode = "demo"\n[venue]\nrest_url = "{ready.rest_url}"\n{key}'
    words = ("--series", "KXBTC15M", "--what", "markets", "--store", tmp_path / "store")
    found = invoke("kalshi", "--config", write_config(tmp_path, demo), *words)
    assert (exits.OK, True) == (found.exit_code, "1 series" in found.stdout), found.output
    wrong = write_config(tmp_path, demo.replace(ready.key_id, "another"))
    found = invoke("kalshi", "--config", wrong, *words)
    assert (exits.CONFIG, True) == (found.exit_code, "another" in found.stderr), found.output


def test_an_unknown_series_is_said(tmp_path: Path, config: Path) -> None:
    """By its name, as the venue says it; what came before it is told and kept."""
    words = (
        "--what",
        "markets",
        "--series",
        "KXBTC15M",
        "--series",
        "KXNOWHERE",
        "--store",
        tmp_path / "store",
    )
    found = invoke("kalshi", "--config", config, *words)
    assert (exits.BAD_INPUT, True) == (found.exit_code, "KXNOWHERE: HTTP 404 not_found" in found.stderr)
    assert found.stdout.startswith(" PAPER · sandbox \nKXBTC15M: 1 series")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--what", "candle"), "candle: allowed are markets,candles,trades,books"),
        (("--from", "yesterday"), "'yesterday' is not a date or an instant in UTC"),
        (("--from", "2026-11-02", "--to", "2026-11-01"), "--to is not after --from"),
        (("--period", "5"), "5"),
    ],
)
def test_a_wrong_word_is_said(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    """With what is allowed; no store is made."""
    found = invoke("kalshi", "--series", "X", "--store", tmp_path / "store", *words)
    assert (exits.USAGE, True) == (found.exit_code, said in found.stderr), found.output
    assert not (tmp_path / "store").exists()


def test_instants_are_utc() -> None:
    """With a Z or without; a date is its midnight."""
    day = 20_000 * 86_400 * 10**9
    for text in ("2024-10-04", "2024-10-04T00:00", "2024-10-04T00:00:00Z"):
        assert day == Instant().convert(text, None, None)
