"""The kill switch and the end, from outside: daemon, exchange and commands are processes of their own."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon import exits
from daemon.core.commands import PlaceOrder
from daemon.core.events import OrderSnapshot
from daemon.core.units import SECOND
from daemon.kalshi.auth import Signer, load_private_key
from daemon.kalshi.rest import Rest
from daemon.shell.clock import SystemClock
from daemon.shell.latch import Latch
from tests.e2e.daemon_process import ROOT, Daemon, free_port, write_config
from tests.e2e.test_run import TRADES_WITHIN_S, fetch

HALTED_WITHIN_S = 30.0
LIVES = 5
"""So often is a daemon stopped until one of its orders rests in that instant."""
MINE = "mine-1"
"""The client order id of an order that the account's owner placed by himself."""


class Venue:
    """A sandbox that somebody else runs: it outlives every daemon, as Kalshi does."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "daemon", "sandbox", "--state", str(folder), "--idle-exit", "120s"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.ready: dict[str, Any] = json.loads(self._process.stdout.readline())

    def config(self, folder: Path, **changes: str) -> Path:
        """A configuration of a daemon that trades here."""
        ready = self.ready
        return write_config(
            folder,
            mode='"demo"',
            rest_url=f'"{ready["rest_url"]}"',
            ws_url=f'"{ready["ws_url"]}"',
            kraken_ws_url=f'"{ready["reference_ws_url"]}"',
            kraken_rest_url=f'"{ready["reference_rest_url"]}"',
            key_id=f'"{ready["key_id"]}"',
            private_key_file=f'"{ready["private_key_path"]}"',
            request_timeout_s="2",
            refresh_s="1",
            **changes,
        )

    def _rest(self) -> Rest:
        ready = self.ready
        signer = Signer(ready["key_id"], load_private_key(Path(ready["private_key_path"])))
        return Rest(ready["rest_url"], signer, SystemClock().now)

    def resting(self) -> tuple[OrderSnapshot, ...]:
        """What rests, as the exchange has it."""

        async def read() -> tuple[OrderSnapshot, ...]:
            async with self._rest() as rest:
                return await rest.orders("resting")

        return asyncio.run(read())

    def positions(self) -> dict[str, int]:
        """What is held, as the exchange has it."""

        async def read() -> dict[str, int]:
            async with self._rest() as rest:
                return {one.ticker: one.qty for one in await rest.positions() if one.qty}

        return asyncio.run(read())

    def statuses(self) -> dict[str, str]:
        """All orders by client order id: resting, canceled or executed."""

        async def read() -> dict[str, str]:
            async with self._rest() as rest:
                records = await rest.order_records()
            return {record.order.client_order_id: record.status for record in records}

        return asyncio.run(read())

    def ours(self) -> set[str]:
        """The client order ids of the daemon's orders that rest."""
        return {order.client_order_id for order in self.resting()} - {MINE}

    def place_mine(self, ticker: str) -> None:
        """Place an order by hand, where nobody trades with it."""

        async def place() -> None:
            async with self._rest() as rest:
                records = await rest.order_records(ticker=ticker)
                shard = records[0].exchange_index
                assert shard is not None
                now = time.time_ns()
                order = PlaceOrder(
                    MINE, ticker, "bid", 100, 100, "good_till_canceled", True, shard, "me", "mine", now,
                    now + SECOND, None,
                )  # fmt: skip
                await rest.place(order)

        asyncio.run(place())

    def stop(self) -> None:
        """Hold it still: it answers nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """End it."""
        self.go_on()
        self._process.terminate()
        self._process.wait(30)
        if self._process.stdout is not None:
            self._process.stdout.close()


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    """An exchange that ends with the test."""
    made = Venue(tmp_path / "venue")
    yield made
    made.end()


@pytest.fixture
def daemons() -> Iterator[list[Daemon]]:
    """Daemons that a failing test must not leave behind."""
    started: list[Daemon] = []
    yield started
    for daemon in started:
        if daemon.process.poll() is None:
            daemon.kill()


def kalshid(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run one of the owner's commands to its end."""
    command = [sys.executable, "-m", "daemon", words[0], "--config", str(config), *words[1:]]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def is_in_phase(config: Path, phase: str) -> bool:
    """Whether the daemon says that it is in this phase."""
    return f'kalshid_phase{{phase="{phase}"}} 1.0'.encode() in fetch(config, "/metrics")[1]


def trading(config: Path, venue: Venue, daemons: list[Daemon]) -> Daemon:
    """A daemon of which an order rests."""
    daemon = Daemon(config)
    daemons.append(daemon)
    daemon.wait_until(lambda: is_in_phase(config, "trading"), TRADES_WITHIN_S)
    daemon.wait_until(lambda: bool(venue.ours()), TRADES_WITHIN_S)
    return daemon


