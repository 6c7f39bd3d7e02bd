"""What the doctor sees, look by look: ok, warn or FAIL, and for what isn't ok what to do."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from daemon import doctor, exits
from daemon.config import load_config
from daemon.doctor import (
    SQLITE_MENDED,
    Diagnosis,
    clock_line,
    daemon_line,
    disk_line,
    examine,
    files_line,
    metrics_line,
    python_lines,
    sqlite_line,
    store_line,
    unit_lines,
    venue_lines,
)
from daemon.install_commands import systemd_version, units_of
from daemon.shell.control_socket import SOCKET_FILE
from tests.commands_rig import leave_store, serving
from tests.e2e.daemon_process import write_config
from tests.locked_out import locked_out
from tests.test_preflight import KEY_ID, config_in


@asynccontextmanager
async def answering(text: str, status: int = 200) -> AsyncIterator[str]:
    """Answer everything with one text; gives the address."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text=text, status=status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        async with asyncio.timeout(30):
            yield f"{host}:{port}"
    finally:
        await runner.cleanup()


def test_this_interpreter_has_what_kalshid_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each library with its version; one that is missing, or an old Python, is a FAIL."""
    assert ["ok", "ok"] == [line.outcome for line in python_lines()]
    monkeypatch.setattr(doctor, "requires", lambda _name: ["no-such-thing>=1", "lab-only; extra == 'lab'"])
    monkeypatch.setattr(doctor, "PYTHON_MIN", (sys.version_info.major, sys.version_info.minor + 1))
    python, libraries = python_lines()
    assert ("FAIL", "FAIL", "missing: no-such-thing") == (python.outcome, libraries.outcome, libraries.text)


@pytest.mark.parametrize(
    ("version", "outcome"), [((3, 40, 1), "warn"), ((3, 51, 2), "warn"), (SQLITE_MENDED, "ok"), ((4,), "ok")]
)
def test_sqlite_s_bug_is_known_by_the_version(version: tuple[int, ...], outcome: str) -> None:
    """Up to the version that mends it."""
    assert outcome == sqlite_line(version).outcome


@pytest.mark.parametrize(
    ("free", "outcome"), [(10 * 1024**3, "ok"), (1024**3, "warn"), (100 * 1024**2, "FAIL")]
)
def test_a_full_disk_is_told_before_the_journal_stops(
    free: int, outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for a folder that isn't made yet."""

    class Usage:
        def __init__(self, _path: Path) -> None:
            self.free = free

    monkeypatch.setattr("daemon.doctor.shutil.disk_usage", Usage)
    assert outcome == disk_line(tmp_path / "not" / "yet").outcome


@pytest.mark.parametrize(("limit", "outcome"), [(-1, "ok"), (1024, "ok"), (512, "warn"), (64, "FAIL")])
def test_open_files_are_bounded_by_the_system(limit: int, outcome: str) -> None:
    """Without a limit all is well."""
    assert outcome == files_line(limit).outcome


@pytest.mark.parametrize(("is_synced", "outcome"), [(None, "ok"), (True, "ok"), (False, "warn")])
def test_a_clock_of_its_own_is_warned_of(is_synced: bool | None, outcome: str) -> None:
    """Signatures carry the time."""
    assert outcome == clock_line(is_synced).outcome


def test_units_that_drifted_are_named(tmp_path: Path) -> None:
    """As this version writes them, then with a hand's change; without systemd or a service, nothing."""
    config = tmp_path / "config.toml"
    assert ["ok"] == [line.outcome for line in unit_lines(tmp_path, config, None)]
    assert ["ok"] == [line.outcome for line in unit_lines(tmp_path, config, 252)]
    for name, text in units_of(Path("/opt/my kalshid/100%/kalshid"), config, 252).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert "ok" == unit_lines(tmp_path, config, 252)[0].outcome
    with (tmp_path / "kalshid.service").open("a") as unit:
        unit.write("# mine\n")
    drifted = unit_lines(tmp_path, config, 252)[0]
    assert ("warn", True) == (drifted.outcome, "kalshid.service" in drifted.text)


