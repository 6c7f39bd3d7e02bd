"""A real browser, where there is one: a page is opened, and what it asked for and complained of is told."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

NAMES = ("chromium", "chromium-browser", "google-chrome")
STARTS_S = 30.0
KEYS = {"Tab": (9, ""), "Enter": (13, "\r")}
"""A key's number, and what it types."""


def browser_path() -> str | None:
    """Return the browser of this machine; None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Tab:
    """One page. `requested` are the addresses that it asked for, `complaints` what stood on its console."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()
        self.requested: list[str] = []
        self.complaints: list[str] = []

    async def listen(self) -> None:
        """Take in what the browser tells, until it ends."""
        async for message in self._socket:
            told = msgspec.json.decode(message.data)
            params = told.get("params", {})
            match told.get("method"):
                case None:
                    self._waiting.pop(told["id"]).set_result(told)
                case "Network.requestWillBeSent":
                    self.requested.append(params["request"]["url"])
                case "Page.loadEventFired":
                    self._loaded.set()
                case "Log.entryAdded":
                    self.complaints.append(params["entry"]["text"])
                case "Runtime.exceptionThrown" | "Runtime.consoleAPICalled":
                    self.complaints.append(str(params))

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Return the browser's answer to a command of its protocol."""
        self._number += 1
        answer = self._waiting[self._number] = asyncio.get_running_loop().create_future()
        content = msgspec.json.encode({"id": self._number, "method": method, "params": params})
        await self._socket.send_str(content.decode())
        told = await answer
        assert "error" not in told, told
        return dict(told["result"])

    async def open(self, address: str, width: int = 1440, *, is_dark: bool = False) -> None:
        """Open an address as a screen of so many pixels shows it, and wait until all is there."""
        for name in ("Page", "Network", "Log", "Runtime"):
            await self.ask(f"{name}.enable")
        await self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=900, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}]
        await self.ask("Emulation.setEmulatedMedia", features=scheme)
        self._loaded.clear()
        await self.ask("Page.navigate", url=address)
        await self._loaded.wait()

    async def run(self, script: str) -> Any:
        """Return what a script says, waited for if it is a promise."""
        told = await self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def press(self, key: str) -> None:
        """Press one of `KEYS`."""
        number, text = KEYS[key]
        for kind in ("keyDown", "keyUp"):
            await self.ask(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=number,
                text=text,
            )

    async def picture(self) -> bytes:
        """Return what the whole page looks like, as PNG."""
        told = await self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(told["data"])


@asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Tab]:
    """Start a browser with a profile of its own in a folder, and end it."""
    path = browser_path()
    assert path is not None, "ask browser_path first"
    # It runs on our own page alone, and may be started by root, who gets no sandbox.
    words = (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", f"--user-data-dir={folder}",
    )  # fmt: skip
    child = await asyncio.create_subprocess_exec(
        path, *words, "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "HOME": str(folder)},
    )  # fmt: skip
    try:
        port = await _port(folder / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                pages = [one for one in await answer.json() if one["type"] == "page"]
            async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                tab = Tab(socket)
                listening = asyncio.create_task(tab.listen())
                yield tab
                listening.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await listening
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()


async def _port(path: Path) -> str:
    async with asyncio.timeout(STARTS_S):
        while True:
            with contextlib.suppress(FileNotFoundError, IndexError):
                return (await asyncio.to_thread(path.read_text)).splitlines()[0]
            await asyncio.sleep(0.05)
