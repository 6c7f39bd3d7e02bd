"""A real daemon whose file is edited while it trades: it takes what is good, and tells what is wrong once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from daemon import exits
from daemon.cli import main
from tests.e2e.daemon_process import Daemon, end_sandbox, write_config
from tests.e2e.test_run import replayed

STILL_S = 6.0
"""Long enough for what is told again and again to be told again."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose sandbox ends with the test."""
    yield tmp_path
    end_sandbox(tmp_path)


def save(path: Path, *changes: tuple[str, str]) -> None:
    """Write the file as an editor does: a new one beside it, renamed over it."""
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert 1 == text.count(old), old
        text = text.replace(old, new)
    other = path.with_suffix(".swp")
    other.write_text(text, encoding="utf-8")
    other.replace(path)


def said(path: Path, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, [*words, "--config", str(path)])
    return result.exit_code, result.output


@pytest.mark.full
def test_the_file_is_in_force_soon_after_it_was_saved(folder: Path) -> None:
    """By log, by `config diff` and by the replay of what was traded."""
    path = write_config(folder, reload_on_change="true")
    daemon = Daemon(path)
    daemon.wait_until(lambda: '"phase":"trading"' in daemon.log)
    assert "decision.taken" not in daemon.log
    save(path, ('level = "info"', 'level = "debug"'), ("silent_max_s = 15 ", "silent_max_s = 9 "))
    daemon.wait_until(lambda: "feed.silent_max_s: 15 -> 9 (tightens)" in daemon.log)
    daemon.wait_until(lambda: "decision.taken" in daemon.log)
    assert (exits.OK, True) == (
        said(path, "config", "diff")[0],
        "no difference" in said(path, "config", "diff")[1],
    )
    save(path, ("silent_max_s = 9 ", "silent_max_s = 0 "))
    daemon.wait_until(lambda: "config.reload_refused" in daemon.log)
    time.sleep(STILL_S)
    assert 1 == daemon.log.count("config.reload_refused")
    save(path, ("silent_max_s = 0 ", "silent_max_s = 20 "))
    daemon.wait_until(lambda: "config.reload_unconfirmed" in daemon.log)
    code, output = said(path, "reload", "--loosen", "deadbeef")
    assert (exits.CONFIG, True) == (code, "deadbeef is not the word of this change" in output)
    word = output.rstrip().rpartition(" ")[2]
    assert exits.OK == said(path, "reload", "--loosen", word)[0]
    daemon.stop()
    assert exits.OK == daemon.wait(60)
    assert exits.OK == replayed(daemon.journals[-1]).exit_code