def test_a_halt_is_latched_over_a_restart_until_a_person_resumes(
    tmp_path: Path, venue: Venue, daemons: list[Daemon]
) -> None:
    """What rests is cancelled; the next start is halted and says why; resumed, it trades again."""
    config = venue.config(tmp_path)
    daemon = trading(config, venue, daemons)
    halted = kalshid(config, "halt", "the model looks wrong")
    assert halted.returncode == exits.OK, halted.stderr + daemon.log[-3000:]
    daemon.wait_until(lambda: not venue.ours(), HALTED_WITHIN_S)
    assert is_in_phase(config, "halted")
    daemon.stop()
    assert daemon.wait(60) == exits.OK, daemon.log[-4000:]

    said = len(daemon.log)
    again = Daemon(config)
    daemons.append(again)
    again.wait_until(lambda: is_in_phase(config, "halted"))
    told = again.log[said:]
    assert "start.halted" in told
    assert "the model looks wrong" in told
    assert "kalshid resume" in told
    time.sleep(3)
    assert venue.ours() == set()
    assert is_in_phase(config, "halted")

    assert kalshid(config, "resume", "--reason", " ").returncode == exits.USAGE
    assert is_in_phase(config, "halted")
    resumed = kalshid(config, "resume", "--reason", "the model is mended")
    assert resumed.returncode == exits.OK, resumed.stderr
    again.wait_until(lambda: is_in_phase(config, "trading"), HALTED_WITHIN_S)
    assert not Latch(tmp_path / "var").is_set
    again.wait_until(lambda: bool(venue.ours()), TRADES_WITHIN_S)
    again.stop()
    assert again.wait(60) == exits.OK, again.log[-4000:]


@pytest.mark.parametrize("way", ["file", "signal", "page"])
def test_every_way_halts_and_latches(tmp_path: Path, venue: Venue, daemons: list[Daemon], way: str) -> None:
    """A file, a signal, the page: the halt is on disk with who did it, and what rested is gone."""
    page = f"127.0.0.1:{free_port()}" if way == "page" else ""
    config = venue.config(tmp_path, page_listen=page)
    daemon = trading(config, venue, daemons)
    folder = tmp_path / "var"
    if way == "file":
        (folder / "HALT").write_text("I don't like this\n")
    elif way == "signal":
        daemon.process.send_signal(signal.SIGUSR1)
    else:
        assert (folder / "page.token").stat().st_mode & 0o777 == 0o600
        token = (folder / "page.token").read_text().strip()
        assert post(page, "wrong", "x") == 403
        assert not Latch(folder).is_set
        assert post(page, token, "from the page") == 200
        assert token not in daemon.log
    daemon.wait_until(lambda: is_in_phase(config, "halted"), HALTED_WITHIN_S)
    daemon.wait_until(lambda: not venue.ours(), HALTED_WITHIN_S)
    halt = Latch(folder).read()
    assert halt is not None
    assert halt.by == way
    daemon.stop()
    assert daemon.wait(60) == exits.OK, daemon.log[-4000:]


