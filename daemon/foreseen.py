"""How a run ends that can't go on or begin: each failure that is foreseen, its log event and exit code."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from daemon import exits
from daemon.config import ConfigError
from daemon.emergency import leaves
from daemon.kalshi.errors import BadKey, KeyRefused, VenueError
from daemon.live_guard import LiveRefused
from daemon.scoring.registry import ModelRefused
from daemon.shell.child import SandboxFailed
from daemon.shell.control import ControlFailed
from daemon.shell.journal import JournalFailed
from daemon.shell.latch import LatchFailed
from daemon.shell.lock import FolderTaken
from daemon.shell.shadow.store import ShadowStateRefused
from daemon.shell.store import Recorder
from daemon.shell.web import WebFailed

_FORESEEN: tuple[tuple[tuple[type[Exception], ...], str, int], ...] = (
    (
        (ConfigError, BadKey, KeyRefused, ModelRefused, LiveRefused, ShadowStateRefused),
        "start.refused",
        exits.CONFIG,
    ),
    ((SandboxFailed, VenueError), "venue.unavailable", exits.UNAVAILABLE),
    ((FolderTaken, WebFailed, ControlFailed), "start.taken", exits.TAKEN),
    ((JournalFailed,), "journal.failed", exits.UNRECORDED),
    ((LatchFailed,), "halt.unlifted", exits.UNRECORDED),
)


def foreseen(error: Exception) -> tuple[str, str, int] | None:
    """Return the log event, the reason and the exit code of a failure, alone or in a group.

    None where nobody foresaw it: then its traceback is what there is to tell.
    """
    for leaf in leaves(error):
        for kinds, event, code in _FORESEEN:
            if isinstance(leaf, kinds):
                return event, str(leaf), code
    return None


def close_store(
    recorder: Callable[[], Recorder | None],
    _kind: type[BaseException] | None,
    error: BaseException | None,
    _trace: TracebackType | None,
) -> None:
    """Close a run's store, if it came to have one, and write the end of a run that failed.

    Called with what ended the run. Without an end it would be taken for killed; one that is there stands.
    """
    store = recorder()
    if store is None:
        return
    if isinstance(error, Exception):
        leaf = leaves(error)[0]
        _, reason, code = foreseen(error) or ("", f"{type(leaf).__name__}: {leaf}", exits.CRASHED)
        store.end(reason, code)
    store.close()
