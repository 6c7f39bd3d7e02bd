"""Kraken's REST candles, and what can be wrong with an answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from daemon.core.units import MINUTE, SECOND
from daemon.kraken.candles import Candle, Past
from daemon.kraken.rest import KrakenRest, ReadFailed, ReadRefused, decode_ohlc, pair_of

ROW = [1790366040, "83950.1", "83960.0", "83941.2", "83955.5", "83950.9", "1.23456789", 42]


def body(*rows: list[object], last: object = 1790366040, **extra: object) -> bytes:
    result = {"XXBTZUSD": list(rows), "last": last, **extra}
    return json.dumps({"error": [], "result": result}).encode()


def later(minutes: int, trades: int = 1) -> list[object]:
    return [1790366040 + 60 * minutes, *ROW[1:7], trades]


def test_the_finished_candles_are_exact_and_the_running_one_bounds_them() -> None:
    """The key's name doesn't matter; the row behind `last` is not finished."""
    made = decode_ohlc(body(ROW, later(1)), MINUTE)
    finished = Candle(
        1790366040 * SECOND, 83_950_100_000, 83_960_000_000, 83_941_200_000, 83_955_500_000, 123_456_789
    )
    assert Past((finished,), 1790366100 * SECOND) == made


def test_minutes_without_trades_are_no_candles() -> None:
    """Whether Kraken leaves them out or fills them with a count of zero."""
    filled = decode_ohlc(body(ROW, later(1, 0), later(2), later(3, 0), last=1790366160), MINUTE)
    left_out = decode_ohlc(body(ROW, later(2), later(3, 0), last=1790366160), MINUTE)
    assert filled == left_out
    assert [1790366040, 1790366160] == [candle.began_at // SECOND for candle in filled.candles]


def test_without_a_running_candle_the_last_finished_one_bounds_them() -> None:
    """Nothing behind its end is known; of no rows at all nothing is."""
    assert 1790366100 * SECOND == decode_ohlc(body(ROW), MINUTE).covered_until
    assert Past((), 0) == decode_ohlc(body(), MINUTE)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"error":[],"result":{}}',
        b'{"error":[],"result":{"last":1}}',
        body(ROW, OTHER=[]),
        body(later(1), ROW),
        body(ROW, later(1), later(2)),
        body(ROW[:7]),
        body([*ROW[:1], 83950.1, *ROW[2:]]),
        body([*ROW[:2], "83000.0", *ROW[3:]]),
        body([1790366041, *ROW[1:]], last=1790366041),
        body(ROW, last="1790366040"),
        b'{"error":["EService:Unavailable"]}',
        b'{"error":["EGeneral:Too many requests"]}',
        b'{"error":["EService:Busy"],"result":{}}',
    ],
)
def test_what_is_no_answer_may_come_later(answer: bytes) -> None:
    """A body that can't be read, contradicts itself, or says that Kraken is busy."""
    with pytest.raises(ReadFailed):
        decode_ohlc(answer, MINUTE)


@pytest.mark.parametrize("text", ["EQuery:Unknown asset pair", "EGeneral:Invalid arguments"])
def test_a_no_is_final(text: str) -> None:
    """Errors come with status 200; the text is Kraken's."""
    with pytest.raises(ReadRefused, match=text):
        decode_ohlc(json.dumps({"error": [text]}).encode(), MINUTE)


def test_a_warning_spoils_no_answer() -> None:
    """Only errors begin with E."""
    answer = json.loads(body(ROW))
    answer["error"] = ["WGeneral:Deprecated"]
    assert 1 == len(decode_ohlc(json.dumps(answer).encode(), MINUTE).candles)


def test_symbols_have_legacy_names() -> None:
    """Bitcoin is XBT over REST."""
    assert ["XBTUSD", "ETHUSD"] == [pair_of("BTC/USD"), pair_of("ETH/USD")]


Answer = Callable[[web.Request], web.Response]


@asynccontextmanager
async def kraken(answer: Answer) -> AsyncIterator[KrakenRest]:
    async def serve(request: web.Request) -> web.Response:
        return answer(request)

    app = web.Application()
    app.router.add_get("/0/public/OHLC", serve)
    async with TestServer(app) as server, KrakenRest(str(server.make_url("/0/public/"))) as rest:
        yield rest


async def test_a_request_names_pair_minutes_and_since() -> None:
    """A second before the first one wanted: whether `since` itself is within is not documented."""
    asked: list[dict[str, str]] = []

    def answer(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        return web.Response(body=body(ROW, later(1)))

    async with asyncio.timeout(10), kraken(answer) as rest:
        first = await rest.ohlc("BTC/USD", MINUTE, None)
        assert 1 == len(first.candles)
        await rest.ohlc("BTC/USD", MINUTE, 1790366040 * SECOND)
    assert [
        {"pair": "XBTUSD", "interval": "1"},
        {"pair": "XBTUSD", "interval": "1", "since": "1790366039"},
    ] == asked


async def test_a_full_answer_is_read_to_its_end() -> None:
    """720 rows come in many pieces; an answer without end is given up."""
    whole = body(*(later(number) for number in range(720)), last=1790366040 + 718 * 60)
    async with asyncio.timeout(10), kraken(lambda _: web.Response(body=whole)) as rest:
        assert 719 == len((await rest.ohlc("BTC/USD", MINUTE, None)).candles)
    endless = whole + b" " * 5_000_000
    async with asyncio.timeout(10), kraken(lambda _: web.Response(body=endless)) as rest:
        with pytest.raises(ReadFailed, match="bytes"):
            await rest.ohlc("BTC/USD", MINUTE, None)


@pytest.mark.parametrize(
    ("status", "kind"), [(429, ReadFailed), (503, ReadFailed), (404, ReadRefused), (302, ReadRefused)]
)
async def test_another_status_is_an_answer_of_someone_else(status: int, kind: type[Exception]) -> None:
    """Busy or broken goes by; anything else doesn't."""
    async with asyncio.timeout(10), kraken(lambda _: web.Response(status=status)) as rest:
        with pytest.raises(kind, match=str(status)):
            await rest.ohlc("BTC/USD", MINUTE, None)


async def test_nobody_there_is_a_failure() -> None:
    """A refused connection may be taken up again later."""
    async with asyncio.timeout(10), KrakenRest("http://127.0.0.1:9") as rest:
        with pytest.raises(ReadFailed):
            await rest.ohlc("BTC/USD", MINUTE, None)
