"""Tests of which accounts a request means, by keys that are bound to a subaccount and by one that isn't."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from daemon.sandbox.auth import SIGNER, Signer
from daemon.sandbox.bodies import ApiError
from daemon.sandbox.rest.asked import account_asked, accounts_asked, view_asked, views_asked
from tests.sandbox.running import running


def request_of(query: str, bound: int | None = None) -> web.Request:
    """Return a request by a key that is bound to a subaccount, or (None) isn't."""
    request = make_mocked_request("GET", f"/x{query}")
    request[SIGNER] = Signer("key", f"client#{bound}" if bound else "client", ("read", "write"), bound)
    return request


async def test_leaving_it_out_means_all_or_the_primary_one_or_the_keys_own(tmp_path: Path) -> None:
    """By the call, and by the key."""
    async with asyncio.timeout(20), running(tmp_path) as client:
        venue = client.sandbox.venue
        for _ in range(2):
            venue.tell([*venue.exchange.treasury.open_subaccount("client", venue.clock.now())[1]])

        def lists(query: str, bound: int | None = None) -> list[str]:
            shown = [view.name for view in views_asked(request_of(query, bound), venue, "Op")]
            assert shown == [own.name for own in accounts_asked(request_of(query, bound), venue, "Op")]
            return shown

        def single(query: str, bound: int | None = None) -> str:
            name = view_asked(request_of(query, bound), venue, "Op").name
            assert name == account_asked(request_of(query, bound), venue, "Op").name
            return name

        assert ["client", "client#1", "client#2"] == lists("")
        assert (["client"], ["client#2"]) == (lists("?subaccount=0"), lists("?subaccount=2"))
        assert (["client#1"], ["client#1"]) == (lists("", 1), lists("?subaccount=1", 1))
        assert ("client", "client#2", "client#1") == (single(""), single("?subaccount=2"), single("", 1))
        assert "client#2" == account_asked(request_of("?subaccount=1"), venue, "Op", 2).name
        for query, bound, status in (
            ("?subaccount=3", None, 400),
            ("?subaccount=64", None, 400),
            ("?subaccount=x", None, 400),
            ("?subaccount=2", 1, 403),
        ):
            for asks in (views_asked, view_asked, accounts_asked, account_asked):
                with pytest.raises(ApiError) as caught:
                    asks(request_of(query, bound), venue, "Op")
                assert status == caught.value.status