def post(page: str, token: str, reason: str) -> int:
    """Halt over the page; return the status."""
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Origin": f"http://{page}",
    }
    body = json.dumps({"reason": reason}).encode()
    request = urllib.request.Request(f"http://{page}/halt", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_hung_daemon_is_halted_without_it(tmp_path: Path, venue: Venue, daemons: list[Daemon]) -> None:
    """SIGSTOP: `kalshid halt` cancels what is ours by itself, leaves what is not, and it wakes up halted."""
    config = venue.config(tmp_path)
    daemon = trading(config, venue, daemons)
    venue.place_mine(venue.resting()[0].ticker)
    daemon.wait_until(lambda: bool(venue.ours()), TRADES_WITHIN_S)
    daemon.stop(signal.SIGSTOP)
    try:
        done = kalshid(config, "halt", "it hangs")
        assert done.returncode == exits.OK, done.stdout + done.stderr
        assert {order.client_order_id for order in venue.resting()} == {MINE}
        assert kalshid(config, "resume", "--reason", "too early").returncode == exits.UNAVAILABLE
        assert Latch(tmp_path / "var").is_set
    finally:
        daemon.stop(signal.SIGCONT)
    daemon.wait_until(lambda: is_in_phase(config, "halted"), HALTED_WITHIN_S)
    daemon.wait_until(lambda: "control.expired" in daemon.log)
    time.sleep(2)
    assert is_in_phase(config, "halted")
    assert {order.client_order_id for order in venue.resting()} == {MINE}


def test_without_a_daemon_it_halts_and_resumes_too(
    tmp_path: Path, venue: Venue, daemons: list[Daemon]
) -> None:
    """Killed with orders resting: `kalshid halt` latches and cancels; `kalshid resume` lifts it on disk."""
    config = venue.config(tmp_path)
    trading(config, venue, daemons).kill()
    assert kalshid(config, "flatten").returncode == exits.UNAVAILABLE
    done = kalshid(config, "halt")
    assert done.returncode == exits.OK, done.stdout + done.stderr
    assert venue.ours() == set()
    assert Latch(tmp_path / "var").is_set
    lifted = kalshid(config, "resume", "--reason", "it was only a test")
    assert lifted.returncode == exits.OK, lifted.stderr
    assert "it was only a test" in lifted.stderr
    assert not Latch(tmp_path / "var").is_set


def test_flatten_closes_all_and_stays_halted(tmp_path: Path, venue: Venue, daemons: list[Daemon]) -> None:
    """By orders that only reduce; what is flat stays flat, over a restart too."""
    config = venue.config(tmp_path)
    daemon = trading(config, venue, daemons)
    daemon.wait_until(lambda: bool(venue.positions()), TRADES_WITHIN_S)
    done = kalshid(config, "flatten", "--slippage-cents", "99")
    assert done.returncode == exits.OK, done.stderr + daemon.log[-3000:]
    time.sleep(1)
    assert (venue.positions(), venue.ours()) == ({}, set())
    assert is_in_phase(config, "halted")
    assert Latch(tmp_path / "var").is_set
    daemon.stop()
    assert daemon.wait(60) == exits.OK, daemon.log[-4000:]


def stop_twice_in_front_of_a_hung(venue: Venue, daemon: Daemon) -> int:
    """The daemon's exit code, when the venue answers nothing and somebody presses again."""
    venue.stop()
    try:
        daemon.stop()
        daemon.wait_until(lambda: "stop.requested" in daemon.log)
        time.sleep(0.5)
        if daemon.process.poll() is None:
            daemon.stop()
        return daemon.wait(10)
    finally:
        venue.go_on()


def test_a_second_signal_leaves_at_once_and_says_what_rests(
    tmp_path: Path, venue: Venue, daemons: list[Daemon]
) -> None:
    """The exchange hangs, so that no cancel is confirmed; whoever presses again need not wait for it."""
    config = venue.config(tmp_path)
    for _ in range(LIVES):
        daemon = trading(config, venue, daemons)
        code = stop_twice_in_front_of_a_hung(venue, daemon)
        if daemon.summary["orders_left"]:
            break
    assert exits.UNCONFIRMED == code, daemon.log[-4000:]
    told = daemon.log[daemon.log.index("stop.unconfirmed") :]
    assert "a second signal" in told
    assert "kd-" in told
    left = daemon.summary["orders_left"]
    assert left
    assert all(line["ticker"] and line["price"] for line in left)


def test_on_exit_leave_leaves_what_rests_and_the_next_start_takes_it_out(
    tmp_path: Path, venue: Venue, daemons: list[Daemon]
) -> None:
    """Nothing is cancelled at the stop, all that rests is named; the next life adopts and cancels it."""
    config = venue.config(tmp_path, on_exit='"leave"')
    for _ in range(LIVES):  # what rested may be taken or filled in the instant before the stop
        daemon = trading(config, venue, daemons)
        daemon.stop()
        assert daemon.wait(60) == exits.OK, daemon.log[-4000:]
        left = {line["client_order_id"] for line in daemon.summary["orders_left"]}
        if left:
            break
    time.sleep(1)  # the lists at the venue run behind
    assert left
    assert venue.ours() <= left
    assert "canceled" not in {venue.statuses().get(name) for name in left}
    assert daemon.summary["orders_open"] == len(left)
    assert "stop.left" in daemon.log

    config.write_text(config.read_text().replace('on_exit = "leave"', 'on_exit = "cancel"'))
    again = Daemon(config, "--for", "6s")
    daemons.append(again)
    assert again.wait(60) == exits.OK, again.log[-4000:]
    time.sleep(1)
    assert venue.ours() == set()
    assert again.summary["orders_left"] == []


def test_a_journal_that_fails_leaves_nothing_behind_and_stays_halted(
    tmp_path: Path, venue: Venue, daemons: list[Daemon]
) -> None:
    """The disk takes no more: exit 74, what rested is cancelled over REST, and the next start is halted."""
    config = venue.config(tmp_path)
    daemon = trading(config, venue, daemons)
    size = daemon.journals[-1].stat().st_size
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (size, size))
    assert daemon.wait(60) == exits.UNRECORDED, daemon.log[-4000:]
    time.sleep(1)
    assert venue.ours() == set()
    halt = Latch(tmp_path / "var").read()
    assert halt is not None
    assert halt.by == "journal"


def test_the_socket_is_for_its_owner_and_his_group(
    tmp_path: Path, venue: Venue, daemons: list[Daemon]
) -> None:
    """0660, and gone with the daemon."""
    config = venue.config(tmp_path)
    daemon = Daemon(config)
    daemons.append(daemon)
    path = tmp_path / "var/control.sock"
    daemon.wait_until(path.exists)
    daemon.wait_until(lambda: is_in_phase(config, "trading"))
    assert path.stat().st_mode & 0o777 == 0o660
    daemon.stop()
    assert daemon.wait(60) == exits.OK, daemon.log[-4000:]
    assert not path.exists()
