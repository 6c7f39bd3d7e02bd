"""The reference source over real sockets: against the sandbox's lookalike, and against a REST that fails."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from daemon.core import events as e
from daemon.core.backoff import Backoff
from daemon.core.units import MINUTE, MONEY_ONE, SECOND, Ns
from daemon.kraken.candles import Past
from daemon.kraken.rest import KrakenRest, ReadFailed, ReadRefused
from daemon.kraken.session import Session
from daemon.sandbox.flow import SpotPrinted
from daemon.shell.reference import OhlcReader, ReferenceSource
from tests.sandbox.running import Client, running, until


class Told:
    """What a source told."""

    def __init__(self) -> None:
        self.events: list[e.Event] = []

    @property
    def candles(self) -> list[e.ReferenceCandleClosed]:
        return [event for event in self.events if isinstance(event, e.ReferenceCandleClosed)]

    def is_at(self, dollars: int) -> bool:
        """Whether the newest price is this one."""
        prices = [event.price for event in self.events if isinstance(event, e.ReferencePriceReceived)]
        return prices[-1:] == [dollars * MONEY_ONE]

    def of(self, kind: type[e.Event]) -> list[e.Event]:
        return [event for event in self.events if isinstance(event, kind)]


@asynccontextmanager
async def source(
    client: Client, told: Told, rest: OhlcReader | None, *, now: Callable[[], Ns] | None = None
) -> AsyncIterator[ReferenceSource]:
    subject = ReferenceSource(
        Session(),
        rest,
        now=now or client.sandbox.venue.clock.now,
        emit=told.events.extend,
        backoff=lambda: Backoff(lambda: 0.02),
        spacing_s=0.0,
    )
    task = asyncio.create_task(subject.run(client.ready.reference_ws_url))
    try:
        yield subject
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def print_at(client: Client, at: Ns, number: int) -> None:
    """Let the underlying trade at an instant, for the price of its number in dollars."""
    client.sandbox.venue.tell([SpotPrinted("BTC/USD", number * MONEY_ONE, 100, True, number, at)])


class Rest:
    """A REST that answers as a test says, one answer after another; the last one again."""

    def __init__(self, *answers: Past | Exception) -> None:
        self._answers = [*answers]
        self.asked: list[tuple[Ns, Ns | None]] = []

    async def ohlc(self, symbol: str, period: Ns, since: Ns | None) -> Past:
        assert "BTC/USD" == symbol
        self.asked.append((period, since))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_candles_of_rest_and_stream_join_without_a_gap(tmp_path: Path) -> None:
    """What ended before comes from REST, the one that ran too, and the stream's own follow; each once."""
    async with asyncio.timeout(30), running(tmp_path, speed=None) as client, _rest(client) as rest:
        clock, told = client.sandbox.venue.clock, Told()
        start = clock.now() // MINUTE * MINUTE + 5 * MINUTE
        for minute in range(-3, 0):
            print_at(client, start + minute * MINUTE, 84_000 + minute)
        clock.set(start + 20 * SECOND)
        print_at(client, clock.now(), 84_000)
        async with source(client, told, rest) as subject:
            await until(lambda: any(one.period == MINUTE for one in told.candles))
            for minute in range(1, 4):
                clock.set(start + minute * MINUTE + 20 * SECOND)
                print_at(client, clock.now(), 84_000 + minute)
                await until(partial(told.is_at, 84_000 + minute))
                subject.nudge()
                await until(lambda: subject.is_idle)
        assert (0, 0) == tuple(subject.session.counters[name] for name in ("refused", "errors"))
        minutes = [one for one in told.candles if one.period == MINUTE]
        assert [start + minute * MINUTE for minute in range(-3, 3)] == [
            one.began_at for one in minutes if one.began_at >= start - 3 * MINUTE
        ]
        assert [(84_000 + minute) * MONEY_ONE for minute in range(-3, 3)] == [
            one.close for one in minutes[-6:]
        ]


@asynccontextmanager
async def _rest(client: Client) -> AsyncIterator[KrakenRest]:
    async with KrakenRest(client.ready.reference_rest_url) as rest:
        yield rest


