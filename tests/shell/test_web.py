"""The pages over a real socket: what they say, with which status, who may halt, a taken address."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from daemon.shell.metrics import Metrics
from daemon.shell.web import TOKEN_FILE, HaltPage, WebFailed, page_token, serve_web

TEST_WITHIN_S = 20.0


class Page:
    """The pages with their answers in the test's hands."""

    def __init__(self) -> None:
        self.health: str | None = None
        self.readiness: str | None = None
        self.base = ""
        self.session: aiohttp.ClientSession

    async def get(self, path: str) -> tuple[int, str, str]:
        """Status, content type and text."""
        async with self.session.get(self.base + path) as reply:
            return reply.status, reply.headers["Content-Type"], await reply.text()


@asynccontextmanager
async def serving() -> AsyncIterator[Page]:
    metrics = Metrics()
    metrics.serve(lambda: {"kalshid_inbox_depth": 7.0})
    page = Page()
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
    """The pages and nothing else; without a switch there is none for it."""
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


# --- the kill switch's page ----------------------------------------------------------------------


@asynccontextmanager
async def halting(token: str, *, is_latched: bool = True) -> AsyncIterator[tuple[Page, list[str]]]:
    reasons: list[str] = []

    def halt(reason: str) -> bool:
        reasons.append(reason)
        return is_latched

    page = Page()
    async with asyncio.timeout(TEST_WITHIN_S), aiohttp.ClientSession() as page.session:
        runner = await serve_web(
            "127.0.0.1:0", Metrics(), health=lambda: None, readiness=lambda: None,
            halt_page=HaltPage(token, halt),
        )  # fmt: skip
        try:
            page.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield page, reasons
        finally:
            await runner.cleanup()


async def test_whoever_knows_the_token_halts_by_a_form() -> None:
    """The form asks for it and doesn't show it; posted, it halts for the reason that was typed."""
    async with halting("s3cret-s3cret-s3cret") as (page, reasons):
        status, kind, text = await page.get("/halt")
        assert (200, "text/html; charset=utf-8") == (status, kind)
        assert '<form method="post" action="/halt"' in text
        assert "s3cret" not in text
        fields = {"token": "s3cret-s3cret-s3cret", "reason": "enough"}
        async with page.session.post(f"{page.base}/halt", data=fields) as reply:
            assert 200 == reply.status
            assert "s3cret" not in await reply.text()
        assert ["enough"] == reasons


@pytest.mark.parametrize("token", ["", "s3cret", "s3cret-s3cret-s3creT", "ß"])
async def test_whoever_does_not_know_the_token_halts_nothing(token: str) -> None:
    """403, in the body or in the address."""
    async with halting("s3cret-s3cret-s3cret") as (page, reasons):
        async with page.session.post(f"{page.base}/halt", data={"token": token}) as reply:
            assert 403 == reply.status
        async with page.session.post(f"{page.base}/halt?token=s3cret-s3cret-s3cret") as reply:
            assert 403 == reply.status
        assert [] == reasons


@pytest.mark.parametrize(("charset", "form"), [("none-such", b"token=x"), ("utf-8", b"token=\xe9")])
async def test_a_form_that_cannot_be_read_is_declined(charset: str, form: bytes) -> None:
    """400, and nothing halts: it is no fault of ours."""
    async with halting("s3cret-s3cret-s3cret") as (page, reasons):
        headers = {"Content-Type": f"application/x-www-form-urlencoded; charset={charset}"}
        async with page.session.post(f"{page.base}/halt", data=form, headers=headers) as reply:
            assert 400 == reply.status
        assert [] == reasons


async def test_a_halt_that_is_not_on_disk_is_said() -> None:
    """500: it holds as long as the daemon lives."""
    async with (
        halting("s3cret-s3cret-s3cret", is_latched=False) as (page, _),
        page.session.post(f"{page.base}/halt", data={"token": "s3cret-s3cret-s3cret"}) as reply,
    ):
        assert 500 == reply.status


def test_the_token_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    """And again where others could have read it, or where it is no token."""
    folder = tmp_path / "var"
    token = page_token(folder)
    path = folder / TOKEN_FILE
    assert 0o600 == path.stat().st_mode & 0o777
    assert token == page_token(folder)
    path.chmod(0o640)
    again = page_token(folder)
    assert token != again
    assert 0o600 == path.stat().st_mode & 0o777
    path.write_text("\n")
    assert again != page_token(folder)
    assert len(page_token(folder)) >= 40
    assert again not in repr(HaltPage(again, lambda _reason: True))


def test_a_token_that_cannot_be_kept_is_named(tmp_path: Path) -> None:
    """Its folder is a file."""
    (tmp_path / "var").touch()
    with pytest.raises(WebFailed, match=TOKEN_FILE):
        page_token(tmp_path / "var")