@pytest.mark.skipif(systemd_version() is None, reason="no systemd-analyze here")
def test_the_shipped_service_is_hardened_and_a_bare_one_is_not(tmp_path: Path) -> None:
    """By systemd's own judgement."""
    config = tmp_path / "config.toml"
    unit = tmp_path / "kalshid.service"
    program = Path("/opt/kalshid/.venv/bin/kalshid")
    unit.write_text(units_of(program, config, systemd_version())["kalshid.service"])
    assert "ok" == doctor.exposure_line(unit).outcome, doctor.exposure_line(unit)
    unit.write_text("[Service]\nExecStart=/bin/true\n")
    assert "warn" == doctor.exposure_line(unit).outcome


def test_a_damaged_store_is_found(tmp_path: Path) -> None:
    """None yet, a sound one, and one whose pages were written over."""
    path = tmp_path / "store.sqlite"
    assert "none yet" == store_line(path).text
    leave_store(tmp_path)
    assert "ok" == store_line(path).outcome
    sqlite3.connect(path).execute("PRAGMA wal_checkpoint(TRUNCATE)").connection.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 20_000)
    found = store_line(path)
    assert ("FAIL", exits.BAD_INPUT) == (found.outcome, found.code)


async def test_the_exchange_says_whether_it_trades(tmp_path: Path) -> None:
    """Trading, paused, away; and where it is a sandbox that doesn't run."""
    sandbox = load_config(write_config(tmp_path))
    assert ["ok"] == [line.outcome for line in await venue_lines(sandbox)]
    outcomes = []
    for text, status in (
        ('{"exchange_active":true,"trading_active":true}', 200),
        ('{"exchange_active":true,"trading_active":false}', 200),
        ("no", 404),
    ):
        async with answering(text, status) as address:
            config, _ = config_in(tmp_path, f"http://{address}")
            outcomes.append([line.outcome for line in await venue_lines(config)])
    assert [["ok", "ok"], ["warn", "ok"], ["FAIL"]] == outcomes


async def test_the_daemon_says_how_it_stands(tmp_path: Path) -> None:
    """Not running, well, halted, and one that answers nonsense."""
    folder = tmp_path / "var"
    assert "not running" == (await daemon_line(folder)).text
    async with serving(folder) as served:
        assert "ok" == (await daemon_line(folder)).outcome
        served.switch.halt("a reason", "cli")
        halted = await daemon_line(folder)
    assert ("warn", True) == (halted.outcome, "a reason" in halted.text)

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_unix_server(hang_up, folder / SOCKET_FILE)
    assert "FAIL" == (await daemon_line(folder)).outcome
    server.close()


async def test_a_stranger_is_told_whom_to_ask(tmp_path: Path) -> None:
    """What is in the state folder is not called absent; machine and metrics are looked at all the same."""
    config = load_config(write_config(tmp_path))
    folder = config.path(config.state_dir)
    folder.mkdir()
    await daemon_line(folder)
    with locked_out(folder):
        lines = await examine(config, tmp_path / "config.toml", time.time_ns)
    found = {line.subject: (line.outcome, line.text) for line in lines}
    assert ("FAIL", f"{folder}: only its owner may look into it") == found["state"]
    assert ("FAIL", f"you may not connect to {folder / SOCKET_FILE}: it is for its owner") == found["daemon"]
    assert {"python", "metrics"} <= set(found)


async def test_metrics_are_asked_for_as_prometheus_does() -> None:
    """Ours, another program's, nobody's, and none at all."""
    async with answering("# HELP kalshid_up x\nkalshid_up 1\n") as address:
        assert "1 series" in (await metrics_line(address)).text
    assert "ok" == (await metrics_line(address)).outcome
    async with answering("hello") as address:
        assert "warn" == (await metrics_line(address)).outcome
    assert "off" in (await metrics_line("")).text


async def test_a_whole_examination_names_a_bad_key_and_what_to_do(tmp_path: Path) -> None:
    """And goes on: every other line is there."""
    async with answering("no", 503) as address:
        config, path = config_in(tmp_path, f"http://{address}")
        await asyncio.to_thread(config.path(config.venue.private_key_file).chmod, 0o644)
        lines = await examine(config, path, time.time_ns)
    subjects = [line.subject for line in lines]
    assert {"python", "sqlite", "disk", "files", "ntp", "key", "model", "exchange", "metrics"} <= {*subjects}
    (key,) = [line for line in lines if line.subject == "key"]
    assert ("FAIL", True) == (key.outcome, "chmod 600" in (key.text + str(key.remedy)))
    assert all(line.remedy for line in lines if line.outcome != "ok")
    assert KEY_ID not in str([line for line in lines if isinstance(line, Diagnosis)])
