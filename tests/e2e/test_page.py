"""The owner's page of a daemon on the sandbox: over plain HTTP, and in a real browser where there is one."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from daemon.shell.page.site import HEADERS
from daemon.shell.page.token import TOKEN_FILE
from tests.e2e.daemon_process import Daemon, end_sandbox, free_port, write_config
from tests.lab.serve.browser import Tab, browser, browser_path

WITHIN_S = 60.0
SHOWN_WITHIN_S = 20.0


class Run:
    """A daemon with a page."""

    def __init__(self, folder: Path) -> None:
        self.folder, port = folder, free_port()
        self.base = f"http://127.0.0.1:{port}"
        self.daemon = Daemon(write_config(folder, page_listen=f"127.0.0.1:{port}"))

    @property
    def token(self) -> str:
        """What its owner alone can read."""
        return (self.folder / "var" / TOKEN_FILE).read_text().strip()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One run for all: it trades before the first test, and ends clean after the last."""
    found = Run(tmp_path_factory.mktemp("page"))
    try:
        found.daemon.wait_until(lambda: '"phase":"trading"' in found.daemon.log)
        yield found
        found.daemon.stop(signal.SIGTERM)
        assert 0 == found.daemon.wait(WITHIN_S), found.daemon.log[-4000:]
    finally:
        if found.daemon.process.poll() is None:
            found.daemon.kill()
        end_sandbox(found.folder)


async def accounts(reply: aiohttp.ClientResponse) -> Any:
    """Yield the account as often as it is told."""
    while True:
        if await reply.content.readline() == b"event: account\n":
            yield json.loads((await reply.content.readline()).removeprefix(b"data: "))


async def until_phase(reply: aiohttp.ClientResponse, *phases: str) -> dict[str, Any]:
    """Read the stream until it says one of these phases."""
    async for account in accounts(reply):
        if account["phase"] in phases:
            return dict(account)
    raise AssertionError("a stream has no end")


async def test_it_tells_live_and_halts_and_resumes(run: Run) -> None:
    """Messages go up while one looks; a halt and a resume over the page are seen on the stream."""
    async with asyncio.timeout(WITHIN_S), aiohttp.ClientSession() as session:
        async with session.get(f"{run.base}/") as page:
            assert (200, HEADERS["Content-Security-Policy"]) == (
                page.status, page.headers["Content-Security-Policy"],
            )  # fmt: skip
        orders = {"Authorization": f"Bearer {run.token}", "Origin": run.base}
        async with session.get(f"{run.base}/events") as stream:
            first = await until_phase(stream, "trading")
            async for later in accounts(stream):
                if later["frames"] > first["frames"]:
                    break
            async with session.post(f"{run.base}/halt", json={"reason": "a test"}, headers=orders) as halted:
                assert {"is_halted": True, "is_latched": True} == await halted.json()
            assert "a test" == (await until_phase(stream, "halted"))["halt"]
            async with session.post(f"{run.base}/resume", json={"reason": "done"}, headers=orders) as resumed:
                assert {"is_halted": False, "is_latched": False} == await resumed.json()
            assert None is (await until_phase(stream, "trading", "reconciling", "starting"))["halt"]
        async with session.get(f"{run.base}/search?q=haltrequested") as found:
            assert ["HaltRequested"] == [one["kind"] for one in await found.json()]


async def shown(tab: Tab, script: str) -> Any:
    """Wait until a script on the page says something true, and return it."""
    async with asyncio.timeout(SHOWN_WITHIN_S):
        while not (found := await tab.run(script)):  # noqa: ASYNC110 - a browser is looked at, not told
            await asyncio.sleep(0.05)
        return found


async def order(tab: Tab, name: str, token: str) -> None:
    """Open a dialog, fill it in as a person does, and send it."""
    await tab.run(f"document.getElementById('{name}').click()")
    assert await tab.run("document.getElementById('order').open")
    await tab.run("document.getElementById('order-reason').value = 'a test'")
    await tab.run(f"document.getElementById('order-token').value = {json.dumps(token)}")
    await tab.run("document.getElementById('order-go').click()")
    await shown(tab, "!document.getElementById('order').open")


PHASE = "document.getElementById('phase').textContent"


@pytest.mark.skipif(browser_path() is None, reason="NO BROWSER: nobody looked at the page (chromium)")
@pytest.mark.parametrize(("width", "is_dark"), [(390, True), (1440, False)])
async def test_in_a_browser_it_lives_halts_and_resumes(
    run: Run, tmp_path: Path, width: int, is_dark: bool
) -> None:
    """Nothing on the console, nothing asked of another host, nothing wider than the screen; by keyboard."""
    async with asyncio.timeout(2 * WITHIN_S), browser(tmp_path) as tab:
        await tab.open(f"{run.base}/", width, is_dark=is_dark)
        await shown(tab, f"{PHASE} === 'trading'")
        assert "PAPER · sandbox" == await tab.run("document.getElementById('mode').textContent")
        line = await tab.run("document.getElementById('line').textContent")
        await shown(tab, f"document.getElementById('line').textContent !== {json.dumps(line)}")
        await shown(tab, "document.querySelectorAll('.uplot canvas').length === 3")
        assert await tab.run("document.documentElement.scrollWidth") <= width
        back = await tab.run("getComputedStyle(document.body).backgroundColor")
        assert ("rgb(20, 23, 26)" if is_dark else "rgb(255, 255, 255)") == back
        await _choose_by_keyboard(tab)
        await order(tab, "halt", run.token)
        await shown(tab, f"{PHASE} === 'halted: a test'")
        await order(tab, "resume", run.token)
        await shown(tab, f"!{PHASE}.startsWith('halted')")
        await tab.run("document.getElementById('wanted').value = 'haltrequested'")
        await tab.run("document.getElementById('search').requestSubmit()")
        await shown(tab, "document.getElementById('found').textContent.includes('HaltRequested')")
        assert [] == tab.complaints
        assert {run.base} == {re.sub(r"(?<=\d)/.*", "", one) for one in tab.requested if one != "data:,"}


async def _choose_by_keyboard(tab: Tab) -> None:
    """Reach the second market by Tab alone, and choose it by Enter; the ladder is its own then."""
    chosen = "document.getElementById('h-chosen').textContent"
    second = await shown(tab, "document.querySelectorAll('#markets button')[1]?.textContent")
    for _ in range(12):
        await tab.press("Tab")
        if second == await tab.run("document.activeElement.textContent"):
            break
    await tab.press("Enter")
    await shown(tab, f"{chosen} === {json.dumps(second)}")
    assert second == await tab.run("document.activeElement.textContent")