async def test_trades_do_not_wait_for_rest(tmp_path: Path) -> None:
    """A REST that is down costs candles, no price; it is asked again until it answers."""
    async with asyncio.timeout(30), running(tmp_path) as client:
        told = Told()
        # What it covers reaches far: nothing more is wanted of this series then.
        rest = Rest(ReadFailed("down"), ReadFailed("down"), Past((), 10**18 * 9 // MINUTE * MINUTE))
        async with source(client, told, rest) as subject:
            await until(lambda: bool(told.of(e.ReferencePriceReceived)))
            await until(lambda: subject.counts["asked"] >= 4 and subject.is_idle)
        assert ([], 2) == (told.candles, subject.counts["failed"])
        assert {None} == {since for _, since in rest.asked}
        assert [e.ReferenceStatusTold] == [type(event) for event in told.of(e.ReferenceStatusTold)]


async def test_a_no_is_not_asked_again_soon(tmp_path: Path) -> None:
    """A symbol that Kraken doesn't know over REST: one request a series, and the stream goes on."""
    async with asyncio.timeout(30), running(tmp_path) as client:
        rest, told = Rest(ReadRefused("EQuery:Unknown asset pair")), Told()
        async with source(client, told, rest) as subject:
            await until(lambda: subject.counts["refused"] == 2)
            subject.nudge()
            await until(lambda: bool(told.of(e.ReferencePriceReceived)))
            assert subject.is_idle
        assert 2 == len(rest.asked)
        assert [e.FeedConnected, e.FeedDropped] == [
            type(event) for event in told.events if isinstance(event, e.FeedConnected | e.FeedDropped)
        ]


async def test_without_a_rest_no_candle_is_told(tmp_path: Path) -> None:
    """Prices are; a candle whose past is unknown would be a guess."""
    async with asyncio.timeout(30), running(tmp_path) as client:
        told = Told()
        async with source(client, told, None) as subject:
            await until(lambda: bool(told.of(e.ReferencePriceReceived)))
            assert subject.is_idle
        assert [] == told.candles


async def test_what_a_broken_connection_kept_from_us_comes_from_rest(tmp_path: Path) -> None:
    """From the first candle on that was not told; nothing is told twice."""
    async with asyncio.timeout(30), running(tmp_path, speed=None) as client, _rest(client) as rest:
        clock, told = client.sandbox.venue.clock, Told()
        start = clock.now() // MINUTE * MINUTE + 5 * MINUTE
        print_at(client, start, 84_000)
        clock.set(start + MINUTE + 20 * SECOND)
        print_at(client, clock.now(), 84_001)
        async with source(client, told, rest) as subject:
            await until(lambda: any(one.began_at == start for one in told.candles) and subject.is_idle)
            for reader in list(client.sandbox._reference._clients):
                reader.socket.abort()
            # Nobody listens: these minutes pass before the client can be back.
            for minute in (3, 4, 5):
                clock.set(start + minute * MINUTE + 20 * SECOND)
                print_at(client, clock.now(), 84_000 + minute)
            await until(lambda: len(told.of(e.FeedConnected)) == 2)
            await until(lambda: any(one.began_at == start + 4 * MINUTE for one in told.candles))
        began = [one.began_at for one in told.candles if one.period == MINUTE and one.began_at >= start]
        assert [start + minute * MINUTE for minute in (0, 1, 3, 4)] == began


async def test_a_part_that_fails_ends_the_whole(tmp_path: Path) -> None:
    """A bug in one task is not a source that silently tells half."""

    class Broken:
        async def ohlc(self, symbol: str, period: Ns, since: Ns | None) -> Past:
            raise AssertionError(f"a bug in {symbol} {period} {since}")

    async with asyncio.timeout(30), running(tmp_path) as client:
        subject = ReferenceSource(
            Session(),
            Broken(),
            now=client.sandbox.venue.clock.now,
            emit=lambda _: None,
            backoff=lambda: Backoff(random.random),
        )
        with pytest.raises(AssertionError, match="a bug in"):
            await subject.run(client.ready.reference_ws_url)
        assert not subject.session.is_connected
