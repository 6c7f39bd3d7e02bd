"""A halt on disk: it survives us, a restart and a power cut, until a person lifts it.

    <state folder>/halt.json    the latch: reason, by, at; written whole or not at all
    <state folder>/HALT         anyone who may write there makes it (`touch`, `echo why > HALT`): it halts too

The first halt stands: a later one does not write over why it all began. A latch that can't be read is a
halt, for nobody can say any more what it was.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from daemon.core.units import SECOND, Ns

LATCH_FILE = "halt.json"
HAND_FILE = "HALT"
REASON_CHARS_MAX = 500
_BYTES_MAX = 64 * 1024


class LatchFailed(Exception):
    """The disk refused to hold a halt, or to let one go."""


class Halt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why nothing new is sent, who said so, and when (RFC 3339; None when that can't be known)."""

    reason: str
    by: str
    at: str | None


def one_line(text: str) -> str:
    """Return a person's words on one line, without control characters, cut at REASON_CHARS_MAX."""
    printable = "".join(char if char.isprintable() else " " for char in text[: 4 * REASON_CHARS_MAX])
    return " ".join(printable.split())[:REASON_CHARS_MAX]


def instant_text(at: Ns) -> str:
    """Return an instant as people read it: RFC 3339 in UTC, to the second."""
    return datetime.fromtimestamp(at // SECOND, UTC).isoformat().replace("+00:00", "Z")


class Latch:
    """The two files of one state folder. Any process may read, set or lift it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LATCH_FILE
        self.hand_path = folder / HAND_FILE

    @property
    def is_set(self) -> bool:
        """Whether either file is there; True when that can't be found out. Takes some microseconds."""
        return _is_there(self.path) or _is_there(self.hand_path)

    def read(self) -> Halt | None:
        """Return the halt that is on disk; None when there is none. Never fails: unreadable is halted."""
        try:
            content = _read(self.path)
        except OSError as error:
            return Halt(one_line(f"the latch {self.path} can't be read: {error}"), "latch", None)
        if content is None:
            return self.read_hand()
        try:
            return msgspec.json.decode(content, type=Halt)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return Halt(one_line(f"the latch {self.path} is torn or not ours: {error}"), "latch", None)

    def read_hand(self) -> Halt | None:
        """Return what the file HALT says; None when it is not there."""
        try:
            content = _read(self.hand_path)
            changed_at = instant_text(self.hand_path.stat().st_mtime_ns)
        except FileNotFoundError:
            return None
        except OSError as error:
            return Halt(one_line(f"{self.hand_path}, which can't be read: {error}"), "file", None)
        if content is None:
            return None
        text = one_line(content.decode("utf-8", "replace"))
        return Halt(text or f"the file {self.hand_path}", "file", changed_at)

    def write(self, halt: Halt) -> bool:
        """Put a halt on disk, synced; False when one stood there already, which stays.

        Raises:
            LatchFailed: the disk refused.
        """
        if self._is_whole():
            return False
        # Two processes may do this at one time: each has a file of its own until it is renamed.
        fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                with os.fdopen(fd, "wb") as file:
                    file.write(msgspec.json.encode(halt) + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
                fresh.replace(self.path)
            except OSError:
                fresh.unlink(missing_ok=True)
                raise
            _sync_folder(self.path.parent)
        except OSError as error:
            raise LatchFailed(f"can't write {self.path}: {error}") from error
        return True

    def lift(self) -> None:
        """Take both files away. A person has said why.

        Raises:
            LatchFailed: the disk refused; the halt stands.
        """
        try:
            # The latch last: cut off in between, it still halts.
            self.hand_path.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
            if self.path.parent.is_dir():
                _sync_folder(self.path.parent)
        except OSError as error:
            raise LatchFailed(f"can't remove {error.filename}: {error}") from error

    def _is_whole(self) -> bool:
        try:
            content = _read(self.path)
            return content is not None and bool(msgspec.json.decode(content, type=Halt))
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return False


def _read(path: Path) -> bytes | None:
    """Return what a file holds, up to a bound; None when there is none. Raises OSError."""
    try:
        # Whoever may write here may have made a pipe of it: opening that must not wait for a writer.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(fd, "rb") as file:
        return file.read(_BYTES_MAX) or b""


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
