"""A copy of the state folder that can be carried away: one file, whole or not there.

What is copied while the daemon writes is still sound: the store by SQLite's own online backup, a journal as
far as it had come (a torn last record is cut by whoever reads it, as after a crash). Keys and tokens are not
in it. To restore: stop the daemon, and `tar -xzf FILE -C` the state folder. What it holds is older than what
the exchange remembers: the next start reconciles, and believes the exchange.
"""

from __future__ import annotations

import os
import re
import sqlite3
import tarfile
import tempfile
import time
from contextlib import closing
from pathlib import Path

from daemon.shell.latch import HAND_FILE, LATCH_FILE
from daemon.shell.shadow.venue import ACCOUNT_FILE

WRITTEN_PATTERN = re.compile(r"kalshid-[0-9]{8}T[0-9]{6}Z\.tar\.gz")
_PLAIN = (LATCH_FILE, HAND_FILE, "golive.json", "journal/*.journal")
_DATABASES = ("store.sqlite", f"**/{ACCOUNT_FILE}")
_SQLITE_WAIT_S = 10.0


class NothingToKeep(ValueError):
    """The state folder holds nothing that a backup is of."""


def back_up(state_dir: Path, target: Path, at: float, keep: int | None = None) -> Path:
    """Write a backup into the folder `target` and return its path.

    Args:
        state_dir: the daemon's state folder; it may be running.
        target: made where it is missing; its files are for their owner alone.
        at: Unix seconds, which name the backup.
        keep: so many backups stay, the newest; None keeps all. Nothing else in `target` is touched.

    Raises:
        NothingToKeep: there is neither journal nor store.
        OSError, sqlite3.Error: something can't be read or written; then there is no new backup and no old one
            is gone.
    """
    plain = [path for pattern in _PLAIN for path in sorted(state_dir.glob(pattern))]
    databases = [path for pattern in _DATABASES for path in sorted(state_dir.glob(pattern))]
    if not any(path.suffix == ".journal" for path in plain) and not databases:
        raise NothingToKeep(f"{state_dir}: neither a journal nor a store")
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"kalshid-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(at))}.tar.gz"
    with tempfile.TemporaryDirectory(dir=target, prefix=".partial-") as folder:
        partial = Path(folder) / name
        with tarfile.open(partial, "w:gz", compresslevel=6) as archive:
            for path in plain:
                archive.add(path, arcname=str(path.relative_to(state_dir)), recursive=False)
            for path in databases:
                copy = Path(folder) / "copy.sqlite"
                _copy_database(path, copy)
                archive.add(copy, arcname=str(path.relative_to(state_dir)), recursive=False)
                copy.unlink()
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.chmod(0o600)
        partial.rename(target / name)
    _sync(target)
    if keep is not None:
        written = sorted(path for path in target.iterdir() if WRITTEN_PATTERN.fullmatch(path.name))
        for path in written[:-keep]:
            path.unlink()
    return target / name


def _copy_database(source: Path, target: Path) -> None:
    with (
        closing(
            sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=_SQLITE_WAIT_S)
        ) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
