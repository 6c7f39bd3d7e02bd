"""Where the control socket is, whom it lets in, and who came.

It is in the state folder, for its owner and his group (0660). But a state folder of the system's,
/var/lib/NAME, is closed to all but its owner: there the socket is in /run/NAME while that is there. systemd
makes both (StateDirectory=, RuntimeDirectory=), the second for its group to enter. So a state folder has
one place for its socket: both ends find it by themselves, and whoever holds the folder's lock may take it.
"""

from __future__ import annotations

import asyncio
import grp
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

SOCKET_FILE = "control.sock"
STATE_ROOTS = (Path("/var/lib"), Path("/var/lib/private"))
"""Where systemd makes state folders; the second where it invents the user (DynamicUser=)."""
RUNTIME_ROOT = Path("/run")
_PATH_BYTES_MAX = 107
"""What the kernel takes as the name of a Unix socket."""
_PEER = struct.Struct("3i")
"""`struct ucred`: process, user, group."""


class Peer(msgspec.Struct, frozen=True):
    """Who is at the other end, as the kernel names him; None where it doesn't."""

    pid: int | None = None
    uid: int | None = None
    gid: int | None = None


def socket_path(state_folder: Path) -> Path:
    """Return where the socket of a state folder is, or would be.

    Whoever may not enter a folder of the system's is told of /run: its daemon is there, or is none for him.
    """
    if state_folder.parent in STATE_ROOTS:
        runtime = RUNTIME_ROOT / state_folder.name
        if runtime.is_dir() or is_closed(state_folder):
            return runtime / SOCKET_FILE
    return state_folder / SOCKET_FILE


def is_closed(folder: Path) -> bool:
    """Whether a folder is not ours to enter: what is in it, we can't know."""
    try:
        (folder / SOCKET_FILE).lstat()
    except PermissionError:
        return True
    except OSError:
        pass
    return False


def listening(path: Path) -> socket.socket:
    """Return a bound socket of that name, for its owner and his group.

    Raises:
        OSError: it can't be made.
    """
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with address(path) as name:
            bound.bind(name)
        # Before it listens: until then the kernel refuses whoever comes.
        path.chmod(0o660)
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound


@contextmanager
def address(path: Path) -> Iterator[str]:
    """Give a name of the socket that the kernel takes, also where its path is too long for that."""
    if len(os.fsencode(path)) <= _PATH_BYTES_MAX:
        yield str(path)
        return
    fd = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{path.name}"
    finally:
        os.close(fd)


def peer_of(transport: asyncio.BaseTransport | None) -> Peer:
    """Return who is at the other end of a connection (SO_PEERCRED)."""
    found = None if transport is None else transport.get_extra_info("socket")
    if found is None:
        return Peer()
    return Peer(*_PEER.unpack(found.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)))


def whose(path: Path) -> str:
    """Return in words who may connect: the owner, and the group where it may enter the folder."""
    try:
        folder = path.parent.stat()
    except OSError:
        return "its owner"
    if not folder.st_mode & 0o010:
        return "its owner"
    try:
        name = grp.getgrgid(folder.st_gid).gr_name
    except KeyError:
        name = str(folder.st_gid)
    return f"its owner and the group {name}"
