"""How a run ends that can't go on: each failure has its event, its exit code and its end in the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon import exits
from daemon.config import ConfigError
from daemon.foreseen import close_store, foreseen
from daemon.shell.journal import JournalFailed
from daemon.shell.store import STORE_NAME, Recorder
from daemon.shell.store.reading import reading
from daemon.shell.store.rows import Run
from daemon.shell.web import WebFailed
from tests.core.worlds import NOW, Scripted, trading


def test_a_failure_in_a_group_is_found() -> None:
    """Tasks fail in groups: what was foreseen is told, in its own words."""
    group = ExceptionGroup("tasks", [ValueError("other"), JournalFailed("disk full")])
    assert ("journal.failed", "disk full", exits.UNRECORDED) == foreseen(group)
    assert ("start.refused", "a\nb", exits.CONFIG) == foreseen(ConfigError(["a", "b"]))


def test_what_nobody_foresaw_is_not_explained_away() -> None:
    """Its traceback is what there is to tell."""
    assert None is foreseen(ExceptionGroup("tasks", [ValueError("other")]))


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (None, []),
        (WebFailed("the port is taken"), [("the port is taken", exits.TAKEN)]),
        (ExceptionGroup("tasks", [ValueError("odd")]), [("ValueError: odd", exits.CRASHED)]),
    ],
)
def test_what_fails_writes_the_end_of_its_run(
    tmp_path: Path, error: Exception | None, end: list[tuple[str, int]]
) -> None:
    """Foreseen or not; what ended otherwise has told it by itself."""
    run = Run(NOW, "demo", "0", "[]", "m", "l", "c")
    path = tmp_path / STORE_NAME
    recorder = Recorder(path, trading(Scripted()), run, cost=lambda _method, _path: 2, now=lambda: NOW)
    close_store(lambda: recorder, None, error, None)
    with reading(path) as store:
        assert end == store.execute("SELECT reason, exit_code FROM run_ends").fetchall()


def test_a_run_without_a_store_ends_without_it() -> None:
    """It failed before, or plays a tape."""
    close_store(lambda: None, WebFailed, WebFailed("the port is taken"), None)
