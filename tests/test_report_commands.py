"""`kalshid report`: from a store to a page or golive.json, and what it says when there is nothing."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from daemon import exits
from daemon.cli import main
from daemon.config import Config, load_config
from daemon.live_guard import evidence_refusals
from daemon.scoring.registry import MODEL_FILE, load_model
from daemon.shell.golive import GoLiveReport, limits_sha256, read_report, strategy_runs
from daemon.shell.store import STORE_NAME, Store
from daemon.shell.store import rows as r
from tests.e2e.daemon_process import write_config
from tests.report.days import DAY_NAME, small_day
from tests.shell.store.test_evidence import DAY_0, fill, hours


def golive(config: Path, *words: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(main, ["report", "golive", "--config", str(config), *words])


def model_sha256(config: Config) -> str:
    """The fingerprint of the configured model."""
    return load_model(config.path(config.model.path)).metadata.files[MODEL_FILE]


def live_through(path: Path, days: int) -> None:
    """Leave a store of so many days of demo with a configuration."""
    config = load_config(path)
    run = r.Run(
        DAY_0, "demo", "0", msgspec.json.encode(strategy_runs(config.strategies)).decode(),
        model_sha256(config), limits_sha256(config.limits()), "c",
    )  # fmt: skip
    folder = config.path(config.state_dir)
    folder.mkdir()
    store = Store(folder / STORE_NAME, 1)
    store.put([run])
    for day in range(days):
        # Bought cheap on one day, sold on the next: a loss would be no evidence.
        price, side = (4_000, "bid") if day % 2 == 0 else (6_000, "ask")
        store.put([*hours(day), *fill(f"{day}", DAY_0 + day * 86_400_000_000_000, price, side)])
    store.close()


def test_fourteen_days_of_paper_are_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command writes is what the guard before real money reads, and it has nothing against it."""
    path = write_config(tmp_path)
    live_through(path, 14)
    # Days are counted back from now: the test's lie long ago.
    result = golive(path, "--days", "366")
    assert exits.BAD_INPUT == result.exit_code
    monkeypatch.setattr("time.time_ns", lambda: DAY_0 + 14 * 86_400_000_000_000)
    result = golive(path, "--json")
    assert exits.OK == result.exit_code, result.output
    config = load_config(path)
    written = read_report(config.path(config.state_dir))
    assert written == msgspec.json.decode(result.stdout, type=GoLiveReport)
    assert (14, 14, "demo") == (written.days, written.fills, written.mode)
    assert [] == evidence_refusals(config, model_sha256(config))


def test_the_table_says_the_rule_and_all_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person reads what counts, what is missing, and what it came to."""
    path = write_config(tmp_path)
    live_through(path, 2)
    monkeypatch.setattr("time.time_ns", lambda: DAY_0 + 3 * 86_400_000_000_000)
    result = golive(path)
    assert exits.OK == result.exit_code, result.output
    for words in (
        "demo, 2024-10-04 to 2024-10-05", "strategy fair_value", "2 of 14 needed", "days missing", "fills",
        "findings", "fees predicted", "mark-out 10s", "P&L, worse queue", "A UTC day counts with 6 hours",
    ):  # fmt: skip
        assert words in result.output


def test_without_a_store_nothing_is_written(tmp_path: Path) -> None:
    """The exit code and the words say what to do first; an old report is not touched."""
    path = write_config(tmp_path)
    result = golive(path)
    assert exits.BAD_INPUT == result.exit_code
    assert "no evidence: " in result.output
    assert not (tmp_path / "var/golive.json").exists()


def asked(config: Path, *words: str) -> Result:
    """Run `kalshid report`."""
    return CliRunner().invoke(main, ["report", "--config", str(config), *words])


def test_a_day_becomes_a_page_in_the_state_folder(tmp_path: Path) -> None:
    """The first word is PAPER; the page is where the last line says; --out puts it elsewhere."""
    path = write_config(tmp_path)
    (tmp_path / "var").mkdir()
    small_day(tmp_path / "var")
    result = asked(path, "--day", DAY_NAME)
    assert exits.OK == result.exit_code, result.output
    mode, first, last = result.stdout.splitlines()
    assert " PAPER · sandbox " == mode
    assert "PAPER 2024-10-04: P&L +0.8200 $ with fees of 0.0300 $ off, 3 fills" == first
    page = tmp_path / "var/reports/sandbox-2024-10-04.html"
    assert f"Written: {page}" == last
    assert first.replace("&", "&amp;") in page.read_text(encoding="utf-8")
    elsewhere = tmp_path / "a.html"
    assert exits.OK == asked(path, "--range", f"{DAY_NAME}..2024-10-05", "--out", str(elsewhere)).exit_code
    assert "2024-10-04..2024-10-05" in elsewhere.read_text(encoding="utf-8")


def test_a_days_figures_as_json(tmp_path: Path) -> None:
    """All of them, exact, and no page is written."""
    path = write_config(tmp_path)
    (tmp_path / "var").mkdir()
    small_day(tmp_path / "var")
    result = asked(path, "--day", DAY_NAME, "--json")
    found = msgspec.json.decode(result.stdout)
    assert ("sandbox", 820_000) == (found["mode"], found["results"]["total"]["pnl"])
    assert not (tmp_path / "var/reports").exists()


def test_a_report_of_nothing_fails_in_words(tmp_path: Path) -> None:
    """Without a store, with days that are none, with two kinds of days, and where it can't be written."""
    path = write_config(tmp_path)
    result = asked(path)
    assert (exits.BAD_INPUT, True) == (result.exit_code, "nothing to report from: " in result.output)
    for words in (("--day", "yesterday"), ("--range", "2024-10-04"), ("--day", DAY_NAME, "--range", "a..b")):
        assert exits.USAGE == asked(path, *words).exit_code
    assert "'yesterday' is no UTC day such as 2026-11-20" in asked(path, "--day", "yesterday").output
    (tmp_path / "var").mkdir()
    small_day(tmp_path / "var")
    (tmp_path / "var/reports").touch()
    assert exits.UNRECORDED == asked(path).exit_code
