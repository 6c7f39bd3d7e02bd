"""Opening the store to read alone, for commands and reports: nobody is disturbed, nothing is traded by it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from daemon.shell.store.schema import APPLICATION_ID, STEPS


class StoreUnreadable(Exception):
    """There is no store, it is not ours, or it is of another version; the message says which."""


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection that only reads. Raises StoreUnreadable, also for what fails while it is open."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as store:
            (owner,) = store.execute("PRAGMA application_id").fetchone()
            (version,) = store.execute("PRAGMA user_version").fetchone()
            if owner != APPLICATION_ID:
                raise StoreUnreadable(f"{path}: not a store of kalshid")
            if version != len(STEPS):
                raise StoreUnreadable(
                    f"{path}: version {version}; this program reads {len(STEPS)}, which a run makes of it"
                )
            yield store
    except sqlite3.Error as error:
        raise StoreUnreadable(f"{path}: {error}") from error
