"""How a run ends that can't go on: each failure has its event and its exit code."""

from __future__ import annotations

from daemon import exits
from daemon.config import ConfigError
from daemon.foreseen import foreseen
from daemon.shell.journal import JournalFailed


def test_a_failure_in_a_group_is_found() -> None:
    """Tasks fail in groups: what was foreseen is told, in its own words."""
    group = ExceptionGroup("tasks", [ValueError("other"), JournalFailed("disk full")])
    assert ("journal.failed", "disk full", exits.UNRECORDED) == foreseen(group)
    assert ("start.refused", "a\nb", exits.CONFIG) == foreseen(ConfigError(["a", "b"]))


def test_what_nobody_foresaw_is_not_explained_away() -> None:
    """Its traceback is what there is to tell."""
    assert None is foreseen(ExceptionGroup("tasks", [ValueError("other")]))
