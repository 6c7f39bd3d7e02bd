"""Faults at the wire: what a raw WebSocket client of a running sandbox sees of each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import time_ns
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType

from daemon.core.units import MILLISECOND
from daemon.sandbox.faults import damage
from daemon.sandbox.faults.registry import FAULTS, Rule
from daemon.sandbox.flows.still import StillFlow
from tests.sandbox.running import Client, receive_until, running, signed
from tests.sandbox.wire import order_terms, subscribe

TICKER = "KXTEST-OPERATOR-M0"
Socket = aiohttp.ClientWebSocketResponse


@asynccontextmanager
async def following(folder: Path) -> AsyncIterator[tuple[Client, Socket]]:
    """Run a still world with one market, whose book and private channels a client follows."""
    async with asyncio.timeout(30), running(folder, StillFlow) as client:
        await client.admin("/markets", count=1)
        async with client.socket() as socket:
            channels = ("fill", "user_orders", "orderbook_delta")
            await socket.send_json(subscribe(1, *channels, market_tickers=[TICKER]))
            await receive_until(socket, lambda frame: frame["type"] == "orderbook_snapshot")
            yield client, socket


async def quote(client: Client, *levels: str) -> None:
    """Let the operator bid at so many prices: a delta each, after those that take the old bids out."""
    await client.admin("/book", ticker=TICKER, bids=[[level, "10.00"] for level in levels])


async def heard(socket: Socket, wait_s: float = 0.3) -> list[Any]:
    """Return what comes until nothing does: parsed, or the text if it is no JSON, or how it ended."""
    found: list[Any] = []
    while True:
        try:
            message = await socket.receive(timeout=wait_s)
        except TimeoutError:
            return found
        if message.type is WSMsgType.PONG:
            found.append("PONG")
            continue
        if message.type is not WSMsgType.TEXT:
            return [*found, message.type.name]
        try:
            found.append(json.loads(message.data))
        except ValueError:
            found.append(message.data)


def seqs(frames: list[Any]) -> list[object]:
    """Return the numbers of frames; what is no frame as it is."""
    return [frame["seq"] if isinstance(frame, dict) else frame for frame in frames]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"kind": "drop", "next": 1}, [3, 4]),
        ({"kind": "duplicate", "next": 1}, [2, 2, 3, 4]),
        ({"kind": "reorder", "next": 1}, [3, 2, 4]),
        ({"kind": "sequence_gap", "count": 10, "skip": 1, "next": 1}, [2, 13, 14]),
        ({"kind": "drop", "market": "KXOTHER-*"}, [2, 3, 4]),
        ({"kind": "drop", "stream": "kraken"}, [2, 3, 4]),
        ({"kind": "drop_private"}, [2, 3, 4]),
        ({"kind": "truncated_frame", "skip": 1, "next": 1}, [2, "CLOSED"]),
        ({"kind": "cut", "next": 1}, ["CLOSED"]),
        ({"kind": "half_open"}, []),
        ({"kind": "stall"}, []),
        ({"kind": "delay", "ms": 60_000}, []),
    ],
)
async def test_numbers_of_three_deltas(
    tmp_path: Path, options: dict[str, Any], expected: list[object]
) -> None:
    """Of the numbers 2, 3 and 4, what arrives, in which order, and whether the connection ends."""
    async with following(tmp_path) as (client, socket):
        await client.admin("/faults", **options)
        await quote(client, "0.4000", "0.4100", "0.4200")
        found = seqs(await heard(socket))
        assert expected == ["CLOSED" if end in {"CLOSE", "CLOSED", "ERROR"} else end for end in found]


async def test_slow_and_delayed_frames_keep_their_stamp(tmp_path: Path) -> None:
    """All arrive in order, late: `sending_ts_ms` is when the venue meant to send, so the age shows."""
    async with following(tmp_path) as (client, socket):
        await client.admin("/faults", kind="slow_stream", ms=60)
        await quote(client, "0.4000", "0.4100", "0.4200")
        ages = []
        for seq in (2, 3, 4):
            (frame,) = await receive_until(socket, lambda _: True)
            assert seq == frame["seq"]
            ages.append(time_ns() // MILLISECOND - frame["sending_ts_ms"])
        assert ages[0] >= 55
        assert ages == sorted(ages)
        assert ages[2] >= 175


async def test_a_stall_goes_on_pinging_and_ends_with_everything(tmp_path: Path) -> None:
    """Pings are answered while it lasts; cleared, all that was held back comes in order."""
    async with following(tmp_path) as (client, socket):
        rule = await client.admin("/faults", kind="stall")
        await quote(client, "0.4000", "0.4100")
        await socket.ping()
        assert [] == await heard(socket)
        await client.admin("/faults/clear", id=rule["id"])
        assert [2, 3] == seqs(await heard(socket))


async def test_a_stall_ends_by_its_time(tmp_path: Path) -> None:
    """Without another frame to set it off."""
    async with following(tmp_path) as (client, socket):
        await client.admin("/faults", kind="stall", for_ms=100)
        await quote(client, "0.4000")
        (frame,) = await receive_until(socket, lambda _: True)
        assert 2 == frame["seq"]


async def test_half_open_answers_no_ping(tmp_path: Path) -> None:
    """A ping is not echoed and nothing flows, but the connection stays."""
    async with following(tmp_path) as (client, _), client.socket(autoping=False) as socket:
        await socket.ping(b"healthy")
        assert ["PONG"] == await heard(socket)
        await client.admin("/faults", kind="half_open", stream="kalshi")
        await socket.ping(b"half open")
        await quote(client, "0.4000")
        assert [] == await heard(socket)
        assert not socket.closed
        await client.admin("/faults/clear", id=1)
        (end,) = await heard(socket)
        assert end in {"CLOSE", "CLOSED", "ERROR"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"kind": "unknown_type"}, {"type": damage.UNKNOWN_TYPE}),
        ({"kind": "missing_field", "field": "price_dollars"}, {"price_dollars": None}),
        ({"kind": "absurd_numbers"}, {"price_dollars": "99.9900", "delta_fp": "-1000000000.00"}),
    ],
)
async def test_messages_that_nobody_should_believe(
    tmp_path: Path, options: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Of another type, without a field, with absurd numbers; the next one is sound."""
    async with following(tmp_path) as (client, socket):
        await client.admin("/faults", next=1, **options)
        await quote(client, "0.4000", "0.4100")
        bad, good = await heard(socket)
        found = {name: bad.get(name) or bad["msg"].get(name) for name in expected}
        if "type" not in expected:
            found.pop("type", None)
        assert expected == found
        assert ("orderbook_delta", "0.4100") == (good["type"], good["msg"]["price_dollars"])


