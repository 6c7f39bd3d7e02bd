"""What goes wrong at home, and which alerts follow: account, owner, models, process, disk."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

from tests.e2e.ailing import SLOW_DISK, STUCK_PUMP
from tests.e2e.confident import write_confident
from tests.e2e.provocation import provokes
from tests.e2e.venue_rig import EVENT
from tests.e2e.ward import ASKS, DAY_MS, FIRST, RAISES, Meddler, Ward

# --- the account and its owner -------------------------------------------------------------------


@provokes("account", "KalshidReloadRefused")
def _bad_config(ward: Ward) -> Iterator[None]:
    """A key of the configuration is misspelt, and the daemon told to reload."""
    good = ward.config.read_text(encoding="utf-8")
    ward.config.write_text(good + "[feed]\nsilent_max = 5\n", encoding="utf-8")
    ward.daemon.stop(signal.SIGHUP)
    yield
    ward.config.write_text(good, encoding="utf-8")
    ward.daemon.stop(signal.SIGHUP)


@provokes("account", "KalshidStoreFailing")
def _locked_store(ward: Ward) -> Iterator[None]:
    """Somebody holds the store with an open transaction."""
    with closing(sqlite3.connect(ward.folder / "var/store.sqlite", timeout=10)) as store:
        store.execute("BEGIN IMMEDIATE")
        yield
        store.execute("ROLLBACK")


@provokes("account", "KalshidStrategyOff")
def _raises(ward: Ward) -> Iterator[None]:
    """The strategy raises, in a new market."""
    ward.call("/markets", series_ticker="KXTEST", ticker=RAISES, closes_in_ms=DAY_MS)
    ward.quote(RAISES)
    yield
    ward.call("/markets/close", ticker=RAISES)
    ward.command("strategy", "on", "provoked")


@provokes("account", "KalshidReconcileFinding")
def _deposit(ward: Ward) -> Iterator[None]:
    """There is more cash than there should be."""
    ward.call("/account/deposit", dollars="500.00")
    yield


@provokes("account", "KalshidRiskNearLimit")
def _exposed(ward: Ward) -> Iterator[None]:
    """Others sell to our bids until what is held is near the limit of exposure."""
    with Meddler(lambda: ward.call("/orders", ticker=FIRST, side="ask", price="0.4500", count="20.00"), 0.2):
        yield
    ward.quote(bids=[["0.4900", "300.00"]], asks=ASKS)
    ward.command("flatten")
    ward.until(lambda: (ward.value("kalshid_positions_open") or 0) == 0, "it is flat")
    ward.command("resume", "--reason", "it is flat")
    ward.quote()


@provokes("account", "KalshidHalted", inhibited=("KalshidNotTrading",))
def _halted(ward: Ward) -> Iterator[None]:
    """A person halts it."""
    ward.command("halt", "provoked")
    yield
    ward.command("resume", "--reason", "it has been told")


@provokes("account", "KalshidHaltNotOnDisk")
def _no_latch(ward: Ward) -> Iterator[None]:
    """A halt while something else lies where the latch should."""
    place = ward.folder / "var/halt.json"
    place.mkdir()
    (place / "in the way").touch()
    ward.daemon.stop(signal.SIGUSR1)
    yield
    (place / "in the way").unlink()
    place.rmdir()
    ward.restart()


@provokes("account", "KalshidLossNearLimit", "KalshidBreakerNeedsPerson")
def _loss(ward: Ward) -> Iterator[None]:
    """What is held falls to a few cents."""
    with Meddler(lambda: ward.call("/orders", ticker=FIRST, side="ask", price="0.4500", count="20.00"), 0.2):
        ward.until(lambda: (ward.value("kalshid_risk_taken_dollars", limit="exposure") or 0) > 80, "it holds")
    ward.quote(bids=[["0.0500", "100.00"]], asks=[["0.0900", "100.00"]])
    yield
    ward.quote()
    ward.until(
        lambda: (ward.value("kalshid_risk_taken_dollars", limit="daily_loss") or 0) < 10, "it has recovered"
    )
    ward.command("resume", "--reason", "it has been told")


def remount(ward: Ward, size: str) -> None:
    """Give the state folder's file system of its own another size."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(ward.folder / "var")], check=True)


# --- the process and its machine -----------------------------------------------------------------


