"""One daemon per state folder: a lock that dies with its holder.

Two daemons on one folder would trade the same account without knowing of each other. The lock is the
kernel's (`flock`), so a killed daemon leaves none behind; the file's text only says who holds it.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

LOCK_FILE = "lock"


class FolderTaken(Exception):
    """Another process holds the folder. `pid` is None when it did not get round to writing it."""

    def __init__(self, folder: Path, pid: int | None) -> None:
        holder = "another process" if pid is None else f"process {pid}"
        super().__init__(f"{folder} is in use by {holder}: a second daemon needs a state folder of its own")
        self.folder = folder
        self.pid = pid


class FolderLock:
    """A held lock on a folder. Child processes don't inherit it; the end of this process frees it."""

    def __init__(self, folder: Path, fd: int) -> None:
        self.folder = folder
        self._fd: int | None = fd

    @classmethod
    def take(cls, folder: Path) -> FolderLock:
        """Make the folder (for its owner only) if it is missing, and lock it.

        Raises:
            FolderTaken: another process holds it.
            OSError: the folder can't be made or written.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / LOCK_FILE
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError:
            text = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
            os.close(fd)
            raise FolderTaken(folder, int(text) if text.isdigit() else None) from None
        except BaseException:
            os.close(fd)
            raise
        return cls(folder, fd)

    def release(self) -> None:
        """Free the folder. The file stays: removing it would let two processes lock two files of one name."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
