"""The reloads of a run: by a real SIGHUP and by the file, and that each part goes by what is in force."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import structlog

from daemon.core import events as e
from daemon.core.units import DAY, MILLISECOND, MINUTE, QTY_ONE, SECOND
from daemon.kalshi.channel_history import HEARD_MIN
from daemon.kalshi.errors import VenueError
from daemon.run_reloads import reload_unasked
from daemon.shell import log
from daemon.shell.audit import CACHE_AGE
from daemon.shell.reloads import ReloadRefused
from tests.core.worlds import TICKER
from tests.kalshi.frames import delta, frame
from tests.run_rig import SIGNER, living, told
from tests.shell.orders import until
from tests.shell.test_feeds import OTHER, send_snapshots
from tests.shell.venue import Answer

LONG = "[feed]\nsilent_max_s = 86400\nchannel_quiet_max_s = 86400\n"


@pytest.fixture(autouse=True)
def _log_is_given_back() -> Iterator[None]:
    """A reload sets the level of the whole process."""
    yield
    structlog.reset_defaults()


# --- who asks ------------------------------------------------------------------------------------


async def test_a_hangup_reloads_and_the_supervisor_hears_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RELOADING with the clock beside it, and READY when it is over; refused ones too."""
    address = str(tmp_path / "notify")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(address)
    listener.setblocking(False)
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    loop = asyncio.get_running_loop()
    try:
        async with living(tmp_path) as subject, AsyncExitStack() as stack:
            daemon = subject.daemon
            reload_unasked(subject.reloads, subject.run, stack)
            for edge_min, expected in (("0.03", 60), ('"much"', 60)):
                daemon.write(order_contracts_max=60, edge_min=edge_min)
                os.kill(os.getpid(), signal.SIGHUP)
                heard = [(await loop.sock_recv(listener, 4096)).decode() for _ in range(2)]
                assert heard[0].startswith("RELOADING=1\nMONOTONIC_USEC=")
                assert heard[1].startswith("READY=1\nSTATUS=PAPER")
                assert expected * QTY_ONE == daemon.engine.config.limits.order_qty_max
            assert not daemon.metrics.is_config_loaded
    finally:
        listener.close()


# --- what comes of it ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("silent_max_s", "why"),
    # A pong comes each second, and no frame.
    [(2, "stalled"), pytest.param(1, "silent for 1 s", marks=pytest.mark.full)],
)
async def test_a_connection_that_stands_still_is_given_up_by_the_new_silence(
    tmp_path: Path, silent_max_s: int, why: str
) -> None:
    """Both the venue's and the reference's, which were made when a day of silence was allowed."""
    async with living(tmp_path, LONG) as subject:
        parts = subject.parts
        subject.start(parts.feeds.run_venue(subject.url, SIGNER), parts.reference.run(subject.url))
        await until(lambda: parts.feeds.session.is_connected and parts.reference.session.is_connected)
        await subject.reload(f"[feed]\nsilent_max_s = {silent_max_s}\n")
        await until(lambda: {"kalshi", "kraken"} == {one.feed for one in told(subject, e.FeedDropped)})
        assert [why] * 2 == [one.reason[: len(why)] for one in told(subject, e.FeedDropped)[:2]]


async def test_a_channel_that_falls_silent_is_told_by_the_new_limit(tmp_path: Path) -> None:
    """Trades came and then none for a minute, while books go on: against a limit of a day that is nothing."""
    async with living(tmp_path, LONG) as subject:
        subject.stream.on_books = send_snapshots
        feeds = subject.parts.feeds
        subject.start(feeds.run_venue(subject.url, SIGNER))
        feeds.watch([TICKER])
        await until(lambda: feeds.is_synced(TICKER))
        (connection,), before = subject.stream.connections, feeds.session.frames
        for number in range(1, HEARD_MIN + 1):
            await connection.send(trade(number))
            await connection.send(delta(TICKER, number + 1, "yes", 4_000, 100).decode())
        await until(lambda: feeds.session.frames >= before + 2 * HEARD_MIN)
        subject.clock.ahead = MINUTE

        async def look() -> None:
            number = HEARD_MIN
            while True:
                number += 1
                await connection.send(delta(TICKER, number + 1, "yes", 4_000, 100).decode())
                await asyncio.sleep(0.1)

        subject.start(look())
        await asyncio.sleep(1.2)
        assert [] == told(subject, e.ChannelQuieted)
        await subject.reload("[feed]\nsilent_max_s = 86400\nchannel_quiet_max_s = 5\n")
        await until(lambda: told(subject, e.ChannelQuieted) != [])
        assert ["trade"] == [one.channel for one in told(subject, e.ChannelQuieted)]


TRADES_SID = 3
"""The stream's second subscription, which is that to trades."""


def trade(number: int) -> str:
    msg = {"trade_id": f"t{number}", "market_ticker": TICKER, "yes_price_dollars": "0.5000",
           "count_fp": "1.00", "taker_outcome_side": "yes"}  # fmt: skip
    return frame("trade", msg, sid=TRADES_SID, seq=number).decode()


