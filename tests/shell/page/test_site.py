"""The page over HTTP: its assets as published, what a browser is told, and whom it answers at all."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from daemon.core import events as e
from daemon.shell.kill_switch import KillSwitch
from daemon.shell.latch import Latch
from daemon.shell.page.recent import Recent
from daemon.shell.page.site import ASSETS, HEADERS, LOOPBACK_NAMES, Site
from daemon.shell.page.streams import Streams, event_of
from tests.core.worlds import NOW

TEST_WITHIN_S = 20.0
TOKEN = "s3cret-s3cret-s3cret"
UPLOT_SHA256 = {
    "uplot.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uplot.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "uplot.licence": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}
"""Of release 1.6.32: dist/uPlot.iife.min.js, dist/uPlot.min.css and LICENSE."""


class Rig:
    """The site with a kill switch whose core takes in what it is told at once."""

    def __init__(self, folder: Path) -> None:
        self.told: list[e.Event] = []
        self.recent = Recent()
        self._is_halted = False
        self.switch = KillSwitch(Latch(folder), now=lambda: NOW, emit=self._take)
        self.switch.is_halted = lambda: self._is_halted
        self.base, self.port = "", 0
        self.session: aiohttp.ClientSession

    def _take(self, event: e.Event) -> None:
        self.told.append(event)
        self.recent.on_batch([event], [])
        self._is_halted = isinstance(event, e.HaltRequested)

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
        """Status and text; underscores in a header's name are dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, self.base + path, data=body, headers=named) as reply:
            return reply.status, await reply.text()

    async def order(self, path: str, body: bytes = b'{"reason":"enough"}', **changes: str) -> tuple[int, str]:
        """POST as the page does, but for these headers; an empty one is left out."""
        headers = {
            "Origin": self.base, "Authorization": f"Bearer {TOKEN}", "Content_Type": "application/json",
            **changes,
        }  # fmt: skip
        return await self.ask("POST", path, body, **{name: value for name, value in headers.items() if value})


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Rig]:
    rig = Rig(folder)
    streams = Streams(
        lambda _market: event_of("opening", b"1"), lambda markets: dict.fromkeys(markets, event_of("a", b"2"))
    )
    site = Site(streams, rig.recent, folder / "store.sqlite", rig.switch, TOKEN)
    runner = web.AppRunner(site.application(), access_log=None, shutdown_timeout=0.1)
    async with (
        asyncio.timeout(TEST_WITHIN_S),
        aiohttp.ClientSession(skip_auto_headers=["Content-Type"]) as rig.session,
    ):
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        rig.port = runner.addresses[0][1]
        rig.base = f"http://127.0.0.1:{rig.port}"
        try:
            yield rig
        finally:
            await runner.cleanup()


def test_uplot_is_the_release_as_published() -> None:
    """Byte for byte; its licence is there too."""
    folder = files("daemon.shell.page").joinpath("assets")
    found = {name: hashlib.sha256(folder.joinpath(name).read_bytes()).hexdigest() for name in UPLOT_SHA256}
    assert UPLOT_SHA256 == found


def test_nothing_is_inline_and_nothing_comes_from_elsewhere() -> None:
    """The policy would refuse it; so the page's own files have none."""
    folder = files("daemon.shell.page").joinpath("assets")
    for name in ("page.html", "page.css", "page.js", "charts.js"):
        text = folder.joinpath(name).read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        for piece in ("http:", "https:", "style=", "<style", "onclick", "innerHTML", "@import", "url("):
            assert piece not in text, (name, piece)


async def test_every_asset_is_answered_under_the_policy(tmp_path: Path) -> None:
    """Its content type, and headers that let nothing else in; refusals have them too."""
    async with serving(tmp_path) as rig:
        for address, (_, kind) in ASSETS.items():
            async with rig.session.get(rig.base + address) as reply:
                assert (200, kind) == (reply.status, reply.content_type)
                assert HEADERS == {name: reply.headers[name] for name in HEADERS}
        async with rig.session.get(f"{rig.base}/nowhere") as reply:
            assert 404 == reply.status
            assert HEADERS == {name: reply.headers[name] for name in HEADERS}


@pytest.mark.parametrize("path", ["/", "/events", "/search?q=", "/reliability"])
async def test_another_name_for_this_machine_is_refused(tmp_path: Path, path: str) -> None:
    """A browser that was told that evil.example is 127.0.0.1 asks for evil.example."""
    async with serving(tmp_path) as rig:
        for host in ("evil.example", f"evil.example:{rig.port}", "127.0.0.1.evil.example", "localhost.evil"):
            assert 421 == (await rig.ask("GET", path, Host=host))[0], host
        for name in LOOPBACK_NAMES:
            assert 200 == (await rig.ask("GET", "/", Host=f"{name}:{rig.port}"))[0], name


