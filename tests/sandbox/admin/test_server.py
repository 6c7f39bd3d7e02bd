"""The admin endpoint's manners."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from daemon.sandbox import admin
from daemon.sandbox.flows.still import StillFlow
from tests.sandbox.running import running


async def test_it_lists_its_calls(tmp_path: Path) -> None:
    """GET / names every call with its method, what it does and its body; none is without words."""
    async with asyncio.timeout(20), running(tmp_path, StillFlow) as client:
        _, found = await client.admin_call("GET", "/")
        calls = {(call["method"], call["path"]): call for call in found["calls"]}
        assert len(calls) == len(found["calls"])
        assert {("POST", "/clock/advance"), ("POST", "/faults"), ("POST", "/markets")} <= set(calls)
        assert all(call["does"] for call in calls.values())
        assert calls["POST", "/clock/advance"]["body"]["ms"]["required"]
        words = (admin.__doc__ or "").split()
        assert [] == [path for _, path in calls if path not in words]


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/clock/advance", {}, ["ms"]),
        ("/clock/advance", {"ms": "5"}, ["$.ms", "int"]),
        ("/clock/advance", {"ms": 0}, ["$.ms", ">= 1"]),
        ("/markets", {"counts": 5}, ["counts"]),
        ("/markets", {"grid": "coarse"}, ["$.grid", "coarse"]),
        ("/markets", {"strike": "high"}, ["strike: "]),
        ("/markets", {"ticker": "KXA", "count": 2}, ["ticker: "]),
        ("/account/deposit", {"dollars": "-5"}, ["dollars: "]),
        ("/account/tier", {"tier": "gold"}, ["$.tier", "gold"]),
        ("/faults", {"kind": "cutt"}, ["kind: ", "'cutt'", "half_open"]),
        ("/faults", {"kind": "delay"}, ["ms: delay needs it"]),
        ("/load/start", {}, ["tickers: "]),
    ],
)
async def test_a_bad_body_is_told_what_is_allowed(
    tmp_path: Path, path: str, body: dict[str, Any], told: list[str]
) -> None:
    """400 naming the field, with the call's body as it should be; nothing was done."""
    async with asyncio.timeout(20), running(tmp_path, StillFlow) as client:
        status, answer = await client.admin_call("POST", path, body)
        assert 400 == status
        assert [] == [word for word in told if word not in answer["error"]], answer["error"]
        assert "required" in str(answer["body"])
        assert {} == (await client.admin("/state"))["markets"]


async def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    """Calls and markets: 404; a body where none belongs, and what is no JSON: 400."""
    async with asyncio.timeout(20), running(tmp_path, StillFlow) as client:
        assert 404 == (await client.admin_call("POST", "/nonsense"))[0]
        assert 404 == (await client.admin_call("GET", "/markets"))[0]
        assert 404 == (await client.admin_call("POST", "/markets/settle", {"ticker": "KXA"}))[0]
        assert 404 == (await client.admin_call("POST", "/faults/clear", {"id": 7}))[0]
        assert 400 == (await client.admin_call("POST", "/load/stop", {"now": True}))[0]
        async with client.http.post(f"{client.ready.admin_url}/faults", data=b"{") as reply:
            assert (400, True) == (reply.status, "no JSON" in (await reply.json())["error"])


@pytest.mark.parametrize("headers", [{"Origin": "https://example.com"}, {"Host": "example.com:80"}])
async def test_web_pages_are_kept_out(tmp_path: Path, headers: dict[str, str]) -> None:
    """A page that somebody has open can't move the venue, not even under a name that leads here."""
    async with asyncio.timeout(20), running(tmp_path, StillFlow) as client:
        url = f"{client.ready.admin_url}/markets"
        async with client.http.post(url, json={}, headers=headers) as reply:
            assert 403 == reply.status
        assert {} == (await client.admin("/state"))["markets"]