async def test_connections_to_come_are_judged_alike(tmp_path: Path) -> None:
    """The one that stands, one that is opened later, and the core hold the same bound of lateness."""
    async with living(tmp_path, "[venue]\nmarkets_per_connection = 1\n") as subject:
        feeds = subject.parts.feeds
        feeds.watch([TICKER])
        await subject.reload("[venue]\nmarkets_per_connection = 1\n[feed]\ntransport_lag_max_ms = 300\n")
        feeds.watch([OTHER])
        assert 2 == len(feeds.sessions)
        bounds = [one._lateness.lag_max for one in feeds.sessions.values()]
        assert [300 * MILLISECOND] * 2 == bounds
        assert 300 * MILLISECOND == subject.daemon.engine.config.limits.transport_lag_max


def lines(stream: io.StringIO, event: str) -> int:
    return stream.getvalue().count(event)


async def test_what_is_logged_changes_at_once(tmp_path: Path) -> None:
    """By loggers that were made long before; the other way too."""
    logger, stream = structlog.get_logger("a.part"), io.StringIO()
    async with living(tmp_path) as subject:
        writer = log.configure("info", stream=stream)
        logger.debug("first.said")
        await subject.reload('[log]\nlevel = "debug"\n')
        logger.debug("second.said")
        await subject.reload('[log]\nlevel = "error"\n')
        logger.warning("third.said")
        writer.close()
    assert [0, 1, 0] == [lines(stream, one) for one in ("first.said", "second.said", "third.said")]


async def test_fills_are_read_as_often_as_the_file_says(tmp_path: Path) -> None:
    """Counted from the last reading: what is overdue by the new interval is read at once."""
    async with living(tmp_path, "[reconcile]\nfills_every_ms = 4000\n") as subject:
        subject.venue.bodies["/portfolio/fills"] = {"fills": [], "cursor": ""}
        drop_copy = subject.parts.drop_copy
        await until(lambda: subject.daemon.engine.state.ledger.cash is not None)
        await drop_copy.read_if_due()
        subject.clock.ahead = SECOND
        await drop_copy.read_if_due()
        assert 1 == drop_copy.counts["reads"]
        await subject.reload("[reconcile]\nfills_every_ms = 500\n")
        await drop_copy.read_if_due()
        assert 2 == drop_copy.counts["reads"]


async def test_books_are_audited_as_often_as_the_file_says(tmp_path: Path) -> None:
    """The next one is asked for when the new interval is over since the last."""
    async with living(tmp_path, "[audit]\nevery_s = 86400\n") as subject:
        audit = subject.parts.audit
        path = f"/trade-api/v2/markets/{TICKER}/orderbook"
        await until(lambda: TICKER in subject.daemon.engine.state.markets)

        async def asked_after(seconds: int) -> int:
            for ahead in (seconds * SECOND, seconds * SECOND + CACHE_AGE):
                subject.clock.ahead = ahead
                await audit.settle()
            return sum(one.path == path for one in subject.venue.requests)

        assert 0 == await asked_after(40)
        await subject.reload("[audit]\nevery_s = 30\n")
        assert 1 == await asked_after(45)


@pytest.mark.full
async def test_a_request_is_given_up_by_the_new_timeout(tmp_path: Path) -> None:
    """The venue takes it and says nothing."""
    async with living(tmp_path, "[venue]\nrequest_timeout_s = 60\n") as subject:
        subject.venue.otherwise = Answer(failure="hang")
        await subject.reload("[venue]\nrequest_timeout_s = 1\n")
        with pytest.raises(VenueError, match="Timeout"):
            await subject.parts.sources.rest.market(TICKER)


async def test_the_queues_bounds_are_the_files(tmp_path: Path) -> None:
    """All four, and a reserve that the venue's bucket can't hold is refused with its place."""
    async with living(tmp_path) as subject:
        queue = subject.parts.queue
        await subject.reload(
            "[orders]\nrequests_per_s_max = 3\nin_flight_max = 2\nbatch_max = 4\nreserve_tokens = 50\n"
        )
        assert (3, 2, 4, 50) == (
            queue._throttler.rate_limit, queue._in_flight_max, queue._line.batch_max, queue.pacer.reserve,
        )  # fmt: skip
        queue.pacer.capacity = 60
        subject.daemon.write("[orders]\nreserve_tokens = 60\n")
        with pytest.raises(ReloadRefused, match=r"orders\.reserve_tokens: 60 leaves nothing .* of 60 tokens"):
            await subject.reloads.reload("test")


async def test_what_is_kept_of_calls_is_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Older ones are deleted from then on."""
    async with living(tmp_path) as subject:
        await subject.reload("[store]\ncalls_kept_days = 2\n")
        assert subject.recorder._store is not None
        assert 2 * DAY == subject.recorder._store.kept


async def test_a_tape_keeps_its_own_time_and_mode(tmp_path: Path) -> None:
    """Its time says nothing of connections; its mode is the command line's, and no change of the file."""
    async with living(tmp_path, is_tape=True) as subject:
        (session,) = subject.parts.feeds.sessions.values()
        key = '[venue]\nkey_id = "k"\nprivate_key_file = "key.pem"\n'
        subject.daemon.write("[feed]\ntransport_lag_max_ms = 300\n")
        assert "applied" == (await subject.reloads.reload("test")).outcome
        assert None is session._lateness.lag_max
        subject.daemon.path.write_text(f'mode = "demo"\n{subject.daemon.path.read_text()}{key}')
        assert "sandbox" == subject.run.read().mode
