"""In which mode a state folder was traded last, and whether orders may rest where the file no longer leads.

The file may have been changed since a run began: what that run itself left behind counts.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from daemon.core.records import RecordReader
from daemon.shell.journal import JournalHeader, JournalUnreadable, newest_first, open_journal
from daemon.shell.store import STORE_NAME
from daemon.shell.store.last_known import last_account, last_run
from daemon.shell.store.reading import StoreUnreadable, reading
from daemon.shell.summary import LIVE

_AT_KALSHI = (LIVE, "demo")
"""Modes whose orders rest on when nobody of ours runs."""


def begun_mode(folder: Path) -> str | None:
    """Return the mode of the last start of a state folder, by its journal; None where that is not known."""
    for path in _journals(folder)[:1]:
        with suppress(JournalUnreadable, OSError):
            return open_journal(path)[1].instance
    return None


def left_elsewhere(folder: Path, mode: str) -> tuple[str, str] | None:
    """Return the mode in which orders of the last life may rest, and how that life ended, in words.

    None where it was of the mode that is asked about, where its orders can't outlive it, or where it ended
    with all confirmed. A real account is asked about for its own sake: for mode "live" it is None.
    """
    header = None if mode == LIVE else _last_begun(folder)
    if header is None or header.instance not in _AT_KALSHI or header.instance == mode:
        return None
    ended = _ended(folder, header)
    return None if ended is None else (header.instance, ended)


def _last_begun(folder: Path) -> JournalHeader | None:
    """Return the header of the last journal that was begun, and not by a tape; None where there is none.

    One that can't be read tells nothing: the one before it counts.
    """
    for path in _journals(folder):
        with suppress(JournalUnreadable, OSError):
            view, header, start = open_journal(path)
            if header.instance != "tape" and next(iter(RecordReader(view, start)), None) is not None:
                return header
    return None


def _journals(folder: Path) -> list[Path]:
    """Return the journals of a state folder, the latest first; none where it is not ours to look into."""
    with suppress(OSError):
        return newest_first(folder / "journal")
    return []


def _ended(folder: Path, header: JournalHeader) -> str | None:
    """Return how a life ended that may have left orders, in words; None where it left none for certain."""
    try:
        with reading(folder / STORE_NAME) as store:
            run = last_run(store, header.instance)
            if run is None or run.epoch != header.epoch:
                return "the store does not tell how it ended"
            if run.exit_code is None:
                return "it wrote no end: it was killed"
            if run.exit_code:
                return f"it ended with exit code {run.exit_code}: {run.end_reason}"
            left = last_account(store, run).orders
            return f"it left orders: {len(left)}" if left else None
    except StoreUnreadable as error:
        return f"nobody knows how it ended: {error}"
