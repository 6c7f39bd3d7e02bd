"""HTTP around the service: statuses, bounds, headers, and an end in order."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web

pytest.importorskip("scipy", reason="needs the extra `lab`")
pytest.importorskip("sklearn", reason="needs the extra `lab`")

from daemon.lab.promotion import promote
from daemon.lab.serve import server as module
from daemon.lab.serve.bodies import ROWS_MAX, Batch, Daily, Health, Models, Prediction, Refusal
from daemon.lab.serve.buckets import Buckets
from daemon.lab.serve.server import BODY_BYTES_MAX, ServeFailed, Site, is_loopback, serve
from daemon.lab.serve.service import Service
from tests.lab.serve.browser import browser, browser_path
from tests.lab.serve.made_registry import FIRST, Made, daily_model, made_registry

Client = aiohttp.ClientSession


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_registry(tmp_path_factory.mktemp("registry"))


@asynccontextmanager
async def listening(root: Path, burst: int = 1_000, *, is_local: bool = True) -> AsyncIterator[Client]:
    """A server on a free port, and a client of it."""
    service = Service(root)
    await service.refresh()
    site = Site(service, Buckets(0.5, burst), is_local=is_local)
    runner = web.AppRunner(site.application(), access_log=None, auto_decompress=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with asyncio.timeout(60), aiohttp.ClientSession(
            f"http://127.0.0.1:{runner.addresses[0][1]}"
        ) as client:  # fmt: skip
            yield client
    finally:
        await runner.cleanup()


async def refusal(answer: aiohttp.ClientResponse) -> Refusal:
    return msgspec.json.decode(await answer.read(), type=Refusal)


async def test_every_address_answers_as_documented(made: Made) -> None:
    """Each with its shape, and each with the policy that lets nothing else in."""
    async with listening(made.root) as client:
        for path, shape in (
            ("/predict?RET_1=0.01", Prediction), ("/predict/pnl", Daily), ("/models", Models),
            ("/health", Health),
        ):  # fmt: skip
            async with client.get(path) as answer:
                assert (200, "application/json") == (answer.status, answer.content_type), path
                msgspec.json.decode(await answer.read(), type=shape)
        for path, kind in (
            ("/", "text/html"), ("/docs", "text/html"), ("/page.css", "text/css"),
            ("/page.js", "text/javascript"), ("/openapi.json", "application/json"),
        ):  # fmt: skip
            async with client.get(path) as answer:
                assert (200, kind) == (answer.status, answer.content_type), path
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
                assert "nosniff" == answer.headers["X-Content-Type-Options"]
        async with client.head("/health") as answer:
            assert 200 == answer.status


async def test_a_batch_is_answered_in_order(made: Made) -> None:
    """As many answers as rows, each as if it had been asked alone."""
    rows = [{"RET_1": number / 1_000} for number in range(-20, 20)]
    async with listening(made.root) as client:
        async with client.post("/predict", json={"rows": rows}) as answer:
            batch = msgspec.json.decode(await answer.read(), type=Batch)
        async with client.get("/predict", params={"RET_1": repr(rows[7]["RET_1"])}) as answer:
            single = msgspec.json.decode(await answer.read(), type=Prediction)
    assert (len(rows), single.value) == (len(batch.predictions), batch.predictions[7].value)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/predict?RET_0=1", 422),
        ("GET", "/predict", 422),
        ("GET", "/predict?RET_1=1&model=nobody/1", 422),
        ("GET", "/predict/pnl?day=1", 422),
        ("GET", "/predict/pnl?model=hourly/1", 404),
        ("GET", "/?model=daily-trees/1&model=hourly/1", 422),
        ("GET", "/nowhere", 404),
        ("GET", "/../../etc/passwd", 404),
        ("POST", "/models", 405),
        ("DELETE", "/predict", 405),
    ],
)
async def test_what_is_refused_says_why(made: Made, method: str, path: str, status: int) -> None:
    """As JSON, whatever it was."""
    async with listening(made.root) as client, client.request(method, path) as answer:
        assert (status, True) == (answer.status, bool((await refusal(answer)).error))
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        if status == 405:
            assert answer.headers["Allow"] == ("GET" if path == "/models" else "GET, POST")


async def test_bodies_are_bounded(made: Made) -> None:
    """Too large, too many rows, another type, compressed: refused before they are worked on."""
    large = b" " * (BODY_BYTES_MAX + 1)
    json = {"Content-Type": "application/json"}
    many = msgspec.json.encode({"rows": [{"RET_1": 0}] * (ROWS_MAX + 1)})
    async with listening(made.root) as client:
        for body, headers, status in (
            (large, json, 413), (many, json, 422), (b"{", json, 400),
            (b"{}", {"Content-Type": "text/plain"}, 415), (b"{}", {**json, "Content-Encoding": "gzip"}, 415),
        ):  # fmt: skip
            async with client.post("/predict", data=io.BytesIO(body), headers=headers) as answer:
                assert status == answer.status
                assert (await refusal(answer)).error


async def test_who_asks_too_fast_is_told_when_to_ask_again(made: Made) -> None:
    """429 with Retry-After; a watchdog's question is always answered."""
    async with listening(made.root, burst=2) as client:
        statuses = []
        for _ in range(3):
            async with client.get("/models") as answer:
                statuses.append(answer.status)
        assert ([200, 200, 429], "2") == (statuses, answer.headers["Retry-After"])
        async with client.get("/health") as answer:
            assert 200 == answer.status


