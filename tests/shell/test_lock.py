"""The folder lock: one daemon per folder, and no lock survives its holder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.shell.lock import LOCK_FILE, FolderLock, FolderTaken

HOLD = """
import sys
from pathlib import Path
from daemon.shell.lock import FolderLock
lock = FolderLock.take(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_daemon_is_refused_with_the_holders_pid(tmp_path: Path) -> None:
    """The refusal names the folder and the process, and the lock is free once that process was killed."""
    folder = tmp_path / "state"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert b"held\n" == child.stdout.readline()
        with pytest.raises(FolderTaken, match=f"{folder} is in use by process {child.pid}") as refused:
            FolderLock.take(folder)
        assert child.pid == refused.value.pid
        child.kill()
        child.wait(timeout=30)
    FolderLock.take(folder).release()


def test_a_lock_is_exclusive_within_a_process_too(tmp_path: Path) -> None:
    """Taking it twice is refused; releasing it twice is not an error."""
    lock = FolderLock.take(tmp_path)
    with pytest.raises(FolderTaken) as refused:
        FolderLock.take(tmp_path)
    assert os.getpid() == refused.value.pid
    lock.release()
    lock.release()
    FolderLock.take(tmp_path).release()


def test_a_child_process_does_not_inherit_the_lock(tmp_path: Path) -> None:
    """The sandbox outlives a killed daemon, and must not keep its folder locked."""
    lock = FolderLock.take(tmp_path)
    script = "import sys; print('up', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False
    ) as child:
        # The kernel wakes us a moment before it closes what the new program shall not have.
        assert child.stdout is not None
        assert b"up\n" == child.stdout.readline()
        lock.release()
        FolderLock.take(tmp_path).release()
        child.kill()


def test_a_holder_that_wrote_no_pid_is_still_respected(tmp_path: Path) -> None:
    """Between locking and writing the pid a crash leaves no number: unknown is None."""
    lock = FolderLock.take(tmp_path)
    (tmp_path / LOCK_FILE).write_text("")
    with pytest.raises(FolderTaken, match="another process") as refused:
        FolderLock.take(tmp_path)
    assert refused.value.pid is None
    lock.release()


def test_the_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    """State is nobody else's business."""
    folder = tmp_path / "a" / "b"
    FolderLock.take(folder).release()
    assert 0o700 == folder.stat().st_mode & 0o777
