"""The service manager's end of the protocol is a real datagram socket here."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.shell.supervisor import Supervisor, keep_told


class Listener:
    """Who reads what is told."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self.socket.setblocking(False)

    def heard(self) -> list[dict[str, str]]:
        """All datagrams since the last look, each as a mapping."""
        datagrams: list[dict[str, str]] = []
        while True:
            try:
                text = self.socket.recv(4096).decode()
            except BlockingIOError:
                return datagrams
            datagrams.append(dict(line.split("=", 1) for line in text.splitlines()))


@pytest.fixture(params=["path", "abstract"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Listener]]:
    """An address of either kind, and who listens there."""
    address = str(tmp_path / "notify") if request.param == "path" else f"@kalshid-test-{time.time_ns()}"
    supervisor = Listener(address)
    yield address, supervisor
    supervisor.socket.close()


@pytest.mark.parametrize(
    ("environment", "watchdog_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "9000000"}, 9.0),
        ({"WATCHDOG_USEC": "9000000", "WATCHDOG_PID": "7"}, 9.0),
        ({"WATCHDOG_USEC": "9000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
    ],
)
def test_the_watchdog_is_ours_only_if_it_means_this_process(
    environment: dict[str, str], watchdog_s: float | None
) -> None:
    """WATCHDOG_PID may name another; what is no time is no watchdog."""
    supervisor = Supervisor.of({"NOTIFY_SOCKET": "/run/notify", **environment}, 7)
    assert supervisor is not None
    assert watchdog_s == supervisor.watchdog_s
    supervisor.close()


@pytest.mark.parametrize("address", [None, "", "vsock:2:1", "relative"])
def test_without_an_address_of_ours_nobody_supervises_us(address: str | None) -> None:
    """On a terminal there is none; kinds that we don't speak are none."""
    environment = {} if address is None else {"NOTIFY_SOCKET": address}
    assert Supervisor.of(environment, 7) is None


def test_each_word_is_one_datagram(place: tuple[str, Listener]) -> None:
    """As sd_notify(3) has them; a status is one line, whatever a reason holds."""
    address, listener = place
    supervisor = Supervisor(address, 3.0)
    supervisor.ready("one\ntwo")
    before = time.monotonic_ns() // 1000
    supervisor.reloading()
    after = time.monotonic_ns() // 1000
    supervisor.stopping("stopping")
    supervisor.stand("well", is_fed=True)
    supervisor.stand("stuck", is_fed=False)
    ready, reloading, stopping, fed, starved = listener.heard()
    assert {"READY": "1", "STATUS": "one two"} == ready
    assert before <= int(reloading.pop("MONOTONIC_USEC")) <= after
    assert {"RELOADING": "1"} == reloading
    assert {"STOPPING": "1", "EXTEND_TIMEOUT_USEC": "15000000", "STATUS": "stopping"} == stopping
    assert {"WATCHDOG": "1", "STATUS": "well"} == fed
    assert {"STATUS": "stuck"} == starved
    assert 0 == supervisor.failed_total
    supervisor.close()


def test_a_supervisor_that_is_gone_ends_nothing(tmp_path: Path) -> None:
    """Each failed word is counted, and that is all."""
    supervisor = Supervisor(str(tmp_path / "nobody"), None)
    supervisor.ready("ready")
    supervisor.stand("well", is_fed=True)
    assert 2 == supervisor.failed_total
    supervisor.close()


async def test_who_gets_nowhere_does_not_feed_the_watchdog(place: tuple[str, Listener]) -> None:
    """It is fed three times within its time while there is progress, and told why when there is none."""
    address, listener = place
    looks, is_over = itertools.count(), asyncio.Event()

    def why_stuck() -> str | None:
        look = next(looks)
        if look == 8:
            is_over.set()
        return "the disk hangs" if look >= 3 else None

    told = asyncio.create_task(keep_told(Supervisor(address, 0.06), lambda: "well", why_stuck, lambda: False))
    async with asyncio.timeout(5):
        await is_over.wait()
    told.cancel()
    heard = listener.heard()
    assert {"READY": "1", "STATUS": "well"} == heard[0]
    fed = [words for words in heard if "WATCHDOG" in words]
    assert fed
    assert all("well" == words["STATUS"] for words in fed)
    assert {"STATUS": "STUCK: the disk hangs"} == heard[-1]


async def test_a_stop_is_said_and_still_fed(place: tuple[str, Listener]) -> None:
    """The last cancels are waited for; a watchdog that is not fed would cut that short."""
    address, listener = place
    supervisor = Supervisor(address, 10.0)
    told = asyncio.create_task(keep_told(supervisor, lambda: "PAPER", lambda: None, lambda: True))
    await asyncio.sleep(0.05)
    told.cancel()
    words = [set(words) for words in listener.heard()]
    assert [
        {"READY", "STATUS"},
        {"STOPPING", "EXTEND_TIMEOUT_USEC", "STATUS"},
        {"WATCHDOG", "STATUS"},
    ] == words