async def test_what_another_site_asks_is_refused(tmp_path: Path) -> None:
    """As the browser says where it comes from; a link to the page is followed."""
    async with serving(tmp_path) as rig:
        for headers in (
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Sec_Fetch_Site": "cross-site"},
        ):
            assert 403 == (await rig.ask("GET", "/search?q=", b"", **headers))[0], headers
        assert 403 == (await rig.ask("GET", "/events", Sec_Fetch_Site="same-site"))[0]
        link = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
        assert 200 == (await rig.ask("GET", "/", b"", **link))[0]
        assert 403 == (await rig.ask("GET", "/search?q=", b"", **link))[0]


async def test_whoever_has_the_token_halts_and_resumes(tmp_path: Path) -> None:
    """The answer says how it stands after it: halted, and on disk; the core hears who and why."""
    async with serving(tmp_path) as rig:
        status, text = await rig.order("/halt")
        assert (200, {"is_halted": True, "is_latched": True}) == (status, json.loads(text))
        assert e.HaltRequested("enough", NOW, "page") == rig.told[-1]
        assert 400 == (await rig.order("/resume", b'{"reason":" "}'))[0]
        status, text = await rig.order("/resume")
        assert (200, False) == (status, json.loads(text)["is_halted"])
        assert e.ResumeRequested("enough", NOW, "page") == rig.told[-1]


@pytest.mark.parametrize("path", ["/halt", "/resume"])
async def test_an_order_needs_the_token_the_pages_own_origin_and_a_body_of_its_kind(
    tmp_path: Path, path: str
) -> None:
    """Each alone stops it, and the core hears nothing."""
    async with serving(tmp_path) as rig:
        assert 403 == (await rig.order(path, Authorization=""))[0]
        assert 403 == (await rig.order(path, Authorization=f"Bearer {TOKEN[:-1]}X"))[0]
        assert 403 == (await rig.order(path, Authorization=f"Basic {TOKEN}"))[0]
        assert 403 == (await rig.order(f"{path}?token={TOKEN}", Authorization=""))[0]
        assert 403 == (await rig.order(path, Origin=""))[0]
        assert 403 == (await rig.order(path, Origin="http://evil.example"))[0]
        assert 403 == (await rig.order(path, Origin=f"http://127.0.0.1:{rig.port + 1}"))[0]
        assert 421 == (await rig.order(path, Origin="http://evil.example", Host="evil.example"))[0]
        assert 415 == (await rig.order(path, Content_Type="text/plain"))[0]
        assert 400 == (await rig.order(path, b'{"why":"?"}'))[0]
        assert 400 == (await rig.order(path, b'{"reason":"caf\xe9"}'))[0]
        assert 413 == (await rig.order(path, b" " * 100_000))[0]
        assert 405 == (await rig.ask("GET", path))[0]
        assert [] == rig.told


async def test_a_token_of_bytes_that_are_no_text_is_none(tmp_path: Path) -> None:
    """Refused like any other wrong one: written to the socket, for no client library sends it."""
    async with serving(tmp_path) as rig:
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
        writer.write(
            f"POST /halt HTTP/1.1\r\nHost: 127.0.0.1:{rig.port}\r\nOrigin: {rig.base}\r\n".encode()
            + b"Authorization: Bearer \xff\r\nContent-Length: 0\r\n\r\n"
        )
        assert b"HTTP/1.1 403 Forbidden\r\n" == await reader.readline()
        writer.close()
        assert [] == rig.told


async def test_the_search_and_the_diagram_answer(tmp_path: Path) -> None:
    """What was, by a piece of text; why there is no diagram. What nobody asked for is named."""
    async with serving(tmp_path) as rig:
        rig.recent.on_batch([e.HaltRequested("enough", NOW, "page")], [])
        status, text = await rig.ask("GET", "/search?q=ENOUGH")
        assert (200, ["HaltRequested"]) == (status, [one["kind"] for one in json.loads(text)])
        status, text = await rig.ask("GET", "/reliability")
        assert (200, "nothing is kept for reports in this run") == (status, json.loads(text)["why_none"])
        status, text = await rig.ask("GET", "/search?p=1")
        assert (400, "unknown parameters: p; allowed: q") == (status, text)
        assert 400 == (await rig.ask("GET", f"/search?q={'x' * 201}"))[0]


async def test_events_are_a_stream(tmp_path: Path) -> None:
    """Under the same headers as all else."""
    async with serving(tmp_path) as rig, rig.session.get(f"{rig.base}/events?market=A") as reply:
        assert ("text/event-stream", "no-store") == (reply.content_type, reply.headers["Cache-Control"])
        assert b"event: opening\n" == await reply.content.readline()
