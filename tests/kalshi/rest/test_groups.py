"""Order groups, against a real HTTP server on loopback."""

from __future__ import annotations

import json

import pytest

from daemon.kalshi.errors import Refused, Unknown
from tests.kalshi.rest.calling import asked, calling, tell

GROUPS = "/portfolio/order_groups"


async def test_a_group_is_made_on_its_shard() -> None:
    """The venue's default is shard 0, where no bitcoin market trades: the shard is always said."""
    async with calling() as (venue, rest):
        tell(venue, f"{GROUPS}/create", {"order_group_id": "g", "subaccount": 0}, "POST", 201)
        assert "g" == await rest.create_order_group(1050, exchange_index=2)
        assert {"contracts_limit_fp": "10.50", "exchange_index": 2} == json.loads(venue.requests[-1][2])
        tell(venue, f"{GROUPS}/create", {"subaccount": 0}, "POST", 201)
        with pytest.raises(Unknown):
            await rest.create_order_group(1000, exchange_index=2)


async def test_a_group_is_changed_by_its_id_and_shard() -> None:
    """Limit, reset, trigger and delete; a body is sent even where it is empty."""
    async with calling() as (venue, rest):
        for verb in ("limit", "reset", "trigger"):
            tell(venue, f"{GROUPS}/g/{verb}", {}, "PUT")
        tell(venue, f"{GROUPS}/g", {}, "DELETE")
        await rest.limit_order_group("g", 500, exchange_index=2)
        await rest.reset_order_group("g", exchange_index=2)
        await rest.trigger_order_group("g", exchange_index=2)
        await rest.delete_order_group("g", exchange_index=2)
        shard = "?exchange_index=2"
        assert [f"{GROUPS}/g/{verb}{shard}" for verb in ("limit", "reset", "trigger")] == asked(venue)[:3]
        assert f"{GROUPS}/g{shard}" == asked(venue)[3]
        assert [b'{"contracts_limit_fp":"5.00"}', b"{}", b"{}", b""] == [one[2] for one in venue.requests]
        with pytest.raises(Refused, match="not_found"):
            await rest.trigger_order_group("h", exchange_index=2)
