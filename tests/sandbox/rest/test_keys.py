"""Tests of the API key calls over the wire."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

from yarl import URL

from daemon.sandbox.api_keys import generate, public_text
from daemon.sandbox.limits import Tier
from tests.sandbox.contract import Contract
from tests.sandbox.running import Client, running, signed
from tests.sandbox.wire import order_terms

FORBIDDEN = {"code": "forbidden", "message": "forbidden"}


async def call_as(
    client: Client, key_id: str, pem: str | bytes, method: str, path: str, body: object = None
) -> tuple[int, Any]:
    """Send a request signed with another key."""
    raw = pem.encode() if isinstance(pem, str) else pem
    now = client.sandbox.venue.clock.now()
    headers = signed(key_id, raw, method, f"/trade-api/v2{path}", now)
    url = client.ready.rest_url + path
    async with client.http.request(method, url, json=body, headers=headers) as reply:
        return reply.status, await reply.json() if await reply.read() else None


async def test_generated_keys_sign_until_they_are_deleted(tmp_path: Path) -> None:
    """Both kinds; the list names them; after the delete they are unknown, as any stranger."""
    contract = Contract()
    async with asyncio.timeout(30), running(tmp_path) as client:
        for key_type, head in (("rsa", "BEGIN RSA PRIVATE KEY"), ("ed25519", "BEGIN PRIVATE KEY")):
            wanted = {"name": key_type, "key_type": key_type}
            status, made = await client.call("POST", "/api_keys/generate", wanted)
            assert (201, True) == (status, head in made["private_key"])
            contract.check("GenerateApiKeyResponse", made)
            key_id, pem = made["api_key_id"], made["private_key"]
            assert 200 == (await call_as(client, key_id, pem, "GET", "/portfolio/balance"))[0]
            status, listed = await client.call("GET", "/api_keys")
            contract.check("GetApiKeysResponse", listed)
            assert key_id in [key["api_key_id"] for key in listed["api_keys"]]
            assert (204, "") == await client.text("DELETE", f"/api_keys/{key_id}")
            assert 404 == (await client.call("DELETE", f"/api_keys/{key_id}"))[0]
            status, refused = await call_as(client, key_id, pem, "GET", "/portfolio/balance")
            assert (401, "NOT_FOUND") == (status, refused["error"]["details"])


async def test_a_registered_public_key_outlives_a_restart(tmp_path: Path) -> None:
    """The caller keeps the private half; a second registration of it is a conflict."""
    pem, public = generate("ed25519")
    async with asyncio.timeout(30), running(tmp_path) as client:
        wanted = {"name": "mine", "public_key": public_text(public)}
        status, made = await client.call("POST", "/api_keys", wanted)
        assert 201 == status
        assert 409 == (await client.call("POST", "/api_keys", wanted))[0]
        assert 400 == (await client.call("POST", "/api_keys", {"name": "x", "public_key": "none"}))[0]
        assert 400 == (await client.call("POST", "/api_keys", wanted | {"scopes": ["fly"]}))[0]
        assert 400 == (await client.call("POST", "/api_keys", wanted | {"subaccount": 64}))[0]
    async with asyncio.timeout(30), running(tmp_path) as client:
        assert 200 == (await call_as(client, made["api_key_id"], pem, "GET", "/portfolio/fills"))[0]


async def test_scopes_are_enforced_at_the_wire(tmp_path: Path) -> None:
    """A reading key reads; it neither trades nor makes keys. 403, nested, code `forbidden`."""
    async with asyncio.timeout(30), running(tmp_path) as client:
        wanted = {"name": "reader", "key_type": "ed25519", "scopes": ["read"]}
        _, made = await client.call("POST", "/api_keys/generate", wanted)
        key_id, pem = made["api_key_id"], made["private_key"]
        assert 200 == (await call_as(client, key_id, pem, "GET", "/portfolio/orders"))[0]
        for path, body in (("/portfolio/events/orders", order_terms()), ("/api_keys/generate", wanted)):
            status, refused = await call_as(client, key_id, pem, "POST", path, body)
            error = {name: refused["error"][name] for name in ("code", "message")}
            assert (403, FORBIDDEN) == (status, error)
        assert {} == client.sandbox.venue.account.orders


async def test_a_bound_key_sees_and_trades_its_subaccount_only(tmp_path: Path) -> None:
    """Named or not; another one is forbidden; and it makes no key, which might not be bound."""
    async with asyncio.timeout(30), running(tmp_path) as client:
        wanted = {"name": "bound", "key_type": "ed25519", "subaccount": 1}
        assert 400 == (await client.call("POST", "/api_keys/generate", wanted))[0]
        await client.call("POST", "/portfolio/subaccounts", {})
        transfer = {"client_transfer_id": str(uuid4()), "from_subaccount": 0, "to_subaccount": 1}
        transfer |= {"amount_cents": 5_000, "exchange_index": 2}
        assert 200 == (await client.call("POST", "/portfolio/subaccounts/transfer", transfer))[0]
        _, made = await client.call("POST", "/api_keys/generate", wanted)
        key = (made["api_key_id"], made["private_key"])
        orders = "/portfolio/events/orders"
        _, placed = await call_as(client, *key, "POST", orders, order_terms())
        assert 403 == (await call_as(client, *key, "POST", orders, order_terms(subaccount=0)))[0]
        assert 403 == (await call_as(client, *key, "POST", "/api_keys/generate", {"name": "free"}))[0]
        _, listed = await call_as(client, *key, "GET", "/portfolio/orders")
        assert [(placed["order_id"], 1)] == [
            (order["order_id"], order["subaccount_number"]) for order in listed["orders"]
        ]
        _, balance = await call_as(client, *key, "GET", "/portfolio/balance")
        assert "50.0000" == balance["balance_dollars"]
        _, own = await client.call("POST", orders, order_terms())
        assert 404 == (await call_as(client, *key, "GET", f"/portfolio/orders/{own['order_id']}"))[0]
        assert 404 == (await call_as(client, *key, "DELETE", f"{orders}/{own['order_id']}"))[0]


async def test_keys_draw_on_the_bucket_of_reads(tmp_path: Path) -> None:
    """All that is no order does, whatever its method."""
    tier = Tier("tiny", 10, 1000, 1)
    async with asyncio.timeout(30), running(tmp_path, tier=tier) as client:
        wanted = {"name": "one", "key_type": "ed25519"}
        assert [201, 429] == [(await client.call("POST", "/api_keys/generate", wanted))[0] for _ in range(2)]


async def test_the_path_is_signed_as_it_stands_on_the_wire(tmp_path: Path) -> None:
    """Percent-encoded, without the query; a signature over the decoded path is another one's."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        for path, expected in (("/portfolio/orders/a%20b", 404), ("/portfolio/orders/a b", 401)):
            headers = client.headers("GET", path)
            url = URL(f"{client.ready.rest_url}/portfolio/orders/a%20b?limit=5", encoded=True)
            async with client.http.get(url, headers=headers) as reply:
                assert expected == reply.status
