"""What may be wrong with a machine and an installation, looked at one by one: `kalshid doctor`'s eyes.

Each look gives lines, ok, warn or FAIL, with what to do about it. No look changes anything, and none waits
long. What `kalshid check` tries out (strategies, model, key, signature, clock, scopes) is in `preflight`.
"""

from __future__ import annotations

import platform
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from importlib.metadata import PackageNotFoundError, requires
from importlib.metadata import version as installed_version
from pathlib import Path
from urllib.parse import quote

import aiohttp
import msgspec

from daemon import exits, preflight
from daemon.config import Config
from daemon.core.units import Ns
from daemon.install_commands import PLACE, systemd_version, units_of, words_of
from daemon.kalshi.errors import VenueError
from daemon.kalshi.rest import ReadingRest
from daemon.preflight import Outcome
from daemon.shell.clock import SystemClock
from daemon.shell.control import Declined, NoAnswer, NoDaemon, NotAllowed, ask
from daemon.shell.control_socket import is_closed
from daemon.shell.store import STORE_NAME
from daemon.venue import running_venue

SQLITE_MENDED = (3, 51, 3)
"""From here on the bug is gone that may corrupt a WAL file which two connections checkpoint at once."""
PYTHON_MIN = (3, 11)
DISK_WARN_BYTES, DISK_FAIL_BYTES = 2 * 1024**3, 200 * 1024**2
FILES_WARN, FILES_FAIL = 1024, 256
EXPOSURE_MAX = 1.2
LATENCY_WARN_S = 1.0
ASKED_TIMES = 3
ANSWER_WITHIN_S = 3.0
STORE_WITHIN_S = 5.0
SERVICE = "kalshid.service"


class Diagnosis(msgspec.Struct, frozen=True):
    """One line. `remedy` says what to do, None where all is well; `code` is the exit code of a FAIL."""

    subject: str
    outcome: Outcome
    text: str
    remedy: str | None = None
    code: int = exits.CONFIG


