"""Where the control socket is, by the folder's name alone; for whom, and who came."""

from __future__ import annotations

import asyncio
import grp
import os
import socket
from pathlib import Path

import pytest

from daemon.shell import control_socket
from daemon.shell.control_socket import (
    SOCKET_FILE,
    Peer,
    address,
    is_closed,
    listening,
    peer_of,
    socket_path,
    whose,
)
from tests.locked_out import locked_out


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine's /run, /var/lib and /var/lib/private, elsewhere."""
    for name in ("run", "lib/private/kalshid"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(control_socket, "RUNTIME_ROOT", tmp_path / "run")
    monkeypatch.setattr(control_socket, "STATE_ROOTS", (tmp_path / "lib", tmp_path / "lib/private"))
    return tmp_path


def test_a_state_folder_has_its_own_socket(system: Path) -> None:
    """Of the owner's own, wherever; of the system's, while nothing of its name is in /run."""
    (system / "run/var").mkdir()
    for folder in (system / "var", system / "lib/kalshid/paper", system / "lib/private/kalshid"):
        folder.mkdir(parents=True, exist_ok=True)
        assert folder / SOCKET_FILE == socket_path(folder)


@pytest.mark.parametrize("root", ["lib", "lib/private"])
def test_a_service_has_it_where_its_group_may_enter(system: Path, root: str) -> None:
    """By the name that systemd gives both folders, be its user invented or not."""
    (system / "run/kalshid").mkdir()
    (system / root / "kalshid").mkdir(exist_ok=True)
    assert system / "run/kalshid" / SOCKET_FILE == socket_path(system / root / "kalshid")


def test_whoever_may_not_look_into_the_state_is_sent_to_run(system: Path) -> None:
    """A service that is stopped has no folder there: what he finds is that nobody listens."""
    folder = system / "lib/private/kalshid"
    with locked_out(folder):
        assert system / "run/kalshid" / SOCKET_FILE == socket_path(folder)


def test_a_folder_is_closed_to_whoever_may_not_enter_it(tmp_path: Path) -> None:
    """Not one that isn't there, or has nothing in it."""
    assert (False, False) == (is_closed(tmp_path), is_closed(tmp_path / "gone"))
    with locked_out(tmp_path):
        assert (True, True) == (is_closed(tmp_path), is_closed(tmp_path / "below"))


def test_a_socket_lets_in_owner_and_group_and_takes_a_dead_ones_name(tmp_path: Path) -> None:
    """Nobody else, from the first moment that the kernel lets in anybody."""
    path = tmp_path / SOCKET_FILE
    path.touch()
    with listening(path):
        assert path.is_socket()
        assert 0o660 == path.stat().st_mode & 0o777
    with pytest.raises(FileNotFoundError):
        listening(tmp_path / "gone" / SOCKET_FILE)


def test_a_name_that_is_too_long_has_a_short_one(tmp_path: Path) -> None:
    """The kernel takes 107 bytes; short ones stay as they are."""
    long = tmp_path / ("deep" * 30) / SOCKET_FILE
    long.parent.mkdir()
    with address(long) as name:
        assert len(name) <= 107
        assert Path(name).parent.samefile(long.parent)
    with address(Path("/run/kalshid") / SOCKET_FILE) as name:
        assert "/run/kalshid/control.sock" == name


async def test_the_kernel_names_who_came(tmp_path: Path) -> None:
    """His process, user and group; nobody is named where there is no connection."""
    came = asyncio.get_running_loop().create_future()
    path = tmp_path / SOCKET_FILE

    def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set_result(peer_of(writer.transport))
        writer.close()

    async with asyncio.timeout(10), await asyncio.start_unix_server(greet, sock=listening(path)):
        with socket.socket(socket.AF_UNIX) as mine:
            mine.connect(str(path))
            assert Peer(os.getpid(), os.getuid(), os.getgid()) == await came
    assert Peer() == peer_of(None)


def test_whose_it_is_names_the_group_that_may_enter(tmp_path: Path) -> None:
    """Not one that may not, and a group without a name by its number; what can't be seen is its owner's."""
    path = tmp_path / SOCKET_FILE
    tmp_path.chmod(0o750)
    named = grp.getgrgid(tmp_path.stat().st_gid).gr_name
    assert f"its owner and the group {named}" == whose(path)
    tmp_path.chmod(0o700)
    assert "its owner" == whose(path)
    assert "its owner" == whose(tmp_path / "gone" / SOCKET_FILE)
