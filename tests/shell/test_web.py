"""The pages over a real socket: what they say, with which status, a taken address."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as text_string_to_openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from daemon.shell.histogram import Histogram
from daemon.shell.metrics import Metrics
from daemon.shell.web import WebFailed, is_ours, serve_web

TEST_WITHIN_S = 20.0


class Page:
    """The pages with their answers in the test's hands."""

    def __init__(self) -> None:
        self.health: str | None = None
        self.readiness: str | None = None
        self.base = ""
        self.ack = Histogram()
        self.session: aiohttp.ClientSession

    async def get(self, path: str) -> tuple[int, str, str]:
        """Status, content type and text."""
        async with self.session.get(self.base + path) as reply:
            return reply.status, reply.headers["Content-Type"], await reply.text()


@asynccontextmanager
async def serving() -> AsyncIterator[Page]:
    metrics = Metrics()
    page = Page()
    metrics.serve(lambda: {"kalshid_inbox_depth": 7.0, "kalshid_order_ack_seconds": page.ack})
    async with asyncio.timeout(TEST_WITHIN_S), aiohttp.ClientSession() as page.session:
        runner = await serve_web(
            "127.0.0.1:0", metrics, health=lambda: page.health, readiness=lambda: page.readiness
        )
        try:
            page.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield page
        finally:
            await runner.cleanup()


async def test_metrics_are_the_exposition_text() -> None:
    """As Prometheus scrapes them: its content type, and text that its parser reads."""
    async with serving() as page:
        status, content_type, text = await page.get("/metrics")
        assert (200, "text/plain; version=0.0.4; charset=utf-8") == (status, content_type)
        families = {family.name: family for family in text_string_to_metric_families(text)}
        assert 7.0 == families["kalshid_inbox_depth"].samples[0].value


async def test_who_asks_for_openmetrics_has_it_with_exemplars() -> None:
    """As Prometheus asks: with its content type, ended as it must be, and read by its official parser."""
    accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
    async with serving() as page:
        page.ack.observe_order(1_500, "kx-1", 1_700_000_000_000_000_000)
        async with page.session.get(f"{page.base}/metrics", headers={"Accept": accept}) as reply:
            kind, text = reply.headers["Content-Type"], await reply.text()
        assert "application/openmetrics-text; version=1.0.0; charset=utf-8" == kind
        assert text.endswith("# EOF\n")
        assert 1 == text.count("# EOF")
        parsed = text_string_to_openmetrics_families(text)  # type: ignore[no-untyped-call]
        families = {family.name: family for family in parsed}
        found = [one.exemplar for one in families["kalshid_order_ack_seconds"].samples if one.exemplar]
        assert [({"client_order_id": "kx-1"}, 1.5e-6)] == [(one.labels, one.value) for one in found]


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
async def test_a_name_that_is_not_ours_is_refused(path: str) -> None:
    """A site that has its own name resolve to this machine reads nothing; loopback names do."""
    async with serving() as page:
        for host, status in (
            ("evil.example", 421), ("evil.example:9464", 421), ("192.168.1.5", 421), ("", 421),
            ("localhost:1", 200), ("127.0.0.1", 200), ("[::1]:9464", 200), ("LOCALHOST", 200),
        ):  # fmt: skip
            async with page.session.get(page.base + path, headers={"Host": host}) as reply:
                assert status == reply.status, host


@pytest.mark.parametrize(
    ("bound", "asked", "expected"),
    [
        ("192.168.1.5", "192.168.1.5:9464", True),
        ("192.168.1.5", "192.168.1.6", False),
        ("scrape.lan", "Scrape.lan:9464", True),
        ("scrape.lan", "evil.example", False),
        ("0.0.0.0", "192.168.1.5:9464", True),
        ("0.0.0.0", "evil.example", False),
        ("0.0.0.0", "[2001:db8::1]:9464", False),
        ("127.0.0.1", "192.168.1.5", False),
        ("127.0.0.1", "localhost.evil.example", False),
        ("127.0.0.1", "127.0.0.1.evil.example", False),
    ],
)
def test_what_is_asked_is_what_is_bound(bound: str, asked: str, expected: bool) -> None:
    """Other than loopback, only the address that is configured; bound to all, any address but no name."""
    assert expected == is_ours(asked, bound)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_well_is_200_and_unwell_is_503_with_the_reason(path: str) -> None:
    """Each page answers its own question, at the moment of asking."""
    async with serving() as page:
        assert (200, "ok\n") == (await page.get(path))[::2]
        if path == "/healthz":
            page.health = "the pump has not turned for 9 s"
        else:
            page.readiness = "phase starting"
        assert (503, f"{page.health or page.readiness}\n") == (await page.get(path))[::2]
        other = "/readyz" if path == "/healthz" else "/healthz"
        assert 200 == (await page.get(other))[0]


async def test_other_paths_are_not_found() -> None:
    """The pages and nothing else: what halts is not for whoever scrapes."""
    async with serving() as page:
        assert 404 == (await page.get("/"))[0]
        assert 404 == (await page.get("/config"))[0]
        assert 404 == (await page.get("/halt"))[0]


async def test_a_taken_address_is_named() -> None:
    """A second daemon on the port fails with the key and the value, and leaves no server behind."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(WebFailed, match=rf"metrics\.listen = '{listen}'"):
            await serve_web(listen, Metrics(), health=lambda: None, readiness=lambda: None)


async def test_a_port_that_does_not_exist_is_named() -> None:
    """The operating system's own complaint would be a traceback."""
    with pytest.raises(WebFailed, match=r"metrics\.listen = '127\.0\.0\.1:70000'"):
        await serve_web("127.0.0.1:70000", Metrics(), health=lambda: None, readiness=lambda: None)
