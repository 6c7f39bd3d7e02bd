"""A sandbox that runs inside a test, on loopback, and clients that sign."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import time_ns
from typing import Any

import aiohttp
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from daemon.core.units import MILLISECOND, Ns
from daemon.sandbox.flow import Flow, MakeFlow
from daemon.sandbox.server import Ready, Sandbox, SandboxOptions
from tests.sandbox.scripted import ScriptedFlow


def signed(key_id: str, pem: bytes, method: str, path: str, now: Ns | None = None) -> dict[str, str]:
    """Return the three headers."""
    stamp = str((time_ns() if now is None else now) // MILLISECOND)
    key = serialization.load_pem_private_key(pem, None)
    message = f"{stamp}{method}{path}".encode()
    if isinstance(key, RSAPrivateKey):
        pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
        signature = key.sign(message, pss, hashes.SHA256())
    else:
        assert isinstance(key, Ed25519PrivateKey)
        signature = key.sign(message)
    return {
        "KALSHI-ACCESS-KEY": key_id,
        "KALSHI-ACCESS-TIMESTAMP": stamp,
        "KALSHI-ACCESS-SIGNATURE": base64.b64encode(signature).decode(),
    }


class Client:
    """Talks to a running sandbox: REST with status and parsed body, and signed WebSockets."""

    def __init__(self, sandbox: Sandbox, ready: Ready, http: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.ready = ready
        self.http = http
        self.pem = Path(ready.private_key_path).read_bytes()

    @property
    def flow(self) -> Flow:
        """The sandbox's flow."""
        return self.sandbox.venue.flow

    def headers(self, method: str, path: str) -> dict[str, str]:
        """Return signed headers, by the sandbox's clock."""
        now = self.sandbox.venue.clock.now()
        return signed(self.ready.key_id, self.pem, method, f"/trade-api/v2{path}", now)

    async def text(self, method: str, path: str, body: object = None, query: str = "") -> tuple[int, str]:
        """Send a signed request; return status and text."""
        headers = self.headers(method, path)
        raw = None if body is None else json.dumps(body).encode()
        if raw is not None:
            headers["Content-Type"] = "application/json"
        url = f"{self.ready.rest_url}{path}{query}"
        async with self.http.request(method, url, data=raw, headers=headers) as reply:
            return reply.status, await reply.text()

    async def call(self, method: str, path: str, body: object = None, query: str = "") -> tuple[int, Any]:
        """Send a signed request; return status and parsed body."""
        status, text = await self.text(method, path, body, query)
        return status, json.loads(text) if text else None

    async def admin(self, path: str, /, **body: Any) -> dict[str, Any]:
        """Send an admin call that is carried out; GET without a body."""
        status, found = await self.admin_call("POST" if body else "GET", path, body or None)
        assert status == 200, f"{path}: {status} {found}"
        return found

    async def admin_call(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
        """Send an admin call; return status and parsed body."""
        raw = None if body is None else json.dumps(body).encode()
        async with self.http.request(method, f"{self.ready.admin_url}{path}", data=raw) as reply:
            return reply.status, await reply.json()

    @asynccontextmanager
    async def socket(self, **options: Any) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a signed WebSocket, with aiohttp's options."""
        now = self.sandbox.venue.clock.now()
        headers = signed(self.ready.key_id, self.pem, "GET", "/trade-api/ws/v2", now)
        async with self.http.ws_connect(self.ready.ws_url, headers=headers, **options) as socket:
            yield socket


@asynccontextmanager
async def running(folder: Path, make_flow: MakeFlow = ScriptedFlow, **options: Any) -> AsyncIterator[Client]:
    """Run a sandbox with a flow; stop it at the end."""
    sandbox = Sandbox(SandboxOptions(folder, make_flow, **options))
    ready = await sandbox.start()
    try:
        async with aiohttp.ClientSession() as http:
            yield Client(sandbox, ready, http)
    finally:
        await sandbox.stop()


async def until(is_so: Callable[[], bool]) -> None:
    """Wait, in small naps, for what nothing announces; the caller bounds the time."""
    while not is_so():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def receive_until(
    socket: aiohttp.ClientWebSocketResponse, is_wanted: Callable[[dict[str, Any]], bool]
) -> list[dict[str, Any]]:
    """Return the frames up to the first wanted one, which is the last."""
    found = []
    while True:
        frame = json.loads(await socket.receive_str(timeout=5))
        found.append(frame)
        if is_wanted(frame):
            return found