async def test_a_page_that_tricks_a_browser_gets_no_answer(made: Made) -> None:
    """A name of somebody else that leads here is refused on loopback; elsewhere names are the operator's."""
    async with listening(made.root) as client:
        for host, status in (
            ("evil.example", 421),
            ("localhost", 200),
            ("127.0.0.1:80", 200),
            ("[::1]:80", 200),
        ):
            async with client.get("/models", headers={"Host": host}) as answer:
                assert status == answer.status, host
    async with (
        listening(made.root, is_local=False) as client,
        client.get("/models", headers={"Host": "lab.example"}) as answer,
    ):
        assert 200 == answer.status


async def test_what_nobody_foresaw_is_told_without_a_word_of_it(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 as JSON; and what takes too long ends."""

    def broken(_self: Service) -> Models:
        raise RuntimeError("a secret of ours")

    async def slow(_self: Service) -> Health:
        await asyncio.sleep(60)
        raise AssertionError

    monkeypatch.setattr(Service, "models", broken)
    monkeypatch.setattr(Service, "health", slow)
    monkeypatch.setattr(module, "ANSWER_S_MAX", 0.05)
    async with listening(made.root) as client:
        async with client.get("/models") as answer:
            assert (500, False) == (answer.status, "secret" in await answer.text())
        async with client.get("/health") as answer:
            assert (503, "no answer within 0.05 s") == (answer.status, (await refusal(answer)).error)


def test_loopback_is_known_by_its_address() -> None:
    """A name is not looked up: it might lead anywhere."""
    assert [True, True, True] == [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost")]
    assert [False] * 3 == [is_loopback(host) for host in ("0.0.0.0", "::", "lab.example")]


async def serving(root: Path, told: Callable[[str], None], port: int = 0) -> None:
    async with asyncio.timeout(60):
        await serve(root, "127.0.0.1", port, told)


async def test_it_follows_the_registry_and_stops_when_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new champion answers by itself; SIGTERM lets the request under way end, and nobody listens after."""
    monkeypatch.setattr(module, "REFRESH_S", 0.02)
    made = made_registry(tmp_path)
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(serving(made.root, address.set_result))
    async with asyncio.timeout(60), aiohttp.ClientSession(await address) as client:
        promote(made.root, "daily", daily_model(made.root, seed=2), FIRST + 1, reason="a test's")
        model = ""
        while model != "daily-trees/2":
            async with client.get("/predict?RET_1=0.01") as answer:
                if answer.status == 200:
                    model = msgspec.json.decode(await answer.read(), type=Prediction).model
            await asyncio.sleep(0.06)  # slower than the rate that one peer is allowed
        os.kill(os.getpid(), signal.SIGTERM)
        await running
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.get("/health")


async def test_a_taken_address_is_said(made: Made) -> None:
    """And it is not waited for."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServeFailed, match=f"127.0.0.1:{port}: .*address already in use"):
            await serving(made.root, lambda _: None, port)


@pytest.mark.full
@pytest.mark.skipif(
    browser_path() is None, reason="no Chromium here: the page was NOT looked at by a browser"
)
@pytest.mark.parametrize("width", [390, 1440])
async def test_a_browser_shows_the_page(made: Made, tmp_path: Path, width: int) -> None:
    """No complaint, no request off the host, nothing wider than the screen; the form answers by keyboard."""
    async with listening(made.root) as client, browser(tmp_path) as tab:
        origin = str(client._base_url).rstrip("/")
        for path in ("", "docs", "?model=hourly/1"):
            for is_dark in (False, True):
                await tab.open(f"{origin}/{path}", width, is_dark=is_dark)
                assert await tab.run("document.documentElement.scrollWidth <= innerWidth"), path
        await tab.open(origin, width)
        await tab.press("Tab")
        assert "skip" == await tab.run("document.activeElement.className")
        await tab.run("document.querySelector('#ask button').focus()")
        await tab.press("Enter")
        shown = (
            "new Promise((done) => { const look = () => answer.hidden ? setTimeout(look, 20)"
            " : done(value.textContent); look(); })"
        )
        said = await tab.run(shown)
    async with listening(made.root) as client, client.get("/") as answer:
        assert f'<p class="value">{said}</p>' in await answer.text()
    assert [] == tab.complaints
    assert [] == [one for one in tab.requested if not one.startswith((origin, "data:"))]