async def test_a_malformed_message_is_no_json(tmp_path: Path) -> None:
    """And the frame around it is whole: the connection lives."""
    async with following(tmp_path) as (client, socket):
        await client.admin("/faults", kind="malformed_json", next=1)
        await quote(client, "0.4000", "0.4100")
        bad, good = await heard(socket)
        assert isinstance(bad, str)
        assert 3 == good["seq"]


async def test_a_private_frame_is_lost_and_the_order_stands(tmp_path: Path) -> None:
    """The book shows the order, the lists have it; the private channels never said so."""
    async with following(tmp_path) as (client, socket):
        await client.admin("/faults", kind="drop_private")
        terms = order_terms(ticker=TICKER)
        status, _ = await client.call("POST", "/portfolio/events/orders", terms)
        assert 201 == status
        assert ["orderbook_delta"] == [frame["type"] for frame in await heard(socket)]
        _, listed = await client.call("GET", "/portfolio/orders")
        assert ["resting"] == [order["status"] for order in listed["orders"]]


async def test_the_answer_to_a_command_is_lost(tmp_path: Path) -> None:
    """The subscription works though nobody said so."""
    async with following(tmp_path) as (client, _), client.socket() as other:
        await client.admin("/faults", kind="lost_command_ack")
        await other.send_json(subscribe(1, "orderbook_delta", market_tickers=[TICKER]))
        assert ["orderbook_snapshot"] == [frame["type"] for frame in await heard(other)]


async def test_a_command_is_answered_with_an_error(tmp_path: Path) -> None:
    """The code that was ordered, once; nothing was subscribed."""
    async with following(tmp_path) as (client, _), client.socket() as other:
        await client.admin("/faults", kind="command_error", code=18, channel="subscribe", next=1)
        for id_ in (1, 2):
            await other.send_json(subscribe(id_, "orderbook_delta", market_tickers=[TICKER]))
        error, *others = await heard(other)
        assert ("error", 1, 18) == (error["type"], error["id"], error["msg"]["code"])
        assert ["subscribed", "orderbook_snapshot"] == [frame["type"] for frame in others]


