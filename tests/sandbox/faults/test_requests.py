"""Faults of requests at the wire: what the client sees, and whether the order stands."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from daemon.sandbox.flows.still import StillFlow
from tests.sandbox.running import Client, running, signed
from tests.sandbox.wire import order_terms

TICKER = "KXTEST-OPERATOR-M0"
ORDERS = "/portfolio/events/orders"


async def placed(client: Client, **terms: Any) -> object:
    """Place an order; return the status, and the error's name where there was no answer."""
    timeout = aiohttp.ClientTimeout(total=0.4)
    headers = client.headers("POST", ORDERS)
    body = order_terms(ticker=TICKER, **terms)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.post(f"{client.ready.rest_url}{ORDERS}", json=body, headers=headers) as reply,
        ):
            text = await reply.text()
            try:
                json.loads(text)
            except ValueError:
                return f"{reply.status} {reply.content_type} no JSON"
            return reply.status
    except TimeoutError:
        return "timeout"
    except aiohttp.ClientOSError as error:
        return "reset" if isinstance(error, ConnectionResetError) or error.errno == 104 else repr(error)
    except aiohttp.ServerDisconnectedError:
        return "disconnected"


async def resting(client: Client) -> int:
    """Return how many orders rest, by the exchange itself."""
    orders = client.sandbox.venue.account.resting
    return sum(len(found) for found in orders.values())


@pytest.mark.parametrize(
    ("options", "answer", "count"),
    [
        ({"kind": "http_429"}, 429, 0),
        ({"kind": "http_500"}, 500, 0),
        ({"kind": "http_500", "when": "after"}, 500, 1),
        ({"kind": "http_502"}, "502 text/html no JSON", 0),
        ({"kind": "http_502", "when": "after"}, "502 text/html no JSON", 1),
        ({"kind": "http_503"}, 503, 0),
        ({"kind": "http_503", "when": "after"}, 503, 1),
        ({"kind": "hang"}, "timeout", 0),
        ({"kind": "hang", "when": "after"}, "timeout", 1),
        ({"kind": "reset"}, "reset", 0),
        ({"kind": "reset", "when": "after"}, "reset", 1),
        ({"kind": "lost_ack"}, "disconnected", 1),
        ({"kind": "slow_reply", "ms": 5_000}, "timeout", 1),
        ({"kind": "malformed_reply"}, "201 application/json no JSON", 1),
    ],
)
async def test_the_answer_and_the_order(
    tmp_path: Path, options: dict[str, Any], answer: object, count: int
) -> None:
    """Before: nothing stands. After: the same answer, and the order stands. The next is served."""
    async with asyncio.timeout(20), running(tmp_path, StillFlow) as client:
        await client.admin("/markets", count=1)
        await client.admin("/faults", path="*/portfolio/events/orders", method="POST", next=1, **options)
        assert answer == await placed(client)
        assert count == await resting(client)
        assert 201 == await placed(client)
        assert count + 1 == await resting(client)


async def test_a_late_request_is_carried_out_when_nobody_waits_any_more(tmp_path: Path) -> None:
    """The client has given up and asked for something else meanwhile: then it comes into force."""
    async with asyncio.timeout(20), running(tmp_path, StillFlow) as client:
        await client.admin("/markets", count=1)
        rule = {"kind": "late_request", "ms": 2_500, "method": "POST", "next": 1}
        await client.admin("/faults", path="*/portfolio/events/orders", **rule)
        assert "timeout" == await placed(client)
        assert 0 == await resting(client)
        assert 201 == await placed(client)
        while await resting(client) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_other_requests_are_spared(tmp_path: Path) -> None:
    """Of another market, path or method."""
    async with asyncio.timeout(20), running(tmp_path, StillFlow) as client:
        await client.admin("/markets", count=1)
        await client.admin("/faults", kind="http_503", market="KXOTHER-*")
        await client.admin("/faults", kind="http_503", method="DELETE")
        await client.admin("/faults", kind="http_503", path="*/portfolio/balance")
        assert 201 == await placed(client)
        assert [0, 0, 0] == [counted["hit"] for counted in (await client.admin("/faults"))["faults"]]


async def test_a_stale_read_shows_what_it_showed_before(tmp_path: Path) -> None:
    """As long as the fault lasts; another path is fresh."""
    async with asyncio.timeout(20), running(tmp_path, StillFlow) as client:
        await client.admin("/markets", count=1)
        path = f"/markets/{TICKER}/orderbook"
        _, empty = await client.call("GET", path)
        rule = await client.admin("/faults", kind="stale_read", path="*/orderbook")
        await client.admin("/book", ticker=TICKER, bids=[["0.4000", "10.00"]])
        assert empty == (await client.call("GET", path))[1]
        _, fresh = await client.call("GET", f"/markets/{TICKER}")
        assert "0.4000" == fresh["market"]["yes_bid_dollars"]
        await client.admin("/faults/clear", id=rule["id"])
        assert empty != (await client.call("GET", path))[1]


SCRIPT = (
    "import asyncio, pathlib, sys\n"
    "from daemon.sandbox.server import SandboxOptions, serve\n"
    "from daemon.sandbox.flows.still import StillFlow\n"
    "asyncio.run(serve(SandboxOptions(pathlib.Path(sys.argv[1]), StillFlow)))\n"
)


async def order_from_the_doomed(ready: dict[str, Any], when: str) -> None:
    """Make a market in a sandbox that is a process, order its death, and send an order."""
    pem = await asyncio.to_thread(Path(ready["private_key_path"]).read_bytes)
    async with aiohttp.ClientSession() as http:
        for path, body in (("/markets", {"count": 1}), ("/faults", {"kind": "killed", "when": when})):
            async with http.post(f"{ready['admin_url']}{path}", json=body) as reply:
                assert 200 == reply.status
        headers = signed(ready["key_id"], pem, "POST", f"/trade-api/v2{ORDERS}")
        with pytest.raises(aiohttp.ClientError):
            await http.post(f"{ready['rest_url']}{ORDERS}", json=order_terms(ticker=TICKER), headers=headers)


@contextmanager
def doomed(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    """Run a sandbox as a process of its own; give it and its ready line."""
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=root) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


@pytest.mark.parametrize(("when", "expected"), [("before", []), ("after", ["resting"])])
async def test_a_killed_process_forgets_nothing(tmp_path: Path, when: str, expected: list[str]) -> None:
    """Killed (-9) before or after the order: the next life has the market, and the order if it was made."""
    async with asyncio.timeout(60):
        with doomed(tmp_path) as (process, ready):
            await order_from_the_doomed(ready, when)
            assert -signal.SIGKILL == await asyncio.to_thread(process.wait, 15)
        async with running(tmp_path, StillFlow) as client:
            _, body = await client.call("GET", "/portfolio/orders")
            assert expected == [order["status"] for order in body["orders"]]
            _, found = await client.call("GET", f"/markets/{TICKER}")
            assert "active" == found["market"]["status"]
