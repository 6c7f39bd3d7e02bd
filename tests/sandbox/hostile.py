"""Garbage for a sandbox, drawn by Hypothesis, and a sandbox to throw it at."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from yarl import URL

from daemon.sandbox.admin.world import TIERS
from daemon.sandbox.server import Sandbox
from tests.sandbox.running import Client, running
from tests.sandbox.scripted import OPEN
from tests.sandbox.wire import order_terms

EXAMPLES = int(os.environ.get("HOSTILE_EXAMPLES", "120"))
"""A small number in the gate; thousands when somebody looks for trouble."""

INTS = st.sampled_from(
    [0, 1, -1, 2, 3, 63, 64, -5, 77, 10**9, 2**31, 2**53, 2**63 - 1, 2**63, 2**64, -(2**63), 10**25]
)
TEXTS = st.one_of(
    st.sampled_from(
        [
            "",
            OPEN,
            "KXBTC15M",
            "KXBTC15M-26SEP251515",
            "0.3500",
            "0.35000",
            "-0.35",
            "1e5",
            "NaN",
            "inf",
            "10.00",
            "0.01",
            "9" * 30,
            "9" * 5000,
            "\u0663",
            "bid",
            "ask",
            "resting",
            "good_till_canceled",
            "fill_or_kill",
            "immediate_or_cancel",
            "maker",
            "taker_at_cross",
            "all",
            "true",
            "self",
            "linear_cent",
            "scalar",
            "orderbook_delta",
            "ticker",
            "trade",
            "fill",
            "user_orders",
            "market_positions",
            "add_markets",
            "get_snapshot",
            "delete_markets",
            "a,b,,c",
            "bGVmdDo5OTk=",
            "bGVmdDo" * 900,
            "\x00",
            '"',
            "%ff",
            "é" * 40,
            "0a0a0a0a-0000-4000-8000-000000000001",
            "-----BEGIN PUBLIC KEY-----",
            "yes",
            "no",
        ]
    ),
    st.text(max_size=20),
)
SCALARS = st.one_of(st.none(), st.booleans(), INTS, st.floats(), TEXTS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
ORDER_FIELDS = (
    "ticker",
    "side",
    "count",
    "price",
    "time_in_force",
    "self_trade_prevention_type",
    "client_order_id",
    "expiration_time",
    "post_only",
    "reduce_only",
    "cancel_order_on_pause",
    "order_group_id",
    "subaccount",
    "exchange_index",
    "updated_client_order_id",
    "reduce_by",
    "reduce_to",
    "market_ticker",
    "order_id",
)
FIELDS = (
    *ORDER_FIELDS,
    "orders",
    "contracts_limit",
    "contracts_limit_fp",
    "from_subaccount",
    "to_subaccount",
    "amount_cents",
    "amount",
    "client_transfer_id",
    "source",
    "destination",
    "source_exchange_shard",
    "destination_exchange_shard",
    "source_subaccount",
    "destination_subaccount",
    "allocations",
    "percent",
    "resting_margin_reservation",
    "subaccount_number",
    "enabled",
    "name",
    "public_key",
    "scopes",
)
QUERY = (
    "limit",
    "cursor",
    "ticker",
    "tickers",
    "event_ticker",
    "series_ticker",
    "status",
    "min_ts",
    "max_ts",
    "min_close_ts",
    "max_close_ts",
    "min_created_ts",
    "max_settled_ts",
    "min_updated_ts",
    "mve_filter",
    "depth",
    "start_ts",
    "end_ts",
    "period_interval",
    "include_latest_before_start",
    "market_tickers",
    "subaccount",
    "exchange_index",
    "settlement_status",
    "count_filter",
    "order_id",
    "show_historical",
    "is_block_trade",
    "with_nested_markets",
    "include_volume",
    "category",
    "tags",
    "market_ticker",
)
JUNK = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [
            b"",
            b"null",
            b"[]",
            b"{",
            b"[" * 50_000,
            b'{"a":' * 3_000,
            b'{"ticker":"\xff"}',
            b'{"a":1e999}',
            b'{"ticker":"\\ud800"}',
            b"{}" * 3,
            b"\xef\xbb\xbf{}",
            b'{"id":' + b"9" * 40 + b"}",
        ]
    ),
)
ORDER = st.dictionaries(st.sampled_from(ORDER_FIELDS), VALUES, max_size=3).map(
    lambda odd: {**order_terms(), **odd}
)
BODIES = st.one_of(
    st.none(),
    JUNK,
    ORDER,
    st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6),
    st.lists(ORDER, max_size=3).map(lambda orders: {"orders": orders}),
)
COMMANDS = st.one_of(
    JUNK,
    VALUES,
    st.fixed_dictionaries(
        {
            "id": st.one_of(st.integers(0, 9), SCALARS),
            "cmd": st.sampled_from(
                ["subscribe", "unsubscribe", "update_subscription", "list_subscriptions", "x"]
            ),
            "params": st.dictionaries(
                st.sampled_from(
                    [
                        "channels",
                        "market_ticker",
                        "market_tickers",
                        "market_id",
                        "market_ids",
                        "sids",
                        "sid",
                        "action",
                        "use_yes_price",
                        "skip_ticker_ack",
                        "send_initial_snapshot",
                        "index_ids",
                        "shard_factor",
                    ]
                ),
                st.one_of(VALUES, st.lists(TEXTS, max_size=4), st.lists(st.integers(0, 6), max_size=2)),
                max_size=5,
            ),
        }
    ),
)


class Victim:
    """A sandbox that runs on a loop of its own, which only turns while a test asks for something."""

    def __init__(self, folder: Path, flow: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self._folder = folder
        self._flow = flow
        self._stack = AsyncExitStack()
        self.client: Client = self.run(self._start())

    def run(self, work: Any) -> Any:
        async def bounded() -> Any:
            async with asyncio.timeout(20):
                return await work

        return self.loop.run_until_complete(bounded())

    async def _start(self) -> Client:
        client = await self._stack.enter_async_context(running(self._folder, self._flow))
        client.sandbox._buckets.set_tier(TIERS["unlimited"])
        return client

    def stop(self) -> None:
        self.run(self._stack.aclose())
        self.loop.close()

    def assert_alive(self) -> None:
        """The clock goes on, and a good request is answered."""
        assert self.client.sandbox._pumping is not None
        assert not self.client.sandbox._pumping.done()
        assert 200 == self.run(self.client.call("GET", "/portfolio/balance"))[0]
        assert 200 == self.run(self.client.call("GET", "/markets"))[0]


def raw(body: object) -> bytes | None:
    return body if isinstance(body, bytes) or body is None else json.dumps(body).encode()


def routes(sandbox: Sandbox) -> list[tuple[str, str]]:
    assert sandbox._runner is not None
    assert sandbox._runner.app is not None
    return sorted(
        {
            (route.method, resource.canonical)
            for resource in sandbox._runner.app.router.resources()
            for route in resource
            if resource.canonical.startswith("/trade-api/v2/")
        }
    )


def named(template: str, names: list[str]) -> str:
    parts = template.removeprefix("/trade-api/v2").split("/")
    filled = [(names.pop() if names else "x") if part.startswith("{") else part for part in parts]
    return "/".join(filled)


async def send(
    client: Client, method: str, path: str, query: list[tuple[str, str]], raw: bytes | None
) -> int:
    url = URL(f"{client.ready.rest_url}{path}").with_query(query)
    headers = client.headers(method, url.raw_path.removeprefix("/trade-api/v2"))
    if raw is not None:
        headers["Content-Type"] = "application/json"
    async with client.http.request(method, url, data=raw, headers=headers) as reply:
        text = await reply.text()
        if reply.status not in {400, 405, 413}:
            assert text == "" or json.loads(text) is not None, (reply.status, text)
        return reply.status


PARTS = st.one_of(
    st.sampled_from(
        [OPEN, "KXBTC15M", "KXBTC15M-26SEP251515", "x", "0a0a0a0a-0000-4000-8000-000000000001", "é", "%"]
    ),
    st.text(
        st.characters(exclude_characters="/", exclude_categories=("Cs", "Cc")), min_size=1, max_size=8
    ).filter(lambda text: text.strip(".")),
)


RAW = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [
            b"GET /trade-api/v2/markets/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /trade-api/v2/portfolio/orders/\xff HTTP/1.1\r\nHost: x\r\nKALSHI-ACCESS-KEY: KEY\r\n"
            b"KALSHI-ACCESS-TIMESTAMP: STAMP\r\nKALSHI-ACCESS-SIGNATURE: QQ==\r\n\r\n",
            b"GET /trade-api/ws/v2 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n",
            b"POST /trade-api/v2/api_keys HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n{",
            b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"\x16\x03\x01\x00\xa5",
            b"GET " + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
        ]
    ),
)


ADMIN = st.one_of(TEXTS, INTS, SCALARS, VALUES, st.lists(st.tuples(TEXTS, TEXTS), max_size=2))