async def test_a_channel_ends_with_an_error(tmp_path: Path) -> None:
    """Everybody's subscription of it, and no other; unknown channels and codes are refused."""
    async with following(tmp_path) as (client, socket):
        await client.admin("/faults", kind="channel_error", channel="orderbook_delta")
        (error,) = await heard(socket)
        assert ("error", 10) == (error["type"], error["msg"]["code"])
        await quote(client, "0.4000")
        assert [] == await heard(socket)
        await client.call("POST", "/portfolio/events/orders", order_terms(ticker=TICKER))
        assert ["user_order"] == [frame["type"] for frame in await heard(socket)]
        for options in ({"channel": "books"}, {"channel": "fill", "code": 99}):
            status, answer = await client.admin_call("POST", "/faults", {"kind": "channel_error", **options})
            assert (400, True) == (status, "there are" in answer["error"])


async def test_upgrades_are_refused_by_a_gateway(tmp_path: Path) -> None:
    """502 in HTML, once; the next one is let in, and open connections stay."""
    async with following(tmp_path) as (client, socket):
        await client.admin("/faults", kind="refuse_upgrade", next=1)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with client.socket():
                pass
        assert 502 == refused.value.status
        async with client.socket():
            await quote(client, "0.4000")
            assert [2] == seqs(await heard(socket))


async def test_tcp_connections_are_refused_for_a_while(tmp_path: Path) -> None:
    """The system says no; who is connected stays so; afterwards the same port answers."""
    async with following(tmp_path) as (client, socket):
        await client.admin("/faults", kind="refuse_connect", ms=400)
        async with aiohttp.ClientSession() as http:
            with pytest.raises(aiohttp.ClientConnectorError):
                await http.get(f"{client.ready.rest_url}/exchange/status")
            await quote(client, "0.4000")
            assert [2] == seqs(await heard(socket))
            await asyncio.sleep(0.4)
            async with http.get(f"{client.ready.rest_url}/exchange/status") as reply:
                assert 200 == reply.status


async def test_a_skewed_clock_shows_in_stamps_and_in_signatures(tmp_path: Path) -> None:
    """Twenty seconds ahead: stamps too, and the true time's signature is too old; cleared, time goes on."""
    async with following(tmp_path) as (client, socket):
        rule = await client.admin("/faults", kind="clock_skew", ms=20_000)
        await quote(client, "0.4000")
        (frame,) = await heard(socket)
        assert 15_000 < frame["sending_ts_ms"] - time_ns() // MILLISECOND <= 20_000
        assert 0 <= frame["sending_ts_ms"] - frame["msg"]["ts_ms"] < 1_000  # sent after it happened, at once
        clock = client.sandbox.venue.clock
        ahead = clock.now()
        assert 200 == (await client.call("GET", "/portfolio/balance"))[0]
        status, body = await _balance_by_the_wall(client)
        assert (401, "header_timestamp_expired") == (status, body["error"]["code"])
        await client.admin("/faults/clear", id=rule["id"])
        assert ahead <= clock.now() < ahead + 1_000 * MILLISECOND


async def _balance_by_the_wall(client: Client) -> tuple[int, Any]:
    path = "/portfolio/balance"
    headers = signed(client.ready.key_id, client.pem, "GET", f"/trade-api/v2{path}")
    async with client.http.get(f"{client.ready.rest_url}{path}", headers=headers) as reply:
        return reply.status, await reply.json()


async def test_the_reference_stream_has_faults_of_its_own(tmp_path: Path) -> None:
    """Cut it, and Kalshi's stays; its REST is a request like any other."""
    async with following(tmp_path) as (client, socket):
        async with client.http.ws_connect(client.ready.reference_ws_url) as reference:
            await client.admin("/faults", kind="cut", stream="kraken")
            await heard(reference)
            assert reference.closed
        await quote(client, "0.4000")
        assert [2] == seqs(await heard(socket))
        await client.admin("/faults", kind="http_502", path="/0/public/*")
        async with client.http.get(f"{client.ready.reference_rest_url}/OHLC?pair=XBTUSD") as reply:
            assert 502 == reply.status


async def test_faults_may_be_there_from_the_start(tmp_path: Path) -> None:
    """As a file orders them."""
    rules = (Rule(kind="refuse_upgrade"),)
    async with asyncio.timeout(20), running(tmp_path, StillFlow, faults=rules) as client:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            async with client.socket():
                pass
        (counted,) = (await client.admin("/faults"))["faults"]
        assert ("refuse_upgrade", 1, 1, True) == (
            counted["rule"]["kind"], counted["matched"], counted["hit"], counted["is_live"],
        )  # fmt: skip


def test_every_fault_is_shown_at_the_wire() -> None:
    """Each kind is named in a test of this folder that meets a running sandbox."""
    folder = Path(__file__).parent
    shown = "".join((folder / f"test_{name}.py").read_text() for name in ("desk", "requests", "orders"))
    assert [] == [kind for kind in FAULTS if f'"{kind}"' not in shown]
