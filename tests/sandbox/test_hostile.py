"""Garbage of every kind, over real sockets: never a 500, never a dead server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from daemon.sandbox.flows.still import StillFlow
from tests.sandbox.hostile import (
    ADMIN,
    BODIES,
    COMMANDS,
    EXAMPLES,
    JUNK,
    ORDER,
    PARTS,
    QUERY,
    RAW,
    TEXTS,
    Victim,
    named,
    raw,
    routes,
    send,
)
from tests.sandbox.scripted import OPEN, ScriptedFlow
from tests.sandbox.wire import subscribe


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    found = Victim(tmp_path_factory.mktemp("hostile"), ScriptedFlow)
    yield found
    found.stop()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.integers(0, 10_000),
    st.lists(PARTS, min_size=3, max_size=3),
    st.lists(st.tuples(st.sampled_from(QUERY), TEXTS.map(lambda text: text[:3000])), max_size=4),
    BODIES,
)
def test_no_request_breaks_the_server(
    victim: Victim, number: int, names: list[str], query: list[tuple[str, str]], body: object
) -> None:
    """Any call with any names, query and body is answered with a documented status, never a 500."""
    known = routes(victim.client.sandbox)
    method, template = known[number % len(known)]
    method = "POST" if method == "*" else method

    status = victim.run(send(victim.client, method, named(template, names), query, raw(body)))

    assert status < 500, (method, template, names, query, body)
    victim.assert_alive()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(COMMANDS, st.booleans()), min_size=1, max_size=8))
def test_no_command_breaks_a_connection(victim: Victim, commands: list[tuple[object, bool]]) -> None:
    """Whatever was sent before, the connection still answers a good command with a whole frame."""

    async def talk() -> list[dict[str, Any]]:
        async with victim.client.socket() as socket:
            for command, is_text in commands:
                payload = raw(command) or b""
                if is_text:
                    await socket.send_str(payload.decode(errors="replace"))
                else:
                    await socket.send_bytes(payload)
            await socket.send_json(subscribe(4242, "ticker", market_tickers=[OPEN]))
            found = []
            while True:
                found.append(json.loads(await socket.receive_str(timeout=5)))
                if found[-1].get("id") == 4242:
                    return found

    for frame in victim.run(talk()):
        assert "sending_ts_ms" in frame
        assert frame["type"] != "error" or frame["msg"]["msg"], frame
    victim.assert_alive()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(["", "/batched", "/ID/amend", "/ID/decrease"]), ORDER), max_size=5))
def test_no_order_breaks_the_exchange(victim: Victim, orders: list[tuple[str, dict[str, Any]]]) -> None:
    """Orders with odd terms are accepted or refused whole, and the account's lists can still be read."""

    async def trade() -> list[int]:
        found, order_id = [], "none"
        for below, terms in orders:
            path = f"/portfolio/events/orders{below.replace('ID', order_id)}"
            payload = json.dumps({"orders": [terms]} if below == "/batched" else terms).encode()
            found.append(await send(victim.client, "POST", path, [], payload))
            status, listed = await victim.client.call("GET", "/portfolio/orders", query="?limit=1")
            found.append(status)
            order_id = listed["orders"][0]["order_id"] if listed["orders"] else "none"
        return found

    assert [] == [status for status in victim.run(trade()) if status >= 500], orders
    victim.assert_alive()


@settings(max_examples=EXAMPLES // 2, deadline=None, suppress_health_check=list(HealthCheck))
@given(RAW, st.sampled_from(["rest_url", "admin_url"]))
def test_no_bytes_break_the_port(victim: Victim, sent: bytes, where: str) -> None:
    """Bytes that are no request are answered 4xx or with the end of the connection."""
    client = victim.client
    stamp = str(client.sandbox.venue.clock.now() // 1_000_000).encode()
    sent = sent.replace(b"STAMP", stamp).replace(b"KEY", client.ready.key_id.encode())
    url = URL(getattr(client.ready, where))

    async def knock() -> bytes:
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(sent)
        writer.write_eof()
        async with asyncio.timeout(5):
            try:
                return await reader.read()
            except ConnectionError:
                return b""
            finally:
                writer.close()

    assert not victim.run(knock()).startswith(b"HTTP/1.1 5"), sent
    victim.assert_alive()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    found = Victim(tmp_path_factory.mktemp("world"), StillFlow)
    found.run(found.client.admin("/markets", ticker=OPEN))
    yield found
    found.stop()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data(), st.integers(0, 1000), st.one_of(st.none(), JUNK))
def test_no_admin_call_breaks_the_world(
    world: Victim, drawing: st.DataObject, number: int, junk: bytes | None
) -> None:
    """Admin calls with odd bodies are carried out or refused, and what they made can be read."""
    _, described = world.run(world.client.admin_call("GET", "/"))
    calls = [call for call in described["calls"] if call["path"] not in {"/faults", "/load/start"}]
    call = calls[number % len(calls)]
    fields = [name for name in call["body"] if name != "$defs"]
    body: object = junk
    if junk is None and fields:
        odd = st.dictionaries(st.sampled_from(fields), ADMIN, max_size=4)
        needed = {"ticker": OPEN} if "ticker" in fields and call["path"] != "/markets" else {}
        body = {**needed, **drawing.draw(odd, label=call["path"])}

    async def ask() -> int:
        url = f"{world.client.ready.admin_url}{call['path']}"
        async with world.client.http.request(call["method"], url, data=raw(body)) as reply:
            assert await reply.json() is not None
            return reply.status

    assert world.run(ask()) < 500, (call["path"], body)
    world.run(world.client.admin("/stream/limits", markets_per_subscription=None))
    world.run(world.client.admin("/account/tier", tier="unlimited"))
    world.run(world.client.admin_call("POST", "/exchange/resume"))
    world.assert_alive()