@provokes("process", "KalshidDiskFilling")
def _full_disk(ward: Ward) -> Iterator[None]:
    """The journal's file system has half a gigabyte left."""
    remount(ward, "500m")
    yield
    remount(ward, "64g")


@provokes("process", "KalshidJournalSlow")
def _slow_disk(ward: Ward) -> Iterator[None]:
    """The disk takes 0.7 s for what should be there."""
    (ward.folder / SLOW_DISK).touch()
    yield
    (ward.folder / SLOW_DISK).unlink()


@provokes("process", "KalshidJournalStalled", "KalshidCoreBehind")
def _stuck(ward: Ward) -> Iterator[None]:
    """The pump stands still under load; the rest of the process lives (planted)."""
    ward.call("/load/stop")
    ward.call("/load/start", tickers=[FIRST], per_s=1000, seconds=30.0)
    (ward.folder / STUCK_PUMP).touch()
    yield
    (ward.folder / STUCK_PUMP).unlink()
    ward.call("/load/stop")


@provokes("process", "KalshidLoopLagging")
def _no_processor(ward: Ward) -> Iterator[None]:
    """The process gets no processor for 0.5 s, again and again."""

    def starve() -> None:
        ward.daemon.process.send_signal(signal.SIGSTOP)
        time.sleep(0.5)
        ward.daemon.process.send_signal(signal.SIGCONT)

    with Meddler(starve, 0.2):
        yield


@provokes("process", "KalshidDown", "KalshidRestarting")
def _dies(ward: Ward) -> Iterator[None]:
    """It is killed, four times."""
    for _ in range(3):
        ward.end_life()
        ward.begin_life()
        ward.until(lambda: ward.value("process_start_time_seconds") is not None, "it answers")
        time.sleep(1.5)  # a scrape
    ward.end_life()
    yield
    ward.begin_life()


@provokes("process", "KalshidJournalAbsent")
def _somebody_else(ward: Ward) -> Iterator[None]:
    """It is gone, and another program answers on its port."""
    ward.end_life()
    serve = (
        "import sys, time, prometheus_client as p;"
        "p.start_http_server(int(sys.argv[1]), '127.0.0.1'); time.sleep(600)"
    )
    other = subprocess.Popen([sys.executable, "-c", serve, str(ward.port)])
    yield
    other.kill()
    other.wait()
    ward.begin_life()


# --- the models ----------------------------------------------------------------------------------


def _end(ward: Ward, numbers: range) -> None:
    """Let events end otherwise than the model said."""
    for number in numbers:
        ticker = f"{EVENT}-D{number}-M0"
        ward.call("/markets/close", ticker=ticker)
        ward.call("/markets/determine", ticker=ticker, result="no")


@provokes("models", "KalshidModelWarned")
def _worse(ward: Ward) -> Iterator[None]:
    """Ten events end otherwise than the model said."""
    for number in range(50):
        event = f"{EVENT}-D{number}"
        ward.call("/markets", series_ticker="KXTEST", event_ticker=event, closes_in_ms=DAY_MS)
        ward.quote(f"{event}-M0")
    ward.until(lambda: (ward.value("kalshid_books_synced") or 0) >= 50, "it has the books")
    time.sleep(3)  # each is scored
    _end(ward, range(10))
    yield


@provokes("models", "KalshidModelDemoted")
def _bad(ward: Ward) -> Iterator[None]:
    """Forty more do."""
    _end(ward, range(10, 50))
    yield
    ward.command("model", "swap", str(write_confident(ward.folder, 2)))


@provokes("models", "KalshidModelUnusable")
def _expired(ward: Ward) -> Iterator[None]:
    """A model is put in that expires eight seconds later."""
    soon = datetime.now(UTC) + timedelta(seconds=8)
    ward.command("model", "swap", str(write_confident(ward.folder, 3, soon)))
    yield
    ward.command("model", "swap", str(write_confident(ward.folder, 4)))


@provokes("models", "KalshidNoticesFailing")
def _no_post(ward: Ward) -> Iterator[None]:
    """A person halts it and resumes, twice, and nobody takes the notices of that."""
    for _ in range(2):
        ward.command("halt", "provoked")
        ward.command("resume", "--reason", "again")
    yield
    ward.restart()