async def examine(config: Config, config_path: Path, now: Callable[[], Ns]) -> list[Diagnosis]:
    """Return all lines, the machine's first. Never raises for what is wrong."""
    folder = config.path(config.state_dir)
    if is_closed(folder):
        told = f"{folder}: only its owner may look into it"
        return [
            *python_lines(),
            Diagnosis("state", "FAIL", told, "ask as root", exits.UNAVAILABLE),
            await daemon_line(folder),
            await metrics_line(config.metrics.listen),
        ]
    found, model_sha256 = await preflight.look(config, config_path, now)
    return [
        *python_lines(),
        sqlite_line(sqlite3.sqlite_version_info),
        disk_line(folder),
        files_line(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        *unit_lines(PLACE, config_path, systemd_version()),
        clock_line(_is_clock_synced()),
        *[Diagnosis(one.subject, one.outcome, one.text, _remedy(one.subject, one.outcome), one.code)
          for one in found],
        *([] if model_sha256 is None else [Diagnosis("model hash", "ok", f"sha256 {model_sha256}")]),
        store_line(folder / STORE_NAME),
        *await venue_lines(config),
        await daemon_line(folder),
        await metrics_line(config.metrics.listen),
    ]  # fmt: skip


_REMEDIES = {
    "model": "name another model folder in [model]; the shipped one is in strategies/models",
    "key": "make a key at the venue, save it for your eyes only (chmod 600), and name it in [venue]",
    "venue": "look at venue.rest_url, venue.key_id and the network; then `kalshid check` again",
    "clock": "set the clock by NTP: systemctl enable --now systemd-timesyncd",
    "scopes": "make a key with the scopes that the mode needs",
    "live": "README.md, the chapter on live, says what it takes",
    "evidence": "`kalshid report golive` after days of demo or shadow",
}


def _remedy(subject: str, outcome: Outcome) -> str | None:
    return None if outcome == "ok" else _REMEDIES.get(subject, "see `kalshid check`")


# --- the machine ---------------------------------------------------------------------------------


def python_lines() -> list[Diagnosis]:
    """Look at the interpreter, and at the libraries that kalshid asks for."""
    told = platform.python_version()
    is_new = sys.version_info >= PYTHON_MIN
    lines = [
        Diagnosis("python", "ok", told) if is_new
        else Diagnosis("python", "FAIL", told, f"use Python {PYTHON_MIN[0]}.{PYTHON_MIN[1]} or newer")
    ]  # fmt: skip
    names = [
        text.partition(";")[0].strip()
        for text in requires("kalshid") or []
        if "extra ==" not in text
    ]  # fmt: skip
    missing, there = [], []
    for text in names:
        name = text[: next((at for at, sign in enumerate(text) if sign in " <>=!~["), len(text))]
        try:
            there.append(f"{name} {installed_version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        remedy = "install kalshid again: pip install -r requirements.lock"
        lines.append(Diagnosis("libraries", "FAIL", f"missing: {', '.join(missing)}", remedy))
    else:
        lines.append(Diagnosis("libraries", "ok", ", ".join(there)))
    return lines


def sqlite_line(version: tuple[int, ...]) -> Diagnosis:
    """Look for SQLite's bug that may corrupt a WAL file."""
    told = ".".join(map(str, version))
    if version >= SQLITE_MENDED:
        return Diagnosis("sqlite", "ok", told)
    return Diagnosis(
        "sqlite", "warn", f"{told} has the WAL-reset bug, which needs two connections that write",
        f"kalshid writes {STORE_NAME} by one connection alone: let no other program write into it",
    )  # fmt: skip


def disk_line(folder: Path) -> Diagnosis:
    """Look at what the state folder's file system has left."""
    place = next((one for one in (folder, *folder.parents) if one.exists()), Path("/"))
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        return Diagnosis("disk", "FAIL", f"{place}: {error}", "make state_dir readable", exits.UNRECORDED)
    told = f"{free / 1024**3:.1f} GiB left for {folder}"
    remedy = "make room, or move state_dir: a journal that can't be written stops trading"
    if free < DISK_FAIL_BYTES:
        return Diagnosis("disk", "FAIL", told, remedy, exits.UNRECORDED)
    return (
        Diagnosis("disk", "warn", told, remedy) if free < DISK_WARN_BYTES else Diagnosis("disk", "ok", told)
    )


def files_line(limit: int) -> Diagnosis:
    """Look at how many files a process may have open; -1 is without a limit."""
    told = "no limit" if limit == resource.RLIM_INFINITY else f"{limit} open files"
    if limit == resource.RLIM_INFINITY or limit >= FILES_WARN:
        return Diagnosis("files", "ok", told)
    outcome: Outcome = "FAIL" if limit < FILES_FAIL else "warn"
    return Diagnosis("files", outcome, told, f"ulimit -n {FILES_WARN}, or LimitNOFILE= in the unit")


def clock_line(is_synced: bool | None) -> Diagnosis:
    """Look at whether the machine's clock follows others; None where nobody here says."""
    if is_synced is None:
        return Diagnosis(
            "ntp", "ok", "no timedatectl here; at Kalshi the venue's own clock is held against ours"
        )
    if is_synced:
        return Diagnosis("ntp", "ok", "the clock is synchronized")
    return Diagnosis("ntp", "warn", "the clock is not synchronized", _REMEDIES["clock"])


def _is_clock_synced() -> bool | None:
    said = _run("timedatectl", "show", "--property=NTPSynchronized", "--value")
    return None if said is None or said[0] != 0 else said[1].strip() == "yes"


def unit_lines(place: Path, config_path: Path, version: int | None) -> list[Diagnosis]:
    """Look at the installed units: whether they are this version's, and how exposed the service is.

    Args:
        place: where systemd looks.
        config_path: the configuration, for the remedy.
        version: systemd's; None where there is none.
    """
    installed = place / SERVICE
    if version is None:
        return [Diagnosis("systemd", "ok", "not here")]
    if not installed.is_file():
        return [Diagnosis("systemd", "ok", f"{version}; kalshid is not installed as a service")]
    program, config = _named_in(installed.read_text(encoding="utf-8"))
    wanted = units_of(program or Path(sys.argv[0]).absolute(), config or config_path, version)
    drifted = [name for name, text in wanted.items() if _text(place / name) != text]
    remedy = (
        f"kalshid install --systemd --config {config or config_path}; own changes belong into {SERVICE}.d/"
    )
    lines = [
        Diagnosis("units", "warn", f"not those of this version: {', '.join(drifted)}", remedy) if drifted
        else Diagnosis("units", "ok", f"{len(wanted)} in {place}, as this version writes them")
    ]  # fmt: skip
    return [*lines, exposure_line(installed)]


def exposure_line(unit: Path) -> Diagnosis:
    """Look at systemd's own judgement of how exposed the service is: 0 is best, 10 worst."""
    said = _run("systemd-analyze", "security", "--offline=true", "--no-pager", str(unit))
    words = "" if said is None else next((one for one in said[1].splitlines() if "exposure level" in one), "")
    figures = [word for word in words.replace(":", " ").split() if word.replace(".", "", 1).isdigit()]
    if not figures:
        return Diagnosis(
            "exposure", "warn", "systemd-analyze didn't tell", "systemd-analyze security by hand"
        )
    told = f"{figures[-1]} of 10, {EXPOSURE_MAX} is allowed"
    if float(figures[-1]) <= EXPOSURE_MAX:
        return Diagnosis("exposure", "ok", told)
    return Diagnosis("exposure", "warn", told, "kalshid install --systemd writes the hardened unit")


def _named_in(unit: str) -> tuple[Path | None, Path | None]:
    """Return the program and the configuration that a unit starts."""
    words = next((words_of(line[10:]) for line in unit.splitlines() if line.startswith("ExecStart=")), [])
    program = Path(words[0]) if words else None
    at = words.index("--config") + 1 if "--config" in words else len(words)
    return program, Path(words[at]) if at < len(words) else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None


def _run(*words: str) -> tuple[int, str] | None:
    """Run a command that only looks; None where there is none of that name, or it hangs."""
    program = shutil.which(words[0])
    if program is None:
        return None
    try:
        ended = subprocess.run(  # noqa: S603 - the words are ours, the program is looked up
            [program, *words[1:]], capture_output=True, text=True, timeout=15, check=False
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ended.returncode, ended.stdout


# --- the store, the venue, the daemon ------------------------------------------------------------


def store_line(path: Path) -> Diagnosis:
    """Have SQLite look whether the store is sound, for a few seconds at most."""
    if not path.is_file():
        return Diagnosis("store", "ok", "none yet")
    deadline = time.monotonic() + STORE_WITHIN_S
    size = f"{path.stat().st_size / 1024**2:.1f} MiB"
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as store:
            store.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
            (verdict,) = store.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if "interrupted" in str(error):
            return Diagnosis("store", "ok", f"{path}: {size}, too large to be looked at here")
        verdict = str(error)
    except sqlite3.Error as error:
        verdict = str(error)
    if verdict == "ok":
        return Diagnosis("store", "ok", f"{path}: {size}, sound")
    remedy = f"move {path} away: the next run makes a new one, and nothing is traded by it; backups have it"
    return Diagnosis("store", "FAIL", f"{path}: {verdict}", remedy, exits.BAD_INPUT)


async def venue_lines(config: Config) -> list[Diagnosis]:
    """Ask the exchange whether it trades, and how long its answers take."""
    url = await _exchange_url(config)
    if url is None:
        return [Diagnosis("exchange", "ok", "the sandbox is not running: `kalshid run` starts it")]
    took: list[float] = []
    try:
        async with ReadingRest(url, None, SystemClock().now, read_timeout_s=5.0) as rest:
            for _ in range(ASKED_TIMES):
                began = time.monotonic()
                told = await rest.status()
                took.append(time.monotonic() - began)
    except (VenueError, OSError) as error:
        remedy = "look at the network and at venue.rest_url"
        return [Diagnosis("exchange", "FAIL", str(error), remedy, exits.UNAVAILABLE)]
    # The first one opens the connection.
    best = min(took)
    told_latency = f"{best * 1e3:.0f} ms to {url}, {took[0] * 1e3:.0f} ms with the connection"
    is_slow = best > LATENCY_WARN_S
    return [
        Diagnosis("exchange", "ok", "it trades") if told.is_active and told.is_trading
        else Diagnosis("exchange", "warn", "paused: nothing can be traded now", "wait: the daemon does"),
        Diagnosis("latency", "warn", told_latency, "run it nearer to the exchange") if is_slow
        else Diagnosis("latency", "ok", told_latency),
    ]  # fmt: skip


async def _exchange_url(config: Config) -> str | None:
    """Return where the exchange answers; None where it is a sandbox that doesn't run."""
    if config.mode == "shadow":
        return config.venue.rest_url
    address = await running_venue(config)
    return None if address is None else address.rest_url


async def daemon_line(folder: Path) -> Diagnosis:
    """Ask the daemon how it stands."""
    try:
        status = await ask(folder, "/status", None, ANSWER_WITHIN_S)
    except NoDaemon:
        return Diagnosis("daemon", "ok", "not running")
    except NotAllowed as problem:
        remedy = "become a member of that group, or ask as root"
        return Diagnosis("daemon", "FAIL", str(problem), remedy, exits.UNAVAILABLE)
    except (NoAnswer, Declined) as problem:
        remedy = "`kalshid halt` works without it; then end that process"
        return Diagnosis("daemon", "FAIL", str(problem), remedy, exits.UNAVAILABLE)
    told = f"process {status.pid}, mode {status.mode}, {status.phase}"
    if status.is_halted:
        return Diagnosis(
            "daemon", "warn", f"{told}: {status.halt_reason}", 'kalshid resume --reason "why", if it is right'
        )
    return Diagnosis("daemon", "ok", told)


async def metrics_line(listen: str) -> Diagnosis:
    """Ask for the metrics as Prometheus does."""
    if not listen:
        return Diagnosis("metrics", "ok", "off: metrics.listen is empty")
    url = f"http://{listen}/metrics"
    try:
        timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
        async with aiohttp.ClientSession(timeout=timeout) as client, client.get(url) as reply:
            text = await reply.text()
    except (aiohttp.ClientConnectorError, ConnectionError):
        return Diagnosis("metrics", "ok", f"nobody serves {url}: no daemon runs")
    except (aiohttp.ClientError, TimeoutError, UnicodeDecodeError) as error:
        told = str(error) or "no answer"
        return Diagnosis("metrics", "warn", f"{url}: {told}", "is metrics.listen another program's address?")
    series = sum(line.startswith("kalshid_") for line in text.splitlines())
    if reply.status != 200 or not series:
        remedy = "another program has the address of metrics.listen: take another one"
        return Diagnosis("metrics", "warn", f"{url}: HTTP {reply.status}, {series} series of ours", remedy)
    return Diagnosis("metrics", "ok", f"{url}: {series} series")
